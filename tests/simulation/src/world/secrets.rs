//! The host's secrets of one tenant: compare-and-set, durable when it returns, and now and then unavailable.

use std::collections::BTreeMap;

use cisco_webex_plugin::effect::SecretsError;
use cisco_webex_plugin::secret::{Revision, Secret, SecretName, Versioned};

/// The secrets of one tenant.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    values: BTreeMap<SecretName, (String, u64)>,
    revisions: u64,
}

impl Secrets {
    /// A person puts a secret there.
    pub(super) fn put(&mut self, name: SecretName, value: &str) {
        self.revisions += 1;
        self.values.insert(name, (value.to_owned(), self.revisions));
    }

    /// What the plugin reads.
    pub(super) fn get(&self, name: SecretName) -> Option<Versioned> {
        self.values.get(&name).map(|(value, revision)| Versioned {
            value: Secret::new(value.clone()),
            revision: Revision(revision.to_string()),
        })
    }

    /// What the plugin writes.
    ///
    /// # Errors
    /// Somebody has written since `expected` was read, or the name is not the plugin's to write.
    pub(super) fn replace(
        &mut self,
        name: SecretName,
        expected: Option<&Revision>,
        value: &Secret,
    ) -> Result<Revision, SecretsError> {
        if !name.is_written() {
            return Err(SecretsError::Denied);
        }
        let present = self.values.get(&name).map(|(_, revision)| Revision(revision.to_string()));
        if present.as_ref() != expected {
            return Err(SecretsError::Conflict);
        }
        self.put(name, value.expose());
        Ok(Revision(self.revisions.to_string()))
    }
}
