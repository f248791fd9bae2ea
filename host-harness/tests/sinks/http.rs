//! A receiver of batches over HTTP. There is no protocol to be strict about but the settings, which it holds the sink to.

use std::collections::BTreeSet;
use std::sync::Mutex;

use bytes::Bytes;
use host_harness::sink::SendError;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use serde_json::value::RawValue;

use crate::conformance::{Arrived, Fault, Place, Receiver, conforms, event, judge};
use crate::http_receiver::{Asked, HttpReceiver, Protocol, Take, status};
use crate::plain_client::{ask, but};

const TOKEN: &str = "fake-token-of-the-http-sink";

/// What the receiver expects.
#[derive(Clone, Copy)]
struct Wanted {
    method: Verb,
    content_type: &'static str,
    is_array: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Verb {
    Post,
    Put,
}

struct Strict {
    wanted: Wanted,
    refused: Mutex<BTreeSet<String>>,
    arrived: Mutex<Vec<Arrived>>,
    requests: Mutex<usize>,
}

impl Strict {
    fn events(&self, asked: &Asked) -> Result<Vec<String>, Response<Full<Bytes>>> {
        let header = |name: &str| asked.headers.get(name).map(|value| value.to_str().unwrap());
        let method = if self.wanted.method == Verb::Post { Method::POST } else { Method::PUT };
        if asked.uri.path() != "/in/" || asked.uri.query() != Some("source=webex") {
            return Err(status(StatusCode::NOT_FOUND, &[], ""));
        }
        if header("authorization") != Some(&format!("Bearer {TOKEN}")) || header("x-tenant") != Some("acme") {
            return Err(status(StatusCode::UNAUTHORIZED, &[], ""));
        }
        if asked.method == Method::HEAD {
            return Ok(Vec::new());
        }
        if asked.method != method {
            return Err(status(StatusCode::METHOD_NOT_ALLOWED, &[], ""));
        }
        if header("content-type") != Some(self.wanted.content_type) {
            return Err(status(StatusCode::UNSUPPORTED_MEDIA_TYPE, &[], ""));
        }
        let text = std::str::from_utf8(&asked.body).unwrap();
        let bad = |_| status(StatusCode::UNPROCESSABLE_ENTITY, &[], "not what was agreed on");
        if self.wanted.is_array {
            let items: Vec<Box<RawValue>> = serde_json::from_str(text).map_err(bad)?;
            return Ok(items.into_iter().map(|item| item.get().to_owned()).collect());
        }
        let lines: Vec<&str> = text.split_terminator('\n').collect();
        for line in &lines {
            serde_json::from_str::<Box<RawValue>>(line).map_err(bad)?;
        }
        if text.ends_with('\n') {
            Ok(lines.into_iter().map(str::to_owned).collect())
        } else {
            Err(status(StatusCode::BAD_REQUEST, &[], "the last line has no end"))
        }
    }
}

impl Protocol for Strict {
    fn delivers(&self, asked: &Asked) -> bool {
        asked.method != Method::HEAD
    }

    fn answer(&self, asked: &Asked, take: Take) -> Response<Full<Bytes>> {
        let items = match self.events(asked) {
            Ok(items) => items,
            Err(answer) => return answer,
        };
        *self.requests.lock().unwrap() += 1;
        let id = |item: &String| {
            serde_json::from_str::<serde_json::Value>(item).unwrap()["id"].as_str().unwrap_or_default().to_owned()
        };
        let refused = self.refused.lock().unwrap();
        if items.iter().any(|item| refused.contains(&id(item))) {
            return status(StatusCode::UNPROCESSABLE_ENTITY, &[], "an event is refused");
        }
        let count = if take == Take::Half { items.len() / 2 } else { items.len() };
        let arrived =
            items.into_iter().take(count).map(|body| Arrived { id: id(&body), body, acknowledged: take == Take::All });
        self.arrived.lock().unwrap().extend(arrived);
        status(StatusCode::ACCEPTED, &[], "")
    }
}

struct Http {
    server: HttpReceiver<Strict>,
    more: &'static str,
}

impl Http {
    async fn start(wanted: Wanted, more: &'static str) -> Self {
        let protocol =
            Strict { wanted, refused: Mutex::default(), arrived: Mutex::default(), requests: Mutex::default() };
        Self { server: HttpReceiver::start(protocol).await, more }
    }

    fn url(&self) -> String {
        format!("{}/in/?source=webex", self.server.url())
    }
}

impl Receiver for Http {
    fn table(&self) -> String {
        format!(
            "type = \"http\"\nurl = \"{}\"\ntoken = \"{TOKEN}\"\nheaders = {{ X-Tenant = \"acme\" }}\n{}",
            self.url(),
            self.more
        )
    }

    fn misbehave(&self, fault: Fault, requests: usize) -> bool {
        self.server.misbehave(fault, requests);
        true
    }

    fn refuse(&self, id: &str) -> bool {
        self.server.protocol.refused.lock().unwrap().insert(id.to_owned())
    }

    fn arrived(&self) -> Vec<Arrived> {
        self.server.protocol.arrived.lock().unwrap().clone()
    }

    fn knows_ids(&self) -> bool {
        false
    }
}

const LINES: Wanted = Wanted { method: Verb::Post, content_type: "application/x-ndjson", is_array: false };
const ARRAY: Wanted = Wanted { method: Verb::Put, content_type: "application/vnd.acme+json", is_array: true };
const ARRAY_KEYS: &str = "format = \"json_array\"\nmethod = \"PUT\"\ncontent_type = \"application/vnd.acme+json\"\ngzip = false\nacknowledged = \"202\"";

#[tokio::test(flavor = "multi_thread")]
async fn lines_over_http_conform() {
    conforms(async || Http::start(LINES, "").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn arrays_over_http_conform() {
    conforms(async || Http::start(ARRAY, ARRAY_KEYS).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn items_arrive_byte_for_byte() {
    for (wanted, more) in [(LINES, ""), (ARRAY, ARRAY_KEYS)] {
        let receiver = Http::start(wanted, more).await;
        let place = Place::new(&receiver);
        place.store(0..10);
        place.deliver().await;
        let arrived: Vec<String> = receiver.arrived().into_iter().map(|arrived| arrived.body).collect();
        assert_eq!(arrived, (0..10).map(|number| event(number).body).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_nobody_named_puts_no_event_away_and_delivers_none() {
    // 202 does not acknowledge here.
    let receiver = Http::start(LINES, "acknowledged = \"200\"").await;
    let place = Place::new(&receiver);
    place.store(0..10);
    let couriers = place.start();
    let left = couriers.drained(std::time::Duration::from_secs(60), &host_harness::stop::Stop::new()).await;
    couriers.end().await;
    assert!(left.unwrap_err().to_string().contains("202"));
    assert_eq!(place.dead_letters(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_says_whether_the_token_is_taken_and_leaves_nothing() {
    let receiver = Http::start(LINES, "").await;
    let probe = |table: String| async move { Place::with(&table).sink().probe().await };
    assert!(probe(receiver.table()).await.unwrap().contains("202"));
    let wrong = probe(receiver.table().replace(TOKEN, "fake-other-token")).await;
    assert!(matches!(wrong, Err(SendError::Closed { .. })), "{wrong:?}");
    assert!(receiver.arrived().is_empty());
    judge(&receiver, 0..0, &[], "probed");
}

#[tokio::test]
async fn the_receiver_refuses_what_was_not_agreed_on() {
    let receiver = Http::start(LINES, "").await;
    let url = receiver.url();
    let token = format!("Bearer {TOKEN}");
    let right = [("authorization", &*token), ("x-tenant", "acme"), ("content-type", "application/x-ndjson")];
    let post = async |url: &str, headers: &[(&str, &str)], body: &'static str| {
        ask(Method::POST, url, headers, body).await.0.as_u16()
    };
    assert_eq!(post(&url, &right, "{}\n").await, 202);
    assert_eq!(post(&receiver.server.url(), &right, "{}\n").await, 404);
    assert_eq!(post(&url, &but(&right, "authorization", None), "{}\n").await, 401);
    assert_eq!(post(&url, &but(&right, "x-tenant", Some("other")), "{}\n").await, 401);
    assert_eq!(post(&url, &but(&right, "content-type", None), "{}\n").await, 415);
    assert_eq!(post(&url, &right, "{}").await, 400);
    assert_eq!(post(&url, &right, "{\n").await, 422);
    assert_eq!(ask(Method::PUT, &url, &right, "{}\n").await.0, 405);
}
