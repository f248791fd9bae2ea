//! What happened, line by line: for a person, and as one number that two runs of a world must share.

use std::hash::{DefaultHasher, Hasher};

/// How much of a run is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing; the fastest.
    None,
    /// The digest.
    Digest,
    /// The digest and the lines.
    Lines,
}

/// The trace of one run.
#[derive(Clone, Debug)]
pub struct Trace {
    detail: Detail,
    hasher: DefaultHasher,
    lines: Vec<String>,
}

impl Trace {
    /// Empty.
    pub fn new(detail: Detail) -> Self {
        Self { detail, hasher: DefaultHasher::new(), lines: Vec::new() }
    }

    /// Adds a line.
    pub fn line(&mut self, line: impl FnOnce() -> String) {
        if self.detail != Detail::None {
            let line = line();
            self.hasher.write(line.as_bytes());
            self.hasher.write_u8(b'\n');
            if self.detail == Detail::Lines {
                self.lines.push(line);
            }
        }
    }

    /// Adds bytes that no person reads.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if self.detail != Detail::None {
            self.hasher.write_usize(bytes.len());
            self.hasher.write(bytes);
        }
    }

    /// The digest of everything so far.
    pub fn digest(&self) -> u64 {
        self.hasher.finish()
    }

    /// The lines.
    pub fn into_lines(self) -> Vec<String> {
        self.lines
    }
}
