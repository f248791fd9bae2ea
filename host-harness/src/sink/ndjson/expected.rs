//! Lines that stand in the files of a series already and may be sent again: of sends that were not recorded before a crash.

use std::collections::{HashSet, VecDeque};

use super::again::{self, Line};

/// Lines that are remembered of one look back: the last ones, and more than the largest send has.
const MAX_LINES: usize = 300_000;
/// Once so many bytes were written after the last look back, what was not sent again is not any more: more than the largest send.
const MAX_BYTES: u64 = 128 << 20;

/// A place between two lines of a series, as it is noted with a position.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Note {
    /// The last file that was put away before it; empty: none.
    pub(super) after: String,
    /// Bytes of the next one.
    pub(super) at: u64,
}

impl Note {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (at, after) = text.split_once(' ').unwrap_or((text, ""));
        Some(Self { after: after.to_owned(), at: at.parse().ok()? })
    }

    pub(super) fn text(&self) -> String {
        let Self { after, at } = self;
        if after.is_empty() { at.to_string() } else { format!("{at} {after}") }
    }
}

/// The lines, of all who have looked back: many tenants may share the files, and each has a place of its own.
#[derive(Debug, Default)]
pub(super) struct Expected {
    lines: HashSet<Line>,
    from: Option<Note>,
    written: u64,
}

/// The last lines of a stretch.
#[derive(Debug, Default)]
pub(super) struct Stretch(VecDeque<Line>);

impl Stretch {
    pub(super) fn push(&mut self, line: Line) {
        if self.0.len() == MAX_LINES {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }
}

impl Expected {
    /// These lines stand behind this place. Returns how many.
    pub(super) fn add(&mut self, from: Note, stretch: Stretch) -> usize {
        let count = stretch.0.len();
        if count > 0 {
            self.lines.extend(stretch.0);
            self.from = Some(self.from.take().map_or(from.clone(), |other| other.min(from)));
            self.written = 0;
        }
        count
    }

    /// Where the first of them stands.
    pub(super) fn from(&self) -> Option<&Note> {
        self.from.as_ref()
    }

    /// Takes out the lines that stand there already; each counts once. They are returned, for a send that comes to nothing.
    pub(super) fn take(&mut self, lines: &mut Vec<u8>) -> Vec<Line> {
        let mut taken = Vec::new();
        if self.lines.is_empty() {
            return taken;
        }
        let mut left = Vec::with_capacity(lines.len());
        for text in lines.split_inclusive(|byte| *byte == b'\n') {
            let line = again::line(text.strip_suffix(b"\n").unwrap_or(text));
            if self.lines.remove(&line) {
                taken.push(line);
            } else {
                left.extend_from_slice(text);
            }
        }
        *lines = left;
        taken
    }

    /// What was taken is expected again: the send came to nothing.
    pub(super) fn put_back(&mut self, taken: Vec<Line>) {
        self.lines.extend(taken);
    }

    /// So many bytes were sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.written = self.written.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.lines.is_empty() || self.written > MAX_BYTES {
            *self = Self::default();
        }
    }
}
