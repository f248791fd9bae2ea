//! Events that come into being while the clock runs.

use super::generate::{Generated, Generator, GeneratorSettings, Organization};
use super::listing::ListingDelay;
use super::stream::Stream;

/// New events per second in each stream; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LiveRates {
    /// Admin audits per second.
    pub admin_audits: f64,
    /// Security audits per second.
    pub security_audits: f64,
    /// Events per second.
    pub events: f64,
}

impl LiveRates {
    /// The same rate for every stream.
    #[must_use]
    pub fn all(per_second: f64) -> Self {
        Self { admin_audits: per_second, security_audits: per_second, events: per_second }
    }

    pub(super) fn of(self, stream: Stream) -> f64 {
        match stream {
            Stream::AdminAudits => self.admin_audits,
            Stream::SecurityAudits => self.security_audits,
            Stream::Events => self.events,
        }
    }
}

/// One stream's live events: the n-th is created n intervals after the start, whenever somebody looks.
#[derive(Debug)]
pub(super) struct LiveStream {
    stream: Stream,
    started_ms: i64,
    interval_ms: f64,
    made: u64,
    generator: Generator,
}

/// At most so many events are made in one look, so that a clock that leaps years ahead fills no memory; the rest come with the next.
const MADE_AT_ONCE_MAX: usize = 100_000;

impl LiveStream {
    /// None where the rate is no positive number.
    pub(super) fn start(
        stream: Stream,
        per_second: f64,
        seed: u64,
        organization: Organization,
        now_ms: i64,
    ) -> Option<Self> {
        let interval_ms = 1_000.0 / per_second;
        (interval_ms.is_finite() && interval_ms > 0.0).then(|| Self {
            stream,
            started_ms: now_ms,
            interval_ms,
            made: 0,
            generator: Generator::new(seed, stream, organization),
        })
    }

    pub(super) fn stream(&self) -> Stream {
        self.stream
    }

    /// The events that were created since the last look.
    pub(super) fn due(&mut self, now_ms: i64, settings: &GeneratorSettings, delay: ListingDelay) -> Vec<Generated> {
        let mut due = Vec::new();
        while due.len() < MADE_AT_ONCE_MAX {
            let created_ms = self.created_ms(self.made + 1);
            if created_ms > now_ms {
                break;
            }
            self.made += 1;
            due.push(self.generator.item(created_ms, created_ms, settings, delay));
        }
        due
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a count of simulated events and their milliseconds fit"
    )]
    fn created_ms(&self, nth: u64) -> i64 {
        self.started_ms.saturating_add((nth as f64 * self.interval_ms) as i64)
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

    fn live(per_second: f64) -> Option<LiveStream> {
        LiveStream::start(Stream::Events, per_second, 1, Organization::new("u", "n"), 1_000)
    }

    fn look(live: &mut LiveStream, now_ms: i64) -> Vec<(i64, String)> {
        let due = live.due(now_ms, &GeneratorSettings::default(), ListingDelay::default());
        due.into_iter().map(|item| (item.event.created_ms, item.event.raw)).collect()
    }

    #[test]
    fn the_same_events_come_whenever_somebody_looks() {
        let mut often = live(4.0).unwrap();
        let mut once = live(4.0).unwrap();
        let looks: Vec<_> = (1_000..3_000).step_by(70).flat_map(|now| look(&mut often, now)).collect();
        let together = look(&mut once, 2_999);
        assert_eq!(looks, together);
        assert_eq!(
            together.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
            [1_250, 1_500, 1_750, 2_000, 2_250, 2_500, 2_750]
        );
    }

    #[test]
    fn no_rate_is_no_stream() {
        assert!(live(0.0).is_none() && live(-1.0).is_none() && live(f64::NAN).is_none());
    }
}
