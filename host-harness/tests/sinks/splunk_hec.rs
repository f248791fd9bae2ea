//! Splunk, by a strict [stand-in](stand_in): Splunk itself cannot be had here.

mod rules;
mod stand_in;

use std::sync::Arc;
use std::time::Duration;

use host_harness::config::Config;
use host_harness::courier::OpenSink;
use host_harness::sink::Event;
use host_harness::sink::{SendError, Sink};
use host_harness::stop::Stop;

use crate::conformance::{Arrived, Fault, Place, Receiver, conforms, event, judge};
use crate::http_receiver::HttpReceiver;
use stand_in::{SECRET, Splunk, Token};

/// Events of the tests that are not about many.
const FEW: usize = 600;

/// Splunk, and the settings of a sink to it.
struct Hec {
    server: HttpReceiver<Splunk>,
    settings: String,
}

impl Hec {
    async fn start(token: Token, settings: &str) -> Self {
        Self { server: HttpReceiver::start(Splunk::new(token)).await, settings: settings.to_owned() }
    }

    fn splunk(&self) -> &Splunk {
        &self.server.protocol
    }

    fn sink(&self) -> Arc<dyn Sink> {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("[[sink]]\n{}\n", self.table());
        let config = Config::parse(&text, &folder.path().join("webex.toml")).unwrap();
        OpenSink::all(&config.sinks, false).unwrap().remove(0).sink
    }

    /// What the sink says that it cannot send for.
    async fn undelivered(&self) -> String {
        let place = Place::new(self);
        place.store(0..FEW);
        let couriers = place.start();
        let left = couriers.drained(Duration::from_secs(20), &Stop::new()).await.unwrap_err().to_string();
        couriers.end().await;
        left
    }
}

impl Receiver for Hec {
    fn table(&self) -> String {
        // Small sends, so that many are under way.
        let small = if self.settings.contains("max_events") { "" } else { "max_events = 200\n" };
        format!(
            "type = \"splunk_hec\"\nurl = \"{}\"\ntoken = \"{SECRET}\"\n{small}{}",
            self.server.url(),
            self.settings
        )
    }

    fn misbehave(&self, fault: Fault, requests: usize) -> bool {
        match (fault, self.splunk().token()) {
            (Fault::Late, Token::Acknowledges) => self.splunk().index_late(requests, 4),
            (Fault::Late, _) => return false,
            (fault, _) => self.server.misbehave(fault, requests),
        }
        true
    }

    fn refuse(&self, id: &str) -> bool {
        self.splunk().cannot_read(id);
        true
    }

    fn arrived(&self) -> Vec<Arrived> {
        self.splunk().arrived()
    }

    fn knows_ids(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn splunk_with_acknowledgment_conforms() {
    conforms(async || Hec::start(Token::Acknowledges, "").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn splunk_without_acknowledgment_conforms() {
    conforms(async || Hec::start(Token::Plain, "ack = false\ngzip = false").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_have_their_sourcetypes_and_indexes_and_events_their_time() {
    let hec = Hec::start(Token::Acknowledges, "index = { events = \"webex\" }\nhost = \"collector\"").await;
    let place = Place::new(&hec);
    place.store(0..3);
    place.deliver().await;
    let envelopes = hec.splunk().envelopes();
    assert_eq!(envelopes.len(), 3);
    for (envelope, (sourcetype, index)) in envelopes.iter().zip([
        ("cisco:webex:admin:audit:events", None),
        ("cisco:webex:security:audit:events", None),
        ("cisco:webex:events", Some("webex")),
    ]) {
        assert_eq!(envelope["sourcetype"], sourcetype);
        assert_eq!(envelope.get("index").and_then(|index| index.as_str()), index);
        assert_eq!(envelope["host"], "collector");
        assert_eq!(envelope.get("source"), None);
    }
    assert_eq!(envelopes[2]["time"].to_string(), "1764300002.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_the_indexers_never_acknowledge_are_sent_again() {
    let hec = Hec::start(Token::Acknowledges, "ack_timeout = \"1s\"").await;
    hec.splunk().index_late(2, usize::MAX);
    let place = Place::new(&hec);
    place.store(0..FEW);
    place.deliver().await;
    judge(&hec, 0..FEW, &[], "two requests are never acknowledged");
    assert_eq!(hec.arrived().len(), FEW + 2 * 200, "only those are sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_splunk_that_is_started_again_does_not_acknowledge_what_it_has_lost() {
    let hec = Hec::start(Token::Acknowledges, "ack_timeout = \"2s\"").await;
    hec.splunk().index_late(3, usize::MAX);
    let place = Place::new(&hec);
    place.store(0..600);
    let couriers = place.start();
    while hec.arrived().len() < 600 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // What was in memory is lost. The next request gets the number of one that waits, is indexed at once, and its number is
    // asked for before it has arrived.
    hec.splunk().start_again(Duration::from_millis(1_500));
    let more: Vec<Event> = (600..800).map(event).collect();
    couriers.spool().put(&more.iter().map(Event::as_read).collect::<Vec<_>>(), None, None).unwrap();
    couriers.drained(Duration::from_secs(60), &Stop::new()).await.unwrap();
    couriers.end().await;
    place.store(800..2_000);
    place.deliver().await;
    // Whose the number was cannot be told, so its answer counts for nobody, and both requests are sent again.
    let arrived = hec.arrived();
    let has = |id: &str| arrived.iter().any(|arrived| arrived.id == id && arrived.acknowledged);
    let lost: Vec<_> = (0..2_000).map(|number| event(number).id).filter(|id| !has(id)).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_acknowledgment_is_noticed_before_anything_is_sent() {
    let hec = Hec::start(Token::Plain, "").await;
    let left = hec.undelivered().await;
    assert!(left.contains("14 (acknowledgment is disabled)") && left.contains("`ack = false`"), "{left}");
    assert_eq!(hec.arrived().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_with_acknowledgment_wants_it_used() {
    let hec = Hec::start(Token::Acknowledges, "ack = false").await;
    let left = hec.undelivered().await;
    assert!(left.contains("10 (data channel is missing)") && left.contains("`ack = true`"), "{left}");
    assert_eq!(hec.arrived().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_must_mend_is_said() {
    for (token, settings, words) in [
        (Token::Disabled, "ack = false", ["1 (token disabled)", "`token`"]),
        (Token::Unknown, "", ["4 (invalid token)", "`token`"]),
        (Token::Acknowledges, "index = \"nowhere\"", ["7 (incorrect index)", "`index` of the sink: nowhere"]),
    ] {
        let hec = Hec::start(token, settings).await;
        let left = hec.undelivered().await;
        assert!(words.iter().all(|word| left.contains(word)), "{left}");
        assert!(!left.contains(SECRET), "{left}");
        assert_eq!(hec.arrived().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_the_limit_goes_in_halves_and_an_event_over_it_to_the_dead_letters() {
    for names_the_first in [false, true] {
        let hec = Hec::start(Token::Acknowledges, "").await;
        hec.splunk().limit(20_000, names_the_first);
        let place = Place::new(&hec);
        let large = Event {
            id: "large".into(),
            body: format!("{{\"id\":\"large\",\"x\":\"{}\"}}", "x".repeat(30_000)),
            ..event(0)
        };
        place.put(&[(0..300).map(event).collect(), vec![large], (300..FEW).map(event).collect()].concat());
        place.deliver().await;
        judge(&hec, 0..FEW, &[], "a small limit");
        let letters: Vec<_> = place.dead_letters().into_iter().map(|(id, _)| id).collect();
        assert_eq!(letters, ["large"], "what is named may be innocent: {names_the_first}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_before_one_that_cannot_be_read_come_twice_at_most() {
    let hec = Hec::start(Token::Acknowledges, "max_events = 5000").await;
    let bad: Vec<String> = [7, 100, 101, 450].map(|number| event(number).id).to_vec();
    bad.iter().for_each(|id| hec.splunk().cannot_read(id));
    let place = Place::new(&hec);
    place.store(0..FEW);
    place.deliver().await;
    judge(&hec, 0..FEW, &bad.iter().map(String::as_str).collect::<Vec<_>>(), "four cannot be read");
    let arrived = hec.arrived();
    let times = |id: &str| arrived.iter().filter(|arrived| arrived.id == id).count();
    assert!((0..FEW).all(|number| times(&event(number).id) <= 2));
    assert_eq!(place.dead_letters().into_iter().map(|(id, _)| id).collect::<Vec<_>>(), bad);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_leaves_nothing_and_tells_a_good_token_from_a_bad_one() {
    let hec = Hec::start(Token::Acknowledges, "").await;
    let found = hec.sink().probe().await.unwrap();
    assert!(found.contains("healthy") && found.contains("acknowledges by its indexers"), "{found}");
    assert_eq!(hec.arrived().len(), 0);

    for (token, settings) in
        [(Token::Unknown, ""), (Token::Disabled, ""), (Token::Plain, ""), (Token::Acknowledges, "ack = false")]
    {
        let hec = Hec::start(token, settings).await;
        let error = hec.sink().probe().await.unwrap_err();
        assert!(matches!(error, SendError::Closed { .. }), "{token:?}: {error:?}");
    }
    let hec = Hec::start(Token::Acknowledges, "").await;
    hec.splunk().fill_queues();
    assert!(matches!(hec.sink().probe().await, Err(SendError::Later { .. })));
}
