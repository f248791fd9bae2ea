//! Ctrl-C, a torn line, a second process. Kills have a file of their own.

use std::time::{Duration, Instant};

use host_harness::simulator::{Latency, TenantSettings};
use tokio::process::Child;

use crate::support::{Webex, ended, interrupt};

/// A tenant whose backlog takes some seconds.
async fn slow() -> Webex {
    let latency = Latency { min_ms: 40, max_ms: 60 };
    let settings = TenantSettings { latency, ..TenantSettings::default() };
    let webex = Webex::with(settings, "max_fetch = 200").await;
    webex.backlog(2_000);
    webex.sign_in().await;
    webex
}

/// Waits until some events are delivered, but for a run that ends before.
async fn delivers(webex: &Webex, child: &mut Child) {
    let begin = Instant::now();
    while webex.place.read("events.ndjson").lines().count() < 600 && child.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing is delivered");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn ctrl_c_ends_within_ten_seconds_and_the_next_run_goes_on_there() {
    let webex = slow().await;
    let mut child = webex.place.command(&["collect"]).spawn().unwrap();
    delivers(&webex, &mut child).await;
    let asked = Instant::now();
    interrupt(&child).await;
    ended(child).await.exits(0).says("stopped as asked");
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert!(webex.delivered().len() < 6_000, "it was stopped in the middle");
    webex.place.run(&["collect"]).await.exits(0);
    webex.delivered_is_exact();
}

#[tokio::test]
async fn a_torn_last_line_is_cut_at_the_next_start_and_told() {
    let webex = Webex::start().await;
    webex.backlog(10);
    webex.sign_in().await;
    webex.place.write("events.ndjson", "{\"torn\":");
    webex.place.run(&["collect"]).await.exits(0).says("cut 8 bytes of a torn last line");
    webex.delivered_is_exact();
}

#[tokio::test]
async fn a_second_process_is_told_which_one_collects() {
    let webex = Webex::start().await;
    webex.backlog(10);
    webex.sign_in().await;
    let child = webex.place.command(&["collect", "--follow"]).spawn().unwrap();
    webex.stores().await;
    let ran = webex.place.run(&["collect"]).await.exits(1);
    assert!(ran.error().contains("collector.lock") && ran.error().contains("pid"), "{}", ran.error());
    webex.place.run(&["last-run"]).await.exits(0);
    interrupt(&child).await;
    ended(child).await.exits(0);
}
