//! The tenant's clock: real, or set by a test, and perhaps not in step with the collector's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, SecondsFormat, Utc};

/// Where the tenant reads the time, in milliseconds since the epoch. Clones of a settable clock share their time.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    offset_ms: i64,
}

#[derive(Clone, Debug)]
enum Source {
    Real,
    Set(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn real() -> Self {
        Self { source: Source::Real, offset_ms: 0 }
    }

    /// A clock that stands at `now_ms` until it is set again.
    #[must_use]
    pub fn set_to(now_ms: i64) -> Self {
        Self { source: Source::Set(Arc::new(AtomicI64::new(now_ms))), offset_ms: 0 }
    }

    /// The same source, read `offset_ms` ahead (or behind, if negative): an origin whose clock differs.
    #[must_use]
    pub fn with_offset(&self, offset_ms: i64) -> Self {
        Self { source: self.source.clone(), offset_ms: self.offset_ms.saturating_add(offset_ms) }
    }

    /// Sets the shared time, before the offset. The real clock stays as it is.
    pub fn set(&self, now_ms: i64) {
        if let Source::Set(shared) = &self.source {
            shared.store(now_ms, Ordering::SeqCst);
        }
    }

    /// Moves the shared time on by `ms`. The real clock stays as it is.
    pub fn advance(&self, ms: i64) {
        if let Source::Set(shared) = &self.source {
            shared.fetch_add(ms, Ordering::SeqCst);
        }
    }

    /// Milliseconds since the epoch, offset included.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        let source = match &self.source {
            Source::Real => Utc::now().timestamp_millis(),
            Source::Set(shared) => shared.load(Ordering::SeqCst),
        };
        source.saturating_add(self.offset_ms)
    }
}

/// `2026-01-02T03:04:05.006Z`, the form that Webex shows in most places. A time beyond the calendar becomes its start.
#[must_use]
pub fn iso(ms: i64) -> String {
    at(ms).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The form of the `Date` header, whole seconds.
pub(super) fn http_date(ms: i64) -> String {
    at(ms).format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// Milliseconds since the epoch of an RFC 3339 text; finer digits are cut off.
pub(super) fn parse_iso(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis())
}

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap_or_default()
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
    fn clones_of_a_set_clock_share_its_time() {
        let ours = Clock::set_to(1_000);
        let theirs = ours.with_offset(-300);
        ours.advance(50);
        assert_eq!((ours.now_ms(), theirs.now_ms()), (1_050, 750));
        theirs.set(5_000);
        assert_eq!((ours.now_ms(), theirs.now_ms()), (5_000, 4_700));
    }

    #[test]
    fn the_real_clock_cannot_be_set() {
        let clock = Clock::real();
        clock.set(0);
        clock.advance(1 << 50);
        assert!((clock.now_ms() - Utc::now().timestamp_millis()).abs() < 60_000);
    }

    #[test]
    fn times_are_written_and_read_in_the_forms_of_webex() {
        assert_eq!(iso(1_703_000_486_006), "2023-12-19T15:41:26.006Z");
        assert_eq!(http_date(1_703_000_486_006), "Tue, 19 Dec 2023 15:41:26 GMT");
        assert_eq!(parse_iso("2023-12-19T15:41:26.006Z"), Some(1_703_000_486_006));
        assert_eq!(parse_iso("2023-12-19T16:41:26+01:00"), Some(1_703_000_486_000));
        for bad in ["", "2023-12-19", "2023-12-19T15:41:26", "2023-12-19T15:41:26 00:00", "yesterday"] {
            assert_eq!(parse_iso(bad), None, "{bad}");
        }
    }
}
