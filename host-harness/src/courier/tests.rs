use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::mpsc;

use futures::future::BoxFuture;

use super::*;
use crate::sink::{Batching, Event, KINDS, Plan, Receipt, SendError, Traffic};

/// What a receiver says to a send.
type Says = dyn Fn(&[Event]) -> Option<Result<Receipt, SendError>> + Send + Sync;

/// A receiver that says what it is told to; none: it never answers.
struct Told {
    says: Box<Says>,
    sends: Mutex<Vec<Vec<String>>>,
}

impl Told {
    fn new(says: impl Fn(&[Event]) -> Option<Result<Receipt, SendError>> + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { says: Box::new(says), sends: Mutex::default() })
    }

    fn sends(&self) -> Vec<Vec<String>> {
        self.sends.lock().unwrap().clone()
    }
}

impl Sink for Told {
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            self.sends.lock().unwrap().push(events.iter().map(|event| event.id.clone()).collect());
            match (self.says)(events) {
                Some(answer) => answer,
                None => std::future::pending().await,
            }
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<String, SendError>> {
        Box::pin(async { Ok(String::new()) })
    }
}

#[derive(Debug)]
struct Nowhere;

impl Plan for Nowhere {
    fn open(&self) -> Result<Arc<dyn Sink>, SinkError> {
        Ok(Told::new(|_| None))
    }

    fn place(&self) -> String {
        "nowhere".to_owned()
    }
}

fn open(name: &str, sink: &Arc<Told>, max_refused: usize) -> OpenSink {
    let table = SinkTable {
        name: crate::sink::SinkName::parse(name).unwrap(),
        kind: KINDS[0],
        plan: Arc::new(Nowhere),
        streams: BTreeSet::new(),
        tenant_field: None,
        org_field: None,
        health_events: false,
        batching: Batching { max_refused, ..Batching::of(Traffic::default()) },
    };
    OpenSink { table, sink: Arc::clone(sink) as Arc<dyn Sink>, is_shared: false }
}

fn event(id: usize) -> Event {
    let (id, stream) = (id.to_string(), "events".to_owned());
    Event { body: format!("{{\"id\":\"{id}\"}}"), id, org: String::new(), stream, created: None }
}

/// Couriers for so many events.
fn start(folder: &Path, events: usize, sinks: Vec<OpenSink>) -> Couriers {
    let spool = Spool::open(folder, u64::MAX).unwrap();
    let events: Vec<Event> = (0..events).map(event).collect();
    spool.put(&events.iter().map(Event::as_read).collect::<Vec<_>>(), None, None).unwrap();
    Couriers::start(spool, folder, sinks, None, &Log::silent()).unwrap()
}

fn dead(folder: &Path, name: &str) -> Vec<String> {
    let letters = DeadLetters::of(folder, &crate::sink::SinkName::parse(name).unwrap()).list().unwrap();
    letters.into_iter().map(|letter| letter.id).collect()
}

const PATIENCE: Duration = Duration::from_secs(60);

fn fine() -> Option<Result<Receipt, SendError>> {
    Some(Ok(Receipt::default()))
}

#[tokio::test]
async fn a_request_that_is_refused_for_one_event_is_halved_down_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let sink =
        Told::new(
            |events| {
                if events.iter().any(|event| event.id == "5") { Some(Err(SendError::unfit("no"))) } else { fine() }
            },
        );
    let couriers = start(folder.path(), 8, vec![open("one", &sink, 100)]);
    couriers.drained(PATIENCE, &Stop::new()).await.unwrap();
    let standing = couriers.end().await.remove(0);
    assert_eq!((standing.acknowledged, standing.refused, standing.passed), (7, 1, 8));
    assert_eq!(standing.condition, Condition::Fine);
    assert_eq!(dead(folder.path(), "one"), ["5"]);
    let taken: Vec<String> = sink.sends().concat().into_iter().filter(|id| id == "0").collect();
    assert_eq!(taken.len(), 2, "in the whole and in its half, and not again");
}

#[tokio::test]
async fn a_receiver_that_refuses_everything_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Told::new(|_| Some(Err(SendError::unfit("wrong index"))));
    let couriers = start(folder.path(), 8, vec![open("one", &sink, 3)]);
    let left = couriers.drained(PATIENCE, &Stop::new()).await.unwrap_err();
    assert!(left.to_string().contains("it refuses everything") && left.to_string().contains("wrong index"), "{left}");
    assert_eq!(couriers.end().await[0].waiting, 8, "it is all still there");
    assert_eq!(dead(folder.path(), "one").len(), 3);
}

#[tokio::test]
async fn events_that_are_to_come_again_are_sent_alone() {
    let folder = tempfile::tempdir().unwrap();
    let sink = Told::new(|events| {
        let again = if events.len() > 1 { vec![1, 3] } else { Vec::new() };
        let again = if events.len() == 2 { vec![0] } else { again };
        Some(Ok(Receipt { again, ..Receipt::default() }))
    });
    let couriers = start(folder.path(), 4, vec![open("one", &sink, 100)]);
    couriers.drained(PATIENCE, &Stop::new()).await.unwrap();
    assert_eq!(couriers.end().await[0].acknowledged, 4);
    assert_eq!(sink.sends(), [vec!["0", "1", "2", "3"], vec!["1", "3"], vec!["1"]]);
}

#[tokio::test]
async fn where_only_a_person_can_help_nobody_waits_and_the_others_have_everything() {
    let folder = tempfile::tempdir().unwrap();
    let (open_one, closed) =
        (Told::new(|_| fine()), Told::new(|_| Some(Err(SendError::closed("wrong token", "make one")))));
    let couriers = start(folder.path(), 4, vec![open("one", &open_one, 100), open("two", &closed, 100)]);
    let left = couriers.drained(Duration::MAX / 4, &Stop::new()).await.unwrap_err();
    assert_eq!(left.0.len(), 1);
    assert_eq!(left.to_string(), "4 events wait in the spool for the sink two: wrong token; make one");
    let ends = couriers.end().await;
    assert_eq!((ends[0].acknowledged, ends[0].waiting, ends[1].waiting), (4, 0, 4));
}

/// On a clock that stands still while there is anything to do: a wait that is none would never come to its end.
#[test]
fn a_wait_for_a_receiver_that_never_answers_sleeps_and_ends() {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let tasks = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let text = tasks.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let (answers, silent) = (Told::new(|_| fine()), Told::new(|_| None));
            let couriers = start(folder.path(), 4, vec![open("one", &answers, 100), open("two", &silent, 100)]);
            couriers.drained(PATIENCE, &Stop::new()).await.unwrap_err().to_string()
        });
        let _ = tell.send(text);
    });
    let text = told.recv_timeout(Duration::from_secs(60)).expect("it does not spin");
    assert_eq!(text, "4 events wait in the spool for the sink two");
}
