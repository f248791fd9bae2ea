//! The rules by which data flows, told by what a tenant goes through.

use std::time::Duration;

use super::clock::Moment;
use super::tenant::{Plan, TenantState};
use super::view::{Light, Severity, Subject, TenantView};
use crate::collect::{End, RoundEnd};
use crate::config::Config;
use crate::runtime::{Description, Failure, Report, Retry, Runtime, Warning};

const START: i64 = 1_767_225_600_000;
const DAY: u64 = 86_400;

/// So many seconds after the start, by both clocks.
fn at(seconds: u64) -> Moment {
    Moment { wall: START + i64::try_from(seconds).unwrap() * 1_000, since: Duration::from_secs(seconds) }
}

async fn plugin() -> Description {
    Runtime::new().unwrap().load(crate::COMPONENT).unwrap().describe().await.unwrap()
}

async fn tenant() -> TenantState {
    let folder = std::env::temp_dir().join("no-such-folder-of-a-tenant");
    let text = format!("state_dir = {:?}\n[collect]\ninterval = \"60s\"\n", folder.display().to_string());
    let config = Config::parse(&text, std::path::Path::new("webex.toml")).unwrap();
    let mut tenant = TenantState::new(Plan::of(&config, &plugin().await, 5), at(0));
    tenant.users(Some(&status(true, START + 90 * 86_400_000)), at(0));
    tenant
}

fn status(signed_in: bool, refresh_expires: i64) -> String {
    let time = crate::runtime::time(refresh_expires);
    let user = |name: &str, configured| serde_json::json!({"name": name, "configured": configured, "signed_in": signed_in, "refresh_expires": time});
    serde_json::json!({"CiscoWebex": {
        "User": [user("admin", true), user("compliance_officer", false)],
        "Stream": [{"name": "admin_audits", "on": true}, {"name": "security_audits", "on": false}],
    }})
    .to_string()
}

/// A call after which everything is drained.
fn report(seconds: u64) -> Report {
    let taken_up = at(seconds).wall - 5_000;
    Report {
        stream: "admin_audits".into(),
        user: "admin".into(),
        listed: 0,
        delivered: 0,
        repeated: 0,
        late: 0,
        lateness: Vec::new(),
        odd: 0,
        requests: 2,
        retries: 0,
        waited_ms: 0,
        drained: 1,
        lag_ms: Some(5_000),
        watermark: Some(taken_up),
        frontier: Some(taken_up),
        pending: 0,
        gaps: Vec::new(),
        warnings: Vec::new(),
        failure: None,
    }
}

fn failure(code: &str, retry: Retry) -> Failure {
    Failure {
        code: code.into(),
        user: None,
        stream: Some("admin_audits".into()),
        message: "Webex answered 403".into(),
        remedy: "give the account its role".into(),
        tracking_id: None,
        retry,
    }
}

fn told(view: &TenantView) -> Vec<(Severity, &str)> {
    view.problems.iter().map(|problem| (problem.severity, problem.code.as_str())).collect()
}

fn light(view: &TenantView, stream: &str) -> Light {
    view.streams.iter().find(|known| known.name == stream).unwrap().light
}

#[tokio::test]
async fn a_tenant_waits_for_its_first_round_and_then_flows() {
    let mut tenant = tenant().await;
    let view = tenant.view(at(1));
    assert_eq!((view.light, light(&view, "admin_audits")), (Light::Waiting, Light::Waiting));
    assert_eq!((light(&view, "security_audits"), light(&view, "events")), (Light::Off, Light::Off));
    tenant.recorded(&[report(2)], Vec::new(), at(2));
    tenant.round(&RoundEnd::Ended(End::Idle), at(2));
    let view = tenant.view(at(3));
    assert_eq!((view.light, told(&view)), (Light::Ok, vec![]));
    assert_eq!(view.users[0].requests_last_minute, 2);
    assert_eq!(tenant.view(at(70)).users[0].requests_last_minute, 0);
}

#[tokio::test]
async fn a_first_round_that_never_ends_fails() {
    let tenant = tenant().await;
    assert_eq!(tenant.view(at(120)).light, Light::Waiting);
    assert_eq!(told(&tenant.view(at(200))), [(Severity::Fail, "not-moving")]);
}

#[tokio::test]
async fn what_stands_still_for_two_intervals_fails_whatever_keeps_it() {
    let mut tenant = tenant().await;
    tenant.recorded(&[report(10)], Vec::new(), at(10));
    assert_eq!(tenant.view(at(130)).light, Light::Ok);
    assert_eq!(told(&tenant.view(at(131))), [(Severity::Fail, "not-moving")], "no call at all");
    // Webex's clock stands still: calls succeed and take nothing up.
    for seconds in [70, 130] {
        tenant.recorded(&[report(10)], Vec::new(), at(seconds));
    }
    assert_eq!(told(&tenant.view(at(131))), [(Severity::Fail, "not-moving")]);
    tenant.recorded(&[report(132)], Vec::new(), at(132));
    assert_eq!(tenant.view(at(133)).light, Light::Ok, "and it is over when it moves again");
    // It stops at 150, between two rounds: the next one takes up what was until then.
    tenant.recorded(&[report(150)], Vec::new(), at(192));
    assert_eq!(tenant.view(at(270)).light, Light::Ok);
    assert_eq!(told(&tenant.view(at(271))), [(Severity::Fail, "not-moving")], "two intervals after it stopped");
}

#[tokio::test]
async fn a_refusal_fails_at_once_and_a_fault_that_passes_only_if_it_lasts() {
    let mut tenant = tenant().await;
    tenant.recorded(&[report(10)], Vec::new(), at(10));
    let refused = Report { failure: Some(failure("refused", Retry::AfterAChange)), ..report(10) };
    tenant.recorded(&[refused], Vec::new(), at(20));
    let view = tenant.view(at(20));
    assert_eq!(told(&view), [(Severity::Fail, "refused")]);
    assert_eq!(view.problems[0].remedy, "give the account its role");
    assert_eq!(view.problems[0].subject, Subject::Stream("admin_audits".into()));

    let passing = || Report { failure: Some(failure("unavailable", Retry::At(0))), ..report(10) };
    tenant.recorded(&[passing()], Vec::new(), at(30));
    assert_eq!(told(&tenant.view(at(30))), [(Severity::Warn, "unavailable")]);
    tenant.recorded(&[passing()], Vec::new(), at(131));
    let view = tenant.view(at(131));
    assert_eq!(told(&view), [(Severity::Fail, "unavailable")]);
    assert!(view.problems[0].text.contains("nothing is taken up for"), "{:?}", view.problems);

    tenant.recorded(&[report(140)], Vec::new(), at(140));
    let view = tenant.view(at(141));
    assert_eq!(view.light, Light::Ok);
    let last = view.streams[0].failure.as_ref().unwrap();
    assert_eq!((last.code.as_str(), last.holds), ("unavailable", false), "the last one is still shown");
    assert_eq!(view.streams[0].counts.failures.get("unavailable"), Some(&2));
}

#[tokio::test]
async fn a_backlog_says_when_it_ends_and_fails_if_nothing_of_it_is_drained() {
    let mut tenant = tenant().await;
    let behind = |seconds: u64, watermark: i64| Report { pending: 3, watermark: Some(watermark), ..report(seconds) };
    let began = START - 7 * 86_400_000;
    // An hour of the past a second.
    for second in 0..60 {
        let seconds = 10 + second;
        tenant.recorded(
            &[behind(seconds, began + i64::try_from(second).unwrap() * 3_600_000)],
            Vec::new(),
            at(seconds),
        );
    }
    let view = tenant.view(at(70));
    let backlog = view.streams[0].backlog.unwrap();
    assert!((0.34..0.36).contains(&backlog.done), "{backlog:?}");
    let left = (backlog.ends.unwrap() - at(70).wall) / 1_000;
    assert!((100..=115).contains(&left), "109 hours at an hour a second: {left} s");
    assert_eq!(view.light, Light::Ok, "a backlog that is drained is no fault");

    let stuck = began + 59 * 3_600_000;
    for minute in 2..=20 {
        tenant.recorded(&[behind(minute * 60, stuck)], Vec::new(), at(minute * 60));
    }
    assert_eq!(told(&tenant.view(at(20 * 60))), [(Severity::Fail, "watermark-stalled")]);
    assert_eq!(tenant.view(at(20 * 60)).streams[0].backlog.unwrap().ends, None, "it stands still");
}

#[tokio::test]
async fn silence_is_a_warning_after_days_and_never_a_failure() {
    let mut tenant = tenant().await;
    let listed = Report { delivered: 1, ..report(10) };
    tenant.recorded(&[listed], Vec::new(), at(10));
    for day in 1..=10 {
        let seconds = day * DAY;
        tenant.recorded(&[report(seconds)], Vec::new(), at(seconds));
        let view = tenant.view(at(seconds));
        let want: &[(Severity, &str)] = if day > 4 { &[(Severity::Warn, "quiet")] } else { &[] };
        assert_eq!(told(&view), want, "day {day}");
    }
}

#[tokio::test]
async fn a_token_that_is_gone_or_dying_fails() {
    let mut tenant = tenant().await;
    tenant.recorded(&[report(10)], Vec::new(), at(10));
    tenant.users(Some(&status(false, START)), at(11));
    assert_eq!(told(&tenant.view(at(12))), [(Severity::Fail, "sign-in-needed")]);
    tenant.users(Some(&status(true, START + 86_400_000)), at(13));
    let view = tenant.view(at(13));
    assert_eq!(told(&view), [(Severity::Fail, "token-expires")]);
    assert_eq!(view.problems[0].subject, Subject::User("admin".into()));
    tenant.users(Some(&status(true, START + 3 * 86_400_000)), at(14));
    assert_eq!(tenant.view(at(15)).light, Light::Ok);
    let warning = Warning { code: "token-expires".into(), text: "in 3 days".into(), remedy: "sign in again".into() };
    tenant.recorded(&[Report { warnings: vec![warning], ..report(16) }], Vec::new(), at(16));
    assert_eq!(told(&tenant.view(at(16))), [(Severity::Warn, "token-expires")], "as the plugin says");
}

#[tokio::test]
async fn a_round_that_fails_as_a_whole_fails_the_tenant_until_one_does_not() {
    let mut tenant = tenant().await;
    tenant.recorded(&[report(10)], Vec::new(), at(10));
    tenant.round(&RoundEnd::Failed { code: "invalid-setting".into(), text: "`lag` is no time".into() }, at(20));
    let view = tenant.view(at(21));
    assert_eq!((view.light, told(&view)), (Light::Fail, vec![(Severity::Fail, "invalid-setting")]));
    tenant.round(&RoundEnd::Ended(End::Idle), at(30));
    assert_eq!(tenant.view(at(31)).light, Light::Ok);
}

#[test]
fn a_program_whose_time_of_day_stands_still_says_so() {
    let stopped = super::judge::clock(Duration::from_secs(121), Duration::from_secs(120)).unwrap();
    assert_eq!((stopped.severity, stopped.code.as_str()), (Severity::Fail, "clock-stopped"));
    assert_eq!(super::judge::clock(Duration::from_secs(120), Duration::from_secs(120)), None);
}
