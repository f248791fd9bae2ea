//! Ids as they are stored: text that is named by its content.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use sha2::{Digest, Sha256};

use crate::item::hex;
use crate::last_run::Kept;

/// The ids of a segment as text, under its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    /// Derived from the text.
    pub name: String,
    /// How many ids it holds.
    pub count: usize,
    /// Eight bytes an id, the lowest first, in base64 without padding; none: it is kept elsewhere.
    pub body: Option<String>,
}

/// A text that is not what was packed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPacked {
    /// Its content is not that of its name.
    #[error("part {0} has changed")]
    Changed(String),
    /// It did not come along and is not where it should be kept.
    #[error("part {0} is missing")]
    Missing(String),
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
        Self { name: name(&body), count: ids.len(), body: Some(body) }
    }

    /// As it was stored. `count`: none where it was stored by a form that did not say.
    pub fn stored(name: String, count: Option<usize>, body: Option<String>, kept: &Kept) -> Result<Self, NotPacked> {
        let length = |body: &String| body.len() * 3 / 4 / size_of::<u64>();
        let count = match (count, &body) {
            (Some(count), _) => count,
            (None, Some(body)) => length(body),
            (None, None) => kept.text(&name).as_ref().map(length).ok_or_else(|| NotPacked::Missing(name.clone()))?,
        };
        Ok(Self { name, count, body })
    }

    /// Unpacks them, if they are what the name says.
    pub fn ids(&self, kept: &Kept) -> Result<Vec<u64>, NotPacked> {
        let found = if self.body.is_none() { kept.text(&self.name) } else { None };
        let body = self.body.as_ref().or(found.as_ref()).ok_or_else(|| NotPacked::Missing(self.name.clone()))?;
        let ids = if name(body) == self.name { read(body)? } else { Vec::new() };
        if ids.len() == self.count { Ok(ids) } else { Err(NotPacked::Changed(self.name.clone())) }
    }
}

/// Of a text.
fn name(body: &str) -> String {
    let mut name = format!("seen-{}", hex(&Sha256::digest(body)));
    // 128 bits name a part of one tenant well enough.
    name.truncate("seen-".len() + 32);
    name
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
    fn ids_come_back_wherever_their_text_is() {
        for count in 0..50_u64 {
            let ids: Vec<u64> = (0..count).map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15)).collect();
            let whole = Packed::of(&ids);
            assert_eq!((whole.count, whole.ids(&Kept::default()).unwrap()), (ids.len(), ids.clone()));
            let Packed { name, body, .. } = whole.clone();
            let kept = Kept::by(move |asked| (asked == name).then(|| body.clone()).flatten());
            for known in [Some(ids.len()), None] {
                let by_name = Packed::stored(whole.name.clone(), known, None, &kept).unwrap();
                assert_eq!((by_name.count, by_name.ids(&kept).unwrap()), (ids.len(), ids.clone()));
            }
        }
    }

    #[test]
    fn a_text_that_is_not_of_its_name_is_refused() {
        let none = Kept::default();
        let one = Packed::of(&[1, 2, 3]);
        let changed = Packed { body: one.body.as_ref().map(|body| body.replacen('A', "B", 1)), ..one.clone() };
        assert_eq!(changed.ids(&none), Err(NotPacked::Changed(one.name.clone())));
        assert_eq!(Packed { count: 2, ..one.clone() }.ids(&none), Err(NotPacked::Changed(one.name.clone())));
        assert_eq!(Packed { body: None, ..one.clone() }.ids(&none), Err(NotPacked::Missing(one.name.clone())));
        assert_eq!(Packed::stored("a".to_owned(), None, None, &none), Err(NotPacked::Missing("a".to_owned())));
        let named = |body: &str| Packed { name: name(body), count: 1, body: Some(body.to_owned()) };
        assert_eq!(named("AAAAAAAAAA").ids(&none), Err(NotPacked::Cut));
        for other in ["#", "AAAAAAAAAAB", "AAAAAAAAAAA="] {
            assert!(matches!(named(other).ids(&none), Err(NotPacked::Encoding(_))), "{other}");
        }
    }
}
