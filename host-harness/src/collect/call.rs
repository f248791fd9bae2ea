//! One call, what is done with its outcome, and what comes after it.

use std::sync::Arc;
use std::time::Duration;

use super::delivery::Parcel;
use super::told::Told;
use super::{CollectError, Collector, End, ReAudit, Round, RoundEnd, Totals, What};
use crate::log::Level;
use crate::runtime::{Batch, Failure, FetchRequest, Next, ReRead, Retry, RuntimeError, TimeRange, in_words};

/// Calls in a row that may bring nothing new, neither an event nor another last-run, before the round ends: one may be an
/// accident, two a bad moment.
pub(super) const BARREN_CALLS: u32 = 3;
/// The pause before a call that broke off is made again.
const AFTER_A_BREAK: Duration = Duration::from_secs(1);
/// The code of a call that broke off, in the log and in reports.
const BROKE_OFF: &str = "call-broke-off";

/// A round or a re-audit under way.
#[derive(Debug)]
pub(super) struct Work {
    what: What,
    began: i64,
    totals: Totals,
    /// Of a re-audit, which is told apart from rounds.
    told: Option<Told>,
    pub(super) patience: Patience,
}

impl Work {
    pub(super) fn new(what: What, began: i64) -> Self {
        Self { what, began, totals: Totals::default(), told: None, patience: Patience::default() }
    }

    pub(super) fn re_audit(re_audit: ReAudit, began: i64, told: &Told) -> Self {
        Self { told: Some(told.for_a_re_audit()), ..Self::new(What::ReAudit(re_audit), began) }
    }

    pub(super) fn over(self, end: RoundEnd, ended: i64) -> Round {
        Round { what: self.what, began: self.began, ended, totals: self.totals, end }
    }
}

/// How long to go on with what there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Until it is done, with waits of this sum in between.
    Through(Duration),
    /// Until something has to wait: then comes the pause of `--follow`, of this length at most. So a stream that has to wait
    /// does not keep the others waiting.
    Round(Duration),
}

/// What has been put up with since the last event.
#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Calls in a row that brought neither an event nor another last-run.
    barren: u32,
    /// Sum of the waits.
    waited: Duration,
}

/// What comes after a call.
pub(super) enum After {
    /// The next one.
    Again,
    /// The same after a wait.
    Wait(Duration),
    /// Nothing; and how long the pause before the next round is.
    Over(RoundEnd, Duration),
}

impl Collector<'_> {
    /// Makes one call, sends what it brought on its way, and says how to go on. Where a round goes on at once, its batch may still
    /// be on its way then; where it does not, and in a re-audit, it is recorded.
    ///
    /// # Errors
    /// A sink or the disk refuses; or a round cannot go on. A re-audit that cannot go on is over.
    pub(super) async fn step(&mut self, work: &mut Work, budget_ms: u32, pace: Pace) -> Result<After, CollectError> {
        let re_read = match &work.what {
            What::Collect => None,
            What::ReAudit(ReAudit { stretch, allow_repeats, .. }) => {
                Some(ReRead { range: TimeRange { from: stretch.from, to: stretch.to }, allow_repeats: *allow_repeats })
            }
        };
        let request = FetchRequest {
            streams: self.streams.clone(),
            max_events: None,
            max_bytes: None,
            budget_ms: Some(budget_ms),
            re_read,
        };
        work.totals.calls += 1;
        if work.what == What::Collect {
            self.totals.calls += 1;
        }
        let called = self.tenant.fetch_events_since(self.last_run.as_ref(), self.delivery.parts(), &request).await;
        // Of the batch before. If it cannot be recorded, what was called for after it is thrown away.
        self.recorded(work).await?;
        let after = match called {
            Ok(Ok(batch)) => {
                let next = self.deliver(batch, work);
                let after = self.after_batch(next, &mut work.patience, pace);
                // After a call of a re-audit comes perhaps one of a round.
                if !matches!(after, After::Again) || work.what != What::Collect {
                    self.recorded(work).await?;
                }
                return Ok(after);
            }
            Err(RuntimeError::Stopped { .. }) => {
                return Ok(After::Over(RoundEnd::Ended(End::Stopped), Duration::ZERO));
            }
            Ok(Err(failure)) => {
                work.patience.barren += 1;
                self.after_failure(failure, &mut work.patience, pace)
            }
            Err(error) => {
                work.patience.barren += 1;
                self.after_break(error, work.patience.barren, pace)
            }
        };
        match (after, work.what) {
            (Err(error), What::ReAudit(_)) => Ok(self.give_up(&error)),
            (after, _) => after,
        }
    }

    /// Sends a batch on its way.
    fn deliver(&mut self, batch: Batch, work: &mut Work) -> Next {
        let Batch { events, last_run, next, reports } = batch;
        let is_settled = work.what == What::Collect
            && next == Next::Idle
            && events.is_empty()
            && reports.iter().all(|report| report.failure.is_none());
        let is_changed = self.last_run.as_ref().is_none_or(|before| !before.is_same(&last_run));
        if !events.is_empty() {
            work.patience = Patience::default();
        } else if is_changed {
            work.patience.barren = 0;
        } else {
            work.patience.barren += 1;
        }
        self.last_run = Some(last_run.without_texts());
        self.delivery.begin(Parcel { events, last_run: Arc::new(last_run), is_changed, is_settled }, reports);
        next
    }

    /// Waits until the batch is recorded that is on its way, if there is one: only then does it count.
    ///
    /// # Errors
    /// A sink or the disk refuses.
    pub(super) async fn recorded(&mut self, work: &mut Work) -> Result<(), CollectError> {
        let reports = self.delivery.end().await.inspect_err(|_| self.last_run = None)?;
        self.delivery.note(&reports, self.now());
        work.totals.add(&reports);
        if work.what == What::Collect {
            self.totals.add(&reports);
        }
        work.told.as_mut().unwrap_or(&mut self.told).tell(&reports, self.tenant.log());
        Ok(())
    }

    fn after_batch(&self, next: Next, patience: &mut Patience, pace: Pace) -> After {
        let over = |end| {
            let pause = if let Pace::Round(interval) = pace { interval } else { Duration::ZERO };
            After::Over(RoundEnd::Ended(end), pause)
        };
        match next {
            Next::Now if patience.barren >= BARREN_CALLS => over(End::Stuck),
            Next::Now => After::Again,
            Next::Idle => over(End::Idle),
            Next::NotBefore(at) => self.until(at, patience, pace),
        }
    }

    fn until(&self, at: i64, patience: &mut Patience, pace: Pace) -> After {
        let left = u64::try_from(at.saturating_sub(self.tenant.clock().now())).unwrap_or(0);
        // A time that has just passed is no reason to spin.
        let left = Duration::from_millis(left).max(AFTER_A_BREAK);
        let over = |pause| After::Over(RoundEnd::Ended(End::NotBefore(at)), pause);
        match pace {
            Pace::Round(interval) => over(left.min(interval)),
            Pace::Through(limit) if patience.waited + left > limit => over(Duration::ZERO),
            Pace::Through(_) => {
                patience.waited += left;
                After::Wait(left)
            }
        }
    }

    fn after_failure(&self, failure: Failure, patience: &mut Patience, pace: Pace) -> Result<After, CollectError> {
        let after = match (&failure.retry, pace) {
            (Retry::At(at), Pace::Round(_)) => self.until(*at, patience, pace),
            (Retry::At(at), Pace::Through(_)) if patience.barren < BARREN_CALLS => self.until(*at, patience, pace),
            // Another process may sign in meanwhile.
            (Retry::AfterSignIn, Pace::Round(interval)) => After::Over(RoundEnd::Ended(End::Idle), interval),
            _ => return Err(CollectError::Failed(Box::new(failure))),
        };
        let after = match (after, pace) {
            (After::Over(..), Pace::Through(_)) => return Err(CollectError::Failed(Box::new(failure))),
            (After::Over(_, pause), Pace::Round(_)) => After::Over(failed(&failure.code, in_words(&failure)), pause),
            (after, _) => after,
        };
        self.tenant.log().write(Level::Warn, &failure.code, &in_words(&failure), &[]);
        Ok(after)
    }

    fn after_break(&self, error: RuntimeError, barren: u32, pace: Pace) -> Result<After, CollectError> {
        let passing = matches!(
            error,
            RuntimeError::Trap { .. }
                | RuntimeError::Deadline { .. }
                | RuntimeError::Memory { .. }
                | RuntimeError::Unsound { .. }
        );
        let after = match pace {
            _ if !passing => return Err(error.into()),
            Pace::Through(_) if barren >= BARREN_CALLS => return Err(error.into()),
            Pace::Through(_) => After::Wait(AFTER_A_BREAK),
            Pace::Round(interval) => After::Over(failed(BROKE_OFF, error.to_string()), interval),
        };
        self.tenant.log().write(Level::Error, BROKE_OFF, &error.to_string(), &[]);
        Ok(after)
    }

    /// The end of a re-audit that cannot go on; rounds do.
    fn give_up(&self, error: &CollectError) -> After {
        let code = if let CollectError::Failed(failure) = error { failure.code.as_str() } else { BROKE_OFF };
        self.tenant.log().write(Level::Error, code, &format!("a re-audit is given up: {error}"), &[]);
        After::Over(failed(code, error.to_string()), Duration::ZERO)
    }
}

fn failed(code: &str, text: String) -> RoundEnd {
    RoundEnd::Failed { code: code.to_owned(), text }
}
