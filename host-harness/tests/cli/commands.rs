//! `commands`, `run`, `inspect`.

use crate::support::{Place, Webex};

#[tokio::test]
async fn the_commands_of_the_cortex_collector_are_there() {
    let ran = Place::empty().run(&["commands", "--json"]).await.exits(0);
    let commands: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let names: Vec<&str> = commands.as_array().unwrap().iter().filter_map(|command| command["name"].as_str()).collect();
    for name in [
        "cisco-webex-oauth-start",
        "cisco-webex-oauth-complete",
        "cisco-webex-oauth-test",
        "cisco-webex-get-admin-audit-events",
        "cisco-webex-get-security-audit-events",
        "cisco-webex-get-compliance-officer-events",
        "test-module",
        "cisco-webex-list-organizations",
        "cisco-webex-list-event-categories",
        "cisco-webex-get-event",
        "cisco-webex-status",
    ] {
        assert!(names.contains(&name), "{name} of {names:?}");
    }
    for name in names {
        Place::empty().run(&["commands", name]).await.exits(0).says(name);
    }
}

#[tokio::test]
async fn an_unknown_command_is_told_with_the_nearest_one() {
    let webex = Webex::start().await;
    let ran = webex.place.run(&["run", "cisco-webex-oauth-strat"]).await.exits(2);
    assert!(ran.error().contains("did you mean `cisco-webex-oauth-start`?"), "{}", ran.error());
    let ran = webex.place.run(&["commands", "test-modul"]).await.exits(2);
    assert!(ran.error().contains("did you mean `test-module`?"), "{}", ran.error());
}

#[tokio::test]
async fn an_unknown_or_malformed_argument_is_told() {
    let webex = Webex::start().await;
    let check = async |arguments: &[&str], want: &str| {
        let ran = webex.place.run(&[&["run"], arguments].concat()).await.exits(2);
        assert!(ran.error().contains(want), "{}", ran.error());
    };
    check(&["cisco-webex-oauth-start", "usr=admin"], "did you mean `user`?").await;
    // The plugin knows best what is near, and it is said once.
    let ran = webex.place.run(&["run", "cisco-webex-get-event", "idd=3"]).await.exits(2);
    assert_eq!(ran.error().matches("did you mean").count(), 1, "{}", ran.error());
    check(&["cisco-webex-oauth-start", "user=root"], "user").await;
    check(&["cisco-webex-get-admin-audit-events", "since_datetime=soon"], "since_datetime").await;
    check(&["cisco-webex-get-admin-audit-events", "limit=-1"], "limit").await;
    check(&["cisco-webex-oauth-start", "admin"], "NAME=VALUE").await;
    check(&["cisco-webex-oauth-start", "user=admin", "user=admin"], "twice").await;
}

#[tokio::test]
async fn events_of_a_command_reach_the_sinks_only_when_pushed_and_move_no_state() {
    let webex = Webex::start().await;
    webex.backlog(50);
    webex.sign_in().await;
    let command = "cisco-webex-get-compliance-officer-events";
    let since = "since_datetime=2000-01-01T00:00:00Z";
    webex.place.run(&["run", command, "limit=7", since, "should_push_events=false"]).await.exits(0);
    assert_eq!(webex.place.read("events.ndjson"), "");
    webex.place.run(&["run", command, "limit=7", since, "should_push_events=true"]).await.exits(0);
    assert_eq!(webex.place.read("events.ndjson").lines().count(), 7);
    assert!(!webex.place.path("webex-state/last-run").exists());
}

#[tokio::test]
async fn readable_text_and_events_never_share_standard_output() {
    let webex = Webex::start().await;
    webex.backlog(5);
    webex.sign_in().await;
    let toml = webex.place.read("webex.toml").replace("events.ndjson", "-");
    webex.place.write("webex.toml", &toml);
    let command = ["run", "cisco-webex-get-admin-audit-events", "limit=3", "should_push_events=true"];
    let ran = webex.place.run(&command).await.exits(0);
    assert_eq!(ran.stdout.lines().count(), 3);
    assert!(ran.stdout.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{}", ran.stdout);
}

#[tokio::test]
async fn inspect_shows_that_nothing_beyond_the_contract_is_imported() {
    let ran = Place::empty().run(&["inspect", "--json"]).await.exits(0);
    let component: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    for import in component["imports"].as_array().unwrap() {
        let import = import.as_str().unwrap();
        let known = ["siem:plugin/", "wasi:http/", "wasi:clocks/", "wasi:random/", "wasi:io/", "wasi:cli/"];
        assert!(known.iter().any(|known| import.starts_with(known)), "{import}");
    }
    assert!(component["bytes"].as_u64().is_some_and(|bytes| bytes < 1 << 20), "{}", component["bytes"]);
    Place::empty().run(&["inspect"]).await.exits(0).says("https://webexapis.com");
}

#[tokio::test]
async fn a_slip_in_the_programs_own_commands_is_usage() {
    Place::empty().run(&["colect"]).await.exits(2).says("collect");
    Place::empty().run(&["--help"]).await.exits(0).says("Exit codes");
    Place::empty().run(&["--version"]).await.exits(0);
}
