//! Exports that break off, never return, or return what the contract forbids. Nothing of such a call is taken.

use std::time::Instant;

use host_harness::log::Log;
use host_harness::runtime::{Reset, RuntimeError};
use host_harness::secrets::Store;
use wiremock::MockServer;

use crate::support::{Machine, TIME, open, whatever};

/// A `fetch-events` in this mode, of which nothing is taken.
async fn nothing_is_taken(mode: &str, why: &str) {
    let machine = Machine::with(mode).await;
    let error = machine.fetch().await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("`fetch-events`") && said.contains(why), "{mode}: {said}");
    assert!(said.contains("nothing of this call is recorded") || said.contains("lower"), "{mode}: {said}");
    assert!(!said.contains('\n'), "{said}");
    machine.goes_on().await;
}

#[tokio::test]
async fn an_event_that_is_none_is_not_taken() {
    for (mode, why) in [
        ("two-lines-in-one", "event 2 of the batch stands where a bundle has no event"),
        ("no-line", "event 1 of the batch stands where"),
        ("line-without-end", "event 1 of the batch stands where"),
        ("bundle-of-nothing", "event 1 of the batch stands where"),
        ("no-object", "event 1 of the batch is not one JSON object"),
        ("id-with-a-line-break", "event 1 of the batch has an id"),
        ("stream-of-nobody", "event 1 of the batch is of a stream"),
    ] {
        nothing_is_taken(mode, why).await;
    }
}

#[tokio::test]
async fn events_in_the_millions_and_by_the_gigabyte_are_not_taken() {
    nothing_is_taken("events-in-the-millions", "memory").await;
    nothing_is_taken("events-of-half-a-gigabyte", "").await;
}

#[tokio::test]
async fn a_last_run_that_would_leave_its_folder_or_fill_the_disk_is_not_taken() {
    for (mode, why) in [
        ("part-with-a-path", "a part whose name"),
        ("part-of-the-root", "a part whose name"),
        ("part-too-large", "a part whose name or size"),
        ("parts-in-the-thousands", "too many"),
        ("head-too-large", "a head of 16777216 bytes"),
    ] {
        nothing_is_taken(mode, why).await;
    }
}

#[tokio::test]
async fn a_call_that_is_ended_is_one_line_of_its_tenant_and_the_neighbours_round_goes_on() {
    for (mode, why) in [
        ("trap-in-fetch-events", "broke off"),
        ("panic-in-fetch-events", "broke off"),
        ("loop-in-fetch-events", "did not return"),
        ("events-in-the-millions", "128 MiB of memory"),
        ("events-of-half-a-gigabyte", ""),
        ("two-lines-in-one", "broke the contract"),
        ("part-with-a-path", "broke the contract"),
    ] {
        let machine = Machine::with(mode).await;
        assert_eq!(machine.round(&machine.tenant).await, "", "{mode}");
        let line = machine.told("call-broke-off");
        assert!(line.text.contains("`fetch-events`") && line.text.contains(why), "{mode}: {line}");
        assert_eq!(machine.round(&machine.neighbour).await, "{}\n", "{mode}");
    }
}

#[tokio::test]
async fn each_export_may_break_off() {
    for kind in ["trap", "panic"] {
        let of = |export: &str| format!("{kind}-in-{export}");
        let broke_off = |error: RuntimeError, export: &str| {
            assert!(matches!(error, RuntimeError::Trap { call, .. } if call == export), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        };
        let machine = Machine::with(&of("check")).await;
        broke_off(machine.tenant.check().await.unwrap_err(), "check");
        machine.goes_on().await;
        let machine = Machine::with(&of("fetch-events")).await;
        broke_off(machine.tenant.fetch_events(None, &whatever()).await.unwrap_err(), "fetch-events");
        machine.goes_on().await;
        let machine = Machine::with(&of("get-last-run")).await;
        broke_off(machine.tenant.get_last_run(None).await.unwrap_err(), "get-last-run");
        machine.goes_on().await;
        let machine = Machine::with(&of("change-last-run")).await;
        let reset = Reset { stream: None, since: 0 };
        broke_off(machine.tenant.change_last_run(None, &reset).await.unwrap_err(), "change-last-run");
        machine.goes_on().await;
        let machine = Machine::with(&of("list")).await;
        broke_off(machine.tenant.list_commands().await.unwrap_err(), "list");
        machine.goes_on().await;
        let server = MockServer::start().await;
        let opened = open(&of("describe"), "hostile-tenant", &Log::memory(), &server, Store::memory()).await;
        broke_off(opened.err().unwrap(), "describe");
    }
    let machine = Machine::start().await;
    let error = machine.is_ended("trap", &[]).await;
    assert!(matches!(error, RuntimeError::Trap { call: "run", .. }), "{error}");
}

#[tokio::test]
async fn an_export_that_never_returns_is_ended_in_time() {
    let machine = Machine::with("loop-in-fetch-events").await;
    let began = Instant::now();
    let error = machine.fetch().await.unwrap_err();
    assert!(matches!(error, RuntimeError::Deadline { .. }), "{error}");
    assert!(began.elapsed() < TIME * 5);
    machine.goes_on().await;
}
