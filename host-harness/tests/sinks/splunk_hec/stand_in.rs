//! A strict stand-in for Splunk's HTTP Event Collector, made from Splunk's documentation:
//!
//! - `[codes]` "Troubleshoot HTTP Event Collector", possible error codes:
//!   <https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/troubleshoot-http-event-collector>
//! - `[format]` "Format events for HTTP Event Collector":
//!   <https://help.splunk.com/en/splunk-enterprise/get-data-in/collect-http-event-data/format-events-for-http-event-collector>
//! - `[ack]` "About HTTP Event Collector Indexer Acknowledgment":
//!   <https://help.splunk.com/splunk-enterprise/get-data-in/collect-http-event-data/about-http-event-collector-indexer-acknowledgment>
//! - `[rest]` "REST API Reference Manual", input endpoints `services/collector/*`:
//!   <https://docs.splunk.com/Documentation/Splunk/latest/RESTREF/RESTinput>
//! - `[limits]` `limits.conf`, `[http_input] max_content_length`:
//!   <https://docs.splunk.com/Documentation/Splunk/latest/Admin/Limitsconf>
//!
//! Where the documentation is silent it does what hurts most of what Splunk is seen to do: of a request with an event that cannot
//! be read, those before it are indexed and never acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use serde_json::value::RawValue;

use crate::conformance::Arrived;
use crate::http_receiver::{Asked, Protocol, Take, status};

pub(crate) const SECRET: &str = "11111111-2222-4333-8444-555555555555";
/// The index that the token may write to.
const INDEX: &str = "webex";

/// The token that clients have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// With `useACK`.
    Acknowledges,
    /// Without.
    Plain,
    Disabled,
    Unknown,
}

pub(crate) struct Splunk {
    token: Token,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    indexed: Vec<Indexed>,
    channels: BTreeMap<String, Channel>,
    unreadable: BTreeSet<String>,
    /// Requests that are acknowledged late, and how often they are asked for before.
    late: Option<(usize, usize)>,
    limit: Option<(usize, bool)>,
    queues_are_full: bool,
    /// How long the next answer is on its way.
    held: Option<Duration>,
}

struct Indexed {
    envelope: serde_json::Value,
    body: String,
    acknowledged: bool,
    is_lost: bool,
}

/// `[ack]`: numbers are those of a channel.
#[derive(Default)]
struct Channel {
    next: u64,
    pending: BTreeMap<u64, Pending>,
}

struct Pending {
    events: Vec<usize>,
    /// Questions that are answered "not yet".
    questions: usize,
}

/// What a request is refused with.
struct Refusal(StatusCode, u32, &'static str, Option<usize>);

type Answer = Response<Full<Bytes>>;

fn refused(Refusal(code, number, text, invalid): Refusal) -> Answer {
    let invalid = invalid.map(|invalid| format!(",\"invalid-event-number\":{invalid}")).unwrap_or_default();
    status(code, &[], &format!("{{\"text\":\"{text}\",\"code\":{number}{invalid}}}"))
}

impl Splunk {
    pub(crate) fn new(token: Token) -> Self {
        Self { token, state: Mutex::default() }
    }

    pub(crate) fn token(&self) -> Token {
        self.token
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// So many requests are acknowledged when they were asked for so often.
    pub(crate) fn index_late(&self, requests: usize, questions: usize) {
        self.state().late = Some((requests, questions));
    }

    /// The event with this id is none that it can read.
    pub(crate) fn cannot_read(&self, id: &str) {
        self.state().unreadable.insert(format!("\"id\":\"{id}\""));
    }

    /// Bytes of a request. `names_the_first`: as Splunk Cloud, which blames the first event of a request that is too large.
    pub(crate) fn limit(&self, bytes: usize, names_the_first: bool) {
        self.state().limit = Some((bytes, names_the_first));
    }

    pub(crate) fn fill_queues(&self) {
        self.state().queues_are_full = true;
    }

    /// What was not indexed is lost, and numbers begin at 0 again. The first of them is `held` on its way.
    pub(crate) fn start_again(&self, held: Duration) {
        let mut state = self.state();
        let lost: Vec<usize> = std::mem::take(&mut state.channels)
            .into_values()
            .flat_map(|channel| channel.pending.into_values().flat_map(|pending| pending.events))
            .collect();
        lost.into_iter().for_each(|place| state.indexed[place].is_lost = true);
        state.late = None;
        state.held = Some(held);
    }

    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        let arrived = |indexed: &Indexed| {
            let id = indexed.envelope["event"]["id"].as_str().unwrap().to_owned();
            Arrived { id, body: indexed.body.clone(), acknowledged: indexed.acknowledged }
        };
        self.state().indexed.iter().filter(|indexed| !indexed.is_lost).map(arrived).collect()
    }

    pub(crate) fn envelopes(&self) -> Vec<serde_json::Value> {
        self.state().indexed.iter().map(|indexed| indexed.envelope.clone()).collect()
    }

    /// `[codes]` 1 to 4 and 16.
    fn authorized(&self, asked: &Asked) -> Result<(), Refusal> {
        if asked.uri.query().is_some_and(|query| query.contains("token=")) {
            return Err(Refusal(StatusCode::BAD_REQUEST, 16, "Query string authorization is not enabled", None));
        }
        let Some(value) = asked.headers.get("authorization").map(|value| value.to_str().unwrap()) else {
            return Err(Refusal(StatusCode::UNAUTHORIZED, 2, "Token is required", None));
        };
        let Some(secret) = value.strip_prefix("Splunk ") else {
            return Err(Refusal(StatusCode::UNAUTHORIZED, 3, "Invalid authorization", None));
        };
        match self.token {
            Token::Unknown => Err(Refusal(StatusCode::FORBIDDEN, 4, "Invalid token", None)),
            _ if secret != SECRET => Err(Refusal(StatusCode::FORBIDDEN, 4, "Invalid token", None)),
            Token::Disabled => Err(Refusal(StatusCode::FORBIDDEN, 1, "Token disabled", None)),
            Token::Acknowledges | Token::Plain => Ok(()),
        }
    }

    /// `[ack]`, "Channels and sending data", `[codes]` 10 and 11: with `useACK` each request names a channel by a GUID.
    fn channel(&self, asked: &Asked) -> Result<Option<String>, Refusal> {
        let channel = asked.headers.get("x-splunk-request-channel").map(|value| value.to_str().unwrap().to_owned());
        match channel {
            None if self.token == Token::Acknowledges => {
                Err(Refusal(StatusCode::BAD_REQUEST, 10, "Data channel is missing", None))
            }
            Some(name) if !is_guid(&name) => Err(Refusal(StatusCode::BAD_REQUEST, 11, "Invalid data channel", None)),
            channel => Ok(channel),
        }
    }

    fn health(&self, asked: &Asked) -> Result<Answer, Refusal> {
        // `[rest]` services/collector/health: 200, 400 for a token, 503; `[codes]` 17 to 22.
        self.authorized(asked).map_err(|refusal| match refusal.1 {
            1 => Refusal(StatusCode::BAD_REQUEST, 22, "Token disabled", None),
            _ => Refusal(StatusCode::BAD_REQUEST, 21, "Invalid token", None),
        })?;
        if self.state().queues_are_full {
            return Err(Refusal(StatusCode::SERVICE_UNAVAILABLE, 18, "HEC is unhealthy, queues are full", None));
        }
        Ok(status(StatusCode::OK, &[], "{\"text\":\"HEC is healthy\",\"code\":17}"))
    }

    /// `[ack]`, "Check indexer acknowledgment status": "yes" is said once, of the numbers of this channel.
    fn acks(&self, asked: &Asked) -> Result<Answer, Refusal> {
        self.authorized(asked)?;
        if self.token == Token::Plain {
            return Err(Refusal(StatusCode::BAD_REQUEST, 14, "ACK is disabled", None));
        }
        let name = self.channel(asked)?.unwrap_or_default();
        #[derive(serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Question {
            acks: Vec<u64>,
        }
        let Ok(Question { acks }) = serde_json::from_slice(&asked.body) else {
            return Err(Refusal(StatusCode::BAD_REQUEST, 6, "Invalid data format", None));
        };
        let mut state = self.state();
        let State { indexed, channels, .. } = &mut *state;
        let mut said = BTreeMap::new();
        for number in acks {
            let pending = channels.get_mut(&name).map(|channel| &mut channel.pending);
            let is_indexed = pending.is_some_and(|pending| match pending.get_mut(&number) {
                Some(Pending { questions: questions @ 1.., .. }) => {
                    *questions -= 1;
                    false
                }
                Some(_) => {
                    let pending = pending.remove(&number).unwrap();
                    pending.events.into_iter().for_each(|place| indexed[place].acknowledged = true);
                    true
                }
                None => false,
            });
            said.insert(number.to_string(), is_indexed);
        }
        Ok(status(StatusCode::OK, &[], &serde_json::json!({ "acks": said }).to_string()))
    }

    fn events(&self, asked: &Asked, take: Take) -> Result<Answer, Refusal> {
        self.authorized(asked)?;
        let channel = self.channel(asked)?;
        let mut state = self.state();
        // `[limits]`.
        match state.limit {
            Some((bytes, true)) if asked.body.len() > bytes => {
                return Err(Refusal(StatusCode::BAD_REQUEST, 6, "Invalid data format", Some(0)));
            }
            Some((bytes, false)) if asked.body.len() > bytes => {
                return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, 413, "Content-Length is too large", None));
            }
            _ => {}
        }
        if asked.body.trim_ascii().is_empty() {
            return Err(Refusal(StatusCode::BAD_REQUEST, 5, "No data", None));
        }
        let (mut read, mut refusal) = (Vec::new(), None);
        let text = String::from_utf8_lossy(&asked.body);
        // `[format]`, "Batch": one object behind the other.
        let objects = serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>();
        for object in objects {
            match object.map_err(|_| (6, "Invalid data format")).and_then(|object| envelope(object.get(), &state)) {
                Ok(envelope) => read.push(envelope),
                Err((code, text)) => {
                    refusal = Some(Refusal(StatusCode::BAD_REQUEST, code, text, Some(read.len())));
                    break;
                }
            }
        }
        let acknowledged = self.token == Token::Plain && take == Take::All && refusal.is_none();
        if take == Take::Half {
            read.truncate(read.len() / 2);
        }
        let from = state.indexed.len();
        state.indexed.extend(read.into_iter().map(|(envelope, body)| Indexed {
            envelope,
            body,
            acknowledged,
            is_lost: false,
        }));
        if let Some(refusal) = refusal {
            return Err(refusal);
        }
        if self.token == Token::Plain {
            return Ok(status(StatusCode::OK, &[], "{\"text\":\"Success\",\"code\":0}"));
        }
        let questions = match &mut state.late {
            Some((left @ 1.., questions)) => {
                *left -= 1;
                *questions
            }
            _ => 0,
        };
        let events = (from..state.indexed.len()).collect();
        let channel = state.channels.entry(channel.unwrap_or_default()).or_default();
        let number = channel.next;
        channel.next += 1;
        channel.pending.insert(number, Pending { events, questions });
        let held = state.held.take();
        drop(state);
        if let Some(held) = held {
            tokio::task::block_in_place(|| std::thread::sleep(held));
        }
        Ok(status(StatusCode::OK, &[], &format!("{{\"text\":\"Success\",\"code\":0,\"ackId\":{number}}}")))
    }
}

/// One object of a request, and the event in it as it came.
fn envelope(text: &str, state: &State) -> Result<(serde_json::Value, String), (u32, &'static str)> {
    const FORMAT: (u32, &str) = (6, "Invalid data format");
    // Pairs and not a map, so that a key that comes twice is seen.
    let pairs: Vec<(String, &RawValue)> = pairs(text).ok_or(FORMAT)?;
    let names: BTreeSet<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
    let known = ["time", "host", "source", "sourcetype", "index", "fields", "event"];
    // `[format]`, "Event metadata".
    if names.len() != pairs.len() || names.iter().any(|name| !known.contains(name)) {
        return Err(FORMAT);
    }
    let value = |name: &str| pairs.iter().find(|(found, _)| found == name).map(|(_, value)| value.get());
    for name in ["host", "source", "sourcetype", "index"] {
        if value(name).is_some_and(|value| !value.starts_with('"')) {
            return Err(FORMAT);
        }
    }
    if value("time").is_some_and(|time| time.trim_matches('"').parse::<f64>().is_err()) {
        return Err(FORMAT);
    }
    if value("fields").is_some_and(|fields| fields.get(1..).is_some_and(|inside| inside.contains('{'))) {
        return Err((15, "Error in handling indexed fields"));
    }
    if value("index").is_some_and(|index| index != format!("\"{INDEX}\"")) {
        return Err((7, "Incorrect index"));
    }
    match value("event") {
        None => Err((12, "Event field is required")),
        Some("null" | "\"\"") => Err((13, "Event field cannot be blank")),
        Some(event) if state.unreadable.iter().any(|id| event.contains(id)) => Err(FORMAT),
        Some(event) => Ok((serde_json::from_str(text).map_err(|_| FORMAT)?, event.to_owned())),
    }
}

fn pairs(text: &str) -> Option<Vec<(String, &RawValue)>> {
    struct Pairs;
    impl<'de> serde::de::Visitor<'de> for Pairs {
        type Value = Vec<(String, &'de RawValue)>;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            std::iter::from_fn(|| map.next_entry().transpose()).collect()
        }
    }
    serde::Deserializer::deserialize_map(&mut serde_json::Deserializer::from_str(text), Pairs).ok()
}

fn is_guid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
}

impl Protocol for Splunk {
    fn delivers(&self, asked: &Asked) -> bool {
        asked.uri.path().starts_with("/services/collector/event")
    }

    fn answer(&self, asked: &Asked, take: Take) -> Answer {
        let answer = match (&asked.method, asked.uri.path()) {
            (&Method::GET, "/services/collector/health") => self.health(asked),
            (&Method::POST, "/services/collector/ack") => self.acks(asked),
            (&Method::POST, "/services/collector/event" | "/services/collector") => self.events(asked, take),
            _ => Err(Refusal(StatusCode::NOT_FOUND, 404, "The requested URL was not found on this server.", None)),
        };
        answer.unwrap_or_else(refused)
    }

    /// `[codes]` 26.
    fn busy(&self) -> Answer {
        let body = "{\"text\":\"HEC queue is at capacity and cannot process any more requests\",\"code\":26}";
        status(StatusCode::TOO_MANY_REQUESTS, &[("retry-after", "1")], body)
    }

    /// `[codes]` 9.
    fn failing(&self) -> Answer {
        status(StatusCode::SERVICE_UNAVAILABLE, &[], "{\"text\":\"Server is busy\",\"code\":9}")
    }
}
