//! Several sinks: each takes from the spool at its own pace, and none holds up another.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use host_harness::simulator::{Latency, Stream, TenantSettings};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use crate::support::{Webex, ended, interrupt};

/// Events in each stream.
const BACKLOG: usize = 60;
/// Kills of the process.
const KILLS: usize = 8;

/// Settings with another sink beside `events.ndjson`.
fn and(webex: &Webex, sink: &str) {
    let toml = webex.place.read("webex.toml");
    webex.place.write("webex.toml", &format!("{toml}[[sink]]\n{sink}\n"));
}

async fn with(sink: &str) -> Webex {
    let webex = Webex::start().await;
    and(&webex, sink);
    webex.backlog(BACKLOG);
    webex.sign_in().await;
    webex
}

const SECOND: &str = "type = \"ndjson\"\nname = \"second\"\npath = \"second.ndjson\"";

fn lines(webex: &Webex, name: &str) -> Vec<Value> {
    webex.place.read(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn each_sink_gets_everything_once_and_says_so() {
    let webex = with(SECOND).await;
    let ran = webex.place.run(&["collect"]).await.exits(0);
    assert!(ran.stderr.contains("sink ndjson  180 events acknowledged"), "{}", ran.stderr);
    assert!(ran.stderr.contains("sink second  180 events acknowledged"), "{}", ran.stderr);
    webex.delivered_is_exact();
    assert_eq!(webex.place.read("second.ndjson"), webex.place.read("events.ndjson"));
    let ran = webex.place.run(&["collect", "--json"]).await.exits(0);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    let sink = &report["sinks"]["second"];
    assert_eq!((&sink["state"], &sink["waiting"], &sink["acknowledged"]), (&json!("fine"), &json!(0), &json!(0)));
    webex.delivered_is_exact();
    let shown = webex.place.run(&["spool"]).await.exits(0).stdout;
    assert!(shown.contains("second  0 events waiting"), "{shown}");
}

#[tokio::test]
async fn a_sink_gets_only_its_streams_and_names_the_organization() {
    let webex = with(&format!("{SECOND}\nstreams = [\"admin_audits\"]\norg_field = \"org\"")).await;
    webex.place.run(&["collect"]).await.exits(0);
    webex.delivered_is_exact();
    let second = lines(&webex, "second.ndjson");
    assert_eq!(second.len(), BACKLOG);
    let org = webex.tenant.org_id();
    for line in second {
        assert_eq!((&line["source_log_type"], &line["org"]), (&json!("Admin Audit Events"), &json!(org)));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_sink_that_fails_holds_up_no_other_and_gets_the_rest_later() {
    let webex = with("type = \"ndjson\"\nname = \"second\"\npath = \"/dev/full\"").await;
    let child = webex.place.command(&["collect", "--follow"]).spawn().unwrap();
    let begin = Instant::now();
    while webex.arrived() < 3 * BACKLOG {
        assert!(begin.elapsed() < Duration::from_secs(60), "the other sink goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    interrupt(&child).await;
    let ran = ended(child).await.exits(0);
    assert!(ran.stderr.contains("180 waiting") && ran.stderr.contains("No space left"), "{}", ran.stderr);
    webex.delivered_is_exact();
    let shown = webex.place.run(&["spool", "--json"]).await.exits(0).stdout;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["sinks"]["second"]["waiting"], 180);
    assert_eq!(shown["sinks"]["ndjson"]["waiting"], 0);

    let toml = webex.place.read("webex.toml").replace("/dev/full", "second.ndjson");
    webex.place.write("webex.toml", &toml);
    webex.place.run(&["collect"]).await.exits(0);
    assert_eq!(webex.place.read("second.ndjson"), webex.place.read("events.ndjson"));
    webex.delivered_is_exact();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_waits_for_a_sink_that_is_gone_is_kept_until_it_is_forgotten() {
    let webex = with("type = \"ndjson\"\nname = \"second\"\npath = \"/dev/full\"").await;
    let toml = webex.place.read("webex.toml");
    let child = webex.place.command(&["collect", "--follow"]).spawn().unwrap();
    webex.stores().await;
    interrupt(&child).await;
    ended(child).await.exits(0);
    let refused = webex.place.run(&["spool", "forget", "second"]).await.exits(2);
    assert!(refused.error().contains("take it out first"), "{}", refused.error());

    let without = toml.split_once("[[sink]]\ntype = \"ndjson\"\nname").unwrap().0.to_owned();
    webex.place.write("webex.toml", &without);
    let ran = webex.place.run(&["collect"]).await.exits(0);
    assert!(ran.stderr.contains("wait in the spool for the sink second"), "{}", ran.stderr);
    webex.delivered_is_exact();
    webex.place.run(&["spool", "forget", "second"]).await.exits(0);
    let ran = webex.place.run(&["collect"]).await.exits(0);
    assert!(!ran.stderr.contains("second"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("acknowledged"), "one file alone is written without a spool again: {}", ran.stderr);
    webex.delivered_is_exact();
}

#[tokio::test]
async fn a_dead_letter_is_listed_sent_again_and_let_go() {
    let webex = with(SECOND).await;
    let none = webex.place.run(&["deadletter"]).await.exits(0);
    assert_eq!(none.stdout, "no event was refused\n");
    let letter = |id: &str| {
        json!({"at": 0, "reason": "too large", "id": id, "org": "", "stream": "events", "created": null,
               "body": format!("{{\"id\":\"{id}\"}}")})
    };
    std::fs::create_dir_all(webex.place.path("webex-state/deadletter")).unwrap();
    let file = "webex-state/deadletter/second.ndjson";
    webex.place.write(file, &format!("{}\n{}\n{}\n{{\"at\":0", letter("a"), letter("b"), letter("c")));
    let listed = webex.place.run(&["deadletter", "list"]).await.exits(0).stdout;
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(listed.contains("second  events  a  too large"), "{listed}");
    let json: Value = serde_json::from_str(&webex.place.run(&["deadletter", "--json"]).await.exits(0).stdout).unwrap();
    assert_eq!((&json[0]["id"], &json[0]["body"]), (&json!("a"), &json!("{\"id\":\"a\"}")));

    webex.place.run(&["deadletter", "drop"]).await.exits(2).says("--all");
    webex.place.run(&["deadletter", "drop", "b"]).await.exits(0).says("1 events are let go");
    webex.place.run(&["deadletter", "replay", "a"]).await.exits(0).says("1 events were sent again");
    assert_eq!(webex.place.read("second.ndjson"), "{\"id\":\"a\"}\n");
    assert_eq!(webex.place.read("events.ndjson"), "", "it is for its own sink alone");
    webex.place.run(&["deadletter", "drop", "--all"]).await.exits(0).says("1 events are let go");
    assert!(!webex.place.path(file).exists());
}

#[tokio::test]
async fn a_full_spool_pauses_the_collection_and_loses_nothing() {
    let webex = Webex::with(TenantSettings::default(), "max_fetch = 2000\ninterval = \"1s\"").await;
    and(&webex, SECOND);
    let toml = webex.place.read("webex.toml");
    webex.place.write("webex.toml", &format!("{toml}[spool]\nmax_bytes = \"64MiB\"\n"));
    webex.sign_in().await;
    // What fills the spool is older than anything that is collected.
    let spool = host_harness::spool::Spool::open(&webex.place.path("webex-state"), u64::MAX).unwrap();
    let body = format!("{{\"id\":\"x\",\"text\":\"{}\"}}", "x".repeat(60 << 20));
    let event = |id: &str| host_harness::sink::Event {
        id: id.into(),
        org: String::new(),
        stream: "events".into(),
        created: None,
        body: body.clone(),
    };
    let gone = host_harness::sink::SinkName::parse("gone").unwrap();
    spool.passed(&gone, spool.enter(&gone)).unwrap();
    for id in ["1", "2"] {
        spool.put(&[event(id).as_read()], None, Some(&gone)).unwrap();
    }
    drop(spool);
    webex.backlog(BACKLOG);
    let child = webex.place.command(&["collect", "--follow"]).spawn().unwrap();
    let begin = Instant::now();
    while webex.place.read("webex-state/collector.lock").is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(60), "it starts");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(webex.arrived(), 0, "nothing is collected");
    interrupt(&child).await;
    let ran = ended(child).await.exits(0);
    assert!(ran.stderr.contains("the spool is full"), "{}", ran.stderr);
    webex.place.run(&["spool", "forget", "gone"]).await.exits(0);
    webex.place.run(&["collect"]).await.exits(0);
    webex.delivered_is_exact();
}

/// SIGKILL at random moments. The file holds each event once; standard output has shown each, some again.
#[tokio::test]
async fn killed_at_any_moment_each_sink_has_everything_and_a_file_has_it_once() {
    let seed =
        std::env::var("SEED").ok().map_or_else(|| SmallRng::from_os_rng().random(), |seed| seed.parse().unwrap());
    println!("SEED={seed}");
    let mut dice = SmallRng::seed_from_u64(seed);
    let latency = Latency { min_ms: 2, max_ms: 15 };
    let settings = TenantSettings { seed, latency, ..TenantSettings::default() };
    let webex = Webex::with(settings, "max_fetch = 60\noverlap = \"2s\"").await;
    and(&webex, "type = \"ndjson\"\nname = \"shown\"\npath = \"-\"");
    webex.sign_in().await;
    let mut shown: BTreeMap<String, usize> = BTreeMap::new();
    for run in 0..KILLS + 2 {
        if run < KILLS {
            let now = webex.tenant.now_ms();
            Stream::ALL.into_iter().for_each(|stream| webex.tenant.backlog(stream, 120, now - 1_000, now));
        }
        let mut child = webex.place.command(&["collect"]).spawn().unwrap();
        let mut stdout = child.stdout.take().unwrap();
        let reader = tokio::spawn(async move {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).await.unwrap();
            bytes
        });
        if run < KILLS {
            tokio::time::sleep(Duration::from_micros(dice.random_range(50_000..900_000))).await;
            if child.try_wait().unwrap().is_none() {
                child.start_kill().unwrap();
            }
        }
        let ran = ended(child).await;
        if run >= KILLS {
            assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        }
        let text = String::from_utf8_lossy(&reader.await.unwrap()).into_owned();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().for_each(|line| *shown.entry(line.to_owned()).or_default() += 1);
    }
    webex.delivered_is_exact();
    let file: BTreeMap<String, usize> =
        webex.place.read("events.ndjson").lines().map(|line| (line.to_owned(), 1)).collect();
    assert_eq!(shown.keys().collect::<Vec<_>>(), file.keys().collect::<Vec<_>>(), "the same lines, byte for byte");
}
