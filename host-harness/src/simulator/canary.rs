//! What of a simulated tenant must be seen nowhere but where it belongs, and can be found in any text.

use super::settings::{ADMIN_CLIENT_SECRET, OFFICER_CLIENT_SECRET};

/// Before every code and token that a simulated tenant gives out, and its kind.
pub(super) const MINTED: &str = "simulated-";
/// Hexadecimal digits at the end of each.
pub(super) const MINTED_DIGITS: usize = 32;
/// Before the words that people have written, in every generated event.
pub(super) const PROSE: &str = "Note:";

/// A text with a secret in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canary {
    /// A code or token.
    Token,
    /// The secret of an integration.
    ClientSecret,
    /// Words of a message.
    MessageText,
}

/// The first kind of secret that stands in a text: codes, tokens, client secrets, and words of messages.
pub fn canary_in(text: &str) -> Option<Canary> {
    if [ADMIN_CLIENT_SECRET, OFFICER_CLIENT_SECRET].iter().any(|secret| text.contains(secret)) {
        return Some(Canary::ClientSecret);
    }
    if text.match_indices(MINTED).any(|(at, _)| text.get(at..).is_some_and(begins_with_a_token)) {
        return Some(Canary::Token);
    }
    text.contains(PROSE).then_some(Canary::MessageText)
}

/// The same for what a run of the program has printed: of events on standard output, people's words belong there.
pub fn canary_of_run(stdout: &str, stderr: &str) -> Option<Canary> {
    canary_in(stdout).filter(|canary| *canary != Canary::MessageText).or_else(|| canary_in(stderr))
}

/// `simulated-refresh-token-0123…`
fn begins_with_a_token(text: &str) -> bool {
    let word = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').next().unwrap_or_default();
    let digits = word.rsplit('-').next().unwrap_or_default();
    digits.len() == MINTED_DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_it_stands() {
        let token = format!("simulated-refresh-token-{}", "0a".repeat(16));
        assert_eq!(canary_in(&format!("Bearer {token}, and")), Some(Canary::Token));
        assert_eq!(canary_in(&format!("?code={token}&state=x")), Some(Canary::Token));
        assert_eq!(canary_in(&format!("x {ADMIN_CLIENT_SECRET}")), Some(Canary::ClientSecret));
        assert_eq!(canary_in("\"text\":\"Note: a meeting\""), Some(Canary::MessageText));
        assert_eq!(canary_in("a simulated-tenant of simulated-refresh-tokens"), None);
    }
}
