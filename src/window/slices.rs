//! Which interval is read next, how it is cut into slices, joined and merged, and what becomes of it.

use super::interval::QUARANTINE;
use super::{Cursor, Interval, SHORTEST, Window};
use crate::time::{Span, Timestamp};

/// Longest slice that empty ground grows to.
const LONGEST_SLICE: Span = Span::days(30);

/// Most intervals that are kept apart. Beyond it the nearest two merge; the state stays some kilobytes.
pub(super) const MOST_PENDING: usize = 256;

/// How often the number of items asked for is halved at most: from a thousand to eight.
const MOST_HALVINGS: u32 = 7;

/// Up to this many pages a slice was sparse, and the next one may be longer. Slices of five to ten pages waste a tenth of the
/// requests on last pages that are not full, and keep the ids that can be met again few.
const SPARSE: usize = 5;

/// From this many pages on it was dense, and the next one is to be shorter: far enough from sparse that lengths do not swing.
const DENSE: usize = 3 * SPARSE + 1;

/// How many pages a slice had, and what that says of the length of the next ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Density {
    /// No more than one: slices may grow fast.
    OnePage,
    /// So few that slices may grow.
    Sparse,
    /// As many as it should.
    Usual,
    /// So many that slices are to be shorter: until the last page all that was delivered has to be remembered where it is met
    /// again at once, and each call looks at it.
    Dense,
}

impl Density {
    /// Of a slice that had so many pages.
    pub const fn of_pages(pages: usize) -> Self {
        match pages {
            ..=1 => Self::OnePage,
            2..=SPARSE => Self::Sparse,
            DENSE.. => Self::Dense,
            _ => Self::Usual,
        }
    }

    /// How much longer the next slices are.
    const fn growth(self) -> i64 {
        match self {
            Self::OnePage => 4,
            Self::Sparse => 2,
            Self::Usual | Self::Dense => 1,
        }
    }
}

/// Names an interval while it is being read, though others before it come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkId(u32);

impl Window {
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
        if let Some(index) = self.find(work) {
            self.at(index, |interval| interval.work = 0);
        }
    }

    fn at(&mut self, index: usize, change: impl FnOnce(&mut Interval)) {
        if let Some(interval) = self.pending.get_mut(index) {
            change(interval);
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
        self.at(index, |interval| (interval.cursor, interval.doubted) = (Some(cursor), false));
    }

    /// The page in hand was answered without items.
    pub fn doubt(&mut self, index: usize) {
        self.at(index, |interval| interval.doubted = true);
    }

    /// The interval's last page is delivered.
    pub fn drained(&mut self, index: usize, density: Density) {
        if index < self.pending.len() {
            let interval = self.pending.remove(index);
            // What was too much once may do again.
            if self.smaller > 0 {
                (self.smaller, self.full_page) = (self.smaller - 1, 0);
            }
            // Several of the same length that were read side by side say it once.
            if density == Density::Dense {
                self.slice = interval.length().half().max(SHORTEST).min(self.slice);
            } else if interval.length() >= self.slice {
                self.slice = self.slice.times(density.growth()).min(LONGEST_SLICE);
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
        self.at(index, |interval| interval.smaller = (interval.smaller + 1).min(MOST_HALVINGS));
    }

    /// Its next link of an earlier call led to nothing.
    pub fn note_vanished(&mut self, index: usize) {
        self.at(index, |interval| interval.vanished = interval.vanished.saturating_add(1));
    }

    /// Something new was met in it.
    pub fn note_progress(&mut self, index: usize) {
        self.at(index, |interval| interval.vanished = 0);
    }

    /// Its pages are as large as the others' again: with fewer there is less to follow links for.
    pub fn ask_for_more(&mut self, index: usize) {
        self.at(index, |interval| interval.smaller = 0);
    }

    /// How often the number of items asked for is to be halved for this interval.
    pub fn halvings(&self, interval: &Interval) -> u32 {
        self.smaller.max(interval.smaller)
    }

    /// The interval begins anew with the next request.
    pub fn forget_cursor(&mut self, index: usize) {
        self.at(index, |interval| interval.cursor = None);
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
    pub(super) fn bound(&mut self) {
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
