//! From the spool to the receivers: a courier for each sink, with a place in the spool of its own.
//!
//! A courier takes events in their order, gathers them into sends, and moves on when the receiver has acknowledged. What the
//! receiver cannot take now is sent again, for ever, with a growing pause; what it refuses for itself goes to the
//! dead letters with the reason, and the next goes on. No courier waits for another.
//!
//! | file | holds |
//! | --- | --- |
//! | `one` | one courier: what is under way, and what comes after an answer |
//! | `part` | by what name a send goes out, where a sink wants one |
//! | `gate` | when to try again |
//! | `dead_letters` | events that a receiver has refused |
//! | `standing` | how each stands, for people |

mod dead_letters;
mod gate;
mod one;
mod part;
mod standing;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::durable::DurableError;
use crate::log::{Level, Log};
use crate::sink::{Sink, SinkError, SinkTable};
use crate::spool::Spool;
use crate::stop::Stop;
pub use dead_letters::{DeadLetter, DeadLetters};
use one::Courier;
pub use standing::{Condition, Standing};

/// The stream of the collector's own events.
pub const HEALTH_STREAM: &str = "collector_health";
/// How long a send that is under way may take to its end once everything is asked to end.
const GRACE: Duration = Duration::from_secs(8);

/// A sink that is open.
#[derive(Clone)]
pub struct OpenSink {
    /// Its settings.
    pub table: SinkTable,
    /// Itself.
    pub sink: Arc<dyn Sink>,
    /// Many tenants send to it.
    pub is_shared: bool,
}

impl OpenSink {
    /// Opens the sinks of these tables.
    ///
    /// # Errors
    /// One cannot be opened.
    pub fn all(tables: &[SinkTable], is_shared: bool) -> Result<Vec<Self>, SinkError> {
        tables.iter().map(|table| Ok(Self { table: table.clone(), sink: table.plan.open()?, is_shared })).collect()
    }
}

/// The couriers of one tenant.
pub struct Couriers {
    spool: Arc<Spool>,
    tasks: JoinSet<()>,
    standings: Vec<watch::Receiver<Standing>>,
    stop: Stop,
}

/// A look at couriers from outside.
#[derive(Clone)]
pub struct CourierWatch {
    spool: Arc<Spool>,
    standings: Vec<watch::Receiver<Standing>>,
}

impl CourierWatch {
    /// How each sink stands.
    pub fn standings(&self) -> Vec<Standing> {
        let standing = |watched: &watch::Receiver<Standing>| {
            let standing = watched.borrow().clone();
            Standing { waiting: self.spool.behind(&standing.position), ..standing }
        };
        self.standings.iter().map(standing).collect()
    }

    /// The spool that they take from.
    pub fn spool(&self) -> &Spool {
        &self.spool
    }
}

/// What is left in the spool when nothing more is done about it. The next run goes on with it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .0.iter().map(Standing::left_in_words).collect::<Vec<_>>().join("; "))]
pub struct Undelivered(pub Vec<Standing>);

impl Couriers {
    /// Sets couriers to work on the spool below `state_dir`.
    ///
    /// # Errors
    /// The dead letters cannot be read.
    pub fn start(
        spool: Spool,
        state_dir: &Path,
        sinks: Vec<OpenSink>,
        tenant: Option<&str>,
        log: &Log,
    ) -> Result<Self, DurableError> {
        let spool = Arc::new(spool);
        let stop = Stop::new();
        let (mut couriers, mut standings) = (Vec::new(), Vec::new());
        tell_of_the_forgotten(&spool, &sinks, log);
        for open in sinks {
            let dead_letters = DeadLetters::of(state_dir, &open.table.name);
            let mark = open.table.mark(tenant);
            let (courier, standing) =
                Courier::new(open, mark, Arc::clone(&spool), dead_letters, stop.clone(), log.clone())?;
            couriers.push(courier);
            standings.push(standing);
        }
        // All have their places before the first moves on, else it could let go of what another has not got.
        let tasks = couriers.into_iter().map(Courier::run).collect();
        Ok(Self { spool, tasks, standings, stop })
    }

    /// What they take from.
    pub fn spool(&self) -> Arc<Spool> {
        Arc::clone(&self.spool)
    }

    /// Whether nothing more should be collected until a sink has taken some of what waits.
    pub fn is_full(&self) -> bool {
        self.spool.is_full()
    }

    /// How each sink stands.
    pub fn standings(&self) -> Vec<Standing> {
        self.watch().standings()
    }

    /// The same for others than their owner, as long as they like.
    pub fn watch(&self) -> CourierWatch {
        CourierWatch { spool: Arc::clone(&self.spool), standings: self.standings.clone() }
    }

    /// Returns once every sink has everything, or when none has taken anything for `patience` and there is no sense in waiting:
    /// all that have something left are closed until somebody changes something. Or when it is asked to end.
    ///
    /// # Errors
    /// Some sinks have not got everything.
    pub async fn drained(&self, patience: Duration, stop: &Stop) -> Result<(), Undelivered> {
        let mut taken = self.taken();
        let mut quiet_since = tokio::time::Instant::now();
        let mut watched: Vec<watch::Receiver<Standing>> = self.standings.clone();
        loop {
            // What changes from here on wakes the wait below.
            watched.iter_mut().for_each(watch::Receiver::mark_unchanged);
            let left: Vec<Standing> =
                self.standings().into_iter().filter(|standing| !standing.is_drained(&self.spool)).collect();
            if left.is_empty() {
                return Ok(());
            }
            let now_taken = self.taken();
            if now_taken != taken {
                (taken, quiet_since) = (now_taken, tokio::time::Instant::now());
            }
            let is_hopeless = left.iter().all(|standing| matches!(standing.condition, Condition::Closed { .. }));
            if is_hopeless || quiet_since.elapsed() >= patience || stop.is_requested() {
                return Err(Undelivered(left));
            }
            let until = quiet_since + patience;
            let changes = watched.iter_mut().map(|standing| Box::pin(standing.changed()));
            tokio::select! {
                _ = futures::future::select_all(changes) => {}
                () = tokio::time::sleep_until(until) => {}
                () = stop.requested() => {}
            }
        }
    }

    /// Ends all couriers; what is under way may come to its end. Returns how each stands then.
    pub async fn end(mut self) -> Vec<Standing> {
        self.stop.request();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // What is cut off is sent again at the next start.
        let _ = tokio::time::timeout(GRACE, all).await;
        self.standings()
    }

    fn taken(&self) -> u64 {
        self.standings.iter().map(|standing| standing.borrow().passed).sum()
    }
}

/// Sinks that are not configured any more and have not got everything.
fn tell_of_the_forgotten(spool: &Spool, sinks: &[OpenSink], log: &Log) {
    for (name, events) in spool.waiting() {
        if sinks.iter().any(|open| open.table.name == name) {
            continue;
        }
        if events == 0 {
            // If that fails it is done at the next start.
            let _ = spool.forget(&name);
            continue;
        }
        let text = format!(
            "{events} events wait in the spool for the sink {name}, which is not configured any more; configure it again, or let \
             them go with `webex-collector spool forget {name}`"
        );
        log.write(Level::Warn, "sink-missing", &text, &[("sink".to_owned(), name.to_string())]);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests;
