//! The cycle: stored last-run → call → delivery → stored last-run, until there is nothing more, or for ever.
//!
//! Delivery is at least once. A batch's last-run is stored only after every sink has the batch for good, so a crash between
//! the two brings that one batch again, with the same ids, and nothing else. While a batch of a round is on its way, the call
//! for the next one is made ([`Delivery`]).
//!
//! Calls make up *rounds*: one ends when the plugin has nothing more for now. Between rounds stretches of the past are read
//! again ([`ReAudits`]). What each came to is a [`Round`], which [`report`] puts into words.
//!
//! One tenant is [run](Collector::run) to the end. Many take [turns](Collector::turn), and between two of them only a [`Standing`]
//! is kept of each.

mod call;
mod delivery;
mod health;
mod leftover;
mod news;
mod outlet;
mod re_audit;
pub mod report;
mod told;
mod totals;
mod turn;
mod wake;

use std::time::Duration;

use crate::courier::Undelivered;
use crate::durable::DurableError;
use crate::runtime::{Failure, LastRun, RuntimeError, Tenant, in_words, time};
use crate::sink::SinkError;
use crate::spool::SpoolError;
use crate::state::StateError;
use crate::stop::Stop;
pub use delivery::Delivery;
pub use leftover::{SharedSinks, look_back, open, spool};
pub use news::{News, NewsLine};
pub use outlet::Outlet;
pub use re_audit::{ReAudit, ReAudits, Reach, Schedule, ScheduleError, Stretch, Wish};
use told::Told;
pub use totals::{Lateness, StreamTotal, Totals};
pub(crate) use turn::SINK_PATIENCE;
use turn::UnderWay;
pub use turn::{Standing, Turn};
pub use wake::Wake;

/// How long to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Until everything listed is delivered, and a re-audit that is due is done.
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
    /// The spool is full, and no sink has taken anything of it for a while.
    Full,
    /// Calls brought neither an event nor another last-run, though there was more to do.
    Stuck,
}

/// What a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Collects what is new.
    Collect,
    /// Reads a stretch again.
    ReAudit(ReAudit),
}

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoundEnd {
    /// As a whole run may end.
    Ended(End),
    /// Nothing could be read at all; streams that failed stand in the totals.
    Failed {
        /// The failure's, or `call-broke-off`.
        code: String,
        /// What happened and what to do.
        text: String,
    },
}

/// One round, from its first call until there was nothing more for it to do.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// Of what kind.
    pub what: What,
    /// When it began; milliseconds since the epoch.
    pub began: i64,
    /// When it ended.
    pub ended: i64,
    /// What was done.
    pub totals: Totals,
    /// How it ended.
    pub end: RoundEnd,
}

/// What an observer is told.
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// A call of a round was made; what all rounds came to so far.
    Called(&'a Totals),
    /// A round or a re-audit is over.
    Over(&'a Round),
}

/// Why a collection broke off. Everything that was recorded stands.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The stored state cannot be read or written.
    #[error(transparent)]
    State(#[from] StateError),
    /// When the last re-audit was cannot be recorded.
    #[error(transparent)]
    Record(#[from] DurableError),
    /// A sink did not take a batch.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Sinks have not taken everything that waits for them.
    #[error(transparent)]
    Undelivered(#[from] Undelivered),
    /// The plugin could not be run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The plugin cannot collect anything.
    #[error("{}", in_words(.0))]
    Failed(Box<Failure>),
    /// The delivery of a batch ended by a panic, which was told.
    #[error("a batch was not recorded by a defect of the program; please report it")]
    Defect,
}

/// One tenant's cycle.
pub struct Collector<'a> {
    /// Whom to call.
    pub tenant: &'a Tenant,
    /// Where events go, and where it stands.
    pub delivery: &'a mut Delivery,
    /// The wish to end.
    pub stop: Stop,
    /// Streams to collect; empty: all that the settings turn on.
    pub streams: Vec<String>,
    /// What is read again, and when; nothing by default.
    pub re_audits: ReAudits,
    /// What the rounds came to so far, without re-audits.
    pub totals: Totals,
    /// By what others cut a pause short.
    pub wake: Wake,
    last_run: Option<LastRun>,
    told: Told,
    under_way: UnderWay,
}

impl<'a> Collector<'a> {
    /// For all streams that the settings turn on.
    pub fn new(tenant: &'a Tenant, delivery: &'a mut Delivery, stop: Stop) -> Self {
        Self::resume(tenant, delivery, stop, Standing::default())
    }

    /// Goes on after an earlier turn.
    pub fn resume(tenant: &'a Tenant, delivery: &'a mut Delivery, stop: Stop, standing: Standing) -> Self {
        let Standing { re_audits, totals, told, under_way } = standing;
        let (streams, wake) = (Vec::new(), Wake::default());
        Self { tenant, delivery, stop, streams, re_audits, totals, wake, last_run: None, told, under_way }
    }

    /// What is to be kept until the next turn.
    pub fn rest(self) -> Standing {
        let Self { re_audits, totals, told, under_way, .. } = self;
        Standing { re_audits, totals, told, under_way }
    }

    /// Collects; `observe` is told after each call and each round.
    ///
    /// # Errors
    /// See [`CollectError`]. What was delivered and recorded before stands. A re-audit that fails is none: its [`Round`]
    /// says so.
    pub async fn run(&mut self, mode: Mode, mut observe: impl FnMut(Step<'_>)) -> Result<End, CollectError> {
        loop {
            if self.wake.take() {
                self.under_way.at_once();
            }
            match self.turn(mode, Duration::MAX, &mut observe).await? {
                Turn::Again => {}
                // A wait that is cut short ends with the next turn.
                Turn::Rest(time) => tokio::select! {
                    _ = self.stop.sleep(time) => {}
                    () = self.wake.wanted() => {}
                },
                Turn::Over(end) => return Ok(end),
            }
        }
    }

    fn now(&self) -> i64 {
        self.tenant.clock().now()
    }
}

impl End {
    /// A sentence for a person; none where there is nothing to say.
    pub fn in_words(&self) -> Option<String> {
        match self {
            Self::Idle => None,
            Self::Stopped => {
                Some("stopped as asked; everything delivered is recorded, the next run goes on here".into())
            }
            Self::Full => Some(
                "the spool is full, so nothing more was collected; mend the sinks, the next run goes on here".into(),
            ),
            Self::NotBefore(at) => Some(format!("the rest has to wait until {}; run `collect` again then", time(*at))),
            Self::Stuck => Some(format!(
                "{} calls in a row brought nothing new though there was more; see the failures above, or run with -v",
                call::BARREN_CALLS
            )),
        }
    }
}
