//! A user's tokens: what is stored, when they are renewed, and by whom.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::endpoint::Granted;
use crate::api::Api;
use crate::failure::{Code, Failure};
use crate::secret::{Revision, Secret, SecretName, Versioned};
use crate::settings::Integration;
use crate::stream::User;
use crate::time::{Span, Timestamp};

/// The form that this release writes.
const VERSION: u32 = 1;

/// How long who claims the refresh has it to itself: as long as the host waits for one answer. A claim of a call that
/// crashed holds the others up no longer.
pub const CLAIM: Span = Span::secs(30);

/// A token is renewed when less than this part of its life is left, a fifth: days for Webex's two weeks, hours for its
/// half days, so that an outage of the token endpoint stops nothing.
const DUE_PART: i64 = 5;

/// A token whose expiry Webex did not say is renewed after this time: often enough for the refresh token not to die of
/// disuse, and as often as renewing has an effect (`webex-api` 0 row 10).
const DUE_UNKNOWN: Span = Span::days(1);

/// A user's tokens, as stored. Without access and refresh token it is only the place of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Whom they may be sent to: an API's origin.
    pub origin: String,
    /// The integration that they belong to.
    pub client_id: String,
    /// When the access token was asked for.
    pub issued: Timestamp,
    /// What they are good for, as far as Webex said; empty: unknown.
    pub scopes: Vec<String>,
    /// For requests.
    pub access: Option<Token>,
    /// For access tokens.
    pub refresh: Option<Token>,
    /// Who wrote this is refreshing, and has it to itself until then.
    pub refreshing_until: Option<Timestamp>,
    /// Of a Service App: the digest of the supplied refresh token that they come from.
    pub supplied: Option<String>,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What is sent.
    pub value: Secret,
    /// As Webex said; none: it did not.
    pub expires: Option<Timestamp>,
}

impl Token {
    /// Whether it may still work.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| expires > now)
    }
}

impl Tokens {
    /// None yet.
    pub fn none(api: &Api, integration: &Integration, now: Timestamp) -> Self {
        Self {
            origin: api.origin(),
            client_id: integration.client_id.clone(),
            issued: now,
            scopes: Vec::new(),
            access: None,
            refresh: None,
            refreshing_until: None,
            supplied: None,
        }
    }

    /// Those of a sign-in. Without a word of Webex on scopes they are those that were asked for (RFC 6749 section 5.1).
    pub fn of_sign_in(api: &Api, integration: &Integration, granted: Granted) -> Self {
        let token = |value, life: Option<Span>| Token { value, expires: life.map(|life| granted.asked + life) };
        Self {
            issued: granted.asked,
            scopes: granted.scopes.unwrap_or_else(|| integration.scopes.clone()),
            access: Some(token(granted.access, granted.access_life)),
            refresh: granted.refresh.map(|value| token(value, granted.refresh_life)),
            ..Self::none(api, integration, granted.asked)
        }
    }

    /// Those that come of a refresh by the refresh token `used`. What Webex left out stays as it was.
    pub fn renewed(&self, used: &Token, granted: Granted) -> Self {
        let token = |value: Secret, life: Option<Span>, known: Option<&Token>| {
            let before = known.filter(|token| token.value == value).and_then(|token| token.expires);
            Token { value, expires: life.map(|life| granted.asked + life).or(before) }
        };
        let refresh = granted.refresh.unwrap_or_else(|| used.value.clone());
        Self {
            issued: granted.asked,
            scopes: granted.scopes.unwrap_or_else(|| self.scopes.clone()),
            access: Some(token(granted.access, granted.access_life, self.access.as_ref())),
            refresh: Some(token(refresh, granted.refresh_life, Some(used))),
            refreshing_until: None,
            ..self.clone()
        }
    }

    /// Whether they may be used here: a token goes only to the origin and with the client id that it was given for.
    pub fn belong_to(&self, api: &Api, integration: &Integration) -> bool {
        self.origin == api.origin() && self.client_id == integration.client_id
    }

    /// Whether both tokens are the same, whoever is refreshing them.
    pub fn same_as(&self, other: &Self) -> bool {
        let values = |tokens: &Self| {
            [&tokens.access, &tokens.refresh].map(|token| token.as_ref().map(|token| token.value.clone()))
        };
        self.origin == other.origin && self.client_id == other.client_id && values(self) == values(other)
    }

    /// Whether it is time to renew the access token.
    pub fn are_due(&self, now: Timestamp) -> bool {
        let Some(access) = &self.access else { return true };
        match access.expires {
            None => now - self.issued >= DUE_UNKNOWN,
            Some(expires) => {
                let (left, life) = ((expires - now).as_millis(), (expires - self.issued).as_millis());
                left.saturating_mul(DUE_PART) < life
            }
        }
    }

    /// Until when somebody is refreshing them. A claim that ends later than one made now is of a clock that has been set
    /// back, and not believed.
    pub fn claim(&self, now: Timestamp) -> Option<Timestamp> {
        self.refreshing_until.filter(|until| *until > now && *until <= now + CLAIM)
    }

    /// The same, claimed or not.
    pub fn with_claim(&self, until: Option<Timestamp>) -> Self {
        Self { refreshing_until: until, ..self.clone() }
    }

    /// What is stored. Secret.
    pub fn to_secret(&self) -> Secret {
        let raw = Raw {
            version: VERSION,
            origin: self.origin.clone(),
            client_id: self.client_id.clone(),
            issued: self.issued,
            scopes: self.scopes.clone(),
            access: self.access.as_ref().map(RawToken::from),
            refresh: self.refresh.as_ref().map(RawToken::from),
            refreshing_until: self.refreshing_until,
            supplied: self.supplied.clone(),
        };
        // Strings, numbers and lists only: there is nothing in it that could not be written.
        Secret::new(serde_json::to_string(&raw).unwrap_or_default())
    }
}

/// The digest by which a supplied refresh token is known again without keeping it.
pub fn digest(supplied: &Secret) -> String {
    Sha256::digest(supplied.expose()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What stands in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Which state of the secret this is; none: there is no such secret.
    pub revision: Option<Revision>,
    /// The tokens; none where there are none or what is there is damaged.
    pub tokens: Option<Tokens>,
}

impl Stored {
    /// Reads what was stored. That of a newer release is a failure: it must not be overwritten.
    pub fn read(user: User, stored: Option<Versioned>) -> Result<Self, Failure> {
        let Some(Versioned { value, revision }) = stored else { return Ok(Self { revision: None, tokens: None }) };
        refuse_newer(user, SecretName::Tokens(user), &value, VERSION)?;
        let raw = serde_json::from_str::<Raw>(value.expose()).ok();
        Ok(Self { revision: Some(revision), tokens: raw.map(Tokens::from) })
    }

    /// Whether there is something that cannot be read.
    pub const fn is_damaged(&self) -> bool {
        self.revision.is_some() && self.tokens.is_none()
    }
}

/// Fails if the stored value says that its version is above `known`.
pub fn refuse_newer(user: User, name: SecretName, value: &Secret, known: u32) -> Result<(), Failure> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    match serde_json::from_str::<Version>(value.expose()) {
        Ok(Version { version }) if version > u64::from(known) => {
            let name = name.name();
            let message = format!("secret `{name}` was written by a newer plugin, in form {version}");
            let remedy = format!("update the plugin; or delete `{name}` and sign the {} in again", user.title());
            Err(Failure::new(Code::SecretsUnavailable, message, remedy).of_user(user))
        }
        _ => Ok(()),
    }
}

#[derive(Serialize, Deserialize)]
struct Raw {
    version: u32,
    origin: String,
    client_id: String,
    issued: Timestamp,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    access: Option<RawToken>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh: Option<RawToken>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refreshing_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    supplied: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct RawToken {
    token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
}

impl From<Raw> for Tokens {
    fn from(raw: Raw) -> Self {
        Self {
            origin: raw.origin,
            client_id: raw.client_id,
            issued: raw.issued,
            scopes: raw.scopes,
            access: raw.access.map(Token::from),
            refresh: raw.refresh.map(Token::from),
            refreshing_until: raw.refreshing_until,
            supplied: raw.supplied,
        }
    }
}

impl From<RawToken> for Token {
    fn from(raw: RawToken) -> Self {
        Self { value: Secret::new(raw.token), expires: raw.expires }
    }
}

impl From<&Token> for RawToken {
    fn from(token: &Token) -> Self {
        Self { token: token.value.expose().to_owned(), expires: token.expires }
    }
}
