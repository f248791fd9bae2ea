//! Sign-in: who may ask for what, and which tokens stand for it.

mod authorize;
mod bearer;
mod challenge;
mod consent;
mod grant;
mod token_endpoint;
mod token_refusal;
mod tokens;

pub use authorize::AuthorizeError;
pub(super) use authorize::AuthorizeRequest;
pub(super) use bearer::{Bearer, Subject};
pub(super) use consent::Decision;
pub use grant::TokenGrant;
pub(super) use token_refusal::TokenRefusal;
pub(super) use tokens::TokenStore;

/// What a person may do in the organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reads the audits.
    FullAdmin,
    /// Reads the events.
    ComplianceOfficer,
}

impl Role {
    /// As people read it.
    const fn title(self) -> &'static str {
        match self {
            Self::FullAdmin => "Full Administrator",
            Self::ComplianceOfficer => "Compliance Officer",
        }
    }
}

/// A person of the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// By which tests and records name it.
    pub name: String,
    /// Sign-in name.
    pub email: String,
    /// None of the roles is a plain user.
    pub roles: Vec<Role>,
}

impl Account {
    /// An account with an address at `tenant.example`.
    #[must_use]
    pub fn new(name: &str, roles: &[Role]) -> Self {
        Self { name: name.to_owned(), email: format!("{name}@tenant.example"), roles: roles.to_vec() }
    }
}

/// An app that is registered with Webex.
#[derive(Clone, PartialEq, Eq)]
pub struct Integration {
    /// Public name.
    pub client_id: String,
    /// Never shown.
    pub client_secret: String,
    /// Where codes may be sent.
    pub redirect_uris: Vec<String>,
    /// What it may ask for.
    pub scopes: Vec<String>,
}

impl std::fmt::Debug for Integration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Integration")
            .field("client_id", &self.client_id)
            .field("redirect_uris", &self.redirect_uris)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// Lives of codes and tokens, and what a refresh does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSettings {
    /// `expires_in`, seconds.
    pub access_life_secs: i64,
    /// `refresh_token_expires_in`, seconds.
    pub refresh_life_secs: i64,
    /// How long a code waits for its exchange, seconds.
    pub code_life_secs: i64,
    /// What a refresh says of the refresh token.
    pub rotation: Rotation,
    /// What becomes of a refresh token that was replaced by a new one.
    pub replaced: ReplacedToken,
    /// Whether a refresh starts the refresh token's life anew.
    pub refresh_renews_life: bool,
    /// A refresh within this many seconds of the last answers the same access token; 0 means never.
    pub same_access_within_secs: i64,
    /// Body of a refused token request.
    pub error_shape: TokenErrorShape,
    /// Status of a dead code or refresh token: 400 or 401.
    pub invalid_grant_status: u16,
}

impl Default for TokenSettings {
    /// 14 and 90 days, as documented; each refresh brings a new refresh token, and the old one keeps working.
    fn default() -> Self {
        Self {
            access_life_secs: 1_209_600,
            refresh_life_secs: 7_776_000,
            code_life_secs: 600,
            rotation: Rotation::New,
            replaced: ReplacedToken::KeepsWorking,
            refresh_renews_life: true,
            same_access_within_secs: 0,
            error_shape: TokenErrorShape::Webex,
            invalid_grant_status: 400,
        }
    }
}

/// What the answer to a refresh says of the refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The same token.
    Same,
    /// A new token.
    New,
    /// Nothing; the old one keeps working.
    Omitted,
}

/// What becomes of a refresh token that was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplacedToken {
    /// It still works.
    KeepsWorking,
    /// It is dead.
    Dies,
    /// It is dead, and using it revokes all tokens of the account at this integration.
    RevokesAll,
}

/// Body of a refused token request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenErrorShape {
    /// `{"message","errors","trackingId"}`
    Webex,
    /// `{"error","error_description"}`
    OAuth,
}
