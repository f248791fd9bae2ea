//! What every sink must do, whatever its receiver does: nothing is lost, nothing is invented, and an event comes twice only where
//! the receiver has no ids, and only if the send before was not acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use host_harness::config::Config;
use host_harness::courier::{Couriers, DeadLetters, OpenSink};
use host_harness::log::Log;
use host_harness::sink::{Event, Sink, SinkName};
use host_harness::spool::Spool;
use host_harness::stop::Stop;
use tempfile::TempDir;

/// Events of one play.
pub(crate) const EVENTS: usize = 10_000;
/// Events of a batch in the spool.
const BATCH: usize = 500;
/// A play that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// Requests for which a receiver misbehaves.
const FOR: usize = 3;

/// How often a process is killed.
const KILLS: usize = 5;

/// What goes wrong at a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Each answer takes its time.
    Slow,
    /// Nobody answers.
    Down,
    /// It wants to be left alone, and says how long.
    Busy,
    /// It fails.
    Failing,
    /// It takes what was sent, and the connection is cut before it says so.
    CutAfter,
    /// It takes half of what was sent, and the connection is cut.
    Half,
    /// It acknowledges late, where it acknowledges by something else than its answer.
    Late,
}

impl Fault {
    pub(crate) const ALL: [Self; 7] =
        [Self::Slow, Self::Down, Self::Busy, Self::Failing, Self::CutAfter, Self::Half, Self::Late];
}

/// An event that a receiver has, each time that it came.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) id: String,
    /// The item as it was collected, or what the receiver's form of it says of that.
    pub(crate) body: String,
    /// Whether the receiver has told the sink, by all that it knows, that it has it.
    pub(crate) acknowledged: bool,
}

/// A receiver that a test can look into.
pub(crate) trait Receiver: Send + Sync {
    /// The table `[[sink]]`, without its first line.
    fn table(&self) -> String;
    /// Misbehaves in this way for so many requests from now on. False: it cannot.
    fn misbehave(&self, fault: Fault, requests: usize) -> bool;
    /// Refuses the event with this id for good. False: it cannot refuse one event.
    fn refuse(&self, id: &str) -> bool;
    /// What it has, in the order of arrival.
    fn arrived(&self) -> Vec<Arrived>;
    /// Whether a repeat is recognised by its id, so that an event is there once whatever happens.
    fn knows_ids(&self) -> bool;
}

/// A spool with events, and the settings of a sink.
pub(crate) struct Place {
    folder: TempDir,
    config: Config,
}

impl Place {
    pub(crate) fn new(receiver: &dyn Receiver) -> Self {
        Self::with(&receiver.table())
    }

    pub(crate) fn with(table: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("[[sink]]\n{table}\n");
        let config = Config::parse(&text, &folder.path().join("webex.toml")).unwrap();
        Self { folder, config }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn name(&self) -> SinkName {
        self.config.sinks[0].name.clone()
    }

    /// Stores events as a collection does.
    pub(crate) fn store(&self, events: Range<usize>) {
        self.put(&events.map(event).collect::<Vec<_>>());
    }

    /// Stores these.
    pub(crate) fn put(&self, events: &[Event]) {
        let spool = Spool::open(self.folder(), 1 << 30).unwrap();
        let events: Vec<_> = events.iter().map(Event::as_read).collect();
        events.chunks(BATCH).for_each(|batch| spool.put(batch, None, None).unwrap());
    }

    /// The sink alone.
    pub(crate) fn sink(&self) -> Arc<dyn Sink> {
        self.config.sinks[0].plan.open().unwrap()
    }

    pub(crate) fn start(&self) -> Couriers {
        let spool = Spool::open(self.folder(), 1 << 30).unwrap();
        let sinks = OpenSink::all(&self.config.sinks, false).unwrap();
        Couriers::start(spool, self.folder(), sinks, None, &Log::silent()).unwrap()
    }

    /// Delivers all that is stored.
    pub(crate) async fn deliver(&self) {
        let couriers = self.start();
        let drained = couriers.drained(PATIENCE, &Stop::new()).await;
        assert!(drained.is_ok(), "{drained:?}");
        couriers.end().await;
    }

    pub(crate) fn dead_letters(&self) -> Vec<(String, String)> {
        let letters = DeadLetters::of(self.folder(), &self.name()).list().unwrap();
        letters.into_iter().map(|letter| (letter.id, letter.reason)).collect()
    }
}

/// An event as the plugin makes it.
pub(crate) fn event(number: usize) -> Event {
    let stream = ["admin_audits", "security_audits", "events"][number % 3];
    let id = format!("event-{number:05}");
    let created = 1_764_300_000_000 + i64::try_from(number).unwrap() * 1_000;
    let body = format!(
        "{{\"id\":\"{id}\",\"created\":\"2025-11-28T03:20:00.000Z\",\"actor\":{{\"name\":\"J\u{f6}rg \\\"x\\\"\",\"roles\":[]}},\
         \"text\":\"line\\nbreak {number}\",\"source_log_type\":\"Events\",\"_time\":\"2025-11-28T03:20:00.000Z\"}}"
    );
    Event { id, org: "org-1".into(), stream: stream.into(), created: Some(created), body }
}

/// Looks at what has arrived. `refused`: events that must not be there.
pub(crate) fn judge(receiver: &dyn Receiver, events: Range<usize>, refused: &[&str], what: &str) {
    judge_killed(receiver, events, refused, 0, what);
}

/// The same where processes were killed: so many events may be there again though they were acknowledged, since nobody was left to
/// write that down.
fn judge_killed(receiver: &dyn Receiver, events: Range<usize>, refused: &[&str], mut under_way: usize, what: &str) {
    let sent: BTreeMap<String, String> = events
        .map(event)
        .map(|event| (event.id, event.body))
        .filter(|(id, _)| !refused.contains(&id.as_str()))
        .collect();
    let (mut acknowledged, mut there) = (BTreeSet::new(), BTreeSet::new());
    for arrived in receiver.arrived() {
        let Some(body) = sent.get(&arrived.id) else { panic!("{what}: invented: {arrived:?}") };
        let [sent, arrived_body] = [body, &arrived.body].map(|body| {
            serde_json::from_str::<serde_json::Value>(body).unwrap_or_else(|error| panic!("{what}: {error}: {body}"))
        });
        assert_eq!(arrived_body, sent, "{what}: changed");
        let is_again = !there.insert(arrived.id.clone());
        assert!(!is_again || !receiver.knows_ids(), "{what}: twice though it has ids: {}", arrived.id);
        if acknowledged.contains(&arrived.id) {
            assert!(under_way > 0, "{what}: sent again though acknowledged: {}", arrived.id);
            under_way -= 1;
        }
        if arrived.acknowledged {
            acknowledged.insert(arrived.id);
        }
    }
    let lost: Vec<_> = sent.keys().filter(|id| !acknowledged.contains(*id)).take(5).collect();
    assert!(lost.is_empty(), "{what}: lost, or passed without an acknowledgement: {lost:?}");
}

/// Plays every fault, a refusal and a killed process, each with a new receiver and 10,000 events.
pub(crate) async fn conforms<R: Receiver>(start: impl AsyncFn() -> R) {
    let receiver = start().await;
    let place = Place::new(&receiver);
    place.store(0..EVENTS);
    place.deliver().await;
    judge(&receiver, 0..EVENTS, &[], "nothing goes wrong");
    // What was passed is not sent again by the next start.
    place.store(EVENTS..EVENTS + 10);
    place.deliver().await;
    judge(&receiver, 0..EVENTS + 10, &[], "a second start");

    for fault in Fault::ALL {
        let receiver = start().await;
        if receiver.misbehave(fault, FOR) {
            let place = Place::new(&receiver);
            place.store(0..EVENTS);
            place.deliver().await;
            judge(&receiver, 0..EVENTS, &[], &format!("{fault:?}"));
            assert_eq!(place.dead_letters(), [], "{fault:?}");
        }
    }
    refuses(start().await).await;
    killed(start().await).await;
}

/// One event is refused: it is kept with the reason, and all others arrive.
async fn refuses<R: Receiver>(receiver: R) {
    let bad = event(EVENTS / 2).id;
    if !receiver.refuse(&bad) {
        return;
    }
    let place = Place::new(&receiver);
    place.store(0..EVENTS);
    place.deliver().await;
    judge(&receiver, 0..EVENTS, &[&bad], "one is refused");
    let letters = place.dead_letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!(letters[0].0, bad);
    assert!(!letters[0].1.is_empty(), "a dead letter says why");
}

/// The process dies again and again while it sends.
async fn killed<R: Receiver>(receiver: R) {
    let place = Place::new(&receiver);
    place.store(0..EVENTS);
    let batching = place.config.sinks[0].batching;
    for kill in 1..=KILLS {
        let couriers = place.start();
        let enough = EVENTS * kill / 6;
        let arrived = async {
            while receiver.arrived().len() < enough {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, arrived).await.expect("it goes on after a kill");
        // Nothing of it runs any further, whatever it was doing.
        drop(couriers);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    place.deliver().await;
    let under_way = KILLS * batching.side_by_side * batching.max_events;
    judge_killed(&receiver, 0..EVENTS, &[], under_way, "killed");
}
