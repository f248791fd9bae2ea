//! A batch on its way: to the sinks, then its last-run to the state. It goes on a thread that may wait for the disk, so that the
//! next call can be made meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinHandle;

use super::CollectError;
use crate::runtime::{Bundle, LastRun, Parts, Report};
use crate::sink::Sinks;
use crate::state::{StateError, Writer};

/// A tenant's sinks and its state, and the one batch at most that is on its way to them.
pub struct Delivery {
    places: Arc<Mutex<Places>>,
    /// Texts of parts that are on the disk.
    stored: Arc<dyn Parts>,
    under_way: Option<UnderWay>,
}

#[derive(Debug)]
struct Places {
    sinks: Sinks,
    state: Writer,
}

/// A batch on its way.
struct UnderWay {
    last_run: Arc<LastRun>,
    reports: Vec<Report>,
    recorded: JoinHandle<Result<(), CollectError>>,
}

/// What of a batch is delivered and recorded.
pub(super) struct Parcel {
    pub(super) events: Vec<Bundle>,
    pub(super) last_run: Arc<LastRun>,
    /// Whether the last-run says anything else than the one before.
    pub(super) is_changed: bool,
    /// There is nothing left to deliver, so nothing of an earlier batch is still to come.
    pub(super) is_settled: bool,
}

impl Delivery {
    /// To these sinks and this state.
    pub fn to(sinks: Sinks, state: Writer) -> Self {
        let stored = state.parts();
        Self { places: Arc::new(Mutex::new(Places { sinks, state })), stored, under_way: None }
    }

    /// Looks at the sinks; waits for a batch that is on its way.
    pub fn sinks<T>(&self, look: impl FnOnce(&Sinks) -> T) -> T {
        look(&self.places().sinks)
    }

    /// Of the state keeps only the lock, until the next turn.
    pub fn rest(&mut self) {
        self.places().state.rest();
    }

    /// The stored last-run.
    pub(super) fn load(&mut self) -> Result<Option<LastRun>, StateError> {
        self.places().state.load()
    }

    /// The texts of parts of the newest last-run, whether it is stored or still on its way.
    pub(super) fn parts(&self) -> Arc<dyn Parts> {
        match &self.under_way {
            Some(UnderWay { last_run, .. }) => {
                Arc::new(PartsOnTheWay { last_run: Arc::clone(last_run), stored: Arc::clone(&self.stored) })
            }
            None => Arc::clone(&self.stored),
        }
    }

    /// Sends a batch on its way. The one before has [ended](Self::end): what follows a batch that failed is not delivered.
    pub(super) fn begin(&mut self, parcel: Parcel, reports: Vec<Report>) {
        debug_assert!(self.under_way.is_none(), "one batch at a time");
        let (last_run, places) = (Arc::clone(&parcel.last_run), Arc::clone(&self.places));
        let recorded =
            tokio::task::spawn_blocking(move || places.lock().unwrap_or_else(PoisonError::into_inner).record(parcel));
        self.under_way = Some(UnderWay { last_run, reports, recorded });
    }

    /// Waits until nothing is on its way. Returns the reports of the batch that is recorded now; none where there was no batch.
    ///
    /// # Errors
    /// The batch could not be delivered or recorded.
    pub(super) async fn end(&mut self) -> Result<Vec<Report>, CollectError> {
        let Some(UnderWay { recorded, reports, .. }) = self.under_way.take() else { return Ok(Vec::new()) };
        // It is not aborted, so it can only have panicked.
        recorded.await.unwrap_or(Err(CollectError::Defect))?;
        Ok(reports)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Delivers, then remembers; in this order only. Before that it notes where in each file the batch begins, so that a start
    /// after a crash in between finds its lines.
    fn record(&mut self, parcel: Parcel) -> Result<(), CollectError> {
        let Self { sinks, state } = self;
        let Parcel { events, last_run, is_changed, is_settled } = parcel;
        let is_expecting = !is_settled && sinks.still_expect(&events);
        if is_expecting || !events.is_empty() {
            state.delivering(&last_run, sinks.begin(), is_expecting)?;
        }
        sinks.deliver(events)?;
        if is_changed {
            state.store(&last_run)?;
        }
        if is_settled {
            sinks.settle();
        }
        if !is_expecting {
            state.delivered();
        }
        Ok(())
    }
}

/// Texts of parts of a last-run that is perhaps not stored yet. It is given to the next call by names alone, as any other: what
/// comes into a call as text goes out as text, and would be carried along from call to call.
struct PartsOnTheWay {
    last_run: Arc<LastRun>,
    stored: Arc<dyn Parts>,
}

impl Parts for PartsOnTheWay {
    fn text(&self, name: &str) -> Option<String> {
        let new = self.last_run.parts.iter().find(|part| part.name == name).and_then(|part| part.body.clone());
        new.or_else(|| self.stored.text(name))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::runtime::{EventHead, LastRunPart};
    use crate::sink::SinkError;
    use crate::state::State;

    fn parcel(part: &str) -> Parcel {
        let events = vec![EventHead { id: part.into(), created: None }];
        let lines = format!("{{\"id\":\"{part}\"}}\n");
        let bundle = Bundle { stream: "events".into(), org: String::new(), events, lines };
        let parts = vec![LastRunPart { name: part.into(), body: Some(format!("text of {part}")) }];
        let last_run = Arc::new(LastRun { head: part.into(), parts });
        Parcel { events: vec![bundle], last_run, is_changed: true, is_settled: false }
    }

    fn delivery(folder: &std::path::Path, sink: &str) -> Delivery {
        let (sinks, _) = Sinks::open([folder.join(sink)]).unwrap();
        Delivery::to(sinks, State::at(&folder.join("state")).writer().unwrap())
    }

    #[tokio::test]
    async fn a_batch_is_recorded_when_it_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut delivery = delivery(folder.path(), "events.ndjson");
        for part in ["one", "two"] {
            delivery.begin(parcel(part), Vec::new());
            delivery.end().await.unwrap();
            assert_eq!(delivery.load().unwrap().unwrap().head, part);
        }
        let lines = std::fs::read_to_string(folder.path().join("events.ndjson")).unwrap();
        assert_eq!(lines, "{\"id\":\"one\"}\n{\"id\":\"two\"}\n");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn texts_of_a_batch_on_its_way_are_at_hand_though_none_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let mut delivery = delivery(folder.path(), "/dev/full");
        delivery.begin(parcel("one"), Vec::new());
        assert_eq!(delivery.parts().text("one").unwrap(), "text of one");
        let refused = delivery.end().await.unwrap_err();
        assert!(matches!(refused, CollectError::Sink(SinkError::Refused { .. })), "{refused}");
        assert_eq!(delivery.parts().text("one"), None, "what could not be recorded is gone");
        assert_eq!(delivery.load().unwrap(), None);
    }
}
