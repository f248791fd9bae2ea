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
const MOST: usize = 1_024;

static KNOWN: Mutex<VecDeque<Secret>> = Mutex::new(VecDeque::new());

/// From now on this value is shown nowhere.
pub(crate) fn learn(secret: &Secret) {
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_new = |known: &VecDeque<Secret>, text: &str| !known.iter().any(|other| other.expose() == text);
    if secret.expose().len() < SHORTEST || !is_new(&known, secret.expose()) {
        return;
    }
    let mut texts = vec![secret.clone()];
    if let Ok(value) = serde_json::from_str(secret.expose()) {
        inside(&value, &mut texts);
    }
    for text in texts {
        if is_new(&known, text.expose()) {
            known.push_back(text);
        }
    }
    while known.len() > MOST {
        known.pop_front();
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

/// The text without any known secret.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut found: Vec<&Secret> = known.iter().filter(|secret| text.contains(secret.expose())).collect();
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    // The longest first: one that begins like another must not leave its tail behind.
    found.sort_by_key(|secret| std::cmp::Reverse(secret.expose().len()));
    Cow::Owned(found.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret.expose(), MARK)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_is_shown_nowhere_and_the_rest_stays() {
        learn(&"fake-client-secret-of-redaction".into());
        learn(&"fake-client-secret-of-redaction-and-more".into());
        assert_eq!(
            clean("a fake-client-secret-of-redaction-and-more, fake-client-secret-of-redaction."),
            "a ***, ***."
        );
        assert_eq!(clean("nothing here"), "nothing here");
        learn(&"e".into());
        assert_eq!(clean("eel"), "eel", "what is too short is everywhere");
    }

    #[test]
    fn tokens_inside_of_a_stored_value_are_known_and_its_addresses_are_not() {
        learn(
            &r#"{"origin":"https://webexapis.com","scopes":["spark-compliance:events_read"],"access":{"value":"fake-access-token-of-redaction"}}"#
                .into(),
        );
        let text = "fake-access-token-of-redaction for https://webexapis.com and spark-compliance:events_read";
        assert_eq!(clean(text), "*** for https://webexapis.com and spark-compliance:events_read");
    }

    #[test]
    fn the_oldest_is_forgotten_and_memory_is_bounded() {
        for number in 0..MOST + 10 {
            learn(&format!("fake-secret-number-{number:06}").into());
        }
        assert!(KNOWN.lock().unwrap_or_else(PoisonError::into_inner).len() <= MOST);
        assert_eq!(clean(&format!("fake-secret-number-{:06}", MOST + 9)), "***");
    }
}
