//! Why a token request is refused, in either shape.

use http::StatusCode;
use serde_json::json;

use super::super::answer::{Answer, Refusal};
use super::{TokenErrorShape, TokenSettings};

/// Why a token request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum TokenRefusal {
    NotAForm,
    MissingField(&'static str),
    UnknownClient,
    WrongSecret,
    UnsupportedGrant,
    DeadCode,
    WrongVerifier,
    WrongRedirectUri,
    DeadRefreshToken,
}

impl TokenRefusal {
    fn parts(self) -> (&'static str, String) {
        let text = |text: &str| text.to_owned();
        match self {
            Self::NotAForm => ("invalid_request", text("The body must be application/x-www-form-urlencoded.")),
            Self::MissingField(name) => ("invalid_request", format!("The request is missing the parameter: {name}.")),
            Self::UnknownClient => ("invalid_client", text("Client Id is invalid")),
            Self::WrongSecret => ("invalid_client", text("Client authentication failed.")),
            Self::UnsupportedGrant => ("unsupported_grant_type", text("The grant type is not supported.")),
            Self::DeadCode => {
                ("invalid_grant", text("The authorization code provided is expired, used, malformed, or invalid"))
            }
            Self::WrongVerifier => ("invalid_grant", text("The code verifier does not match the code challenge")),
            Self::WrongRedirectUri => {
                ("invalid_grant", text("The redirect URI does not match the one of the authorization request"))
            }
            Self::DeadRefreshToken => {
                ("invalid_grant", text("The refresh token provided is expired, revoked, malformed, or invalid"))
            }
        }
    }

    pub(in super::super) fn answer(self, settings: &TokenSettings, tracking_id: &str) -> Answer {
        let (error, description) = self.parts();
        let status = match error {
            "invalid_grant" => StatusCode::from_u16(settings.invalid_grant_status).unwrap_or(StatusCode::BAD_REQUEST),
            "invalid_client" => StatusCode::UNAUTHORIZED,
            _ => StatusCode::BAD_REQUEST,
        };
        match settings.error_shape {
            TokenErrorShape::OAuth => {
                Answer::json(status, json!({ "error": error, "error_description": description }).to_string())
            }
            TokenErrorShape::Webex => {
                let message = "The request could not be understood by the server due to malformed syntax.".to_owned();
                Refusal { status, message, description }.answer(tracking_id)
            }
        }
    }
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
    fn a_refusal_has_the_shape_and_status_that_are_set() {
        let webex = TokenRefusal::DeadRefreshToken.answer(&TokenSettings::default(), "ROUTER_1");
        let body: serde_json::Value = serde_json::from_slice(&webex.body).unwrap();
        assert_eq!(webex.status, 400);
        let text = "The refresh token provided is expired, revoked, malformed, or invalid";
        assert_eq!(body["errors"][0]["description"], text);
        let settings = TokenSettings {
            error_shape: TokenErrorShape::OAuth,
            invalid_grant_status: 401,
            ..TokenSettings::default()
        };
        let oauth = TokenRefusal::DeadRefreshToken.answer(&settings, "ROUTER_1");
        let body: serde_json::Value = serde_json::from_slice(&oauth.body).unwrap();
        assert_eq!(oauth.status, 401);
        assert_eq!(body, serde_json::json!({ "error": "invalid_grant", "error_description": text }));
    }
}
