//! The budget of requests that Webex gives each user.

use std::collections::{HashMap, VecDeque};

use super::faults::RetryAfter;

/// At most so many requests of one account in any stretch of time; the next is answered 429.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many.
    pub requests: usize,
    /// The stretch, in milliseconds: 60,000 for "per minute".
    pub per_ms: i64,
    /// What the 429 says; none means the whole seconds until a request is free again.
    pub retry_after: Option<RetryAfter>,
}

/// When each account called.
#[derive(Debug, Default)]
pub(super) struct CallLog {
    calls: HashMap<String, VecDeque<i64>>,
}

impl CallLog {
    /// Takes one request from the account's budget, or says what the 429 carries. A refused request takes nothing.
    pub(super) fn take(&mut self, limit: &RateLimit, account: &str, now_ms: i64) -> Result<(), RetryAfter> {
        let calls = self.calls.entry(account.to_owned()).or_default();
        while calls.front().is_some_and(|&oldest| now_ms.saturating_sub(oldest) >= limit.per_ms) {
            calls.pop_front();
        }
        if calls.len() < limit.requests {
            calls.push_back(now_ms);
            return Ok(());
        }
        let free_in_ms = calls.front().map_or(limit.per_ms, |oldest| oldest + limit.per_ms - now_ms);
        let seconds = u64::try_from(free_in_ms).unwrap_or(0).div_ceil(1_000).max(1);
        Err(limit.retry_after.clone().unwrap_or(RetryAfter::Seconds(seconds)))
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_per_account_and_comes_back_with_time() {
        let limit = RateLimit { requests: 2, per_ms: 60_000, retry_after: None };
        let mut log = CallLog::default();
        assert_eq!(log.take(&limit, "admin", 0), Ok(()));
        assert_eq!(log.take(&limit, "admin", 30_500), Ok(()));
        assert_eq!(log.take(&limit, "admin", 31_000), Err(RetryAfter::Seconds(29)));
        assert_eq!(log.take(&limit, "officer", 31_000), Ok(()));
        assert_eq!(log.take(&limit, "admin", 60_000), Ok(()), "the first call left the stretch");
        assert_eq!(log.take(&limit, "admin", 60_000), Err(RetryAfter::Seconds(31)));
    }
}
