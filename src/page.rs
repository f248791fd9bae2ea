//! One answer of a list endpoint: `{"items":[…]}` and the way to the next.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::effect::Response;
use crate::item::Item;

/// The items of an answer, in its order.
#[derive(Debug)]
pub struct Page<'a> {
    /// May be empty though there is a next page.
    pub items: Vec<Item<'a>>,
    /// False: the answer names no items at all, which may be an empty page, or an answer that went wrong.
    pub has_items: bool,
}

/// An answer that is no page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer is no page of items: {0}")]
pub struct PageError(String);

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    errors: Option<&'a RawValue>,
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

impl<'a> Page<'a> {
    /// Reads it. Missing or null `items` are none (`webex-api` 3.3); everything else about the answer must be right,
    /// so that a truncated one is never taken for a whole one.
    pub fn read(response: &'a Response) -> Result<Self, PageError> {
        let text = std::str::from_utf8(&response.body).map_err(|error| PageError(error.to_string()))?;
        // serde would also take an array for the fields of a struct.
        if !text.trim_ascii_start().starts_with('{') {
            return Err(PageError("it is no JSON object".to_owned()));
        }
        let envelope: Envelope<'a> = serde_json::from_str(text).map_err(|error| {
            // serde_json quotes no more than a key or a short value; only the kind and place are kept all the same.
            PageError(format!("{:?} error at line {} column {}", error.classify(), error.line(), error.column()))
        })?;
        // Webex's error body with the status of a success: no last page.
        if envelope.items.is_none() && (envelope.errors.is_some() || envelope.message.is_some()) {
            return Err(PageError("it is an error without items".to_owned()));
        }
        let has_items = envelope.items.is_some();
        let items = envelope.items.unwrap_or_default().into_iter().map(Item::new).collect();
        Ok(Self { items, has_items })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, want: Option<usize>) {
        let response = Response { status: 200, headers: Vec::new(), body: body.as_bytes().to_vec() };
        assert_eq!(Page::read(&response).ok().map(|page| page.items.len()), want, "{body}");
    }

    #[test]
    fn items_are_counted_whatever_stands_beside_them() {
        check(r#"{"items":[{"id":1},null,[],"x"],"notFoundIds":null}"#, Some(4));
        check(r#"{"items":[]}"#, Some(0));
        check(r#"{"items":null}"#, Some(0));
        check("{}", Some(0));
    }

    #[test]
    fn what_is_no_page_is_an_error() {
        for body in [
            "",
            "<html>",
            r#"{"message":"x"}"#,
            r#"{"errors":[],"items":null}"#,
            r#"{"items":[{"id":1}"#,
            r#"{"items":{}}"#,
            "[]",
            "null",
            r#"{"items":[1]} x"#,
        ] {
            check(body, None);
        }
    }

    #[test]
    fn deep_nesting_in_an_item_is_no_error() {
        let deep = format!(r#"{{"items":[{}{}]}}"#, "[".repeat(100_000), "]".repeat(100_000));
        check(&deep, Some(1));
    }
}
