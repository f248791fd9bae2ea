//! How old late events were when they were met.

use crate::time::{Span, Timestamp};

/// Upper ends of the classes. The overlap's default is one of them, so that its share can be read off; beyond a day it is
/// no delay but a back-fill (`webex-api` 0 row 3).
pub const BOUNDS: [Span; 7] = [
    Span::secs(60),
    Span::secs(300),
    Span::secs(600),
    Span::secs(1_800),
    Span::secs(3_600),
    Span::secs(6 * 3_600),
    Span::days(1),
];

/// A histogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness([u64; BOUNDS.len() + 1]);

impl Lateness {
    /// Counts an event of this time that was met now.
    pub fn add(&mut self, created: Timestamp, now: Timestamp) {
        let age = now - created;
        let class = BOUNDS.iter().position(|bound| age <= *bound).unwrap_or(BOUNDS.len());
        if let Some(count) = self.0.get_mut(class) {
            *count += 1;
        }
    }

    /// The classes, youngest first: their upper end, none for the last one, and the events in them.
    pub fn counts(&self) -> impl Iterator<Item = (Option<Span>, u64)> {
        BOUNDS.into_iter().map(Some).chain([None]).zip(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_counted_in_the_first_class_that_holds_its_age() {
        let now = Timestamp::from_millis(1_767_312_000_000);
        let mut lateness = Lateness::default();
        for age in [Span::ZERO - Span::secs(5), Span::secs(60), Span::millis(60_001), Span::days(1), Span::days(40)] {
            lateness.add(now - age, now);
        }
        let counts: Vec<u64> = lateness.counts().map(|(_, events)| events).collect();
        assert_eq!(counts, [2, 1, 0, 0, 0, 0, 1, 1]);
        assert_eq!(lateness.counts().last(), Some((None, 1)));
    }
}
