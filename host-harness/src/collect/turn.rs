//! A turn: calls of a round, or of a re-audit between two rounds, for as long as a tenant may go on before others come.

use std::time::Duration;

use tokio::time::Instant;

use super::call::{After, Pace, Patience, Work};
use super::told::Told;
use super::{CollectError, Collector, End, Mode, ReAudit, ReAudits, RoundEnd, Step, Totals, What};
use crate::log::Level;

/// How long one call may collect, in milliseconds: what a crash throws away is at most this much work.
const BUDGET_MS: u32 = 20_000;
/// The same for a call of a re-audit between two rounds that are close together: it takes no more than the pause, but
/// enough for some pages.
const LEAST_BUDGET_MS: u32 = 1_000;
/// How long a run without `--follow` waits, in sum and without an event in between, before it ends and says when to come
/// again.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long a run without `--follow` waits for sinks that take nothing.
pub(crate) const SINK_PATIENCE: Duration = Duration::from_secs(60);
/// How often a full spool is looked at.
const FULL_PAUSE: Duration = Duration::from_millis(200);

/// What comes after a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The next one: there is more to do.
    Again,
    /// The next one, after this time.
    Rest(Duration),
    /// Nothing.
    Over(End),
}

/// What is kept of a tenant between two turns, without its last-run: that stands on the disk.
#[derive(Debug, Default)]
pub struct Standing {
    /// What is read again, and when.
    pub re_audits: ReAudits,
    /// What the rounds came to so far.
    pub totals: Totals,
    pub(super) told: Told,
    pub(super) under_way: UnderWay,
}

impl Standing {
    /// Gives up what is under way: the next turn begins a round.
    pub fn start_over(&mut self) {
        self.under_way = UnderWay::default();
    }

    /// The next round begins now.
    pub fn at_once(&mut self) {
        self.under_way.at_once();
    }
}

/// The rounds, and where they are.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    /// A round that is not over.
    round: Option<Work>,
    /// How the last one ended.
    ended: Option<End>,
    /// Of rounds in a row.
    patience: Patience,
    /// When the next one begins; none: now.
    next_round: Option<Instant>,
    /// A round is over, and no re-audit had its call since: rounds that are close together must not keep one from its end.
    is_between: bool,
    re_audit: Option<Open>,
    /// What sinks had taken when the spool was found full, or when it last changed, and when that was.
    paused: Option<(u64, Instant)>,
}

impl UnderWay {
    /// The next round begins now.
    pub(super) fn at_once(&mut self) {
        self.next_round = None;
        self.is_between = false;
    }
}

/// A re-audit that is under way between rounds.
#[derive(Debug)]
struct Open {
    re_audit: ReAudit,
    work: Work,
    /// The plugin has nothing to do for it before.
    not_before: Instant,
}

impl Collector<'_> {
    /// Makes calls for `length`, and to the end of the last one, or until there is nothing to do for now; `observe` is told
    /// after each call and each round. With [`Mode::Once`] a re-audit that is due follows the one round: by then the tail is read.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn turn(
        &mut self,
        mode: Mode,
        length: Duration,
        observe: &mut impl FnMut(Step<'_>),
    ) -> Result<Turn, CollectError> {
        if self.last_run.is_none() {
            self.last_run = self.delivery.load()?;
        }
        let began = Instant::now();
        loop {
            if self.stop.is_requested() {
                return self.stopped(observe).await;
            }
            let is_round = match (mode, self.under_way.next_round) {
                (Mode::Once, _) => self.under_way.ended.is_none(),
                (Mode::Follow(_), next) => !self.under_way.is_between && next.is_none_or(|next| next <= Instant::now()),
            };
            if self.delivery.is_full() {
                self.round_recorded().await?;
                return Ok(self.paused(mode));
            }
            self.under_way.paused = None;
            let turn = if is_round { self.round(mode, observe).await? } else { self.between(mode, observe).await? };
            if matches!(turn, Turn::Over(_)) {
                self.under_way = UnderWay::default();
            }
            if turn != Turn::Again || began.elapsed() >= length {
                self.round_recorded().await?;
                return Ok(turn);
            }
        }
    }

    /// The spool is full: nothing more is collected until a sink has taken some of it.
    fn paused(&mut self, mode: Mode) -> Turn {
        let passed = self.delivery.standings().iter().map(|standing| standing.passed).sum();
        let now = Instant::now();
        let (before, since) = *self.under_way.paused.get_or_insert_with(|| {
            let text = "the spool is full; nothing more is collected until a sink has taken some of what waits there";
            self.tenant.log().write(Level::Warn, "spool-full", text, &[]);
            (passed, now)
        });
        if before != passed {
            self.under_way.paused = Some((passed, now));
        } else if mode == Mode::Once && since.elapsed() >= SINK_PATIENCE {
            return Turn::Over(End::Full);
        }
        Turn::Rest(FULL_PAUSE)
    }

    /// One call of a round.
    async fn round(&mut self, mode: Mode, observe: &mut impl FnMut(Step<'_>)) -> Result<Turn, CollectError> {
        let pace = match mode {
            Mode::Once => Pace::Through(PATIENCE),
            Mode::Follow(interval) => Pace::Round(interval),
        };
        let mut work = match self.under_way.round.take() {
            Some(work) => work,
            None => {
                let mut work = Work::new(What::Collect, self.now());
                work.patience = std::mem::take(&mut self.under_way.patience);
                work
            }
        };
        let after = self.step(&mut work, BUDGET_MS, pace).await?;
        observe(Step::Called(&self.totals));
        let (end, pause) = match (after, mode) {
            (After::Again, _) => {
                self.under_way.round = Some(work);
                return Ok(Turn::Again);
            }
            (After::Wait(time), Mode::Once) => {
                self.under_way.round = Some(work);
                return Ok(Turn::Rest(time));
            }
            (After::Wait(pause), Mode::Follow(_)) => (RoundEnd::Ended(End::Idle), pause),
            (After::Over(end, pause), _) => (end, pause),
        };
        self.under_way.patience = std::mem::take(&mut work.patience);
        self.under_way.next_round = Instant::now().checked_add(pause);
        self.under_way.is_between = true;
        let round = work.over(end, self.now());
        self.delivery.tell_health(&round.end, self.now())?;
        observe(Step::Over(&round));
        let end = match round.end {
            RoundEnd::Ended(end) => end,
            // Without `--follow` a round that fails as a whole is an error; were it none, it would be no success either.
            RoundEnd::Failed { .. } => End::Stuck,
        };
        if end == End::Stopped {
            return self.stopped(observe).await;
        }
        self.under_way.ended = Some(end);
        Ok(Turn::Again)
    }

    /// One call of a re-audit, if one is due.
    async fn between(&mut self, mode: Mode, observe: &mut impl FnMut(Step<'_>)) -> Result<Turn, CollectError> {
        self.under_way.is_between = false;
        let now = Instant::now();
        let left = self.under_way.next_round.map_or(Duration::ZERO, |next| next.saturating_duration_since(now));
        let none = || match (mode, &self.under_way.ended) {
            (Mode::Once, Some(end)) => Turn::Over(end.clone()),
            _ => Turn::Rest(left),
        };
        let mut open = match self.under_way.re_audit.take() {
            Some(open) => open,
            None => match self.re_audits.begin(self.now(), self.totals.taken_up())? {
                Some(re_audit) => {
                    Open { re_audit, work: Work::re_audit(re_audit, self.now(), &self.told), not_before: now }
                }
                None => return Ok(none()),
            },
        };
        let rest = open.not_before.saturating_duration_since(now);
        if !rest.is_zero() {
            self.under_way.re_audit = Some(open);
            return Ok(Turn::Rest(if mode == Mode::Once { rest } else { rest.min(left) }));
        }
        let (budget, pace) = match mode {
            Mode::Once => (BUDGET_MS, Pace::Through(PATIENCE)),
            Mode::Follow(_) => {
                let budget = u32::try_from(left.as_millis()).unwrap_or(BUDGET_MS);
                (budget.clamp(LEAST_BUDGET_MS, BUDGET_MS), Pace::Through(self.re_audits.patience()))
            }
        };
        let after = self.step(&mut open.work, budget, pace).await?;
        observe(Step::Called(&self.totals));
        match after {
            After::Again => self.under_way.re_audit = Some(open),
            After::Wait(time) => {
                open.not_before = Instant::now() + time;
                self.under_way.re_audit = Some(open);
            }
            After::Over(RoundEnd::Ended(End::Stopped), _) => {
                self.under_way.re_audit = Some(open);
                return self.stopped(observe).await;
            }
            After::Over(end, _) => {
                self.re_audits.end(&open.re_audit)?;
                observe(Step::Over(&open.work.over(end, self.now())));
            }
        }
        Ok(Turn::Again)
    }

    /// Waits for the batch of a round that goes on; nothing else leaves one on its way.
    async fn round_recorded(&mut self) -> Result<(), CollectError> {
        if let Some(mut work) = self.under_way.round.take() {
            self.recorded(&mut work).await?;
            self.under_way.round = Some(work);
        }
        Ok(())
    }

    /// What is under way ends here; everything delivered is recorded.
    async fn stopped(&mut self, observe: &mut impl FnMut(Step<'_>)) -> Result<Turn, CollectError> {
        self.round_recorded().await?;
        let works = [self.under_way.round.take(), self.under_way.re_audit.take().map(|open| open.work)];
        for work in works.into_iter().flatten() {
            observe(Step::Over(&work.over(RoundEnd::Ended(End::Stopped), self.now())));
        }
        Ok(Turn::Over(End::Stopped))
    }
}
