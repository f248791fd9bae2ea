//! How many requests a user may send in a minute. Webex limits each user, about 300 a minute over most APIs
//! (`webex-api` 5), so all streams of a user share one budget, over calls and restarts.

use std::cell::RefCell;
use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::answer::MAX_WAIT;
use crate::time::{Span, Timestamp};
use crate::wire::SHORT_WAIT;

/// What is counted together: the limit is said in requests a minute.
const MINUTE: Span = Span::secs(60);

/// Requests are remembered in lumps of this length, so that the state holds a number for each of them and not for each request.
/// A lump counts until its last moment is a minute ago: a hundredth of the rate is given for it.
const LUMP: Span = Span::millis(500);

/// A rate that was learned is kept in every stretch of this length, too: Webex may count by the second.
const PACE: Span = Span::secs(2);

/// Such stretches in a minute.
const PACES: u32 = 30;

/// Of every minute's requests, kept for commands: a person or a playbook that asks meanwhile needs some pages at most, and more
/// would be a part of the rate that is never used.
pub const RESERVE: u32 = 8;

/// Requests of a command in a minute: it knows nothing of what is sent beside it.
const OF_COMMAND: u32 = 20;

/// Lowest rate that is learned: with a page every six seconds an organization of usual size keeps up.
const LEAST: u32 = 10;

/// Requests a minute that come back with each minute in which Webex did not complain: half an hour from the least to all. What
/// comes back sooner meets a limit that lasts with a refusal each minute.
const RECOVERY: i64 = 10;

/// The wait after a request that is refused though the wait before it was kept: what Webex asks for was too short. It doubles
/// with each further one, up to the longest, as the pauses after faults do.
const TOLD_AGAIN: (Span, Span) = (Span::secs(2), Span::secs(900));

/// The longest wait of a fetch, whose time is better used by another stream or by delivering: as for a pause that Webex asks
/// for.
const PATIENCE: Span = SHORT_WAIT;

/// What is stored of a user's budget.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// The rate that was learned, requests a minute; none: never.
    pub rate: Option<u32>,
    /// When.
    pub learned: Option<Timestamp>,
    /// Requests of the last minute.
    pub lumps: VecDeque<Lump>,
    /// Webex has asked to wait, and nothing was answered since.
    pub told: Option<Told>,
}

/// Webex has asked to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Until then.
    until: Timestamp,
    /// How often in a row it did so though the wait before was kept.
    again: u32,
}

/// Requests that were sent within some seconds of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lump(Timestamp, u32);

#[cfg(test)]
impl Lump {
    pub(crate) fn of(at: Timestamp, requests: u32) -> Self {
        Self(at, requests)
    }
}

#[cfg(test)]
impl Told {
    pub(crate) fn of(until: Timestamp, again: u32) -> Self {
        Self { until, again }
    }
}

/// A user's budget within a call.
#[derive(Debug)]
pub struct Budget {
    /// By the settings.
    most: u32,
    /// Whether some of it is left to commands.
    leaves_reserve: bool,
    /// The longest wait within a call.
    patience: Span,
    spent: RefCell<Spent>,
}

impl Budget {
    /// Of a fetch, which leaves the reserve to commands. `most` is requests a minute.
    pub fn of_fetch(most: u32, spent: Spent) -> Self {
        Self { most, leaves_reserve: true, patience: PATIENCE, spent: RefCell::new(spent) }
    }

    /// Of a command, which knows nothing of what is sent beside it.
    pub fn of_command() -> Self {
        Self { most: OF_COMMAND, leaves_reserve: false, patience: MINUTE + LUMP, spent: RefCell::default() }
    }

    /// Whether a wait is better waited than met with the end of the call.
    pub fn waits_for(&self, wait: Span) -> bool {
        wait <= self.patience
    }

    /// Requests a minute now.
    pub fn rate(&self, now: Timestamp) -> u32 {
        let spent = self.spent.borrow();
        let Some((rate, learned)) = spent.rate.zip(spent.learned) else { return self.most };
        // A clock that was set back gives nothing back.
        let minutes = (now - learned).max(Span::ZERO).as_millis() / MINUTE.as_millis();
        let back = u32::try_from(minutes.saturating_mul(RECOVERY)).unwrap_or(u32::MAX);
        rate.saturating_add(back).min(self.most)
    }

    /// What of a rate is left to commands: so much, and a quarter at most, where little is left at all.
    fn left_to_commands(&self, most: u32, rate: u32) -> u32 {
        if self.leaves_reserve { most.min(rate / 4) } else { 0 }
    }

    /// How long to wait before the next request; zero: it may go now.
    pub fn wait(&self, now: Timestamp) -> Span {
        let rate = self.rate(now);
        let allowed = rate.saturating_sub(self.left_to_commands(RESERVE, rate)).max(1);
        let mut spent = self.spent.borrow_mut();
        spent.forget(now);
        if rate < self.most {
            let recent = spent.lumps.iter().filter(|lump| now < lump.0 + PACE);
            let share = (rate / PACES).max(1);
            if let Some(Lump(at, _)) = recent.clone().next()
                && recent.map(|lump| lump.1).sum::<u32>() >= share
            {
                return *at + PACE - now;
            }
        }
        let mut count: u32 = spent.lumps.iter().map(|lump| lump.1).sum();
        for Lump(at, requests) in &spent.lumps {
            if count < allowed {
                break;
            }
            count -= requests;
            if count < allowed {
                return *at + LUMP + MINUTE - now;
            }
        }
        Span::ZERO
    }

    /// Counts a request that goes out now.
    pub fn spend(&self, now: Timestamp) {
        let mut spent = self.spent.borrow_mut();
        match spent.lumps.back_mut() {
            Some(lump) if lump.0 <= now && now < lump.0 + LUMP => lump.1 += 1,
            _ => spent.lumps.push_back(Lump(now, 1)),
        }
    }

    /// A request that was sent at `sent` was answered with the wish to `wait`. Returns how long to do so: longer than that,
    /// where it was said of a request that had waited already.
    pub fn told(&self, wait: Span, sent: Timestamp, now: Timestamp) -> Span {
        let (first, longest) = TOLD_AGAIN;
        let mut spent = self.spent.borrow_mut();
        let told = spent.told.filter(|told| told.until - now <= MAX_WAIT);
        // Several that were sent side by side are told the same once.
        let again = told.map_or(0, |told| told.again + u32::from(sent >= told.until));
        let wait = if again == 0 { wait } else { wait.max(first.times(1 << (again - 1).min(16)).min(longest)) };
        let until = told.map_or(now + wait, |told| told.until.max(now + wait));
        spent.told = Some(Told { until, again });
        wait
    }

    /// A request that was sent at `sent` was answered as it should.
    pub fn answered(&self, sent: Timestamp) {
        let mut spent = self.spent.borrow_mut();
        spent.told = spent.told.filter(|told| sent < told.until);
    }

    /// Webex has said that it was too much: a quarter less from now on. Where even less was sent, others use the account,
    /// too, and they are to be left something.
    pub fn learn(&self, now: Timestamp) {
        let rate = self.rate(now);
        let mut spent = self.spent.borrow_mut();
        // Several streams are told at the same time, but it is one lesson.
        if spent.learned.is_some_and(|learned| learned <= now && now - learned < PACE) {
            return;
        }
        spent.forget(now);
        let sent = spent.lumps.iter().map(|lump| lump.1).sum::<u32>();
        let rate = rate.min(sent.saturating_add(self.left_to_commands(OF_COMMAND, rate)));
        spent.rate = Some((rate - rate / 4).max(LEAST).min(self.most));
        spent.learned = Some(now);
    }

    /// To be stored.
    pub fn stored(&self, now: Timestamp) -> Spent {
        let mut spent = self.spent.borrow().clone();
        spent.forget(now);
        if self.rate(now) == self.most {
            (spent.rate, spent.learned) = (None, None);
        }
        spent
    }
}

impl Spent {
    /// Drops what is a minute old, and what a clock that was wrong has dated ahead.
    fn forget(&mut self, now: Timestamp) {
        self.lumps.retain(|lump| lump.0 <= now && now - lump.0 < MINUTE + LUMP);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_767_312_000_000);

    /// Sends as fast as allowed for so long, one request a step; the times of all requests.
    fn send(budget: &Budget, step: Span, length: Span) -> Vec<Timestamp> {
        let (mut now, mut sent) = (NOW, Vec::new());
        while now - NOW < length {
            let wait = budget.wait(now);
            if wait == Span::ZERO {
                budget.spend(now);
                sent.push(now);
                now = now + step;
            } else {
                now = now + wait;
            }
        }
        sent
    }

    #[test]
    fn nearly_all_of_the_rate_can_be_used() {
        let sent = send(&Budget::of_fetch(300, Spent::default()), Span::millis(10), Span::secs(600));
        // 95 of 100 and more; what is missing is the reserve, and the last moment of each lump.
        assert!((2_865..=3_000).contains(&sent.len()), "{}", sent.len());
    }

    #[test]
    fn a_long_wait_teaches_a_lower_rate_which_recovers_with_time() {
        let budget = Budget::of_fetch(300, Spent::default());
        send(&budget, Span::millis(1), Span::secs(1));
        let now = NOW + Span::secs(1);
        budget.learn(now);
        assert_eq!(budget.rate(now), 225);
        budget.learn(now + Span::secs(1));
        assert_eq!(budget.rate(now), 225, "one lesson");
        assert_eq!(budget.rate(now + Span::secs(60)), 235);
        assert_eq!(budget.rate(now + Span::secs(3_600)), 300);
        assert_eq!(budget.stored(now + Span::secs(3_600)), Spent::default());
        for minute in 0..20 {
            budget.learn(now + Span::secs(10 * minute));
        }
        assert_eq!(budget.rate(now + Span::secs(200)), LEAST);
    }

    #[test]
    fn a_learned_rate_holds_by_the_second_too() {
        let budget = Budget::of_fetch(300, Spent::default());
        send(&budget, Span::millis(1), Span::secs(1));
        budget.learn(NOW + Span::secs(1));
        let later = NOW + Span::secs(120);
        let share = budget.rate(later) / PACES;
        (0..share).for_each(|_| budget.spend(later));
        assert_eq!(budget.wait(later), PACE, "{share} at once and no more");
        assert_eq!(budget.wait(later + PACE), Span::ZERO);
    }

    #[test]
    fn a_wait_that_was_kept_in_vain_is_doubled() {
        let budget = Budget::of_fetch(300, Spent::default());
        let second = Span::secs(1);
        let (mut now, mut waits) = (NOW, Vec::new());
        for _ in 0..12 {
            let wait = budget.told(second, now, now);
            // Another stream's request, which was under way: the same is said once.
            assert!(budget.told(second, now - second, now) <= wait);
            waits.push(wait.as_millis() / 1_000);
            now = now + wait;
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        budget.answered(now - second);
        assert_eq!(budget.told(second, now, now), Span::secs(900), "what was sent before says nothing");
        budget.answered(now + Span::secs(900));
        assert_eq!(budget.told(second, now + Span::secs(900), now), second);
        let long = Span::secs(3_600);
        assert_eq!(budget.told(long, now + long, now), long, "never shorter than what is asked for");
    }

    #[test]
    fn a_clock_that_is_set_back_does_not_hold_requests_up() {
        let budget = Budget::of_fetch(300, Spent::default());
        send(&budget, Span::millis(1), Span::secs(10));
        assert_ne!(budget.wait(NOW + Span::secs(10)), Span::ZERO);
        assert_eq!(budget.wait(NOW - Span::secs(3_600)), Span::ZERO);
    }

    #[test]
    fn what_was_sent_before_a_restart_counts() {
        let budget = Budget::of_fetch(100, Spent::default());
        let sent = send(&budget, Span::millis(1), Span::secs(10));
        assert_eq!(sent.len(), 92);
        let again = Budget::of_fetch(100, budget.stored(NOW + Span::secs(10)));
        assert!(again.wait(NOW + Span::secs(10)) > Span::secs(45));
    }

    proptest! {
        #[test]
        fn no_minute_has_more_requests_than_the_rate(most in 30..600_u32, steps in proptest::collection::vec(0..3_000_i64, 1..800)) {
            let budget = Budget::of_fetch(most, Spent::default());
            let (mut now, mut sent) = (NOW, Vec::new());
            for step in steps {
                now = now + Span::millis(step);
                let wait = budget.wait(now);
                prop_assert!(wait <= MINUTE + LUMP);
                now = now + wait;
                prop_assert_eq!(budget.wait(now), Span::ZERO, "what was waited for is there");
                budget.spend(now);
                sent.push(now);
                prop_assert!(budget.stored(now).lumps.len() <= 122);
            }
            for (n, first) in sent.iter().enumerate() {
                let within = sent.iter().skip(n).take_while(|time| **time - *first < MINUTE).count();
                prop_assert!(within <= (most - RESERVE.min(most / 4)) as usize, "{} within a minute", within);
            }
        }
    }
}
