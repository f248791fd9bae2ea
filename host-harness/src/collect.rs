//! The cycle: stored last-run → call → delivery → stored last-run, until there is nothing more, or for ever.
//!
//! Delivery is at least once. A batch's last-run is stored only after every sink has the batch for good, so a crash between
//! the two brings that one batch again, with the same ids, and nothing else.
//!
//! Calls make up *rounds*: one ends when the plugin has nothing more for now. Between rounds stretches of the past are read
//! again ([`ReAudits`]). What each came to is a [`Round`], which [`report`] puts into words.

mod call;
mod leftover;
mod news;
mod re_audit;
pub mod report;
mod told;
mod totals;

use std::time::Duration;

use tokio::time::Instant;

use crate::durable::DurableError;
use crate::runtime::{Failure, LastRun, RuntimeError, Tenant, in_words, time};
use crate::sink::{SinkError, Sinks};
use crate::state::{StateError, Writer};
use crate::stop::Stop;
use call::{After, Pace, Work};
pub use leftover::look_back;
pub use news::News;
pub use re_audit::{ReAudit, ReAudits, Reach, Schedule, ScheduleError, Stretch, Wish};
use told::Told;
pub use totals::{Lateness, StreamTotal, Totals};

/// How long one call may collect, in milliseconds: what a crash throws away is at most this much work.
const BUDGET_MS: u32 = 20_000;
/// The same for a call of a re-audit between two rounds that are close together: it takes no more than the pause, but
/// enough for some pages.
const LEAST_BUDGET_MS: u32 = 1_000;
/// How long a run without `--follow` waits, in sum and without an event in between, before it ends and says when to come
/// again.
const PATIENCE: Duration = Duration::from_secs(120);

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
    /// What is read again, and when; nothing by default.
    pub re_audits: ReAudits,
    /// What the rounds came to so far, without re-audits.
    pub totals: Totals,
    last_run: Option<LastRun>,
    told: Told,
}

impl<'a> Collector<'a> {
    /// For all streams that the settings turn on.
    pub fn new(tenant: &'a Tenant, state: &'a mut Writer, sinks: &'a mut Sinks, stop: Stop) -> Self {
        let (re_audits, totals) = (ReAudits::default(), Totals::default());
        Self {
            tenant,
            state,
            sinks,
            stop,
            streams: Vec::new(),
            re_audits,
            totals,
            last_run: None,
            told: Told::default(),
        }
    }

    /// Collects; `observe` is told after each call and each round.
    ///
    /// # Errors
    /// See [`CollectError`]. What was delivered and recorded before stands. A re-audit that fails is none: its [`Round`]
    /// says so.
    pub async fn run(&mut self, mode: Mode, mut observe: impl FnMut(Step<'_>)) -> Result<End, CollectError> {
        self.last_run = self.state.load()?;
        match mode {
            Mode::Once => self.once(&mut observe).await,
            Mode::Follow(interval) => self.follow(interval, &mut observe).await,
        }
    }

    /// A round, and after it a re-audit if one is due: by then the tail is read.
    async fn once(&mut self, observe: &mut impl FnMut(Step<'_>)) -> Result<End, CollectError> {
        let mut work = Work::new(What::Collect, self.now());
        let end = match self.through(&mut work, Pace::Through(PATIENCE), observe).await? {
            RoundEnd::Ended(end) => end,
            // Without `--follow` a round that fails as a whole is an error; were it none, it would be no success either.
            RoundEnd::Failed { .. } => End::Stuck,
        };
        observe(Step::Over(&work.over(RoundEnd::Ended(end.clone()), self.now())));
        if end == End::Stopped {
            return Ok(end);
        }
        let Some(re_audit) = self.re_audits.begin(self.now(), self.totals.taken_up())? else { return Ok(end) };
        let mut work = Work::re_audit(re_audit, self.now(), &self.told);
        let re_audit_end = self.through(&mut work, Pace::Through(PATIENCE), observe).await?;
        let is_stopped = re_audit_end == RoundEnd::Ended(End::Stopped);
        if !is_stopped {
            self.re_audits.end(&re_audit)?;
        }
        observe(Step::Over(&work.over(re_audit_end, self.now())));
        Ok(if is_stopped { End::Stopped } else { end })
    }

    /// Rounds for ever, and re-audits in the pauses between them.
    async fn follow(&mut self, interval: Duration, observe: &mut impl FnMut(Step<'_>)) -> Result<End, CollectError> {
        let mut re_audit = None;
        let mut patience = call::Patience::default();
        loop {
            let mut work = Work::new(What::Collect, self.now());
            work.patience = patience;
            let (end, pause) = loop {
                if self.stop.is_requested() {
                    break (RoundEnd::Ended(End::Stopped), Duration::ZERO);
                }
                let after = self.step(&mut work, BUDGET_MS, Pace::Round(interval)).await?;
                observe(Step::Called(&self.totals));
                match after {
                    After::Again => {}
                    After::Wait(pause) => break (RoundEnd::Ended(End::Idle), pause),
                    After::Over(end, pause) => break (end, pause),
                }
            };
            patience = std::mem::take(&mut work.patience);
            let round = work.over(end, self.now());
            if round.totals.calls > 0 {
                observe(Step::Over(&round));
            }
            self.pause(pause, &mut re_audit, observe).await?;
            if self.stop.is_requested() {
                if let Some(open) = re_audit {
                    observe(Step::Over(&open.work.over(RoundEnd::Ended(End::Stopped), self.now())));
                }
                return Ok(End::Stopped);
            }
        }
    }

    /// Waits until the next round, and reads again meanwhile what is to be read again: a call at least, so that rounds that
    /// are close together do not keep a re-audit from its end.
    async fn pause(
        &mut self,
        pause: Duration,
        open: &mut Option<Open>,
        observe: &mut impl FnMut(Step<'_>),
    ) -> Result<(), CollectError> {
        let next_round = Instant::now() + pause;
        while !self.stop.is_requested() {
            let left = next_round.saturating_duration_since(Instant::now());
            if open.is_none() {
                let due = self.re_audits.begin(self.now(), self.totals.taken_up())?;
                *open = due.map(|re_audit| Open {
                    re_audit,
                    work: Work::re_audit(re_audit, self.now(), &self.told),
                    not_before: Instant::now(),
                });
            }
            let Some(turn) = open else {
                self.stop.sleep(left).await;
                return Ok(());
            };
            let rest = turn.not_before.saturating_duration_since(Instant::now());
            if rest >= left && !rest.is_zero() {
                self.stop.sleep(left).await;
                return Ok(());
            }
            self.stop.sleep(rest).await;
            let budget = u32::try_from((left.saturating_sub(rest)).as_millis()).unwrap_or(BUDGET_MS);
            let pace = Pace::Through(self.re_audits.patience());
            match self.step(&mut turn.work, budget.clamp(LEAST_BUDGET_MS, BUDGET_MS), pace).await? {
                After::Again => {}
                After::Wait(time) => turn.not_before = Instant::now() + time,
                After::Over(RoundEnd::Ended(End::Stopped), _) => return Ok(()),
                After::Over(end, _) => {
                    self.re_audits.end(&turn.re_audit)?;
                    let work = open.take().map(|open| open.work);
                    if let Some(work) = work {
                        observe(Step::Over(&work.over(end, self.now())));
                    }
                }
            }
            if Instant::now() >= next_round {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Calls until there is nothing more to do, with the waits in between.
    async fn through(
        &mut self,
        work: &mut Work,
        pace: Pace,
        observe: &mut impl FnMut(Step<'_>),
    ) -> Result<RoundEnd, CollectError> {
        loop {
            if self.stop.is_requested() {
                return Ok(RoundEnd::Ended(End::Stopped));
            }
            let after = self.step(work, BUDGET_MS, pace).await?;
            observe(Step::Called(&self.totals));
            match after {
                After::Again => {}
                // A wait that is cut short ends above.
                After::Wait(time) => drop(self.stop.sleep(time).await),
                After::Over(end, _) => return Ok(end),
            }
        }
    }

    fn now(&self) -> i64 {
        self.tenant.clock().now()
    }
}

/// A re-audit that is under way between rounds.
struct Open {
    re_audit: ReAudit,
    work: Work,
    /// The plugin has nothing to do for it before.
    not_before: Instant,
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
                "{} calls in a row brought nothing new though there was more; see the failures above, or run with -v",
                call::BARREN_CALLS
            )),
        }
    }
}
