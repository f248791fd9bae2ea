//! Microsoft Sentinel, by the Logs Ingestion API of Azure Monitor: an array of rows to a data collection rule.
//!
//! An item stands in one column of type `dynamic`, as it is; beside it what queries ask for first.

mod token;

use crate::sink::Event;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};

use super::client::{self, Answer, Client, Endpoint};
use super::{
    Given, Kind, Plan, Promise, Receipt, SendError, SetupError, Sink, SinkError, SinkKey, Traffic, ValueKind, fit,
};
use token::{Grant, Tokens};

const RULE: &str = "dcr_id";
const STREAM: &str = "dcr_stream";
const TENANT: &str = "tenant_id";
const CLIENT: &str = "client_id";
const SECRET: &str = "client_secret";
const AUTHORITY: &str = "authority";
const SCOPE: &str = "scope";
const CUT_LARGE: &str = "cut_large";

const PUBLIC_AUTHORITY: &str = "https://login.microsoftonline.com";
const PUBLIC_SCOPE: &str = "https://monitor.azure.com/.default";
const API_VERSION: &str = "2023-01-01";

/// Bytes of one call, compressed or not; the service's own number is 1,048,576.
const LARGEST_CALL: usize = 1_000_000;
/// Bytes of a column's value: what is longer the service cuts without a word ("64 KB").
const LARGEST_FIELD: usize = 64_000;
/// Bytes of items in one call: what stands beside an item needs room, too.
const CALL: usize = 600_000;
/// Rows of one call, likewise.
const ROWS: usize = 1_000;
/// What stands beside an item, at the most.
const BESIDE: usize = 2_000;

const REMEDY_RULE: &str = "look at `url` and `dcr_id` of the sink: the address of the logs ingestion endpoint, and the immutable id of \
                           the data collection rule (\"dcr-…\")";
const REMEDY_RIGHT: &str = "give the application the role `Monitoring Metrics Publisher` on the data collection rule; it may take 30 \
                            minutes until that holds";

/// Microsoft Sentinel.
pub(super) const KIND: Kind = Kind {
    name: "sentinel",
    about: "Microsoft Sentinel or any Log Analytics workspace, through the Logs Ingestion API.",
    keys: &[
        client::KEYS,
        &[
            SinkKey::needed(RULE, ValueKind::Text, "The immutable id of the data collection rule, `dcr-…`."),
            SinkKey::needed(STREAM, ValueKind::Text, "The stream of the rule that takes the rows, `Custom-…`."),
            SinkKey::needed(TENANT, ValueKind::Text, "The Microsoft Entra tenant."),
            SinkKey::needed(CLIENT, ValueKind::Text, "The application that signs in."),
            SinkKey::needed(SECRET, ValueKind::Secret, "Its secret."),
            SinkKey::new(
                AUTHORITY,
                ValueKind::Text,
                "\"https://login.microsoftonline.com\"",
                "Who gives tokens; another one in a sovereign cloud.",
            ),
            SinkKey::new(
                SCOPE,
                ValueKind::Text,
                "\"https://monitor.azure.com/.default\"",
                "What the token is for; `https://monitor.azure.us/.default` or `https://monitor.azure.cn/.default` in those clouds.",
            ),
            SinkKey::new(
                CUT_LARGE,
                ValueKind::Boolean,
                "false",
                "Send items over 64 KB, too, which the service cuts. Without it they become dead letters.",
            ),
        ],
    ],
    promise: Promise {
        acknowledged: "status 204: the endpoint has taken the call. What the rule's transformation or the table drops after that is told \
                       in Azure only (`DCRLogErrors`)",
        repeats: "a call whose answer did not arrive; rows with the same `EventId`",
        order: "as collected; Azure keeps none",
        limits: "an item over 64 KB is not sent and becomes a dead letter, for the service would cut it; see `cut_large`",
    },
    example: "url = \"https://webex-abcd.westeurope-1.ingest.monitor.azure.com\"\n\
              dcr_id = \"dcr-00000000000000000000000000000000\"\n\
              dcr_stream = \"Custom-Webex_CL\"\n\
              tenant_id = \"00000000-0000-0000-0000-000000000000\"\n\
              client_id = \"00000000-0000-0000-0000-000000000000\"\n\
              client_secret = { env = \"AZURE_CLIENT_SECRET\" }",
    plan: |given| Ok(Arc::new(SentinelPlan::of(given)?)),
};

#[derive(Debug)]
struct SentinelPlan {
    endpoint: Endpoint,
    path: String,
    authority: Endpoint,
    grant: Grant,
    largest_item: usize,
}

impl SentinelPlan {
    fn of(given: &Given) -> Result<Self, SetupError> {
        let name = |key| match given.needed(key)? {
            text if text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) => Ok(text),
            _ => Err(SetupError::of(key, "it must be of letters, digits, `-`, `_` and `.`")),
        };
        let (rule, stream, tenant) = (name(RULE)?, name(STREAM)?, name(TENANT)?);
        if !rule.starts_with("dcr-") {
            return Err(SetupError::of(RULE, "it must be the immutable id of the rule, which begins with \"dcr-\""));
        }
        let authority = Endpoint::at(given.text(AUTHORITY).unwrap_or(PUBLIC_AUTHORITY), given)
            .map_err(|error| SetupError { key: AUTHORITY, ..error })?;
        let grant = Grant {
            path: format!("/{tenant}/oauth2/v2.0/token"),
            client: given.needed(CLIENT)?.to_owned(),
            secret: given.needed_secret(SECRET)?.clone(),
            scope: given.text(SCOPE).unwrap_or(PUBLIC_SCOPE).to_owned(),
        };
        Ok(Self {
            endpoint: Endpoint::of(given)?,
            path: format!("/dataCollectionRules/{rule}/streams/{stream}?api-version={API_VERSION}"),
            authority,
            grant,
            largest_item: if given.is_on(CUT_LARGE, false)? { LARGEST_CALL - BESIDE } else { LARGEST_FIELD },
        })
    }
}

impl Plan for SentinelPlan {
    fn open(&self) -> Result<Arc<dyn Sink>, SinkError> {
        let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        Ok(Arc::new(SentinelSink {
            client: self.endpoint.open(headers),
            path: self.path.clone(),
            tokens: Tokens::new(self.authority.open([]), self.grant.clone()),
            largest_item: self.largest_item,
        }))
    }

    fn place(&self) -> String {
        format!("{}{}", self.endpoint.base(), self.path)
    }

    fn traffic(&self) -> Traffic {
        Traffic { max_bytes: CALL, max_events: ROWS, ..Traffic::default() }
    }
}

struct SentinelSink {
    client: Client,
    path: String,
    tokens: Tokens,
    largest_item: usize,
}

/// The rows. `now` is their time where an item has none.
fn rows(events: &[&Event], now: DateTime<Utc>) -> Vec<u8> {
    let length: usize = events.iter().map(|event| event.body.len() + 256).sum();
    let mut rows = String::with_capacity(length);
    let text = |text: &str| serde_json::Value::from(text).to_string();
    for event in events {
        rows.push(if rows.is_empty() { '[' } else { ',' });
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let created = event.created.and_then(DateTime::from_timestamp_millis).map(time);
        // Writing to a text does not fail. Azure replaces a `TimeGenerated` of more than two days ago by its own time, so the
        // item's time has a column that it leaves alone.
        let _ = write!(rows, r#"{{"TimeGenerated":"{}","#, created.clone().unwrap_or_else(|| time(now)));
        if let Some(created) = created {
            let _ = write!(rows, r#""Created":"{created}","#);
        }
        let _ = write!(
            rows,
            r#""EventId":{},"OrgId":{},"Stream":{},"Data":{}}}"#,
            text(&event.id),
            text(&event.org),
            text(&event.stream),
            event.body
        );
    }
    rows.push(']');
    rows.into_bytes()
}

/// What an answer means, with a token that was taken.
fn judge(answer: &Answer) -> Result<(), SendError> {
    let closed = |remedy| Err(SendError::closed(answer.words(), remedy));
    match answer.status {
        StatusCode::NO_CONTENT => Ok(()),
        StatusCode::UNAUTHORIZED => closed("a new token was refused, too; look at `scope` and the application"),
        StatusCode::FORBIDDEN => closed(REMEDY_RIGHT),
        StatusCode::BAD_REQUEST if code(answer).as_deref() == Some("InvalidStream") => {
            closed("look at `dcr_stream`: the data collection rule has no such stream")
        }
        _ => match answer.refusal(REMEDY_RULE) {
            SendError::Later { reason, after } if answer.status.is_success() => {
                Err(SendError::Later { reason: format!("{reason}: no acknowledgement, which is 204"), after })
            }
            error => Err(error),
        },
    }
}

/// The code in an error of Azure: `{"error":{"code":"…","message":"…"}}`.
fn code(answer: &Answer) -> Option<String> {
    let read: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    Some(read.get("error")?.get("code")?.as_str()?.to_owned())
}

impl SentinelSink {
    /// A token that has become invalid before its time is replaced once.
    async fn call(&self, rows: &[u8]) -> Result<Answer, SendError> {
        let token = self.tokens.current().await?;
        let answer = self.call_with(token.header(), rows).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.tokens.forget(&token).await;
        let token = self.tokens.current().await?;
        self.call_with(token.header(), rows).await
    }

    async fn call_with(&self, token: HeaderValue, rows: &[u8]) -> Result<Answer, SendError> {
        let header: (HeaderName, HeaderValue) = (AUTHORIZATION, token);
        self.client.post(&self.path, &[header], rows.to_vec()).await
    }
}

impl Sink for SentinelSink {
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let (fit, refused) = fit::within(events, self.largest_item);
            if !fit.is_empty() {
                let rows = rows(&fit, Utc::now());
                if rows.len() > LARGEST_CALL {
                    return Err(SendError::unfit("more than the service takes in one call"));
                }
                judge(&self.call(&rows).await?)?;
            }
            Ok(Receipt { refused, ..Receipt::default() })
        })
    }

    /// An array without rows: whether the application may send to the rule is known then, and nothing is there to be kept.
    fn probe(&self) -> BoxFuture<'_, Result<String, SendError>> {
        Box::pin(async {
            let answer = self.call(b"[]").await?;
            match judge(&answer) {
                Ok(()) => Ok("it takes the token and knows the rule".to_owned()),
                Err(SendError::Unfit { .. }) => {
                    Ok(format!("it takes the token ({} to a call without rows)", answer.status))
                }
                Err(error) => Err(error),
            }
        })
    }
}

#[cfg(test)]
mod tests;
