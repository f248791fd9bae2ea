//! How fast a stream comes in and when its backlog ends, from what its calls came to so far.

use std::time::Duration;

use crate::collect::StreamTotal;

/// Milliseconds after which what was seen counts for a third: long enough for a few calls, short enough to follow a slow network.
const MEMORY: f64 = 20_000.0;
/// A reading that comes sooner after the one before is put together with it.
const LEAST: Duration = Duration::from_millis(200);
/// An end that is further away than this is no estimate.
const FURTHEST: f64 = 365.0 * 86_400_000.0;

/// What is remembered of one stream.
#[derive(Clone, Debug, Default)]
pub(in crate::cli) struct Gauge {
    /// The most that was open: the bar begins there.
    whole: Option<u64>,
    last: Seen,
    events: Pace,
    closed: Pace,
}

/// A stream at a moment of the run; by default at its beginning.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    at: Duration,
    delivered: u64,
    /// In milliseconds; none before the first call.
    open: Option<u64>,
}

/// Something in a time, of which the past counts less and less.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    amount: f64,
    millis: f64,
}

/// How a stream stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    pub(super) delivered: u64,
    /// Events a second; none where too little time has passed.
    pub(super) rate: Option<f64>,
    /// How much of the time is still open; none if that is not known yet.
    pub(super) open: Option<Duration>,
    /// How long that will take; none if it does not become less.
    pub(super) end: Option<Duration>,
    /// The share of the time that is complete, from 0 to 1.
    pub(super) complete: f64,
    /// Why the stream could not go on.
    pub(super) failure: Option<String>,
}

impl Gauge {
    /// The stream as it stands after so much of the run.
    pub(super) fn read(&mut self, stream: &StreamTotal, at: Duration) -> Reading {
        let open = open(stream);
        self.see(Seen { at, delivered: stream.delivered, open });
        // Where an interval comes up again, more may be open than at the start.
        let whole = open.map(|open| self.whole.map_or(open, |whole| whole.max(open)));
        self.whole = whole.or(self.whole);
        Reading {
            delivered: stream.delivered,
            rate: self.events.a_second(),
            open: open.map(Duration::from_millis),
            end: open.and_then(|open| self.end(open)),
            complete: match (open, whole) {
                (Some(0), _) => 1.0,
                (Some(open), Some(whole)) => 1.0 - share(open, whole),
                _ => 0.0,
            },
            failure: stream.failure.as_ref().map(|failure| failure.code.clone()),
        }
    }

    fn see(&mut self, seen: Seen) {
        let last = self.last;
        let passed = seen.at.saturating_sub(last.at);
        if passed < LEAST {
            return;
        }
        self.last = seen;
        self.events.add(difference(seen.delivered, last.delivered), passed);
        if let (Some(before), Some(open)) = (last.open, seen.open) {
            self.closed.add(difference(before, open), passed);
        }
    }

    fn end(&self, open: u64) -> Option<Duration> {
        let pace = self.closed.a_second().filter(|pace| *pace > 0.0)?;
        let millis = float(open) / pace * 1_000.0;
        (millis <= FURTHEST).then(|| Duration::from_secs_f64(millis / 1_000.0))
    }
}

impl Pace {
    fn add(&mut self, amount: f64, passed: Duration) {
        let millis = passed.as_secs_f64() * 1_000.0;
        let kept = (-millis / MEMORY).exp();
        self.amount = self.amount * kept + amount;
        self.millis = self.millis * kept + millis;
    }

    fn a_second(self) -> Option<f64> {
        (self.millis > 0.0).then(|| self.amount / self.millis * 1_000.0)
    }
}

/// The time between what is complete and what was taken up; none where nothing is known of it.
fn open(stream: &StreamTotal) -> Option<u64> {
    if stream.pending == 0 {
        return stream.watermark.map(|_| 0);
    }
    let open = stream.frontier?.saturating_sub(stream.watermark?);
    u64::try_from(open).ok()
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

fn difference(more: u64, less: u64) -> f64 {
    float(more) - float(less)
}

fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;

    fn second(number: i64) -> Duration {
        Duration::from_secs(u64::try_from(number).unwrap())
    }

    /// With so much of the time complete, of ten days.
    fn stream(delivered: u64, complete: i64) -> StreamTotal {
        let mut stream = StreamTotal::default();
        (stream.delivered, stream.pending) = (delivered, u32::from(complete < 10 * DAY));
        (stream.watermark, stream.frontier) = (Some(complete), Some(10 * DAY));
        stream
    }

    #[test]
    fn before_anything_is_known_nothing_is_claimed() {
        let reading = Gauge::default().read(&StreamTotal::default(), Duration::ZERO);
        let want = Reading { delivered: 0, rate: None, open: None, end: None, complete: 0.0, failure: None };
        assert_eq!(reading, want);
    }

    #[test]
    fn a_steady_backlog_has_its_rate_and_ends_when_it_will() {
        let mut gauge = Gauge::default();
        // A day of it in ten seconds, with a thousand events.
        let readings = (0..=10).map(|step| {
            let (delivered, complete) = (u64::try_from(step).unwrap() * 1_000, step * DAY);
            gauge.read(&stream(delivered, complete), second(step * 10))
        });
        let readings: Vec<Reading> = readings.collect();
        let halfway = readings.get(5).unwrap();
        assert!((halfway.rate.unwrap() - 100.0).abs() < 0.01, "{halfway:?}");
        assert_eq!(halfway.open, Some(Duration::from_secs(5 * 86_400)));
        assert!((halfway.end.unwrap().as_secs_f64() - 50.0).abs() < 0.01, "{halfway:?}");
        assert!((halfway.complete - 0.5).abs() < 0.01, "{halfway:?}");
        let over = readings.last().unwrap();
        assert_eq!((over.open, over.end), (Some(Duration::ZERO), Some(Duration::ZERO)));
        assert!((over.complete - 1.0).abs() < f64::EPSILON, "{over:?}");
    }

    #[test]
    fn a_change_of_pace_is_followed_and_a_single_call_is_not() {
        let mut gauge = Gauge::default();
        for at in 0..60 {
            gauge.read(&stream(u64::try_from(at).unwrap() * 100, 0), second(at));
        }
        let burst = gauge.read(&stream(5_900 + 1_000, 0), second(60)).rate.unwrap();
        assert!(burst > 100.0 && burst < 200.0, "{burst}");
        for at in 61..160 {
            gauge.read(&stream(6_900, 0), second(at));
        }
        let still = gauge.read(&stream(6_900, 0), second(160)).rate.unwrap();
        assert!(still < 2.0, "{still}");
    }

    #[test]
    fn a_backlog_that_does_not_become_less_has_no_end() {
        let mut gauge = Gauge::default();
        gauge.read(&stream(0, DAY), second(0));
        assert_eq!(gauge.read(&stream(10, DAY), second(10)).end, None);
        assert_eq!(gauge.read(&stream(20, 0), second(20)).end, None, "it became more");
    }
}
