#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use serde_json::json;

use super::*;
use crate::effect::HttpError;
use crate::fake::{Host, START, Sent, answer, settings, tokens, with_header};
use crate::secret::SecretName;

const BUDGET: Span = Span::secs(60);
const EVENTS: &str = "https://webexapis.com/v1/adminAudit/events?max=1";

fn host(webex: impl FnMut(&Sent) -> Result<Response, HttpError> + 'static) -> Host {
    let host = Host::new(webex);
    host.put(SecretName::Credentials(User::Admin), "fake-client-secret");
    let stored = json!({
        "version": 1, "origin": "https://webexapis.com", "client_id": "admin-client", "issued": START, "scopes": [],
        "access": {"token": "fake-access-0", "expires": START + Span::days(14)},
        "refresh": {"token": "fake-refresh-0", "expires": START + Span::days(90)},
    });
    host.put(SecretName::Tokens(User::Admin), &stored.to_string());
    host
}

/// The status or the trouble, requests, retries.
type Outcome = (Result<u16, Trouble>, u64, u64);

async fn get_within(io: Io, url: &str, deadline: Span) -> Outcome {
    let client = Client::of_command(io, &settings(&[]), User::Admin, deadline).unwrap();
    let result = client.get(Url::parse(url).unwrap()).await;
    (result.map(|response| response.status), client.requests(), client.retries())
}

async fn get(io: Io) -> Outcome {
    get_within(io, EVENTS, BUDGET).await
}

#[track_caller]
fn check(host: &Host, status: u16, requests: u64, retries: u64) {
    assert_eq!(host.run(get), (Ok(status), requests, retries));
    assert_eq!(host.sent().len() as u64, requests);
}

#[track_caller]
fn check_failure(host: &Host, code: Code, message: &str, requests: u64) {
    let (result, sent, _) = host.run(get);
    let failure = result.unwrap_err().failure("admin_audits", User::Admin, host.now());
    assert_eq!((failure.code, failure.message.as_str(), sent), (code, message, requests), "{failure:?}");
    assert!(!format!("{failure:?} {}", host.log()).contains("fake"), "{failure:?} {}", host.log());
}

/// Answers these in turn, then 200.
fn script(mut answers: Vec<Result<Response, HttpError>>) -> Host {
    answers.reverse();
    host(move |_| answers.pop().unwrap_or_else(|| answer(200, "{}")))
}

#[test]
fn a_request_carries_the_token_and_nothing_else() {
    let host = host(|sent| {
        assert_eq!((sent.url.as_str(), sent.bearer.as_deref()), (EVENTS, Some("fake-access-0")));
        assert!(sent.form.is_empty());
        answer(200, "{}")
    });
    check(&host, 200, 1, 0);
}

#[test]
fn a_token_goes_to_no_other_address() {
    for url in ["https://evil.example/v1/events", "http://webexapis.com/v1/events", "https://webexapis.com/v2/events"] {
        let host = host(|sent| panic!("{}", sent.url));
        let (result, requests, _) = host.run(|io| get_within(io, url, BUDGET));
        assert!(matches!(result, Err(Trouble::Answer(Verdict::Rejected(_)))), "{url}");
        assert_eq!(requests, 0);
    }
}

#[test]
fn a_401_is_met_by_one_refresh_and_the_same_address_once_more() {
    let host = host(|sent| match sent.bearer.as_deref() {
        None => tokens("fake-access-1", "fake-refresh-1"),
        Some("fake-access-0") => answer(401, ""),
        Some("fake-access-1") => answer(200, "{}"),
        other => panic!("{other:?}"),
    });
    check(&host, 200, 3, 0);
    assert_eq!(host.sent()[2].url.as_str(), EVENTS);
}

#[test]
fn a_second_401_is_sign_in_needed() {
    let host = host(|sent| match sent.bearer {
        None => tokens("fake-access-1", "fake-refresh-1"),
        Some(_) => answer(401, r#"{"message":"The token fake-access-1 is bad"}"#),
    });
    check_failure(&host, Code::SignInNeeded, "admin_audits: status 401: The token *** is bad", 3);
}

#[test]
fn a_401_with_a_dead_refresh_token_is_sign_in_needed() {
    let host = host(|sent| answer(if sent.is_for_tokens() { 400 } else { 401 }, ""));
    let message = "Webex did not take the refresh token: status 400 without an error text";
    check_failure(&host, Code::SignInNeeded, message, 2);
}

#[test]
fn two_streams_of_one_client_that_meet_a_401_refresh_once() {
    let host = host(|sent| match sent.bearer.as_deref() {
        None => tokens("fake-access-1", "fake-refresh-1"),
        Some("fake-access-0") => answer(401, ""),
        _ => answer(200, "{}"),
    });
    let both = host.run(|io| async move {
        let client = Client::of_command(io, &settings(&[]), User::Admin, BUDGET).unwrap();
        let url = || Url::parse(EVENTS).unwrap();
        let (one, other) = futures_util::future::join(client.get(url()), client.get(url())).await;
        one.is_ok() && other.is_ok()
    });
    assert!(both);
    assert_eq!(host.token_requests(), 1);
}

#[test]
fn a_fault_is_tried_once_more() {
    for fault in [
        answer(500, ""),
        answer(503, ""),
        answer(408, ""),
        Err(HttpError::Timeout),
        Err(HttpError::Broken("reset".to_owned())),
    ] {
        check(&script(vec![fault.clone()]), 200, 2, 1);
        let host = script(vec![fault.clone(), fault]);
        let (result, requests, retries) = host.run(get);
        assert!(matches!(result, Err(Trouble::Answer(Verdict::Fault(_)))));
        assert_eq!((requests, retries), (2, 1));
    }
}

#[test]
fn a_short_wait_is_waited_and_a_long_one_returned() {
    let wait = |seconds| with_header(answer(429, "<html>"), "retry-after", seconds);
    let host = script(vec![wait("5")]);
    check(&host, 200, 2, 1);
    let sent = host.sent();
    assert_eq!(sent[1].at - sent[0].at, Span::millis(5_100));
    let host = script(vec![wait("6")]);
    check_failure(&host, Code::RateLimited, "admin_audits: status 429 without an error text", 1);
}

#[test]
fn what_will_not_work_is_not_tried_again() {
    for status in [302, 400, 403, 404, 410, 451, 504] {
        let (result, requests, _) = script(vec![answer(status, "")]).run(get);
        assert!(matches!(result, Err(Trouble::Answer(_))), "{status}");
        assert_eq!(requests, 1, "{status}");
    }
}

#[test]
fn nothing_begins_after_the_deadline_or_a_stop() {
    let host = host(|sent| panic!("{}", sent.url));
    let (result, ..) = host.run(|io| get_within(io, EVENTS, Span::ZERO));
    assert!(matches!(result, Err(Trouble::Session(Failure { code: Code::Deadline, .. }))));
    host.stop();
    let (result, ..) = host.run(get);
    assert!(matches!(result, Err(Trouble::Session(Failure { code: Code::Stopped, .. }))));
}

#[test]
fn a_retry_that_would_pass_the_deadline_is_not_made() {
    let host = script(vec![with_header(answer(429, ""), "retry-after", "3")]);
    let (result, requests, _) = host.run(|io| get_within(io, EVENTS, Span::secs(3)));
    assert!(matches!(result, Err(Trouble::Answer(Verdict::Wait(..)))));
    assert_eq!(requests, 1);
}

#[test]
fn a_user_that_is_not_configured_is_named() {
    let settings = crate::settings::Settings::parse([("admin_credentials".to_owned(), "c".to_owned())]).unwrap();
    let host = Host::new(|sent| panic!("{}", sent.url));
    let failure = host
        .run(|io| async move { Client::of_command(io, &settings, User::ComplianceOfficer, BUDGET).map(|_| ()) })
        .unwrap_err();
    assert_eq!(failure.message, "setting `compliance_officer_credentials` is missing");
}
