//! What a collection came to, stream by stream.

use std::collections::BTreeMap;

use crate::log::{Level, Log};
use crate::runtime::{Failure, Gap, Report, in_words, time};

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
    /// Delivered items that are not as documented.
    pub odd: u64,
    /// HTTP requests.
    pub requests: u64,
    /// Requests that were repetitions.
    pub retries: u64,
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
    /// Codes of warnings that were told.
    warned: Vec<String>,
    /// Why the stream could not go on in the last call.
    pub failure: Option<Failure>,
}

/// Gaps that are kept for the summary; all of them are told when they arise.
const MAX_GAPS: usize = 100;

impl Totals {
    /// Adds what one call did; gaps, new warnings and new failures are told at once.
    pub(super) fn add(&mut self, reports: &[Report], log: &Log) {
        for report in reports {
            let total = self.streams.entry(report.stream.clone()).or_default();
            total.add(report, log);
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
}

impl StreamTotal {
    fn add(&mut self, report: &Report, log: &Log) {
        self.listed += report.listed;
        self.delivered += report.delivered;
        self.repeated += report.repeated;
        self.late += report.late;
        self.odd += report.odd;
        self.requests += report.requests;
        self.retries += report.retries;
        self.watermark = report.watermark.or(self.watermark);
        self.started_at = self.started_at.or(report.watermark);
        self.frontier = report.frontier.or(self.frontier);
        self.pending = report.pending;

        let field = [("stream".to_owned(), report.stream.clone())];
        for gap in &report.gaps {
            let text = format!("not collected: {} to {}, {}", time(gap.from), time(gap.to), gap.reason);
            log.write(Level::Warn, "gap", &text, &field);
            if self.gaps.len() < MAX_GAPS {
                self.gaps.push(gap.clone());
            }
        }
        for warning in &report.warnings {
            if !self.warned.contains(&warning.code) {
                self.warned.push(warning.code.clone());
                let text = format!("{} {}", warning.text, warning.remedy);
                log.write(Level::Warn, &warning.code, text.trim(), &field);
            }
        }
        if let Some(failure) = &report.failure {
            let told = self.failure.as_ref().is_some_and(|before| before.code == failure.code);
            if !told {
                log.write(Level::Warn, &failure.code, &in_words(failure), &field);
            }
        }
        self.failure.clone_from(&report.failure);
    }
}
