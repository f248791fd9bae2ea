//! Tokens of Microsoft Entra for an application, by its client credentials.
//! <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>

use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::form_urlencoded;

use crate::redaction;
use crate::secrets::Secret;
use crate::sink::client::Answer;
use crate::sink::{Client, SendError};

const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");
/// A token is replaced when this part of its life is left.
const LAST_PART: u32 = 5;

/// What a token is asked for with.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    /// At the authority.
    pub(super) path: String,
    /// The application.
    pub(super) client: String,
    /// Its secret.
    pub(super) secret: Secret,
    /// What the token is for.
    pub(super) scope: String,
}

/// A token and its life.
#[derive(Clone)]
pub(super) struct Token {
    header: HeaderValue,
    fresh_until: Instant,
    good_until: Instant,
}

impl Token {
    fn new(token: &Secret, life: Duration, now: Instant) -> Option<Self> {
        redaction::learn(token);
        let mut header = HeaderValue::from_str(&format!("Bearer {}", token.expose())).ok()?;
        header.set_sensitive(true);
        Some(Self { header, fresh_until: now + life - life / LAST_PART, good_until: now + life })
    }

    /// `Bearer` and the token.
    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

/// The token in hand.
pub(super) struct Tokens {
    client: Client,
    grant: Grant,
    /// Held while a token is asked for, so that sends side by side ask for one.
    token: Mutex<Option<Token>>,
}

#[derive(Deserialize)]
struct Given {
    access_token: String,
    expires_in: u64,
}

impl Tokens {
    pub(super) fn new(client: Client, grant: Grant) -> Self {
        Self { client, grant, token: Mutex::new(None) }
    }

    /// The token in hand, or a new one when a fifth of its life is left. Where none is given then, the one in hand serves as long
    /// as it lives.
    pub(super) async fn current(&self) -> Result<Token, SendError> {
        let mut token = self.token.lock().await;
        let now = Instant::now();
        if let Some(fresh) = token.as_ref().filter(|token| now < token.fresh_until) {
            return Ok(fresh.clone());
        }
        match (self.ask().await, &*token) {
            (Ok(new), _) => Ok(token.insert(new).clone()),
            (Err(_), Some(old)) if now < old.good_until => Ok(old.clone()),
            (Err(error), _) => Err(error),
        }
    }

    /// This one is refused.
    pub(super) async fn forget(&self, refused: &Token) {
        let mut token = self.token.lock().await;
        if token.as_ref().is_some_and(|token| token.header == refused.header) {
            *token = None;
        }
    }

    async fn ask(&self) -> Result<Token, SendError> {
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.grant.client)
            .append_pair("client_secret", self.grant.secret.expose())
            .append_pair("scope", &self.grant.scope)
            .finish();
        let answer = self.client.request(Method::POST, &self.grant.path, &[(CONTENT_TYPE, FORM)], form.into()).await?;
        read(&answer)
    }
}

/// A token, or why there is none. No answer here is about events, so none may put one away.
fn read(answer: &Answer) -> Result<Token, SendError> {
    const REMEDY: &str = "no token was given: look at `tenant_id`, `client_id`, `client_secret` and `scope` of the sink, and whether the \
                          secret has expired";
    if answer.status != StatusCode::OK {
        return Err(match answer.refusal(REMEDY) {
            SendError::Unfit { reason } => SendError::closed(reason, REMEDY),
            error => error,
        });
    }
    let given: Option<Given> = serde_json::from_slice(&answer.body).ok();
    let token = given.and_then(|Given { access_token, expires_in }| {
        Token::new(&access_token.into(), Duration::from_secs(expires_in), Instant::now())
    });
    // Its words may be a token.
    token.ok_or_else(|| SendError::later("the authority's answer holds no token"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn answer(status: u16, body: &'static str) -> Result<Token, SendError> {
        let status = StatusCode::from_u16(status).unwrap();
        read(&Answer { status, retry_after: None, body: Bytes::from_static(body.as_bytes()) })
    }

    #[test]
    fn a_token_is_fresh_for_four_fifths_of_its_life() {
        let now = Instant::now();
        let token = Token::new(&"fake-azure-token".into(), Duration::from_secs(3600), now).unwrap();
        assert_eq!(token.fresh_until - now, Duration::from_secs(2880));
        assert_eq!(token.good_until - now, Duration::from_secs(3600));
        assert!(token.header().is_sensitive());
    }

    #[test]
    fn a_refusal_of_the_authority_is_never_about_the_events() {
        assert!(answer(200, r#"{"token_type":"Bearer","expires_in":3599,"access_token":"fake-token"}"#).is_ok());
        for status in [400, 401, 403, 404, 422] {
            assert!(matches!(answer(status, "{}").err(), Some(SendError::Closed { .. })), "{status}");
        }
        for (status, body) in [(429, ""), (500, ""), (503, ""), (200, ""), (200, r#"{"access_token":"fake-token"}"#)] {
            let error = answer(status, body).err().unwrap();
            assert!(matches!(error, SendError::Later { .. }), "{status} {error}");
            assert!(!error.to_string().contains("fake-token"), "{error}");
        }
    }
}
