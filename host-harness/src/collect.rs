//! The cycle: stored last-run → call → delivery → stored last-run, until there is nothing more, or for ever.
//!
//! Delivery is at least once. A batch's last-run is stored only after every sink has the batch for good, so a crash between
//! the two brings that one batch again, with the same ids, and nothing else.

mod leftover;
mod totals;

use std::time::Duration;

use crate::log::Level;
use crate::runtime::{Batch, Failure, FetchRequest, LastRun, Next, Retry, RuntimeError, Tenant, in_words, time};
use crate::sink::{SinkError, Sinks};
use crate::state::{StateError, Writer};
use crate::stop::Stop;
pub use leftover::look_back;
pub use totals::{StreamTotal, Totals};

/// How long one call may collect, in milliseconds: what a crash throws away is at most this much work.
const BUDGET_MS: u32 = 20_000;
/// How long a run without `--follow` waits, in sum and without an event in between, before it ends and says when to come
/// again.
const PATIENCE: Duration = Duration::from_secs(120);
/// Calls in a row that may bring nothing new, neither an event nor another last-run, before the round ends: one may be an
/// accident, two a bad moment.
const BARREN_CALLS: u32 = 3;
/// The pause before a call that broke off is made again.
const AFTER_A_BREAK: Duration = Duration::from_secs(1);

/// How long to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Until everything listed is delivered.
    Once,
    /// Until asked to end, with this pause between rounds.
    Follow(Duration),
}

/// How a collection ended, short of an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Everything listed so far is delivered, but for what failed by the reports.
    Idle,
    /// It was asked to end; everything delivered is recorded.
    Stopped,
    /// What is left has to wait longer than a round does; milliseconds since the epoch.
    NotBefore(i64),
    /// Calls brought neither an event nor another last-run, though there was more to do.
    Stuck,
}

/// Why a collection broke off. Everything that was recorded stands.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The stored state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// A sink did not take a batch.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The plugin could not be run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The plugin cannot collect anything.
    #[error("{}", in_words(.0))]
    Failed(Box<Failure>),
}

/// One tenant's cycle.
pub struct Collector<'a> {
    /// Whom to call.
    pub tenant: &'a Tenant,
    /// Where it stands.
    pub state: &'a mut Writer,
    /// Where events go.
    pub sinks: &'a mut Sinks,
    /// The wish to end.
    pub stop: Stop,
    /// Streams to collect; empty: all that the settings turn on.
    pub streams: Vec<String>,
    /// What was done so far.
    pub totals: Totals,
}

/// What one call came to.
enum Called {
    Batch(Batch),
    Failed(Failure),
    Broke(RuntimeError),
    /// It did not pack up in time and was dropped.
    Dropped,
}

impl<'a> Collector<'a> {
    /// For all streams that the settings turn on.
    pub fn new(tenant: &'a Tenant, state: &'a mut Writer, sinks: &'a mut Sinks, stop: Stop) -> Self {
        Self { tenant, state, sinks, stop, streams: Vec::new(), totals: Totals::default() }
    }

    /// Collects; `observe` is told after each call.
    ///
    /// # Errors
    /// See [`CollectError`]. What was delivered and recorded before stands.
    pub async fn run(&mut self, mode: Mode, mut observe: impl FnMut(&Totals)) -> Result<End, CollectError> {
        let mut last_run = self.state.load()?;
        let mut patience = Patience::default();
        loop {
            if self.stop.is_requested() {
                return Ok(End::Stopped);
            }
            let called = self.call(last_run.as_ref()).await;
            let pause = match called {
                Called::Dropped => return Ok(End::Stopped),
                Called::Batch(batch) => {
                    if !batch.events.is_empty() {
                        patience = Patience::default();
                    } else if last_run.as_ref() != Some(&batch.last_run) {
                        patience.barren = 0;
                    } else {
                        patience.barren += 1;
                    }
                    let next = self.record(batch, &mut last_run)?;
                    observe(&self.totals);
                    self.after_batch(next, &mut patience, mode)
                }
                Called::Failed(failure) => {
                    patience.barren += 1;
                    self.after_failure(failure, &mut patience, mode)?
                }
                Called::Broke(error) => {
                    patience.barren += 1;
                    self.after_break(error, patience.barren, mode)?
                }
            };
            match pause {
                Pause::None => {}
                // A wait that is cut short ends above.
                Pause::For(time) => drop(self.stop.sleep(time).await),
                Pause::End(end) => return Ok(end),
            }
        }
    }

    async fn call(&mut self, last_run: Option<&LastRun>) -> Called {
        self.totals.calls += 1;
        let request = FetchRequest {
            streams: self.streams.clone(),
            max_events: None,
            max_bytes: None,
            budget_ms: Some(BUDGET_MS),
            re_read: None,
        };
        match self.tenant.fetch_events(last_run, &request).await {
            Ok(Ok(batch)) => Called::Batch(batch),
            Ok(Err(failure)) => Called::Failed(failure),
            Err(RuntimeError::Stopped { .. }) => Called::Dropped,
            Err(error) => Called::Broke(error),
        }
    }

    /// Delivers, then remembers; in this order only. Before that it notes where in each file the batch begins, so that a start
    /// after a crash in between finds its lines.
    fn record(&mut self, batch: Batch, last_run: &mut Option<LastRun>) -> Result<Next, CollectError> {
        // When all that is listed is in this batch or recorded, nothing of an earlier batch is still to come after it.
        let settled = batch.next == Next::Idle && batch.reports.iter().all(|report| report.failure.is_none());
        let expecting = !settled && self.sinks.still_expect(&batch.events);
        if expecting || !batch.events.is_empty() {
            self.state.delivering(&batch.last_run, self.sinks.begin(), expecting)?;
        }
        self.sinks.deliver(&batch.events)?;
        if last_run.as_ref() != Some(&batch.last_run) {
            self.state.store(&batch.last_run)?;
        }
        if settled {
            self.sinks.settle();
        }
        if !expecting {
            self.state.delivered();
        }
        *last_run = Some(batch.last_run);
        self.totals.add(&batch.reports, self.tenant.log());
        Ok(batch.next)
    }

    fn after_batch(&self, next: Next, patience: &mut Patience, mode: Mode) -> Pause {
        match (next, mode) {
            (Next::Now, Mode::Once) if patience.barren >= BARREN_CALLS => Pause::End(End::Stuck),
            (Next::Now, Mode::Follow(interval)) if patience.barren >= BARREN_CALLS => Pause::For(interval),
            (Next::Now, _) => Pause::None,
            (Next::Idle, Mode::Once) => Pause::End(End::Idle),
            (Next::Idle, Mode::Follow(interval)) => Pause::For(interval),
            (Next::NotBefore(at), mode) => self.until(at, patience, mode),
        }
    }

    /// A stream that has to wait must not keep the others waiting, so `--follow` comes back at its interval anyway.
    fn until(&self, at: i64, patience: &mut Patience, mode: Mode) -> Pause {
        let left = u64::try_from(at.saturating_sub(self.tenant.clock().now())).unwrap_or(0);
        // A time that has just passed is no reason to spin.
        let left = Duration::from_millis(left).max(AFTER_A_BREAK);
        match mode {
            Mode::Follow(interval) => Pause::For(left.min(interval)),
            Mode::Once if patience.waited + left > PATIENCE => Pause::End(End::NotBefore(at)),
            Mode::Once => {
                patience.waited += left;
                Pause::For(left)
            }
        }
    }

    fn after_failure(&self, failure: Failure, patience: &mut Patience, mode: Mode) -> Result<Pause, CollectError> {
        let pause = match (&failure.retry, mode) {
            (Retry::At(at), Mode::Follow(_)) => self.until(*at, patience, mode),
            (Retry::At(at), Mode::Once) if patience.barren < BARREN_CALLS => self.until(*at, patience, mode),
            // Another process may sign in meanwhile.
            (Retry::AfterSignIn, Mode::Follow(interval)) => Pause::For(interval),
            _ => return Err(CollectError::Failed(Box::new(failure))),
        };
        if matches!(pause, Pause::End(_)) {
            return Err(CollectError::Failed(Box::new(failure)));
        }
        self.tenant.log().write(Level::Warn, &failure.code, &in_words(&failure), &[]);
        Ok(pause)
    }

    fn after_break(&self, error: RuntimeError, barren: u32, mode: Mode) -> Result<Pause, CollectError> {
        let passing =
            matches!(error, RuntimeError::Trap { .. } | RuntimeError::Deadline { .. } | RuntimeError::Memory { .. });
        let pause = match mode {
            _ if !passing => return Err(error.into()),
            Mode::Once if barren >= BARREN_CALLS => return Err(error.into()),
            Mode::Once => AFTER_A_BREAK,
            Mode::Follow(interval) => interval,
        };
        self.tenant.log().write(Level::Error, "call-broke-off", &error.to_string(), &[]);
        Ok(Pause::For(pause))
    }
}

/// What a run has put up with since the last event.
#[derive(Default)]
struct Patience {
    /// Calls in a row that brought neither an event nor another last-run.
    barren: u32,
    /// Sum of the waits.
    waited: Duration,
}

/// What comes after a call.
enum Pause {
    None,
    For(Duration),
    End(End),
}

impl End {
    /// A sentence for a person; none where there is nothing to say.
    pub fn in_words(&self) -> Option<String> {
        match self {
            Self::Idle => None,
            Self::Stopped => {
                Some("stopped as asked; everything delivered is recorded, the next run goes on here".into())
            }
            Self::NotBefore(at) => Some(format!("the rest has to wait until {}; run `collect` again then", time(*at))),
            Self::Stuck => Some(format!(
                "{BARREN_CALLS} calls in a row brought nothing new though there was more; see the failures above, or run with -v"
            )),
        }
    }
}
