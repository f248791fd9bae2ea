//! What programs read: lines of the log, errors and results as JSON, scripts for shells.

use host_harness::simulator::{Endpoint, Fault, ScriptedFault};
use serde_json::Value;

use crate::support::{Place, Ran, Webex, ended, interrupt};

/// Each line of standard error, which is an object with what every line of the log has.
#[track_caller]
fn lines(ran: &Ran) -> Vec<Value> {
    let lines: Vec<Value> = ran
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    for line in &lines {
        let text = |name: &str| line[name].as_str().unwrap_or_else(|| panic!("no `{name}` in {line}"));
        let time = text("time");
        assert!(time.len() == "2026-01-31T10:00:00.000Z".len() && time.ends_with('Z'), "{time}");
        assert!(["debug", "info", "warn", "error"].contains(&text("level")), "{line}");
        assert!(!text("code").is_empty() && !text("text").is_empty(), "{line}");
    }
    lines
}

fn of<'a>(lines: &'a [Value], code: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["code"] == code).collect()
}

#[tokio::test]
async fn what_goes_on_for_ever_says_everything_in_lines_of_json_where_it_has_no_terminal() {
    let webex = Webex::with(host_harness::simulator::TenantSettings::default(), "interval = \"1s\"").await;
    webex.backlog(10);
    webex.sign_in().await;
    webex.tenant.script(ScriptedFault::on(Endpoint::Events, Fault::Status(500)).times(2));
    let child = webex.place.command(&["collect", "--follow", "--log-format", "auto"]).spawn().unwrap();
    while webex.arrived() < 30 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    webex.stores().await;
    interrupt(&child).await;
    let ran = ended(child).await.exits(0);
    let lines = lines(&ran);
    let rounds = of(&lines, "round");
    assert!(rounds.iter().any(|line| line["fields"]["stream"] == "events"), "{}", ran.stderr);
    assert!(rounds.iter().all(|line| line["level"] == "info" && !line["text"].as_str().unwrap().contains("  ")));
    let failed = lines.iter().find(|line| line["text"].as_str().is_some_and(|text| text.contains("500"))).unwrap();
    assert_eq!((&failed["level"], &failed["fields"]["stream"]), (&"warn".into(), &"events".into()), "{failed}");
    for code in ["stopping", "end"] {
        assert_eq!(of(&lines, code).len(), 1, "{code}: {}", ran.stderr);
    }
}

#[tokio::test]
async fn reports_beside_events_are_lines_of_the_log_too() {
    let webex = Webex::start().await;
    webex.backlog(10);
    webex.sign_in().await;
    let toml = webex.place.read("webex.toml").replace("events.ndjson", "-");
    webex.place.write("webex.toml", &toml);
    let ran = webex.place.run(&["collect", "--json", "--log-format", "json"]).await.exits(0);
    assert_eq!(ran.stdout.lines().count(), 30);
    let lines = lines(&ran);
    let [run] = of(&lines, "run")[..] else { panic!("one report, not: {}", ran.stderr) };
    assert_eq!((&run["what"], &run["delivered"], &run["end"]), (&"run".into(), &30.into(), &"idle".into()));
}

#[tokio::test]
async fn the_form_of_lines_can_be_chosen() {
    let follow = ["collect", "--follow", "--log-format"];
    let ran = Place::empty().run(&[&follow[..], &["text"]].concat()).await.exits(2);
    assert!(ran.error().contains("webex-collector init"), "{}", ran.error());
    let ran = Place::empty().run(&["check", "--log-format", "json"]).await.exits(2);
    assert_eq!(of(&lines(&ran), "configuration").len(), 1, "{}", ran.stderr);
    Place::empty().run(&["check", "--log-format", "yaml"]).await.exits(2).says("auto, text, json");
}

#[tokio::test]
async fn with_json_the_error_that_ends_the_program_is_an_object() {
    for (arguments, code) in [
        (&["collect", "--json"][..], "configuration"),
        (&["commands", "no-such", "--json"], "usage"),
        (&["colect", "--json"], "usage"),
    ] {
        let ran = Place::empty().run(arguments).await.exits(2);
        let error: Value = serde_json::from_str(&ran.stderr).unwrap_or_else(|_| panic!("{}", ran.stderr));
        let error = &error["error"];
        assert_eq!((&error["code"], &error["exit"]), (&code.into(), &2.into()), "{error}");
        for member in ["message", "remedy"] {
            assert!(error[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {error}");
        }
    }
    // As a line of the log, where lines are JSON.
    let ran = Place::empty().run(&["collect", "--follow", "--log-format", "auto"]).await.exits(2);
    let lines = lines(&ran);
    let [error] = of(&lines, "configuration")[..] else { panic!("one error, not: {}", ran.stderr) };
    assert_eq!((&error["level"], &error["error"]["exit"]), (&"error".into(), &2.into()), "{error}");
}

#[tokio::test]
async fn what_a_command_did_is_a_result_as_json() {
    let webex = Webex::start().await;
    let object = |ran: Ran| -> Value { serde_json::from_str(&ran.stdout).unwrap() };
    let ran = webex.place.run_with_input(&["secrets", "set", "admin_refresh_token", "--json"], "fake-token").await;
    assert_eq!(object(ran.exits(0))["set"], "admin_refresh_token");
    let ran = webex.place.run(&["secrets", "rekey", "--json"]).await.exits(0);
    assert_eq!(object(ran)["secrets"], 1);
    let ran = webex.place.run(&["secrets", "delete", "admin_refresh_token", "--json"]).await.exits(0);
    assert_eq!(object(ran)["deleted"], "admin_refresh_token");
    let ran = Place::empty().run(&["init", "--json"]).await.exits(0);
    assert_eq!(object(ran)["written"], "webex.toml");
}

#[tokio::test]
async fn a_shell_gets_a_script_that_knows_the_plugins_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = Place::empty().run(&["completions", shell]).await.exits(0);
        assert!(ran.stdout.contains("deadletter") && ran.stdout.contains("log-format"), "{shell}");
        if ["bash", "zsh"].contains(&shell) {
            assert!(ran.stdout.contains("cisco-webex-status"), "{shell}");
        }
    }
    Place::empty().run(&["completions", "tcsh"]).await.exits(2).says("bash");
}

#[tokio::test]
async fn where_there_is_no_terminal_nothing_is_coloured_and_markdown_stays() {
    let webex = Webex::start().await;
    webex.sign_in().await;
    for arguments in [&["check"][..], &["run", "cisco-webex-status"], &["--help"], &["inspect"], &["nonsense"]] {
        let ran = webex.place.run(arguments).await;
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains('\u{1b}'), "{arguments:?}: {ran:?}");
    }
    webex.place.run(&["run", "cisco-webex-status"]).await.exits(0).says("| --- |");
}
