//! What time it is at Webex: collecting must not run ahead of the clock that stamps the events.

use std::cell::Cell;

use crate::effect::Response;
use crate::time::{Span, Timestamp};

/// Difference to this machine's clock from which on a person should know.
pub const SKEW_WORTH_A_WARNING: Span = Span::secs(30);

/// The origin's clock, as far as its `Date` headers tell (RFC 9110 section 6.6.1).
#[derive(Debug, Default)]
pub struct OriginClock {
    last: Cell<Option<Reading>>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    date: Timestamp,
    /// Of the run's clock, when the request went out and when the answer was there.
    sent: Span,
    received: Span,
}

impl OriginClock {
    /// Reads the `Date` of an answer. `sent` and `received` are of [`crate::effect::Io::elapsed`].
    pub fn observe(&self, response: &Response, sent: Span, received: Span) {
        if let Some(date) = response.header("date").and_then(Timestamp::parse_http_date) {
            self.last.set(Some(Reading { date, sent, received }));
        }
    }

    /// No later than the origin's clock when the last request that was answered went out; none: it never said.
    pub fn at_last_request(&self) -> Option<Timestamp> {
        self.last.get().map(|reading| reading.date - (reading.received - reading.sent))
    }

    /// No later than the origin's clock now; none: it never said.
    pub fn now(&self, elapsed: Span) -> Option<Timestamp> {
        self.last.get().map(|reading| reading.date + (elapsed - reading.received))
    }

    /// How far this machine's clock is ahead of the origin's (negative: behind), as the last answer shows; accurate to a
    /// second and the length of a request.
    pub fn local_ahead(&self, now: Timestamp, elapsed: Span) -> Option<Span> {
        self.now(elapsed).map(|origin| now - origin)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_origins_clock_goes_on_from_its_last_answer() {
        let clock = OriginClock::default();
        assert_eq!(clock.now(Span::secs(5)), None);
        let headers = vec![("date".to_owned(), "Sun, 06 Nov 1994 08:49:37 GMT".to_owned())];
        clock.observe(&Response { status: 200, headers, body: Vec::new() }, Span::secs(1), Span::secs(3));
        let said = Timestamp::parse_rfc3339("1994-11-06T08:49:37Z").unwrap();
        assert_eq!(clock.at_last_request(), Some(said - Span::secs(2)));
        assert_eq!(clock.now(Span::secs(10)), Some(said + Span::secs(7)));
        assert_eq!(clock.local_ahead(said + Span::secs(67), Span::secs(10)), Some(Span::secs(60)));
    }
}
