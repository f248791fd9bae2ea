//! `last-run`: damage, other origins, resets, moves.

use std::time::{Duration, Instant};

use crate::support::{Webex, ended, interrupt};

const HEAD: &str = "webex-state/last-run/head.json";
const PREVIOUS: &str = "webex-state/last-run/head.previous.json";

/// Whatever the width of the columns is.
fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn collected() -> Webex {
    let webex = Webex::start().await;
    webex.backlog(20);
    webex.sign_in().await;
    webex.place.run(&["collect"]).await.exits(0);
    webex
}

#[tokio::test]
async fn it_shows_where_each_stream_stands() {
    let webex = collected().await;
    for stream in ["admin_audits", "security_audits", "events"] {
        webex.place.run(&["last-run", "show"]).await.exits(0).says(stream);
    }
    let shown = webex.place.run(&["last-run", "show", "--json"]).await.exits(0);
    let shown: serde_json::Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["streams"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn a_damaged_state_is_refused_with_a_command_that_mends_it() {
    let webex = collected().await;
    webex.place.run(&["collect"]).await.exits(0);
    webex.place.write(HEAD, "{\"format\":1,");
    let ran = webex.place.run(&["collect"]).await.exits(1);
    let command = ran.error().split('`').nth(1).expect("a command").to_owned();
    let arguments: Vec<&str> = command.split(' ').skip(1).collect();
    webex.place.run(&arguments).await.exits(0);
    webex.place.run(&["collect"]).await.exits(0);
    webex.delivered_is_exact();
}

#[tokio::test]
async fn a_newer_state_is_refused_and_left_alone() {
    let webex = collected().await;
    let newer = "{\"format\":99,\"anything\":1}";
    webex.place.write(HEAD, newer);
    let ran = webex.place.run(&["collect"]).await.exits(1);
    assert!(ran.error().contains("newer"), "{}", ran.error());
    assert_eq!(webex.place.read(HEAD), newer);
}

#[tokio::test]
async fn a_state_of_another_origin_or_organization_is_refused() {
    let webex = collected().await;
    let toml = webex.place.read("webex.toml");
    let head = webex.place.read(HEAD);
    let other = toml.replace(&webex.tenant.org_id(), "b3RoZXI");
    webex.place.write("webex.toml", &other);
    let ran = webex.place.run(&["collect"]).await.exits(1);
    assert!(ran.error().contains("foreign-last-run"), "{}", ran.error());
    assert_eq!(webex.place.read(HEAD), head);
}

#[tokio::test]
async fn a_reset_collects_again_what_is_forgotten_only() {
    let webex = collected().await;
    webex.place.run(&["last-run", "reset", "--stream", "events", "--since", "2020-01-01"]).await.exits(0);
    webex.place.run(&["collect"]).await.exits(0);
    webex.delivered_is_complete();
}

#[tokio::test]
async fn a_copy_is_taken_back() {
    let webex = collected().await;
    let copy = webex.place.run(&["last-run", "show", "--json"]).await.exits(0).stdout;
    std::fs::remove_dir_all(webex.place.path("webex-state/last-run")).unwrap();
    webex.place.run_with_input(&["last-run", "import", "-"], &copy).await.exits(0);
    webex.place.run(&["collect"]).await.exits(0);
    webex.delivered_is_exact();
}

#[tokio::test]
async fn the_cortex_collectors_last_run_is_gone_on_with() {
    let webex = Webex::start().await;
    webex.backlog(20);
    webex.sign_in().await;
    let since = host_harness::runtime::time(webex.tenant.now_ms() - 1_800_000);
    let stream = format!("{{\"since_datetime\":\"{since}\",\"next_url\":\"\"}}");
    let cortex =
        format!("{{\"admin_audits\":{stream},\"security_audits\":{stream},\"compliance_officer_events\":{stream}}}");
    webex.place.write("cortex.json", &cortex);
    webex.place.run(&["last-run", "import", "cortex.json"]).await.exits(0);
    webex.place.run(&["collect"]).await.exits(0);
    let lines = webex.place.read("events.ndjson").lines().count();
    assert!((25..60).contains(&lines), "half of the hour, and the overlap: {lines}");
}

#[tokio::test]
async fn nonsense_is_refused_and_changes_nothing() {
    let webex = collected().await;
    let head = webex.place.read(HEAD);
    let newer_copy = r#"{"last_run":{"head":"{\"form\":99}","parts":[]}}"#;
    let outside = r#"{"last_run":{"head":"{}","parts":[{"name":"../../x","body":""}]}}"#;
    for (text, code, words) in [
        ("{\"what\":1}", 1, "nothing is changed, x.json is refused"),
        (newer_copy, 1, "newer plugin"),
        (outside, 1, "x.json is refused"),
        ("{\"format\":99,\"sealed\":\"\"}", 1, "newer program"),
        ("{\"format\":1,\"checksum\":\"\",\"parts\":{},\"head\":\"{}\"}", 1, "checksum"),
        ("", 2, "holds no last-run"),
        (&head[..head.len() / 2], 2, "only a piece of one"),
    ] {
        webex.place.write("x.json", text);
        let ran = webex.place.run(&["last-run", "import", "x.json"]).await.exits(code);
        assert!(ran.error().contains(words), "{text}: {}", ran.error());
    }
    std::fs::write(webex.place.path("x.json"), [0xff, 0xfe]).unwrap();
    webex.place.run(&["last-run", "import", "x.json"]).await.exits(2).error();
    webex.place.run(&["last-run", "import", "none.json"]).await.exits(2).error();
    let ran = webex.place.run_with_input(&["last-run", "import", "-"], &head).await.exits(2);
    assert!(ran.error().contains("name the file itself"), "{}", ran.error());
    assert_eq!(webex.place.read(HEAD), head);
}

#[tokio::test]
async fn a_copy_of_another_tenant_is_refused_and_changes_nothing() {
    let webex = collected().await;
    let (toml, head) = (webex.place.read("webex.toml"), webex.place.read(HEAD));
    let copy = webex.place.run(&["last-run", "show", "--json"]).await.exits(0).stdout;
    webex.place.write("copy.json", &copy);
    webex.place.write("webex.toml", &toml.replace(&webex.tenant.org_id(), "b3RoZXI"));
    let ran = webex.place.run(&["last-run", "import", "copy.json"]).await.exits(1);
    assert!(
        ran.error().contains("copy.json is refused") && ran.error().contains("foreign-last-run"),
        "{}",
        ran.error()
    );
    assert_eq!(webex.place.read(HEAD), head);
}

#[tokio::test]
async fn what_cannot_be_reset_is_told_and_changes_nothing() {
    let webex = collected().await;
    let head = webex.place.read(HEAD);
    for (arguments, words) in [
        (&["--since", "2199-01-01"][..], "is in the future"),
        (&["--since", "31.1.2026"], "2026-01-31T10:00:00Z"),
        (&["--since", ""], "is not a time"),
        (&["--stream", "evnts", "--since", "2026-01-31"], "`evnts` is not one of `admin_audits`"),
        (&["--stream", "events"], "--since"),
    ] {
        let ran = webex.place.run(&[&["last-run", "reset"], arguments].concat()).await.exits(2);
        assert!(ran.error().contains(words), "{words}: {}", ran.error());
    }
    assert_eq!(webex.place.read(HEAD), head);
}

#[tokio::test]
async fn where_nothing_is_stored_a_reset_says_where_to_begin() {
    let webex = Webex::start().await;
    webex.backlog(20);
    webex.sign_in().await;
    webex.place.run(&["last-run"]).await.exits(0).says("nothing was collected yet");
    assert!(!webex.place.path(HEAD).exists(), "a look stores nothing");
    let since = host_harness::runtime::time(webex.tenant.now_ms() - 600_000);
    let ran = webex.place.run(&["last-run", "reset", "--since", &since]).await.exits(0);
    let ran = ran.says("changed; nothing was stored before");
    assert_eq!(in_one_line(&ran.stdout).matches(&format!("complete up to {since}")).count(), 3, "{}", ran.stdout);
    webex.place.run(&["collect"]).await.exits(0);
    let lines = webex.place.read("events.ndjson").lines().count();
    assert!((9..60).contains(&lines), "ten minutes of the hour, and the overlap: {lines}");
}

#[tokio::test]
async fn time_that_a_reset_skips_is_shown_as_not_collected() {
    let webex = collected().await;
    webex.place.run(&["last-run", "reset", "--since", "2020-01-01"]).await.exits(0).says(PREVIOUS);
    let ran = webex.place.run(&["last-run", "reset", "--stream", "events", "--since", "2020-02-01"]).await.exits(0);
    let line = "not collected 2020-01-01T00:00:00.000Z to 2020-02-01T00:00:00.000Z: reset by an operator";
    assert_eq!(in_one_line(&ran.stdout).matches(line).count(), 1, "{}", ran.stdout);
}

#[tokio::test]
async fn nothing_is_changed_under_a_process_that_collects_and_a_look_is_free() {
    let webex = collected().await;
    let copy = webex.place.run(&["last-run", "show", "--json"]).await.exits(0).stdout;
    webex.place.write("copy.json", &copy);
    let child = webex.place.command(&["collect", "--follow"]).spawn().unwrap();
    let begin = Instant::now();
    while webex.place.read("webex-state/collector.lock").is_empty() {
        assert!(begin.elapsed() < Duration::from_secs(60), "the state is not taken");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pid = format!("pid {}", child.id().unwrap());
    for arguments in [&["reset", "--since", "2020-01-01"][..], &["import", "copy.json"]] {
        let ran = webex.place.run(&[&["last-run"], arguments].concat()).await.exits(1);
        assert!(ran.error().contains(&pid) && ran.error().contains("collector.lock"), "{}", ran.error());
    }
    webex.place.run(&["last-run", "show"]).await.exits(0).says("events");
    interrupt(&child).await;
    ended(child).await.exits(0);
}

#[tokio::test]
async fn where_copy_and_head_are_damaged_the_remedy_works_too() {
    let webex = collected().await;
    for name in [HEAD, PREVIOUS] {
        webex.place.write(name, "{\"format\":1,");
    }
    let ran = webex.place.run(&["collect"]).await.exits(1);
    assert!(ran.error().contains("move webex-state/last-run away"), "{}", ran.error());
    webex.place.run(&["last-run"]).await.exits(1).says("move webex-state/last-run away");
    std::fs::rename(webex.place.path("webex-state/last-run"), webex.place.path("away")).unwrap();
    let since = host_harness::runtime::time(webex.tenant.now_ms() - 7_200_000);
    webex.place.run(&["last-run", "reset", "--since", &since]).await.exits(0);
    webex.place.run(&["collect"]).await.exits(0);
    webex.delivered_is_complete();
}
