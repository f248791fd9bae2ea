//! The two endpoints of sign-in, and the person at the browser.

use http::{Method, StatusCode};
use url::Url;

use super::super::answer::{Answer, gateway_page};
use super::super::oauth::{AuthorizeError, AuthorizeRequest, Decision, Subject, TokenGrant, TokenRefusal};
use super::super::params::Params;
use super::leaks::SECRET_KEYS;
use super::routes::role_of;
use super::{Received, Tenant, form};

impl Tenant {
    /// `GET /v1/authorize`, and `POST` by the page's own form.
    pub(super) fn authorize_page(&mut self, request: &Received, params: &Params) -> Answer {
        let asked = match AuthorizeRequest::parse(params, &self.settings.integrations) {
            Ok(asked) => asked,
            Err(error) => return Answer::html(StatusCode::BAD_REQUEST, gateway_page(&error.to_string())),
        };
        let settings = &self.settings;
        let now_ms = settings.clock.now_ms();
        if request.method == Method::POST {
            let is_known = |name: &str| settings.accounts.iter().any(|account| account.name == name);
            return match Decision::read(&form(request)) {
                Some(Decision::Accept(account)) if is_known(&account) => {
                    Answer::see_other(asked.approve(&account, &mut self.tokens, &settings.tokens, now_ms))
                }
                Some(Decision::Decline) => Answer::see_other(asked.deny()),
                Some(Decision::Accept(_)) | None => Answer::html(
                    StatusCode::BAD_REQUEST,
                    gateway_page("Accept as an account of the tenant, or decline"),
                ),
            };
        }
        if let Some(account) = &settings.auto_approve {
            return Answer::redirect(asked.approve(account, &mut self.tokens, &settings.tokens, now_ms));
        }
        match asked.consent(&settings.accounts, role_of) {
            Ok(page) => Answer::html(StatusCode::OK, page),
            Err(instead) => Answer::redirect(instead),
        }
    }

    /// `POST /v1/access_token`.
    pub(super) fn token_answer(&mut self, request: &Received, tracking_id: &str) -> Answer {
        let now_ms = self.now_ms();
        let is_form = request
            .header("content-type")
            .is_some_and(|kind| kind.trim().to_ascii_lowercase().starts_with("application/x-www-form-urlencoded"));
        let settings = &self.settings;
        let got = if is_form {
            self.tokens.exchange(
                &form(request),
                request.credentials("basic"),
                &settings.integrations,
                &settings.tokens,
                now_ms,
            )
        } else {
            Err(TokenRefusal::NotAForm)
        };
        match got {
            Ok(grant) => grant.answer(now_ms),
            Err(refusal) => refusal.answer(&settings.tokens, tracking_id),
        }
    }

    /// A person opens the authorize URL and agrees as this account, or refuses. Returns where the browser is sent.
    pub(in super::super) fn decide(
        &mut self,
        authorize_url: &str,
        account: Option<&str>,
    ) -> Result<String, AuthorizeError> {
        let url = Url::parse(authorize_url).map_err(|_| AuthorizeError::NotHere)?;
        let own_port = Url::parse(&self.origin).ok().and_then(|origin| origin.port());
        if url.path() != "/v1/authorize" || url.scheme() != "http" || url.port() != own_port {
            return Err(AuthorizeError::NotHere);
        }
        let params = Params::parse(url.query().unwrap_or_default());
        let secret =
            params.pairs().iter().any(|(key, value)| SECRET_KEYS.contains(&key.as_str()) || self.holds_secret(value));
        if secret {
            self.record.leak(0, "a secret in an authorize URL");
            return Err(AuthorizeError::Secret);
        }
        let known = |name: &str| self.settings.accounts.iter().any(|account| account.name == name);
        if let Some(name) = account.filter(|name| !known(name)) {
            return Err(AuthorizeError::UnknownAccount(name.to_owned()));
        }
        let now_ms = self.now_ms();
        let request = AuthorizeRequest::parse(&params, &self.settings.integrations)?;
        Ok(match account {
            Some(account) => request.approve(account, &mut self.tokens, &self.settings.tokens, now_ms),
            None => request.deny(),
        })
    }

    /// Tokens without the dance.
    pub(in super::super) fn grant(&mut self, client_id: &str, account: &str, scopes: &str) -> TokenGrant {
        let now_ms = self.now_ms();
        let subject = Subject {
            account: account.to_owned(),
            client_id: client_id.to_owned(),
            scopes: scopes.split_whitespace().map(str::to_owned).collect(),
        };
        self.tokens.grant(subject, &self.settings.tokens, now_ms)
    }
}
