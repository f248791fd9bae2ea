//! Ids as they are stored: text that is named by its content.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use sha2::{Digest, Sha256};

use crate::item::hex;

/// The ids of a segment as text, under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Derived from the text.
    pub name: String,
    /// Eight bytes an id, the lowest first, in base64 without padding.
    pub body: String,
}

/// A text that is not what was packed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPacked {
    /// Its content is not that of its name.
    #[error("part {0} has changed")]
    Changed(String),
    /// It is no base64.
    #[error("a seen segment is damaged: {0}")]
    Encoding(#[from] base64::DecodeError),
    /// Its last id is not whole.
    #[error("a seen segment ends within an id")]
    Cut,
}

impl Packed {
    /// Packs ids.
    pub fn of(ids: &[u64]) -> Self {
        let body = write(ids);
        let mut name = format!("seen-{}", hex(&Sha256::digest(&body)));
        // 128 bits name a part of one tenant well enough.
        name.truncate("seen-".len() + 32);
        Self { name, body }
    }

    /// How many ids it holds.
    pub fn len(&self) -> usize {
        self.body.len() * 3 / 4 / size_of::<u64>()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Unpacks them, if they are what the name says.
    pub fn ids(&self) -> Result<Vec<u64>, NotPacked> {
        let ids = read(&self.body)?;
        if Self::of(&ids) == *self { Ok(ids) } else { Err(NotPacked::Changed(self.name.clone())) }
    }
}

/// Ids as text.
pub fn write(ids: &[u64]) -> String {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    BASE64.encode(bytes)
}

/// Text as ids.
pub fn read(text: &str) -> Result<Vec<u64>, NotPacked> {
    let bytes = BASE64.decode(text)?;
    let (ids, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(NotPacked::Cut);
    }
    Ok(ids.iter().map(|id| u64::from_le_bytes(*id)).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_and_are_counted_without_unpacking() {
        for count in 0..50_u64 {
            let ids: Vec<u64> = (0..count).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
            let packed = Packed::of(&ids);
            assert_eq!((packed.len(), packed.ids().unwrap()), (ids.len(), ids));
        }
    }

    #[test]
    fn a_text_that_is_not_of_its_name_is_refused() {
        let one = Packed::of(&[1, 2, 3]);
        let changed = Packed { body: one.body.replacen('A', "B", 1), ..one.clone() };
        assert_eq!(changed.ids(), Err(NotPacked::Changed(one.name.clone())));
        assert_eq!(Packed { body: "A".repeat(10), ..one.clone() }.ids(), Err(NotPacked::Cut));
        assert!(matches!(Packed { body: "#".to_owned(), ..one }.ids(), Err(NotPacked::Encoding(_))));
    }
}
