//! Lines that stand in a file already and may be delivered again: of a batch that an earlier run delivered and did not record.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};

/// Lines that are remembered, 32 bytes each and as much again for their table: a batch is a tenth of it, the largest that
/// settings allow the whole. Those beyond it come twice.
const MAX_LINES: usize = 300_000;
/// How far behind the start of the lines a file may grow before they are not looked for any more at the next start, so that a
/// line that never comes again does not make every start read the whole file: two batches of the largest size.
const MAX_BYTES: u64 = 64 << 20;

/// A line, without its break.
pub(super) type Line = [u8; 32];

/// The same of a line in memory.
pub(super) fn line(text: &[u8]) -> Line {
    Sha256::digest(text).into()
}

/// The lines, by their SHA-256: an event that is told apart from another by a byte is never taken for it.
#[derive(Debug, Default)]
pub(super) struct Again {
    lines: HashSet<Line>,
    /// Where the first of them begins.
    from: u64,
}

impl Again {
    /// The whole lines of `file` from byte `from` up to `end`. What lies beyond the bound on bytes is not looked at.
    pub(super) fn read(file: &mut File, from: u64, end: u64) -> io::Result<Self> {
        let mut lines = HashSet::new();
        file.seek(SeekFrom::Start(from))?;
        let mut text = BufReader::new(Read::by_ref(file).take(end.saturating_sub(from).min(MAX_BYTES)));
        while lines.len() < MAX_LINES
            && let Some(line) = next_line(&mut text)?
        {
            lines.insert(line);
        }
        Ok(Self { lines, from })
    }

    /// Whether no line is to come again.
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Where the first line begins that may come again; none where there is no such line.
    pub(super) fn from(&self) -> Option<u64> {
        (!self.lines.is_empty()).then_some(self.from)
    }

    /// Whether the line stands in the file already. Says so once for each.
    pub(super) fn take(&mut self, line: &[u8]) -> bool {
        !self.lines.is_empty() && self.lines.remove(&self::line(line))
    }

    /// Whether lines are left once these are taken, and worth looking for at the next start of a file with this length.
    pub(super) fn outlasts(&self, lines: impl Iterator<Item = impl AsRef<[u8]>>, length: u64) -> bool {
        if self.lines.is_empty() || length.saturating_sub(self.from) > MAX_BYTES {
            return false;
        }
        let taken: HashSet<Line> =
            lines.map(|line| self::line(line.as_ref())).filter(|line| self.lines.contains(line)).collect();
        taken.len() < self.lines.len()
    }
}

/// The next whole line, however long, in bounded memory; none at the end, or where only a piece of a line is left.
pub(super) fn next_line(text: &mut impl BufRead) -> io::Result<Option<Line>> {
    let mut hash = Sha256::new();
    loop {
        let piece = text.fill_buf()?;
        if piece.is_empty() {
            return Ok(None);
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        hash.update(piece.get(..end.unwrap_or(piece.len())).unwrap_or_default());
        let read = end.map_or(piece.len(), |end| end + 1);
        text.consume(read);
        if end.is_some() {
            return Ok(Some(hash.finalize().into()));
        }
    }
}
