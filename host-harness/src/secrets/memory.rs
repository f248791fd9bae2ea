//! A store that is gone with the process.

use std::sync::{Mutex, PoisonError};

use super::{Contents, Expected, Revision, Secret, SecretsError, Versioned, compare_and_set};

#[derive(Default)]
pub(super) struct MemoryStore(Mutex<Contents>);

impl MemoryStore {
    pub(super) fn get(&self, name: &str) -> Option<Versioned> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned().map(Versioned::from)
    }

    pub(super) fn write(
        &self,
        name: &str,
        expected: &Expected,
        value: Option<Secret>,
    ) -> Result<Revision, SecretsError> {
        // Nobody asks a store in memory how old its secrets are.
        compare_and_set(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), name, expected, value, 0)
    }
}
