//! Which time has been collected: the frontier, the intervals before it that are not drained, and the gaps.
//!
//! An interval is *taken up* when the frontier moves over it, and leaves `pending` only when its last page is delivered. So
//! the watermark is derived, not stored: the start of the oldest ground that is still owed. Order of pages, ties and late
//! listings do not matter to it.

use serde::{Deserialize, Serialize};

use crate::time::{Span, Timestamp};

/// Every request is widened by this at both ends, so that inclusive and exclusive bounds and equal times at an edge lose
/// nothing. Webex bounds have milliseconds; a second also covers servers that compare whole seconds.
pub const EDGE: Span = Span::secs(1);

/// Shortest interval that is still halved into two. Below it a second holds the whole, and the edges are larger than it.
pub const SHORTEST: Span = Span::secs(1);

/// Length of a slice at first: a day, as one reads logs.
const FIRST_SLICE: Span = Span::days(1);

/// Longest slice that empty ground grows to.
const LONGEST_SLICE: Span = Span::days(30);

/// Most intervals that are kept apart. Beyond it the nearest two merge; the state stays some kilobytes.
const MOST_PENDING: usize = 256;

/// Most gaps that are kept apart; beyond it the oldest two become one.
const MOST_GAPS: usize = 32;

/// How often the number of items asked for is halved at most: from a thousand to eight.
const MOST_HALVINGS: u32 = 7;

/// How often a second is read again whose last full page leads to an empty one.
const MOST_VANISHED: u32 = 8;

/// First wait before a quarantined interval is tried again, and the longest; it doubles in between.
const QUARANTINE: (Span, Span) = (Span::secs(60), Span::secs(6 * 3_600));

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

/// Names an interval while it is being read, though others before it come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkId(u32);

/// A stretch that is to be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interval {
    /// Where reading starts.
    pub from: Timestamp,
    /// What lies before this, back to `from`, has been drained once and is read again for late listings.
    pub owed: Timestamp,
    /// Where reading ends.
    pub to: Timestamp,
    /// The page in hand; none: not begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Cursor>,
    /// How often it was quarantined.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: u32,
    /// How often the number of items asked for is halved for it.
    #[serde(default, skip_serializing_if = "is_zero")]
    smaller: u32,
    /// The page in hand was answered without items once: the second time that is its answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    doubted: bool,
    /// How often its next link has led to nothing in a later call, since something new was met in it.
    #[serde(default, skip_serializing_if = "is_zero")]
    vanished: u32,
    /// While quarantined: not read before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// While quarantined: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// While it is being read: by which work; else 0.
    #[serde(skip)]
    work: u32,
}

/// Where in an interval's pages collecting stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The page in hand.
    pub link: String,
    /// Bounds that the first request of this drain named.
    pub asked: (Timestamp, Timestamp),
    /// Hashes of the links that were followed, this one included.
    pub visited: Vec<u64>,
    /// Empty pages in a row before this one.
    pub empty: u32,
    /// The page before this one had fewer items than a page holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_short: bool,
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
        let mut merged = Self { frontier, settled, ..Self::begin(start) };
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

    /// Begins to read an interval; until the end of it nobody else does.
    pub fn begin_work(&mut self, index: usize) -> Option<WorkId> {
        self.works += 1;
        let interval = self.pending.get_mut(index)?;
        interval.work = self.works;
        Some(WorkId(self.works))
    }

    /// Where the interval is that is being read; none: it is drained or given up.
    pub fn find(&self, work: WorkId) -> Option<usize> {
        self.pending.iter().position(|interval| interval.work == work.0)
    }

    /// Ends the reading of an interval, wherever it stands.
    pub fn end_work(&mut self, work: WorkId) {
        if let Some(interval) = self.find(work).and_then(|index| self.pending.get_mut(index)) {
            interval.work = 0;
        }
    }

    /// The newest interval.
    pub fn newest(&self) -> Option<usize> {
        (0..self.pending.len()).max_by_key(|index| self.pending.get(*index).map(|interval| interval.to))
    }

    /// The oldest interval that may be read at `now`. `again_first`: of those that are only read again; they are short, and
    /// until then what was delivered there has to be remembered.
    pub fn oldest(&self, now: Timestamp, again_first: bool) -> Option<usize> {
        let may_be_read = |interval: &Interval| interval.work == 0 && interval.may_be_read(now);
        let again = self.pending.iter().position(|interval| again_first && may_be_read(interval) && !interval.owes());
        again.or_else(|| self.pending.iter().position(may_be_read))
    }

    /// Cuts the newest slice off an interval that is longer than one and not begun. Returns where the slice is.
    pub fn cut_newest(&mut self, index: usize) -> usize {
        match self.pending.get(index) {
            Some(interval) if interval.cursor.is_none() && interval.length() > self.slice => {
                let at = interval.to - self.slice;
                self.split(index, at)
            }
            _ => index,
        }
    }

    /// Cuts the oldest slice off, likewise; or makes one of it and its neighbours, as long as that is not longer than a slice:
    /// tails that were taken up while nothing could be read are one request later, and not one each.
    pub fn cut_oldest(&mut self, index: usize) -> usize {
        let index = self.gather(index);
        match self.pending.get(index) {
            Some(interval) if interval.cursor.is_none() && interval.length() > self.slice => {
                let at = interval.from + self.slice;
                self.split(index, at);
                index
            }
            _ => index,
        }
    }

    /// Joins the untouched neighbours of an interval that are owed like it. Returns where it is then.
    fn gather(&mut self, index: usize) -> usize {
        if !self.pending.get(index).is_some_and(Interval::is_untouched) {
            return index;
        }
        let mut whole = self.pending.remove(index);
        let slice = self.slice;
        let joins = |other: &Interval, whole: &Interval| {
            let reaches = other.from <= whole.to && whole.from <= other.to;
            let length = other.to.max(whole.to) - other.from.min(whole.from);
            other.is_untouched() && other.owes() == whole.owes() && reaches && length <= slice
        };
        while let Some(at) = self.pending.iter().position(|other| joins(other, &whole)) {
            let other = self.pending.remove(at);
            let (from, to) = (whole.from.min(other.from), whole.to.max(other.to));
            let owed = if whole.owes() { from } else { to };
            whole = Interval { from, owed, to, smaller: whole.smaller.min(other.smaller), ..whole };
        }
        self.put(whole)
    }

    /// Replaces the interval by its halves, not begun; false: it is too short for that.
    pub fn halve(&mut self, index: usize) -> bool {
        let Some(interval) = self.pending.get_mut(index) else { return false };
        interval.cursor = None;
        if interval.length() < SHORTEST.times(2) {
            return false;
        }
        let half = interval.length().half();
        let at = interval.from + half;
        self.slice = half.max(SHORTEST).min(self.slice);
        self.split(index, at);
        true
    }

    /// Splits at a time inside; returns where the newer part is.
    fn split(&mut self, index: usize, at: Timestamp) -> usize {
        let Some(older) = self.pending.get_mut(index) else { return index };
        let newer =
            Interval { from: at, owed: older.owed.max(at), cursor: None, doubted: false, work: 0, ..older.clone() };
        older.owed = older.owed.min(at);
        older.to = at;
        older.cursor = None;
        older.doubted = false;
        self.pending.insert(index + 1, newer);
        index + 1
    }

    /// A page came that was not the last one.
    pub fn note_full_page(&mut self, items: usize) {
        // The most that was met: a page with a link may be the last one but for an empty one.
        self.full_page = self.full_page.max(u32::try_from(items).unwrap_or(u32::MAX));
    }

    /// Items of a full page; 0: none was met.
    pub fn full_page(&self) -> usize {
        self.full_page as usize
    }

    /// How many pages hold so many items, where up to `most` are asked for at once.
    pub fn pages(&self, items: usize, most: u32) -> usize {
        let page = if self.full_page == 0 { most } else { self.full_page.min(most) };
        items / page.max(1) as usize
    }

    /// Remembers the page in hand.
    pub fn advance(&mut self, index: usize, cursor: Cursor) {
        if let Some(interval) = self.pending.get_mut(index) {
            interval.cursor = Some(cursor);
            interval.doubted = false;
        }
    }

    /// The page in hand was answered without items.
    pub fn doubt(&mut self, index: usize) {
        if let Some(interval) = self.pending.get_mut(index) {
            interval.doubted = true;
        }
    }

    /// The interval's last page is delivered. `sparse`: it had so few pages that slices may grow.
    pub fn drained(&mut self, index: usize, sparse: bool) {
        if index < self.pending.len() {
            let interval = self.pending.remove(index);
            // What was too much once may do again.
            if self.smaller > 0 {
                (self.smaller, self.full_page) = (self.smaller - 1, 0);
            }
            if sparse && interval.length() >= self.slice {
                self.slice = self.slice.times(2).min(LONGEST_SLICE);
            }
        }
        // Intervals were split as they were read; only here may those merge that nobody reads.
        self.bound();
    }

    /// The server could not give as much as was asked for: half as many items a page for this interval and its parts, and for
    /// the others until slices are drained again.
    pub fn ask_for_less(&mut self, index: usize) {
        self.smaller = (self.smaller + 1).min(MOST_HALVINGS);
        self.full_page = 0;
        if let Some(interval) = self.pending.get_mut(index) {
            interval.smaller = (interval.smaller + 1).min(MOST_HALVINGS);
        }
    }

    /// Its next link of an earlier call led to nothing.
    pub fn note_vanished(&mut self, index: usize) {
        if let Some(interval) = self.pending.get_mut(index) {
            interval.vanished = interval.vanished.saturating_add(1);
        }
    }

    /// Something new was met in it.
    pub fn note_progress(&mut self, index: usize) {
        if let Some(interval) = self.pending.get_mut(index) {
            interval.vanished = 0;
        }
    }

    /// Its pages are as large as the others' again: with fewer there is less to follow links for.
    pub fn ask_for_more(&mut self, index: usize) {
        if let Some(interval) = self.pending.get_mut(index) {
            interval.smaller = 0;
        }
    }

    /// How often the number of items asked for is to be halved for this interval.
    pub fn halvings(&self, interval: &Interval) -> u32 {
        self.smaller.max(interval.smaller)
    }

    /// The interval begins anew with the next request.
    pub fn forget_cursor(&mut self, index: usize) {
        if let Some(interval) = self.pending.get_mut(index) {
            interval.cursor = None;
        }
    }

    /// Sets an interval aside that cannot be read; it stays owed. Returns when it is tried again.
    pub fn quarantine(&mut self, index: usize, now: Timestamp, reason: &str) -> Timestamp {
        let (first, longest) = QUARANTINE;
        let Some(interval) = self.pending.get_mut(index) else { return now + first };
        let doublings = interval.failed.min(16);
        let until = now + first.times(1 << doublings).min(longest);
        interval.failed = interval.failed.saturating_add(1);
        interval.cursor = None;
        interval.not_before = Some(until);
        interval.reason = Some(reason.to_owned());
        until
    }

    /// Begun drains start anew: the query has changed.
    pub fn forget_cursors(&mut self) {
        for interval in &mut self.pending {
            interval.cursor = None;
        }
    }

    /// Merges the nearest two until the bound holds.
    fn bound(&mut self) {
        while self.pending.len() > MOST_PENDING {
            let is_free = |index: usize| self.pending.get(index).is_some_and(|interval| interval.work == 0);
            let is_begun = |index: usize| self.pending.get(index).is_some_and(|interval| interval.cursor.is_some());
            let distance = |index: usize| match (self.pending.get(index), self.pending.get(index + 1)) {
                (Some(older), Some(newer)) => (newer.from - older.to).max(Span::ZERO),
                _ => Span::millis(i64::MAX),
            };
            // Those that are begun last: reading would begin anew with each merge.
            let nearest = (0..self.pending.len() - 1)
                .filter(|index| is_free(*index) && is_free(index + 1))
                .min_by_key(|index| (is_begun(*index) || is_begun(index + 1), distance(*index)));
            let Some(nearest) = nearest else { return };
            let newer = self.pending.remove(nearest + 1);
            if let Some(older) = self.pending.get_mut(nearest) {
                let to = older.to.max(newer.to);
                // One that owes nothing makes nothing owed again.
                let owed = [&*older, &newer].into_iter().filter(|i| i.owes()).map(|i| i.owed).min();
                *older = Interval {
                    from: older.from.min(newer.from),
                    owed: owed.unwrap_or(to),
                    to,
                    cursor: None,
                    failed: older.failed.min(newer.failed),
                    smaller: older.smaller.min(newer.smaller),
                    doubted: false,
                    vanished: older.vanished.min(newer.vanished),
                    not_before: older.not_before.min(newer.not_before),
                    reason: older.reason.take().or(newer.reason),
                    work: 0,
                };
            }
        }
    }
}

impl Interval {
    fn new(from: Timestamp, owed: Timestamp, to: Timestamp) -> Self {
        Self {
            from,
            owed,
            to,
            cursor: None,
            failed: 0,
            smaller: 0,
            doubted: false,
            vanished: 0,
            not_before: None,
            reason: None,
            work: 0,
        }
    }

    /// Whether the page in hand was answered without items before.
    pub fn is_doubted(&self) -> bool {
        self.doubted
    }

    /// Whether it was not begun, nor failed, and is owed as a whole or not at all.
    fn is_untouched(&self) -> bool {
        let is_of_a_kind = self.from == self.owed || !self.owes();
        self.cursor.is_none()
            && !self.doubted
            && self.failed == 0
            && self.vanished == 0
            && self.work == 0
            && is_of_a_kind
    }

    /// How much time is read.
    pub fn length(&self) -> Span {
        self.to - self.from
    }

    /// Whether its next link has led to nothing, and nothing new was met since.
    pub fn was_read_in_vain(&self) -> bool {
        self.vanished > 0
    }

    /// Whether an empty page is its end, though the link to it is of an earlier call and may be over. It is if reading it
    /// again has brought nothing but that, and the page before was not a full one; or where it cannot be cut and was read
    /// again often enough.
    pub fn ends_empty(&self) -> bool {
        let after_short = self.cursor.as_ref().is_some_and(|cursor| cursor.after_short);
        let can_be_cut = self.length() >= SHORTEST.times(2);
        self.vanished
            >= if after_short {
                1
            } else if can_be_cut {
                u32::MAX
            } else {
                MOST_VANISHED
            }
    }

    /// Whether any of it was never drained.
    pub fn owes(&self) -> bool {
        self.owed < self.to
    }

    /// Whether it is not waiting in quarantine.
    pub fn may_be_read(&self, now: Timestamp) -> bool {
        // Further ahead than it can have been set: by a clock that was wrong.
        self.not_before.is_none_or(|time| time <= now || time - now > QUARANTINE.1)
    }

    /// The bounds of a request for it, widened, and never ending after `latest` unless that would leave nothing.
    pub fn bounds(&self, latest: Timestamp) -> (Timestamp, Timestamp) {
        let from = self.from - EDGE;
        (from, (self.to + EDGE).min(latest.max(self.to)).max(from + SHORTEST))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests;
