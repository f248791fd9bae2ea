//! The token endpoint: `POST /access_token` with a form, and what it answers (`webex-api` 4.2, 4.5).

use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::answer::{FAULT_WAIT, Verdict};
use crate::api::Api;
use crate::effect::{Io, Request, Response};
use crate::failure::{Code, Failure};
use crate::secret::{Secret, SecretName};
use crate::settings::Integration;
use crate::time::{Span, Timestamp};
use crate::wire::Wire;

/// The longest life of a token that is believed, ten years: beyond it a number is a mistake.
const MAX_LIFE: Span = Span::days(3_650);

/// What tokens are asked for with.
#[derive(Clone, Copy, Debug)]
pub enum Grant<'a> {
    /// What a sign-in came to.
    Code {
        /// Secret: whoever has it and the client secret can sign in.
        code: &'a Secret,
        /// As in the link that was opened.
        redirect_uri: &'a str,
        /// Of the sign-in; none: it did not begin here.
        verifier: Option<&'a Secret>,
    },
    /// A refresh token.
    Refresh(&'a Secret),
}

/// What Webex gave.
#[derive(Clone, Debug)]
pub struct Granted {
    /// When it was asked for: lives count from here, so that none is believed for longer than it lasts.
    pub asked: Timestamp,
    /// For requests.
    pub access: Secret,
    /// How long it lasts.
    pub access_life: Option<Span>,
    /// Another refresh token; none: that used stays.
    pub refresh: Option<Secret>,
    /// How long it lasts.
    pub refresh_life: Option<Span>,
    /// What they are good for.
    pub scopes: Option<Vec<String>>,
}

/// Why there are no tokens.
#[derive(Clone, Debug)]
pub enum NotGranted {
    /// Webex refuses the code, the refresh token or the client: the user has to sign in.
    Refused(Failure),
    /// It may work another time: the code or the refresh token is as good as before.
    NotNow {
        /// Why.
        failure: Failure,
        /// After how long it may be tried again in this call; none: in another.
        pause: Option<Span>,
    },
}

/// Where an integration's tokens come from.
#[derive(Clone, Copy, Debug)]
pub struct Endpoint<'a> {
    /// The way there.
    pub wire: &'a Wire,
    /// The clock.
    pub io: &'a Io,
    /// Where Webex is.
    pub api: &'a Api,
    /// Whose tokens.
    pub integration: &'a Integration,
}

impl Endpoint<'_> {
    /// Asks for tokens, once. Secrets go in the form; failures hold none of them.
    pub async fn ask(&self, grant: Grant<'_>, client_secret: &Secret) -> Result<Granted, NotGranted> {
        let (what, secrets) = match grant {
            Grant::Code { code, verifier: Some(verifier), .. } => {
                ("Webex did not take the code of the sign-in", vec![client_secret, code, verifier])
            }
            Grant::Code { code, verifier: None, .. } => {
                ("Webex did not take the code of the sign-in", vec![client_secret, code])
            }
            Grant::Refresh(token) => ("Webex did not take the refresh token", vec![client_secret, token]),
        };
        let form = self.form(grant, client_secret);
        let asked = self.io.now();
        let url = self.api.endpoint("access_token");
        match self.wire.send_once(&secrets, Request { url, bearer: None, form: Some(form) }).await {
            Ok(response) => Granted::read(&response, asked).ok_or_else(|| self.not_understood()),
            Err(verdict) => Err(self.refusal(&verdict, what)),
        }
    }

    fn form(&self, grant: Grant<'_>, client_secret: &Secret) -> Secret {
        let mut form = Serializer::new(String::new());
        form.append_pair("client_id", &self.integration.client_id);
        form.append_pair("client_secret", client_secret.expose());
        match grant {
            Grant::Code { code, redirect_uri, verifier } => {
                form.append_pair("grant_type", "authorization_code");
                form.append_pair("code", code.expose());
                form.append_pair("redirect_uri", redirect_uri);
                if let Some(verifier) = verifier {
                    form.append_pair("code_verifier", verifier.expose());
                }
            }
            Grant::Refresh(token) => {
                form.append_pair("grant_type", "refresh_token");
                form.append_pair("refresh_token", token.expose());
            }
        }
        Secret::new(form.finish())
    }

    /// 408, 425, 429, 5xx and no answer may work later; any other 4xx means that the user has to sign in again.
    fn refusal(&self, verdict: &Verdict, what: &str) -> NotGranted {
        let user = self.integration.user;
        match verdict {
            Verdict::Unauthorized(problem) | Verdict::Refused(problem) | Verdict::Rejected(problem) => {
                let failure = Failure::sign_in(user, format_args!("{what}: {}", problem.message))
                    .tracked(problem.tracking_id.clone());
                let name = SecretName::Credentials(user).name();
                let remedy = format!("see whether client id and secret in `{name}` are right; then {}", failure.remedy);
                NotGranted::Refused(Failure { remedy, ..failure })
            }
            Verdict::Ok
            | Verdict::Wait(..)
            | Verdict::Fault(_)
            | Verdict::TooMuch(_)
            | Verdict::Redirected(_)
            | Verdict::Denied(_) => match verdict.failure("Webex gave no tokens", user, self.io.now()) {
                Some(failure) => NotGranted::NotNow { failure, pause: self.wire.pause(verdict) },
                None => self.not_understood(),
            },
        }
    }

    /// Nothing of the answer is quoted: it may hold tokens.
    fn not_understood(&self) -> NotGranted {
        let failure = Failure::new(
            Code::NotUnderstood,
            "Webex answered a request for tokens with something else",
            "if it stays so, see whether `base_url` is the address of the Webex API",
        )
        .of_user(self.integration.user)
        .at(self.io.now() + FAULT_WAIT);
        NotGranted::NotNow { failure, pause: None }
    }
}

impl Granted {
    /// Reads an answer to a request that was made at `asked`; none: it holds no access token. What is of another kind than Webex
    /// documents is left out.
    pub fn read(response: &Response, asked: Timestamp) -> Option<Self> {
        let body: Body = serde_json::from_slice(&response.body).ok()?;
        let scopes = body.scope.as_ref().and_then(Value::as_str);
        Some(Self {
            asked,
            access: token(&body.access_token)?,
            access_life: life(&body.expires_in),
            refresh: token(&body.refresh_token),
            refresh_life: life(&body.refresh_token_expires_in),
            scopes: scopes.map(|scopes| scopes.split_whitespace().map(str::to_owned).collect()),
        })
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    access_token: Value,
    #[serde(default)]
    expires_in: Value,
    #[serde(default)]
    refresh_token: Value,
    #[serde(default)]
    refresh_token_expires_in: Value,
    scope: Option<Value>,
}

/// A token: visible ASCII, so that it can stand in a header.
fn token(value: &Value) -> Option<Secret> {
    let text = value.as_str()?;
    (!text.is_empty() && text.chars().all(|c| c.is_ascii_graphic())).then(|| Secret::new(text))
}

/// Seconds, as a number or as a text; of any other kind: unknown.
fn life(value: &Value) -> Option<Span> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    #[allow(clippy::cast_possible_truncation, reason = "checked to be in range")]
    (0.0..=1e15).contains(&seconds).then(|| Span::secs(seconds as i64).min(MAX_LIFE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_read_as_number_or_text_and_nothing_else() {
        let life = |json: &str| life(&serde_json::from_str(json).unwrap_or_default());
        assert_eq!(life("1209599"), Some(Span::secs(1_209_599)));
        assert_eq!(life("\"3600\""), Some(Span::secs(3_600)));
        assert_eq!(life("0"), Some(Span::ZERO));
        assert_eq!(life("1.5"), Some(Span::secs(1)));
        assert_eq!(life("1e14"), Some(MAX_LIFE));
        for odd in ["null", "-1", "\"soon\"", "[]", "1e300"] {
            assert_eq!(life(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_token_can_stand_in_a_header() {
        let token = |text: &str| token(&Value::from(text)).is_some();
        assert!(token("ZmFrZQ_-.~="));
        for odd in ["", "a b", "a\r\nX-Evil: 1", "tökén"] {
            assert!(!token(odd), "{odd:?}");
        }
    }
}
