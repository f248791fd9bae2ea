//! A failing stream or user stops only itself, and says why.

use host_harness::runtime::{Bundle, Next, Report, Retry};
use host_harness::simulator::{ADMIN, Endpoint, Fault, OFFICER, RetryAfter, ScriptedFault, Stream, TenantSettings};

use crate::program::Place;
use crate::simulated::Simulated;
use crate::support::{PATHS, STREAMS, Scripted, json, whatever};

/// Which streams failed, with what.
fn failed(reports: &[Report]) -> Vec<(&str, &str)> {
    reports.iter().filter_map(|report| Some((report.stream.as_str(), report.failure.as_ref()?.code.as_str()))).collect()
}

/// Ten events of each stream; those of all but the named ones are delivered.
async fn check(break_it: impl FnOnce(&Simulated), want: &[(&str, &str)]) -> Vec<Report> {
    let mut tenant = Simulated::start(TenantSettings::default()).await;
    tenant.backlog(10, 1);
    break_it(&tenant);
    let (events, reports) = tenant.collect().await;
    assert_eq!(failed(&reports), want);
    for stream in STREAMS {
        let is_failed = want.iter().any(|(failed, _)| *failed == stream);
        let delivered = events.iter().filter(|event| event.stream == stream).count();
        assert_eq!(delivered, if is_failed { 0 } else { 10 }, "{stream}");
        let report = reports.iter().find(|report| report.stream == stream).unwrap();
        // What could not be read is not taken for read.
        let is_complete = report.watermark == Some(tenant.now());
        assert_eq!(is_complete, !is_failed, "{stream}: {:?}", report.watermark);
    }
    reports
}

#[tokio::test]
async fn security_audits_without_the_licence_are_refused_with_what_to_switch_on() {
    for switch in
        [|s: &mut TenantSettings| s.pro_pack = false, |s: &mut TenantSettings| s.user_authentication_data = false]
    {
        let reports = check(|tenant| tenant.webex.change(switch), &[("security_audits", "refused")]).await;
        let failure = reports[1].failure.clone().unwrap();
        assert!(failure.remedy.contains("Pro Pack"), "{}", failure.remedy);
        assert!(failure.remedy.contains("Allow user authentication data"), "{}", failure.remedy);
        assert!(failure.tracking_id.is_some(), "for Webex's support");
        assert_eq!(failure.retry, Retry::AfterAChange);
    }
}

#[tokio::test]
async fn a_user_that_is_signed_out_stops_its_own_streams_only() {
    check(|tenant| tenant.webex.revoke(OFFICER), &[("events", "sign-in-needed")]).await;
    check(
        |tenant| tenant.webex.revoke(ADMIN),
        &[("admin_audits", "sign-in-needed"), ("security_audits", "sign-in-needed")],
    )
    .await;
}

#[tokio::test]
async fn a_fault_of_one_endpoint_stops_its_stream_only() {
    for (endpoint, stream) in [
        (Endpoint::AdminAudits, "admin_audits"),
        (Endpoint::SecurityAudits, "security_audits"),
        (Endpoint::Events, "events"),
    ] {
        let fault =
            |fault| move |tenant: &Simulated| tenant.webex.script(ScriptedFault::on(endpoint, fault).times(u32::MAX));
        check(fault(Fault::Status(500)), &[(stream, "unavailable")]).await;
        check(fault(Fault::Redirect("https://evil.example/".into())), &[(stream, "not-understood")]).await;
        let wait = Fault::TooManyRequests(RetryAfter::Seconds(600));
        check(fault(wait), &[(stream, "rate-limited")]).await;
    }
}

#[tokio::test]
async fn a_page_that_cannot_be_read_keeps_its_interval_and_is_read_later() {
    for fault in [Fault::HtmlPage, Fault::InvalidJson, Fault::ResetInBody] {
        let mut tenant = Simulated::start(TenantSettings::default()).await;
        tenant.backlog(10, 1);
        tenant.webex.script(ScriptedFault::on(Endpoint::Events, fault.clone()).times(u32::MAX));
        let batch = tenant.host.fetch(&whatever()).await.unwrap();
        assert!(batch.events.iter().all(|bundle| bundle.stream != "events"), "{fault:?}");
        tenant.webex.clear_script();
        // Whatever it waits for is over in a day.
        tenant.advance(86_400_000);
        tenant.collect().await;
        tenant.delivered_is_exact();
        assert_eq!(tenant.host.events.len(), 30, "{fault:?}");
    }
}

#[tokio::test]
async fn a_fault_that_passes_at_once_costs_one_repetition_and_nothing_else() {
    for fault in [Fault::Status(503), Fault::ResetInBody] {
        let mut tenant = Simulated::start(TenantSettings::default()).await;
        tenant.backlog(10, 1);
        tenant.webex.script(ScriptedFault::on(Endpoint::Events, fault.clone()));
        let (events, reports) = tenant.collect().await;
        assert_eq!(failed(&reports), [], "{fault:?}");
        assert_eq!((events.len(), reports[2].retries), (30, 1), "{fault:?}");
        tenant.delivered_is_exact();
    }
}

#[tokio::test]
async fn a_wait_that_webex_asks_for_is_obeyed_by_the_next_call() {
    let mut tenant = Simulated::start(TenantSettings::default()).await;
    tenant.backlog(10, 1);
    tenant.webex.script(ScriptedFault::on(Endpoint::Events, Fault::TooManyRequests(RetryAfter::Seconds(600))));
    let batch = tenant.host.fetch(&whatever()).await.unwrap();
    let Next::NotBefore(until) = batch.next else { panic!("{:?}", batch.next) };
    assert_eq!(until, tenant.now() + 600_000);
    tenant.webex.forget_requests();
    tenant.advance(599_000);
    tenant.host.fetch(&whatever()).await.unwrap();
    assert!(tenant.webex.requests().iter().all(|request| request.endpoint != Endpoint::Events), "not before");
    tenant.advance(1_001);
    tenant.collect().await;
    tenant.delivered_is_exact();
}

#[tokio::test]
async fn a_server_whose_links_all_lead_nowhere_is_not_asked_without_end() {
    let webex = Scripted::start().await;
    let page = json(r#"{"items":[{"id":"1","created":"2026-02-11T10:00:00Z"}]}"#);
    webex
        .serve("/v1/events", page.insert_header("link", "<https://evil.example/v1/events?cursor=x>; rel=\"next\""))
        .await;
    webex.serve_nothing(&PATHS[..2]).await;
    let mut host = webex.host().await;
    let batch = host.fetch(&whatever()).await.unwrap();
    assert_eq!(failed(&batch.reports), [("events", "not-understood")]);
    assert_eq!(Bundle::count(&batch.events), 1);
    assert!(matches!(batch.next, Next::NotBefore(_)), "{:?}", batch.next);
    // Some halvings down to a second and some quarantines; a loop would be thousands.
    assert!(batch.reports[2].requests < 200, "{}", batch.reports[2].requests);
}

#[tokio::test]
async fn the_exit_code_says_whether_some_or_all_failed_and_who_has_to_sign_in() {
    let place = Place::start(TenantSettings::default()).await;
    place.backlog(10);
    place.webex.script(ScriptedFault::on(Endpoint::SecurityAudits, Fault::Status(403)).times(u32::MAX));
    let ran = place.run(&["collect"]).await.exits(4);
    assert!(ran.stderr.contains("security_audits") && ran.stderr.contains("refused"), "{}", ran.stderr);
    assert_eq!(place.lines().len(), 20, "the others are delivered");

    place.webex.revoke(OFFICER);
    let ran = place.run(&["collect"]).await.exits(4);
    assert!(ran.stderr.contains("compliance_officer_refresh_token"), "{}", ran.stderr);

    // Every stream that is left needs a sign-in.
    place.webex.revoke(ADMIN);
    let ran = place.run(&["collect"]).await.exits(3);
    assert!(ran.stderr.contains("admin_refresh_token"), "{}", ran.stderr);
    assert_eq!(place.lines().len(), 20, "and nothing is lost");
    assert_eq!(place.webex.listed(Stream::SecurityAudits).len(), 10);
}
