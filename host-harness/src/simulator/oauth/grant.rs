//! A pair of tokens, and the answer that brings it.

use http::StatusCode;
use serde_json::json;

use super::super::answer::Answer;

/// A pair of tokens with their ends.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenGrant {
    /// Bearer of requests.
    pub access_token: String,
    /// For new access tokens; none where a refresh left it out.
    pub refresh_token: Option<String>,
    /// End of the access token, ms since the epoch.
    pub expires_at_ms: i64,
    /// End of the refresh token, ms since the epoch.
    pub refresh_token_expires_at_ms: i64,
}

impl std::fmt::Debug for TokenGrant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenGrant")
            .field("expires_at_ms", &self.expires_at_ms)
            .field("refresh_token_expires_at_ms", &self.refresh_token_expires_at_ms)
            .finish_non_exhaustive()
    }
}

impl TokenGrant {
    pub(in super::super) fn answer(&self, now_ms: i64) -> Answer {
        let seconds_until = |end_ms: i64| (end_ms - now_ms).max(0) / 1_000;
        let mut body = json!({
            "access_token": self.access_token,
            "expires_in": seconds_until(self.expires_at_ms),
            "token_type": "Bearer",
        });
        if let (Some(refresh_token), Some(body)) = (&self.refresh_token, body.as_object_mut()) {
            body.insert("refresh_token".into(), json!(refresh_token));
            body.insert("refresh_token_expires_in".into(), json!(seconds_until(self.refresh_token_expires_at_ms)));
        }
        Answer::json(StatusCode::OK, body.to_string())
    }
}
