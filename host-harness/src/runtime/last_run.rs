//! A last-run whose parts stand for their texts.

use std::collections::BTreeSet;

use super::{LastRun, LastRunPart};

impl LastRun {
    /// Whether both say the same. A name of a part stands for its text.
    pub fn is_same(&self, other: &Self) -> bool {
        let names = |last_run: &Self| last_run.parts.iter().map(|part| part.name.clone()).collect::<BTreeSet<_>>();
        self.head == other.head && names(self) == names(other)
    }

    /// The same by the names of its parts: they are enough for a call, which asks for the texts that it needs.
    #[must_use]
    pub fn without_texts(&self) -> Self {
        let parts = self.parts.iter().map(|part| LastRunPart { name: part.name.clone(), body: None }).collect();
        Self { head: self.head.clone(), parts }
    }
}
