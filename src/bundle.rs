//! Events as they leave the plugin: the bodies of many as one text, so that it crosses to the host, and goes to the disk, in one
//! piece.

use crate::event::Event;
use crate::stream::Stream;
use crate::time::Timestamp;

/// Bytes of lines that room is made for before there are so many: a page of usual items.
const MOST_RESERVED: usize = 4 * 1024 * 1024;

/// Events of one stream and organization (`wit/types.wit`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Of which stream.
    pub stream: Stream,
    /// Whose; empty where no organization is configured.
    pub org: String,
    /// What is said of each.
    pub events: Vec<Head>,
    /// The body of each, in the same order, with a line feed behind it.
    pub lines: String,
}

/// An event without its body, and without what all of its bundle have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// As of [`Event`].
    pub id: String,
    /// As of [`Event`].
    pub created: Option<Timestamp>,
}

/// Events in the order in which they are delivered.
#[derive(Clone, Debug, Default)]
pub struct Events {
    bundles: Vec<Bundle>,
    /// Of all bundles.
    count: usize,
    /// Bytes of lines that may follow.
    coming: usize,
    /// Bytes that the last bundle has room for.
    room: usize,
}

impl Events {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// About so many bytes of lines may follow: the next bundle has room for them, and is not moved while it grows.
    pub fn expect(&mut self, bytes: usize) {
        self.coming = bytes.min(MOST_RESERVED);
    }

    /// Adds one.
    pub fn push(&mut self, event: Event) {
        let Event { id, org, stream, created, body } = event;
        let length = body.len() + 1;
        let takes = |last: &&mut Bundle| self.room >= length && last.stream == stream && last.org == org;
        let head = Head { id, created };
        match self.bundles.last_mut().filter(takes) {
            Some(last) => last.add(head, &body),
            None => {
                self.room = self.coming.max(length);
                let lines = String::with_capacity(self.room);
                let mut bundle = Bundle { stream, org, events: Vec::new(), lines };
                bundle.add(head, &body);
                self.bundles.push(bundle);
            }
        }
        self.count += 1;
        self.room -= length;
        self.coming = self.coming.saturating_sub(length);
    }

    /// Adds all of another one.
    pub fn append(&mut self, other: Self) {
        self.bundles.extend(other.bundles);
        self.count += other.count;
        self.room = other.room;
    }

    /// When the last one happened.
    pub fn last_created(&self) -> Option<Timestamp> {
        self.bundles.last()?.events.last()?.created
    }

    /// Each of them, whole.
    pub fn iter(&self) -> impl Iterator<Item = Event> {
        self.bundles.iter().flat_map(Bundle::iter)
    }

    /// As they are kept.
    pub fn into_bundles(self) -> Vec<Bundle> {
        self.bundles
    }
}

impl PartialEq for Events {
    /// The same events, however they are bundled.
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.iter().eq(other.iter())
    }
}

impl Eq for Events {}

impl FromIterator<Event> for Events {
    fn from_iter<I: IntoIterator<Item = Event>>(events: I) -> Self {
        let events: Vec<Event> = events.into_iter().collect();
        let mut all = Self::default();
        all.expect(events.iter().map(|event| event.body.len() + 1).sum());
        events.into_iter().for_each(|event| all.push(event));
        all
    }
}

impl Bundle {
    fn add(&mut self, head: Head, body: &str) {
        self.events.push(head);
        self.lines.push_str(body);
        self.lines.push('\n');
    }

    fn iter(&self) -> impl Iterator<Item = Event> {
        let whole = |(head, body): (&Head, &str)| Event {
            id: head.id.clone(),
            org: self.org.clone(),
            stream: self.stream,
            created: head.created,
            body: body.to_owned(),
        };
        self.events.iter().zip(self.lines.split_terminator('\n')).map(whole)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn event(number: usize, stream: Stream, org: &str) -> Event {
        let body = format!("{{\"id\":{number},\"x\":\"{}\"}}", "y".repeat(number % 7));
        Event { id: format!("{stream}:{org}:{number}"), org: org.to_owned(), stream, created: None, body }
    }

    #[test]
    fn events_come_out_as_they_went_in_in_their_order() {
        let streams = [Stream::Events, Stream::Events, Stream::AdminAudits];
        let of =
            |number: usize| event(number, *streams.get(number % 3).unwrap(), ["a", "b"].get(number / 5 % 2).unwrap());
        let want: Vec<Event> = (0..40).map(of).collect();
        let mut events = Events::default();
        for (number, event) in want.iter().enumerate() {
            events.expect(number * 10);
            events.push(event.clone());
        }
        assert_eq!((events.len(), events.iter().collect::<Vec<_>>()), (40, want.clone()));
        assert_eq!(events, want.into_iter().collect(), "however they are bundled");
    }

    #[test]
    fn a_bundle_is_of_one_stream_and_organization_and_has_room_for_what_was_expected() {
        let mut events = Events::default();
        events.expect(1_000);
        (0..30).for_each(|number| events.push(event(number, Stream::Events, "a")));
        events.push(event(30, Stream::Events, "b"));
        events.push(event(31, Stream::AdminAudits, "b"));
        let counts: Vec<_> = events.into_bundles().into_iter().map(|bundle| bundle.events.len()).collect();
        assert_eq!(counts, [30, 1, 1]);
    }

    #[test]
    fn each_body_is_a_line() {
        let all: Events = (0..3).map(|number| event(number, Stream::Events, "")).collect();
        let bundles = all.into_bundles();
        let lines: Vec<_> = bundles.iter().map(|bundle| bundle.lines.as_str()).collect();
        assert_eq!(lines, ["{\"id\":0,\"x\":\"\"}\n{\"id\":1,\"x\":\"y\"}\n{\"id\":2,\"x\":\"yy\"}\n"]);
    }
}
