//! Which items were delivered, as far back as they can be listed again.
//!
//! An id is a keyed 64-bit hash and belongs to the stretch of time in which it was met: its page, not its own idea of when
//! it happened, decides how long it is remembered.

pub mod packed;

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip::SipHasher24;

use crate::item::Identity;
use crate::last_run::Kept;
use crate::stream::Stream;
use crate::time::{Span, Timestamp};
use crate::window::{EDGE, Interval};
use packed::{NotPacked, Packed};

/// Most ids that are remembered for a stream: 11 bytes each in the state, about 20 in memory where they can be met. At 200
/// events a second it is half an hour. Beyond it events come twice rather than not at all, and are counted.
pub const SEEN_MAX: usize = 400_000;

/// Ids in a segment before the next one is begun: 32 KiB in the state, which is written only when it changes.
pub const SEGMENT_MAX: usize = 4_096;

/// How long a stretch is at most that several become one of, once nothing in it can be listed: what is read again by request
/// opens little more than that.
const MERGED: Span = Span::secs(3_600);

/// How far around a slice's edge an id may be listed by the neighbour: the neighbour's own widening and ours.
const AROUND: Span = EDGE.times(2);

/// A keyed hash of stream and identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SeenId(pub u64);

/// The key of a tenant's hashes, drawn when its state begins, so that nobody can make ids that collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeenKey(pub [u8; 16]);

/// Ids met in one stretch of time. Two are equal if they hold the same ids, packed or not. Packed as long as nothing in it can be
/// listed: then it passes through a call unread, and by its name alone where its text is kept elsewhere.
#[derive(Clone, Debug)]
pub struct Segment {
    /// The stretch: as long as it may be listed again, the ids are kept.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// In the order in which they were met; empty while it is only packed.
    ids: Vec<u64>,
    /// As stored, if nothing was added since.
    packed: Option<Packed>,
}

impl PartialEq for Segment {
    fn eq(&self, other: &Self) -> bool {
        let name = |segment: &Self| segment.clone().into_packed().name;
        (self.from, self.to) == (other.from, other.to) && name(self) == name(other)
    }
}

impl Eq for Segment {}

impl Segment {
    /// Of these ids.
    pub fn open(from: Timestamp, to: Timestamp, ids: Vec<u64>) -> Self {
        Self { from, to, ids, packed: None }
    }

    /// As it was stored.
    pub fn packed(from: Timestamp, to: Timestamp, packed: Packed) -> Self {
        Self { from, to, ids: Vec::new(), packed: Some(packed) }
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.packed.as_ref().map_or(self.ids.len(), |packed| packed.count)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids; none: they are packed.
    pub fn ids(&self) -> Option<&[u64]> {
        (self.packed.is_none() || !self.ids.is_empty()).then_some(self.ids.as_slice())
    }

    /// To be stored apart. What was stored and is unchanged is the same text, not a copy of it.
    pub fn into_packed(self) -> Packed {
        self.packed.unwrap_or_else(|| Packed::of(&self.ids))
    }

    /// What it was stored as, if nothing was added since.
    pub fn as_packed(&self) -> Option<&Packed> {
        self.packed.as_ref()
    }

    fn unpacked(&self, kept: &Kept) -> Result<Vec<u64>, NotPacked> {
        match (self.ids(), &self.packed) {
            (None, Some(packed)) => packed.ids(kept),
            (ids, _) => Ok(ids.unwrap_or_default().to_vec()),
        }
    }

    fn push(&mut self, id: u64) {
        self.ids.push(id);
        self.packed = None;
    }

    /// Whether an id that is met now can be put into it.
    fn takes(&self, from: Timestamp, to: Timestamp) -> bool {
        self.from == from && self.to == to && self.len() < SEGMENT_MAX && self.ids().is_some()
    }
}

/// The seen set of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    segments: Vec<Segment>,
    index: HashSet<u64, BuildHasherDefault<Prehashed>>,
    /// Ids that were forgotten because there were too many, ever.
    forgotten: u64,
    kept: Kept,
}

impl SeenKey {
    /// The hash of an item. `org`: as of its query's [`Lane`](crate::settings::Lane); what is listed for two organizations is
    /// delivered for both.
    pub fn id(self, stream: Stream, org: Option<&str>, identity: &Identity<'_>) -> SeenId {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(stream.name().as_bytes());
        if let Some(org) = org {
            hasher.write(b"\0org\0");
            hasher.write(org.as_bytes());
        }
        match identity {
            Identity::Text(id) => {
                hasher.write(b"\0text\0");
                hasher.write(id.as_bytes());
            }
            Identity::Number(number) => {
                hasher.write(b"\0number\0");
                hasher.write(number.as_bytes());
            }
            Identity::Bytes(digest) => {
                hasher.write(b"\0bytes\0");
                hasher.write(digest);
            }
        }
        SeenId(hasher.finish())
    }

    /// The hash of a link, for finding loops.
    pub fn link(self, link: &str) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(b"link\0");
        hasher.write(link.as_bytes());
        hasher.finish()
    }
}

impl Seen {
    /// From stored segments, of which some are `kept` elsewhere. Nothing is found in them before [`open`](Self::open).
    pub fn from_segments(segments: Vec<Segment>, forgotten: u64, kept: Kept) -> Self {
        Self { segments, index: HashSet::default(), forgotten, kept }
    }

    /// Unpacks what is `needed`. The others cannot be met.
    pub fn open(&mut self, needed: impl Fn(Timestamp, Timestamp) -> bool) -> Result<(), NotPacked> {
        for segment in self.segments.iter_mut().filter(|segment| needed(segment.from, segment.to)) {
            segment.ids = segment.unpacked(&self.kept)?;
        }
        self.build_index();
        Ok(())
    }

    /// In the room of the one before; made once as large as it has to be, since a set that grows is there twice meanwhile.
    fn build_index(&mut self) {
        self.index.clear();
        self.index.reserve(self.segments.iter().map(|segment| segment.ids.len()).sum());
        self.index.extend(self.segments.iter().flat_map(|segment| segment.ids.iter().copied()));
    }

    /// What is remembered, in the order in which it was met.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// What is to be stored.
    pub fn into_segments(self) -> Vec<Segment> {
        self.segments
    }

    /// Number of ids.
    pub fn len(&self) -> usize {
        self.segments.iter().map(Segment::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Ids that were forgotten because there were too many, ever.
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Whether it was delivered.
    pub fn contains(&self, id: SeenId) -> bool {
        self.index.contains(&id.0)
    }

    /// Remembers an id that was met while `interval` was read. `recent`: the interval touches the overlap behind the
    /// frontier, of length `overlap`, which is read again.
    /// False: it is remembered already.
    pub fn insert(
        &mut self,
        id: SeenId,
        created: Option<Timestamp>,
        interval: &Interval,
        recent: Option<Span>,
    ) -> bool {
        if !self.index.insert(id.0) {
            return false;
        }
        let (from, to) = stretch(created, interval, recent);
        match self.segments.iter_mut().rev().find(|segment| segment.takes(from, to)) {
            Some(segment) => segment.push(id.0),
            None => self.segments.push(Segment::open(from, to, vec![id.0])),
        }
        true
    }

    /// How many were met in stretches that end at `since` or later.
    pub fn count_since(&self, since: Timestamp) -> usize {
        self.segments.iter().filter(|segment| segment.to >= since).map(Segment::len).sum()
    }

    /// Forgets what ends before `since` and is not `needed`; beyond the bound also what is later, and at last what is needed,
    /// the oldest first. Returns from when on all is remembered that is not forgotten for good.
    pub fn evict(&mut self, since: Timestamp, needed: impl Fn(Timestamp, Timestamp) -> bool) -> Timestamp {
        let mut since = since;
        let before = self.len();
        self.segments.retain(|segment| segment.to >= since || needed(segment.from, segment.to));
        let mut count = self.len();
        while count > SEEN_MAX {
            let oldest = self.segments.iter().enumerate();
            let oldest = oldest.min_by_key(|(_, s)| (needed(s.from, s.to), s.to, s.from)).map(|(index, _)| index);
            let Some(oldest) = oldest else { break };
            let lost = self.segments.remove(oldest);
            count -= lost.len();
            if needed(lost.from, lost.to) {
                self.forgotten = self.forgotten.saturating_add(lost.len() as u64);
            }
            since = since.max(lost.to);
        }
        if count < before {
            self.build_index();
        }
        self.merge(needed);
        since
    }

    /// Makes few segments of many small neighbours that are not `needed`. They stand in the order in which they were met.
    fn merge(&mut self, needed: impl Fn(Timestamp, Timestamp) -> bool) {
        let mut merged: Vec<Segment> = Vec::with_capacity(self.segments.len());
        for segment in std::mem::take(&mut self.segments) {
            let fits = |last: &&mut Segment| {
                last.len() + segment.len() <= SEGMENT_MAX
                    && segment.to.max(last.to) - last.from.min(segment.from) <= MERGED
                    && [&**last, &segment].iter().all(|s| !needed(s.from, s.to))
            };
            // What is damaged stays as it is: it is told when it is needed.
            let both = |last: &Segment| Some((last.unpacked(&self.kept).ok()?, segment.unpacked(&self.kept).ok()?));
            let last = merged.last_mut().filter(fits);
            match last.as_deref().and_then(both).zip(last) {
                Some(((mut ids, more), last)) => {
                    ids.extend(more);
                    *last = Segment::open(last.from.min(segment.from), last.to.max(segment.to), ids);
                }
                None => merged.push(segment),
            }
        }
        self.segments = merged;
    }
}

/// Whether a request for the interval may list an item that was met in the stretch.
pub fn may_list(interval: &Interval, from: Timestamp, to: Timestamp) -> bool {
    interval.from - EDGE <= to && from <= interval.to + EDGE
}

/// The stretch in which an item that was met in `interval` can be met again.
fn stretch(created: Option<Timestamp>, interval: &Interval, recent: Option<Span>) -> (Timestamp, Timestamp) {
    if let Some(overlap) = recent {
        // Rounded outward to an eighth of the overlap, so that the cycles of one overlap share a few segments.
        let grid = (overlap.as_millis() / 8).max(1_000);
        let floor = |time: Timestamp| time.as_millis().div_euclid(grid) * grid;
        let to = Timestamp::from_millis(floor(interval.to + AROUND) + grid);
        return (Timestamp::from_millis(floor(interval.from - AROUND)), to);
    }
    let inside = |time: &Timestamp| interval.from - EDGE <= *time && *time <= interval.to + EDGE;
    match created.filter(inside) {
        Some(time) if time <= interval.from + AROUND => (interval.from - AROUND, interval.from + AROUND),
        Some(time) if time >= interval.to - AROUND => (interval.to - AROUND, interval.to + AROUND),
        Some(_) => (interval.from + AROUND, interval.to - AROUND),
        // Its time says nothing about where it is listed.
        None => (interval.from - AROUND, interval.to + AROUND),
    }
}

/// A hasher for what is a good hash already.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prehashed(u64);

impl Hasher for Prehashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = n;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::window::Window;

    const fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + secs * 1_000)
    }

    fn interval(from: i64, to: i64) -> Interval {
        Window::over(at(from), at(to)).interval(0).unwrap().clone()
    }

    #[test]
    fn the_same_id_in_another_stream_or_kind_is_another() {
        let key = SeenKey([7; 16]);
        let text = Identity::Text("1".into());
        assert_eq!(key.id(Stream::Events, None, &text), key.id(Stream::Events, None, &text));
        assert_ne!(key.id(Stream::Events, None, &text), key.id(Stream::AdminAudits, None, &text));
        assert_ne!(key.id(Stream::Events, Some("a"), &text), key.id(Stream::Events, None, &text));
        assert_ne!(key.id(Stream::Events, Some("a"), &text), key.id(Stream::Events, Some("b"), &text));
        assert_ne!(key.id(Stream::Events, None, &text), key.id(Stream::Events, None, &Identity::Number("1")));
        assert_ne!(key.id(Stream::Events, None, &text), SeenKey([8; 16]).id(Stream::Events, None, &text));
    }

    #[test]
    fn the_hash_of_an_item_never_changes() {
        // Stored states are read by later releases; the value is that of the reference implementation's algorithm.
        let id = SeenKey([0; 16]).id(Stream::Events, None, &Identity::Text("a".into()));
        let mut reference = SipHasher24::new_with_key(&[0; 16]);
        reference.write(b"events\0text\0a");
        assert_eq!(id.0, reference.finish());
    }

    #[test]
    fn ids_of_a_drained_slice_are_kept_only_at_an_edge_to_what_is_pending() {
        let mut seen = Seen::default();
        let slice = interval(0, 100);
        for (id, secs) in [(1, 0), (2, 50), (3, 100)] {
            seen.insert(SeenId(id), Some(at(secs)), &slice, None);
        }
        seen.insert(SeenId(4), None, &slice, None);
        let neighbour = interval(100, 200);
        seen.evict(Timestamp::MAX, |from, to| may_list(&neighbour, from, to));
        let kept: Vec<_> = (1..=4).filter(|id| seen.contains(SeenId(*id))).collect();
        assert_eq!(kept, [3, 4]);
    }

    #[test]
    fn what_may_be_listed_again_is_kept_whatever_its_own_time_says() {
        let mut seen = Seen::default();
        let slice = interval(0, 100);
        seen.insert(SeenId(1), Some(at(50_000)), &slice, None);
        seen.insert(SeenId(2), Some(at(-50_000)), &slice, None);
        for again in [interval(-10, 0), interval(40, 60), interval(100, 110)] {
            let mut seen = seen.clone();
            seen.evict(Timestamp::MAX, |from, to| may_list(&again, from, to));
            assert_eq!(seen.len(), 2, "{again:?}");
        }
    }

    #[test]
    fn what_stands_exactly_on_the_edge_of_a_neighbours_request_is_kept() {
        let mut seen = Seen::default();
        seen.insert(SeenId(1), Some(at(2)), &interval(0, 6), None);
        seen.evict(Timestamp::MAX, |from, to| may_list(&interval(3, 6), from, to));
        assert!(seen.contains(SeenId(1)), "a request for 3 to 6 begins at 2, and may include it");
    }

    #[test]
    fn cycles_within_an_overlap_share_segments() {
        let mut seen = Seen::default();
        for cycle in 0..600 {
            seen.insert(
                SeenId(cycle),
                None,
                &interval(cycle.cast_signed() - 600, cycle.cast_signed()),
                Some(Span::secs(600)),
            );
        }
        assert!(seen.segments().len() < 24, "{}", seen.segments().len());
    }

    #[test]
    fn beyond_the_bound_the_oldest_are_forgotten_and_counted() {
        let mut seen = Seen::default();
        for id in 0..(SEEN_MAX as u64 + 1) {
            seen.insert(
                SeenId(id),
                None,
                &interval((id / 100_000 * 1_000).cast_signed(), 1_000_000),
                Some(Span::secs(60)),
            );
        }
        seen.evict(Timestamp::MAX, |_, _| true);
        assert!(seen.len() <= SEEN_MAX && seen.forgotten() > 0 && !seen.contains(SeenId(0)));
        assert_eq!(seen.len() as u64 + seen.forgotten(), SEEN_MAX as u64 + 1);
    }
}
