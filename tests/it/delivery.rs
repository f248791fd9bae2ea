//! While a batch is delivered and recorded, the next one is asked for: in order, one batch ahead at most, and what is not
//! recorded counts for nothing.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use host_harness::collect::{CollectError, Collector, Delivery, End, Mode, Step, Totals};
use host_harness::simulator::{Stream, TenantSettings};
use host_harness::sink::{SinkError, Sinks};
use host_harness::state::State;
use host_harness::stop::Stop;
use tempfile::TempDir;

use crate::simulated::{Difference, Simulated, difference};

/// New events of each stream,
const EVENTS: usize = 1_000;
/// of which a batch has so many. They are more bytes than a pipe holds.
const MAX_FETCH: usize = 200;
/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A tenant that has delivered something already, and the folder of its state and its sinks.
struct Fixture {
    tenant: Simulated,
    folder: TempDir,
}

/// What a run into a slow sink came to.
struct Ran {
    end: Result<End, CollectError>,
    totals: Totals,
    /// What the slow sink has taken.
    taken: Vec<String>,
}

impl Fixture {
    async fn new() -> Self {
        let max_fetch = MAX_FETCH.to_string();
        let tenant = Simulated::with(TenantSettings::default(), &[("max_fetch", max_fetch.as_str())]).await;
        let fixture = Self { tenant, folder: tempfile::tempdir().unwrap() };
        fixture.tenant.backlog(10, 1);
        fixture.collect().await;
        fixture.tenant.advance(60_000);
        let now = fixture.tenant.now();
        for stream in Stream::ALL {
            fixture.tenant.webex.backlog(stream, EVENTS, now - 50_000, now - 10_000);
        }
        fixture
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn state(&self) -> State {
        State::at(&self.path("state"))
    }

    fn stored(&self) -> Vec<u8> {
        fs::read(self.path("state/last-run/head.json")).unwrap()
    }

    /// A run into the file that holds what no slow sink has.
    async fn collect(&self) {
        let (sinks, _) = Sinks::open([self.path("events.ndjson")]).unwrap();
        let mut delivery = Delivery::to(sinks, self.state().writer().unwrap());
        let mut collector = Collector::new(&self.tenant.host.tenant, &mut delivery, Stop::new());
        assert_eq!(collector.run(Mode::Once, |_| ()).await.unwrap(), End::Idle);
    }

    /// A run into a slow sink and then into `further` ones. The slow one takes the first batch no sooner than `when` is true of the
    /// number of requests since that batch was fetched; then `then` is done.
    async fn collect_slowly(&self, further: &[&str], stop: Stop, when: impl Fn(usize) -> bool, then: impl Fn()) -> Ran {
        let pipe = self.path("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let paths = std::iter::once(pipe.clone()).chain(further.iter().map(PathBuf::from));
        let (sinks, _) = Sinks::open(paths).unwrap();
        let slow = SlowSink::at(&pipe);
        let mut delivery = Delivery::to(sinks, self.state().writer().unwrap());
        let mut collector = Collector::new(&self.tenant.host.tenant, &mut delivery, stop);
        let requests = || self.tenant.webex.requests().len();
        let fetched = Cell::new(None);
        let run = collector.run(Mode::Once, |step| {
            if let (Step::Called(totals), None) = (step, fetched.get()) {
                assert_eq!(totals.delivered(), 0, "what the sink has not taken does not count");
                fetched.set(Some(requests()));
            }
        });
        let watch = async {
            while !fetched.get().is_some_and(|fetched| when(requests() - fetched)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            then();
            slow.take();
        };
        let both = async { tokio::join!(run, watch) };
        let (end, ()) = tokio::time::timeout(PATIENCE, both).await.expect("the next batch is asked for");
        let totals = collector.totals;
        drop(delivery);
        Ran { end, totals, taken: slow.taken() }
    }

    /// What both sinks have is all that is listed, and each event once.
    fn delivered_is_exact(&self, taken: &[String]) {
        let file = fs::read_to_string(self.path("events.ndjson")).unwrap();
        let bodies = file.lines().chain(taken.iter().map(String::as_str));
        assert_eq!(difference(&self.tenant.webex, bodies), Difference::default());
    }
}

/// A pipe whose reader waits until it is told to take what comes. Dropped, it takes what comes, too.
struct SlowSink {
    go: mpsc::Sender<()>,
    reader: JoinHandle<String>,
}

impl SlowSink {
    /// The sink has been opened: else it would be waited for.
    fn at(path: &Path) -> Self {
        let mut pipe = File::open(path).unwrap();
        let (go, told) = mpsc::channel();
        let reader = std::thread::spawn(move || {
            let _ = told.recv();
            let mut text = String::new();
            pipe.read_to_string(&mut text).unwrap();
            text
        });
        Self { go, reader }
    }

    fn take(&self) {
        self.go.send(()).unwrap();
    }

    /// Once the sink is closed: all of it.
    fn taken(self) -> Vec<String> {
        self.reader.join().unwrap().lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn while_a_sink_takes_a_batch_the_next_one_is_asked_for() {
    let fixture = Fixture::new().await;
    let ran = fixture.collect_slowly(&[], Stop::new(), |asked| asked > 0, || ()).await;
    assert_eq!(ran.end.unwrap(), End::Idle);
    assert_eq!(ran.totals.delivered(), 3 * EVENTS as u64);
    assert_eq!(ran.taken.len(), 3 * EVENTS);
    fixture.delivered_is_exact(&ran.taken);
}

#[tokio::test]
async fn what_was_fetched_behind_a_batch_that_is_refused_is_thrown_away_and_both_come_again() {
    let fixture = Fixture::new().await;
    let before = fixture.stored();
    let ran = fixture.collect_slowly(&["/dev/full"], Stop::new(), |asked| asked > 0, || ()).await;
    assert!(matches!(ran.end, Err(CollectError::Sink(SinkError::Refused { .. }))), "{:?}", ran.end);
    assert_eq!((ran.totals.delivered(), ran.totals.calls), (0, 2));
    assert!((1..=3 * MAX_FETCH).contains(&ran.taken.len()), "one batch: {}", ran.taken.len());
    assert_eq!(fixture.stored(), before, "it stands where it stood");
    let pipe = fs::canonicalize(fixture.path("pipe")).unwrap();
    let begun = fixture.state().writer().unwrap().unrecorded().expect("the mark of the batch stands");
    assert_eq!(begun.get(pipe.to_str().unwrap()), Some(&0));

    fixture.collect().await;
    fixture.delivered_is_exact(&[]);
}

#[tokio::test]
async fn a_stop_while_a_batch_is_on_its_way_waits_until_it_is_recorded() {
    let fixture = Fixture::new().await;
    let stop = Stop::new();
    let (asked, before) = (stop.clone(), fixture.stored());
    let ran = fixture.collect_slowly(&[], stop, |_| true, || asked.request()).await;
    check_stopped(&fixture, &ran, &before, 1..=2).await;
}

#[tokio::test]
async fn a_stop_while_a_call_is_made_beside_a_batch_on_its_way_records_both() {
    let fixture = Fixture::new().await;
    let stop = Stop::new();
    let (asked, before) = (stop.clone(), fixture.stored());
    let ran = fixture.collect_slowly(&[], stop, |requests| requests > 0, || asked.request()).await;
    check_stopped(&fixture, &ran, &before, 2..=2).await;
}

async fn check_stopped(fixture: &Fixture, ran: &Ran, before: &[u8], calls: std::ops::RangeInclusive<u64>) {
    assert!(matches!(ran.end, Ok(End::Stopped)), "{:?}", ran.end);
    assert!(calls.contains(&ran.totals.calls), "{}", ran.totals.calls);
    assert_eq!(ran.totals.delivered(), ran.taken.len() as u64, "all that the sink has taken is recorded");
    assert!((1..3 * EVENTS).contains(&ran.taken.len()), "{}", ran.taken.len());
    assert_ne!(fixture.stored(), before);
    assert_eq!(fixture.state().writer().unwrap().unrecorded(), None);
    fixture.collect().await;
    fixture.delivered_is_exact(&ran.taken);
}
