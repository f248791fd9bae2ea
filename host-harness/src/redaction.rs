//! Takes secrets out of what is about to be shown: lines of the log, errors, reports, panics.
//!
//! The last line of defence. [`Secret`] cannot be printed, and the plugin takes out of Webex's words what it has sent; this is for
//! what neither foresees, such as a plugin that logs its own tokens. Every value that passes the room of secrets is known here,
//! and the texts inside where it is JSON.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::secrets::Secret;

/// What stands where a secret stood.
const MARK: &str = "***";
/// Shorter values are not looked for: they would be found in any text.
const SHORTEST: usize = 8;
/// Shorter texts inside of a stored value are not: tokens and verifiers are longer.
const SHORTEST_INSIDE: usize = 16;
/// How many are known: those of some dozens of tenants, or the last tokens of one.
const MOST: usize = 256;
/// Bytes of a line's text that are looked at: more than is ever shown, and an end to what a plugin can make the host do.
const LOOKED_AT: usize = 16 * 1024;

static KNOWN: Mutex<Known> = Mutex::new(Known(VecDeque::new()));

/// From now on this value is shown nowhere.
pub(crate) fn learn(secret: &Secret) {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).learn(secret);
}

/// The text without any known secret.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).clean(text)
}

/// The beginning of a text, more of it than a line shows, without any known secret.
pub(crate) fn clean_beginning(text: &str) -> Cow<'_, str> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner).clean_beginning(text)
}

/// Values that passed the room of secrets; the one that has not passed for longest is the first.
struct Known(VecDeque<Secret>);

impl Known {
    fn learn(&mut self, secret: &Secret) {
        if secret.expose().len() < SHORTEST {
            return;
        }
        let mut texts = vec![secret.clone()];
        if let Ok(value) = serde_json::from_str(secret.expose()) {
            inside(&value, &mut texts);
        }
        // One that is used again is as good as new: with many tenants others must not push it out meanwhile.
        for text in texts {
            self.0.retain(|known| known.expose() != text.expose());
            self.0.push_back(text);
        }
        while self.0.len() > MOST {
            self.0.pop_front();
        }
    }

    fn clean<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut found: Vec<&Secret> = self.0.iter().filter(|secret| text.contains(secret.expose())).collect();
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        // The longest first: one that begins like another must not leave its tail behind.
        found.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
        Cow::Owned(found.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), MARK)))
    }

    fn clean_beginning<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if text.len() <= LOOKED_AT {
            return self.clean(text);
        }
        let beginning = text.get(..text.floor_char_boundary(LOOKED_AT)).unwrap_or_default();
        let mut cleaned = self.clean(beginning).into_owned();
        // One that begins before the cut and ends behind it is not found, so that much less is shown.
        let longest = self.0.iter().map(|secret| secret.expose().len()).max().unwrap_or_default();
        cleaned.truncate(cleaned.floor_char_boundary(cleaned.len().saturating_sub(longest)));
        Cow::Owned(cleaned)
    }
}

/// Texts that may be tokens: long, visible, and neither a scope nor an address.
fn inside(value: &Value, texts: &mut Vec<Secret>) {
    match value {
        Value::String(text)
            if text.len() >= SHORTEST_INSIDE && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':') =>
        {
            texts.push(text.as_str().into());
        }
        Value::Array(values) => values.iter().for_each(|value| inside(value, texts)),
        Value::Object(members) => members.values().for_each(|value| inside(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knowing(secrets: &[&str]) -> Known {
        let mut known = Known(VecDeque::new());
        secrets.iter().for_each(|secret| known.learn(&(*secret).into()));
        known
    }

    #[test]
    fn what_was_learned_is_shown_nowhere_and_the_rest_stays() {
        let known = knowing(&["fake-client-secret", "fake-client-secret-and-more", "e"]);
        assert_eq!(known.clean("a fake-client-secret-and-more, fake-client-secret."), "a ***, ***.");
        assert_eq!(known.clean("nothing here"), "nothing here");
        assert_eq!(known.clean("eel"), "eel", "what is too short is everywhere");
        learn(&"fake-secret-of-this-process".into());
        assert_eq!(clean("fake-secret-of-this-process"), "***");
    }

    #[test]
    fn tokens_inside_of_a_stored_value_are_known_and_its_addresses_are_not() {
        let known = knowing(&[
            r#"{"origin":"https://webexapis.com","scopes":["spark-compliance:events_read"],"access":{"value":"fake-access-token"}}"#,
        ]);
        let text = "fake-access-token for https://webexapis.com and spark-compliance:events_read";
        assert_eq!(known.clean(text), "*** for https://webexapis.com and spark-compliance:events_read");
    }

    #[test]
    fn a_secret_at_the_end_of_what_is_looked_at_does_not_stick_out() {
        let secret = "fake-secret-at-the-end-of-what-is-looked-at";
        let known = knowing(&[secret]);
        for before in LOOKED_AT - 60..LOOKED_AT + 10 {
            // Behind many that make the text shorter than what a line shows.
            let text = format!("{}{}{secret} and on", secret.repeat(300), "x".repeat(before - 300 * secret.len()));
            let cleaned = known.clean_beginning(&text);
            assert!(!cleaned.contains("xfake"), "{before}: {cleaned}");
        }
        assert_eq!(known.clean_beginning("short"), "short");
    }

    #[test]
    fn the_oldest_is_forgotten_and_memory_is_bounded() {
        let mut known = knowing(&[]);
        for number in 0..MOST + 10 {
            known.learn(&format!("fake-secret-number-{number:06}").into());
        }
        assert_eq!(known.0.len(), MOST);
        assert_eq!(known.clean(&format!("fake-secret-number-{:06}", MOST + 9)), "***");
        assert_eq!(known.clean("fake-secret-number-000000"), "fake-secret-number-000000");
    }
}
