//! When the n-th event was created, and which events a window holds: by arithmetic, so that ten million need no memory.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Events at equal distances, numbered from 0, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Series {
    from_ms: i64,
    /// So many in each stretch of `span_ms`.
    events: u64,
    span_ms: u64,
    /// There are no more than these; none: new ones come with time.
    end: Option<u64>,
}

/// How many events a stream has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Supply {
    /// So many, spread over the last seven days but for an hour.
    Backlog(u64),
    /// So many a second from the start on.
    Live(u64),
}

/// How far a backlog reaches back, in milliseconds: the default of `first_fetch` but for an hour, so that its oldest event is
/// still asked for however late a run begins.
pub(super) const BACKLOG_MS: u64 = (7 * 24 - 1) * 3_600_000;

impl Series {
    /// The events of a stream that starts now.
    pub(super) fn starting(supply: Supply, now_ms: i64) -> Self {
        match supply {
            Supply::Backlog(events) => {
                let from_ms = now_ms.saturating_sub_unsigned(BACKLOG_MS);
                Self { from_ms, events, span_ms: BACKLOG_MS, end: Some(events) }
            }
            Supply::Live(a_second) => Self { from_ms: now_ms, events: a_second, span_ms: 1_000, end: None },
        }
    }

    /// Milliseconds since the epoch.
    pub(super) fn created(&self, number: u64) -> i64 {
        self.from_ms.saturating_add_unsigned(number.saturating_mul(self.span_ms) / self.events.max(1))
    }

    /// The first event that was created then or later.
    fn first_at(&self, time_ms: i64) -> u64 {
        let after = u64::try_from(time_ms.saturating_sub(self.from_ms)).unwrap_or(0);
        after.saturating_mul(self.events).div_ceil(self.span_ms)
    }

    /// How many there are by now.
    pub(super) fn count(&self, now_ms: i64) -> u64 {
        self.end.unwrap_or_else(|| self.first_at(now_ms.saturating_add(1)))
    }

    /// No new ones come from now on.
    pub(super) fn freeze(&mut self, now_ms: i64) {
        self.end = Some(self.count(now_ms));
    }

    /// The events of `[from_ms, to_ms)` that exist by now.
    pub(super) fn within(&self, from_ms: i64, to_ms: i64, now_ms: i64) -> Range<u64> {
        let end = self.first_at(to_ms).min(self.count(now_ms));
        self.first_at(from_ms).min(end)..end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-02-01T00:00:00Z
    const NOW: i64 = 1_769_904_000_000;

    #[track_caller]
    fn check(supply: Supply, (from, to): (i64, i64), now: i64) {
        let series = Series::starting(supply, NOW);
        let held = |number: &u64| (from..to).contains(&series.created(*number)) && series.created(*number) <= now;
        let want: Vec<u64> = (0..series.count(now)).filter(held).collect();
        assert_eq!(series.within(from, to, now).collect::<Vec<_>>(), want, "{supply:?} {from}..{to}");
    }

    #[test]
    fn a_window_holds_what_was_created_in_it() {
        let start = NOW - 167 * 3_600_000;
        for events in [0, 1, 2, 7, 1_000] {
            let backlog = Supply::Backlog(events);
            check(backlog, (start - 5, NOW + 5), NOW);
            check(backlog, (start, start + 1), NOW);
            let created = Series::starting(backlog, NOW).created(events / 2);
            check(backlog, (created, created + 1), NOW);
            check(backlog, (created - 1, created), NOW);
            check(backlog, (created + 1, NOW), NOW);
        }
        for a_second in [1, 3, 200, 1_600, 3_000] {
            check(Supply::Live(a_second), (NOW - 1_000, NOW + 900), NOW + 500);
            check(Supply::Live(a_second), (NOW + 333, NOW + 334), NOW + 500);
            check(Supply::Live(a_second), (NOW + 600, NOW + 700), NOW + 500);
        }
    }

    #[test]
    fn ten_million_events_lie_in_order_within_the_backlog() {
        let series = Series::starting(Supply::Backlog(10_000_000), NOW);
        assert_eq!(series.within(i64::MIN, i64::MAX, NOW), 0..10_000_000);
        let last = series.created(9_999_999);
        assert!(series.created(9_999_998) <= last && last < NOW, "{last}");
    }

    #[test]
    fn a_live_stream_grows_until_it_is_frozen() {
        let mut series = Series::starting(Supply::Live(1_000), NOW);
        assert_eq!(series.count(NOW), 1, "the first is created at the start");
        assert_eq!(series.count(NOW + 999), 1_000);
        series.freeze(NOW + 1_000);
        assert_eq!(series.count(NOW + 60_000), 1_001);
    }
}
