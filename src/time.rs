//! Points and lengths of time, in whole milliseconds: what Webex sends and takes.

mod form;

use std::fmt;
use std::ops::{Add, Sub};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "i64", into = "i64")]
pub struct Timestamp(i64);

/// A length of time in milliseconds; negative only as the difference of two timestamps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(i64);

impl Timestamp {
    /// The earliest time that has a four-digit year, so that every timestamp can be written as RFC 3339.
    pub const MIN: Self = Self(-62_167_219_200_000);
    /// The latest time that has a four-digit year.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// From milliseconds since the epoch; beyond the years 0 to 9999 the nearest end of them.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < Self::MIN.0 {
            Self::MIN
        } else if millis > Self::MAX.0 {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Parses RFC 3339 as Webex writes it: with any number of decimals, `Z` or an offset (`webex-api` 2.1).
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        let millis = time.timestamp_millis();
        (Self::MIN.0..=Self::MAX.0).contains(&millis).then_some(Self(millis))
    }

    /// Parses what a person types: RFC 3339; without an offset it is UTC; a date alone is its midnight.
    pub fn parse_lenient(text: &str) -> Option<Self> {
        let text = text.trim();
        Self::parse_rfc3339(text).or_else(|| {
            let millis = form::typed(text)?.and_utc().timestamp_millis();
            (Self::MIN.0..=Self::MAX.0).contains(&millis).then_some(Self(millis))
        })
    }

    /// Parses the `Date` header (RFC 9110 section 5.6.7, the preferred form).
    pub fn parse_http_date(text: &str) -> Option<Self> {
        Some(Self::from_millis(form::http_date(text.trim())?.and_utc().timestamp_millis()))
    }
}

impl From<i64> for Timestamp {
    fn from(millis: i64) -> Self {
        Self::from_millis(millis)
    }
}

impl From<Timestamp> for i64 {
    fn from(time: Timestamp) -> Self {
        time.0
    }
}

impl fmt::Display for Timestamp {
    /// `2026-01-31T10:00:00.000Z`, the one form that all Webex clients send (`webex-api` 2.1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match DateTime::<Utc>::from_timestamp_millis(self.0) {
            Some(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::Millis, true)),
            None => write!(f, "{} ms", self.0),
        }
    }
}

impl Span {
    /// No time.
    pub const ZERO: Self = Self(0);

    /// From milliseconds.
    pub const fn millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From seconds.
    pub const fn secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// From days of 24 hours.
    pub const fn days(days: i64) -> Self {
        Self(days.saturating_mul(86_400_000))
    }

    /// In milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Half of it, rounded down.
    pub const fn half(self) -> Self {
        Self(self.0 / 2)
    }

    /// A quarter of it, rounded down.
    pub const fn quarter(self) -> Self {
        Self(self.0 / 4)
    }

    /// This many times.
    pub const fn times(self, n: i64) -> Self {
        Self(self.0.saturating_mul(n))
    }

    /// Parses `10m`, `7 days`, `1h 30m`, `0s`.
    pub fn parse(text: &str) -> Option<Self> {
        let length = humantime::parse_duration(text.trim()).ok()?;
        i64::try_from(length.as_millis()).ok().map(Self)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = std::time::Duration::from_millis(self.0.unsigned_abs());
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", humantime::format_duration(length))
    }
}

impl Add<Span> for Timestamp {
    type Output = Self;
    fn add(self, span: Span) -> Self {
        Self::from_millis(self.0.saturating_add(span.0))
    }
}

impl Sub<Span> for Timestamp {
    type Output = Self;
    fn sub(self, span: Span) -> Self {
        Self::from_millis(self.0.saturating_sub(span.0))
    }
}

impl Sub for Timestamp {
    type Output = Span;
    fn sub(self, other: Self) -> Span {
        Span(self.0.saturating_sub(other.0))
    }
}

impl Add for Span {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Span {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<&str>) {
        let got = Timestamp::parse_rfc3339(text).map(|t| t.to_string());
        assert_eq!(got.as_deref(), want, "{text}");
    }

    #[test]
    fn every_form_that_webex_writes_is_read() {
        check("2023-12-19T07:01:26.486Z", Some("2023-12-19T07:01:26.486Z"));
        check("2023-12-19T07:01:26.5Z", Some("2023-12-19T07:01:26.500Z"));
        check("2015-10-18T14:26:16+00:00", Some("2015-10-18T14:26:16.000Z"));
        check("2015-10-18T14:26:16-02:00", Some("2015-10-18T16:26:16.000Z"));
        check("2015-10-18T14:26:16.123456789Z", Some("2015-10-18T14:26:16.123Z"));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in ["", "yesterday", "2023-13-01T00:00:00Z", "2023-12-19", "99999-01-01T00:00:00Z", "1700000000000"] {
            check(text, None);
        }
    }

    #[test]
    fn people_may_leave_out_offset_and_time() {
        let parse = |text| Timestamp::parse_lenient(text).unwrap().to_string();
        assert_eq!(parse("2026-01-31"), "2026-01-31T00:00:00.000Z");
        assert_eq!(parse("2026-01-31T10:00"), "2026-01-31T10:00:00.000Z");
        assert_eq!(parse(" 2026-01-31 10:00:01.5 "), "2026-01-31T10:00:01.500Z");
        assert_eq!(Timestamp::parse_lenient("last week"), None);
    }

    #[test]
    fn an_http_date_is_read() {
        let time = Timestamp::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(time.to_string(), "1994-11-06T08:49:37.000Z");
        assert_eq!(Timestamp::parse_http_date("tomorrow"), None);
    }

    #[test]
    fn lengths_are_read_as_people_write_them() {
        for (text, want) in [("10m", 600_000), ("7 days", 604_800_000), ("0s", 0), ("1h 30m", 5_400_000)] {
            assert_eq!(Span::parse(text), Some(Span::millis(want)), "{text}");
        }
        assert_eq!(Span::parse("-1s"), None);
        assert_eq!(Span::parse("ten"), None);
    }
}
