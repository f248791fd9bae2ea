//! Events as a plugin hands them over: many bodies in one text, from which a sink takes each, or all at once.

use super::{Bundle, EventHead};

/// One event of a [`Bundle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Unique over streams and organizations, the same whenever the event is read.
    pub id: &'a str,
    /// Whose; empty where no organization is configured.
    pub org: &'a str,
    /// The stream's name.
    pub stream: &'a str,
    /// When it happened, in milliseconds since the epoch, if the product said so.
    pub created: Option<i64>,
    /// One line of JSON, without its end.
    pub body: &'a str,
}

impl Bundle {
    /// Each event with its body.
    pub fn each(&self) -> impl Iterator<Item = Event<'_>> {
        let Self { stream, org, events, lines } = self;
        events.iter().zip(lines.split_terminator('\n')).map(|(head, body)| {
            let EventHead { id, created } = head;
            Event { id, org, stream, created: *created, body }
        })
    }

    /// The same of several bundles.
    pub fn each_of(bundles: &[Self]) -> impl Iterator<Item = Event<'_>> {
        bundles.iter().flat_map(Self::each)
    }

    /// How many events there are in several bundles.
    pub fn count(bundles: &[Self]) -> usize {
        bundles.iter().map(|bundle| bundle.events.len()).sum()
    }
}
