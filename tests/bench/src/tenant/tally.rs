//! What a tenant has seen of its clients.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use cisco_webex_plugin::stream::User;
use serde::{Deserialize, Serialize};

/// Milliseconds of a minute.
const MINUTE_MS: u64 = 60_000;

/// What was asked so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Requests of any kind.
    pub requests: u64,
    /// Of them, those answered 429.
    pub refused: u64,
    /// Of them, those refused for what they were: a collector makes none.
    pub wrong: u64,
    /// When the first arrived, microseconds since the epoch.
    pub first_us: Option<u64>,
    /// When each user's answered requests of lists arrived, in milliseconds since the tenant's start; admin, then compliance
    /// officer; of all tenants together.
    pub answered_ms: [Vec<u64>; 2],
    /// Events that each stream has by now, of one tenant: all have as many.
    pub events: [u64; 3],
}

/// A [`Report`] that is being made.
#[derive(Debug)]
pub(super) struct Tally {
    started: Instant,
    report: Report,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), report: Report::default() }
    }

    /// A request arrived.
    pub(super) fn request(&mut self) {
        self.report.requests += 1;
        self.report.first_us.get_or_insert_with(unix_us);
    }

    /// It was too much.
    pub(super) fn refused(&mut self) {
        self.report.refused += 1;
    }

    /// It was not what a client may ask.
    pub(super) fn wrong(&mut self) {
        self.report.wrong += 1;
    }

    /// It was a list of this user's, and is answered.
    pub(super) fn answered(&mut self, user: User) {
        let at = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let [admin, officer] = &mut self.report.answered_ms;
        match user {
            User::Admin => admin.push(at),
            User::ComplianceOfficer => officer.push(at),
        }
    }

    pub(super) fn report(&self, events: [u64; 3]) -> Report {
        Report { events, ..self.report.clone() }
    }
}

/// Microseconds since the epoch, by the clock that all processes of the machine share.
pub fn unix_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Requests in the whole minutes that these times cover, counted from the first of them, `most` at most: later there may be nothing
/// left to ask for. And how many minutes those are.
pub fn whole_minutes(times_ms: &[u64], most: u64) -> (usize, u64) {
    let (Some(first), Some(last)) = (times_ms.iter().min(), times_ms.iter().max()) else { return (0, 0) };
    let minutes = ((last - first) / MINUTE_MS).min(most);
    (times_ms.iter().filter(|at| *at - first < minutes * MINUTE_MS).count(), minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_minutes_are_counted() {
        assert_eq!(whole_minutes(&[], 9), (0, 0));
        assert_eq!(whole_minutes(&[5, 10], 9), (0, 0));
        assert_eq!(whole_minutes(&[5, 10, 60_004, 60_005, 70_000], 9), (3, 1));
        assert_eq!(whole_minutes(&[0, 30_000, 90_000, 119_999, 120_000], 9), (4, 2));
        assert_eq!(whole_minutes(&[0, 30_000, 90_000, 119_999, 120_000], 1), (2, 1));
    }
}
