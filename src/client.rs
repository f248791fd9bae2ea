//! Requests to the API in the name of a user.

use std::rc::Rc;

use url::Url;

use crate::answer::{Problem, Verdict};
use crate::api::Api;
use crate::budget::Budget;
use crate::effect::{Io, Request, Response};
use crate::failure::{Code, Failure};
use crate::oauth::session::Session;
use crate::origin_clock::OriginClock;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::stream::User;
use crate::time::{Span, Timestamp};
use crate::warning::Warning;
use crate::wire::Wire;

/// Requests of one user within one call of the plugin. Streams that read side by side share one.
#[derive(Debug)]
pub struct Client {
    wire: Rc<Wire>,
    session: Rc<Session>,
    api: Api,
    user: User,
}

/// Why there is no 2xx answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// There is no usable token, or no time to send anything.
    Session(Failure),
    /// What Webex answered, or why it did not; never [`Verdict::Ok`].
    Answer(Verdict),
}

impl Client {
    /// For `user`, whose integration must be configured and whose `budget` it is. `deadline` is of [`Io::elapsed`]; no request begins after it.
    pub fn new(io: Io, settings: &Settings, user: User, deadline: Span, budget: Rc<Budget>) -> Result<Self, Failure> {
        let integration = settings.required_integration(user)?.clone();
        let wire = Rc::new(Wire::new(io.clone(), deadline, budget));
        let api = settings.api.clone();
        let session = Rc::new(Session::new(io, Rc::clone(&wire), api.clone(), integration));
        Ok(Self { wire, session, api, user })
    }

    /// For a command, with a budget of its own.
    pub fn of_command(io: Io, settings: &Settings, user: User, deadline: Span) -> Result<Self, Failure> {
        Self::new(io, settings, user, deadline, Rc::new(Budget::of_command()))
    }

    /// The same user and tokens with counters and an origin's clock of its own, for one of several streams side by side.
    pub fn fork(&self) -> Self {
        let wire = Rc::new(self.wire.fork());
        Self { wire, session: Rc::clone(&self.session), api: self.api.clone(), user: self.user }
    }

    /// Gets an address of the API. A fault or a short wait is tried once more. After a 401 the tokens are refreshed, once,
    /// and the same address is asked again.
    pub async fn get(&self, url: Url) -> Result<Response, Trouble> {
        if !self.api.holds(&url) {
            let message = "not sent: the address is not below `base_url`".to_owned();
            return Err(Trouble::Answer(Verdict::Rejected(Problem { status: None, message, tracking_id: None })));
        }
        self.in_time()?;
        let bearer = self.session.bearer().await.map_err(Trouble::Session)?;
        let send = async |bearer: &Secret| {
            self.wire.in_budget(self.user).await.map_err(Trouble::Session)?;
            self.in_time()?;
            let request = || Request { url: url.clone(), bearer: Some(bearer.clone()), form: None };
            self.wire.send(&[bearer], request).await.map_err(Trouble::Answer)
        };
        match send(&bearer).await {
            Err(Trouble::Answer(Verdict::Unauthorized(_))) => {
                let other = self.session.instead_of(&bearer).await.map_err(Trouble::Session)?;
                send(&other).await
            }
            result => result,
        }
    }

    /// Makes sure that there is a usable access token, and says how long the tokens serve.
    pub async fn sign_in(&self) -> Result<String, Failure> {
        self.session.bearer().await.map(|_| self.session.ends())
    }

    fn in_time(&self) -> Result<(), Trouble> {
        self.wire.out_of_time(self.user).map_or(Ok(()), |failure| Err(Trouble::Session(failure)))
    }

    /// What time it is at Webex, by its answers so far, errors included.
    pub fn origin(&self) -> &OriginClock {
        self.wire.origin()
    }

    /// Requests sent since `new`, those for tokens and repetitions included.
    pub fn requests(&self) -> u64 {
        self.wire.requests()
    }

    /// Repetitions after a fault since `new`.
    pub fn retries(&self) -> u64 {
        self.wire.retries()
    }

    /// Time that requests waited since `new`.
    pub fn waited(&self) -> Span {
        self.wire.waited()
    }

    /// Requests a minute that the user may send now.
    pub fn rate(&self) -> u32 {
        self.wire.rate()
    }

    /// What a person should know though requests work.
    pub fn warnings(&self) -> Vec<Warning> {
        self.session.warnings()
    }
}

impl Trouble {
    /// The failure of `what` was asked for by `user`.
    pub fn failure(&self, what: &str, user: User, now: Timestamp) -> Failure {
        match self {
            Self::Session(failure) => failure.clone(),
            Self::Answer(verdict) => verdict.failure(what, user, now).unwrap_or_else(|| {
                // `Answer` holds no `Ok`; if it did, it would be an answer that nobody could use.
                Failure::new(Code::NotUnderstood, what, "").of_user(user).at(now)
            }),
        }
    }
}

#[cfg(test)]
mod tests;
