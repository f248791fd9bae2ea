//! `collect --reaudit` and `collect.reaudit`: what was listed too late for its first reading.

use std::time::{Duration, Instant};

use host_harness::simulator::{Latency, Stream, TenantSettings};
use serde_json::Value;
use tokio::process::Child;

use crate::support::{Webex, ended, interrupt};

/// Collected once, with an overlap of a second: 20 events in each stream.
async fn collected(collect: &str) -> Webex {
    let webex = Webex::with(TenantSettings::default(), &format!("overlap = \"1s\"\n{collect}")).await;
    webex.backlog(20);
    webex.sign_in().await;
    webex.place.run(&["collect"]).await.exits(0);
    webex.delivered_is_exact();
    webex
}

/// An event of half an hour ago in each stream, listed only now.
fn listed_late(webex: &Webex) {
    for stream in Stream::ALL {
        webex.tenant.add_generated(stream, webex.tenant.now_ms() - 1_800_000);
    }
}

fn lines(webex: &Webex) -> usize {
    webex.place.read("events.ndjson").lines().count()
}

async fn report(webex: &Webex, arguments: &[&str]) -> Value {
    serde_json::from_str(&webex.place.run(arguments).await.exits(0).stdout).unwrap()
}

/// Waits until the sink holds so many lines.
async fn delivers(webex: &Webex, child: &mut Child, want: usize) {
    let begin = Instant::now();
    while lines(webex) < want {
        assert!(begin.elapsed() < Duration::from_secs(90), "{} of {want} lines", lines(webex));
        assert_eq!(child.try_wait().unwrap(), None, "it ended with {} of {want} lines", lines(webex));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_was_listed_later_than_the_overlap_is_brought_once_and_counted_as_late() {
    let webex = collected("").await;
    listed_late(&webex);
    webex.place.run(&["collect"]).await.exits(0);
    assert_eq!(lines(&webex), 60, "collecting alone misses it");

    let report = report(&webex, &["collect", "--reaudit", "2h", "--json"]).await;
    webex.delivered_is_exact();
    assert_eq!((&report["end"], &report["delivered"]), (&"idle".into(), &0.into()), "of the round");
    let re_audit = &report["reaudit"];
    assert_eq!((&re_audit["end"], &re_audit["delivered"]), (&"idle".into(), &3.into()), "{re_audit}");
    for stream in ["admin_audits", "security_audits", "events"] {
        let stream = &re_audit["streams"][stream];
        assert_eq!(stream["late"], 1, "{stream}");
        // An event at the edge of two slices is listed with both.
        assert!(stream["repeated"].as_u64().is_some_and(|repeated| (20..=22).contains(&repeated)), "{stream}");
        let ages = stream["lateness"].as_array().unwrap();
        let of_half_an_hour = ages.iter().find(|class| class["events"] == 1).unwrap();
        assert!(of_half_an_hour["up_to_ms"].as_u64().is_some_and(|up_to| up_to >= 1_800_000), "{stream}");
    }

    let again = webex.place.run(&["collect", "--reaudit", "2h"]).await.exits(0);
    again.says("0 events that the first reading had missed");
    webex.delivered_is_exact();
}

#[tokio::test]
async fn a_stream_that_is_refused_keeps_no_other_from_being_read_again() {
    let webex = collected("").await;
    listed_late(&webex);
    webex.tenant.change(|tenant| tenant.pro_pack = false);
    let ran = webex.place.run(&["collect", "--reaudit", "2h"]).await.exits(4);
    ran.says("2 events that the first reading had missed").says("security_audits");
    assert_eq!(lines(&webex), 62);
}

#[tokio::test]
async fn beyond_what_is_remembered_nothing_is_read_again_unless_repeats_are_allowed() {
    let webex = collected("remember = \"10m\"").await;
    listed_late(&webex);
    let ran = webex.place.run(&["collect", "--reaudit", "2h"]).await;
    // The plugin reads the part that is remembered, or refuses the whole; and says so, with what to do.
    assert!(matches!(ran.code, Some(0 | 2)), "{ran:?}");
    assert!(ran.stderr.contains("raise `remember`, or allow repeats"), "{}", ran.stderr);
    ran.says("0 events that the first reading had missed");
    assert_eq!(lines(&webex), 60);

    let ran = webex.place.run(&["collect", "--reaudit", "2h", "--allow-repeats"]).await.exits(0);
    ran.says("some of them maybe again");
    webex.delivered_is_complete();
}

#[tokio::test]
async fn with_a_schedule_rounds_and_re_audits_take_turns() {
    let webex = collected("interval = \"1s\"\nreaudit = \"2h every 2s\"").await;
    let mut child = webex.place.command(&["collect", "--follow"]).spawn().unwrap();
    listed_late(&webex);
    delivers(&webex, &mut child, 63).await;
    // And the tail goes on.
    let now = webex.tenant.now_ms();
    Stream::ALL.into_iter().for_each(|stream| webex.tenant.burst(stream, 10, now));
    delivers(&webex, &mut child, 93).await;
    listed_late(&webex);
    delivers(&webex, &mut child, 96).await;
    interrupt(&child).await;
    let ran = ended(child).await.exits(0).says("3 events that the first reading had missed");
    assert!(ran.stderr.contains("re-audit of "), "{}", ran.stderr);
    webex.delivered_is_exact();
}

#[tokio::test]
async fn a_long_re_audit_does_not_keep_the_tail_waiting() {
    let webex = Webex::with(TenantSettings::default(), "interval = \"1s\"\nreaudit = \"2h every 6h\"").await;
    webex.backlog(3_000);
    webex.sign_in().await;
    let toml = webex.place.read("webex.toml");
    webex.place.write("webex.toml", &toml.replace("reaudit", "# reaudit"));
    webex.place.run(&["collect"]).await.exits(0);
    // Some dozens of pages at 300 ms, in turns of a second.
    webex.tenant.change(|tenant| tenant.latency = Latency { min_ms: 300, max_ms: 300 });
    webex.place.write("webex.toml", &toml);
    let mut child = webex.place.command(&["collect", "--follow"]).spawn().unwrap();
    let open = || webex.place.read("webex-state/reaudit.json").contains("\"open\":{");
    let begin = Instant::now();
    while !open() {
        assert!(begin.elapsed() < Duration::from_secs(90), "no re-audit begins");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let now = webex.tenant.now_ms();
    Stream::ALL.into_iter().for_each(|stream| webex.tenant.burst(stream, 10, now));
    delivers(&webex, &mut child, 9_030).await;
    assert!(open(), "the tail was read while the re-audit went on");
    while open() {
        assert!(begin.elapsed() < Duration::from_secs(90), "the re-audit does not end");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    interrupt(&child).await;
    ended(child).await.exits(0);
    webex.delivered_is_exact();
}

#[tokio::test]
async fn a_schedule_is_kept_over_restarts() {
    let webex = collected("reaudit = \"2h every 6h\"").await;
    // The first one was due at once.
    let stored = webex.place.read("webex-state/reaudit.json");
    assert!(stored.contains("\"open\":null"), "{stored}");
    listed_late(&webex);
    let report = report(&webex, &["collect", "--json"]).await;
    assert_eq!(report["reaudit"], Value::Null, "the next one is due in six hours");
    assert_eq!(webex.place.read("webex-state/reaudit.json"), stored);

    // Six hours later.
    let mut record: Value = serde_json::from_str(&stored).unwrap();
    record["began"] = (record["began"].as_i64().unwrap() - 6 * 3_600_000).into();
    webex.place.write("webex-state/reaudit.json", &record.to_string());
    webex.place.run(&["collect"]).await.exits(0).says("3 events that the first reading had missed");
    webex.delivered_is_exact();
}

#[tokio::test]
async fn with_follow_each_round_is_an_object_on_a_line_of_its_own() {
    let webex = collected("interval = \"1s\"").await;
    let mut child = webex.place.command(&["collect", "--follow", "--json", "--reaudit", "2h"]).spawn().unwrap();
    listed_late(&webex);
    delivers(&webex, &mut child, 63).await;
    webex.tenant.add_generated(Stream::Events, webex.tenant.now_ms());
    delivers(&webex, &mut child, 64).await;
    interrupt(&child).await;
    let ran = ended(child).await.exits(0);
    let reports: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |what: &str| reports.iter().filter(|report| report["what"] == what).collect::<Vec<_>>();
    assert_eq!((of("reaudit").len(), of("run").len()), (1, 1), "{}", ran.stdout);
    assert_eq!(of("reaudit")[0]["delivered"], 3);
    assert_eq!(of("round").iter().filter_map(|round| round["delivered"].as_u64()).sum::<u64>(), 1);
    let run = reports.last().unwrap();
    assert_eq!((&run["what"], &run["end"], &run["delivered"]), (&"run".into(), &"stopped".into(), &1.into()));
}

#[tokio::test]
async fn a_slip_in_a_length_of_time_is_usage() {
    let webex = Webex::start().await;
    let ran = webex.place.run(&["collect", "--reaudit", "yesterday"]).await.exits(2);
    assert!(ran.stderr.contains("`yesterday` is not a length of time"), "{}", ran.stderr);
    webex.place.run(&["collect", "--allow-repeats"]).await.exits(2).says("--reaudit");
    let toml = webex.place.read("webex.toml").replace("lag =", "reaudit = \"24h\"\nlag =");
    webex.place.write("webex.toml", &toml);
    let ran = webex.place.run(&["collect"]).await.exits(2);
    assert!(ran.error().contains("`collect.reaudit` cannot be used: it must say how far back"), "{}", ran.error());
}
