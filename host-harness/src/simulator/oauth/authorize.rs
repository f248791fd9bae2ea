//! `/v1/authorize`: a person agrees, or not, to what an integration asks for.

use std::collections::BTreeSet;

use url::Url;

use super::super::params::Params;
use super::bearer::Subject;
use super::challenge::Challenge;
use super::tokens::{Code, TokenStore, after};
use super::{Account, Integration, Role, TokenSettings, consent};

/// Why an authorize request leads to an error page, not back to the integration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizeError {
    /// The text is no URL of this tenant's authorize page.
    #[error("not an authorize URL of this tenant, use the one that oauth-start gave")]
    NotHere,
    /// No integration has this client id.
    #[error("client_id is missing or unknown to the tenant, compare it with the integration")]
    UnknownClient,
    /// The redirect URI is not among the integration's.
    #[error("redirect_uri is not registered with the integration, compare the two")]
    RedirectUri,
    /// A secret stands in the URL.
    #[error("the authorize URL carries a secret, it must not")]
    Secret,
    /// No account has this name.
    #[error("no account of the tenant is named `{0}`")]
    UnknownAccount(String),
}

/// An authorize request whose client and redirect URI are right.
pub(in super::super) struct AuthorizeRequest<'a> {
    integration: &'a Integration,
    redirect_uri: Url,
    state: Option<String>,
    /// What was asked, or `error` and `error_description` for the redirect.
    asked: Result<Asked, (&'static str, &'static str)>,
}

struct Asked {
    scopes: BTreeSet<String>,
    challenge: Option<Challenge>,
}

impl<'a> AuthorizeRequest<'a> {
    pub(in super::super) fn parse(params: &Params, integrations: &'a [Integration]) -> Result<Self, AuthorizeError> {
        let client_id = params.get("client_id").ok_or(AuthorizeError::UnknownClient)?;
        let integration = integrations
            .iter()
            .find(|integration| integration.client_id == client_id)
            .ok_or(AuthorizeError::UnknownClient)?;
        let redirect_uri = match (params.get("redirect_uri"), integration.redirect_uris.as_slice()) {
            (Some(asked), registered) if registered.iter().any(|uri| uri == asked) => asked,
            (None, [only]) => only,
            _ => return Err(AuthorizeError::RedirectUri),
        };
        let redirect_uri = Url::parse(redirect_uri).map_err(|_| AuthorizeError::RedirectUri)?;
        let state = params.get("state").map(str::to_owned);
        Ok(Self { integration, redirect_uri, state, asked: Asked::parse(params, integration) })
    }

    /// The page that asks a person; the error is where the browser goes instead, for nothing can be asked.
    pub(in super::super) fn consent(
        &self,
        accounts: &[Account],
        role: impl Fn(&str) -> Option<Role>,
    ) -> Result<String, String> {
        let asked = self.asked.as_ref().map_err(|(error, description)| self.refused(error, description))?;
        let scopes = asked.scopes.iter().map(String::as_str);
        let wanted = scopes.clone().find_map(role);
        Ok(consent::page(accounts, &self.integration.client_id, scopes, wanted))
    }

    /// The person agrees: where the browser goes, with a fresh code.
    pub(in super::super) fn approve(
        &self,
        account: &str,
        tokens: &mut TokenStore,
        settings: &TokenSettings,
        now_ms: i64,
    ) -> String {
        let asked = match &self.asked {
            Ok(asked) => asked,
            Err((error, description)) => return self.refused(error, description),
        };
        let value = tokens.mint("code");
        let subject = Subject {
            account: account.to_owned(),
            client_id: self.integration.client_id.clone(),
            scopes: asked.scopes.clone(),
        };
        let code = Code {
            subject,
            redirect_uri: self.redirect_uri.to_string(),
            challenge: asked.challenge.clone(),
            expires_at_ms: after(now_ms, settings.code_life_secs),
            used: false,
        };
        tokens.codes.insert(value.clone(), code);
        self.redirect(&[("code", &value)])
    }

    /// The person refuses.
    pub(in super::super) fn deny(&self) -> String {
        match &self.asked {
            Ok(_) => self.refused("access_denied", "The resource owner or authorization server denied the request."),
            Err((error, description)) => self.refused(error, description),
        }
    }

    fn refused(&self, error: &str, description: &str) -> String {
        self.redirect(&[("error", error), ("error_description", description)])
    }

    fn redirect(&self, pairs: &[(&str, &str)]) -> String {
        let mut url = self.redirect_uri.clone();
        url.query_pairs_mut().extend_pairs(pairs).extend_pairs(self.state.iter().map(|state| ("state", state)));
        url.into()
    }
}

impl Asked {
    fn parse(params: &Params, integration: &Integration) -> Result<Self, (&'static str, &'static str)> {
        if params.get("response_type") != Some("code") {
            return Err(("unsupported_response_type", "The response_type must be code."));
        }
        let scopes: BTreeSet<String> =
            params.get("scope").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
        if scopes.is_empty() || !scopes.iter().all(|scope| integration.scopes.contains(scope)) {
            return Err(("invalid_scope", "The requested scope is invalid, unknown, or malformed."));
        }
        let challenge = match (params.get("code_challenge"), params.get("code_challenge_method")) {
            (None, None) => None,
            (Some(challenge), Some("S256")) => Some(Challenge::S256(challenge.to_owned())),
            (Some(challenge), Some("plain") | None) => Some(Challenge::Plain(challenge.to_owned())),
            _ => {
                return Err(("invalid_request", "The code_challenge or its method is invalid."));
            }
        };
        Ok(Self { scopes, challenge })
    }
}
