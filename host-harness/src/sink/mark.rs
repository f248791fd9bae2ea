//! The member of a line that says whose it is, where many tenants write to one place.
//!
//! It is put at the end of the item, whose other bytes stay as they are. The name is the operator's, so what stands under it is
//! always the host's: a member of the item with that name is kept under another, `item_NAME`, and neither lost nor taken for it.

use std::ops::Range;

use memchr::memmem;

/// Before the name of an item's own member that has the operator's name.
const OF_ITEM: &str = "item_";

/// A member for each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    name: String,
    /// `"name":"value"`.
    member: Vec<u8>,
}

impl Mark {
    /// `value` under `name`.
    pub fn new(name: &str, value: &str) -> Self {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        Self { name: name.to_owned(), member: format!("{}:{}", text(name), text(value)).into_bytes() }
    }

    /// Puts it at the end of the object that begins at `begin` and ends with `lines`. What is no object stays as it is.
    pub(crate) fn put(&self, lines: &mut Vec<u8>, begin: usize) {
        let line = lines.get(begin..).unwrap_or_default();
        let end = line.trim_ascii_end().len();
        let is_object =
            line.trim_ascii_start().starts_with(b"{") && line.get(..end).is_some_and(|line| line.ends_with(b"}"));
        if !is_object {
            return;
        }
        if self.may_be_in(line) {
            let renamed = self.renamed(line);
            lines.truncate(begin);
            lines.extend(renamed);
        }
        let line = lines.get(begin..).unwrap_or_default();
        let inside = line.trim_ascii_end().len().saturating_sub(1);
        let is_empty = line.get(..inside).is_some_and(|line| line.trim_ascii() == b"{");
        lines.truncate(begin + inside);
        if !is_empty {
            lines.push(b',');
        }
        lines.extend_from_slice(&self.member);
        lines.push(b'}');
    }

    /// Takes away what [`put`](Self::put) has added at the end.
    pub(crate) fn take(&self, body: &mut Vec<u8>) {
        let end = body.trim_ascii_end().len();
        let Some(before) = body.get(..end).and_then(|text| text.strip_suffix(b"}")?.strip_suffix(&*self.member)) else {
            return;
        };
        let length = before.strip_suffix(b",").unwrap_or(before).len();
        body.truncate(length);
        body.push(b'}');
    }

    /// Whether the item may have a member of this name: as it is, or with letters written as `\uXXXX`.
    fn may_be_in(&self, line: &[u8]) -> bool {
        memmem::find(line, b"\\u").is_some() || memmem::find(line, format!("\"{}\"", self.name).as_bytes()).is_some()
    }

    /// The line with the item's own members of this name under another, which it does not have.
    fn renamed(&self, line: &[u8]) -> Vec<u8> {
        let keys = keys(line);
        let name = |key: &Range<usize>| serde_json::from_slice::<String>(line.get(key.clone())?).ok();
        let taken: Vec<Option<String>> = keys.iter().map(name).collect();
        let mut other = format!("{OF_ITEM}{}", self.name);
        while taken.iter().flatten().any(|taken| *taken == other) {
            other.insert_str(0, OF_ITEM);
        }
        let (mut text, mut copied) = (Vec::with_capacity(line.len() + other.len()), 0);
        for (key, name) in keys.into_iter().zip(taken) {
            if name.as_ref() == Some(&self.name) {
                text.extend_from_slice(line.get(copied..key.start).unwrap_or_default());
                text.extend_from_slice(format!("\"{other}\"").as_bytes());
                copied = key.end;
            }
        }
        text.extend_from_slice(line.get(copied..).unwrap_or_default());
        text
    }
}

/// Where the names of the object's own members stand, with their quotes.
fn keys(line: &[u8]) -> Vec<Range<usize>> {
    let (mut keys, mut depth, mut is_name_next, mut at) = (Vec::new(), 0_usize, false, 0);
    while let Some(byte) = line.get(at) {
        match byte {
            b'"' => {
                let end = end_of_text(line, at);
                if depth == 1 && std::mem::take(&mut is_name_next) {
                    keys.push(at..end);
                }
                at = end;
                continue;
            }
            b'{' | b'[' => {
                depth += 1;
                is_name_next = depth == 1;
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => is_name_next = true,
            _ => {}
        }
        at += 1;
    }
    keys
}

/// Behind the quote that ends the text which begins at `begin`.
fn end_of_text(line: &[u8], begin: usize) -> usize {
    let mut at = begin + 1;
    while let Some(byte) = line.get(at) {
        match byte {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    line.len()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marked(line: &str) -> String {
        let mut lines = format!("before\n{line}").into_bytes();
        Mark::new("tenant", "acme").put(&mut lines, 7);
        let text = String::from_utf8(lines).unwrap();
        text.strip_prefix("before\n").unwrap().to_owned()
    }

    #[test]
    fn the_member_stands_at_the_end_and_nothing_else_changes() {
        for (line, want) in [
            ("{}", r#"{"tenant":"acme"}"#),
            (" { } ", r#" { "tenant":"acme"}"#),
            (r#"{"a":1}"#, r#"{"a":1,"tenant":"acme"}"#),
            (r#"{"a" : {"tenant":"x"}, "b":["tenant"]} "#, r#"{"a" : {"tenant":"x"}, "b":["tenant"],"tenant":"acme"}"#),
            (r#"{"a":"tenant","b":"\"tenant\":"}"#, r#"{"a":"tenant","b":"\"tenant\":","tenant":"acme"}"#),
            (r#"{"a":1,"a":2,"\ud800":"\ud800"}"#, r#"{"a":1,"a":2,"\ud800":"\ud800","tenant":"acme"}"#),
        ] {
            assert_eq!(marked(line), want);
        }
    }

    #[test]
    fn a_member_of_the_item_with_that_name_is_kept_under_another() {
        for (line, want) in [
            (r#"{"tenant":1}"#, r#"{"item_tenant":1,"tenant":"acme"}"#),
            (
                r#"{"a":0, "ten\u0061nt" : {"tenant":1},"b":2}"#,
                r#"{"a":0, "item_tenant" : {"tenant":1},"b":2,"tenant":"acme"}"#,
            ),
            (r#"{"tenant":1,"item_tenant":2}"#, r#"{"item_item_tenant":1,"item_tenant":2,"tenant":"acme"}"#),
            (r#"{"tenant":1,"tenant":2}"#, r#"{"item_tenant":1,"item_tenant":2,"tenant":"acme"}"#),
        ] {
            assert_eq!(marked(line), want);
        }
    }

    #[test]
    fn what_was_put_can_be_taken_away() {
        let mark = Mark::new("tenant", "acme");
        for line in ["{}", r#"{"a":1}"#, r#"{"a":{"tenant":"acme"}}"#] {
            let mut body = line.as_bytes().to_vec();
            mark.put(&mut body, 0);
            mark.take(&mut body);
            assert_eq!(body, line.as_bytes());
            mark.take(&mut body);
            assert_eq!(body, line.as_bytes(), "there is nothing more to take");
        }
    }

    #[test]
    fn what_is_no_object_stays_as_it_is() {
        for line in ["", "[1]", "1", "\"{}\"", "{", "}"] {
            assert_eq!(marked(line), line);
        }
    }

    #[test]
    fn a_value_cannot_leave_its_quotes() {
        let mut lines = b"{}".to_vec();
        Mark::new("tenant", "a\",\"b\":\"").put(&mut lines, 0);
        let read: serde_json::Value = serde_json::from_slice(&lines).unwrap();
        assert_eq!(read, serde_json::json!({"tenant": "a\",\"b\":\""}));
    }

    fn any_object() -> impl Strategy<Value = serde_json::Map<String, serde_json::Value>> {
        let name = prop_oneof![Just("tenant".to_owned()), Just("item_tenant".to_owned()), "[a-z\\\\\"{},:\u{e9}]{0,4}"];
        let leaf = prop_oneof![
            any::<i64>().prop_map(serde_json::Value::from),
            name.clone().prop_map(serde_json::Value::from),
            prop::collection::vec(name.clone().prop_map(serde_json::Value::from), 0..3).prop_map(Into::into),
            name.clone().prop_map(|name| serde_json::json!({name: 1})),
        ];
        prop::collection::btree_map(name, leaf, 0..6).prop_map(|members| members.into_iter().collect())
    }

    proptest! {
        /// The library's own parser is the oracle.
        #[test]
        fn every_member_is_kept_and_the_mark_is_the_hosts(object in any_object()) {
            let text = serde_json::to_string(&object).unwrap();
            let read: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&marked(&text)).unwrap();
            prop_assert_eq!(&read["tenant"], "acme");
            prop_assert_eq!(read.len(), object.len() + 1);
            let moved = ["item_tenant", "item_item_tenant"].iter().find(|name| !object.contains_key(**name)).unwrap();
            for (name, value) in &object {
                let name = if name == "tenant" { moved } else { name.as_str() };
                prop_assert_eq!(&read[name], value);
            }
        }
    }
}
