//! What a person or a playbook types.

use cisco_webex_plugin::command::arguments;
use cisco_webex_plugin::oauth::redirected::Redirected;
use cisco_webex_plugin::secret::Secret;

use crate::NOW;

/// Characters of what this program itself says about a code that it does not take, and more.
const LONGER_THAN_A_MESSAGE: usize = 200;

/// A command, then names and values of arguments, each in a line. Refused in a message of bounded length.
pub(crate) fn arguments(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines().map(str::to_owned);
    let name = lines.next().unwrap_or_default();
    let mut pairs = Vec::new();
    while let Some(pair) = lines.next().zip(lines.next()) {
        pairs.push(pair);
    }
    if let Err(failure) = arguments::read(&name, pairs, NOW) {
        assert!(!failure.message.chars().any(char::is_control), "{:?}", failure.message);
        assert!(failure.message.len() + failure.remedy.len() <= 8_000, "{}", failure.message.len());
    }
}

/// A code that is found stands in what was pasted, and what is refused is not quoted.
pub(crate) fn redirected(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Redirected::parse(&Secret::new(text.as_ref())) {
        Ok(Redirected::BareCode(code) | Redirected::Code { code, .. }) => assert!(!code.expose().is_empty()),
        Ok(Redirected::Denied { .. }) => {}
        Err(failure) => {
            // Shorter texts may happen to be words of the message.
            let is_quoted = text.trim().len() >= LONGER_THAN_A_MESSAGE && failure.message.contains(text.trim());
            assert!(!is_quoted, "{}", failure.message);
        }
    }
}
