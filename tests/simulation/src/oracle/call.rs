//! What one call promises: its report, its bounds, its time.

use cisco_webex_plugin::fetch::{Batch, Next, ReRead, Report};
use cisco_webex_plugin::last_run::{LastRun, Stored, StreamState};
use cisco_webex_plugin::stream::Stream;

use super::{Invariant, Violation};
use crate::scenario::{DAY, HOUR, SECOND};
use crate::world::HTTP_TIMEOUT;

/// Intervals that a query keeps apart (`window::MOST_PENDING`), and 40 cuts within a call before they are merged again.
const MOST_PENDING: usize = 256 + 40;
/// Ids that a stream remembers (`seen::SEEN_MAX`).
const MOST_SEEN: usize = 400_000;
/// A head is kilobytes: 256 intervals of 100 bytes, and the links that are in hand, a few with up to 1,000 hashes.
const MOST_HEAD: usize = 256 * 1024;
/// A part, by the contract.
const MOST_PART: usize = 64 * 1024;
/// A part's name, by the contract.
const MOST_NAME: usize = 64;
/// Requests in a call of a world with 240 items: each item on a page of its own, four times over.
const MOST_REQUESTS: u64 = 1_000;
/// What secrets and the last steps of a call may take beyond the budget and one HTTP timeout, in ms.
const SLACK: i64 = SECOND;

/// One call as the host knows it. Times in ms.
#[derive(Clone, Debug)]
pub struct CallFacts {
    /// By the origin's clock.
    pub begun: i64,
    /// By the origin's clock.
    pub ended: i64,
    /// How far this machine's clock was ahead at most; 0: never.
    pub ahead: i64,
    /// What was asked for.
    pub streams: Vec<Stream>,
    /// Of each stream.
    pub max_events: u32,
    /// In all.
    pub max_bytes: u64,
    /// Of time.
    pub budget: i64,
    /// A stretch was read again instead.
    pub re_read: Option<ReRead>,
    /// Whether the origin says what time it is.
    pub dates: bool,
}

impl CallFacts {
    pub(super) fn check(&self, batch: &Batch, state: &LastRun) -> Result<(), Violation> {
        let took = self.ended - self.begun;
        if took > self.budget + HTTP_TIMEOUT + SLACK {
            return fail(Invariant::I8, format!("a call with a budget of {} ms took {took} ms", self.budget));
        }
        if let Next::NotBefore(time) = batch.next
            && time.as_millis() > self.ended + self.ahead + DAY + SLACK
        {
            return fail(Invariant::I8, format!("it is to wait until {time}, more than a day"));
        }
        let reported: Vec<Stream> = batch.reports.iter().map(|report| report.stream).collect();
        let mut asked = self.streams.clone();
        asked.sort_unstable();
        if reported != asked {
            return fail(Invariant::I5, format!("reports of {reported:?}, asked for {asked:?}"));
        }
        stored(&batch.last_run)?;
        for report in &batch.reports {
            self.of_stream(report, batch)?;
            if let Some(state) = state.streams.get(&report.stream) {
                self.of_state(report, state)?;
            }
        }
        Ok(())
    }

    fn of_stream(&self, report: &Report, batch: &Batch) -> Result<(), Violation> {
        let stream = report.stream;
        let events = batch.events.iter().filter(|event| event.stream == stream);
        let (count, bytes) = events.fold((0_u64, 0), |(n, bytes), event| (n + 1, bytes + event.body.len() as u64));
        if count != report.delivered {
            return fail(Invariant::I4, format!("{stream} reports {} delivered, and {count} are", report.delivered));
        }
        if count > u64::from(self.max_events.max(1)) {
            return fail(
                Invariant::I7,
                format!("{count} events of {stream}, at most {} were asked for", self.max_events),
            );
        }
        if count > 1 && bytes > self.max_bytes {
            return fail(
                Invariant::I7,
                format!("{bytes} bytes of {stream}, at most {} were asked for", self.max_bytes),
            );
        }
        if report.requests > MOST_REQUESTS {
            return fail(Invariant::I7, format!("{} requests of {stream} in one call", report.requests));
        }
        let counted: u64 = report.lateness.counts().map(|(_, events)| events).sum();
        if counted > report.late || report.late > report.delivered || report.retries > report.requests {
            return fail(Invariant::I4, format!("the counts of {stream} contradict each other: {report:?}"));
        }
        Ok(())
    }

    fn of_state(&self, report: &Report, state: &StreamState) -> Result<(), Violation> {
        let stream = report.stream;
        if state.pending() > MOST_PENDING * state.lanes.len() || report.pending != state.pending() {
            return fail(Invariant::I7, format!("{} intervals of {stream} are pending", state.pending()));
        }
        if state.seen.len() > MOST_SEEN {
            return fail(Invariant::I7, format!("{} ids of {stream} are remembered", state.seen.len()));
        }
        if report.watermark != state.watermark() || report.frontier != state.frontier() {
            return fail(Invariant::I2, format!("{stream} reports another watermark or frontier than it stores"));
        }
        for lane in &state.lanes {
            let (watermark, frontier) = (lane.window.watermark(), lane.window.frontier());
            if watermark > frontier {
                return fail(Invariant::I2, format!("the watermark {watermark} of {stream} is beyond {frontier}"));
            }
            // By a clock that nobody has contradicted yet, a first fetch may begin later than the origin's now.
            let is_begun = lane.window.start() < frontier;
            if self.dates && is_begun && frontier.as_millis() > self.ended {
                return fail(
                    Invariant::I2,
                    format!("the frontier {frontier} of {stream} is beyond the origin's clock"),
                );
            }
            if !self.dates && frontier.as_millis() > self.ended + HOUR {
                return fail(Invariant::I2, format!("the frontier {frontier} of {stream} is in the future"));
            }
        }
        Ok(())
    }
}

/// What a host must be able to store.
fn stored(stored: &Stored) -> Result<(), Violation> {
    if stored.head.len() > MOST_HEAD {
        return fail(Invariant::I7, format!("the head of last-run has {} bytes", stored.head.len()));
    }
    for (name, body) in &stored.parts {
        let is_name = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let length = body.as_ref().map_or(0, String::len);
        if length > MOST_PART || name.is_empty() || name.len() > MOST_NAME || !is_name {
            return fail(Invariant::I7, format!("part `{name}` of last-run has {length} bytes"));
        }
    }
    Ok(())
}

fn fail(invariant: Invariant, what: String) -> Result<(), Violation> {
    Err(Violation::new(invariant, what))
}
