//! A stand-in for an HTTP log collector of Cortex XSIAM. Its rules, by their numbers in [`Cortex::lines`], are from
//!
//! - A: `CommonServerPython.py` of demisto/content, which the integrations of Palo Alto Networks send events with:
//!   `send_events_to_xsiam`, `send_data_to_xsiam`, `xsiam_api_call_with_retries`, `XSIAM_EVENT_CHUNK_SIZE_LIMIT`,
//!   `MAX_ALLOWED_ENTRY_SIZE`
//! - B: "Set up an HTTP log collector to receive logs" and "Success and failure code responses to your HTTP POST requests" in the
//!   Cortex XSIAM documentation, <https://docs-cortex.paloaltonetworks.com>

use std::collections::BTreeSet;
use std::sync::Mutex;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use host_harness::sink::Event;
use host_harness::sink::SendError;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use std::io::Write as _;

use crate::conformance::{Arrived, Fault, Place, Receiver, conforms, event};
use crate::http_receiver::{Asked, HttpReceiver, Protocol, Take, status};
use crate::plain_client::{ask, but};

const TOKEN: &str = "fake-token-of-an-http-collector";
const LARGEST_REQUEST: usize = 9_000_000;
const LARGEST_EVENT: usize = 5_000_000;

#[derive(Default)]
struct Cortex {
    refused: Mutex<BTreeSet<String>>,
    arrived: Mutex<Vec<Arrived>>,
}

impl Cortex {
    fn lines(&self, asked: &Asked) -> Result<Vec<String>, Response<Full<Bytes>>> {
        let header = |name: &str| asked.headers.get(name).map(|value| value.to_str().unwrap());
        let error = |status: StatusCode, what: &str| {
            Err(self::status(status, &[("content-type", "application/json")], &format!("{{\"error\":\"{what}\"}}")))
        };
        // 1 (B): events are posted to /logs/v1/event.
        if asked.method != Method::POST || asked.uri.path() != "/logs/v1/event" {
            return error(StatusCode::NOT_FOUND, "Not Found");
        }
        // 2 (A, B): the token stands in `authorization`, without a scheme; a wrong one is 401.
        if header("authorization") != Some(TOKEN) {
            return error(StatusCode::UNAUTHORIZED, "Failed to validate authentication detail");
        }
        // 3 (A): format, vendor, product and the kind of collector are named.
        if header("format") != Some("json") || header("collector-type") != Some("events") {
            return error(StatusCode::BAD_REQUEST, "format");
        }
        if ["vendor", "product", "instance-name"].iter().any(|name| header(name).is_none_or(str::is_empty)) {
            return error(StatusCode::BAD_REQUEST, "vendor and product");
        }
        // 4 (B): a collector is set up for gzip or for plain text; this one for gzip, as A sends it.
        if header("content-encoding") != Some("gzip") {
            return error(StatusCode::BAD_REQUEST, "compression");
        }
        // 5 (A): a request has at most 9 MB, an event 5 MB.
        if asked.body.len() > LARGEST_REQUEST {
            return error(StatusCode::PAYLOAD_TOO_LARGE, "too large");
        }
        let text = String::from_utf8(asked.body.clone()).unwrap();
        let lines: Vec<String> =
            if text.is_empty() { Vec::new() } else { text.split('\n').map(str::to_owned).collect() };
        if lines.iter().any(|line| line.len() > LARGEST_EVENT) {
            return error(StatusCode::PAYLOAD_TOO_LARGE, "entry too large");
        }
        // 6 (A): each line is an event, which is an object; there are no empty lines.
        let is_object = |line: &String| serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(line).is_ok();
        if !lines.iter().all(is_object) {
            return error(StatusCode::BAD_REQUEST, "not lines of JSON");
        }
        Ok(lines)
    }
}

impl Protocol for Cortex {
    fn delivers(&self, _: &Asked) -> bool {
        true
    }

    fn answer(&self, asked: &Asked, take: Take) -> Response<Full<Bytes>> {
        let lines = match self.lines(asked) {
            Ok(lines) => lines,
            Err(answer) => return answer,
        };
        let id = |line: &String| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].as_str().unwrap_or_default().to_owned()
        };
        let refused = self.refused.lock().unwrap();
        if lines.iter().any(|line| refused.contains(&id(line))) {
            return status(StatusCode::BAD_REQUEST, &[], "{\"error\":\"cannot be parsed\"}");
        }
        let count = if take == Take::Half { lines.len() / 2 } else { lines.len() };
        let arrived =
            lines.into_iter().take(count).map(|body| Arrived { id: id(&body), body, acknowledged: take == Take::All });
        self.arrived.lock().unwrap().extend(arrived);
        // 7 (A): it acknowledges by 200 and `error` = "false".
        status(StatusCode::OK, &[("content-type", "application/json")], "{\"error\":\"false\"}")
    }

    /// A: 429, without a time.
    fn busy(&self) -> Response<Full<Bytes>> {
        status(StatusCode::TOO_MANY_REQUESTS, &[], "")
    }
}

struct Xsiam(HttpReceiver<Cortex>);

impl Xsiam {
    async fn start() -> Self {
        Self(HttpReceiver::start(Cortex::default()).await)
    }
}

impl Receiver for Xsiam {
    fn table(&self) -> String {
        format!("type = \"xsiam\"\nurl = \"{}\"\ntoken = \"{TOKEN}\"", self.0.url())
    }

    fn misbehave(&self, fault: Fault, requests: usize) -> bool {
        self.0.misbehave(fault, requests);
        true
    }

    fn refuse(&self, id: &str) -> bool {
        self.0.protocol.refused.lock().unwrap().insert(id.to_owned())
    }

    fn arrived(&self) -> Vec<Arrived> {
        self.0.protocol.arrived.lock().unwrap().clone()
    }

    fn knows_ids(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn xsiam_conforms() {
    conforms(Xsiam::start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_arrive_as_they_are_with_their_time_and_kind_of_log() {
    let receiver = Xsiam::start().await;
    let place = Place::new(&receiver);
    place.store(0..3);
    place.deliver().await;
    let arrived: Vec<String> = receiver.arrived().into_iter().map(|arrived| arrived.body).collect();
    assert_eq!(arrived, (0..3).map(|number| event(number).body).collect::<Vec<_>>());
    assert!(arrived[0].contains("\"_time\"") && arrived[0].contains("\"source_log_type\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_over_5_mb_becomes_a_dead_letter_and_others_go_on() {
    let receiver = Xsiam::start().await;
    let place = Place::new(&receiver);
    let large = |number: usize, bytes: usize| {
        let body = format!("{{\"id\":\"large-{number}\",\"text\":\"{}\"}}", "x".repeat(bytes));
        Event { id: format!("large-{number}"), body, ..event(number) }
    };
    place.put(&[
        event(1),
        large(1, LARGEST_EVENT),
        large(2, LARGEST_EVENT - 100),
        large(3, LARGEST_EVENT - 100),
        event(2),
    ]);
    place.deliver().await;
    let arrived: Vec<String> = receiver.arrived().into_iter().map(|arrived| arrived.id).collect();
    assert_eq!(arrived, ["event-00001", "large-2", "large-3", "event-00002"]);
    let letters = place.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].0, "large-1");
    assert!(letters[0].1.contains("5000000"), "{letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_puts_no_event_away_and_the_probe_tells_of_it() {
    let receiver = Xsiam::start().await;
    let table = receiver.table();
    assert!(Place::with(&table).sink().probe().await.is_ok());
    let wrong = table.replace(TOKEN, "fake-other-token");
    let place = Place::with(&wrong);
    let probed = place.sink().probe().await;
    assert!(matches!(probed, Err(SendError::Closed { .. })), "{probed:?}");
    place.store(0..10);
    let couriers = place.start();
    let left = couriers.drained(std::time::Duration::from_secs(60), &host_harness::stop::Stop::new()).await;
    couriers.end().await;
    let told = left.unwrap_err().to_string();
    assert!(told.contains("401") && !told.contains("fake-other"), "{told}");
    assert_eq!(place.dead_letters(), []);
    assert!(receiver.arrived().is_empty());
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

#[tokio::test]
async fn the_stand_in_refuses_what_cortex_refuses() {
    let receiver = Xsiam::start().await;
    let url = format!("{}/logs/v1/event", receiver.0.url());
    let right = [
        ("authorization", TOKEN),
        ("format", "json"),
        ("vendor", "cisco"),
        ("product", "webex"),
        ("instance-name", "test"),
        ("collector-type", "events"),
        ("content-encoding", "gzip"),
    ];
    let post =
        async |headers: &[(&str, &str)], text: &str| ask(Method::POST, &url, headers, gzip(text)).await.0.as_u16();
    assert_eq!(post(&right, "{}\n{}").await, 200);
    // 1
    assert_eq!(ask(Method::POST, &receiver.0.url(), &right, gzip("{}")).await.0, 404);
    assert_eq!(ask(Method::PUT, &url, &right, gzip("{}")).await.0, 404);
    // 2
    assert_eq!(post(&but(&right, "authorization", None), "{}").await, 401);
    let with_scheme = format!("Bearer {TOKEN}");
    assert_eq!(post(&but(&right, "authorization", Some(&with_scheme)), "{}").await, 401);
    // 3
    assert_eq!(post(&but(&right, "format", Some("raw")), "{}").await, 400);
    for name in ["vendor", "product", "instance-name", "collector-type"] {
        assert_eq!(post(&but(&right, name, None), "{}").await, 400, "{name}");
    }
    // 4
    assert_eq!(ask(Method::POST, &url, &but(&right, "content-encoding", None), "{}").await.0, 400);
    // 5
    let entry = format!("{{\"a\":\"{}\"}}", "x".repeat(LARGEST_EVENT));
    assert_eq!(post(&right, &entry).await, 413);
    let many = vec![format!("{{\"a\":\"{}\"}}", "x".repeat(3_000_000)); 4].join("\n");
    assert_eq!(post(&right, &many).await, 413);
    // 6
    for text in ["{}\n", "{}\n\n{}", "[{}]", "1", "{"] {
        assert_eq!(post(&right, text).await, 400, "{text:?}");
    }
}
