//! A batch on its way: to the one file or to the spool, then its last-run to the state. It goes on a thread that may wait for the
//! disk, so that the next call can be made meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::health::Health;
use super::{CollectError, Outlet, RoundEnd};
use crate::board::TenantBoard;
use crate::board::view::RecentEvent;
use crate::courier::{Couriers, Standing, Undelivered};
use crate::runtime::{Bundle, LastRun, Parts, Report};
use crate::sink::{Event, Sinks};
use crate::spool::{Recorded, Spool};
use crate::state::{StateError, Writer};
use crate::stop::Stop;

/// Where a tenant's events go and its state, and the one batch at most that is on its way to them.
pub struct Delivery {
    places: Arc<Mutex<Places>>,
    /// From the spool to the sinks, where there is one.
    couriers: Option<Couriers>,
    /// Events of the collector's own, where a sink wants them.
    health: Option<Health>,
    /// Where others look at what goes on, if they do.
    board: Option<TenantBoard>,
    /// Texts of parts that are on the disk.
    stored: Arc<dyn Parts>,
    under_way: Option<UnderWay>,
}

pub(super) struct Places {
    route: Route,
    state: Writer,
}

/// By what way events go.
enum Route {
    /// To one file, or to memory.
    Direct(Sinks),
    /// To the spool, and from there to each sink.
    Spool(Arc<Spool>),
}

/// A batch on its way.
struct UnderWay {
    last_run: Arc<LastRun>,
    reports: Vec<Report>,
    /// What the board is to show of it.
    recent: Vec<RecentEvent>,
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
    /// To these places, without a spool.
    pub fn to(sinks: Sinks, state: Writer) -> Self {
        Self::by(Route::Direct(sinks), None, state)
    }

    /// To the spool, from which these couriers take.
    pub fn through(couriers: Couriers, state: Writer) -> Self {
        Self::by(Route::Spool(couriers.spool()), Some(couriers), state)
    }

    fn by(route: Route, couriers: Option<Couriers>, state: Writer) -> Self {
        let stored = state.parts();
        let places = Arc::new(Mutex::new(Places { route, state }));
        Self { places, couriers, health: None, board: None, stored, under_way: None }
    }

    /// The same with events of the collector's own.
    #[must_use]
    pub(super) fn with_health(self, health: Option<Health>) -> Self {
        Self { health, ..self }
    }

    /// The same, seen on a board. It is the tenant's way out for commands, too, until it is [closed](Self::close).
    #[must_use]
    pub fn on_board(self, board: Option<TenantBoard>) -> Self {
        if let Some(board) = &board {
            board.attach(Outlet::new(Arc::clone(&self.places), self.couriers.as_ref().map(Couriers::watch)));
        }
        Self { board, ..self }
    }

    /// Takes note of what is recorded, for events of the collector's own.
    pub(super) fn note(&mut self, reports: &[Report], now: i64) {
        if let Some(health) = &mut self.health {
            health.note(reports, now);
        }
    }

    /// After a round: tells the board, and sends events of the collector's own, if there are any.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn tell_health(&mut self, end: &RoundEnd, now: i64) -> Result<(), CollectError> {
        if let Some(board) = &self.board {
            board.round(end);
        }
        let Some(health) = &mut self.health else { return Ok(()) };
        health.note_end(end, now);
        let events = health.take(now);
        health.keep()?;
        match &self.places().route {
            Route::Spool(spool) if !events.is_empty() => {
                Ok(spool.put(&events.iter().map(Event::as_read).collect::<Vec<_>>(), None, None)?)
            }
            // A file alone has no such events.
            Route::Spool(_) | Route::Direct(_) => Ok(()),
        }
    }

    /// Looks at places that are written without a spool; waits for a batch that is on its way.
    pub fn sinks<T>(&self, look: impl FnOnce(&Sinks) -> T) -> Option<T> {
        match &self.places().route {
            Route::Direct(sinks) => Some(look(sinks)),
            Route::Spool(_) => None,
        }
    }

    /// Whether nothing more should be collected until a sink has taken some of what waits for it.
    pub fn is_full(&self) -> bool {
        self.couriers.as_ref().is_some_and(Couriers::is_full)
    }

    /// How each sink behind the spool stands.
    pub fn standings(&self) -> Vec<Standing> {
        self.couriers.as_ref().map(Couriers::standings).unwrap_or_default()
    }

    /// Returns once every sink has what waits for it; see [`Couriers::drained`].
    ///
    /// # Errors
    /// Some have not.
    pub async fn drained(&self, patience: Duration, stop: &Stop) -> Result<(), Undelivered> {
        match &self.couriers {
            Some(couriers) => couriers.drained(patience, stop).await,
            None => Ok(()),
        }
    }

    /// Ends what brings events to the sinks; what is under way may come to its end. Returns how each sink stands then.
    pub async fn close(&mut self) -> Vec<Standing> {
        if let Some(board) = &self.board {
            board.detach();
        }
        match self.couriers.take() {
            Some(couriers) => couriers.end().await,
            None => Vec::new(),
        }
    }

    /// Events that were not collected in a round, as those of a command.
    ///
    /// # Errors
    /// The disk or the file refuses.
    pub fn deliver(&self, events: Vec<Bundle>) -> Result<(), CollectError> {
        self.places().deliver(events)
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
        let recent = self.board.as_ref().map(|board| board.preview(&parcel.events)).unwrap_or_default();
        let recorded =
            tokio::task::spawn_blocking(move || places.lock().unwrap_or_else(PoisonError::into_inner).record(parcel));
        self.under_way = Some(UnderWay { last_run, reports, recent, recorded });
    }

    /// Waits until nothing is on its way. Returns the reports of the batch that is recorded now; none where there was no batch.
    ///
    /// # Errors
    /// The batch could not be delivered or recorded.
    pub(super) async fn end(&mut self) -> Result<Vec<Report>, CollectError> {
        let Some(UnderWay { recorded, reports, recent, .. }) = self.under_way.take() else { return Ok(Vec::new()) };
        // It is not aborted, so it can only have panicked.
        recorded.await.unwrap_or(Err(CollectError::Defect))?;
        if let Some(board) = &self.board {
            board.recorded(&reports, recent);
        }
        Ok(reports)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    /// Events that were not collected in a round.
    pub(super) fn deliver(&mut self, events: Vec<Bundle>) -> Result<(), CollectError> {
        match &mut self.route {
            Route::Direct(sinks) => Ok(sinks.deliver(events)?),
            Route::Spool(spool) => Ok(spool.put(&Bundle::each_of(&events).collect::<Vec<_>>(), None, None)?),
        }
    }

    /// Delivers, then remembers; in this order only.
    fn record(&mut self, parcel: Parcel) -> Result<(), CollectError> {
        let Self { route, state } = self;
        match route {
            Route::Direct(sinks) => write_directly(sinks, state, parcel),
            Route::Spool(spool) => {
                let Parcel { events, last_run, is_changed, .. } = parcel;
                if !events.is_empty() {
                    let recorded = Recorded { before: state.stored(), last_run: &last_run };
                    spool.put(&Bundle::each_of(&events).collect::<Vec<_>>(), is_changed.then_some(&recorded), None)?;
                }
                if is_changed {
                    state.store(&last_run)?;
                }
                Ok(())
            }
        }
    }
}

/// Before the batch goes to a file, where it begins there is noted, so that a start after a crash in between finds its lines.
fn write_directly(sinks: &mut Sinks, state: &mut Writer, parcel: Parcel) -> Result<(), CollectError> {
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
