//! One item of a page: found in its text, not parsed into a tree, so that it goes out as it came in.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::effect::Response;
use crate::json::{JsonError, Noticed, Scanner, decode};
use crate::settings::MessageText;
use crate::stream::Stream;
use crate::time::Timestamp;

/// A JSON value of a list answer, and where in it is what matters.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    text: &'a str,
    /// What it has, if it is an object.
    object: Option<Object<'a>>,
    noticed: Noticed,
}

/// The members of an item that are looked at, as they stand. Of those that stand twice the last one counts, as in most parsers.
#[derive(Clone, Copy, Debug, Default)]
struct Object<'a> {
    id: Option<&'a str>,
    created: Option<&'a str>,
    /// How many have a name that the plugin adds.
    ours: usize,
}

/// What identifies an item within a stream and organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity<'a> {
    /// Its `id`, a text.
    Text(Cow<'a, str>),
    /// Its `id`, a number, as written.
    Number(&'a str),
    /// It has none that can be read: SHA-256 of its bytes.
    Bytes([u8; 32]),
}

/// What an item says of itself.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// Never missing.
    pub identity: Identity<'a>,
    /// When it happened, if it says so in a readable way.
    pub created: Option<Timestamp>,
    item: Item<'a>,
}

/// A line to deliver.
#[derive(Debug)]
pub struct Line {
    /// One line of JSON.
    pub text: String,
    /// How many members of the item had a name that the plugin adds, and were replaced.
    pub replaced: u64,
}

/// The two members that are added to every item (`design` 2: rules of the Cortex collector's users read them).
const TIME: &str = "_time";
const SOURCE: &str = "source_log_type";

/// Bytes that both add to a line at most, with the value of the first.
const ADDED: usize = 96;

/// The members of `data` that hold the text of a message (`webex-api` 2.5).
const MESSAGE_TEXTS: [&str; 3] = ["text", "markdown", "html"];

impl<'a> Item<'a> {
    /// Reads a text that is one item.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn parse(text: &'a str) -> Result<Self, JsonError> {
        let mut scanner = Scanner::new(text);
        let item = Self::scan(&mut scanner)?;
        scanner.end()?;
        Ok(item)
    }

    /// Reads an answer that is one item; none: it is no JSON.
    pub fn of_answer(response: &'a Response) -> Option<Self> {
        Self::parse(str::from_utf8(&response.body).ok()?).ok()
    }

    /// Reads the value that is next.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn scan(scanner: &mut Scanner<'a>) -> Result<Self, JsonError> {
        scanner.take_noticed();
        let mut object = None;
        let text = if scanner.peek() == Some(b'{') {
            let found = object.insert(Object::default());
            scanner.object(|scanner, key| {
                let value = scanner.value()?;
                found.note(key, value);
                Ok(())
            })?
        } else {
            scanner.value()?
        };
        Ok(Self { text, object, noticed: scanner.take_noticed() })
    }

    /// Whether it is an object, as all documented ones are.
    pub fn is_object(self) -> bool {
        self.object.is_some()
    }

    /// As it came.
    pub fn text(self) -> &'a str {
        self.text
    }

    /// Bytes of its line with the end of that, as a rule; it may be longer where it is no object.
    pub fn line_length(self) -> usize {
        self.text.len() + ADDED
    }

    /// Reads identity and time.
    pub fn facts(self) -> Facts<'a> {
        let object = self.object.unwrap_or_default();
        let created = self.created_text().and_then(decode).and_then(|text| Timestamp::parse_rfc3339(&text));
        let identity = object.id.and_then(Identity::read).unwrap_or_else(|| {
            let mut digest = [0; 32];
            digest.copy_from_slice(&Sha256::digest(self.text));
            Identity::Bytes(digest)
        });
        Facts { identity, created, item: self }
    }

    /// The text of `created`, whatever it is; none if absent or null.
    fn created_text(self) -> Option<&'a str> {
        self.object?.created.filter(|text| *text != "null")
    }

    /// Whether Webex could not decrypt it (`webex-api` 5, partial failure; the position in an event is not documented).
    pub fn has_kms_failure(self) -> bool {
        self.noticed.kms_failure
    }
}

impl<'a> Object<'a> {
    fn note(&mut self, key: &'a str, value: &'a str) {
        match key {
            r#""id""# => self.id = Some(value),
            r#""created""# => self.created = Some(value),
            r#""_time""# | r#""source_log_type""# => self.ours += 1,
            // The same names may be written with escapes.
            _ if key.contains('\\') => match decode(key).as_deref() {
                Some("id") => self.id = Some(value),
                Some("created") => self.created = Some(value),
                Some(TIME | SOURCE) => self.ours += 1,
                _ => {}
            },
            _ => {}
        }
    }
}

impl Facts<'_> {
    /// The line to deliver.
    pub fn line(&self, stream: Stream, message_text: MessageText) -> Line {
        let Item { text: item, object, noticed } = self.item;
        let mut text = String::with_capacity(item.len() + ADDED);
        let is_private = stream == Stream::Events && message_text != MessageText::Keep;
        match object {
            Some(object) if object.ours == 0 && !is_private => {
                let open = item.strip_suffix('}').unwrap_or(item).trim_ascii_end();
                if noticed.line_break { push_text(&mut text, open) } else { text.push_str(open) }
            }
            Some(_) => push_members(&mut text, item, is_private.then_some(message_text)),
            None => {
                text.push_str(r#"{"_raw":"#);
                push_text(&mut text, item);
            }
        }
        if let Some(created) = self.item.created_text() {
            push_comma(&mut text);
            text.push_str(r#""_time":"#);
            push_text(&mut text, created);
        }
        push_comma(&mut text);
        text.push_str(r#""source_log_type":""#);
        text.push_str(stream.source_log_type());
        text.push_str("\"}");
        Line { text, replaced: object.map_or(0, |object| object.ours as u64) }
    }

    /// Whether something that Webex documents for every item is missing or cannot be read.
    pub fn is_odd(&self) -> bool {
        self.item.object.is_none() || self.created.is_none() || matches!(self.identity, Identity::Bytes(_))
    }
}

impl<'a> Identity<'a> {
    /// From the text of an `id`; none: it identifies nothing.
    fn read(text: &'a str) -> Option<Self> {
        match text.as_bytes().first()? {
            b'"' => {
                let id = decode(text).unwrap_or(Cow::Borrowed(text));
                (!id.is_empty()).then_some(Self::Text(id))
            }
            b'-' | b'0'..=b'9' => Some(Self::Number(text)),
            _ => None,
        }
    }

    /// Characters of it in printable ASCII, as long as nothing has to be escaped.
    pub fn usual_length(&self) -> usize {
        match self {
            Self::Text(id) => id.len(),
            Self::Number(number) => "~number:".len() + number.len(),
            Self::Bytes(digest) => "~sha256:".len() + 2 * digest.len(),
        }
    }

    /// Adds it in printable ASCII, at most 270 characters, different for different identities.
    pub fn print(&self, to: &mut String) {
        /// Ids of Webex have under 120 characters; one over this is shortened to its digest.
        const LONGEST: usize = 256;
        match self {
            Self::Text(id) => {
                let begin = to.len();
                escape(id, to);
                if to.len() - begin > LONGEST {
                    to.truncate(begin);
                    to.push_str("~sha256-id:");
                    to.push_str(&hex(&Sha256::digest(id.as_bytes())));
                }
            }
            Self::Number(number) if number.len() <= LONGEST => {
                to.push_str("~number:");
                to.push_str(number);
            }
            Self::Number(number) => {
                to.push_str("~sha256-number:");
                to.push_str(&hex(&Sha256::digest(number)));
            }
            Self::Bytes(digest) => {
                to.push_str("~sha256:");
                to.push_str(&hex(digest));
            }
        }
    }
}

/// Whether it is a letter, a digit or one of `-._=+/`. Without a branch: every id goes through it, many bytes at a time.
#[inline]
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphabetic() | matches!(byte, b'-'..=b'9') | (byte == b'_') | (byte == b'=') | (byte == b'+')
}

/// Adds the text with everything but letters, digits and `-._=+/` as `%XX`, so that `:` and `~` can stand around it.
pub fn escape(text: &str, to: &mut String) {
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        return to.push_str(text);
    }
    for byte in text.bytes() {
        if is_plain(byte) {
            to.push(char::from(byte));
        } else {
            to.push_str(&format!("%{byte:02X}"));
        }
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text with line breaks as spaces; in JSON they stand only between tokens.
fn push_text(line: &mut String, text: &str) {
    if memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_none() {
        return line.push_str(text);
    }
    let mut pieces = text.split(['\n', '\r']);
    line.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        line.push(' ');
        line.push_str(piece);
    }
}

fn push_comma(line: &mut String) {
    if !line.as_bytes().ends_with(b"{") {
        line.push(',');
    }
}

/// Calls `each` with key and value of every member, as they stand; nothing for what is no object.
fn members<'a>(object: &'a str, mut each: impl FnMut(&'a str, &'a str)) {
    // It was scanned before, so nothing in it is wrong.
    let _ = Scanner::new(object).object(|scanner, key| {
        let value = scanner.value()?;
        each(key, value);
        Ok(())
    });
}

/// The members of an item without those that are ours; `private`: what to do with the text of a message.
fn push_members(line: &mut String, item: &str, private: Option<MessageText>) {
    line.push('{');
    members(item, |key, value| match (decode(key).as_deref(), private) {
        (Some(TIME | SOURCE), _) => {}
        (Some("data"), Some(message_text)) => {
            push_key(line, key);
            push_private(line, value, message_text);
        }
        _ => {
            push_key(line, key);
            push_text(line, value);
        }
    });
}

fn push_key(line: &mut String, key: &str) {
    push_comma(line);
    line.push_str(key);
    line.push(':');
}

/// `data` without the text of a message, or with its digest.
fn push_private(line: &mut String, data: &str, message_text: MessageText) {
    if !data.starts_with('{') {
        return push_text(line, data);
    }
    line.push('{');
    members(data, |key, value| {
        let is_message_text = decode(key).is_some_and(|name| MESSAGE_TEXTS.contains(&name.as_ref()));
        if !is_message_text {
            push_key(line, key);
            push_text(line, value);
        } else if message_text != MessageText::Drop {
            let digest = Sha256::digest(decode(value).unwrap_or(Cow::Borrowed(value)).as_bytes());
            push_key(line, key);
            line.push_str(&format!(r#""sha256:{}""#, hex(&digest)));
        }
    });
    line.push('}');
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn line_of(json: &str, message_text: MessageText) -> Line {
        Item::parse(json.trim()).unwrap().facts().line(Stream::Events, message_text)
    }

    #[track_caller]
    fn check(json: &str, want: &str) {
        assert_eq!(line_of(json, MessageText::Keep).text, want);
    }

    #[test]
    fn two_members_are_added_and_nothing_else_changes() {
        check(
            r#"{"id":"1","created":"2026-01-01T00:00:00Z","n":1.0e+2,"a":[{"b":{}}]}"#,
            r#"{"id":"1","created":"2026-01-01T00:00:00Z","n":1.0e+2,"a":[{"b":{}}],"_time":"2026-01-01T00:00:00Z","source_log_type":"Events"}"#,
        );
        check("{}", r#"{"source_log_type":"Events"}"#);
        check(" { } ", r#"{"source_log_type":"Events"}"#);
        check(r#"{"created":null}"#, r#"{"created":null,"source_log_type":"Events"}"#);
        check(r#"{"created":"soon"}"#, r#"{"created":"soon","_time":"soon","source_log_type":"Events"}"#);
    }

    #[test]
    fn line_breaks_between_tokens_become_spaces_and_those_in_text_stay_escaped() {
        check(
            "{\n  \"a\" : [\r\n 1,\n2 ],\n \"t\": \"x\\ny\\u2028\"\n}",
            "{   \"a\" : [   1, 2 ],  \"t\": \"x\\ny\\u2028\",\"source_log_type\":\"Events\"}",
        );
    }

    #[test]
    fn members_of_the_same_name_are_replaced_and_counted() {
        let line = line_of(r#"{"_time":1,"a":2,"source_log_type":"x","_t\u0069me":3}"#, MessageText::Keep);
        assert_eq!((line.text.as_str(), line.replaced), (r#"{"a":2,"source_log_type":"Events"}"#, 3));
    }

    #[test]
    fn duplicates_lone_surrogates_and_odd_keys_survive() {
        check(
            r#"{"a":1,"a":2,"\ud800":"\udfff","":0,"k\"}":"{\\"}"#,
            r#"{"a":1,"a":2,"\ud800":"\udfff","":0,"k\"}":"{\\","source_log_type":"Events"}"#,
        );
    }

    #[test]
    fn what_is_no_object_is_wrapped() {
        for json in ["null", "3", "\"text\"", "[1,{\"id\":\"x\"}]", "true"] {
            check(json, &format!(r#"{{"_raw":{json},"source_log_type":"Events"}}"#));
        }
    }

    fn printed(facts: &Facts<'_>) -> String {
        let mut printed = String::new();
        facts.identity.print(&mut printed);
        printed
    }

    #[track_caller]
    fn check_facts(json: &str, identity: &str, created: Option<&str>, odd: bool) {
        let facts = Item::parse(json).unwrap().facts();
        let time = facts.created.map(|t| t.to_string());
        assert_eq!((printed(&facts).as_str(), time.as_deref(), facts.is_odd()), (identity, created, odd));
    }

    #[test]
    fn identity_and_time_are_read_from_what_is_there() {
        const T: Option<&str> = Some("2026-01-01T00:00:00.500Z");
        check_facts(r#"{"id":"Y2lz/_-=","created":"2026-01-01T00:00:00.5Z"}"#, "Y2lz/_-=", T, false);
        check_facts(r#"{"id":"a:b é","created":"2026-01-01T00:00:00.5Z"}"#, "a%3Ab%20%C3%A9", T, false);
        check_facts(r#"{"id":17,"created":"2026-01-01T00:00:00.5Z"}"#, "~number:17", T, false);
        check_facts(r#"{"id":"x","created":5}"#, "x", None, true);
        check_facts(r#"{"data":{"id":"inner","created":"2026-01-01T00:00:00Z"},"id":"outer"}"#, "outer", None, true);
        check_facts(r#"{"id":"first","id":"last"}"#, "last", None, true);
        for json in ["null", "{}", r#"{"id":null}"#, r#"{"id":""}"#, r#"{"id":{}}"#, "[]"] {
            let digest = hex(&Sha256::digest(json));
            check_facts(json, &format!("~sha256:{digest}"), None, true);
        }
    }

    #[test]
    fn a_long_id_is_shortened_to_its_digest() {
        let json = format!(r#"{{"id":"{}"}}"#, "é".repeat(1_000));
        let printable = printed(&Item::parse(&json).unwrap().facts());
        assert!(printable.starts_with("~sha256-id:") && printable.len() < 100, "{printable}");
    }

    #[test]
    fn message_text_is_dropped_or_hashed_where_that_is_set() {
        let json = r#"{"id":"1","data":{"text":"abc","html":"<b>","roomId":"r","markdown":7},"text":"kept"}"#;
        let dropped = line_of(json, MessageText::Drop).text;
        assert_eq!(dropped, r#"{"id":"1","data":{"roomId":"r"},"text":"kept","source_log_type":"Events"}"#);
        let hashed = line_of(json, MessageText::Hash).text;
        // The digest of "abc" is the example of FIPS 180-2.
        assert!(hashed.contains(r#""text":"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad""#));
        assert!(!hashed.contains("<b>") && hashed.contains(r#""roomId":"r""#) && hashed.contains(r#""text":"kept""#));
    }

    #[test]
    fn a_kms_failure_is_noticed_and_a_text_about_one_is_not() {
        let failed = r#"{"errors":{"title":{"code":"kms_failure"}}}"#;
        let text = r#"{"data":{"text":"code: \"kms_failure\""}}"#;
        for (json, want) in [(failed, true), (text, false)] {
            assert_eq!(Item::parse(json).unwrap().has_kms_failure(), want);
        }
    }

    fn json() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            "[ -~é\\n\"\\\\{}\\[\\],:]{0,12}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                proptest::collection::btree_map("[a-z_\"\\\\{}:,]{0,6}", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest::proptest! {
        #[test]
        fn a_line_is_the_item_and_two_members(value in json(), pretty in proptest::bool::ANY) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            let line = line_of(&text, MessageText::Keep).text;
            proptest::prop_assert!(!line.contains('\n'));
            let mut back: serde_json::Value = serde_json::from_str(&line).unwrap();
            let object = back.as_object_mut().unwrap();
            proptest::prop_assert_eq!(object.remove(SOURCE).unwrap(), "Events");
            object.remove(TIME);
            let want = if value.is_object() { value } else { serde_json::json!({"_raw": value}) };
            proptest::prop_assert_eq!(back, want);
        }
    }
}
