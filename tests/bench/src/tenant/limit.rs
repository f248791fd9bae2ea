//! The budget of requests that Webex gives each user.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The stretch that is counted over.
const MINUTE: Duration = Duration::from_secs(60);

/// When a user has called within the last minute.
#[derive(Debug, Default)]
pub(super) struct Calls(VecDeque<Instant>);

impl Calls {
    /// Takes one request, or says how long no other is free. A refused request takes nothing.
    pub(super) fn take(&mut self, most: usize, now: Instant) -> Result<(), Duration> {
        while self.0.front().is_some_and(|oldest| now.saturating_duration_since(*oldest) >= MINUTE) {
            self.0.pop_front();
        }
        if self.0.len() < most {
            self.0.push_back(now);
            return Ok(());
        }
        Err(self.0.front().map_or(MINUTE, |oldest| (*oldest + MINUTE).saturating_duration_since(now)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_minute_has_more_than_the_limit() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut calls = Calls::default();
        assert_eq!(calls.take(2, at(0)), Ok(()));
        assert_eq!(calls.take(2, at(30)), Ok(()));
        assert_eq!(calls.take(2, at(45)), Err(Duration::from_secs(15)));
        assert_eq!(calls.take(2, at(60)), Ok(()), "the first has left the minute");
        assert_eq!(calls.take(2, at(61)), Err(Duration::from_secs(29)));
    }
}
