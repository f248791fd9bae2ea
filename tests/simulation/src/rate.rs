//! A busy organization: so many events a second and stream, some of them listed late, and what reading them costs.
//!
//! A *single reading* is the least that brings every event once: its bytes once, on pages that are full. What is read beside
//! it is re-read: for late listings, at edges, and where a call ended within a page.

use std::fmt;

use cisco_webex_plugin::stream::Stream;
use host_harness::simulator::{RateLimit, StreamSettings};

use crate::oracle::Violation;
use crate::scenario::{CallSpec, Item, Kind, Knobs, MINUTE, Nature, SECOND, START, Scenario, Step, place_of};
use crate::trace::Detail;
use crate::world::{self, Read, Subject};

/// The default of the setting, in seconds.
const OVERLAP: i64 = 600;

/// One event in so many is listed late, by up to the overlap.
const LATE_ONE_IN: u32 = 10;

/// An answer takes so long, in ms.
pub const LATENCY: (i64, i64) = (300, 1_000);

/// What Webex allows a user in a minute, as the collector takes it to be by default.
const ALLOWED: usize = 300;

/// How long it runs before it is measured, in minutes: the overlap is full, and the first backlog read.
pub const RAMP: u32 = 12;

/// How busy the organization is.
#[derive(Clone, Debug)]
pub struct Rate {
    /// Events a second, of each stream.
    pub per_second: u32,
    /// Streams in which they are.
    pub streams: Vec<Stream>,
    /// How long it is measured, after [`RAMP`].
    pub minutes: u32,
    /// How long an answer takes, in ms: at least and at most.
    pub latency: (i64, i64),
}

/// What it costs.
#[derive(Clone, Debug)]
pub struct Figures {
    /// What was wrong.
    pub violation: Option<Violation>,
    /// Events that are not delivered, or twice.
    pub amiss: u64,
    /// Of each stream.
    pub costs: Vec<Cost>,
}

/// What one stream costs.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Which.
    pub stream: Stream,
    /// In the time that is measured.
    pub read: Read,
    /// What a single reading of the same events takes.
    pub single: Read,
}

impl Rate {
    /// As a world.
    pub fn scenario(&self) -> Scenario {
        let length = i64::from(RAMP + self.minutes) * MINUTE;
        let count = i64::from(self.per_second) * length / SECOND;
        let mut items = Vec::new();
        for stream in &self.streams {
            for n in 0..count {
                let number = u32::try_from(items.len()).unwrap_or(u32::MAX);
                // Spread evenly over the overlap, whatever the rate: by a step that shares no factor with it.
                let delay = i64::from(number / LATE_ONE_IN) * 7_919 % (OVERLAP * SECOND + 1);
                items.push(Item {
                    number,
                    stream: *stream,
                    created: START + n * SECOND / i64::from(self.per_second.max(1)),
                    delay: if number.is_multiple_of(LATE_ONE_IN) { delay } else { 0 },
                    kind: Kind::Plain,
                    resource: "messages",
                    of_type: "created",
                });
            }
        }
        let list = StreamSettings::newest_first();
        let follow = |minutes: u32| Step::Follow(i64::from(minutes) * MINUTE, CallSpec::plain());
        Scenario {
            seed: 1,
            nature: Nature {
                latency: self.latency,
                rate_limit: Some(RateLimit { requests: ALLOWED, per_ms: 60_000, retry_after: None }),
                ..Nature::plain([list.clone(), list.clone(), list])
            },
            knobs: Knobs {
                overlap: OVERLAP,
                first_fetch: 60,
                security: self.streams.contains(&Stream::SecurityAudits),
                ..Knobs::plain()
            },
            items,
            steps: vec![follow(RAMP), Step::Note, follow(self.minutes), Step::Note],
            settled: CallSpec::plain(),
            weather_stays: false,
        }
    }

    /// Runs it.
    pub fn run(&self) -> Figures {
        let scenario = self.scenario();
        let outcome = world::run(&scenario, Detail::None, Subject::default());
        let amiss = outcome.done.events.abs_diff(scenario.items.len() as u64);
        let bytes = |stream| {
            let texts = scenario.items.iter().filter(|item| item.stream == stream).take(1_000);
            let (count, bytes) = texts.fold((0_u64, 0), |(n, bytes), item| (n + 1, bytes + item.raw().len() as u64));
            // With the comma behind each.
            bytes / count.max(1) + 1
        };
        let costs = match outcome.notes.as_slice() {
            [before, after] => self
                .streams
                .iter()
                .filter_map(|stream| {
                    let read = after.read.get(place_of(*stream))?.since(before.read.get(place_of(*stream))?);
                    let single = Read {
                        requests: read.events.div_ceil(u64::from(stream.page_size())),
                        listed: read.events,
                        bytes: read.events * bytes(*stream),
                        events: read.events,
                    };
                    Some(Cost { stream: *stream, read, single })
                })
                .collect(),
            _ => Vec::new(),
        };
        Figures { violation: outcome.violation, amiss, costs }
    }
}

impl Read {
    fn since(&self, before: &Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            listed: self.listed - before.listed,
            bytes: self.bytes - before.bytes,
            events: self.events - before.events,
        }
    }
}

impl Cost {
    /// All requests, in single readings.
    pub fn requests(&self) -> f64 {
        ratio(self.read.requests, self.single.requests)
    }

    /// All items, in single readings.
    pub fn listed(&self) -> f64 {
        ratio(self.read.listed, self.single.listed)
    }

    /// All bytes, in single readings.
    pub fn bytes(&self) -> f64 {
        ratio(self.read.bytes, self.single.bytes)
    }
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
fn ratio(all: u64, single: u64) -> f64 {
    all as f64 / single.max(1) as f64
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "stream           events  requests  single  ratio     items  ratio         bytes       single  ratio"
        )?;
        for cost in &self.costs {
            let (read, single) = (cost.read, cost.single);
            writeln!(
                f,
                "{:<15} {:>7}  {:>8}  {:>6}  {:>5.2}  {:>8}  {:>5.2}  {:>12} {:>12}  {:>5.2}",
                cost.stream.name(),
                read.events,
                read.requests,
                single.requests,
                cost.requests(),
                read.listed,
                cost.listed(),
                read.bytes,
                single.bytes,
                cost.bytes(),
            )?;
        }
        write!(f, "a ratio is all that was read, in single readings; what is read again is one less")
    }
}
