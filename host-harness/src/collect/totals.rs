//! What calls came to, stream by stream: of a round, of a re-audit, of a whole run.

use std::collections::BTreeMap;

use crate::runtime::{Failure, Gap, Report, Warning};

/// Sums over calls.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Totals {
    /// Calls of `fetch-events`.
    pub calls: u64,
    /// By stream.
    pub streams: BTreeMap<String, StreamTotal>,
}

/// One stream's sums, and where it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamTotal {
    /// Items in the pages that were read.
    pub listed: u64,
    /// Events that were delivered.
    pub delivered: u64,
    /// Items dropped because they were delivered before.
    pub repeated: u64,
    /// Delivered events that were listed late.
    pub late: u64,
    /// The same by the age that they had when they were met.
    pub lateness: Lateness,
    /// Delivered items that are not as documented.
    pub odd: u64,
    /// Slices that were read to their last page.
    pub drained: u64,
    /// HTTP requests.
    pub requests: u64,
    /// Requests that were repetitions.
    pub retries: u64,
    /// Time that requests waited, in milliseconds.
    pub waited_ms: u64,
    /// How far the watermark is behind the product's clock, in milliseconds.
    pub lag_ms: Option<u64>,
    /// Everything listed up to here is delivered; milliseconds since the epoch.
    pub watermark: Option<i64>,
    /// Where the watermark stood after the first call.
    pub started_at: Option<i64>,
    /// The latest time that was taken up.
    pub frontier: Option<i64>,
    /// Intervals that are not drained yet.
    pub pending: u32,
    /// Time that was not and will not be collected.
    pub gaps: Vec<Gap>,
    /// What a person should know, once a code: the last of each.
    pub warnings: BTreeMap<String, Warning>,
    /// Why the stream could not go on in the last call.
    pub failure: Option<Failure>,
}

/// How many late events were how old: by the upper end of a class in milliseconds, `u64::MAX` for the last one, whose
/// events are older than any other's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lateness(BTreeMap<u64, u64>);

/// Gaps that are kept for the summary; all of them are told when they arise.
const MAX_GAPS: usize = 100;

impl Totals {
    /// Adds what one call did.
    pub(super) fn add(&mut self, reports: &[Report]) {
        for report in reports {
            self.streams.entry(report.stream.clone()).or_default().add(report);
        }
    }

    /// Events delivered in all streams.
    pub fn delivered(&self) -> u64 {
        self.streams.values().map(|stream| stream.delivered).sum()
    }

    /// The streams that could not go on in their last call.
    pub fn failed(&self) -> impl Iterator<Item = (&str, &Failure)> {
        self.streams.iter().filter_map(|(name, stream)| Some((name.as_str(), stream.failure.as_ref()?)))
    }

    /// The latest time that was taken up in any stream.
    pub(super) fn taken_up(&self) -> Option<i64> {
        self.streams.values().filter_map(|stream| stream.frontier).max()
    }
}

impl StreamTotal {
    fn add(&mut self, report: &Report) {
        self.listed += report.listed;
        self.delivered += report.delivered;
        self.repeated += report.repeated;
        self.late += report.late;
        self.lateness.add(report);
        self.odd += report.odd;
        self.drained += u64::from(report.drained);
        self.requests += report.requests;
        self.retries += report.retries;
        self.waited_ms = self.waited_ms.saturating_add(report.waited_ms);
        self.lag_ms = report.lag_ms.or(self.lag_ms);
        self.watermark = report.watermark.or(self.watermark);
        self.started_at = self.started_at.or(report.watermark);
        self.frontier = report.frontier.or(self.frontier);
        self.pending = report.pending;
        let room = MAX_GAPS.saturating_sub(self.gaps.len());
        self.gaps.extend(report.gaps.iter().take(room).cloned());
        self.warnings.extend(report.warnings.iter().map(|warning| (warning.code.clone(), warning.clone())));
        self.failure.clone_from(&report.failure);
    }
}

impl Lateness {
    fn add(&mut self, report: &Report) {
        for class in &report.lateness {
            *self.0.entry(class.up_to_ms.unwrap_or(u64::MAX)).or_default() += class.events;
        }
    }

    /// The classes, youngest first: their upper end in milliseconds, none for the last one, and the events in them.
    pub fn classes(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        self.0.iter().map(|(up_to, events)| (Some(*up_to).filter(|up_to| *up_to != u64::MAX), *events))
    }
}

/// Reports for tests.
#[cfg(test)]
pub(super) mod sample {
    use crate::runtime::{Failure, Report, Retry};

    /// Of a call that found nothing.
    pub(in crate::collect) fn report() -> Report {
        Report {
            stream: "events".into(),
            user: "compliance_officer".into(),
            listed: 0,
            delivered: 0,
            repeated: 0,
            late: 0,
            lateness: Vec::new(),
            odd: 0,
            requests: 1,
            retries: 0,
            waited_ms: 0,
            drained: 1,
            lag_ms: Some(5_034),
            watermark: Some(1_767_225_595_000),
            frontier: Some(1_767_225_595_000),
            pending: 0,
            gaps: Vec::new(),
            warnings: Vec::new(),
            failure: None,
        }
    }

    pub(in crate::collect) fn failure(code: &str) -> Failure {
        Failure {
            code: code.into(),
            user: None,
            stream: None,
            message: "Webex answered 403".into(),
            remedy: "switch it on".into(),
            tracking_id: None,
            retry: Retry::AfterAChange,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Lateness as Class;

    #[test]
    fn sums_are_added_and_states_are_those_of_the_last_call() {
        let class = |up_to_ms, events| Class { up_to_ms, events };
        let first = Report {
            listed: 10,
            delivered: 7,
            repeated: 3,
            late: 3,
            lateness: vec![class(Some(60_000), 2), class(None, 1)],
            waited_ms: 500,
            pending: 2,
            failure: Some(sample::failure("unavailable")),
            ..sample::report()
        };
        let second = Report {
            late: 1,
            lateness: vec![class(Some(60_000), 0), class(Some(600_000), 1)],
            lag_ms: None,
            watermark: None,
            ..first.clone()
        };
        let mut totals = Totals::default();
        totals.add(&[first]);
        totals.add(&[second, sample::report()]);
        assert_eq!(totals.delivered(), 14);
        assert_eq!(totals.failed().count(), 0);
        let stream = totals.streams.get("events").cloned().unwrap_or_default();
        assert_eq!((stream.listed, stream.repeated, stream.late, stream.drained), (20, 6, 4, 3));
        assert_eq!((stream.waited_ms, stream.pending, stream.lag_ms), (1_000, 0, Some(5_034)));
        let classes: Vec<_> = stream.lateness.classes().collect();
        assert_eq!(classes, [(Some(60_000), 2), (Some(600_000), 1), (None, 1)]);
    }
}
