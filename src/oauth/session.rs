//! A usable access token, whoever refreshes it: this call, another stream of it, or another process.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::endpoint::{Endpoint, Grant, Granted, NotGranted};
use super::plan::{Job, Place, Plan};
use super::store::{Conflict, Store};
use super::tokens::{CLAIM, Stored, Token, Tokens};
use crate::api::Api;
use crate::defect::{self, Defect};
use crate::effect::{Io, Level};
use crate::failure::{Code, Failure};
use crate::secret::{Revision, Secret, SecretName};
use crate::settings::Integration;
use crate::time::{Span, Timestamp};
use crate::warning::Warning;
use crate::wire::Wire;

/// How long to wait before looking again whether another call has refreshed: a refresh takes a few hundred milliseconds.
const STEP: Span = Span::millis(250);

/// How often to look at most. One claim's worth of steps, and some more for those who write in between; a bound of its own,
/// so that clocks that stand still make no endless loop.
const ROUNDS: i64 = CLAIM.as_millis() / STEP.as_millis() + 16;

/// How often new tokens are written at most where the store fails or others write: they must not be lost.
const WRITES: u32 = 5;

/// A refresh token that dies sooner than this is worth a warning: time for a person to sign in.
const WARN_BEFORE: Span = Span::days(14);

/// One user's tokens within one call.
#[derive(Debug)]
pub struct Session {
    io: Io,
    wire: Rc<Wire>,
    api: Api,
    integration: Integration,
    store: Store,
    /// As last read or written.
    held: RefCell<Option<Tokens>>,
    /// A refresh was tried in this call and failed: the access token serves while it lives.
    tried: Cell<bool>,
    /// A refresh was tried a second time in this call.
    paused: Cell<bool>,
    warning: RefCell<Option<Warning>>,
}

/// How a user's tokens stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Whether there is something to send requests with, or to get it with.
    pub serves: bool,
    /// What a person has to do about them.
    pub problem: Option<Failure>,
    /// Those that may be used here.
    pub tokens: Option<Tokens>,
    /// Somebody is refreshing them until then.
    pub claim: Option<Timestamp>,
    /// Whether they come from a supplied refresh token.
    pub is_service_app: bool,
}

impl Session {
    /// Of this integration's user.
    pub fn new(io: Io, wire: Rc<Wire>, api: Api, integration: Integration) -> Self {
        let store = Store::new(io.clone(), integration.user);
        Self {
            io,
            wire,
            api,
            integration,
            store,
            held: RefCell::new(None),
            tried: Cell::new(false),
            paused: Cell::new(false),
            warning: RefCell::new(None),
        }
    }

    /// The access token. Refreshed first if little of its life is left.
    pub async fn bearer(&self) -> Result<Secret, Failure> {
        match self.at_hand() {
            Some(token) => Ok(token),
            None => self.obtain(None).await,
        }
    }

    /// Another access token than this one, which Webex refused with 401.
    pub async fn instead_of(&self, refused: &Secret) -> Result<Secret, Failure> {
        match self.at_hand() {
            Some(token) if token != *refused => Ok(token),
            _ => self.obtain(Some(refused)).await,
        }
    }

    /// What a person should know about the tokens.
    pub fn warnings(&self) -> Vec<Warning> {
        let expiry = self.held.borrow().as_ref().and_then(|tokens| self.expiry_warning(tokens));
        self.warning.borrow().iter().cloned().chain(expiry).collect()
    }

    /// How the tokens stand, as stored. Asks nobody but the host's secrets.
    pub async fn standing(&self) -> Result<Standing, Failure> {
        let supplied = self.store.supplied().await?;
        let stored = self.read().await?;
        let (serves, problem) = match self.place().plan(&stored, supplied.as_ref(), None) {
            Plan::Take(_) | Plan::Wait(_) | Plan::Refresh(_) => (true, None),
            Plan::TakeLast(_, failure) => (true, Some(failure)),
            Plan::GiveUp(failure) => (false, Some(failure)),
        };
        let claim = stored.tokens.as_ref().and_then(|tokens| tokens.claim(self.io.now()));
        let tokens = stored.tokens.filter(|tokens| tokens.belong_to(&self.api, &self.integration));
        Ok(Standing { serves, problem, tokens, claim, is_service_app: supplied.is_some() })
    }

    fn at_hand(&self) -> Option<Secret> {
        let held = self.held.borrow();
        let tokens = held.as_ref()?;
        let access = tokens.access.as_ref()?;
        let now = self.io.now();
        (access.is_alive(now) && (self.tried.get() || !tokens.are_due(now))).then(|| access.value.clone())
    }

    async fn obtain(&self, refused: Option<&Secret>) -> Result<Secret, Failure> {
        let user = self.integration.user;
        let supplied = self.store.supplied().await?;
        for _ in 0..ROUNDS {
            let stored = self.read().await?;
            match self.place().plan(&stored, supplied.as_ref(), refused) {
                Plan::Take(tokens) => return self.hold(tokens),
                Plan::TakeLast(tokens, failure) => return self.make_do(tokens, &failure),
                Plan::GiveUp(failure) => return Err(failure),
                Plan::Wait(until) => {
                    if !self.wire.time_for(STEP) {
                        return Err(self.wire.out_of_time(user).unwrap_or_else(|| self.busy(until)));
                    }
                    self.io.sleep(STEP).await;
                }
                Plan::Refresh(job) => {
                    if let Some(failure) = self.wire.out_of_time(user) {
                        return Err(failure);
                    }
                    match self.refresh(&job, stored.revision).await {
                        Ok(Some(result)) => return result,
                        Ok(None) => {}
                        Err(failure) => return self.without(&job, failure),
                    }
                }
            }
        }
        Err(self.busy(self.io.now() + CLAIM))
    }

    async fn read(&self) -> Result<Stored, Failure> {
        let user = self.integration.user;
        Stored::read(user, self.store.read(SecretName::Tokens(user)).await?)
    }

    async fn write(&self, expected: Option<Revision>, tokens: &Tokens) -> Result<Result<Revision, Conflict>, Failure> {
        self.store.replace(SecretName::Tokens(self.integration.user), expected, tokens.to_secret()).await
    }

    /// How long the tokens at hand serve, in words.
    pub fn ends(&self) -> String {
        let held = self.held.borrow();
        let end = |token: Option<&Token>| {
            let end = token.and_then(|token| token.expires);
            end.map_or_else(|| "an unknown time".to_owned(), |end| end.to_string())
        };
        let (access, refresh) =
            held.as_ref().map(|tokens| (tokens.access.as_ref(), tokens.refresh.as_ref())).unwrap_or_default();
        format!("signed in; access token until {}, refresh token until {}", end(access), end(refresh))
    }

    fn place(&self) -> Place<'_> {
        Place { api: &self.api, integration: &self.integration, now: self.io.now() }
    }

    /// Claims, asks, stores. None: somebody else has written; look again.
    async fn refresh(&self, job: &Job, revision: Option<Revision>) -> Result<Option<Result<Secret, Failure>>, Failure> {
        // Before the claim: without it there is nothing to claim for.
        let client_secret = self.store.client_secret().await?;
        let revision = if defect::is(Defect::RefreshWithoutClaim) {
            revision.unwrap_or(Revision(String::new()))
        } else {
            let claimed = job.stored.with_claim(Some(self.io.now() + CLAIM));
            let Ok(revision) = self.write(revision, &claimed).await? else { return Ok(None) };
            revision
        };
        let endpoint = Endpoint { wire: &self.wire, io: &self.io, api: &self.api, integration: &self.integration };
        match endpoint.ask(Grant::Refresh(&job.by.value), &client_secret).await {
            Ok(granted) => self.keep(job, granted, revision).await,
            Err(NotGranted::Refused(failure)) => {
                let failure = self.place().explained(failure, &job.base);
                let stored = self.read().await?;
                if stored.tokens.as_ref().is_some_and(|tokens| !tokens.same_as(&job.stored)) {
                    return Ok(None);
                }
                self.release(job, revision).await;
                Ok(Some(self.without(job, failure)))
            }
            Err(NotGranted::NotNow { failure, pause }) => {
                self.release(job, revision).await;
                match pause {
                    // Not under the same claim, which may be over by then; and with a token that still works there is no
                    // hurry: the next call tries again.
                    Some(pause) if job.fallback.is_none() && !self.paused.replace(true) => {
                        self.wire.wait(pause).await;
                        Ok(None)
                    }
                    _ => Ok(Some(self.without(job, failure))),
                }
            }
        }
    }

    /// Stores new tokens before they are used. They give way only to others: to a sign-in in between, or to another
    /// refresh that was quicker. None: they did.
    async fn keep(
        &self,
        job: &Job,
        granted: Granted,
        revision: Revision,
    ) -> Result<Option<Result<Secret, Failure>>, Failure> {
        let tokens = job.base.renewed(&job.by, granted);
        let mut expected = Some(revision);
        let mut failure = None;
        for _ in 0..WRITES {
            match self.write(expected.clone(), &tokens).await {
                Ok(Ok(_)) => {
                    let user = self.integration.user.title();
                    self.io.log(Level::Info, "tokens-refreshed", format!("the tokens of the {user} were refreshed"));
                    self.tried.set(false);
                    return Ok(Some(self.hold(tokens)));
                }
                Ok(Err(Conflict)) => match self.read().await {
                    Ok(stored) if stored.tokens.as_ref().is_none_or(|other| other.same_as(&job.stored)) => {
                        expected = stored.revision;
                    }
                    Ok(_) => return Ok(None),
                    Err(error) => failure = Some(error),
                },
                Err(error) => {
                    failure = Some(error);
                    if !self.wire.time_for(STEP) {
                        break;
                    }
                    self.io.sleep(STEP).await;
                }
            }
        }
        let failure = failure.unwrap_or_else(|| self.busy(self.io.now() + CLAIM));
        self.io.log(Level::Error, "tokens-not-stored", format!("new tokens could not be stored: {failure}"));
        Ok(Some(self.without(job, failure)))
    }

    /// Takes the claim back, if it still stands; otherwise it ends by itself.
    async fn release(&self, job: &Job, revision: Revision) {
        if let Err(failure) = self.write(Some(revision), &job.stored.with_claim(None)).await {
            self.io.log(Level::Warn, "claim-not-released", failure.message);
        }
    }

    /// Goes on without a refresh, if it can.
    fn without(&self, job: &Job, failure: Failure) -> Result<Secret, Failure> {
        let now = self.io.now();
        match job.fallback.as_ref().filter(|tokens| tokens.access.as_ref().is_some_and(|access| access.is_alive(now))) {
            Some(tokens) => self.make_do(tokens.clone(), &failure),
            None => Err(failure),
        }
    }

    /// Uses tokens that cannot be renewed, in this call at least.
    fn make_do(&self, tokens: Tokens, failure: &Failure) -> Result<Secret, Failure> {
        let end = tokens.access.as_ref().and_then(|access| access.expires);
        let end = end.map_or_else(String::new, |end| format!(" of {end}"));
        let warning = Warning {
            code: "tokens-not-refreshed",
            text: format!("{}; the access token serves until its end{end}", failure.message),
            remedy: failure.remedy.clone(),
        };
        self.io.log(Level::Warn, warning.code, warning.text.clone());
        self.warning.replace(Some(warning));
        self.tried.set(true);
        self.hold(tokens)
    }

    fn hold(&self, tokens: Tokens) -> Result<Secret, Failure> {
        let token = tokens.access.as_ref().map(|access| access.value.clone());
        self.held.replace(Some(tokens));
        token.ok_or_else(|| Failure::sign_in(self.integration.user, "there is no access token"))
    }

    fn busy(&self, until: Timestamp) -> Failure {
        let user = self.integration.user;
        let message = format!("another call has been refreshing the tokens of the {} for too long", user.title());
        Failure::new(Code::Deadline, message, "").of_user(user).at(until)
    }

    fn expiry_warning(&self, tokens: &Tokens) -> Option<Warning> {
        let user = self.integration.user;
        let end = tokens.refresh.as_ref()?.expires?;
        (end - self.io.now() < WARN_BEFORE).then(|| {
            let failure = Failure::sign_in(user, format!("the refresh token of the {} dies on {end}", user.title()));
            let failure = self.place().explained(failure, tokens);
            Warning { code: "refresh-token-expires", text: failure.message, remedy: failure.remedy }
        })
    }
}

#[cfg(test)]
mod tests;
