//! Cortex XSIAM and Cortex XDR, by their HTTP log collector, in the form of the integrations' own `send_events_to_xsiam`
//! (`CommonServerPython` in demisto/content): lines of JSON, and headers that name vendor and product.

use crate::sink::Event;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};
use url::Url;

use super::client::{self, Answer, Client, Endpoint};
use super::{
    Given, Kind, Plan, Promise, Receipt, SendError, SetupError, Sink, SinkError, SinkKey, Traffic, ValueKind, fit,
    names,
};

const TOKEN: &str = "token";
const VENDOR: &str = "vendor";
const PRODUCT: &str = "product";
const INSTANCE: &str = "instance_name";
const DEVICE: &str = "reporting_device";

/// Where a collector takes events, if the address names no path.
const PATH: &str = "/logs/v1/event";
/// Bytes of one event: `MAX_ALLOWED_ENTRY_SIZE` there.
const LARGEST_EVENT: usize = 5_000_000;
/// Bytes of one request before it is compressed: `XSIAM_EVENT_CHUNK_SIZE_LIMIT` there.
const LARGEST_REQUEST: usize = 9_000_000;
/// What is sent at a time: `XSIAM_EVENT_CHUNK_SIZE` there.
const REQUEST: usize = 1 << 20;

const REMEDY: &str = "make a new token for the HTTP collector in Cortex, or mend `url` and `token` of the sink";

/// Cortex XSIAM.
pub(super) const KIND: Kind = Kind {
    name: "xsiam",
    about: "Cortex XSIAM or Cortex XDR, through an HTTP log collector.",
    keys: &[
        client::KEYS,
        &[
            SinkKey::needed(TOKEN, ValueKind::Secret, "The token of the HTTP collector."),
            SinkKey::new(VENDOR, ValueKind::Text, "\"cisco\"", "The vendor; the data set is `VENDOR_PRODUCT_raw`."),
            SinkKey::new(PRODUCT, ValueKind::Text, "\"webex\"", "The product."),
            SinkKey::new(
                INSTANCE,
                ValueKind::Text,
                "\"webex-collector\"",
                "The instance that Cortex shows as the source.",
            ),
            SinkKey::new(
                DEVICE,
                ValueKind::Text,
                "",
                "The device that Cortex shows as the last one to report the events.",
            ),
        ],
    ],
    promise: Promise {
        acknowledged: "status 200 with an answer in JSON that names no error",
        repeats: "a request whose answer did not arrive",
        order: "as collected",
        limits: "an event over 5 MB is not sent and becomes a dead letter",
    },
    example: "url = \"https://api-mytenant.xdr.eu.paloaltonetworks.com\"\n\
              token = { env = \"XSIAM_TOKEN\" }",
    plan: |given| Ok(Arc::new(XsiamPlan::of(given)?)),
};

#[derive(Debug)]
struct XsiamPlan {
    endpoint: Endpoint,
    path: &'static str,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl XsiamPlan {
    fn of(given: &Given) -> Result<Self, SetupError> {
        let endpoint = Endpoint::of(given)?;
        let has_path = Url::parse(endpoint.base()).is_ok_and(|url| url.path() != "/");
        let plain = |key, text: &str| {
            HeaderValue::from_str(text).map_err(|_| SetupError::of(key, "it cannot stand in a header"))
        };
        let named = |header, key, default: &str| {
            Ok::<_, SetupError>((HeaderName::from_static(header), plain(key, given.text(key).unwrap_or(default))?))
        };
        let fixed = |header, value| (HeaderName::from_static(header), HeaderValue::from_static(value));
        let mut headers = vec![
            (AUTHORIZATION, client::secret_header(TOKEN, "", given.needed_secret(TOKEN)?)?),
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            fixed("format", "json"),
            fixed("collector-type", "events"),
            fixed("collector-name", env!("CARGO_PKG_NAME")),
            named("vendor", VENDOR, names::CORTEX_VENDOR)?,
            named("product", PRODUCT, names::CORTEX_PRODUCT)?,
            named("instance-name", INSTANCE, env!("CARGO_PKG_NAME"))?,
        ];
        if given.has(DEVICE) {
            headers.push(named("final-reporting-device", DEVICE, "")?);
        }
        Ok(Self { endpoint, path: if has_path { "" } else { PATH }, headers })
    }
}

impl Plan for XsiamPlan {
    fn open(&self) -> Result<Arc<dyn Sink>, SinkError> {
        Ok(Arc::new(XsiamSink { client: self.endpoint.open(self.headers.clone()), path: self.path }))
    }

    fn place(&self) -> String {
        format!("{}{}", self.endpoint.base(), self.path)
    }

    fn traffic(&self) -> Traffic {
        Traffic { max_bytes: REQUEST, ..Traffic::default() }
    }
}

struct XsiamSink {
    client: Client,
    path: &'static str,
}

/// Lines of JSON, the last one without an end: an empty line would be an event.
fn lines(events: &[&Event]) -> Vec<u8> {
    let length: usize = events.iter().map(|event| event.body.len() + 1).sum();
    let mut body = Vec::with_capacity(length);
    for event in events {
        if !body.is_empty() {
            body.push(b'\n');
        }
        body.extend_from_slice(event.body.as_bytes());
    }
    body
}

/// What an answer means. With status 200 it is an object whose `error` is `"false"`; anything else is no acknowledgement: a proxy
/// may answer 200, too.
fn judge(answer: &Answer) -> Result<(), SendError> {
    if answer.status != http::StatusCode::OK {
        return Err(match answer.refusal(REMEDY) {
            SendError::Later { reason, after } if answer.status.is_success() => {
                SendError::Later { reason: format!("{reason}: no acknowledgement"), after }
            }
            error => error,
        });
    }
    let read: Option<serde_json::Map<String, serde_json::Value>> = serde_json::from_slice(&answer.body).ok();
    let Some(read) = read else {
        return Err(SendError::later(format!("no acknowledgement, though it answered {}", answer.words())));
    };
    match read.get("error") {
        None | Some(serde_json::Value::Null | serde_json::Value::Bool(false)) => Ok(()),
        Some(serde_json::Value::String(text)) if text.is_empty() || text.eq_ignore_ascii_case("false") => Ok(()),
        Some(_) => Err(SendError::later(format!("it names an error: {}", answer.words()))),
    }
}

impl Sink for XsiamSink {
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let (fit, refused) = fit::within(events, LARGEST_EVENT);
            if !fit.is_empty() {
                let body = lines(&fit);
                if body.len() > LARGEST_REQUEST && fit.len() > 1 {
                    return Err(SendError::unfit("more than Cortex takes in one request"));
                }
                judge(&self.client.post(self.path, &[], body).await?)?;
            }
            Ok(Receipt { refused, ..Receipt::default() })
        })
    }

    /// A request without an event: what matters is whether the token is taken.
    fn probe(&self) -> BoxFuture<'_, Result<String, SendError>> {
        Box::pin(async {
            let answer = self.client.post(self.path, &[], Vec::new()).await?;
            match answer.refusal(REMEDY) {
                _ if answer.status.is_success() => Ok("it takes the token".to_owned()),
                SendError::Unfit { .. } => {
                    Ok(format!("it takes the token ({} to a request without events)", answer.status))
                }
                error => Err(error),
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use bytes::Bytes;
    use http::StatusCode;

    use super::*;

    #[test]
    fn only_what_cortex_itself_says_is_an_acknowledgement() {
        let judge = |status: u16, body: &'static str| {
            let status = StatusCode::from_u16(status).unwrap();
            judge(&Answer { status, retry_after: None, body: Bytes::from_static(body.as_bytes()) })
        };
        for body in [r#"{"error":"false"}"#, r#"{"error":"False"}"#, r#"{"ok":"true"}"#, r#"{"error":false}"#] {
            assert_eq!(judge(200, body), Ok(()), "{body}");
        }
        for (status, body) in
            [(200, ""), (200, "<html>"), (200, "[]"), (200, r#"{"error":"quota"}"#), (204, ""), (429, "")]
        {
            assert!(matches!(judge(status, body), Err(SendError::Later { .. })), "{status} {body}");
        }
        for status in [400, 413, 422] {
            assert!(matches!(judge(status, ""), Err(SendError::Unfit { .. })), "{status}");
        }
        for status in [401, 403, 404] {
            assert!(matches!(judge(status, ""), Err(SendError::Closed { .. })), "{status}");
        }
    }
}
