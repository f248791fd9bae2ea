//! One answer of a list endpoint: `{"items":[…]}` and the way to the next.

use crate::effect::Response;
use crate::item::Item;
use crate::json::{JsonError, Scanner, decode};

/// The items of an answer, in its order.
#[derive(Debug)]
pub struct Page<'a> {
    /// May be empty though there is a next page.
    pub items: Vec<Item<'a>>,
    /// False: the answer names no items at all, which may be an empty page, or an answer that went wrong.
    pub has_items: bool,
}

/// An answer that is no page. It quotes nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// It is no text.
    #[error("the answer is no page of items: it is no UTF-8")]
    Encoding,
    /// It is no JSON, or its items are no array.
    #[error("the answer is no page of items: {0}")]
    Json(#[from] JsonError),
    /// There are two lists of them.
    #[error("the answer is no page of items: it names items twice")]
    Twice,
    /// Webex's error body with the status of a success: no last page.
    #[error("the answer is no page of items: it is an error without items")]
    IsError,
}

impl<'a> Page<'a> {
    /// Reads it. Missing or null `items` are none (`webex-api` 3.3); everything else about the answer must be right,
    /// so that a truncated one is never taken for a whole one.
    ///
    /// # Errors
    /// See [`PageError`].
    pub fn read(response: &'a Response) -> Result<Self, PageError> {
        let text = simdutf8::basic::from_utf8(&response.body).map_err(|_| PageError::Encoding)?;
        let mut scanner = Scanner::new(text);
        let (mut items, mut lists, mut is_error) = (Vec::new(), 0, false);
        let mut has_items = false;
        scanner.object(|scanner, key| {
            match decode(key).as_deref() {
                Some("items") => {
                    lists += 1;
                    if scanner.peek() == Some(b'n') {
                        return scanner.value().map(drop);
                    }
                    has_items = true;
                    return scanner.array(|scanner| {
                        items.push(Item::scan(scanner)?);
                        Ok(())
                    });
                }
                Some("errors" | "message") => is_error |= scanner.peek() != Some(b'n'),
                _ => {}
            }
            scanner.value().map(drop)
        })?;
        scanner.end()?;
        if lists > 1 {
            return Err(PageError::Twice);
        }
        if is_error && !has_items {
            return Err(PageError::IsError);
        }
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
