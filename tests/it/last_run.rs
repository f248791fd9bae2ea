//! Where collecting stands: taken over from process to process, from the Cortex collector, from every release; and never
//! taken when it is damaged, newer, or of somebody else.

use host_harness::runtime::{Bundle, Failure, LastRun, LastRunPart, ReRead, Reset, TimeRange, time};
use host_harness::simulator::{Stream, StreamSettings, TenantSettings};

use crate::program::Place;
use crate::simulated::Simulated;
use crate::support::{Host, NOW, STREAMS, whatever};

fn head(text: impl Into<String>) -> LastRun {
    LastRun { head: text.into(), parts: Vec::new() }
}

// ---- from process to process ----

#[tokio::test]
async fn what_one_process_has_written_the_next_goes_on_with() {
    let place = Place::start(TenantSettings::default()).await;
    place.backlog(40);
    place.run(&["collect"]).await.exits(0);
    assert_eq!(place.lines().len(), 120);
    place.delivered_is_exact();

    place.run(&["collect"]).await.exits(0);
    assert_eq!(place.lines().len(), 120, "a second process adds none");

    for stream in Stream::ALL {
        place.webex.burst(stream, 7, place.webex.now_ms() - 20_000);
    }
    place.run(&["collect"]).await.exits(0);
    assert_eq!(place.lines().len(), 141, "a third adds what is new");
    place.delivered_is_exact();
}

#[tokio::test]
async fn a_host_that_drops_everything_after_each_call_loses_and_repeats_nothing() {
    let mut tenant = Simulated::with(TenantSettings::default(), &[("max_fetch", "20")]).await;
    tenant.backlog(110, 1);
    for _ in 0..60 {
        let batch = tenant.host.fetch(&whatever()).await.unwrap();
        tenant.host = tenant.host.restarted().await;
        if batch.next == host_harness::runtime::Next::Idle {
            break;
        }
    }
    tenant.delivered_is_exact();
}

#[tokio::test]
async fn a_batch_that_was_delivered_and_not_recorded_comes_again_byte_for_byte_and_nothing_else_does() {
    let mut tenant = Simulated::with(TenantSettings::default(), &[("max_fetch", "20")]).await;
    tenant.backlog(50, 1);
    tenant.host.fetch(&whatever()).await.unwrap();
    let (recorded, delivered) = (tenant.host.last_run.clone(), tenant.host.events.len());
    let cut_off = tenant.host.fetch(&whatever()).await.unwrap();
    // A crash between the two steps: the events are there, the last-run is the one before.
    tenant.host.last_run = recorded;
    tenant.host.events.truncate(delivered);
    tenant.host = tenant.host.restarted().await;
    let again = tenant.host.fetch(&whatever()).await.unwrap();
    assert_eq!(again.events, cut_off.events);
    tenant.collect().await;
    tenant.delivered_is_exact();
}

#[tokio::test]
async fn a_part_never_changes_under_its_name_and_is_small() {
    let mut tenant = Simulated::with(TenantSettings::default(), &[("max_fetch", "50")]).await;
    tenant.backlog(200, 1);
    let mut known = std::collections::BTreeMap::new();
    for _ in 0..30 {
        let batch = tenant.host.fetch(&whatever()).await.unwrap();
        assert!(batch.last_run.head.len() < 64 * 1024, "{}", batch.last_run.head.len());
        for LastRunPart { name, body } in batch.last_run.parts {
            let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(name.len() <= 64 && name.bytes().all(is_name), "{name}");
            let body = body.unwrap();
            assert!(body.len() <= 64 * 1024);
            let before = known.insert(name, body.clone());
            assert!(before.is_none_or(|before| before == body));
        }
        if batch.next == host_harness::runtime::Next::Idle {
            break;
        }
    }
    tenant.delivered_is_exact();
}

// ---- what it says ----

#[tokio::test]
async fn without_one_it_says_where_a_first_fetch_starts() {
    let tenant = Simulated::with(TenantSettings::default(), &[("first_fetch", "3 days")]).await;
    let view = tenant.host.tenant.get_last_run(None).await.unwrap().unwrap();
    let streams: Vec<&str> = view.streams.iter().map(|stream| stream.stream.as_str()).collect();
    assert_eq!(streams, STREAMS);
    for stream in view.streams {
        assert_eq!((stream.watermark, stream.frontier), (NOW - 3 * 86_400_000, NOW - 3 * 86_400_000));
        assert_eq!((stream.pending, stream.seen, stream.gaps), (Vec::new(), 0, Vec::new()));
    }
}

#[tokio::test]
async fn it_shows_watermark_frontier_and_what_is_left() {
    let pages_of_50 = |list: StreamSettings| StreamSettings { page_items: Some(50), ..list };
    let settings = TenantSettings {
        admin_audits: pages_of_50(StreamSettings::newest_first()),
        security_audits: pages_of_50(StreamSettings::newest_first()),
        events: pages_of_50(StreamSettings::oldest_first()),
        ..TenantSettings::default()
    };
    let mut tenant = Simulated::with(settings, &[("max_fetch", "120")]).await;
    // Several pages in the ten minutes of a first slice.
    tenant.backlog(15_000, 1);
    let batch = tenant.host.fetch(&whatever()).await.unwrap();
    let view = tenant.host.tenant.get_last_run(Some(&batch.last_run)).await.unwrap().unwrap();
    for (stream, report) in view.streams.iter().zip(&batch.reports) {
        assert_eq!((Some(stream.watermark), Some(stream.frontier)), (report.watermark, report.frontier));
        assert_eq!((stream.frontier, stream.pending.len() as u32), (NOW, report.pending));
        assert!(stream.pending.iter().any(|pending| pending.started), "{stream:?}");
        assert!(stream.seen > 0 && stream.seen == report.delivered, "{stream:?}");
    }
    assert_eq!(view.last_run, batch.last_run, "the current form stays as it is");
}

// ---- changes by an operator ----

#[tokio::test]
async fn a_reset_collects_a_stream_from_a_time_on_and_leaves_the_others() {
    let mut tenant = Simulated::start(TenantSettings::default()).await;
    tenant.backlog(30, 120);
    tenant.collect().await;
    let delivered = tenant.host.events.len();
    // Older than what the first fetch reached.
    let since = NOW - 3 * 86_400_000;
    for stream in Stream::ALL {
        tenant.webex.backlog(stream, 10, since + 1_000, since + 100_000);
    }
    let reset = Reset { stream: Some("events".into()), since };
    let changed = tenant.host.tenant.change_last_run(tenant.host.last_run.as_ref(), &reset).await.unwrap().unwrap();
    tenant.host.last_run = Some(changed);
    tenant.advance(1_000);
    let (events, _) = tenant.collect().await;
    assert!(events.iter().all(|event| event.stream == "events"), "the others go on where they were");
    let older = events.iter().filter(|event| event.created.is_some_and(|created| created < NOW - 86_400_000)).count();
    assert_eq!(older, 10);
    assert!(tenant.host.events.len() <= delivered + 40, "at most the stream itself comes again");
}

#[tokio::test]
async fn a_reset_of_an_unknown_stream_is_refused() {
    let tenant = Simulated::start(TenantSettings::default()).await;
    let reset = Reset { stream: Some("evnts".into()), since: NOW };
    let failure = tenant.host.tenant.change_last_run(None, &reset).await.unwrap().unwrap_err();
    assert_eq!(failure.code, "invalid-argument");
    assert!(failure.message.contains("evnts"), "{}", failure.message);
}

#[tokio::test]
async fn a_re_read_brings_what_was_not_delivered_and_moves_no_watermark() {
    let mut tenant = Simulated::start(TenantSettings::default()).await;
    tenant.backlog(30, 20);
    tenant.collect().await;
    // Listed only now, long after the overlap.
    tenant.advance(3_600_000);
    tenant.collect().await;
    let before = tenant.host.tenant.get_last_run(tenant.host.last_run.as_ref()).await.unwrap().unwrap();
    let created = NOW - 1_000_000;
    for stream in Stream::ALL {
        tenant.webex.burst(stream, 5, created);
    }
    let range = TimeRange { from: created - 60_000, to: created + 60_000 };
    let request =
        host_harness::runtime::FetchRequest { re_read: Some(ReRead { range, allow_repeats: true }), ..whatever() };
    let mut found = 0;
    for _ in 0..20 {
        let batch = tenant.host.fetch(&request).await.unwrap();
        found += Bundle::count(&batch.events);
        if batch.next == host_harness::runtime::Next::Idle {
            break;
        }
    }
    let after = tenant.host.tenant.get_last_run(tenant.host.last_run.as_ref()).await.unwrap().unwrap();
    for (before, after) in before.streams.iter().zip(&after.streams) {
        assert_eq!((before.watermark, before.frontier), (after.watermark, after.frontier));
    }
    // The others of that stretch may have been forgotten and come again; the late ones come for certain.
    assert!(found >= 15, "{found}");
    let late = tenant.host.events.iter().filter(|event| event.created == Some(created)).count();
    assert_eq!(late, 15);
}

// ---- of another collector, origin, organization, release ----

fn cortex(since: &str, next_url: &str) -> String {
    let stream = format!(r#"{{"since_datetime":"{since}","next_url":"{next_url}"}}"#);
    format!(r#"{{"admin_audits":{stream},"security_audits":{stream},"compliance_officer_events":{stream}}}"#)
}

#[tokio::test]
async fn the_last_run_of_the_cortex_collector_goes_on_at_the_earlier_of_its_time_and_its_links_start() {
    let mut tenant = Simulated::start(TenantSettings::default()).await;
    tenant.backlog(60, 1);
    let (since, start) = ("2026-02-11T19:40:00.000Z", "2026-02-11T19:20:00.000Z");
    let (at_since, at_start) = (NOW - 20 * 60_000, NOW - 40 * 60_000);
    let link = format!("{}/v1/events?from={start}&startTime={start}&cursor=x", tenant.webex.origin());
    for (next_url, want) in [("", at_since), (link.as_str(), at_start)] {
        let stored = head(cortex(since, next_url));
        let view = tenant.host.tenant.get_last_run(Some(&stored)).await.unwrap().unwrap();
        assert!(view.streams.iter().all(|stream| stream.watermark == want), "{:?}", view.streams);
        assert_ne!(view.last_run, stored, "it is in the current form");
        // As it is, or as it was upgraded: both go on there.
        for last_run in [stored, view.last_run] {
            tenant.host = Host { last_run: Some(last_run), events: Vec::new(), ..tenant.host };
            tenant.collect().await;
            for stream in Stream::ALL {
                let listed = tenant.webex.listed(stream);
                let owed = listed.iter().filter(|event| event.created_ms >= want).count();
                let name = crate::simulated::name(stream);
                let of_stream: Vec<i64> = tenant
                    .host
                    .events
                    .iter()
                    .filter(|event| event.stream == name)
                    .filter_map(|event| event.created)
                    .collect();
                assert_eq!(of_stream.iter().filter(|created| **created >= want).count(), owed, "{name}");
                // The second that covers unknown bounds, and no more.
                assert!(of_stream.iter().all(|created| *created >= want - 1_000), "{name}");
            }
        }
    }
}

#[tokio::test]
async fn the_last_run_of_the_cortex_collector_is_imported_by_the_program() {
    let place = Place::start(TenantSettings::default()).await;
    place.backlog(60);
    let since = place.webex.now_ms() - 900_000;
    place.write("cortex.json", &cortex(&time(since), ""));
    place.run(&["last-run", "import", "cortex.json"]).await.exits(0);
    place.run(&["collect"]).await.exits(0);
    let owed: usize = Stream::ALL
        .iter()
        .map(|stream| place.webex.listed(*stream).iter().filter(|event| event.created_ms >= since - 1_000).count())
        .sum();
    assert!(place.lines().len() <= owed && place.lines().len() + 3 >= owed, "{} of {owed}", place.lines().len());
}

fn code(answer: Result<Result<impl Sized, Failure>, impl std::fmt::Debug>) -> String {
    match answer.unwrap() {
        Ok(_) => "taken".to_owned(),
        Err(failure) => {
            assert!(!failure.remedy.is_empty(), "{failure:?}");
            failure.code
        }
    }
}

/// Nothing takes it: neither collecting, nor looking, nor changing.
async fn check_refused(host: &Host, last_run: &LastRun, want: &str) {
    let reset = Reset { stream: None, since: NOW };
    assert_eq!(code(host.tenant.get_last_run(Some(last_run)).await), want, "{}", last_run.head);
    assert_eq!(code(host.tenant.fetch_events(Some(last_run), &whatever()).await), want);
    assert_eq!(code(host.tenant.change_last_run(Some(last_run), &reset).await), want);
}

#[tokio::test]
async fn a_damaged_or_newer_one_is_a_failure_and_never_a_silent_start() {
    let mut tenant = Simulated::start(TenantSettings::default()).await;
    // Within the overlap, so that their ids are remembered.
    for stream in Stream::ALL {
        tenant.webex.backlog(stream, 1_000, NOW - 540_000, NOW - 60_000);
    }
    tenant.collect().await;
    tenant.webex.forget_requests();
    let good = tenant.host.last_run.clone().unwrap();
    assert!(!good.parts.is_empty());
    let half = good.head[..good.head.len() / 2].to_owned();
    let mut damaged = vec![head(""), head("{}"), head("null"), head("not json"), head(half)];
    damaged.push(LastRun { parts: Vec::new(), ..good.clone() });
    damaged.push(LastRun { head: good.head.replace("\"form\":2", "\"form\":99"), ..good.clone() });
    damaged.push(head(cortex("soon", "")));
    let mut changed = good.clone();
    let body = changed.parts[0].body.as_mut().unwrap();
    let last = body.pop().unwrap();
    body.push(if last == 'A' { 'B' } else { 'A' });
    damaged.push(changed);
    for last_run in damaged {
        assert_ne!(last_run, good);
        check_refused(&tenant.host, &last_run, "corrupt-last-run").await;
    }
    assert_eq!(tenant.webex.requests(), []);
    assert_eq!(code(tenant.host.tenant.get_last_run(Some(&good)).await), "taken");
}

#[tokio::test]
async fn one_of_another_origin_or_organization_is_refused() {
    let mut tenant = Simulated::start(TenantSettings::default()).await;
    tenant.backlog(3, 1);
    tenant.collect().await;
    let good = tenant.host.last_run.clone().unwrap();
    let other = tenant.host.setup.clone().set("admin_org_id", "b3RoZXI").open().await;
    check_refused(&other, &good, "foreign-last-run").await;
    let other = tenant.host.setup.clone().set("base_url", "http://127.0.0.1:9").open().await;
    check_refused(&other, &good, "foreign-last-run").await;
}

#[tokio::test]
async fn the_one_that_the_first_release_wrote_is_read() {
    let golden =
        |name: &str| std::fs::read_to_string(format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let parts: Vec<(String, String)> = serde_json::from_str(&golden("last-run-1.parts.json")).unwrap();
    let parts = parts.into_iter().map(|(name, body)| LastRunPart { name, body: Some(body) }).collect();
    let stored = LastRun { head: golden("last-run-1.json"), parts };
    let tenant = Simulated::start(TenantSettings::default()).await;
    let written: serde_json::Value = serde_json::from_str(&stored.head).unwrap();
    let (origin, org) = (written["origin"].as_str().unwrap(), written["org"].as_str().unwrap());
    let host = tenant.host.setup.clone().set("base_url", origin).set("admin_org_id", org).open().await;
    let view = host.tenant.get_last_run(Some(&stored)).await.unwrap().unwrap();
    assert_eq!(view.streams.len(), 3);
    assert!(view.streams.iter().all(|stream| stream.seen > 0 && !stream.pending.is_empty()), "{:?}", view.streams);
}
