//! The bytes of a component, and by what they are known.

use std::borrow::Cow;

use crate::state::checksum;

/// A component as it is in its file.
#[derive(Clone, Debug)]
pub struct Source {
    bytes: Cow<'static, [u8]>,
    checksum: Cow<'static, str>,
}

impl Source {
    /// The one that this build was made with. Its checksum was computed then.
    pub fn built_in() -> Self {
        Self { bytes: crate::COMPONENT.into(), checksum: crate::COMPONENT_SHA256.into() }
    }

    /// Any other.
    pub fn of(bytes: Vec<u8>) -> Self {
        let checksum = checksum(&bytes).into();
        Self { bytes: bytes.into(), checksum }
    }

    /// What runs.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its SHA-256, as `sha256sum` prints it.
    pub fn checksum(&self) -> &str {
        &self.checksum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_that_is_built_in_is_known_by_its_checksum() {
        assert_eq!(Source::built_in().checksum(), Source::of(crate::COMPONENT.to_vec()).checksum());
    }
}
