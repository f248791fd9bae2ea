//! Log records of OpenTelemetry, by OTLP over HTTP. The messages are the official ones.
//! <https://opentelemetry.io/docs/specs/otlp/#otlphttp>

mod answer;
mod records;

use crate::sink::Event;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue};

use super::client::{self, Client, Endpoint};
use super::{Given, Kind, Plan, Promise, Receipt, SendError, SetupError, Sink, SinkError, SinkKey, ValueKind};
use records::{Encoding, Source};

const ENCODING: &str = "encoding";
const TOKEN: &str = "token";
const HEADERS: &str = "headers";
const SERVICE: &str = "service_name";

const ENCODINGS: &[(&str, Encoding)] = &[("protobuf", Encoding::Protobuf), ("json", Encoding::Json)];
/// Where logs go, below the address.
const PATH: &str = "/v1/logs";
/// Bytes of one request before it is compressed: what the specification recommends to both sides.
const LARGEST_REQUEST: usize = 20 << 20;

/// OpenTelemetry.
pub(super) const KIND: Kind = Kind {
    name: "otlp",
    about: "Log records of OpenTelemetry, to any receiver of OTLP over HTTP.",
    keys: &[
        client::KEYS,
        &[
            SinkKey::new(
                ENCODING,
                ValueKind::Choice(&["protobuf", "json"]),
                "\"protobuf\"",
                "How messages are written: `protobuf` is smaller and faster, and every receiver takes it.",
            ),
            SinkKey::new(TOKEN, ValueKind::Secret, "", "Sent as `Authorization: Bearer TOKEN`."),
            SinkKey::new(
                HEADERS,
                ValueKind::Headers,
                "",
                "Further headers, as a vendor's key; their values are kept secret.",
            ),
            SinkKey::new(SERVICE, ValueKind::Text, "\"webex-collector\"", "The resource's `service.name`."),
        ],
    ],
    promise: Promise {
        acknowledged: "a success that names no refused records",
        repeats: "a request whose answer did not arrive; `log.record.uid` tells it",
        order: "as collected",
        limits: "a request has at most 20 MiB; an event that is refused alone becomes a dead letter. Where a receiver refuses some \
                 records of a request it does not say which: the whole request becomes dead letters",
    },
    example: "url = \"https://otel.example.com:4318\"\n\
              token = { env = \"OTLP_TOKEN\" }",
    plan: |given| Ok(Arc::new(OtlpPlan::of(given)?)),
};

#[derive(Debug)]
struct OtlpPlan {
    endpoint: Endpoint,
    path: &'static str,
    encoding: Encoding,
    headers: Vec<(HeaderName, HeaderValue)>,
    service: String,
}

impl OtlpPlan {
    fn of(given: &Given) -> Result<Self, SetupError> {
        let endpoint = Endpoint::of(given)?;
        let encoding = given.choice(ENCODING, ENCODINGS, Encoding::Protobuf)?;
        let mut headers = given.headers(HEADERS)?;
        if let Some(token) = given.secret(TOKEN) {
            if headers.iter().any(|(name, _)| *name == AUTHORIZATION) {
                return Err(SetupError::of(TOKEN, "`headers` hold `Authorization` already"));
            }
            headers.push((AUTHORIZATION, client::secret_header(TOKEN, "Bearer ", token)?));
        }
        headers.push((CONTENT_TYPE, encoding.content_type()));
        headers.push((ACCEPT, encoding.content_type()));
        Ok(Self {
            path: if endpoint.base().ends_with(PATH) { "" } else { PATH },
            endpoint,
            encoding,
            headers,
            service: given.text(SERVICE).unwrap_or(env!("CARGO_PKG_NAME")).to_owned(),
        })
    }
}

impl Plan for OtlpPlan {
    fn open(&self) -> Result<Arc<dyn Sink>, SinkError> {
        Ok(Arc::new(OtlpSink {
            client: self.endpoint.open(self.headers.clone()),
            path: self.path,
            encoding: self.encoding,
            source: Source::new(&self.service),
        }))
    }

    fn place(&self) -> String {
        format!("{}{}", self.endpoint.base(), self.path)
    }
}

struct OtlpSink {
    client: Client,
    path: &'static str,
    encoding: Encoding,
    source: Source,
}

impl OtlpSink {
    async fn post(&self, body: Vec<u8>) -> Result<Option<answer::Partly>, SendError> {
        answer::judge(self.encoding, &self.client.post(self.path, &[], body).await?)
    }
}

impl Sink for OtlpSink {
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let body = self.encoding.write(&self.source.request(events, records::now()))?;
            if body.len() > LARGEST_REQUEST {
                return Err(SendError::unfit(format!(
                    "it was not sent: it has more than {LARGEST_REQUEST} bytes as OTLP"
                )));
            }
            let partly = self.post(body).await?;
            Ok(partly.map_or_else(Receipt::default, |partly| partly.receipt(events.len())))
        })
    }

    /// A request without records, which a receiver answers with success.
    fn probe(&self) -> BoxFuture<'_, Result<String, SendError>> {
        Box::pin(async {
            match self.post(self.encoding.write(&records::nothing())?).await {
                Ok(_) => Ok("it takes requests".to_owned()),
                Err(SendError::Unfit { reason }) => Ok(format!("it answers a request without records with {reason}")),
                Err(error) => Err(error),
            }
        })
    }
}

#[cfg(test)]
mod tests;
