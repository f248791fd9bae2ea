//! How much came when: counts by minute, and of the last sixty seconds.

use std::collections::VecDeque;
use std::time::Duration;

/// Counts of slots of the same length, the last of which has begun.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    slot: Duration,
    counts: VecDeque<u64>,
    /// The number of the last slot since the clock began.
    last: u64,
}

/// Slots that are kept.
const SLOTS: usize = 60;

impl Rate {
    /// An hour by minutes.
    pub(super) fn by_minute() -> Self {
        Self::of(Duration::from_secs(60))
    }

    /// A minute by seconds.
    pub(super) fn by_second() -> Self {
        Self::of(Duration::from_secs(1))
    }

    fn of(slot: Duration) -> Self {
        Self { slot, counts: std::iter::repeat_n(0, SLOTS).collect(), last: 0 }
    }

    /// Adds what came at this time of a clock that only goes forward.
    pub(super) fn add(&mut self, count: u64, at: Duration) {
        self.go_to(at);
        if let Some(last) = self.counts.back_mut() {
            *last += count;
        }
    }

    /// The counts at this time, the oldest first.
    pub(super) fn at(&self, at: Duration) -> Vec<u64> {
        let mut then = self.clone();
        then.go_to(at);
        then.counts.into()
    }

    /// The same in sum.
    pub(super) fn sum(&self, at: Duration) -> u64 {
        self.at(at).iter().sum()
    }

    fn go_to(&mut self, at: Duration) {
        let slot = u64::try_from(at.as_nanos() / self.slot.as_nanos().max(1)).unwrap_or(u64::MAX);
        let passed = usize::try_from(slot.saturating_sub(self.last)).unwrap_or(SLOTS).min(SLOTS);
        self.counts.drain(..passed);
        self.counts.extend(std::iter::repeat_n(0, passed));
        self.last = self.last.max(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_move_on_with_the_time_and_are_forgotten_after_sixty_slots() {
        let at = Duration::from_secs;
        let mut rate = Rate::by_second();
        rate.add(5, at(0));
        rate.add(2, at(1));
        rate.add(1, at(1));
        assert_eq!(rate.at(at(1)).last_chunk::<2>(), Some(&[5, 3]));
        assert_eq!(rate.at(at(3)).last_chunk::<4>(), Some(&[5, 3, 0, 0]));
        assert_eq!((rate.sum(at(59)), rate.sum(at(60)), rate.sum(at(61))), (8, 3, 0));
        assert_eq!(rate.at(at(1_000_000)).len(), SLOTS);
        rate.add(1, at(0));
        assert_eq!(rate.sum(at(1)), 9, "a time that has passed counts now");
    }
}
