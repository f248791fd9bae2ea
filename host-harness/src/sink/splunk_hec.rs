//! Splunk's HTTP Event Collector (HEC): many events in a request, acknowledged by the indexers where the token has it switched
//! on.
//!
//! An event goes as it is into the field `event` of an envelope. What Splunk cannot read it names by its place; the manual does
//! not say what becomes of the others in the request. (Those before it are indexed, in fact.) So nothing of such a request counts
//! as taken, and each event of it is sent once more, the named one alone.

mod acks;
mod codes;

use crate::sink::Event;
use std::borrow::Cow;
use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, join_all};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use tokio::sync::OnceCell;

use super::client::{self, Client, Endpoint};
use super::{
    Given, Kind, PerStream, Plan, Promise, Receipt, Refused, SendError, SetupError, Sink, SinkError, SinkKey, Traffic,
    ValueKind, names,
};
use acks::{Acks, Number};
use codes::Verdict;

const URL: &str = "url";
const TOKEN: &str = "token";
const ACK: &str = "ack";
const ACK_TIMEOUT: &str = "ack_timeout";
const INDEX: &str = "index";
const SOURCETYPE: &str = "sourcetype";
const SOURCE: &str = "source";
const HOST: &str = "host";

const EVENT_PATH: &str = "/services/collector/event";
const ACK_PATH: &str = "/services/collector/ack";
const HEALTH_PATH: &str = "/services/collector/health";
/// What people write behind the address, and what is written behind it here.
const PATHS: [&str; 5] =
    ["/services/collector/event/1.0", EVENT_PATH, "/services/collector/raw", "/services/collector", "/services"];
/// Splunk's manual: 5 minutes, then the events are sent again.
const USUAL_ACK_TIMEOUT: Duration = Duration::from_secs(5 * 60);
const LONGEST_ACK_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// Requests that wait for the indexers at a time.
const SIDE_BY_SIDE: usize = 8;
/// Events that are refused in one send; the rest of it is sent again.
const MOST_REFUSED: usize = 100;

/// Splunk.
pub(super) const KIND: Kind = Kind {
    name: "splunk_hec",
    about: "Splunk, through its HTTP Event Collector, with acknowledgment by the indexers.",
    keys: &[KEYS, client::KEYS],
    promise: Promise {
        acknowledged: "the indexers have written it (`ack = true`); without: Splunk has it in memory",
        repeats: "a request that was cut off, or not acknowledged within `ack_timeout`; the others of a request with an event that \
                  Splunk could not read",
        order: "within a request; eight are under way at a time",
        limits: "a request over Splunk's limit goes in halves, one event over it to the dead letters; Splunk itself cuts events at \
                 TRUNCATE of their sourcetype and tells nobody",
    },
    example: "url = \"https://splunk.example.com:8088\"\ntoken = { env = \"SPLUNK_HEC_TOKEN\" }\nindex = \"webex\"",
    plan: |given| Ok(Arc::new(HecPlan::of(given)?)),
};

const KEYS: &[SinkKey] = &[
    SinkKey::needed(TOKEN, ValueKind::Secret, "The token of the HTTP Event Collector."),
    SinkKey::new(
        ACK,
        ValueKind::Boolean,
        "true",
        "Wait until the indexers have the events; the token needs `Enable indexer acknowledgment`. `false`: Splunk's answer counts, \
         which it gives before it writes anything.",
    ),
    SinkKey::new(
        ACK_TIMEOUT,
        ValueKind::Duration,
        "\"5m\"",
        "How long the indexers may take; then the events are sent again.",
    ),
    SinkKey::new(INDEX, ValueKind::PerStream, "", "The index. Absent: the token's."),
    SinkKey::new(
        SOURCETYPE,
        ValueKind::PerStream,
        "",
        "The sourcetype. Absent: as the Splunk add-on for Webex has it: cisco:webex:admin:audit:events, \
         cisco:webex:security:audit:events, cisco:webex:events.",
    ),
    SinkKey::new(SOURCE, ValueKind::PerStream, "", "The source. Absent: the token's."),
    SinkKey::new(HOST, ValueKind::PerStream, "", "The host. Absent: Splunk's own name."),
];

/// Where to, and as what.
#[derive(Debug)]
struct HecPlan {
    endpoint: Endpoint,
    /// Marked as secret, so it is not shown.
    authorization: HeaderValue,
    /// How long to wait for the indexers; none: not at all.
    ack_within: Option<Duration>,
    labels: Labels,
}

/// What events are called in Splunk.
#[derive(Clone, Debug, Default)]
struct Labels {
    index: PerStream,
    sourcetype: PerStream,
    source: PerStream,
    host: PerStream,
}

impl HecPlan {
    fn of(given: &Given) -> Result<Self, SetupError> {
        let url = given.needed(URL)?;
        if url.contains('?') {
            return Err(SetupError::of(URL, "it must not hold a query"));
        }
        let url = url.trim_end_matches('/');
        let base = PATHS.iter().find_map(|path| url.strip_suffix(path)).unwrap_or(url);
        let token = given.needed_secret(TOKEN)?;
        let mut authorization = HeaderValue::from_str(&format!("Splunk {}", token.expose()))
            .map_err(|_| SetupError::of(TOKEN, "it cannot stand in a header"))?;
        authorization.set_sensitive(true);
        let within = given.time(ACK_TIMEOUT, Duration::from_secs(1)..=LONGEST_ACK_TIMEOUT)?;
        let labels = Labels {
            index: given.per_stream(INDEX),
            sourcetype: given.per_stream(SOURCETYPE),
            source: given.per_stream(SOURCE),
            host: given.per_stream(HOST),
        };
        Ok(Self {
            endpoint: Endpoint::at(base, given)?,
            authorization,
            ack_within: given.is_on(ACK, true)?.then_some(within.unwrap_or(USUAL_ACK_TIMEOUT)),
            labels,
        })
    }
}

impl Plan for HecPlan {
    fn open(&self) -> Result<Arc<dyn Sink>, SinkError> {
        let json = HeaderValue::from_static("application/json");
        let client = Arc::new(self.endpoint.open([(AUTHORIZATION, self.authorization.clone()), (CONTENT_TYPE, json)]));
        let acks = self.ack_within.map(|within| Acknowledged {
            acks: Acks::new(Arc::clone(&client)),
            within,
            is_on: OnceCell::new(),
        });
        Ok(Arc::new(Hec { client, acks, labels: self.labels.clone() }))
    }

    fn place(&self) -> String {
        self.endpoint.base().to_owned()
    }

    fn traffic(&self) -> Traffic {
        Traffic { side_by_side: SIDE_BY_SIDE, ..Traffic::default() }
    }
}

/// Indexer acknowledgment.
struct Acknowledged {
    acks: Acks,
    within: Duration,
    /// Whether the token has it was asked, before anything was sent.
    is_on: OnceCell<()>,
}

struct Hec {
    client: Arc<Client>,
    acks: Option<Acknowledged>,
    labels: Labels,
}

/// Events of one request, by their places, and the number to ask for.
struct Posted {
    places: Range<usize>,
    number: Option<Number>,
}

/// How far a send has come.
#[derive(Default)]
struct Progress {
    posted: Vec<Posted>,
    receipt: Receipt,
}

impl Hec {
    fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        self.acks.iter().map(|acknowledged| acknowledged.acks.header()).collect()
    }

    /// A token without acknowledgment would take the events and never say more, and the same ones would go to it again and again.
    async fn acknowledges(&self) -> Result<(), SendError> {
        let Some(acknowledged) = &self.acks else { return Ok(()) };
        acknowledged.is_on.get_or_try_init(|| acknowledged.acks.check()).await.map(|_| ())
    }

    /// Posts these events.
    async fn post(&self, events: &[Event]) -> Result<Verdict, SendError> {
        let answer = self.client.post(EVENT_PATH, &self.headers(), self.labels.body(events)).await?;
        Ok(codes::of_events(&answer, &self.labels.indexes(events)))
    }

    /// Posts all, as far as Splunk takes them.
    async fn post_all(&self, events: &[Event], progress: &mut Progress) -> Result<(), (Vec<Range<usize>>, SendError)> {
        let mut open = VecDeque::new();
        open.push_back(0..events.len());
        while let Some(places) = open.pop_front() {
            let few = events.get(places.clone()).unwrap_or_default();
            if few.is_empty() {
                continue;
            }
            let rest =
                |places: Range<usize>, open: VecDeque<Range<usize>>| std::iter::once(places).chain(open).collect();
            let _posting = match &self.acks {
                Some(acknowledged) => Some(acknowledged.acks.posting().await),
                None => None,
            };
            let verdict = if progress.receipt.refused.len() < MOST_REFUSED {
                self.post(few).await.and_then(|verdict| self.number(verdict))
            } else {
                Err(SendError::later("many events were refused"))
            };
            match verdict {
                Ok(Answered::Taken(number)) => progress.posted.push(Posted { places, number }),
                Ok(Answered::Content { reason, .. }) if few.len() == 1 => {
                    progress.receipt.refused.push(Refused { index: places.start, reason });
                }
                Ok(Answered::Content { named, .. }) => {
                    split(places, named).into_iter().rev().for_each(|part| open.push_front(part))
                }
                Err(error) => return Err((rest(places, open), error)),
            }
        }
        Ok(())
    }

    fn number(&self, verdict: Verdict) -> Result<Answered, SendError> {
        match (verdict, &self.acks) {
            (Verdict::Taken(_), None) => Ok(Answered::Taken(None)),
            (Verdict::Taken(Some(id)), Some(acknowledged)) => Ok(Answered::Taken(Some(acknowledged.acks.register(id)))),
            (Verdict::Taken(None), Some(_)) => Err(SendError::closed(
                "Splunk took events and gave no number to ask for their acknowledgment by",
                "switch on `Enable indexer acknowledgment` (useACK) for the token in Splunk, or set `ack = false` for the sink",
            )),
            (Verdict::Content { reason, named }, _) => Ok(Answered::Content { reason, named }),
            (Verdict::Not(error), _) => Err(error),
        }
    }

    /// Waits for the indexers; events that they have not got are to be sent again. The first reason is returned.
    async fn wait(&self, progress: &mut Progress) -> Option<SendError> {
        let Some(acknowledged) = &self.acks else { return None };
        let waits =
            std::mem::take(&mut progress.posted).into_iter().map(async |Posted { places, number }| match number {
                Some(number) => (places, acknowledged.acks.indexed(number, acknowledged.within).await),
                None => (places, Ok(())),
            });
        let mut first = None;
        for (places, outcome) in join_all(waits).await {
            if let Err(error) = outcome {
                progress.receipt.again.extend(places);
                first.get_or_insert(error);
            }
        }
        first
    }
}

/// What became of a request.
enum Answered {
    Taken(Option<Number>),
    Content { reason: String, named: Option<usize> },
}

/// What is refused for what it holds goes in parts: the event that Splunk named, or halves where it named none. The named one may
/// be innocent: Splunk Cloud names the first of a request that is too large. So what follows a first one goes in halves, too.
fn split(places: Range<usize>, named: Option<usize>) -> Vec<Range<usize>> {
    let Range { start, end } = places;
    let named = named.filter(|_| end - start > 1).map(|place| start + place).filter(|place| *place < end);
    let Some(named) = named else {
        let middle = start + (end - start) / 2;
        return vec![start..middle, middle..end];
    };
    let mut parts = vec![start..named, named..named + 1];
    if named == start {
        // Nothing was read, so nothing speaks for the rest.
        let middle = named + 1 + (end - named - 1) / 2;
        parts.extend([named + 1..middle, middle..end]);
    } else {
        parts.push(named + 1..end);
    }
    parts
}

impl Sink for Hec {
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            self.acknowledges().await?;
            let mut progress = Progress::default();
            let mut trouble = None;
            if let Err((rest, error)) = self.post_all(events, &mut progress).await {
                progress.receipt.again.extend(rest.into_iter().flatten());
                trouble = Some(error);
            }
            let late = self.wait(&mut progress).await;
            let mut receipt = progress.receipt;
            match trouble.or(late) {
                // Nothing was settled, so the reason is the whole answer.
                Some(error) if receipt.again.len() == events.len() => return Err(error),
                Some(SendError::Later { after, .. }) => receipt.after = after,
                Some(SendError::Unfit { .. } | SendError::Closed { .. }) | None => {}
            }
            receipt.again.sort_unstable();
            Ok(receipt)
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<String, SendError>> {
        Box::pin(async {
            let health = self.client.request(Method::GET, HEALTH_PATH, &[], Bytes::new()).await?;
            codes::expect(&health, 17)?;
            // Not every Splunk looks at the token there. A request without data leaves nothing, and only a good token is told so.
            let nothing = self.client.request(Method::POST, EVENT_PATH, &self.headers(), Bytes::new()).await?;
            codes::expect(&nothing, 5)?;
            self.acknowledges().await?;
            let acks =
                if self.acks.is_some() { "acknowledges by its indexers" } else { "is not asked for acknowledgments" };
            Ok(format!("Splunk is healthy, knows the token and {acks}; indexes are not checked"))
        })
    }
}

impl Labels {
    /// Envelopes, one behind the other.
    fn body(&self, events: &[Event]) -> Vec<u8> {
        let length = events.iter().map(|event| event.body.len() + 200).sum();
        let mut body = Vec::with_capacity(length);
        events.iter().for_each(|event| self.put(&mut body, event));
        body
    }

    fn put(&self, body: &mut Vec<u8>, event: &Event) {
        let stream = event.stream.as_str();
        let sourcetype = self.sourcetype.of(stream).map_or_else(|| names::splunk_sourcetype(stream), Cow::Borrowed);
        let labels = [
            ("sourcetype", Some(sourcetype.as_ref())),
            ("index", self.index.of(stream)),
            ("source", self.source.of(stream)),
            ("host", self.host.of(stream)),
        ];
        body.push(b'{');
        // Seconds with a fraction; without it Splunk takes the time of arrival.
        if let Some(created) = event.created.filter(|created| *created >= 0) {
            body.extend_from_slice(format!("\"time\":{}.{:03},", created / 1_000, created % 1_000).as_bytes());
        }
        for (name, value) in labels {
            if let Some(value) = value {
                body.extend_from_slice(format!("\"{name}\":{},", serde_json::Value::from(value)).as_bytes());
            }
        }
        body.extend_from_slice(b"\"event\":");
        body.extend_from_slice(event.body.as_bytes());
        body.extend_from_slice(b"}\n");
    }

    /// The indexes that these are for, for an error.
    fn indexes(&self, events: &[Event]) -> String {
        let named: BTreeSet<&str> = events.iter().filter_map(|event| self.index.of(&event.stream)).collect();
        named.into_iter().collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::sink::Value;

    fn event(stream: &str, body: &str) -> Event {
        Event {
            id: "1".into(),
            org: "o".into(),
            stream: stream.into(),
            created: Some(1_764_300_000_007),
            body: body.into(),
        }
    }

    fn line(labels: &Labels, event: &Event) -> String {
        String::from_utf8(labels.body(std::slice::from_ref(event))).unwrap()
    }

    #[test]
    fn an_event_goes_as_it_is_into_an_envelope() {
        let body = r#"{"a":1,"a":2,"b":"\ud800","c":1e999}"#;
        let want = format!("{{\"time\":1764300000.007,\"sourcetype\":\"cisco:webex:events\",\"event\":{body}}}\n");
        assert_eq!(line(&Labels::default(), &event("events", body)), want);
    }

    #[test]
    fn labels_are_those_of_the_stream_and_cannot_leave_their_quotes() {
        let given = Given::new(
            BTreeMap::from([
                (INDEX, Value::Table(BTreeMap::from([("events".to_owned(), Value::Text("a\"b".into()))]))),
                (SOURCETYPE, Value::Table(BTreeMap::from([("events".to_owned(), Value::Text("mine".into()))]))),
                (HOST, Value::Text("h".into())),
            ]),
            PathBuf::new(),
        );
        let labels = Labels {
            index: given.per_stream(INDEX),
            sourcetype: given.per_stream(SOURCETYPE),
            source: given.per_stream(SOURCE),
            host: given.per_stream(HOST),
        };
        let mut one = event("events", "{}");
        one.created = None;
        let want = "{\"sourcetype\":\"mine\",\"index\":\"a\\\"b\",\"host\":\"h\",\"event\":{}}\n";
        assert_eq!(line(&labels, &one), want);
        let other = line(&labels, &event("admin_audits", "{}"));
        assert!(other.contains("\"sourcetype\":\"cisco:webex:admin:audit:events\",\"host\":\"h\""), "{other}");
    }

    #[test]
    fn a_request_that_is_refused_goes_in_parts_with_the_named_event_alone() {
        assert_eq!(split(0..10, None), [0..5, 5..10]);
        assert_eq!(split(10..20, Some(4)), [10..14, 14..15, 15..20]);
        assert_eq!(split(0..10, Some(0)), [0..0, 0..1, 1..5, 5..10]);
        assert_eq!(split(0..4, Some(3)), [0..3, 3..4, 4..4]);
        assert_eq!(split(0..4, Some(4)), [0..2, 2..4], "a place that is not there");
        assert_eq!(split(0..2, Some(0)), [0..0, 0..1, 1..1, 1..2]);
    }

    #[test]
    fn the_address_is_taken_with_or_without_the_path_and_the_token_is_not_shown() {
        for url in [
            "https://s:8088",
            "https://s:8088/",
            "https://s:8088/services/collector",
            "https://s:8088/services/collector/event/",
        ] {
            let values =
                BTreeMap::from([(URL, Value::Text(url.into())), (TOKEN, Value::Secret("0123-secret-4567".into()))]);
            let plan = HecPlan::of(&Given::new(values, PathBuf::new())).unwrap();
            assert_eq!(plan.place(), "https://s:8088");
            assert!(!format!("{plan:?}").contains("secret-4567"));
        }
    }
}
