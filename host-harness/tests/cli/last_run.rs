//! `last-run`: damage, other origins, resets, moves.

use crate::support::Webex;

const HEAD: &str = "webex-state/last-run/head.json";

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
    let ran = webex.place.run(&["last-run", "reset", "--since", "31.1.2026"]).await.exits(2);
    assert!(ran.error().contains("2026-01-31T10:00:00Z"), "{}", ran.error());
    let ran = webex.place.run(&["last-run", "reset", "--stream", "evnts", "--since", "2026-01-31"]).await.exits(2);
    assert!(ran.error().contains("evnts"), "{}", ran.error());
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
    webex.place.write("x.json", "{\"what\":1}");
    webex.place.run(&["last-run", "import", "x.json"]).await.exits(1).error();
    webex.place.run(&["last-run", "import", "none.json"]).await.exits(2).error();
    assert_eq!(webex.place.read(HEAD), head);
}
