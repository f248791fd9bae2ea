//! Two clocks: the machine's time of day, which may be set, stand still or jump, and one that only goes forward.

use std::time::{Duration, Instant};

use crate::runtime::Clock;

/// The same moment by both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    /// Milliseconds since the epoch.
    pub(super) wall: i64,
    /// Since the program began.
    pub(super) since: Duration,
}

/// Both clocks.
#[derive(Debug)]
pub(super) struct Clocks {
    wall: Clock,
    began: Instant,
}

impl Clocks {
    pub(super) fn new(wall: Clock) -> Self {
        Self { wall, began: Instant::now() }
    }

    pub(super) fn now(&self) -> Moment {
        Moment { wall: self.wall.now(), since: self.began.elapsed() }
    }
}

/// Whether the time of day goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct ClockWatch {
    last: i64,
    moved: Duration,
}

impl ClockWatch {
    pub(super) fn new(now: Moment) -> Self {
        Self { last: now.wall, moved: now.since }
    }

    /// Takes note of the time.
    pub(super) fn note(&mut self, now: Moment) {
        if now.wall != self.last {
            *self = Self::new(now);
        }
    }

    /// How long it has stood still.
    pub(super) fn stands_still_for(&self, now: Moment) -> Duration {
        now.since.saturating_sub(self.moved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_stands_still_is_noticed_and_one_that_was_set_is_not_blamed() {
        let at = |wall, seconds| Moment { wall, since: Duration::from_secs(seconds) };
        let mut watch = ClockWatch::new(at(1_000, 0));
        for (moment, still) in [(at(1_000, 5), 5), (at(1_000, 40), 40), (at(999, 41), 0), (at(90_000, 42), 0)] {
            watch.note(moment);
            assert_eq!(watch.stands_still_for(moment).as_secs(), still);
        }
    }
}
