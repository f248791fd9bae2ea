//! What is due when: by time, then in the order in which it was planned.

use std::collections::BTreeMap;

/// Things to come.
pub(super) struct Agenda<T> {
    due: BTreeMap<(i64, u64), T>,
    planned: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { due: BTreeMap::new(), planned: 0 }
    }
}

impl<T> Agenda<T> {
    pub(super) fn plan(&mut self, at: i64, what: T) {
        self.planned += 1;
        self.due.insert((at, self.planned), what);
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<i64> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn pop(&mut self) -> Option<(i64, T)> {
        self.due.pop_first().map(|((at, _), what)| (at, what))
    }
}
