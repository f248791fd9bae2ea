//! The stretch of time that a request asks for, and how much of it at once.

use super::super::answer::Refusal;
use super::super::clock::parse_iso;
use super::super::params::Params;
use super::super::stream::Stream;
use super::{OverCap, StreamSettings};

/// Whether the end of a window belongs to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// It does.
    Inclusive,
    /// It does not.
    Exclusive,
}

/// Milliseconds of one day.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// The audits list at most one year a request.
const AUDIT_WINDOW_MAX_MS: i64 = 365 * DAY_MS;
/// `/v1/events` without `from` starts about a month ago.
const EVENTS_DEFAULT_SPAN_MS: i64 = 30 * DAY_MS;
/// How far `/v1/events` reaches back without Pro Pack.
const EVENTS_REACH_MS: i64 = 90 * DAY_MS;
/// `max` where the request has none.
const DEFAULT_MAX: usize = 100;

/// `from` and `to` of a request; whether they belong to it is the stream's setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Window {
    pub(in super::super) from_ms: i64,
    pub(in super::super) to_ms: i64,
}

impl Window {
    /// The window of a first request, or why it is refused.
    pub(in super::super) fn parse(
        stream: Stream,
        params: &Params,
        now_ms: i64,
        pro_pack: bool,
    ) -> Result<Self, Refusal> {
        let (from_key, to_key) = stream.window_keys();
        let from = time(params, from_key)?;
        let to = time(params, to_key)?;
        if stream.is_audit() {
            let from_ms = from.ok_or_else(|| Refusal::missing_parameter(from_key))?;
            let to_ms = to.ok_or_else(|| Refusal::missing_parameter(to_key))?;
            let window = Self { from_ms, to_ms }.in_order(from_key, to_key)?;
            if to_ms - from_ms > AUDIT_WINDOW_MAX_MS {
                return Err(Refusal::bad_request(format!(
                    "'{from_key}' and '{to_key}' can be at most one year apart."
                )));
            }
            Ok(window)
        } else {
            if to.is_some_and(|to_ms| to_ms > now_ms) {
                return Err(Refusal::bad_request(format!("'{to_key}' cannot be set to a future date.")));
            }
            let to_ms = to.unwrap_or(now_ms);
            let from_ms = from.unwrap_or_else(|| now_ms.saturating_sub(EVENTS_DEFAULT_SPAN_MS));
            let window = Self { from_ms, to_ms }.in_order(from_key, to_key)?;
            if !pro_pack && from_ms < now_ms - EVENTS_REACH_MS {
                return Err(Refusal::past_90_days());
            }
            Ok(window)
        }
    }

    fn in_order(self, from_key: &str, to_key: &str) -> Result<Self, Refusal> {
        if self.from_ms < self.to_ms {
            Ok(self)
        } else {
            Err(Refusal::bad_request(format!("'{from_key}' must be before '{to_key}'.")))
        }
    }
}

fn time(params: &Params, key: &str) -> Result<Option<i64>, Refusal> {
    let Some(text) = params.get(key) else {
        return Ok(None);
    };
    parse_iso(text)
        .map(Some)
        .ok_or_else(|| Refusal::bad_request(format!("Invalid value for '{key}': not an ISO 8601 date and time.")))
}

/// `max`, 1 to the stream's cap.
pub(super) fn max(params: &Params, stream: Stream, settings: &StreamSettings) -> Result<usize, Refusal> {
    let Some(text) = params.get("max") else {
        return Ok(DEFAULT_MAX);
    };
    let cap = stream.max_cap();
    match text.parse::<usize>() {
        Ok(max) if (1..=cap).contains(&max) => Ok(max),
        Ok(max) if max > cap && settings.over_cap == OverCap::Clamp => Ok(cap),
        _ => Err(Refusal::bad_request(format!("'max' must be between 1 and {cap}, inclusive."))),
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

    /// 2026-02-01T00:00:00Z
    const NOW: i64 = 1_769_904_000_000;

    #[track_caller]
    fn refused(stream: Stream, query: &str, status: u16, part: &str) {
        let refusal = Window::parse(stream, &Params::parse(query), NOW, false).unwrap_err();
        assert_eq!(refusal.status.as_u16(), status, "{query}");
        assert!(refusal.description.contains(part), "{query}: {}", refusal.description);
    }

    #[track_caller]
    fn taken(stream: Stream, query: &str, from_ms: i64, to_ms: i64) {
        assert_eq!(
            Window::parse(stream, &Params::parse(query), NOW, false).unwrap(),
            Window { from_ms, to_ms },
            "{query}"
        );
    }

    #[test]
    fn audits_need_both_ends_in_order_at_most_a_year_apart() {
        use Stream::{AdminAudits, SecurityAudits};
        let missing = "for method parameter type String is not present";
        refused(AdminAudits, "to=2026-01-02T00:00:00.000Z", 400, missing);
        refused(AdminAudits, "from=&to=2026-01-02T00:00:00.000Z", 400, missing);
        refused(AdminAudits, "from=2026-01-02T00:00:00.000Z", 400, "'to'");
        refused(SecurityAudits, "from=2026-01-01T00:00:00.000Z&to=2026-01-02T00:00:00.000Z", 400, "'startTime'");
        refused(AdminAudits, "from=2026-01-02T00:00:00.000Z&to=2026-01-02T00:00:00.000Z", 400, "before");
        refused(AdminAudits, "from=2024-12-31T00:00:00.000Z&to=2026-01-02T00:00:00.000Z", 400, "one year");
        refused(AdminAudits, "from=2026-01-01&to=2026-01-02T00:00:00.000Z", 400, "ISO 8601");
        taken(AdminAudits, "from=2026-01-31T23:59:59.000Z&to=2026-02-01T00:00:00Z", NOW - 1_000, NOW);
        taken(
            SecurityAudits,
            "startTime=2026-02-01T00:00:00.000Z&endTime=2026-02-01T02:00:00%2B01:00",
            NOW,
            NOW + 3_600_000,
        );
    }

    #[test]
    fn events_have_defaults_and_neither_future_nor_far_past() {
        taken(Stream::Events, "", NOW - 30 * DAY_MS, NOW);
        taken(Stream::Events, "from=2026-01-31T23:59:59Z", NOW - 1_000, NOW);
        refused(Stream::Events, "to=2026-02-01T00:00:00.001Z", 400, "future");
        refused(Stream::Events, "from=2025-11-02T23:59:59.999Z", 403, "past 90 days");
        taken(Stream::Events, "from=2025-11-03T00:00:00.000Z", NOW - 90 * DAY_MS, NOW);
        let with_pro_pack = Window::parse(Stream::Events, &Params::parse("from=2023-01-01T00:00:00Z"), NOW, true);
        assert!(with_pro_pack.is_ok());
    }

    #[test]
    fn max_is_refused_or_clamped_above_the_cap() {
        let refuse = StreamSettings::newest_first();
        let clamp = StreamSettings { over_cap: OverCap::Clamp, ..refuse.clone() };
        let parse = |query, settings: &_| max(&Params::parse(query), Stream::AdminAudits, settings);
        assert_eq!(parse("", &refuse), Ok(100));
        assert_eq!(parse("max=200", &refuse), Ok(200));
        assert!(parse("max=201", &refuse).is_err());
        assert_eq!(parse("max=201", &clamp), Ok(200));
        for bad in ["max=0", "max=-1", "max=ten"] {
            assert!(parse(bad, &clamp).is_err(), "{bad}");
        }
    }
}
