//! The opaque text in a next link: a position and its window, sealed with the tenant's seed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::super::stream::Stream;
use super::page::Position;
use super::window::Window;

/// What a cursor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Cursor {
    pub(in super::super) stream: Stream,
    pub(in super::super) window: Window,
    pub(in super::super) position: Position,
    /// Nothing that is listed later than this is shown; `i64::MAX` where the list is live.
    pub(in super::super) horizon_ms: i64,
}

/// Length of the seal in characters; enough that a changed cursor is noticed, which is all it is for.
const SEAL_CHARS: usize = 12;

impl Cursor {
    pub(in super::super) fn encode(&self, seed: u64) -> String {
        let (kind, first, second) = match self.position {
            Position::Offset(offset) => ("skip", offset.to_string(), 0),
            Position::After(created_ms, number) => ("after", created_ms.to_string(), number),
        };
        let Window { from_ms, to_ms } = self.window;
        let fields = format!("{}|{from_ms}|{to_ms}|{kind}|{first}|{second}|{}", self.stream.path(), self.horizon_ms);
        URL_SAFE_NO_PAD.encode(format!("{fields}|{}", seal(&fields, seed)))
    }

    /// None for any text that this tenant did not write.
    pub(in super::super) fn decode(text: &str, seed: u64) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (fields, found) = text.rsplit_once('|')?;
        if found != seal(fields, seed) {
            return None;
        }
        let mut fields = fields.split('|');
        let mut next = || fields.next();
        let path = next()?;
        let stream = Stream::ALL.into_iter().find(|stream| stream.path() == path)?;
        let window = Window { from_ms: next()?.parse().ok()?, to_ms: next()?.parse().ok()? };
        let (kind, first, second) = (next()?, next()?, next()?);
        let position = match kind {
            "skip" => Position::Offset(first.parse().ok()?),
            _ => Position::After(first.parse().ok()?, second.parse().ok()?),
        };
        Some(Self { stream, window, position, horizon_ms: next()?.parse().ok()? })
    }
}

fn seal(fields: &str, seed: u64) -> String {
    let digest = Sha256::new().chain_update(seed.to_be_bytes()).chain_update(fields).finalize();
    URL_SAFE_NO_PAD.encode(digest).chars().take(SEAL_CHARS).collect()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    fn cursor(position: Position) -> Cursor {
        Cursor { stream: Stream::Events, window: Window { from_ms: -5, to_ms: 9 }, position, horizon_ms: i64::MAX }
    }

    #[test]
    fn a_cursor_comes_back_as_it_was() {
        for position in [Position::Offset(0), Position::Offset(700), Position::After(-3, 12)] {
            let cursor = cursor(position);
            assert_eq!(Cursor::decode(&cursor.encode(4), 4), Some(cursor));
        }
    }

    #[test]
    fn a_changed_or_foreign_cursor_is_none() {
        let text = cursor(Position::After(1, 2)).encode(4);
        assert_eq!(Cursor::decode(&text, 5), None, "of another tenant");
        let changed: String =
            text.char_indices().map(|(i, c)| if i == 20 { if c == 'A' { 'B' } else { 'A' } } else { c }).collect();
        assert_eq!(Cursor::decode(&changed, 4), None);
        assert_eq!(Cursor::decode("", 4), None);
        assert_eq!(Cursor::decode("not base64!", 4), None);
    }
}
