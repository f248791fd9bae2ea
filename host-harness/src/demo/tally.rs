//! What was collected, against the simulated tenant's own list.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::simulator::{SimulatedTenant, Stream};
use crate::sink::Sinks;

/// Counts by stream.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How often each id was delivered, by stream.
    delivered: BTreeMap<String, BTreeMap<String, u64>>,
    /// By stream, as of the last comparison.
    pub streams: BTreeMap<String, StreamTally>,
}

/// One stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamTally {
    /// Events in the tenant's own list.
    pub listed: u64,
    /// Lines that were delivered.
    pub delivered: u64,
    /// Listed and not delivered.
    pub lost: u64,
    /// Delivered more than once, counted from the second time on.
    pub repeated: u64,
    /// Delivered and not in the list.
    pub invented: u64,
}

/// The one field of an event that identifies it at the tenant.
#[derive(Deserialize)]
struct Identified {
    id: String,
}

/// The plugin's name of a stream.
fn name(stream: Stream) -> &'static str {
    match stream {
        Stream::AdminAudits => "admin_audits",
        Stream::SecurityAudits => "security_audits",
        Stream::Events => "events",
    }
}

impl Tally {
    /// Adds what the sinks in memory have taken.
    pub(super) fn take(&mut self, sinks: &Sinks) {
        for event in sinks.kept() {
            // Read from the body, as whoever receives it does; one without an id is in no list and shows as invented.
            let id = serde_json::from_str::<Identified>(event.body).map(|body| body.id).unwrap_or_default();
            *self.delivered.entry(event.stream.to_owned()).or_default().entry(id).or_default() += 1;
        }
    }

    /// Compares with what is listed by now.
    pub(super) fn compare(&mut self, webex: &SimulatedTenant) {
        for stream in Stream::ALL {
            let listed: Vec<String> = webex.listed(stream).into_iter().filter_map(|event| event.id).collect();
            let mut delivered = self.delivered.get(name(stream)).cloned().unwrap_or_default();
            let mut tally = StreamTally {
                listed: count(listed.len()),
                delivered: delivered.values().sum(),
                repeated: delivered.values().map(|times| times.saturating_sub(1)).sum(),
                ..StreamTally::default()
            };
            tally.lost = count(listed.iter().filter(|id| delivered.remove(id.as_str()).is_none()).count());
            tally.invented = count(delivered.len());
            self.streams.insert(name(stream).to_owned(), tally);
        }
    }

    /// Listed and not delivered, in all streams.
    pub fn lost(&self) -> u64 {
        self.streams.values().map(|stream| stream.lost).sum()
    }

    /// Whether each listed event was delivered once, and nothing else.
    pub fn is_exact(&self) -> bool {
        self.streams.values().all(|stream| stream.lost == 0 && stream.repeated == 0 && stream.invented == 0)
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
