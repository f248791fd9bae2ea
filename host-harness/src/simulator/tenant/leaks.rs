//! Secrets in a request where they do not belong.

use super::super::params::Params;
use super::{Received, Tenant};

/// Query keys whose values are secrets, wherever they stand.
pub(super) const SECRET_KEYS: [&str; 6] =
    ["client_secret", "refresh_token", "access_token", "code_verifier", "code", "token"];

/// A shorter secret may stand in a longer text by chance; it is recognised only where it is the whole value.
const TELLING_BYTES: usize = 8;

impl Tenant {
    /// Names a secret that stands in the URL or in a header other than `Authorization`.
    pub(super) fn find_leak(&self, request: &Received, params: &Params) -> Option<String> {
        if let Some((key, _)) = params.pairs().iter().find(|(key, _)| SECRET_KEYS.contains(&key.as_str())) {
            return Some(format!("`{key}` in the query"));
        }
        if self.holds_secret(&request.path) || params.pairs().iter().any(|(_, value)| self.holds_secret(value)) {
            return Some("a secret's value in the URL".to_owned());
        }
        request
            .headers
            .iter()
            .filter(|(name, _)| *name != http::header::AUTHORIZATION)
            .find(|(_, value)| value.to_str().is_ok_and(|value| self.holds_secret(value)))
            .map(|(name, _)| format!("a secret's value in the header `{name}`"))
    }

    pub(super) fn holds_secret(&self, text: &str) -> bool {
        let holds = |secret: &str| {
            (text == secret && !secret.is_empty()) || (secret.len() >= TELLING_BYTES && text.contains(secret))
        };
        self.tokens.found_in(text)
            || self.settings.integrations.iter().any(|integration| holds(&integration.client_secret))
    }
}
