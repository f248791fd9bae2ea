#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use serde_json::{Value, json};

use super::*;
use crate::effect::{Effect, HttpError, Response, SecretsError};
use crate::fake::{Host, START, Sent, answer, settings, tokens};

const TOKENS: SecretName = SecretName::Tokens(User::Admin);
const SIGN_INS: SecretName = SecretName::SignIns(User::Admin);
const BUDGET: Span = Span::secs(60);
const CALLBACK: &str = "http://127.0.0.1:8765/callback";

fn host(webex: impl FnMut(&Sent) -> Result<Response, HttpError> + 'static) -> Host {
    let host = Host::new(webex);
    host.put(SecretName::Credentials(User::Admin), "fake-client-secret");
    host
}

fn nobody(sent: &Sent) -> Result<Response, HttpError> {
    panic!("nobody should ask for {}", sent.url)
}

fn granting(_: &Sent) -> Result<Response, HttpError> {
    tokens("fake-access-1", "fake-refresh-1")
}

async fn start_with(io: Io, more: &[(&str, &str)]) -> Result<Begun, Failure> {
    SignIn::new(io, &settings(more), User::Admin, BUDGET)?.start().await
}

async fn complete_with(io: Io, more: &[(&str, &str)], code: &str) -> Result<Tokens, Failure> {
    SignIn::new(io, &settings(more), User::Admin, BUDGET)?.complete(&Secret::new(code)).await
}

fn start(host: &Host) -> Begun {
    host.advance(Span::secs(1));
    host.run(|io| start_with(io, &[])).unwrap()
}

fn complete(host: &Host, code: &str) -> Result<Tokens, Failure> {
    host.run(|io| complete_with(io, &[], code))
}

fn of_link(link: &Url, name: &str) -> String {
    link.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned()
}

fn redirected(begun: &Begun, code: &str) -> String {
    format!("{CALLBACK}?code={code}&state={}", of_link(&begun.link, "state"))
}

fn waiting(host: &Host) -> usize {
    let text = host.secret(SIGN_INS).unwrap_or_else(|| r#"{"pending":[]}"#.to_owned());
    serde_json::from_str::<Value>(&text).unwrap()["pending"].as_array().unwrap().len()
}

#[track_caller]
fn check_failure(result: Result<Tokens, Failure>, code: Code, message: &str) {
    let failure = result.unwrap_err();
    assert_eq!((failure.code, failure.message.as_str()), (code, message), "{failure:?}");
    assert!(!failure.remedy.is_empty());
}

const WRONG_STATE: &str =
    "argument `code` holds a state that belongs to no sign-in of the admin in the last hour, or to a used one";

// ---- start ----

#[test]
fn the_link_holds_what_webex_needs_and_no_secret() {
    let host = host(nobody);
    let begun = start(&host);
    let names: Vec<_> = begun.link.query_pairs().map(|(name, _)| name.into_owned()).collect();
    let want =
        ["response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method"];
    assert_eq!(names, want);
    assert!(
        begun
            .link
            .as_str()
            .starts_with("https://webexapis.com/v1/authorize?response_type=code&client_id=admin-client&")
    );
    assert_eq!(of_link(&begun.link, "scope"), "audit:events_read spark:kms");
    assert_eq!(of_link(&begun.link, "redirect_uri"), CALLBACK);
    let stored: Value = serde_json::from_str(&host.secret(SIGN_INS).unwrap()).unwrap();
    let pending = &stored["pending"][0];
    assert_eq!(pending["state"], of_link(&begun.link, "state"));
    let verifier = pending["verifier"].as_str().unwrap();
    assert!((43..=128).contains(&verifier.len()));
    assert_eq!(of_link(&begun.link, "code_challenge"), URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)));
    assert_eq!(of_link(&begun.link, "code_challenge_method"), "S256");
    assert!(!begun.link.as_str().contains(verifier) && !begun.link.as_str().contains("fake-client-secret"));
    assert_eq!(begun.until, host.now() + Span::secs(3_600) - Span::millis(2));
}

#[test]
fn starting_leaves_working_tokens_alone() {
    let host = host(nobody);
    host.put(TOKENS, "working tokens");
    start(&host);
    assert_eq!(host.secret(TOKENS).unwrap(), "working tokens");
}

#[test]
fn three_sign_ins_wait_at_most_and_the_oldest_gives_way() {
    let host = host(granting);
    let begun: Vec<_> = (0..4).map(|_| start(&host)).collect();
    assert_eq!(waiting(&host), 3);
    check_failure(complete(&host, &redirected(&begun[0], "c")), Code::InvalidArgument, WRONG_STATE);
    for begun in &begun[1..] {
        complete(&host, &redirected(begun, "c")).unwrap();
    }
    assert_eq!(waiting(&host), 0);
}

#[test]
fn a_missing_redirect_uri_or_client_secret_is_named() {
    let begin = |io| async move {
        let pairs = [("admin_credentials".to_owned(), "admin-client".to_owned())];
        SignIn::new(io, &Settings::parse(pairs).unwrap(), User::Admin, BUDGET)?.start().await
    };
    let failure = host(nobody).run(begin).unwrap_err();
    assert_eq!(failure.message, "setting `admin_app_redirect_uri` is missing");
    let failure = Host::new(nobody).run(|io| start_with(io, &[])).unwrap_err();
    assert_eq!(failure.message, "setting `admin_credentials` has a client id, but its client secret is missing");
}

#[test]
fn two_that_start_at_once_both_wait() {
    let host = host(nobody);
    let (one, other) = host.race(|io| start_with(io, &[]), |io| start_with(io, &[]));
    assert_ne!(of_link(&one.unwrap().link, "state"), of_link(&other.unwrap().link, "state"));
    assert_eq!(waiting(&host), 2);
}

// ---- complete ----

#[test]
fn the_address_that_webex_leads_to_completes_the_sign_in() {
    let host = host(granting);
    let begun = start(&host);
    let verifier = {
        let stored: Value = serde_json::from_str(&host.secret(SIGN_INS).unwrap()).unwrap();
        stored["pending"][0]["verifier"].as_str().unwrap().to_owned()
    };
    let got = complete(&host, &redirected(&begun, "fake-code")).unwrap();
    let sent = host.sent().remove(0);
    assert_eq!(sent.url.as_str(), "https://webexapis.com/v1/access_token");
    let form: Vec<_> = sent.form.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let want = [
        "client_id=admin-client".to_owned(),
        "client_secret=fake-client-secret".to_owned(),
        "code=fake-code".to_owned(),
        format!("code_verifier={verifier}"),
        "grant_type=authorization_code".to_owned(),
        format!("redirect_uri={CALLBACK}"),
    ];
    assert_eq!(form, want);
    let stored: Value = serde_json::from_str(&host.secret(TOKENS).unwrap()).unwrap();
    assert_eq!(stored["access"]["token"], "fake-access-1");
    assert_eq!(stored["scopes"], json!(["audit:events_read", "spark:kms"]));
    assert_eq!(got.issued, host.now() - Span::millis(102));
    assert!(!host.log().contains("fake"), "{}", host.log());
}

#[test]
fn a_bare_code_belongs_to_the_newest_sign_in() {
    let host = host(granting);
    start(&host);
    start(&host);
    complete(&host, "fake-code").unwrap();
    assert_eq!(waiting(&host), 1);
    assert_eq!(host.sent()[0].form("code_verifier").len(), 43);
}

#[test]
fn a_bare_code_without_a_start_is_exchanged_without_verifier() {
    let host = host(granting);
    complete(&host, "fake-code").unwrap();
    let sent = host.sent().remove(0);
    assert!(!sent.form.contains_key("code_verifier"));
    assert_eq!(sent.form("redirect_uri"), CALLBACK);
    assert_eq!(host.secret(SIGN_INS), None);
}

#[test]
fn a_state_of_nobody_is_refused_and_uses_nothing_up() {
    let host = host(nobody);
    start(&host);
    let url = format!("{CALLBACK}?code=fake-code&state=other");
    check_failure(complete(&host, &url), Code::InvalidArgument, WRONG_STATE);
    assert_eq!(waiting(&host), 1);
}

#[test]
fn a_sign_in_works_once() {
    let host = host(granting);
    let begun = start(&host);
    complete(&host, &redirected(&begun, "fake-code")).unwrap();
    check_failure(complete(&host, &redirected(&begun, "fake-code")), Code::InvalidArgument, WRONG_STATE);
    assert_eq!(host.token_requests(), 1);
}

#[test]
fn of_two_that_complete_the_same_sign_in_one_does() {
    let host = host(granting);
    let begun = start(&host);
    let url = redirected(&begun, "fake-code");
    let (one, other) = host.race(|io| complete_with(io, &[], &url), |io| complete_with(io, &[], &url));
    assert!(one.is_ok() != other.is_ok());
    assert_eq!(host.token_requests(), 1);
}

#[test]
fn a_sign_in_is_over_after_an_hour() {
    let host = host(nobody);
    let begun = start(&host);
    host.advance(Span::secs(3_600));
    check_failure(complete(&host, &redirected(&begun, "fake-code")), Code::InvalidArgument, WRONG_STATE);
}

#[test]
fn a_sign_in_of_another_origin_or_integration_is_not_completed_here() {
    for change in [("base_url", "https://api-usgov.webex.com"), ("admin_credentials", "other-client")] {
        let host = host(nobody);
        let begun = start(&host);
        let result = host.run(|io| {
            let url = redirected(&begun, "fake-code");
            async move { complete_with(io, &[change], &url).await }
        });
        check_failure(result, Code::InvalidArgument, WRONG_STATE);
    }
}

#[test]
fn a_user_who_says_no_is_told_so() {
    let host = host(nobody);
    let begun = start(&host);
    let url = format!("{CALLBACK}?error=access_denied&error_description=Nope&state={}", of_link(&begun.link, "state"));
    check_failure(complete(&host, &url), Code::Refused, "Webex did not sign the admin in: access_denied: Nope");
    assert_eq!(waiting(&host), 0);
}

#[test]
fn a_code_used_twice_is_webex_refusal_in_one_line() {
    let host = host(|_| {
        answer(
            400,
            r#"{"message":"The code fake-code\nwas used","errors":[{"description":"invalid_grant"}],"trackingId":"ROUTER_2"}"#,
        )
    });
    host.put(TOKENS, r#"{"version":1}"#);
    let message = "Webex did not take the code of the sign-in: status 400: The code *** was used; invalid_grant";
    check_failure(complete(&host, "fake-code"), Code::SignInNeeded, message);
    assert_eq!(host.secret(TOKENS).unwrap(), r#"{"version":1}"#);
}

#[test]
fn nothing_secret_that_webex_echoes_is_shown() {
    let host = host(|sent| {
        let echo: Vec<&str> = ["code", "code_verifier", "client_secret"].iter().map(|name| sent.form(name)).collect();
        answer(400, &json!({"error": "invalid_grant", "error_description": echo.join(" ")}).to_string())
    });
    let begun = start(&host);
    let message = "Webex did not take the code of the sign-in: status 400: *** *** ***";
    check_failure(complete(&host, &redirected(&begun, "fake-code")), Code::SignInNeeded, message);
}

#[test]
fn a_fault_puts_the_sign_in_back_so_that_the_same_code_can_be_given_again() {
    let host = host(|_| answer(503, ""));
    let begun = start(&host);
    let url = redirected(&begun, "fake-code");
    let failure = complete(&host, &url).unwrap_err();
    assert_eq!(
        (failure.code, failure.remedy.as_str()),
        (Code::Unavailable, "run the command again with the same code")
    );
    assert_eq!(waiting(&host), 1);
    host.webex(granting);
    complete(&host, &url).unwrap();
}

#[test]
fn new_tokens_replace_what_is_there_whoever_writes_meanwhile() {
    let host = host(granting);
    host.put(TOKENS, r#"{"version":1,"damaged":true}"#);
    let mut conflicts = 3;
    host.secret_fault(move |effect| match effect {
        Effect::ReplaceSecret { name: TOKENS, .. } if conflicts > 0 => {
            conflicts -= 1;
            Some(if conflicts == 0 { SecretsError::Unavailable("busy".to_owned()) } else { SecretsError::Conflict })
        }
        _ => None,
    });
    complete(&host, "fake-code").unwrap();
    assert!(host.secret(TOKENS).unwrap().contains("fake-access-1"));
}

#[test]
fn tokens_or_sign_ins_of_a_newer_plugin_stay_and_no_code_is_used_up() {
    for name in [TOKENS, SIGN_INS] {
        let host = host(nobody);
        host.put(name, r#"{"version":2}"#);
        let failure = complete(&host, "fake-code").unwrap_err();
        assert_eq!(failure.code, Code::SecretsUnavailable);
        assert_eq!(host.secret(name).unwrap(), r#"{"version":2}"#);
    }
}

#[test]
fn a_user_of_a_service_app_does_not_sign_in() {
    let host = host(nobody);
    host.put(SecretName::RefreshToken(User::Admin), "fake-supplied");
    let message =
        "setting `admin_refresh_token` is set: tokens of the admin come from a Service App, not from a sign-in";
    check_failure(complete(&host, "fake-code"), Code::InvalidSetting, message);
    let failure = host.run(|io| start_with(io, &[])).unwrap_err();
    assert_eq!(failure.message, message);
}

#[test]
fn scopes_are_those_that_webex_names() {
    let host = host(|_| answer(200, r#"{"access_token":"fake-access-1","scope":"audit:events_read"}"#));
    assert_eq!(complete(&host, "fake-code").unwrap().scopes, ["audit:events_read"]);
}

#[test]
fn the_start_time_of_these_tests_is_what_it_says() {
    assert_eq!(START.to_string(), "2026-01-02T00:00:00.000Z");
}
