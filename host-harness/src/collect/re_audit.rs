//! Re-audits: a past stretch is read again, and what its first reading had missed is delivered.
//!
//! One begins when a round is over, never in the middle: then the tail is read, and what the round brought is remembered, so
//! that it isn't taken for late. It reaches up to where something was taken up already: what lies beyond was not read once,
//! and by the product's clock it may not have come yet. Calls of a re-audit take turns with rounds.

mod record;
mod schedule;

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::durable::DurableError;
use crate::log::Log;
use record::Record;
pub use schedule::{Reach, Schedule, ScheduleError};

/// How long one that is on no schedule may wait for a product that asks for it before it is given up: as long as Webex
/// bans for at most.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// A stretch of time, `from` included and `to` not; milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stretch {
    /// From here
    pub from: i64,
    /// to here.
    pub to: i64,
}

/// What is to be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReAudit {
    /// The same in each call, until it is read to its end.
    pub stretch: Stretch,
    /// Also where delivered events are not remembered any more.
    pub allow_repeats: bool,
    /// Whether it is one of the schedule's.
    scheduled: bool,
}

/// A wish for one re-audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// How far it reaches back.
    pub reach: Reach,
    /// Also where delivered events are not remembered any more.
    pub allow_repeats: bool,
}

/// When to read what again.
#[derive(Debug, Default)]
pub struct ReAudits {
    wish: Option<Wish>,
    schedule: Option<(Schedule, Record)>,
}

impl ReAudits {
    /// One by `wish`, after the first round; and those of the schedule, whose last one is remembered in `state_dir`.
    ///
    /// # Errors
    /// That memory cannot be read.
    pub fn new(
        wish: Option<Wish>,
        schedule: Option<Schedule>,
        state_dir: &Path,
        log: &Log,
    ) -> Result<Self, DurableError> {
        let schedule = schedule.map(|schedule| Record::load(state_dir, log).map(|record| (schedule, record)));
        Ok(Self { wish, schedule: schedule.transpose()? })
    }

    /// The one that is to begin, or to go on, now; `taken_up`: the latest time that was taken up in any stream. It counts as
    /// begun when this returns.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn begin(&mut self, now: i64, taken_up: Option<i64>) -> Result<Option<ReAudit>, DurableError> {
        let Some(taken_up) = taken_up else { return Ok(None) };
        let stretch = |reach: Reach| {
            let stretch = Stretch { from: now.saturating_sub(reach.millis()), to: taken_up.min(now) };
            (stretch.from < stretch.to).then_some(stretch)
        };
        if let Some(Wish { reach, allow_repeats }) = self.wish {
            let due = stretch(reach).map(|stretch| ReAudit { stretch, allow_repeats, scheduled: false });
            self.wish = self.wish.filter(|_| due.is_none());
            return Ok(due);
        }
        let Some((schedule, record)) = &mut self.schedule else { return Ok(None) };
        let every = i64::try_from(schedule.every.as_millis()).unwrap_or(i64::MAX);
        // One that began in the future began by a clock that was wrong.
        let is_recent = record.began().is_some_and(|began| began <= now && now.saturating_sub(began) < every);
        let due = if is_recent { record.open() } else { stretch(schedule.reach) };
        if let Some(stretch) = due.filter(|_| !is_recent) {
            record.begin(now, stretch)?;
        }
        Ok(due.map(|stretch| ReAudit { stretch, allow_repeats: false, scheduled: true }))
    }

    /// It is read to its end, or given up.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn end(&mut self, re_audit: &ReAudit) -> Result<(), DurableError> {
        match &mut self.schedule {
            Some((_, record)) if re_audit.scheduled => record.end(),
            _ => Ok(()),
        }
    }

    /// How long one may wait, in sum and without an event in between: then the next one takes its place.
    pub(super) fn patience(&self) -> Duration {
        self.schedule.as_ref().map_or(PATIENCE, |(schedule, _)| schedule.every)
    }
}

/// Re-audits for tests.
#[cfg(test)]
pub(super) mod sample {
    use super::{ReAudit, Stretch};

    /// Of the first hour of 2026.
    pub(in crate::collect) fn re_audit(allow_repeats: bool) -> ReAudit {
        let stretch = Stretch { from: 1_767_225_600_000, to: 1_767_229_200_000 };
        ReAudit { stretch, allow_repeats, scheduled: false }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;
    const NOW: i64 = 1_767_225_600_000;

    fn scheduled(folder: &Path) -> ReAudits {
        ReAudits::new(None, Some("24h every 6h".parse().unwrap()), folder, &Log::silent()).unwrap()
    }

    fn begins(re_audits: &mut ReAudits, now: i64) -> Option<Stretch> {
        re_audits.begin(now, Some(now - 5_000)).unwrap().map(|re_audit| re_audit.stretch)
    }

    #[test]
    fn the_first_one_is_due_at_once_and_the_next_one_after_the_pause() {
        let folder = tempfile::tempdir().unwrap();
        let mut re_audits = scheduled(folder.path());
        let first = re_audits.begin(NOW, Some(NOW - 5_000)).unwrap().unwrap();
        assert_eq!(first.stretch, Stretch { from: NOW - 24 * HOUR, to: NOW - 5_000 });
        re_audits.end(&first).unwrap();
        assert_eq!(begins(&mut re_audits, NOW + 6 * HOUR - 1), None);
        assert_eq!(begins(&mut re_audits, NOW + 6 * HOUR).unwrap().from, NOW - 18 * HOUR);
    }

    #[test]
    fn a_restart_repeats_none_and_goes_on_with_one_that_was_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let first = scheduled(folder.path()).begin(NOW, Some(NOW)).unwrap().unwrap();
        let mut again = scheduled(folder.path());
        assert_eq!(begins(&mut again, NOW + HOUR), Some(first.stretch), "the same stretch");
        again.end(&first).unwrap();
        assert_eq!(begins(&mut scheduled(folder.path()), NOW + HOUR), None);
        assert!(begins(&mut scheduled(folder.path()), NOW + 6 * HOUR).is_some());
    }

    #[test]
    fn one_that_was_cut_off_long_ago_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        begins(&mut scheduled(folder.path()), NOW);
        let later = NOW + 30 * HOUR;
        assert_eq!(begins(&mut scheduled(folder.path()), later).unwrap().from, later - 24 * HOUR);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_put_them_off() {
        let folder = tempfile::tempdir().unwrap();
        begins(&mut scheduled(folder.path()), NOW);
        assert!(begins(&mut scheduled(folder.path()), NOW - 1_000 * HOUR).is_some());
    }

    #[test]
    fn a_wish_is_met_once_and_leaves_the_schedule_alone() {
        let folder = tempfile::tempdir().unwrap();
        let wish = Wish { reach: "1h".parse().unwrap(), allow_repeats: true };
        let mut re_audits = ReAudits::new(Some(wish), None, folder.path(), &Log::silent()).unwrap();
        let met = re_audits.begin(NOW, Some(NOW)).unwrap().unwrap();
        assert_eq!((met.stretch.from, met.allow_repeats), (NOW - HOUR, true));
        re_audits.end(&met).unwrap();
        assert_eq!(begins(&mut re_audits, NOW), None);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_is_read_again_that_was_not_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut re_audits = scheduled(folder.path());
        assert_eq!(re_audits.begin(NOW, None).unwrap(), None, "nothing was collected yet");
        assert_eq!(re_audits.begin(NOW, Some(NOW - 25 * HOUR)).unwrap(), None, "a stream that is far behind");
        assert_eq!(begins(&mut re_audits, NOW).unwrap().to, NOW - 5_000, "and it is still due");
        let due = re_audits.begin(NOW + 6 * HOUR, Some(NOW + 7 * HOUR)).unwrap().unwrap();
        assert_eq!(due.stretch.to, NOW + 6 * HOUR, "a product whose clock is ahead");
    }
}
