//! Signing a user in: a link to open, then the code that Webex gives for it (RFC 6749 section 4.1, PKCE of RFC 7636).

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use url::Url;

use super::endpoint::{Endpoint, Grant, Granted, NotGranted};
use super::pending::{Pending, PendingSignIn};
use super::redirected::Redirected;
use super::store::Store;
use super::tokens::{Stored, Tokens};
use crate::api::Api;
use crate::budget::Budget;
use crate::effect::{Io, Level};
use crate::failure::{Code, Failure};
use crate::secret::{Secret, SecretName};
use crate::settings::{Integration, Settings};
use crate::stream::User;
use crate::time::{Span, Timestamp};
use crate::wire::Wire;

/// How often a secret is written at most where others write it at the same time: refreshes take two writes each, and more
/// than a few sign-ins at once are no people.
const WRITES: u32 = 16;

/// How long to wait where the store fails, before writing again.
const STEP: Span = Span::millis(250);

/// A sign-in that has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// To be opened by the user in a browser. Holds no secret.
    pub link: Url,
    /// Where Webex leads after.
    pub redirect_uri: String,
    /// Until when the link's code is taken.
    pub until: Timestamp,
}

/// Signs one user in.
#[derive(Debug)]
pub struct SignIn {
    io: Io,
    wire: Rc<Wire>,
    store: Store,
    api: Api,
    integration: Integration,
}

impl SignIn {
    /// Of `user`, whose integration must be configured. `deadline` is of [`Io::elapsed`].
    pub fn new(io: Io, settings: &Settings, user: User, deadline: Span) -> Result<Self, Failure> {
        let integration = settings.required_integration(user)?.clone();
        Ok(Self {
            wire: Rc::new(Wire::new(io.clone(), deadline, Rc::new(Budget::of_command()))),
            store: Store::new(io.clone(), user),
            api: settings.api.clone(),
            integration,
            io,
        })
    }

    /// Begins. The tokens that are there stay in use.
    pub async fn start(&self) -> Result<Begun, Failure> {
        let redirect_uri = self.redirect_uri()?.to_owned();
        self.may_sign_in().await?;
        let random = || Secret::new(URL_SAFE_NO_PAD.encode(self.io.random::<32>()));
        let (state, verifier) = (random(), random());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose()));
        let mut link = self.api.endpoint("authorize");
        link.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.integration.client_id)
            .append_pair("redirect_uri", &redirect_uri)
            .append_pair("scope", &self.integration.scopes.join(" "))
            .append_pair("state", state.expose())
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        let begun = self.io.now();
        let sign_in = PendingSignIn {
            state,
            verifier,
            redirect_uri: redirect_uri.clone(),
            origin: self.api.origin(),
            client_id: self.integration.client_id.clone(),
            begun,
        };
        let until = sign_in.until();
        self.change_pending(|pending| pending.put(sign_in.clone())).await?;
        Ok(Begun { link, redirect_uri, until })
    }

    /// Completes, with the bare code or the whole address to which Webex led. Gives the tokens as they were stored.
    pub async fn complete(&self, code: &Secret) -> Result<Tokens, Failure> {
        let user = self.integration.user;
        let redirected = Redirected::parse(code)?;
        let client_secret = self.may_sign_in().await?;
        // Before anything is used up: tokens of a newer plugin could not be replaced.
        self.stored().await?;
        let (code, sign_in) = match redirected {
            Redirected::Denied { error, state } => {
                if let Some(state) = state {
                    self.change_pending(|pending| pending.take(&state)).await?;
                }
                let message = format!("Webex did not sign the {} in: {error}", user.title());
                let remedy = Failure::sign_in(user, "").remedy;
                return Err(Failure::new(Code::Refused, message, format!("to try again, {remedy}")).of_user(user));
            }
            Redirected::Code { code, state } => {
                let sign_in = self.change_pending(|pending| pending.take(&state)).await?;
                (code, Some(sign_in.ok_or_else(|| self.unknown_state())?))
            }
            Redirected::BareCode(code) => (code, self.change_pending(Pending::take_newest).await?),
        };
        let granted = self.exchange(&code, sign_in, &client_secret).await?;
        self.keep(granted).await
    }

    async fn exchange(
        &self,
        code: &Secret,
        sign_in: Option<PendingSignIn>,
        client_secret: &Secret,
    ) -> Result<Granted, Failure> {
        let endpoint = Endpoint { wire: &self.wire, io: &self.io, api: &self.api, integration: &self.integration };
        let grant = Grant::Code {
            code,
            redirect_uri: match &sign_in {
                Some(sign_in) => &sign_in.redirect_uri,
                None => self.redirect_uri()?,
            },
            verifier: sign_in.as_ref().map(|sign_in| &sign_in.verifier),
        };
        match endpoint.ask(grant, client_secret).await {
            Ok(granted) => Ok(granted),
            Err(NotGranted::Refused(failure)) => {
                let remedy = format!("a code works once and for some minutes; {}", failure.remedy);
                Err(Failure { remedy, ..failure })
            }
            Err(NotGranted::NotNow { failure, .. }) => {
                if let Some(sign_in) = sign_in {
                    let put_back = self.change_pending(|pending| pending.put(sign_in.clone())).await;
                    if let Err(error) = put_back {
                        self.io.log(Level::Warn, "sign-in-lost", error.message);
                    }
                }
                Err(Failure { remedy: "run the command again with the same code".to_owned(), ..failure })
            }
        }
    }

    /// Stores the tokens over whatever is there. The code is used up: a store that fails is tried again.
    async fn keep(&self, granted: Granted) -> Result<Tokens, Failure> {
        let tokens = Tokens::of_sign_in(&self.api, &self.integration, granted);
        let mut failure = None;
        for _ in 0..WRITES {
            match self.overwrite(&tokens).await {
                Ok(true) => {
                    let user = self.integration.user.title();
                    self.io.log(Level::Info, "signed-in", format!("the {user} has signed in"));
                    return Ok(tokens);
                }
                Ok(false) => {}
                Err(error) => {
                    failure = Some(error);
                    if !self.wire.time_for(STEP) {
                        break;
                    }
                    self.io.sleep(STEP).await;
                }
            }
        }
        Err(failure.unwrap_or_else(|| self.contended(SecretName::Tokens(self.integration.user))))
    }

    /// Whether nobody else wrote in between.
    async fn overwrite(&self, tokens: &Tokens) -> Result<bool, Failure> {
        let name = SecretName::Tokens(self.integration.user);
        let stored = self.stored().await?;
        Ok(self.store.replace(name, stored.revision, tokens.to_secret()).await?.is_ok())
    }

    async fn stored(&self) -> Result<Stored, Failure> {
        let user = self.integration.user;
        Stored::read(user, self.store.read(SecretName::Tokens(user)).await?)
    }

    /// Reads, changes and writes the pending sign-ins until nobody writes in between.
    async fn change_pending<T>(&self, change: impl Fn(&mut Pending) -> T) -> Result<T, Failure> {
        let user = self.integration.user;
        let name = SecretName::SignIns(user);
        for _ in 0..WRITES {
            let stored = self.store.read(name).await?;
            let revision = stored.as_ref().map(|stored| stored.revision.clone());
            let before = Pending::read(user, stored)?;
            let mut pending = before.clone();
            pending.tidy(&self.api, &self.integration, self.io.now());
            let result = change(&mut pending);
            if pending == before {
                return Ok(result);
            }
            if self.store.replace(name, revision, pending.to_secret()).await?.is_ok() {
                return Ok(result);
            }
        }
        Err(self.contended(name))
    }

    /// The client secret. Fails if the user does not sign in as a person.
    async fn may_sign_in(&self) -> Result<Secret, Failure> {
        let user = self.integration.user;
        if self.store.supplied().await?.is_some() {
            let name = SecretName::RefreshToken(user).name();
            let problem = format!("is set: tokens of the {} come from a Service App, not from a sign-in", user.title());
            return Err(Failure::setting(name, problem, "remove it to sign a person in").of_user(user));
        }
        self.store.client_secret().await
    }

    fn redirect_uri(&self) -> Result<&str, Failure> {
        let user = self.integration.user;
        let name = match user {
            User::Admin => "admin_app_redirect_uri",
            User::ComplianceOfficer => "compliance_officer_redirect_uri",
        };
        self.integration.redirect_uri.as_deref().ok_or_else(|| {
            Failure::setting(name, "is missing", "set it to a redirect URI of the integration, letter by letter")
                .of_user(user)
        })
    }

    fn unknown_state(&self) -> Failure {
        let user = self.integration.user;
        let remedy = Failure::sign_in(user, "").remedy;
        Failure::argument(
            "code",
            format!(
                "holds a state that belongs to no sign-in of the {} in the last hour, or to a used one",
                user.title()
            ),
            remedy,
        )
        .of_user(user)
    }

    fn contended(&self, name: SecretName) -> Failure {
        let message = format!("secret `{}` was changed by others again and again", name.name());
        Failure::new(Code::SecretsUnavailable, message, "").of_user(self.integration.user).at(self.io.now())
    }
}

#[cfg(test)]
mod tests;
