//! What an answer means: <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>.

use http::StatusCode;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsPartialSuccess, ExportLogsServiceResponse};
use prost::Message;
use serde::Deserialize;

use super::records::Encoding;
use crate::log;
use crate::sink::client::Answer;
use crate::sink::{Receipt, Refused, SendError};

const REMEDY: &str = "mend the url, the token, the headers or the encoding of the sink, or the receiver";

/// `google.rpc.Status`, as far as it is read.
#[derive(Clone, PartialEq, Message, Deserialize)]
struct Status {
    #[prost(string, tag = "2")]
    #[serde(default)]
    message: String,
}

/// The response in JSON. The official types read the number as a number only, though numbers of 64 bits are written as texts.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Response {
    partial_success: Option<PartialSuccess>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PartialSuccess {
    rejected_log_records: Number,
    error_message: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Number(i64),
    Text(String),
}

impl Default for Number {
    fn default() -> Self {
        Self::Number(0)
    }
}

impl Response {
    fn read(body: &[u8]) -> Option<ExportLogsServiceResponse> {
        let read: Self = serde_json::from_slice(body).ok()?;
        let Some(PartialSuccess { rejected_log_records, error_message }) = read.partial_success else {
            return Some(ExportLogsServiceResponse::default());
        };
        let rejected_log_records = match rejected_log_records {
            Number::Number(number) => number,
            Number::Text(text) => text.parse().ok()?,
        };
        let partial = ExportLogsPartialSuccess { rejected_log_records, error_message };
        Some(ExportLogsServiceResponse { partial_success: Some(partial) })
    }
}

/// Some records of a request were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partly {
    refused: usize,
    message: String,
}

impl Partly {
    /// A receiver does not name the records that it refuses, and the request must not be sent again, nor in parts: what it has taken
    /// would be there twice. So all of its events are kept where a person can look.
    pub(super) fn receipt(self, count: usize) -> Receipt {
        let Self { refused, message } = self;
        let is_in_doubt = refused < count;
        let reason = if is_in_doubt {
            format!(
                "the receiver has refused {refused} of {count} records of a request and does not say which: {message}"
            )
        } else {
            format!("refused: {message}")
        };
        let refused = (0..count).map(|index| Refused { index, reason: reason.clone() }).collect();
        Receipt { refused, is_in_doubt, ..Receipt::default() }
    }
}

/// None: all is taken.
pub(super) fn judge(encoding: Encoding, answer: &Answer) -> Result<Option<Partly>, SendError> {
    if answer.status.is_success() {
        let Some(read) = response(encoding, &answer.body) else {
            // A proxy may answer with a page and 200.
            return Err(SendError::later(format!("no acknowledgement, though it answered {}", answer.words())));
        };
        let partly = read.partial_success.and_then(|partial| {
            let refused = usize::try_from(partial.rejected_log_records).ok().filter(|refused| *refused > 0)?;
            Some(Partly { refused, message: log::plain(&partial.error_message) })
        });
        return Ok(partly);
    }
    let reason = reason(encoding, answer);
    Err(match answer.status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => SendError::Later { reason, after: answer.retry_after },
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => {
            SendError::Unfit { reason }
        }
        status if status.is_redirection() => answer.refusal(REMEDY),
        // Not to be tried again, says the specification, and so would be lost with most clients. It waits for somebody instead.
        _ => SendError::closed(reason, REMEDY),
    })
}

/// An empty body is a message without fields, and common: success.
fn response(encoding: Encoding, body: &[u8]) -> Option<ExportLogsServiceResponse> {
    match encoding {
        _ if body.trim_ascii().is_empty() => Some(ExportLogsServiceResponse::default()),
        // Some answer in JSON whatever they were asked in.
        Encoding::Protobuf => ExportLogsServiceResponse::decode(body).ok().or_else(|| Response::read(body)),
        Encoding::Json => Response::read(body),
    }
}

/// The status, and what the receiver says of it.
fn reason(encoding: Encoding, answer: &Answer) -> String {
    let status: Option<Status> = match encoding {
        Encoding::Protobuf => Status::decode(&*answer.body).ok(),
        Encoding::Json => serde_json::from_slice(&answer.body).ok(),
    };
    match status {
        Some(Status { message }) if !message.is_empty() => {
            let words = log::plain(&message).into_bytes();
            Answer { body: words.into(), ..answer.clone() }.words()
        }
        _ => answer.words(),
    }
}
