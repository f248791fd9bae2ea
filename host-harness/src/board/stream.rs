//! One stream: what its reports came to, and when it last got on.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::clock::Moment;
use super::rate::Rate;
use super::view::{Backlog, Counts, Trouble};
use crate::log::plain;
use crate::runtime::{Failure, Report, Retry};

/// Samples of the watermark, from which the rate of a backlog is reckoned, are so far apart at least,
const BETWEEN_SAMPLES: Duration = Duration::from_secs(5);
/// and at most so old: what was quick then says nothing of now.
const SAMPLED: Duration = Duration::from_secs(5 * 60);

/// Moves of the frontier that say how far behind it is at best: some, so that a clock that was set is forgotten.
const PACES: usize = 20;

/// What is known of a stream.
#[derive(Clone, Debug)]
pub(super) struct StreamState {
    pub(super) lag_ms: Option<u64>,
    pub(super) watermark: Option<i64>,
    pub(super) frontier: Option<i64>,
    pub(super) pending: u32,
    pub(super) counts: Counts,
    pub(super) per_minute: Rate,
    pub(super) requests: Rate,
    pub(super) failure: Option<Trouble>,
    /// Whether the failure goes by waiting.
    pub(super) is_passing: bool,
    pub(super) warnings: BTreeMap<String, Trouble>,
    /// When the frontier moved last; at first, when the stream was met.
    moved: Duration,
    /// The same of the watermark.
    pub(super) completed: Duration,
    /// How far the program's own time was ahead of the frontier at its last moves, in milliseconds; only differences mean something.
    pace: VecDeque<i64>,
    started_at: Option<i64>,
    samples: VecDeque<(Duration, i64)>,
}

impl StreamState {
    pub(super) fn new(now: Moment) -> Self {
        Self {
            lag_ms: None,
            watermark: None,
            frontier: None,
            pending: 0,
            counts: Counts::default(),
            per_minute: Rate::by_minute(),
            requests: Rate::by_second(),
            failure: None,
            is_passing: true,
            warnings: BTreeMap::new(),
            moved: now.since,
            completed: now.since,
            pace: VecDeque::new(),
            started_at: None,
            samples: VecDeque::new(),
        }
    }

    /// Takes note of what a call did whose batch is recorded.
    pub(super) fn note(&mut self, report: &Report, now: Moment) {
        let counts = &mut self.counts;
        counts.listed += report.listed;
        counts.delivered += report.delivered;
        counts.repeated += report.repeated;
        counts.late += report.late;
        counts.odd += report.odd;
        counts.gaps += u64::try_from(report.gaps.len()).unwrap_or(u64::MAX);
        counts.requests += report.requests;
        counts.retries += report.retries;
        counts.waited_ms = counts.waited_ms.saturating_add(report.waited_ms);
        self.per_minute.add(report.delivered, now.since);
        self.requests.add(report.requests, now.since);
        if report.frontier > self.frontier {
            self.moved = now.since;
            self.pace.extend(report.frontier.map(|frontier| millis(now.since) - frontier));
            if self.pace.len() > PACES {
                self.pace.pop_front();
            }
        }
        // What is complete stays so: that a reset moves it back is no getting on, but a new beginning.
        if report.watermark != self.watermark || report.pending == 0 {
            self.completed = now.since;
        }
        if report.watermark < self.watermark {
            (self.started_at, self.moved) = (None, now.since);
            self.samples.clear();
            self.pace.clear();
        }
        self.lag_ms = report.lag_ms.or(self.lag_ms);
        self.watermark = report.watermark.or(self.watermark);
        self.frontier = report.frontier.or(self.frontier);
        self.pending = report.pending;
        self.note_backlog(now);
        self.note_failure(report.failure.as_ref(), now);
        for warning in self.warnings.values_mut() {
            warning.holds = false;
        }
        for warning in &report.warnings {
            let trouble = Trouble {
                at: now.wall,
                code: warning.code.clone(),
                text: warning.text.clone(),
                remedy: warning.remedy.clone(),
                holds: true,
            };
            self.warnings.insert(warning.code.clone(), trouble);
        }
        self.warnings.retain(|_, warning| warning.holds);
    }

    fn note_failure(&mut self, failure: Option<&Failure>, now: Moment) {
        let Some(failure) = failure else {
            if let Some(over) = &mut self.failure {
                over.holds = false;
            }
            return;
        };
        *self.counts.failures.entry(failure.code.clone()).or_default() += 1;
        self.is_passing = matches!(failure.retry, Retry::At(_));
        self.failure = Some(Trouble {
            at: now.wall,
            code: failure.code.clone(),
            text: plain(&failure.message),
            remedy: failure.remedy.clone(),
            holds: true,
        });
    }

    fn note_backlog(&mut self, now: Moment) {
        let Some(watermark) = self.watermark.filter(|_| self.pending > 0) else {
            self.started_at = None;
            self.samples.clear();
            return;
        };
        self.started_at.get_or_insert(watermark);
        if self.samples.back().is_none_or(|(at, _)| now.since >= *at + BETWEEN_SAMPLES) {
            self.samples.push_back((now.since, watermark));
            self.samples.retain(|(at, _)| now.since <= *at + SAMPLED);
        }
    }

    /// How long nothing more is taken up: by how much the frontier is further behind than at the best of its last moves. A move that is too
    /// short, as the last one to a clock that has stopped, does not make up for the time before it.
    pub(super) fn still(&self, now: Moment) -> Duration {
        match (self.frontier, self.pace.iter().min()) {
            (Some(frontier), Some(best)) => {
                Duration::from_millis(u64::try_from(millis(now.since) - frontier - best).unwrap_or(0))
            }
            _ => now.since.saturating_sub(self.moved),
        }
    }

    /// What is taken up and not drained, and when it will be if it goes on as in the last minutes.
    pub(super) fn backlog(&self, now: Moment) -> Option<Backlog> {
        let (started, watermark, frontier) = (self.started_at?, self.watermark?, self.frontier?);
        let share = |part: i64, whole: i64| part.max(0) as f64 / whole.max(1) as f64;
        let done = share(watermark - started, frontier - started).min(1.0);
        let per_ms = match (self.samples.front(), self.samples.back()) {
            (Some((first, from)), Some((last, to))) if last > first => {
                let took = i64::try_from((*last - *first).as_millis()).unwrap_or(i64::MAX);
                share(to - from, took)
            }
            _ => 0.0,
        };
        let left = (frontier - watermark).max(0) as f64;
        // The conversion saturates: a backlog of centuries ends some day.
        let ends = (per_ms > 0.0).then(|| now.wall.saturating_add((left / per_ms) as i64));
        Some(Backlog { intervals: self.pending, done, ends })
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
