//! What to do about a user's tokens, decided from what is stored. No I/O.

use super::tokens::{Stored, Token, Tokens, digest};
use crate::api::Api;
use crate::failure::Failure;
use crate::secret::{Secret, SecretName};
use crate::settings::Integration;
use crate::time::Timestamp;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Use these.
    Take(Tokens),
    /// Use these, though they cannot be renewed.
    TakeLast(Tokens, Failure),
    /// Somebody else is refreshing until then.
    Wait(Timestamp),
    /// Claim the refresh and do it.
    Refresh(Box<Job>),
    /// A person has to act.
    GiveUp(Failure),
}

/// A refresh to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// What is stored now, on which the claim is written.
    pub stored: Tokens,
    /// What the new tokens are made of.
    pub base: Tokens,
    /// With which refresh token.
    pub by: Token,
    /// What can be used if it fails for now: the stored tokens, if their access token lives.
    pub fallback: Option<Tokens>,
}

/// For whom, where and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    /// Where Webex is.
    pub api: &'a Api,
    /// Whose tokens.
    pub integration: &'a Integration,
    /// The time.
    pub now: Timestamp,
}

impl Place<'_> {
    /// Decides. `supplied` is a Service App's refresh token, `refused` an access token that Webex did not take.
    pub(super) fn plan(&self, stored: &Stored, supplied: Option<&Secret>, refused: Option<&Secret>) -> Plan {
        let now = self.now;
        let ours = stored.tokens.as_ref().filter(|tokens| tokens.belong_to(self.api, self.integration));
        // A supplied refresh token that is new takes the place of everything before it, which may be another account's.
        let supplied = supplied.map(|token| (token, digest(token)));
        let chain =
            ours.filter(|tokens| supplied.as_ref().is_none_or(|(_, digest)| tokens.supplied.as_ref() == Some(digest)));
        let usable = chain.filter(|tokens| {
            tokens.access.as_ref().is_some_and(|access| access.is_alive(now) && Some(&access.value) != refused)
        });
        if let Some(tokens) = usable
            && !tokens.are_due(now)
        {
            return Plan::Take(tokens.clone());
        }
        let none = Tokens::none(self.api, self.integration, now);
        let (base, by) = match (chain, supplied) {
            (Some(tokens), _) => (tokens.clone(), tokens.refresh.clone().filter(|refresh| refresh.is_alive(now))),
            (None, Some((token, digest))) => {
                (Tokens { supplied: Some(digest), ..none.clone() }, Some(Token { value: token.clone(), expires: None }))
            }
            (None, None) => (none.clone(), None),
        };
        let Some(by) = by else {
            let failure = self.dead(stored, chain);
            return usable.map_or(Plan::GiveUp(failure.clone()), |tokens| Plan::TakeLast(tokens.clone(), failure));
        };
        if let Some(until) = stored.tokens.as_ref().and_then(|tokens| tokens.claim(now)) {
            return usable.map_or(Plan::Wait(until), |tokens| Plan::Take(tokens.clone()));
        }
        let stored = stored.tokens.clone().unwrap_or(none);
        Plan::Refresh(Box::new(Job { stored, base, by, fallback: usable.cloned() }))
    }

    /// Why nothing can be refreshed: what is stored, and of it what belongs here.
    fn dead(&self, stored: &Stored, ours: Option<&Tokens>) -> Failure {
        let user = self.integration.user;
        let title = user.title();
        let message = match (stored.tokens.as_ref(), ours) {
            (None, _) if stored.is_damaged() => format!("the stored tokens of the {title} are damaged"),
            (_, Some(tokens @ Tokens { refresh: Some(refresh), .. })) => {
                let end = refresh.expires.map_or_else(String::new, |end| format!(" on {end}"));
                let failure = format!("the refresh token of the {title} expired{end}");
                return self.explained(Failure::sign_in(user, failure), tokens);
            }
            (_, Some(Tokens { access: Some(_), .. })) => {
                format!("the access token of the {title} is near or past its end, and there is no refresh token")
            }
            (Some(other), None) if other.client_id != self.integration.client_id => {
                format!("the stored tokens of the {title} belong to another integration, and are not used")
            }
            (Some(other), None) if other.origin != self.api.origin() => {
                format!("the stored tokens of the {title} belong to {}, and are not sent elsewhere", other.origin)
            }
            _ => format!("the {title} is not signed in"),
        };
        Failure::sign_in(user, message)
    }

    /// With the remedy of a Service App, where the tokens are of one.
    pub(super) fn explained(&self, failure: Failure, tokens: &Tokens) -> Failure {
        if tokens.supplied.is_none() {
            return failure;
        }
        let name = SecretName::RefreshToken(self.integration.user).name();
        Failure { remedy: format!("put a new refresh token of the Service App into the secret `{name}`"), ..failure }
    }
}
