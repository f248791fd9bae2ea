//! Sign-ins that have begun and wait for their code.

use serde::{Deserialize, Serialize};

use super::tokens::refuse_newer;
use crate::api::Api;
use crate::failure::Failure;
use crate::secret::{Secret, SecretName, Versioned};
use crate::settings::Integration;
use crate::stream::User;
use crate::time::{Span, Timestamp};

/// The form that this release writes.
const VERSION: u32 = 1;

/// How many wait at most: one that went wrong, one in another browser, and the one that works.
const MOST: usize = 3;

/// How long one waits: time enough to find the person whose account it is.
const LIFE: Span = Span::secs(3_600);

/// One that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingSignIn {
    /// Comes back with the code.
    pub state: Secret,
    /// Proves that who brings the code has begun the sign-in.
    pub verifier: Secret,
    /// As in the link.
    pub redirect_uri: String,
    /// Where it began: its code goes nowhere else.
    pub origin: String,
    /// For which integration.
    pub client_id: String,
    /// When.
    pub begun: Timestamp,
}

impl PendingSignIn {
    /// When it is over.
    pub fn until(&self) -> Timestamp {
        self.begun + LIFE
    }
}

/// All that wait, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pending(Vec<PendingSignIn>);

impl Pending {
    /// Reads what was stored. That of a newer release is a failure; what is damaged is worth nothing after an hour anyway
    /// and counts as none.
    pub fn read(user: User, stored: Option<Versioned>) -> Result<Self, Failure> {
        let Some(Versioned { value, .. }) = stored else { return Ok(Self::default()) };
        refuse_newer(user, SecretName::SignIns(user), &value, VERSION)?;
        let raw = serde_json::from_str::<Raw>(value.expose()).map(|raw| raw.pending).unwrap_or_default();
        Ok(Self(raw.into_iter().map(PendingSignIn::from).collect()))
    }

    /// What is stored. Secret.
    pub fn to_secret(&self) -> Secret {
        let raw = Raw { version: VERSION, pending: self.0.iter().map(RawSignIn::from).collect() };
        // Strings and numbers only: there is nothing in it that could not be written.
        Secret::new(serde_json::to_string(&raw).unwrap_or_default())
    }

    /// Drops those that are over, and those of another origin or integration. One that began later than now is of a clock
    /// that has been set back.
    pub fn tidy(&mut self, api: &Api, integration: &Integration, now: Timestamp) {
        self.0.retain(|sign_in| {
            sign_in.begun <= now
                && now < sign_in.until()
                && sign_in.origin == api.origin()
                && sign_in.client_id == integration.client_id
        });
    }

    /// Adds one, or puts one back; the oldest gives way.
    pub fn put(&mut self, sign_in: PendingSignIn) {
        let at = self.0.iter().position(|other| other.begun > sign_in.begun).unwrap_or(self.0.len());
        self.0.insert(at, sign_in);
        self.0.drain(..self.0.len().saturating_sub(MOST));
    }

    /// Takes the one with this state away: it works once.
    pub fn take(&mut self, state: &Secret) -> Option<PendingSignIn> {
        let at = self.0.iter().position(|sign_in| sign_in.state == *state)?;
        Some(self.0.remove(at))
    }

    /// Takes the newest away.
    pub fn take_newest(&mut self) -> Option<PendingSignIn> {
        self.0.pop()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Serialize, Deserialize)]
struct Raw {
    version: u32,
    pending: Vec<RawSignIn>,
}

#[derive(Serialize, Deserialize)]
struct RawSignIn {
    state: String,
    verifier: String,
    redirect_uri: String,
    origin: String,
    client_id: String,
    begun: Timestamp,
}

impl From<RawSignIn> for PendingSignIn {
    fn from(raw: RawSignIn) -> Self {
        Self {
            state: Secret::new(raw.state),
            verifier: Secret::new(raw.verifier),
            redirect_uri: raw.redirect_uri,
            origin: raw.origin,
            client_id: raw.client_id,
            begun: raw.begun,
        }
    }
}

impl From<&PendingSignIn> for RawSignIn {
    fn from(sign_in: &PendingSignIn) -> Self {
        Self {
            state: sign_in.state.expose().to_owned(),
            verifier: sign_in.verifier.expose().to_owned(),
            redirect_uri: sign_in.redirect_uri.clone(),
            origin: sign_in.origin.clone(),
            client_id: sign_in.client_id.clone(),
            begun: sign_in.begun,
        }
    }
}
