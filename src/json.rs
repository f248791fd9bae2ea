//! JSON text, checked and cut into values in one pass, without a tree: what goes out is what came in.
//!
//! A [`Scanner`] takes what RFC 8259 allows, and no more: duplicate keys, lone surrogates and any depth included. Strings, which
//! are most of a page, are passed eight bytes at a time; a host looks at the clock in each turn of a loop.

use std::borrow::Cow;

/// Text that is no JSON. It quotes nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct JsonError {
    what: &'static str,
    at: usize,
}

/// A string that is looked for: Webex's code for what it could not decrypt (`webex-api` 5, partial failure; where it stands
/// in an event is not documented).
const KMS_FAILURE: &[u8] = b"kms_failure";

/// What was met since it was last taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noticed {
    /// A line break, which can only stand between tokens.
    pub line_break: bool,
    /// The string `kms_failure`, as a key or a value.
    pub kms_failure: bool,
}

/// A place in a text.
#[derive(Debug)]
pub struct Scanner<'a> {
    text: &'a str,
    at: usize,
    /// Of each container within the value in hand, whether it is an object.
    open: Vec<bool>,
    noticed: Noticed,
}

impl<'a> Scanner<'a> {
    /// At the first value of the text.
    pub fn new(text: &'a str) -> Self {
        let mut scanner = Self { text, at: 0, open: Vec::new(), noticed: Noticed::default() };
        scanner.space();
        scanner
    }

    /// What was met since the last call of this.
    pub fn take_noticed(&mut self) -> Noticed {
        std::mem::take(&mut self.noticed)
    }

    /// The first byte of what is next.
    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The text must end here.
    ///
    /// # Errors
    /// It does not.
    pub fn end(&mut self) -> Result<(), JsonError> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { Err(self.wrong("something follows the value")) }
    }

    /// Passes a value and gives its text.
    ///
    /// # Errors
    /// It is none.
    pub fn value(&mut self) -> Result<&'a str, JsonError> {
        let begin = self.at;
        self.pass()?;
        Ok(self.since(begin))
    }

    /// Passes an object and gives its text. `each` is given every key as it stands, with its quotes, and must pass the value.
    ///
    /// # Errors
    /// It is none, or those of `each`.
    pub fn object(
        &mut self,
        mut each: impl FnMut(&mut Self, &'a str) -> Result<(), JsonError>,
    ) -> Result<&'a str, JsonError> {
        let begin = self.at;
        self.token(b'{', "no object")?;
        self.space();
        let mut goes_on = !self.closes(b'}');
        while goes_on {
            let key = self.at;
            self.string()?;
            let key = self.since(key);
            self.colon()?;
            each(self, key)?;
            goes_on = self.goes_on(b'}')?;
        }
        Ok(self.since(begin))
    }

    /// Passes an array. `each` must pass a value.
    ///
    /// # Errors
    /// It is none, or those of `each`.
    pub fn array(&mut self, mut each: impl FnMut(&mut Self) -> Result<(), JsonError>) -> Result<(), JsonError> {
        self.token(b'[', "no array")?;
        self.space();
        let mut goes_on = !self.closes(b']');
        while goes_on {
            each(self)?;
            goes_on = self.goes_on(b']')?;
        }
        Ok(())
    }

    /// Whether the container ends here.
    fn closes(&mut self, close: u8) -> bool {
        let is_closed = self.peek() == Some(close);
        self.at += usize::from(is_closed);
        is_closed
    }

    /// Behind a comma there is another one, behind `close` there is none.
    fn goes_on(&mut self, close: u8) -> Result<bool, JsonError> {
        self.space();
        if self.closes(close) {
            return Ok(false);
        }
        self.token(b',', "no comma and no end")?;
        self.space();
        Ok(true)
    }

    /// Passes a value: an object or array with everything in it, without recursion, whatever the depth.
    fn pass(&mut self) -> Result<(), JsonError> {
        self.open.clear();
        loop {
            match self.peek() {
                Some(b'"') => self.string()?,
                Some(b'{') => {
                    self.at += 1;
                    self.space();
                    if !self.closes(b'}') {
                        self.open.push(true);
                        self.string()?;
                        self.colon()?;
                        continue;
                    }
                }
                Some(b'[') => {
                    self.at += 1;
                    self.space();
                    if !self.closes(b']') {
                        self.open.push(false);
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                _ => return Err(self.wrong("no value")),
            }
            // A value ends here, and perhaps what it stands in.
            loop {
                let Some(is_object) = self.open.last().copied() else { return Ok(()) };
                if !self.goes_on(if is_object { b'}' } else { b']' })? {
                    self.open.pop();
                    continue;
                }
                if is_object {
                    self.string()?;
                    self.colon()?;
                }
                break;
            }
        }
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.token(b'"', "no string")?;
        let (bytes, begin) = (self.text.as_bytes(), self.at);
        loop {
            self.at = plain_end(bytes, self.at);
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return Err(self.wrong("a control character in a string")),
                None => return Err(self.wrong("a string without end")),
            }
        }
        if self.at - begin == KMS_FAILURE.len() && bytes.get(begin..self.at) == Some(KMS_FAILURE) {
            self.noticed.kms_failure = true;
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        let bytes = self.text.as_bytes();
        match bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u')
                if bytes.get(self.at + 2..self.at + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) =>
            {
                self.at += 6;
            }
            _ => return Err(self.wrong("no escape")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let begin = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == begin { Err(self.wrong("no digit")) } else { Ok(()) }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if self.text.as_bytes().get(self.at..self.at + word.len()) != Some(word) {
            return Err(self.wrong("no value"));
        }
        self.at += word.len();
        Ok(())
    }

    fn colon(&mut self) -> Result<(), JsonError> {
        self.space();
        self.token(b':', "no colon")?;
        self.space();
        Ok(())
    }

    fn token(&mut self, token: u8, what: &'static str) -> Result<(), JsonError> {
        if self.peek() != Some(token) {
            return Err(self.wrong(what));
        }
        self.at += 1;
        Ok(())
    }

    /// Mostly there is none.
    #[inline]
    fn space(&mut self) {
        if self.peek().is_some_and(|byte| byte <= b' ') {
            self.pass_space();
        }
    }

    fn pass_space(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => {}
                Some(b'\n' | b'\r') => self.noticed.line_break = true,
                _ => return,
            }
            self.at += 1;
        }
    }

    fn since(&self, begin: usize) -> &'a str {
        self.text.get(begin..self.at).unwrap_or_default()
    }

    fn wrong(&self, what: &'static str) -> JsonError {
        JsonError { what, at: self.at }
    }
}

/// The text of a JSON string; none if it is no string, or has no text (lone surrogates).
pub fn decode(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_some() {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// From `at` on the first quote, backslash or control character, or the end.
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(chunk) = bytes.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let found = odd_bytes(u64::from_le_bytes(*chunk));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let is_odd = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    bytes.get(at..).and_then(|rest| rest.iter().position(is_odd)).map_or(bytes.len(), |found| at + found)
}

/// The highest bit of each byte that ends plain text in a string; above the lowest of them others may be set, too.
const fn odd_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGHEST: u64 = u64::from_ne_bytes([0x80; 8]);
    // A byte of these is zero where the word has the character, and a subtraction borrows from above only.
    let (quote, backslash) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & HIGHEST
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    use super::*;

    fn scan(text: &str) -> Result<&str, JsonError> {
        let mut scanner = Scanner::new(text);
        let value = scanner.value()?;
        scanner.end()?;
        Ok(value)
    }

    #[track_caller]
    fn check(text: &str) {
        let library = serde_json::from_str::<IgnoredAny>(text);
        assert_eq!(
            scan(text).map(str::len).ok(),
            library.ok().map(|_| text.trim_matches([' ', '\t', '\n', '\r']).len()),
            "{text:?}"
        );
    }

    #[test]
    fn a_value_is_what_the_library_takes_for_one() {
        for text in [
            "",
            " ",
            "null",
            "nul",
            "nulll",
            "true",
            "false",
            "tru",
            "0",
            "-0",
            "-",
            "00",
            "01",
            "1.",
            "1.5",
            ".5",
            "1e",
            "1e5",
            "1E+5",
            "1e-",
            "--1",
            "+1",
            "\"\"",
            "\"",
            "\"a",
            "\"\\\"",
            "\"\\\"\"",
            "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\uD800\\udc00\"",
            "\"\\x\"",
            "\"a\nb\"",
            "\"\u{1f}\"",
            "\"\u{7f}é\"",
            "[]",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1,2]",
            "{}",
            "{",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,",
            "{\"a\":1,}",
            "{\"a\" : 1 }",
            "{a:1}",
            "{\"a\":1,\"a\":2}",
            "{\"a\":{\"b\":[{}]}}",
            "[}",
            "{]",
            "\u{feff}1",
            "1 1",
            "[1]]",
            "\r\n\t {} \r\n",
            "\u{a0}1",
        ] {
            check(text);
        }
        check(&format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)));
        check(&"[{\"a\":".repeat(1_000));
    }

    #[test]
    fn line_breaks_and_what_could_not_be_decrypted_are_noticed_until_it_is_asked_for() {
        let mut scanner = Scanner::new("[1,\n\"kms_failure\"]");
        scanner.value().unwrap();
        assert_eq!(scanner.take_noticed(), Noticed { line_break: true, kms_failure: true });
        assert_eq!(scanner.take_noticed(), Noticed::default());
    }

    proptest! {
        /// Pieces of JSON in any order, most of them wrong somewhere.
        #[test]
        fn whatever_is_put_together_is_judged_as_by_the_library(pieces in proptest::collection::vec(0..24_usize, 0..24)) {
            const PIECES: [&str; 24] = [
                "{", "}", "[", "]", ",", ":", "\"", "\"id\"", "\\", "\\u00e9", "1", "-", "e5", ".5", "null", "true", " ", "\n", "é", "abcdefgh",
                "\"a\":", "[1,2]", "{\"b\":null}", "\u{1}",
            ];
            check(&pieces.iter().map(|piece| PIECES[*piece]).collect::<String>());
        }

        #[test]
        fn a_byte_that_ends_plain_text_is_found_wherever_it_stands(before in "[ -!#-\\[\\]-~é]{0,40}", end in "[\"\\\\\u{0}-\u{1f}]", after in "[ -~é]{0,20}") {
            let text = format!("{before}{end}{after}");
            prop_assert_eq!(plain_end(text.as_bytes(), 0), before.len());
        }
    }
}
