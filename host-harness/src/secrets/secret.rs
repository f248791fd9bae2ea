//! A value that must not be seen, and which write of it this is.

use std::fmt;

use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::StoreError;

/// A value that cannot be printed or serialised by accident, and that is wiped when it is dropped. Moving it copies no value.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The value, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Without white space around it, as pasting and files leave it.
    #[must_use]
    pub fn trimmed(self) -> Self {
        match self.0.trim() {
            trimmed if trimmed.len() == self.0.len() => self,
            trimmed => trimmed.into(),
        }
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(Zeroizing::new(value))
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        value.to_owned().into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Which write of a name this is; opaque, and never used for two values of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision(String);

impl Revision {
    /// A new one: 128 random bits, so that two processes, or a name that was deleted between, never give the same.
    pub(super) fn fresh() -> Result<Self, StoreError> {
        let mut bytes = [0; 16];
        random(&mut bytes)?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bytes))))
    }

    /// The one of a configured value: the same in every process as long as the value is.
    pub(super) fn of_configured(name: &str, value: &Secret) -> Self {
        let mut hash = Sha256::new();
        for part in ["configured secret", name, value.expose()] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        // 64 bits tell changes apart and are too few to be a check on a guessed value worth having.
        let short: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("configured-{short}"))
    }

    /// As the plugin sees it.
    pub fn into_text(self) -> String {
        self.0
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl From<String> for Revision {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// A value and which write of it this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The value.
    pub value: Secret,
    /// Which write.
    pub revision: Revision,
}

/// Fills `bytes` from the system's secure source.
pub(super) fn random(bytes: &mut [u8]) -> Result<(), StoreError> {
    OsRng.try_fill_bytes(bytes).map_err(|error| StoreError::Random(error.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use static_assertions::{assert_impl_all, assert_not_impl_any};

    use super::*;
    use crate::secrets::key::Key;

    assert_not_impl_any!(Secret: fmt::Display, serde::Serialize, Copy, AsRef<str>, std::ops::Deref);
    assert_not_impl_any!(Key: fmt::Debug, fmt::Display, serde::Serialize, Clone, AsRef<[u8]>, std::ops::Deref);
    assert_impl_all!(Zeroizing<String>: zeroize::ZeroizeOnDrop);

    #[test]
    fn a_secret_cannot_be_printed() {
        let versioned = Versioned { value: "fake-token".into(), revision: Revision::fresh().unwrap() };
        assert!(!format!("{versioned:?} {versioned:#?}").contains("fake-token"));
    }

    #[test]
    fn a_configured_value_keeps_its_revision_until_it_changes() {
        let of = |value: &str| Revision::of_configured("password", &value.into());
        assert_eq!(of("one"), of("one"));
        assert_ne!(of("one"), of("two"));
    }

    #[test]
    fn white_space_around_a_secret_goes_and_none_within() {
        for (given, kept) in [("a b", "a b"), (" a b\r\n", "a b"), ("\n", ""), ("", "")] {
            assert_eq!(Secret::from(given).trimmed().expose(), kept, "{given:?}");
        }
    }
}
