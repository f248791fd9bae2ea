#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::rc::Rc;

use serde_json::{Value, json};

use super::*;
use crate::budget::Budget;
use crate::effect::{Effect, HttpError, SecretsError};
use crate::fake::{Host, START, Sent, answer, settings, tokens};
use crate::stream::User;

const TOKENS: SecretName = SecretName::Tokens(User::Admin);
const BUDGET: Span = Span::secs(60);
const DAY: Span = Span::days(1);

/// A host whose operator has set the client secret.
fn host(webex: impl FnMut(&Sent) -> Result<crate::effect::Response, HttpError> + 'static) -> Host {
    let host = Host::new(webex);
    host.put(SecretName::Credentials(User::Admin), "fake-client-secret");
    host
}

fn nobody(sent: &Sent) -> Result<crate::effect::Response, HttpError> {
    panic!("nobody should ask for {}", sent.url)
}

/// What a sign-in at the start of the test has stored.
fn signed_in(host: &Host) -> Value {
    let stored = json!({
        "version": 1, "origin": "https://webexapis.com", "client_id": "admin-client",
        "issued": START, "scopes": ["audit:events_read"],
        "access": {"token": "fake-access-0", "expires": START + Span::days(14)},
        "refresh": {"token": "fake-refresh-0", "expires": START + Span::days(90)},
    });
    host.put(TOKENS, &stored.to_string());
    stored
}

/// The same with something else in it.
fn signed_in_with(host: &Host, path: &str, value: Value) {
    let mut stored = signed_in(host);
    *stored.pointer_mut(path).unwrap() = value;
    host.put(TOKENS, &stored.to_string());
}

fn stored(host: &Host) -> Value {
    serde_json::from_str(&host.secret(TOKENS).unwrap()).unwrap()
}

fn session(io: Io) -> Session {
    let settings = settings(&[]);
    let wire = Rc::new(Wire::new(io.clone(), io.elapsed() + BUDGET, Rc::new(Budget::of_command())));
    Session::new(io, wire, settings.api.clone(), settings.integration(User::Admin).unwrap().clone())
}

/// The token, and the warnings' codes.
type Outcome = (Result<String, Failure>, Vec<Warning>);

async fn bearer(io: Io) -> Outcome {
    let session = session(io);
    let token = session.bearer().await.map(|token| token.expose().to_owned());
    (token, session.warnings())
}

async fn instead_of(io: Io, refused: &str) -> Outcome {
    let session = session(io);
    let token = session.instead_of(&Secret::new(refused)).await.map(|token| token.expose().to_owned());
    (token, session.warnings())
}

#[track_caller]
fn check_token(outcome: &Outcome, token: &str, warnings: &[&str]) {
    let codes: Vec<_> = outcome.1.iter().map(|warning| warning.code).collect();
    assert_eq!((outcome.0.as_deref(), codes.as_slice()), (Ok(token), warnings), "{outcome:?}");
}

#[track_caller]
fn check_failure(outcome: &Outcome, code: Code, message: &str) {
    let failure = outcome.0.as_ref().unwrap_err();
    assert_eq!((failure.code, failure.message.as_str()), (code, message), "{failure:?}");
    assert_eq!(failure.user, Some(User::Admin));
}

const DEAD: &str =
    r#"{"message":"The refresh token provided is expired, revoked, malformed, or invalid.","trackingId":"ROUTER_1"}"#;

// ---- when ----

#[test]
fn a_young_token_is_used_as_it_is() {
    let host = host(nobody);
    signed_in(&host);
    // Four fifths of 14 days are 268.8 hours.
    host.advance(Span::secs(268 * 3_600));
    check_token(&host.run(bearer), "fake-access-0", &[]);
}

#[test]
fn a_token_is_renewed_when_less_than_a_fifth_of_its_life_is_left() {
    let host = host(|sent| {
        assert_eq!(sent.url.as_str(), "https://webexapis.com/v1/access_token");
        assert_eq!(sent.bearer, None);
        let form: Vec<_> = sent.form.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let want = [
            "client_id=admin-client",
            "client_secret=fake-client-secret",
            "grant_type=refresh_token",
            "refresh_token=fake-refresh-0",
        ];
        assert_eq!(form, want);
        tokens("fake-access-1", "fake-refresh-1")
    });
    signed_in(&host);
    host.advance(Span::secs(269 * 3_600));
    let asked = host.now() + Span::millis(4);
    check_token(&host.run(bearer), "fake-access-1", &[]);
    let want = json!({
        "version": 1, "origin": "https://webexapis.com", "client_id": "admin-client",
        "issued": asked, "scopes": ["audit:events_read"],
        "access": {"token": "fake-access-1", "expires": asked + Span::secs(1_209_599)},
        "refresh": {"token": "fake-refresh-1", "expires": asked + Span::secs(7_775_999)},
    });
    assert_eq!(stored(&host), want);
    assert!(!host.log().contains("fake"), "{}", host.log());
    // And from the store, by another call, without another refresh.
    check_token(&host.run(bearer), "fake-access-1", &[]);
    assert_eq!(host.token_requests(), 1);
}

#[test]
fn new_tokens_are_stored_before_they_are_used() {
    let host = host(|_| tokens("fake-access-1", "fake-refresh-1"));
    signed_in(&host);
    host.advance(DAY.times(13));
    let stores_new = |effect: &Effect| matches!(effect, Effect::ReplaceSecret { value, .. } if value.expose().contains("fake-access-1"));
    host.secret_fault(move |effect| stores_new(effect).then(|| SecretsError::Unavailable("disk full".to_owned())));
    check_token(&host.run(bearer), "fake-access-0", &["tokens-not-refreshed"]);
    host.advance(DAY.times(2));
    let (result, _) = host.run(bearer);
    assert_eq!(result.unwrap_err().code, Code::SecretsUnavailable);
    assert!(!host.log().contains("fake"), "{}", host.log());
}

#[test]
fn a_store_that_fails_for_a_moment_loses_no_tokens() {
    let host = host(|_| tokens("fake-access-1", "fake-refresh-1"));
    signed_in(&host);
    host.advance(DAY.times(13));
    let mut faults = 2;
    host.secret_fault(move |effect| match effect {
        Effect::ReplaceSecret { value, .. } if value.expose().contains("fake-access-1") && faults > 0 => {
            faults -= 1;
            Some(SecretsError::Unavailable("busy".to_owned()))
        }
        _ => None,
    });
    check_token(&host.run(bearer), "fake-access-1", &[]);
    assert_eq!(host.token_requests(), 1);
}

#[test]
fn an_answer_without_refresh_token_keeps_the_old_one_and_its_expiry() {
    let host = host(|_| answer(200, r#"{"access_token":"fake-access-1","expires_in":"43199"}"#));
    signed_in(&host);
    host.advance(DAY.times(13));
    check_token(&host.run(bearer), "fake-access-1", &[]);
    let stored = stored(&host);
    assert_eq!(stored["refresh"], json!({"token": "fake-refresh-0", "expires": START + Span::days(90)}));
    assert_eq!(stored["access"]["expires"], json!(START + DAY.times(13) + Span::secs(43_199) + Span::millis(4)));
}

#[test]
fn a_token_of_unknown_life_is_used_until_refused_and_renewed_daily() {
    let host = host(|_| answer(200, r#"{"access_token":"fake-access-1"}"#));
    signed_in(&host);
    host.advance(DAY.times(13));
    check_token(&host.run(bearer), "fake-access-1", &[]);
    host.advance(DAY - Span::secs(1));
    check_token(&host.run(bearer), "fake-access-1", &[]);
    assert_eq!(host.token_requests(), 1);
    host.advance(Span::secs(1));
    check_token(&host.run(bearer), "fake-access-1", &[]);
    assert_eq!(host.token_requests(), 2);
}

#[test]
fn a_refresh_token_that_dies_within_two_weeks_is_a_warning() {
    let host = host(nobody);
    signed_in_with(&host, "/refresh/expires", json!(START + DAY.times(14)));
    check_token(&host.run(bearer), "fake-access-0", &["refresh-token-expires"]);
    let warning = host.run(bearer).1.remove(0);
    assert_eq!(warning.text, "the refresh token of the admin dies on 2026-01-16T00:00:00.000Z");
    assert!(warning.remedy.contains("cisco-webex-oauth-start user=admin"), "{}", warning.remedy);
    signed_in_with(&host, "/refresh/expires", json!(START + DAY.times(15)));
    check_token(&host.run(bearer), "fake-access-0", &[]);
}

// ---- side by side ----

#[test]
fn of_two_that_refresh_at_once_one_asks_and_both_use_its_answer() {
    let host = host(|_| tokens("fake-access-1", "fake-refresh-1"));
    signed_in(&host);
    host.advance(DAY.times(20));
    let (one, other) = host.race(bearer, bearer);
    check_token(&one, "fake-access-1", &[]);
    check_token(&other, "fake-access-1", &[]);
    assert_eq!(host.token_requests(), 1);
}

#[test]
fn who_loses_the_claim_goes_on_with_a_token_that_still_works() {
    let host = host(|_| tokens("fake-access-1", "fake-refresh-1"));
    signed_in(&host);
    host.advance(DAY.times(13));
    let (one, other) = host.race(bearer, bearer);
    check_token(&one, "fake-access-1", &[]);
    check_token(&other, "fake-access-0", &[]);
    assert_eq!(host.token_requests(), 1);
}

#[test]
fn two_streams_of_one_session_refresh_once() {
    let host = host(|_| tokens("fake-access-1", "fake-refresh-1"));
    signed_in(&host);
    host.advance(DAY.times(20));
    let (one, other) = host.run(|io| async move {
        let session = session(io);
        futures_util::future::join(session.bearer(), session.bearer()).await
    });
    assert_eq!((one.unwrap().expose(), other.unwrap().expose()), ("fake-access-1", "fake-access-1"));
    assert_eq!(host.token_requests(), 1);
}

#[test]
fn a_refused_token_is_replaced_once_for_both_streams() {
    let host = host(|_| tokens("fake-access-1", "fake-refresh-1"));
    signed_in(&host);
    let refused = |io| instead_of(io, "fake-access-0");
    let (one, other) = host.race(refused, refused);
    check_token(&one, "fake-access-1", &[]);
    check_token(&other, "fake-access-1", &[]);
    // And who was refused the old one later takes what is there.
    check_token(&host.run(refused), "fake-access-1", &[]);
    assert_eq!(host.token_requests(), 1);
}

#[test]
fn a_claim_left_by_a_crash_expires() {
    let host = host(|_| tokens("fake-access-1", "fake-refresh-1"));
    signed_in(&host);
    host.advance(DAY.times(20));
    host.crash(|effect| matches!(effect, Effect::Http(_)), bearer);
    assert!(stored(&host)["refreshing_until"].is_i64());
    let before = host.now();
    check_token(&host.run(bearer), "fake-access-1", &[]);
    let waited = host.now() - before;
    assert!(Span::secs(29) < waited && waited < Span::secs(31), "{waited}");
}

#[test]
fn waiting_for_a_claim_ends_with_the_deadline() {
    let host = host(nobody);
    signed_in(&host);
    host.advance(DAY.times(20));
    host.crash(|effect| matches!(effect, Effect::Http(_)), bearer);
    let begun = host.now();
    let (result, _) = host.run(|io| async move {
        let settings = settings(&[]);
        let wire = Rc::new(Wire::new(io.clone(), Span::secs(2), Rc::new(Budget::of_command())));
        let integration = settings.integration(User::Admin).unwrap().clone();
        let session = Session::new(io, wire, settings.api.clone(), integration);
        (session.bearer().await, ())
    });
    assert_eq!(result.unwrap_err().code, Code::Deadline);
    assert!(host.now() - begun < Span::secs(3));
}

#[test]
fn a_claim_from_the_future_is_not_believed() {
    let host = host(|_| tokens("fake-access-1", "fake-refresh-1"));
    let mut tokens = signed_in(&host);
    tokens["refreshing_until"] = json!(START + DAY.times(300));
    host.put(TOKENS, &tokens.to_string());
    host.advance(DAY.times(20));
    check_token(&host.run(bearer), "fake-access-1", &[]);
}

#[test]
fn a_refresh_slower_than_its_claim_still_keeps_its_tokens() {
    // Webex changes the refresh token at the first request, and refuses the old one from then on.
    let mut first = true;
    let host =
        host(
            move |_| {
                if std::mem::take(&mut first) { tokens("fake-access-1", "fake-refresh-1") } else { answer(400, DEAD) }
            },
        );
    host.latency(Span::secs(40));
    signed_in(&host);
    host.advance(DAY.times(20));
    let late = |io: Io| async move {
        io.sleep(Span::secs(1)).await;
        bearer(io).await
    };
    let (one, other) = host.race(bearer, late);
    check_token(&one, "fake-access-1", &[]);
    check_token(&other, "fake-access-1", &[]);
    assert_eq!(stored(&host)["refresh"]["token"], "fake-refresh-1");
}

#[test]
fn a_sign_in_during_a_refresh_wins() {
    let host = host(|_| tokens("fake-access-1", "fake-refresh-1"));
    signed_in(&host);
    host.advance(DAY.times(20));
    let better = json!({
        "version": 1, "origin": "https://webexapis.com", "client_id": "admin-client", "issued": host.now(), "scopes": [],
        "access": {"token": "fake-access-new", "expires": host.now() + DAY},
        "refresh": {"token": "fake-refresh-new"},
    });
    let sign_in = |io: Io| async move {
        io.sleep(Span::millis(50)).await;
        let now = io.read_secret(TOKENS).await.unwrap().unwrap().revision;
        io.replace_secret(TOKENS, Some(now), Secret::new(better.to_string())).await.unwrap();
        (Ok("signed in".to_owned()), Vec::new())
    };
    let (refreshed, _) = host.race(bearer, sign_in);
    check_token(&refreshed, "fake-access-new", &[]);
    assert_eq!(stored(&host)["refresh"]["token"], "fake-refresh-new");
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Webex changes the refresh token with every use, and takes the newest one only.
    #[test]
    fn whenever_two_begin_and_however_long_webex_takes_one_asks(late in 0_i64..40_000, latency in 1_i64..29_000) {
        let mut newest = 0;
        let host = host(move |sent| {
            if sent.form("refresh_token") != format!("fake-refresh-{newest}") {
                return answer(400, DEAD);
            }
            newest += 1;
            tokens(&format!("fake-access-{newest}"), &format!("fake-refresh-{newest}"))
        });
        host.latency(Span::millis(latency));
        signed_in(&host);
        host.advance(DAY.times(20));
        let second = move |io: Io| async move {
            io.sleep(Span::millis(late)).await;
            bearer(io).await
        };
        let (one, other) = host.race(bearer, second);
        check_token(&one, "fake-access-1", &[]);
        check_token(&other, "fake-access-1", &[]);
        proptest::prop_assert_eq!(host.token_requests(), 1);
    }
}

// ---- what goes wrong ----

#[test]
fn a_dead_refresh_token_is_sign_in_needed_and_the_tokens_stay() {
    let host = host(|_| answer(400, DEAD));
    let before = signed_in(&host);
    host.advance(DAY.times(20));
    let outcome = host.run(bearer);
    let message = "Webex did not take the refresh token: status 400: The refresh token provided is expired, revoked, malformed, or invalid.";
    check_failure(&outcome, Code::SignInNeeded, message);
    assert_eq!(outcome.0.unwrap_err().tracking_id.as_deref(), Some("ROUTER_1"));
    assert_eq!(stored(&host), before);
    assert_eq!(host.token_requests(), 1);
}

#[test]
fn every_other_4xx_and_both_error_bodies_mean_sign_in() {
    for (status, body, text) in [
        (400, r#"{"error":"invalid_grant","error_description":"expired"}"#, "status 400: expired"),
        (401, r#"{"error":"invalid_client"}"#, "status 401: invalid_client"),
        (
            403,
            r#"{"message":"No","errors":[{"description":"Client Id is invalid"}]}"#,
            "status 403: No; Client Id is invalid",
        ),
        (404, "<html>", "status 404 without an error text"),
    ] {
        let host = host(move |_| answer(status, body));
        signed_in(&host);
        host.advance(DAY.times(20));
        check_failure(&host.run(bearer), Code::SignInNeeded, &format!("Webex did not take the refresh token: {text}"));
    }
}

#[test]
fn with_a_dead_refresh_token_the_access_token_serves_while_it_lives() {
    let host = host(|_| answer(400, DEAD));
    signed_in(&host);
    host.advance(DAY.times(13));
    let outcome = host.run(|io| async move {
        let session = session(io);
        session.bearer().await.unwrap();
        // Not asked for again in the same call.
        (session.bearer().await.map(|token| token.expose().to_owned()), session.warnings())
    });
    check_token(&outcome, "fake-access-0", &["tokens-not-refreshed"]);
    assert_eq!(host.token_requests(), 1);
    assert!(!host.log().contains("fake"), "{}", host.log());
}

#[test]
fn a_refresh_token_past_its_end_is_not_sent() {
    let host = host(nobody);
    signed_in(&host);
    host.advance(DAY.times(90));
    let message = "the refresh token of the admin expired on 2026-04-02T00:00:00.000Z";
    check_failure(&host.run(bearer), Code::SignInNeeded, message);
}

#[test]
fn who_meets_a_dead_refresh_token_takes_the_winners_tokens() {
    let host = host(|_| answer(400, DEAD));
    signed_in(&host);
    host.advance(DAY.times(20));
    // Another process, whose claim had expired, stores what Webex gave it while this one is being refused.
    let winner = json!({
        "version": 1, "origin": "https://webexapis.com", "client_id": "admin-client", "issued": host.now(), "scopes": [],
        "access": {"token": "fake-access-1", "expires": host.now() + DAY},
        "refresh": {"token": "fake-refresh-1"},
    });
    let win = |io: Io| async move {
        io.sleep(Span::millis(50)).await;
        let now = io.read_secret(TOKENS).await.unwrap().unwrap().revision;
        io.replace_secret(TOKENS, Some(now), Secret::new(winner.to_string())).await.unwrap();
        (Ok("won".to_owned()), Vec::new())
    };
    let (loser, _) = host.race(bearer, win);
    check_token(&loser, "fake-access-1", &[]);
    assert_eq!(host.token_requests(), 1);
}

#[test]
fn a_fault_releases_the_claim_and_the_access_token_serves_while_it_lives() {
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let host = host(move |_| answer(status, ""));
        let before = signed_in(&host);
        host.advance(DAY.times(13));
        check_token(&host.run(bearer), "fake-access-0", &["tokens-not-refreshed"]);
        assert_eq!(stored(&host), before, "{status}");
        host.advance(DAY);
        let failure = host.run(bearer).0.unwrap_err();
        let code = if status == 429 { Code::RateLimited } else { Code::Unavailable };
        assert_eq!(failure.code, code, "{status}: {failure}");
        assert_eq!(stored(&host), before, "{status}");
    }
}

#[test]
fn a_fault_is_tried_once_more_where_no_token_works() {
    let mut faults = 1;
    let host = host(move |_| match faults {
        0 => tokens("fake-access-1", "fake-refresh-1"),
        _ => {
            faults -= 1;
            Err(HttpError::Broken("reset".to_owned()))
        }
    });
    signed_in(&host);
    host.advance(DAY.times(20));
    check_token(&host.run(bearer), "fake-access-1", &[]);
    assert_eq!(host.token_requests(), 2);
}

#[test]
fn an_answer_that_holds_no_token_is_not_quoted() {
    for body in
        [r#"{"access_token":["fake-odd"]}"#, r#""fake-odd""#, "<html>fake-odd", r#"{"access_token":"fake odd"}"#]
    {
        let host = host(move |_| answer(200, body));
        signed_in(&host);
        host.advance(DAY.times(20));
        check_failure(
            &host.run(bearer),
            Code::NotUnderstood,
            "Webex answered a request for tokens with something else",
        );
    }
}

#[test]
fn secrets_that_webex_echoes_are_taken_out() {
    let host = host(|_| {
        answer(400, r#"{"message":"bad fake-refresh-0 of fake-client-secret","trackingId":"fake-refresh-0"}"#)
    });
    signed_in(&host);
    host.advance(DAY.times(20));
    let failure = host.run(bearer).0.unwrap_err();
    assert_eq!(failure.message, "Webex did not take the refresh token: status 400: bad *** of ***");
    assert!(!format!("{failure:?} {}", host.log()).contains("fake"));
}

#[test]
fn nobody_signed_in_is_sign_in_needed() {
    let host = host(nobody);
    let outcome = host.run(bearer);
    check_failure(&outcome, Code::SignInNeeded, "the admin is not signed in");
    let failure = outcome.0.unwrap_err();
    assert_eq!(failure.retry, crate::failure::Retry::AfterSignIn);
}

#[test]
fn tokens_of_another_integration_or_origin_are_never_sent() {
    for (path, value, message) in [
        (
            "/client_id",
            "other-client",
            "the stored tokens of the admin belong to another integration, and are not used",
        ),
        (
            "/origin",
            "https://evil.example",
            "the stored tokens of the admin belong to https://evil.example, and are not sent elsewhere",
        ),
    ] {
        let host = host(nobody);
        signed_in_with(&host, path, json!(value));
        let before = stored(&host);
        check_failure(&host.run(bearer), Code::SignInNeeded, message);
        assert_eq!(stored(&host), before);
    }
}

#[test]
fn tokens_of_a_newer_plugin_are_refused_and_stay() {
    let host = host(nobody);
    host.put(TOKENS, r#"{"version":2,"new":"fake-form"}"#);
    let message = "secret `admin_tokens` was written by a newer plugin, in form 2";
    check_failure(&host.run(bearer), Code::SecretsUnavailable, message);
    assert_eq!(host.secret(TOKENS).unwrap(), r#"{"version":2,"new":"fake-form"}"#);
}

#[test]
fn damaged_tokens_are_sign_in_needed() {
    for damaged in ["", "{", "[]", r#"{"version":1}"#, r#"{"version":"x"}"#] {
        let host = host(nobody);
        host.put(TOKENS, damaged);
        check_failure(&host.run(bearer), Code::SignInNeeded, "the stored tokens of the admin are damaged");
    }
}

#[test]
fn a_missing_client_secret_is_named() {
    let host = Host::new(nobody);
    signed_in(&host);
    host.put(SecretName::Credentials(User::Admin), " ");
    host.advance(DAY.times(20));
    let message = "setting `admin_credentials` has a client id, but its client secret is missing";
    check_failure(&host.run(bearer), Code::InvalidSetting, message);
    assert_eq!(stored(&host)["refreshing_until"], Value::Null);
}

#[test]
fn what_keeps_a_refresh_from_being_tried_is_a_warning_while_the_access_token_lives() {
    let host = Host::new(nobody);
    signed_in(&host);
    host.advance(DAY.times(13));
    check_token(&host.run(bearer), "fake-access-0", &["tokens-not-refreshed"]);
    host.put(SecretName::Credentials(User::Admin), "fake-client-secret");
    host.secret_fault(|effect| {
        matches!(effect, Effect::ReplaceSecret { .. }).then(|| SecretsError::Unavailable("read-only".to_owned()))
    });
    check_token(&host.run(bearer), "fake-access-0", &["tokens-not-refreshed"]);
}

#[test]
fn a_store_that_does_not_answer_is_no_sign_in() {
    for (fault, want) in [
        (
            SecretsError::Unavailable("locked".to_owned()),
            "secret `admin_refresh_token`: the host's secret store is unavailable: locked",
        ),
        (SecretsError::Denied, "secret `admin_refresh_token`: the host denies this secret"),
    ] {
        let host = host(nobody);
        signed_in(&host);
        host.secret_fault(move |_| Some(fault.clone()));
        check_failure(&host.run(bearer), Code::SecretsUnavailable, want);
    }
}

// ---- Service Apps ----

const SUPPLIED: SecretName = SecretName::RefreshToken(User::Admin);

#[test]
fn a_supplied_refresh_token_replaces_the_sign_in() {
    let host = host(|sent| {
        assert_eq!(sent.form("refresh_token"), "fake-supplied");
        tokens("fake-access-1", "fake-refresh-1")
    });
    host.put(SUPPLIED, " fake-supplied\n");
    let (one, other) = host.race(bearer, bearer);
    check_token(&one, "fake-access-1", &[]);
    check_token(&other, "fake-access-1", &[]);
    check_token(&host.run(bearer), "fake-access-1", &[]);
    assert_eq!(host.token_requests(), 1);
    assert!(!host.secret(TOKENS).unwrap().contains("fake-supplied"));
}

#[test]
fn the_chain_that_a_supplied_token_began_goes_on() {
    let host = host(|sent| match sent.form("refresh_token") {
        "fake-supplied" => tokens("fake-access-1", "fake-refresh-1"),
        "fake-refresh-1" => tokens("fake-access-2", "fake-refresh-2"),
        other => panic!("{other}"),
    });
    host.put(SUPPLIED, "fake-supplied");
    check_token(&host.run(bearer), "fake-access-1", &[]);
    host.advance(DAY.times(13));
    check_token(&host.run(bearer), "fake-access-2", &[]);
}

#[test]
fn another_supplied_token_takes_the_place_of_the_old_ones() {
    let host = host(|sent| match sent.form("refresh_token") {
        "fake-supplied-1" => tokens("fake-access-1", "fake-refresh-1"),
        "fake-supplied-2" => tokens("fake-access-2", "fake-refresh-2"),
        other => panic!("{other}"),
    });
    signed_in(&host);
    host.put(SUPPLIED, "fake-supplied-1");
    check_token(&host.run(bearer), "fake-access-1", &[]);
    host.put(SUPPLIED, "fake-supplied-2");
    check_token(&host.run(bearer), "fake-access-2", &[]);
}

#[test]
fn a_supplied_token_that_is_refused_harms_nothing_and_says_what_to_do() {
    let host = host(|_| answer(400, DEAD));
    let before = signed_in(&host);
    host.put(SUPPLIED, "fake-supplied");
    let failure = host.run(bearer).0.unwrap_err();
    assert_eq!(failure.code, Code::SignInNeeded);
    assert_eq!(failure.remedy, "put a new refresh token of the Service App into the secret `admin_refresh_token`");
    assert_eq!(stored(&host), before);
}

#[test]
fn a_supplied_token_begins_anew_over_tokens_of_another_origin() {
    let host = host(|_| tokens("fake-access-1", "fake-refresh-1"));
    signed_in_with(&host, "/origin", json!("https://other.example"));
    host.put(SUPPLIED, "fake-supplied");
    check_token(&host.run(bearer), "fake-access-1", &[]);
    assert_eq!(stored(&host)["origin"], "https://webexapis.com");
}
