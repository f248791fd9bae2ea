//! Batches to any receiver over HTTP: lines or an array of JSON, and statuses that say what became of them.

use crate::sink::Event;
use std::ops::RangeInclusive;
use std::sync::Arc;

use futures::future::BoxFuture;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING,
};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use url::{Position, Url};

use super::client::{self, Answer, Client, Endpoint};
use super::{Given, Kind, Plan, Promise, Receipt, SendError, SetupError, Sink, SinkError, SinkKey, ValueKind};

const URL: &str = "url";
const FORMAT: &str = "format";
const CONTENT_TYPE_KEY: &str = "content_type";
const METHOD: &str = "method";
const TOKEN: &str = "token";
const HEADERS: &str = "headers";
const ACKNOWLEDGED: &str = "acknowledged";
const REFUSED: &str = "refused";

const FORMATS: &[(&str, Format)] = &[("ndjson", Format::Ndjson), ("json_array", Format::JsonArray)];
const METHODS: &[(&str, Way)] = &[("POST", Way::Post), ("PUT", Way::Put)];
/// Headers that are made here.
const OURS: [HeaderName; 6] = [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION, HOST];

/// Batches by HTTP.
pub(super) const KIND: Kind = Kind {
    name: "http",
    about: "Batches to any receiver that takes lines or an array of JSON over HTTP.",
    keys: &[
        client::KEYS,
        &[
            SinkKey::new(
                FORMAT,
                ValueKind::Choice(&["ndjson", "json_array"]),
                "\"ndjson\"",
                "One event a line, or all as one array of JSON.",
            ),
            SinkKey::new(
                CONTENT_TYPE_KEY,
                ValueKind::Text,
                "",
                "What the body is said to be. Absent: `application/x-ndjson` or `application/json`, by the format.",
            ),
            SinkKey::new(METHOD, ValueKind::Choice(&["POST", "PUT"]), "\"POST\"", "The method."),
            SinkKey::new(TOKEN, ValueKind::Secret, "", "Sent as `Authorization: Bearer TOKEN`."),
            SinkKey::new(HEADERS, ValueKind::Headers, "", "Further headers; their values are kept secret."),
            SinkKey::new(
                ACKNOWLEDGED,
                ValueKind::Text,
                "\"200-299\"",
                "Statuses by which the receiver says that it has the whole batch for good, as \"200, 202-204\".",
            ),
            SinkKey::new(
                REFUSED,
                ValueKind::Text,
                "\"400, 413, 422\"",
                "Statuses by which it refuses a batch for what is in it: the batch is sent in halves, down to the event that is \
                 refused alone, which becomes a dead letter.",
            ),
        ],
    ],
    promise: Promise {
        acknowledged: "a status in `acknowledged`",
        repeats: "a batch whose answer did not arrive, or that the receiver took in part before it failed",
        order: "as collected",
        limits: "the receiver's: what it refuses alone with a status in `refused` becomes a dead letter",
    },
    example: "url = \"https://siem.example.com/ingest/webex\"\n\
              format = \"ndjson\"\n\
              token = { env = \"SIEM_TOKEN\" }\n\
              headers = { X-Source = \"webex\" }",
    plan: |given| Ok(Arc::new(HttpPlan::of(given)?)),
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Ndjson,
    JsonArray,
}

impl Format {
    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Ndjson => "application/x-ndjson",
            Self::JsonArray => "application/json",
        })
    }

    /// The items themselves, byte for byte; only what stands between them is ours.
    fn body(self, events: &[Event]) -> Vec<u8> {
        let length: usize = events.iter().map(|event| event.body.len() + 1).sum();
        let mut body = Vec::with_capacity(length + 1);
        for event in events {
            match self {
                Self::Ndjson => {}
                Self::JsonArray => body.push(if body.is_empty() { b'[' } else { b',' }),
            }
            body.extend_from_slice(event.body.as_bytes());
            if self == Self::Ndjson {
                body.push(b'\n');
            }
        }
        if self == Self::JsonArray {
            body.push(b']');
        }
        body
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Post,
    Put,
}

impl Way {
    fn method(self) -> Method {
        match self {
            Self::Post => Method::POST,
            Self::Put => Method::PUT,
        }
    }
}

/// Statuses, as `200-299, 409`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    fn of(given: &Given, key: &'static str, default: &[RangeInclusive<u16>]) -> Result<Self, SetupError> {
        if !given.has(key) {
            return Ok(Self(default.to_vec()));
        }
        let ranges: Option<Vec<_>> = given.list(key).map(Self::range).collect();
        let ranges = ranges.filter(|ranges| !ranges.is_empty());
        ranges.map(Self).ok_or_else(|| {
            SetupError::of(key, "it must be statuses from 200 to 599, such as \"200-299\" or \"200, 202-204\"")
        })
    }

    fn range(text: &str) -> Option<RangeInclusive<u16>> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let [from, to] =
            [from, to].map(|status| status.trim().parse().ok().filter(|status| (200..600).contains(status)));
        let (from, to) = from.zip(to)?;
        (from <= to).then_some(from..=to)
    }

    fn have(&self, status: StatusCode) -> bool {
        self.0.iter().any(|range| range.contains(&status.as_u16()))
    }

    fn meet(&self, other: &Self) -> bool {
        self.0.iter().any(|a| other.0.iter().any(|b| a.start() <= b.end() && b.start() <= a.end()))
    }
}

#[derive(Debug)]
struct HttpPlan {
    endpoint: Endpoint,
    /// Path and query, as the operator wrote them.
    path: String,
    /// Without the query, which may hold what is not for everybody.
    place: String,
    format: Format,
    way: Way,
    headers: Vec<(HeaderName, HeaderValue)>,
    acknowledged: Statuses,
    refused: Statuses,
}

impl HttpPlan {
    fn of(given: &Given) -> Result<Self, SetupError> {
        // Looks at the whole address first; then an origin is taken from it, since a path is sent as it was written.
        Endpoint::of(given)?;
        let url = Url::parse(given.needed(URL)?).map_err(|_| SetupError::of(URL, "it is not a URL"))?;
        let endpoint = Endpoint::at(&url[..Position::BeforePath], given)?;
        let format = given.choice(FORMAT, FORMATS, Format::Ndjson)?;
        let acknowledged = Statuses::of(given, ACKNOWLEDGED, &[200..=299])?;
        let refused = Statuses::of(given, REFUSED, &[400..=400, 413..=413, 422..=422])?;
        if acknowledged.meet(&refused) {
            return Err(SetupError::of(REFUSED, "a status cannot both acknowledge and refuse"));
        }
        Ok(Self {
            endpoint,
            path: url[Position::BeforePath..Position::AfterQuery].to_owned(),
            place: url[..Position::AfterPath].to_owned(),
            format,
            way: given.choice(METHOD, METHODS, Way::Post)?,
            headers: headers(given, format)?,
            acknowledged,
            refused,
        })
    }
}

fn headers(given: &Given, format: Format) -> Result<Vec<(HeaderName, HeaderValue)>, SetupError> {
    let mut headers = given.headers(HEADERS)?;
    if let Some((name, _)) = headers.iter().find(|(name, _)| OURS.contains(name)) {
        return Err(SetupError::of(
            HEADERS,
            format!("`{name}` is made by the sink itself, see `content_type` and `gzip`"),
        ));
    }
    let content_type = match given.text(CONTENT_TYPE_KEY) {
        None => format.content_type(),
        Some(text) => {
            HeaderValue::from_str(text).map_err(|_| SetupError::of(CONTENT_TYPE_KEY, "it cannot stand in a header"))?
        }
    };
    headers.push((CONTENT_TYPE, content_type));
    if let Some(token) = given.secret(TOKEN) {
        if headers.iter().any(|(name, _)| *name == AUTHORIZATION) {
            return Err(SetupError::of(TOKEN, "`headers` hold `Authorization` already"));
        }
        headers.push((AUTHORIZATION, client::secret_header(TOKEN, "Bearer ", token)?));
    }
    Ok(headers)
}

impl Plan for HttpPlan {
    fn open(&self) -> Result<Arc<dyn Sink>, SinkError> {
        Ok(Arc::new(HttpSink {
            client: self.endpoint.open(self.headers.clone()),
            path: self.path.clone(),
            format: self.format,
            way: self.way,
            acknowledged: self.acknowledged.clone(),
            refused: self.refused.clone(),
        }))
    }

    fn place(&self) -> String {
        self.place.clone()
    }
}

struct HttpSink {
    client: Client,
    path: String,
    format: Format,
    way: Way,
    acknowledged: Statuses,
    refused: Statuses,
}

impl HttpSink {
    fn judge(&self, answer: &Answer) -> Result<Receipt, SendError> {
        if self.acknowledged.have(answer.status) {
            return Ok(Receipt::default());
        }
        if self.refused.have(answer.status) {
            return Err(SendError::unfit(answer.words()));
        }
        // Where nobody has said that a status is about the events, no event is put away for it.
        Err(match answer.refusal("mend the url, the token or the headers of the sink, or the receiver") {
            SendError::Unfit { reason } => SendError::closed(
                reason,
                "mend the sink's settings, or name the status in `refused` if it is about the events",
            ),
            error if answer.status.is_success() => SendError::closed(
                error.to_string(),
                "name the status in `acknowledged` if the receiver has the events then",
            ),
            error => error,
        })
    }
}

impl Sink for HttpSink {
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let answer = self.client.send(self.way.method(), &self.path, &[], self.format.body(events)).await?;
            self.judge(&answer)
        })
    }

    /// Asks for the head of the address only: nobody knows what else would leave nothing there.
    fn probe(&self) -> BoxFuture<'_, Result<String, SendError>> {
        Box::pin(async {
            let answer = self.client.request(Method::HEAD, &self.path, &[], bytes::Bytes::new()).await?;
            match answer.status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                    Err(answer.refusal("mend the token or the headers of the sink"))
                }
                status if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => Err(answer.refusal("")),
                status => {
                    Ok(format!("it answers ({status} to HEAD); whether it takes events shows with the first ones"))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
