#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use serde_json::json;

use super::*;
use crate::effect::{HttpError, Response};
use crate::fake::{Host, START, Sent, answer, settings, with_header};
use crate::secret::SecretName;

/// A host whose users named here are signed in.
fn host(users: &[User], webex: impl FnMut(&Sent) -> Result<Response, HttpError> + 'static) -> Host {
    let host = Host::new(webex);
    for user in users {
        let client = if *user == User::Admin { "admin-client" } else { "officer-client" };
        host.put(SecretName::Credentials(*user), "fake-client-secret");
        let stored = json!({
            "version": 1, "origin": "https://webexapis.com", "client_id": client, "issued": START, "scopes": [],
            "access": {"token": "fake-access-0", "expires": START + Span::days(14)},
            "refresh": {"token": "fake-refresh-0", "expires": START + Span::days(90)},
        });
        host.put(SecretName::Tokens(*user), &stored.to_string());
    }
    host
}

fn dated(answer: Result<Response, HttpError>, date: &str) -> Result<Response, HttpError> {
    with_header(answer, "date", date)
}

fn one_item(_: &Sent) -> Result<Response, HttpError> {
    dated(answer(200, r#"{"items":[{}]}"#), "Fri, 02 Jan 2026 00:00:00 GMT")
}

fn run_with(host: &Host, settings: Result<Settings, Failure>) -> Vec<Finding> {
    let findings = host.run(|io| run(io, settings));
    let said = format!("{findings:?}");
    assert!(!said.contains("fake"), "{said}");
    for finding in &findings {
        assert_eq!(finding.verdict == Verdict::Fail, finding.failure.is_some());
        assert_eq!(finding.verdict == Verdict::Ok, matches!(finding.code, "ok" | "off"));
    }
    findings
}

fn lines(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|f| format!("{} {} {}", f.subject, f.verdict.name(), f.code)).collect()
}

fn of<'a>(findings: &'a [Finding], subject: &str) -> &'a Finding {
    findings.iter().find(|finding| finding.subject == subject).unwrap()
}

#[test]
fn what_works_is_ok_line_by_line() {
    let host = host(&User::ALL, one_item);
    let findings = run_with(&host, Ok(settings(&[])));
    let want = [
        "settings ok ok",
        "clock ok ok",
        "admin ok ok",
        "admin_audits ok ok",
        "security_audits ok ok",
        "compliance_officer ok ok",
        "events ok ok",
    ];
    assert_eq!(lines(&findings), want);
    let ends = "signed in; access token until 2026-01-16T00:00:00.000Z, refresh token until 2026-04-02T00:00:00.000Z";
    assert_eq!(of(&findings, "admin").text, ends);
    let sent = host.sent();
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[0].query("max").as_deref(), Some("1"));
    assert_eq!(sent[0].query("from").as_deref(), Some("2026-01-01T22:59:55.002Z"));
}

#[test]
fn settings_that_are_wrong_are_all_there_is_to_find() {
    let host = host(&[], |sent| panic!("{}", sent.url));
    let findings = run_with(&host, Settings::parse([("max_fetch".to_owned(), "0".to_owned())]));
    assert_eq!(lines(&findings), ["settings fail invalid-setting"]);
}

#[test]
fn what_is_not_configured_or_off_is_no_failure() {
    let host = host(&User::ALL, one_item);
    let pairs = [("compliance_officer_credentials".to_owned(), "officer-client".to_owned())];
    let findings = run_with(&host, Settings::parse(pairs));
    assert!(findings.iter().all(|finding| finding.verdict == Verdict::Ok), "{findings:?}");
    assert_eq!(of(&findings, "admin").text, "not configured");
    assert_eq!(of(&findings, "security_audits").text, "not configured");
    let findings = run_with(&host, Ok(settings(&[("fetch_security_audit_events", "false")])));
    let off = of(&findings, "security_audits");
    assert_eq!((off.code, off.text.as_str()), ("off", "off"));
}

#[test]
fn a_user_that_is_not_signed_in_fails_and_the_other_does_not() {
    let host = host(&[User::Admin], one_item);
    let findings = run_with(&host, Ok(settings(&[])));
    assert_eq!(of(&findings, "compliance_officer").code, "sign-in-needed");
    let events = of(&findings, "events");
    assert_eq!((events.verdict, events.code), (Verdict::Fail, "sign-in-needed"));
    assert!(events.remedy.contains("cisco-webex-oauth-start user=compliance_officer"));
    assert_eq!(of(&findings, "admin_audits").verdict, Verdict::Ok);
}

#[test]
fn a_refusal_of_one_stream_is_explained_and_hides_no_other() {
    let host = host(&User::ALL, |sent| match sent.url.path() {
        "/v1/admin/securityAudit/events" => answer(403, r#"{"message":"Not entitled"}"#),
        _ => one_item(sent),
    });
    let findings = run_with(&host, Ok(settings(&[])));
    let security = of(&findings, "security_audits");
    assert_eq!((security.verdict, security.code), (Verdict::Fail, "refused"));
    for word in ["Pro Pack", "Allow user authentication data"] {
        assert!(security.remedy.contains(word), "{}", security.remedy);
    }
    assert_eq!(of(&findings, "admin_audits").verdict, Verdict::Ok);
}

#[test]
fn a_week_without_security_audits_is_a_warning_that_says_what_may_be_off() {
    let empty = |sent: &Sent| match sent.url.path() {
        "/v1/admin/securityAudit/events" => answer(200, r#"{"items":[]}"#),
        _ => one_item(sent),
    };
    let findings = run_with(&host(&User::ALL, empty), Ok(settings(&[])));
    let security = of(&findings, "security_audits");
    assert_eq!((security.verdict, security.code), (Verdict::Warn, "no-security-audits"));
    assert!(security.remedy.contains("Allow user authentication data"));
    let quiet_hour = |sent: &Sent| match sent.query("startTime") {
        Some(start) if start.starts_with("2026-01-01") => answer(200, r#"{"items":[]}"#),
        _ => one_item(sent),
    };
    let findings = run_with(&host(&User::ALL, quiet_hour), Ok(settings(&[])));
    assert_eq!(of(&findings, "security_audits").verdict, Verdict::Ok);
}

#[test]
fn an_hour_without_other_events_is_ok() {
    let host = host(&User::ALL, |sent| match sent.url.path() {
        "/v1/admin/securityAudit/events" => one_item(sent),
        _ => answer(200, "{}"),
    });
    let findings = run_with(&host, Ok(settings(&[])));
    assert_eq!(of(&findings, "events").verdict, Verdict::Ok);
}

#[test]
fn a_missing_organization_is_named() {
    let host = host(&User::ALL, one_item);
    let findings = run_with(&host, Settings::parse([("admin_credentials".to_owned(), "admin-client".to_owned())]));
    let audits = of(&findings, "admin_audits");
    assert_eq!((audits.code, audits.text.as_str()), ("invalid-setting", "setting `admin_org_id` is missing"));
}

#[track_caller]
fn check_clock(date: &'static str, want: &str, text: &str) {
    let host = host(&User::ALL, move |_| dated(answer(200, r#"{"items":[{}]}"#), date));
    let findings = run_with(&host, Ok(settings(&[])));
    let clock = of(&findings, "clock");
    assert_eq!(format!("{} {}", clock.verdict.name(), clock.code), want, "{date}");
    assert_eq!(clock.text, text);
}

#[test]
fn a_clock_that_is_wrong_is_a_warning_and_then_a_failure() {
    check_clock("Fri, 02 Jan 2026 00:00:29 GMT", "ok ok", "agrees with Webex's");
    check_clock("Thu, 01 Jan 2026 23:59:31 GMT", "ok ok", "agrees with Webex's");
    let behind = "this machine's clock is 39s behind Webex's";
    check_clock("Fri, 02 Jan 2026 00:00:40 GMT", "warn clock-skew", behind);
    check_clock("Thu, 01 Jan 2026 23:50:00 GMT", "fail clock-skew", "this machine's clock is 10m ahead of Webex's");
    let unknown = "not compared: Webex was not heard, or said no time";
    check_clock("some day", "warn clock-unknown", unknown);
}

#[test]
fn an_answer_that_is_no_page_fails() {
    let host = host(&User::ALL, |_| answer(200, "<html>"));
    assert_eq!(of(&run_with(&host, Ok(settings(&[]))), "events").code, "not-understood");
}

#[test]
fn a_refresh_token_near_its_end_is_a_warning_beside_the_ok() {
    let host = host(&User::ALL, one_item);
    host.advance(Span::days(80));
    let stored = json!({
        "version": 1, "origin": "https://webexapis.com", "client_id": "admin-client", "issued": host.now(), "scopes": [],
        "access": {"token": "fake-access-0", "expires": host.now() + Span::days(14)},
        "refresh": {"token": "fake-refresh-0", "expires": host.now() + Span::days(10)},
    });
    host.put(SecretName::Tokens(User::Admin), &stored.to_string());
    let findings = host.run(|io| async { run_user(io, &settings(&[]), User::Admin).await });
    assert_eq!(lines(&findings)[..2], ["admin ok ok", "admin warn refresh-token-expires"]);
}
