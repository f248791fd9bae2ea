//! `POST /v1/access_token`: a code or a refresh token becomes tokens.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use super::super::params::Params;
use super::grant::TokenGrant;
use super::token_refusal::TokenRefusal;
use super::tokens::TokenStore;
use super::{Integration, TokenSettings};

impl TokenStore {
    /// What a token request gets. `basic` is the value of an `Authorization: Basic` header.
    pub(in super::super) fn exchange(
        &mut self,
        form: &Params,
        basic: Option<&str>,
        integrations: &[Integration],
        settings: &TokenSettings,
        now_ms: i64,
    ) -> Result<TokenGrant, TokenRefusal> {
        let grant_type = field(form, "grant_type")?;
        let client_id = authenticate(form, basic, integrations)?;
        match grant_type {
            "authorization_code" => self.exchange_code(form, client_id, settings, now_ms),
            "refresh_token" => {
                let value = field(form, "refresh_token")?;
                self.refresh(value, client_id, settings, now_ms).ok_or(TokenRefusal::DeadRefreshToken)
            }
            _ => Err(TokenRefusal::UnsupportedGrant),
        }
    }

    fn exchange_code(
        &mut self,
        form: &Params,
        client_id: &str,
        settings: &TokenSettings,
        now_ms: i64,
    ) -> Result<TokenGrant, TokenRefusal> {
        let code = self
            .codes
            .get_mut(field(form, "code")?)
            .filter(|code| !code.used && code.expires_at_ms > now_ms && code.subject.client_id == client_id)
            .ok_or(TokenRefusal::DeadCode)?;
        let redirect_uri = Url::parse(field(form, "redirect_uri")?).map_err(|_| TokenRefusal::WrongRedirectUri)?;
        if redirect_uri.as_str() != code.redirect_uri {
            return Err(TokenRefusal::WrongRedirectUri);
        }
        if let Some(challenge) = &code.challenge {
            let verifier = form.get("code_verifier").ok_or(TokenRefusal::WrongVerifier)?;
            if !challenge.matches(verifier) {
                return Err(TokenRefusal::WrongVerifier);
            }
        }
        code.used = true;
        let subject = code.subject.clone();
        Ok(self.grant(subject, settings, now_ms))
    }
}

/// The client id whose secret is right, in the body or as Basic.
fn authenticate<'a>(
    form: &Params,
    basic: Option<&str>,
    integrations: &'a [Integration],
) -> Result<&'a str, TokenRefusal> {
    let decoded = basic.and_then(|value| String::from_utf8(STANDARD.decode(value).ok()?).ok());
    let (id, secret) = match (&decoded, basic) {
        (Some(pair), _) => pair.split_once(':').ok_or(TokenRefusal::WrongSecret)?,
        (None, Some(_)) => return Err(TokenRefusal::WrongSecret),
        (None, None) => (field(form, "client_id")?, field(form, "client_secret")?),
    };
    let integration =
        integrations.iter().find(|integration| integration.client_id == id).ok_or(TokenRefusal::UnknownClient)?;
    if integration.client_secret != secret {
        return Err(TokenRefusal::WrongSecret);
    }
    Ok(&integration.client_id)
}

fn field<'a>(form: &'a Params, name: &'static str) -> Result<&'a str, TokenRefusal> {
    form.get(name).ok_or(TokenRefusal::MissingField(name))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::super::authorize::{AuthorizeError, AuthorizeRequest};
    use super::*;

    /// The pair of RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const ASKED: &str = "response_type=code&client_id=c&redirect_uri=http://127.0.0.1:1/back&scope=a+b&state=s%26t";

    fn integrations() -> Vec<Integration> {
        vec![Integration {
            client_id: "c".into(),
            client_secret: "fake-secret".into(),
            redirect_uris: vec!["http://127.0.0.1:1/back".into(), "http://127.0.0.1:2/".into()],
            scopes: ["a", "b"].map(String::from).to_vec(),
        }]
    }

    fn approve(tokens: &mut TokenStore, query: &str) -> Result<Url, AuthorizeError> {
        let integrations = integrations();
        let request = AuthorizeRequest::parse(&Params::parse(query), &integrations)?;
        Ok(Url::parse(&request.approve("admin", tokens, &TokenSettings::default(), 0)).unwrap())
    }

    fn pair(url: &Url, key: &str) -> Option<String> {
        url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
    }

    fn code(tokens: &mut TokenStore, more: &str) -> String {
        pair(&approve(tokens, &format!("{ASKED}{more}")).unwrap(), "code").unwrap()
    }

    fn exchange(tokens: &mut TokenStore, form: &str, now_ms: i64) -> Result<TokenGrant, TokenRefusal> {
        let form = Params::parse(&format!(
            "grant_type=authorization_code&client_id=c&client_secret=fake-secret&redirect_uri=http://127.0.0.1:1/back&{form}"
        ));
        tokens.exchange(&form, None, &integrations(), &TokenSettings::default(), now_ms)
    }

    #[test]
    fn an_approval_leads_back_with_code_and_state() {
        let url = approve(&mut TokenStore::new(1), ASKED).unwrap();
        assert!(url.as_str().starts_with("http://127.0.0.1:1/back?code="));
        assert_eq!(pair(&url, "state").as_deref(), Some("s&t"));
    }

    #[test]
    fn a_denial_and_a_wrong_scope_lead_back_with_an_error() {
        let integrations = integrations();
        let denied = AuthorizeRequest::parse(&Params::parse(ASKED), &integrations).unwrap().deny();
        assert!(denied.contains("error=access_denied") && denied.contains("state=s%26t"), "{denied}");
        let mut tokens = TokenStore::new(1);
        for (query, error) in [
            ("response_type=code&client_id=c&redirect_uri=http://127.0.0.1:2/&scope=a+x", "invalid_scope"),
            ("response_type=code&client_id=c&redirect_uri=http://127.0.0.1:2/", "invalid_scope"),
            ("response_type=token&client_id=c&redirect_uri=http://127.0.0.1:2/&scope=a", "unsupported_response_type"),
        ] {
            let url = approve(&mut tokens, query).unwrap();
            assert_eq!(pair(&url, "error").as_deref(), Some(error), "{query}");
            assert_eq!(pair(&url, "code"), None, "{query}");
        }
    }

    #[test]
    fn an_unknown_client_or_redirect_leads_nowhere() {
        let mut tokens = TokenStore::new(1);
        assert_eq!(approve(&mut tokens, "client_id=x&response_type=code"), Err(AuthorizeError::UnknownClient));
        let elsewhere = "client_id=c&response_type=code&scope=a&redirect_uri=http://evil.test/";
        assert_eq!(approve(&mut tokens, elsewhere), Err(AuthorizeError::RedirectUri));
        let none_of_two = "client_id=c&response_type=code&scope=a";
        assert_eq!(approve(&mut tokens, none_of_two), Err(AuthorizeError::RedirectUri));
    }

    #[test]
    fn a_code_works_once_within_its_life() {
        let mut tokens = TokenStore::new(1);
        let code = code(&mut tokens, "");
        assert_eq!(exchange(&mut tokens, &format!("code={code}"), 600_000), Err(TokenRefusal::DeadCode));
        assert!(exchange(&mut tokens, &format!("code={code}"), 599_999).is_ok());
        assert_eq!(exchange(&mut tokens, &format!("code={code}"), 599_999), Err(TokenRefusal::DeadCode));
        assert_eq!(exchange(&mut tokens, "code=guessed", 0), Err(TokenRefusal::DeadCode));
    }

    #[test]
    fn a_challenge_needs_its_verifier() {
        let mut tokens = TokenStore::new(1);
        let code = code(&mut tokens, &format!("&code_challenge={CHALLENGE}&code_challenge_method=S256"));
        let without = exchange(&mut tokens, &format!("code={code}"), 0);
        assert_eq!(without, Err(TokenRefusal::WrongVerifier));
        let wrong = exchange(&mut tokens, &format!("code={code}&code_verifier={}", "x".repeat(43)), 0);
        assert_eq!(wrong, Err(TokenRefusal::WrongVerifier));
        let short = exchange(&mut tokens, &format!("code={code}&code_verifier=x"), 0);
        assert_eq!(short, Err(TokenRefusal::WrongVerifier));
        assert!(exchange(&mut tokens, &format!("code={code}&code_verifier={VERIFIER}"), 0).is_ok());
    }

    #[test]
    fn the_redirect_uri_is_the_one_that_was_asked_with() {
        let mut tokens = TokenStore::new(1);
        let code = code(&mut tokens, "");
        let form = Params::parse(&format!(
            "grant_type=authorization_code&client_id=c&client_secret=fake-secret&redirect_uri=http://127.0.0.1:2/&code={code}"
        ));
        let got = tokens.exchange(&form, None, &integrations(), &TokenSettings::default(), 0);
        assert_eq!(got, Err(TokenRefusal::WrongRedirectUri));
    }

    #[test]
    fn the_client_shows_its_secret_in_the_body_or_as_basic() {
        let mut tokens = TokenStore::new(1);
        let code = code(&mut tokens, "");
        let form = format!("grant_type=authorization_code&redirect_uri=http://127.0.0.1:1/back&code={code}");
        let mut ask = |form: &str, basic: Option<&str>| {
            let basic = basic.map(|pair| STANDARD.encode(pair));
            let settings = TokenSettings::default();
            tokens.exchange(&Params::parse(form), basic.as_deref(), &integrations(), &settings, 0)
        };
        assert_eq!(ask(&form, None), Err(TokenRefusal::MissingField("client_id")));
        assert_eq!(ask(&format!("{form}&client_id=c"), None), Err(TokenRefusal::MissingField("client_secret")));
        assert_eq!(ask(&form, Some("c:wrong")), Err(TokenRefusal::WrongSecret));
        assert_eq!(ask(&form, Some("nobody:fake-secret")), Err(TokenRefusal::UnknownClient));
        assert_eq!(ask("grant_type=password", Some("c:fake-secret")), Err(TokenRefusal::UnsupportedGrant));
        assert_eq!(ask("", None), Err(TokenRefusal::MissingField("grant_type")));
        assert!(ask(&form, Some("c:fake-secret")).is_ok());
    }
}
