//! Which time has been collected: the frontier, the intervals before it that are not drained, and the gaps.
//!
//! An interval is *taken up* when the frontier moves over it, and leaves `pending` only when its last page is delivered. So
//! the watermark is derived, not stored: the start of the oldest ground that is still owed. Order of pages, ties and late
//! listings do not matter to it.

mod interval;
mod slices;

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};
pub use interval::{Cursor, Interval};
pub use slices::{Density, WorkId};

/// Every request is widened by this at both ends, so that inclusive and exclusive bounds and equal times at an edge lose
/// nothing. Webex bounds have milliseconds; a second also covers servers that compare whole seconds.
pub const EDGE: Span = Span::secs(1);

/// Shortest interval that is still halved into two. Below it a second holds the whole, and the edges are larger than it.
pub const SHORTEST: Span = Span::secs(1);

/// Length of a slice at first. What is delivered of one is remembered where it can be met until all of it is, and of the newest
/// for as long as the overlap; so it begins short, and grows as fast as slices turn out sparse.
const FIRST_SLICE: Span = Span::secs(600);

/// Most gaps that are kept apart; beyond it the oldest two become one.
const MOST_GAPS: usize = 32;

/// Time that is collected by one query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Nothing before this was asked for.
    start: Timestamp,
    /// The largest end ever taken up.
    frontier: Timestamp,
    /// Sorted by the ground they owe.
    pending: Vec<Interval>,
    /// How long a slice is now.
    slice: Span,
    /// How often the number of items asked for is halved now.
    #[serde(default, skip_serializing_if = "is_zero")]
    smaller: u32,
    /// Most items of a page that was not the last one, since as many were asked for as now: what the server gives at once. 0:
    /// none was met.
    #[serde(default, skip_serializing_if = "is_zero")]
    full_page: u32,
    gaps: Vec<Gap>,
    /// Whether a person has said where to begin; else this machine's clock has, and may be wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    fixed: bool,
    /// What lies before this was read, or is in `pending`, when it was as old as the overlap: nobody has to come back to
    /// it. None: stored by a form that did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settled: Option<Timestamp>,
    /// By this machine's clock: when the tail was last taken up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tail_at: Option<Timestamp>,
    /// The frontier before the last `take_up`, as long as the origin's clock was not heard since.
    #[serde(skip)]
    unproven: Option<Timestamp>,
    /// The last number that was given to work on an interval.
    #[serde(skip)]
    works: u32,
}

/// Time that will not be collected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// From here
    pub from: Timestamp,
    /// to here,
    pub to: Timestamp,
    /// because of this.
    pub reason: String,
}

/// A window that contradicts itself: it was not written by this plugin, or was damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an interval ends before it begins or lies beyond the frontier")]
pub struct Inconsistent;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

impl Window {
    /// Nothing collected yet; collecting begins at `start`.
    pub fn begin(start: Timestamp) -> Self {
        Self {
            start,
            frontier: start,
            pending: Vec::new(),
            slice: FIRST_SLICE,
            smaller: 0,
            full_page: 0,
            gaps: Vec::new(),
            fixed: false,
            settled: Some(start),
            tail_at: None,
            unproven: None,
            works: 0,
        }
    }

    /// The same, where a person has said so.
    pub fn begin_at(start: Timestamp) -> Self {
        Self { fixed: true, ..Self::begin(start) }
    }

    /// A closed stretch that is all owed.
    pub fn over(from: Timestamp, to: Timestamp) -> Self {
        let mut window = Self::begin(from);
        window.take_up(to, from);
        window.unproven = None;
        window
    }

    /// The window of a query that takes the place of several: it owes what any of them owes.
    pub fn merged<'a>(windows: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        let windows: Vec<_> = windows.into_iter().collect();
        let start = windows.iter().map(|window| window.start).min()?;
        let frontier = windows.iter().map(|window| window.frontier).min()?;
        let settled = windows.iter().map(|window| window.settled).min()?;
        // What any of them has collected has shown that the clock was right.
        let fixed = windows.iter().any(|window| !window.is_fresh());
        let mut merged = Self { frontier, settled, fixed, ..Self::begin(start) };
        for gap in windows.iter().flat_map(|window| &window.gaps) {
            if !merged.gaps.contains(gap) {
                merged.note_gaps(std::slice::from_ref(gap));
            }
        }
        for interval in windows.iter().flat_map(|window| &window.pending) {
            // What is only to be read again goes along: the next take-up does not reach back to all of it.
            let to = interval.to.min(frontier);
            if interval.from < to {
                merged.put(Interval::new(interval.from, interval.owed.min(to), to));
            }
        }
        merged.bound();
        Some(merged)
    }

    /// Whether it can have been written by this plugin.
    pub fn verify(&self) -> Result<(), Inconsistent> {
        let sound = |i: &Interval| i.from <= i.owed && i.owed <= i.to && i.from < i.to && i.to <= self.frontier;
        let right = self.pending.iter().all(sound)
            && self.slice >= SHORTEST
            && self.start <= self.frontier
            && self.settled.is_none_or(|settled| settled <= self.frontier);
        if right { Ok(()) } else { Err(Inconsistent) }
    }

    /// Everything listed up to here is delivered.
    pub fn watermark(&self) -> Timestamp {
        let owed = self.pending.iter().filter(|interval| interval.owes()).map(|interval| interval.owed).min();
        owed.unwrap_or(self.frontier)
    }

    /// The largest end ever taken up.
    pub fn frontier(&self) -> Timestamp {
        self.frontier
    }

    /// Nothing before this was asked for.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Whether nothing was ever taken up, and only this machine's clock has said where to begin.
    pub fn is_fresh(&self) -> bool {
        self.start == self.frontier && self.pending.is_empty() && !self.fixed
    }

    /// Whether this time was drained once.
    pub fn has_drained(&self, time: Timestamp) -> bool {
        let is_owed = |interval: &Interval| interval.owed <= time && time < interval.to;
        self.start <= time && time < self.frontier && !self.pending.iter().any(is_owed)
    }

    /// What is not drained, sorted by the ground it owes.
    pub fn pending(&self) -> &[Interval] {
        &self.pending
    }

    /// One of them.
    pub fn interval(&self, index: usize) -> Option<&Interval> {
        self.pending.get(index)
    }

    /// Time that will not be collected.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Takes up everything to `to`, and reads what lies between `again` and the frontier once more. Does nothing if `to` is
    /// not beyond the frontier: then the clock has to catch up first. Returns where reading begins.
    pub fn take_up(&mut self, to: Timestamp, again: Timestamp) -> Option<Timestamp> {
        if to <= self.frontier {
            return None;
        }
        let from = again.min(self.frontier).max(self.start);
        self.leave_to_next(from);
        self.pending.push(Interval::new(from, self.frontier, to));
        self.unproven = Some(self.frontier);
        self.frontier = to;
        self.bound();
        Some(from)
    }

    /// Where a take-up begins that reads the whole overlap again: no later than where nothing is settled yet. A longer
    /// overlap than before reaches back only to where all that was delivered is remembered.
    pub fn overlap_begins(&self, overlap: Span, remembered: Option<Timestamp>) -> Timestamp {
        let begin = self.frontier - overlap;
        let begin = remembered.map_or(begin, |since| begin.max(since));
        self.settled.map_or(begin, |settled| begin.min(settled)).max(self.start)
    }

    /// What has become as old as the overlap since the last time is read once more, and then for the last time. `read_from`:
    /// where the newest take-up begins; what it reads needs no other reading. Only with the origin's clock heard: what it
    /// has not reached is not that old.
    pub fn settle(&mut self, overlap: Span, read_from: Timestamp) {
        let to = (self.frontier - overlap).max(self.start);
        let from = self.settled.unwrap_or(read_from);
        if self.unproven.is_some() || to <= from {
            return;
        }
        self.settled = Some(to);
        let to = to.min(read_from);
        if to <= from {
            return;
        }
        let is_open = |i: &Interval| i.to == from && !i.owes() && i.cursor.is_none() && i.failed == 0;
        let open = self.pending.iter().position(is_open).map(|index| self.pending.remove(index));
        self.put(Interval::new(open.map_or(from, |open| open.from), to, to));
        self.bound();
    }

    /// Adds an interval at its place, and says where that is.
    fn put(&mut self, interval: Interval) -> usize {
        let key = |interval: &Interval| (interval.owed, interval.to);
        let at = self.pending.iter().position(|other| key(other) > key(&interval)).unwrap_or(self.pending.len());
        self.pending.insert(at, interval);
        at
    }

    /// The earliest time that a later take-up may read again.
    pub fn rereads_from(&self, overlap: Span) -> Timestamp {
        let begin = self.frontier - overlap;
        self.settled.map_or(begin, |settled| settled.min(begin))
    }

    /// The next interval reads everything from `from` to the frontier again. Those that are not begun leave it to that
    /// one, so that an overlap that takes longer to read than a cycle does not pile up: of it each cycle reads what is
    /// near, and what is about to leave the overlap for the last time.
    fn leave_to_next(&mut self, from: Timestamp) {
        let mut pending = Vec::with_capacity(self.pending.len() + 1);
        for interval in std::mem::take(&mut self.pending) {
            let again = from.max(interval.from);
            if interval.cursor.is_some() || again >= interval.owed {
                pending.push(interval);
                continue;
            }
            if interval.from < again {
                pending.push(Interval { owed: again, to: again, ..interval.clone() });
            }
            if interval.owes() {
                pending.push(Interval { from: interval.owed, ..interval });
            }
        }
        self.pending = pending;
    }

    /// Remembers when, by this machine's clock, the tail was taken up.
    pub fn note_tail(&mut self, now: Timestamp) {
        self.tail_at = Some(now);
    }

    /// Whether the tail was taken up less than this long ago.
    pub fn is_tail_younger_than(&self, age: Span, now: Timestamp) -> bool {
        self.tail_at.is_some_and(|time| time <= now && now - time < age)
    }

    /// The same, with the length of slices and the size of pages of another.
    pub fn with_pace_of(self, other: &Self) -> Self {
        Self { slice: other.slice, smaller: other.smaller, full_page: other.full_page, ..self }
    }

    /// Whether something was taken up and the origin's clock was not heard since.
    pub fn is_unproven(&self) -> bool {
        self.unproven.is_some()
    }

    /// The origin was heard: takes back what was just taken up beyond `limit`, since its clock is not there yet. None: it
    /// did not say what time it is. False: nothing is left of what was taken up.
    pub fn prove(&mut self, limit: Option<Timestamp>) -> bool {
        let Some(before) = self.unproven.take() else { return true };
        if let Some(limit) = limit.filter(|limit| *limit < before)
            && before == self.start
            && !self.fixed
        {
            // The first take-up of all: the clock that said where to begin was ahead. As long before the origin's clock.
            let begin = before - (self.frontier - limit);
            *self = Self { gaps: std::mem::take(&mut self.gaps), ..Self::over(begin, limit) };
            return false;
        }
        let limit = limit.unwrap_or(self.frontier).max(before);
        if limit >= self.frontier {
            return true;
        }
        self.frontier = limit;
        self.settled = self.settled.min(Some(limit));
        self.pending.retain_mut(|interval| {
            if interval.to <= limit {
                return true;
            }
            interval.to = limit;
            interval.owed = interval.owed.min(limit);
            // Its overlap stays: others have left that to it, and the next one may be shorter.
            interval.from < interval.to
        });
        limit > before
    }

    /// Gives up everything before `earliest` and says which time that was.
    pub fn clamp(&mut self, earliest: Timestamp, reason: &str) -> Vec<Gap> {
        let mut gaps = Vec::new();
        self.pending.retain_mut(|interval| {
            if interval.from >= earliest {
                return true;
            }
            if interval.owed < earliest.min(interval.to) {
                let to = earliest.min(interval.to);
                match gaps.last_mut().filter(|gap: &&mut Gap| gap.to == interval.owed) {
                    Some(gap) => gap.to = to,
                    None => gaps.push(Gap { from: interval.owed, to, reason: reason.to_owned() }),
                }
            }
            *interval =
                Interval { from: earliest, owed: interval.owed.max(earliest), cursor: None, ..interval.clone() };
            interval.from < interval.to
        });
        self.settled = self.settled.map(|settled| settled.max(earliest.min(self.frontier)));
        self.note_gaps(&gaps);
        gaps
    }

    /// Keeps the gaps for the view.
    pub fn note_gaps(&mut self, gaps: &[Gap]) {
        self.gaps.extend_from_slice(gaps);
        while self.gaps.len() > MOST_GAPS {
            let oldest = self.gaps.remove(0);
            if let Some(next) = self.gaps.first_mut() {
                next.from = next.from.min(oldest.from);
                next.to = next.to.max(oldest.to);
            }
        }
    }

    /// Collects from `since` on again, by an operator's wish. What was owed before it is a gap.
    pub fn reset(&mut self, since: Timestamp) -> Vec<Gap> {
        let reason = "reset by an operator";
        // From here on it would have been read again.
        let again = self.pending.iter().filter(|interval| interval.from < interval.owed).map(|interval| interval.from);
        let unsettled = again.chain([self.settled.unwrap_or(self.frontier)]).min().unwrap_or(self.frontier);
        let skipped = |from: Timestamp, to: Timestamp| {
            let to = to.min(since).min(if from < unsettled { unsettled } else { since });
            (from < to).then(|| Gap { from, to, reason: reason.to_owned() })
        };
        let mut gaps: Vec<_> = self
            .pending
            .iter()
            .filter(|interval| interval.owes() && interval.owed < unsettled)
            .filter_map(|interval| skipped(interval.owed, interval.to))
            .collect();
        gaps.extend(skipped(unsettled, since));
        *self = Self { gaps: std::mem::take(&mut self.gaps), ..Self::begin_at(since) };
        self.note_gaps(&gaps);
        gaps
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests;
