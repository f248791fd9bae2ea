//! An answer before it goes out, and the error bodies of Webex.

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

/// What the tenant answers to one request, and how it reaches the client.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
    /// Events in the body of a list.
    pub(super) items: usize,
    pub(super) delivery: Delivery,
}

/// How much of an answer arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// All of it.
    Whole,
    /// The connection is reset before the first byte.
    ResetBefore,
    /// Headers and half of the body, then a reset.
    ResetInside,
    /// Half of the body under the `Content-Length` of the whole, then a plain close.
    CutShort,
    /// Nothing, until the client gives up.
    Never,
}

impl Answer {
    pub(super) fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::with_type(status, "application/json;charset=UTF-8", body)
    }

    pub(super) fn html(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::with_type(status, "text/html;charset=UTF-8", body)
    }

    /// 302 to `location`, with an empty body.
    pub(super) fn redirect(location: impl Into<String>) -> Self {
        Self::html(StatusCode::FOUND, Bytes::new()).header("location", location)
    }

    /// 303 to `location`, after a form.
    pub(super) fn see_other(location: impl Into<String>) -> Self {
        Self { status: StatusCode::SEE_OTHER, ..Self::redirect(location) }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn delivered(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    fn with_type(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type", content_type.to_owned())],
            body: body.into(),
            items: 0,
            delivery: Delivery::Whole,
        }
    }
}

/// A request that is refused, in the words of Webex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) message: String,
    pub(super) description: String,
}

impl Refusal {
    /// Message and description are the same text.
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { status, message: text.clone(), description: text }
    }

    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(super) fn missing_parameter(name: &str) -> Self {
        Self::bad_request(format!(
            "Required request parameter '{name}' for method parameter type String is not present"
        ))
    }

    pub(super) fn unauthorized() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            message: "The request requires a valid access token set in the Authorization request header.".into(),
            description: "The request requires a valid access token set in the Authorization request header.".into(),
        }
    }

    pub(super) fn missing_scope() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "The server understood the request, but refused to fulfill it because the access token is missing required scopes.",
        )
    }

    pub(super) fn missing_role() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "The server understood the request, but refused to fulfill it because the user is missing required roles.",
        )
    }

    /// The 90-day rule of `/v1/events`, as the backend's text comes through in the message.
    pub(super) fn past_90_days() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            message: "Failed to get events. error = 'User is only authorized to search within past 90 days.'".into(),
            description: "User is only authorized to search within past 90 days.".into(),
        }
    }

    pub(super) fn answer(&self, tracking_id: &str) -> Answer {
        let body = json!({
            "message": self.message,
            "errors": [{ "description": self.description }],
            "trackingId": tracking_id,
        });
        Answer::json(self.status, body.to_string())
    }
}

/// The page that a gateway shows instead of JSON.
pub(super) fn gateway_page(title: &str) -> String {
    format!("<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>")
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_three_members_of_a_webex_error() {
        let answer = Refusal::past_90_days().answer("ROUTER_1");
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer.status, 403);
        assert!(body["message"].as_str().unwrap().contains("User is only authorized to search within past 90 days."));
        assert_eq!(body["errors"][0]["description"], "User is only authorized to search within past 90 days.");
        assert_eq!(body["trackingId"], "ROUTER_1");
    }
}
