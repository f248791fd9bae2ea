//! `collect`, run after run.

use host_harness::simulator::{
    Bound, CutLength, Endpoint, Fault, GeneratorSettings, RequestRecord, ScriptedFault, Stream, StreamSettings,
    TenantSettings,
};

use crate::support::Webex;

/// 3 × 5,000 events of about 1 KB, seven to a millisecond.
async fn check_large(streams: &StreamSettings) {
    let generator = GeneratorSettings { body_bytes: 1_000, same_ms: 7, ..GeneratorSettings::default() };
    let settings = TenantSettings { generator, ..TenantSettings::default() }.with_streams(streams);
    let webex = Webex::with(settings, "").await;
    webex.backlog(5_000);
    webex.sign_in().await;

    webex.place.run(&["collect"]).await.exits(0);
    assert_eq!(webex.place.read("events.ndjson").lines().count(), 15_000);
    webex.delivered_is_exact();

    webex.place.run(&["collect"]).await.exits(0);
    assert_eq!(webex.place.read("events.ndjson").lines().count(), 15_000, "a second run adds none");

    // New is what happens after the second run has read: what is only listed late comes when it is as old as the overlap.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let now = webex.tenant.now_ms();
    for stream in Stream::ALL {
        webex.tenant.burst(stream, 10, now - 1_500);
    }
    webex.place.run(&["collect"]).await.exits(0);
    assert_eq!(webex.place.read("events.ndjson").lines().count(), 15_030, "a third run adds what is new");
    webex.delivered_is_exact();
}

#[tokio::test]
async fn each_event_is_delivered_once_newest_first_with_inclusive_bounds() {
    let bounds = StreamSettings { from: Bound::Inclusive, to: Bound::Inclusive, ..StreamSettings::newest_first() };
    check_large(&bounds).await;
}

#[tokio::test]
async fn each_event_is_delivered_once_oldest_first_with_exclusive_bounds() {
    let bounds = StreamSettings { from: Bound::Exclusive, to: Bound::Exclusive, ..StreamSettings::oldest_first() };
    check_large(&bounds).await;
}

#[tokio::test]
async fn pages_that_come_as_gzip_are_read_and_one_that_is_cut_off_is_asked_for_again() {
    let webex = Webex::with(TenantSettings { gzip: true, ..TenantSettings::default() }, "").await;
    webex.backlog(1_500);
    webex.sign_in().await;
    webex.tenant.script(ScriptedFault::on(Endpoint::Events, Fault::CutBody(CutLength::OfTheWhole)).nth(2));
    webex.place.run(&["collect"]).await.exits(0);
    webex.delivered_is_exact();
    let asks = |record: &RequestRecord| {
        record.headers.iter().any(|(name, value)| name == "accept-encoding" && value == "gzip")
    };
    assert!(webex.tenant.requests().iter().all(asks), "{:?}", webex.tenant.requests());
}

#[tokio::test]
async fn events_go_to_standard_output_and_words_do_not() {
    let webex = Webex::start().await;
    webex.backlog(30);
    webex.sign_in().await;
    let toml = webex.place.read("webex.toml").replace("events.ndjson", "-");
    webex.place.write("webex.toml", &toml);
    let ran = webex.place.run(&["collect", "--json"]).await.exits(0);
    assert_eq!(ran.stdout.lines().count(), 90);
    assert!(ran.stdout.lines().all(|line| line.starts_with('{') && line.contains("source_log_type")));
}

#[tokio::test]
async fn a_report_for_scripts_counts_each_stream() {
    let webex = Webex::start().await;
    webex.backlog(30);
    webex.sign_in().await;
    let ran = webex.place.run(&["collect", "--json"]).await.exits(0);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["end"], "idle");
    assert_eq!(report["delivered"], 90);
    assert_eq!(report["streams"]["events"]["delivered"], 30);
}

#[tokio::test]
async fn a_stream_that_is_refused_hides_no_other_and_is_told() {
    let webex = Webex::start().await;
    webex.backlog(30);
    webex.sign_in().await;
    webex.tenant.change(|tenant| tenant.pro_pack = false);
    webex.place.run(&["collect"]).await.exits(4).says("security_audits").says("Pro Pack");
    assert_eq!(webex.place.read("events.ndjson").lines().count(), 60);
}

#[tokio::test]
async fn a_stream_that_fails_for_a_call_is_made_up_for_by_the_next_one() {
    let webex = Webex::start().await;
    webex.backlog(30);
    webex.sign_in().await;
    // The request and its one repetition in the same call.
    webex.tenant.script(ScriptedFault::on(Endpoint::Events, Fault::Status(500)).times(2));
    webex.place.run(&["collect"]).await.exits(0).says("500");
    webex.delivered_is_exact();
}

#[tokio::test]
async fn without_a_compliance_officer_the_audits_are_collected() {
    let webex = Webex::start().await;
    webex.backlog(10);
    webex.sign_in().await;
    let toml = webex.place.read("webex.toml");
    let (start, rest) = toml.split_once("[compliance_officer]").unwrap();
    let (_, rest) = rest.split_once("[collect]").unwrap();
    webex.place.write("webex.toml", &format!("{start}[collect]{rest}"));
    webex.place.run(&["collect"]).await.exits(0);
    assert_eq!(webex.place.read("events.ndjson").lines().count(), 20);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_sink_that_refuses_exits_5_and_nothing_is_lost() {
    let webex = Webex::start().await;
    webex.backlog(30);
    webex.sign_in().await;
    let toml = webex.place.read("webex.toml");
    webex.place.write("webex.toml", &toml.replace("events.ndjson", "/dev/full"));
    let ran = webex.place.run(&["collect"]).await.exits(5);
    assert!(ran.error().contains("/dev/full"), "{}", ran.error());
    webex.place.write("webex.toml", &toml);
    webex.place.run(&["collect"]).await.exits(0);
    webex.delivered_is_exact();
}

#[tokio::test]
async fn a_closed_standard_output_exits_5_and_nothing_is_lost() {
    let webex = Webex::start().await;
    webex.backlog(30);
    webex.sign_in().await;
    let toml = webex.place.read("webex.toml");
    webex.place.write("webex.toml", &toml.replace("events.ndjson", "-"));
    let mut child = webex.place.command(&["collect"]).spawn().unwrap();
    drop(child.stdout.take());
    crate::support::ended(child).await.exits(5);
    webex.place.write("webex.toml", &toml);
    webex.place.run(&["collect"]).await.exits(0);
    webex.delivered_is_exact();
}
