//! A stretch that is to be read, and how far that came.

use serde::{Deserialize, Serialize};

use super::{EDGE, SHORTEST};
use crate::time::{Span, Timestamp};

/// How often a second is read again whose last full page leads to an empty one.
const MOST_VANISHED: u32 = 8;

/// First wait before a quarantined interval is tried again, and the longest; it doubles in between.
pub(super) const QUARANTINE: (Span, Span) = (Span::secs(60), Span::secs(6 * 3_600));

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
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub failed: u32,
    /// How often the number of items asked for is halved for it.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub(super) smaller: u32,
    /// The page in hand was answered without items once: the second time that is its answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) doubted: bool,
    /// How often its next link has led to nothing in a later call, since something new was met in it.
    #[serde(default, skip_serializing_if = "super::is_zero")]
    pub(super) vanished: u32,
    /// While quarantined: not read before this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// While quarantined: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// While it is being read: by which work; else 0.
    #[serde(skip)]
    pub(super) work: u32,
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

impl Interval {
    pub(super) fn new(from: Timestamp, owed: Timestamp, to: Timestamp) -> Self {
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
    pub(super) fn is_untouched(&self) -> bool {
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

    /// Whether an empty page is its end, though the link to it may be over. It is if reading it
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
