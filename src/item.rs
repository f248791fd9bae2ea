//! One item of a page: found in its text, not parsed into a tree, so that it goes out as it came in.

use std::borrow::Cow;

use memchr::memchr2;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::settings::MessageText;
use crate::stream::Stream;
use crate::time::Timestamp;

/// A JSON value of a list answer. Its text is valid JSON.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    text: &'a str,
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
    /// The text of `created`, whatever it is; none if absent or null.
    created_text: Option<&'a str>,
    /// Its members, if it is an object.
    members: Option<Vec<Member<'a>>>,
    text: &'a str,
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

/// The members of `data` that hold the text of a message (`webex-api` 2.5).
const MESSAGE_TEXTS: [&str; 3] = ["text", "markdown", "html"];

impl<'a> Item<'a> {
    /// Of a list answer.
    pub fn new(raw: &'a RawValue) -> Self {
        Self { text: raw.get() }
    }

    /// As it came.
    pub fn text(self) -> &'a str {
        self.text
    }

    /// Reads identity and time. Of members that stand twice the last one counts, as in most parsers.
    pub fn facts(self) -> Facts<'a> {
        let (mut id, mut created) = (None, None);
        let members: Option<Vec<Member<'a>>> = self.text.starts_with('{').then(|| members(self.text).collect());
        for member in members.iter().flatten() {
            match member.name().as_deref() {
                Some("id") => id = Some(member.value),
                Some("created") => created = Some(member.value),
                _ => {}
            }
        }
        let created_text = created.filter(|text| *text != "null");
        let created = created_text.and_then(decode).and_then(|text| Timestamp::parse_rfc3339(&text));
        let identity = id.and_then(Identity::read).unwrap_or_else(|| {
            let mut digest = [0; 32];
            digest.copy_from_slice(&Sha256::digest(self.text));
            Identity::Bytes(digest)
        });
        Facts { identity, created, created_text, members, text: self.text }
    }

    /// Whether Webex could not decrypt it (`webex-api` 5, partial failure; the position in an event is not documented).
    pub fn has_kms_failure(self) -> bool {
        self.text.contains(r#""kms_failure""#)
    }
}

impl Facts<'_> {
    /// The line to deliver.
    pub fn line(&self, stream: Stream, message_text: MessageText) -> Line {
        let mut text = String::with_capacity(self.text.len() + 96);
        let mut replaced = 0;
        if let Some(members) = &self.members {
            let private = stream == Stream::Events && message_text != MessageText::Keep;
            text.push('{');
            for member in members {
                let name = member.name();
                match name.as_deref() {
                    Some(TIME | SOURCE) => replaced += 1,
                    Some("data") if private => {
                        push_comma(&mut text);
                        push_text(&mut text, member.key);
                        text.push(':');
                        push_private(&mut text, member.value, message_text);
                    }
                    _ => {
                        push_comma(&mut text);
                        push_text(&mut text, member.whole);
                    }
                }
            }
        } else {
            text.push_str(r#"{"_raw":"#);
            push_text(&mut text, self.text);
        }
        if let Some(created) = self.created_text {
            push_comma(&mut text);
            text.push_str(r#""_time":"#);
            push_text(&mut text, created);
        }
        push_comma(&mut text);
        text.push_str(r#""source_log_type":""#);
        text.push_str(stream.source_log_type());
        text.push_str("\"}");
        Line { text, replaced }
    }

    /// Whether something that Webex documents for every item is missing or cannot be read.
    pub fn is_odd(&self) -> bool {
        self.members.is_none() || self.created.is_none() || matches!(self.identity, Identity::Bytes(_))
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

    /// Printable ASCII, at most 270 characters, different for different identities.
    pub fn printable(&self) -> String {
        /// Ids of Webex have under 120 characters; one over this is shortened to its digest.
        const LONGEST: usize = 256;
        match self {
            Self::Text(id) => {
                let printable = escape(id);
                if printable.len() <= LONGEST {
                    printable
                } else {
                    format!("~sha256-id:{}", hex(&Sha256::digest(id.as_bytes())))
                }
            }
            Self::Number(number) if number.len() <= LONGEST => format!("~number:{number}"),
            Self::Number(number) => format!("~sha256-number:{}", hex(&Sha256::digest(number))),
            Self::Bytes(digest) => format!("~sha256:{}", hex(digest)),
        }
    }
}

/// The text with everything but letters, digits and `-._=+/` as `%XX`, so that `:` and `~` can stand around it.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._=+/".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The text with line breaks as spaces; in JSON they stand only between tokens.
fn push_text(line: &mut String, text: &str) {
    if memchr2(b'\n', b'\r', text.as_bytes()).is_some() {
        line.extend(text.chars().map(|c| if c == '\n' || c == '\r' { ' ' } else { c }));
    } else {
        line.push_str(text);
    }
}

fn push_comma(line: &mut String) {
    if !line.ends_with('{') {
        line.push(',');
    }
}

/// `data` without the text of a message, or with its digest.
fn push_private(line: &mut String, data: &str, message_text: MessageText) {
    if !data.starts_with('{') {
        return push_text(line, data);
    }
    line.push('{');
    for member in members(data) {
        let is_message_text = member.name().is_some_and(|name| MESSAGE_TEXTS.contains(&name.as_ref()));
        if is_message_text && message_text == MessageText::Drop {
            continue;
        }
        push_comma(line);
        if is_message_text {
            let digest = Sha256::digest(decode(member.value).unwrap_or(Cow::Borrowed(member.value)).as_bytes());
            push_text(line, member.key);
            line.push_str(&format!(r#":"sha256:{}""#, hex(&digest)));
        } else {
            push_text(line, member.whole);
        }
    }
    line.push('}');
}

/// The text of a JSON string; none if it is no string, or has no text (lone surrogates).
fn decode(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(json).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

/// A member of an object.
#[derive(Clone, Copy, Debug)]
struct Member<'a> {
    /// From the first character of the key to the last of the value.
    whole: &'a str,
    /// With its quotes.
    key: &'a str,
    value: &'a str,
}

impl<'a> Member<'a> {
    fn name(self) -> Option<Cow<'a, str>> {
        decode(self.key)
    }
}

/// The members of an object, which is valid JSON; nothing of any other value.
fn members(object: &str) -> impl Iterator<Item = Member<'_>> {
    let end = object.len().saturating_sub(1);
    let mut rest = object.get(1..end).filter(|_| object.starts_with('{')).unwrap_or_default();
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        let key = rest.get(..value_end(rest))?;
        let after = rest.get(key.len()..)?;
        let value_text = after.trim_start().strip_prefix(':')?.trim_start();
        let value = value_text.get(..value_end(value_text))?;
        let whole_end = rest.len() - value_text.len() + value.len();
        let whole = rest.get(..whole_end)?;
        rest = rest.get(whole_end..)?;
        Some(Member { whole, key, value })
    })
}

/// Where the JSON value ends that the text starts with. Strings, which are most of it, are passed many bytes at a time: a host
/// looks at the clock in each turn of a loop.
fn value_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at + 1);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// Behind the quote that ends the string which is entered at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return at + 1;
        }
        // A backslash, and what it makes harmless.
        at += 2;
    }
    bytes.len()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn line_of(json: &str, message_text: MessageText) -> Line {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let item = Item::new(raw);
        item.facts().line(Stream::Events, message_text)
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
            "{\"a\" : [   1, 2 ],\"t\": \"x\\ny\\u2028\",\"source_log_type\":\"Events\"}",
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

    #[track_caller]
    fn check_facts(json: &str, identity: &str, created: Option<&str>, odd: bool) {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let facts = Item::new(raw).facts();
        let time = facts.created.map(|t| t.to_string());
        assert_eq!((facts.identity.printable().as_str(), time.as_deref(), facts.is_odd()), (identity, created, odd));
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
        let raw: &RawValue = serde_json::from_str(&json).unwrap();
        let printable = Item::new(raw).facts().identity.printable();
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
            let raw: &RawValue = serde_json::from_str(json).unwrap();
            assert_eq!(Item::new(raw).has_kms_failure(), want);
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
