//! `webex.toml`, `init`, `check`.

use crate::support::{Place, Webex};

#[tokio::test]
async fn a_missing_file_says_how_to_write_one() {
    let ran = Place::empty().run(&["collect"]).await.exits(2);
    assert!(
        ran.error().contains("webex.toml does not exist; write one with `webex-collector init`"),
        "{}",
        ran.error()
    );
}

#[tokio::test]
async fn an_unknown_key_is_told_with_its_line_and_the_nearest_one() {
    let ran = Place::with("[collect]\nintervall = \"5s\"\n").run(&["collect"]).await.exits(2);
    assert_eq!(
        ran.error(),
        "error: webex.toml:2: `collect.intervall` is not a known key; did you mean `collect.interval`?"
    );
}

#[tokio::test]
async fn a_missing_client_id_is_told_with_its_table() {
    let ran = Place::with("[admin]\nclient_secret = \"x\"\n").run(&["collect"]).await.exits(2);
    assert!(ran.error().contains("webex.toml:1: [admin] needs `client_id`"), "{}", ran.error());
}

#[tokio::test]
async fn no_user_at_all_is_told() {
    let ran = Place::with("").run(&["collect"]).await.exits(2);
    assert!(ran.error().contains("`admin.client_id`"), "{}", ran.error());
}

#[tokio::test]
async fn a_setting_that_the_plugin_refuses_is_told_with_its_line() {
    let toml = "[admin]\nclient_id = \"C\"\nclient_secret = \"x\"\n[collect]\nmax_fetch = 0\n";
    for arguments in [&["collect"][..], &["last-run"], &["run", "cisco-webex-status"]] {
        let ran = Place::with(toml).run(arguments).await.exits(2);
        assert!(ran.error().starts_with("error: webex.toml:5: `collect.max_fetch`"), "{}", ran.error());
    }
}

#[tokio::test]
async fn plain_http_to_another_machine_is_refused_by_name() {
    let ran = Place::with("base_url = \"http://webexapis.com\"\n").run(&["check"]).await.exits(2);
    assert!(ran.error().contains("plain http is allowed on loopback only"), "{}", ran.error());
}

#[tokio::test]
async fn a_component_that_is_none_is_refused() {
    let place = Place::with("");
    place.write("x.wasm", "not wasm");
    let ran = place.run(&["--component", "x.wasm", "commands"]).await.exits(2);
    assert!(ran.error().contains("not a component"), "{}", ran.error());
    let ran = place.run(&["--component", "none.wasm", "commands"]).await.exits(2);
    assert!(ran.error().contains("none.wasm"), "{}", ran.error());
}

#[tokio::test]
async fn only_the_component_that_is_meant_is_loaded() {
    let place = Place::with("");
    place.run(&["inspect", "--component-sha256", "00"]).await.exits(2);
    std::fs::write(place.path("x.wasm"), host_harness::COMPONENT).unwrap();
    let ran = place.run(&["--json", "--component", "x.wasm", "inspect"]).await.exits(0);
    let sum = serde_json::from_str::<serde_json::Value>(&ran.stdout).unwrap()["sha256"].as_str().unwrap().to_owned();
    let with = ["--component", "x.wasm", "--component-sha256"];
    place.run(&[&with[..], &[&sum, "commands"]].concat()).await.exits(0);

    let mut other = host_harness::COMPONENT.to_vec();
    // A section that says nothing: another file, and as good a component.
    other.extend([0, 2, 1, b'x']);
    std::fs::write(place.path("x.wasm"), other).unwrap();
    place.run(&["--component", "x.wasm", "commands"]).await.exits(0);
    let ran = place.run(&[&with[..], &[&sum, "commands"]].concat()).await.exits(2);
    assert!(ran.error().contains("x.wasm") && ran.error().contains("was not loaded"), "{}", ran.error());
    let ran = place.run(&[&with[..], &["abc", "commands"]].concat()).await.exits(2);
    assert!(ran.error().contains("64 hexadecimal digits"), "{}", ran.error());
}

#[tokio::test]
async fn a_fresh_file_is_read_and_says_what_to_fill_in() {
    let place = Place::empty();
    place.run(&["init"]).await.exits(0);
    let ran = place.run(&["check"]).await.exits(2);
    // The first thing that a fresh file lacks: a variable or a value, with its line.
    assert!(ran.error().starts_with("error: webex.toml:"), "{}", ran.error());

    let filled = place.read("webex.toml").replace("client_id = \"\"", "client_id = \"C\"");
    let filled = filled.replace("{ env = \"WEBEX_ADMIN_CLIENT_SECRET\" }", "\"x\"");
    let filled = filled.replace("{ env = \"WEBEX_COMPLIANCE_OFFICER_CLIENT_SECRET\" }", "\"x\"");
    place.write("webex.toml", &filled);
    place.run(&["last-run"]).await.exits(0).says("nothing was collected yet");

    // Every line that shows a default is one.
    let shown: String = filled
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest)
                if rest.contains(" = ")
                    && !rest.contains("{ file")
                    && !rest.contains("{ env")
                    && !rest.starts_with(char::is_uppercase) =>
            {
                format!("{rest}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    place.write("webex.toml", &shown);
    place.run(&["last-run"]).await.exits(0);
}

#[tokio::test]
async fn init_does_not_replace_a_file_unless_told() {
    let place = Place::with("mine = 1\n");
    let ran = place.run(&["init"]).await.exits(2);
    assert!(ran.error().contains("init --force"), "{}", ran.error());
    assert_eq!(place.read("webex.toml"), "mine = 1\n");
    place.run(&["init", "--force"]).await.exits(0);
    assert!(place.read("webex.toml").contains("[admin]"));
}

#[tokio::test]
async fn init_fills_in_what_its_options_say_and_names_the_next_commands() {
    let place = Place::empty();
    let arguments = [
        "init",
        "--user",
        "admin",
        "--set",
        "admin.client_id=C",
        "--set",
        "admin.client_secret=file:admin.secret",
        "--set",
        "privacy.message_text=drop",
        "--sink",
        "events.ndjson",
    ];
    let ran = place.run(&arguments).await.exits(0);
    assert!(ran.stderr.contains("`webex-collector login admin`, then `webex-collector check`"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("compliance_officer"), "{}", ran.stderr);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let rights = std::fs::metadata(place.path("webex.toml")).unwrap().permissions();
        assert_eq!(rights.mode() & 0o777, 0o600);
    }
    let missing = place.run(&["last-run"]).await.exits(2);
    assert!(missing.error().contains("admin.secret"), "{}", missing.error());
    place.write("admin.secret", "x");
    #[cfg(unix)]
    std::fs::set_permissions(place.path("admin.secret"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    place.run(&["last-run"]).await.exits(0);

    for (wrong, want) in [
        (&["--set", "admin.client_idd=C"][..], "did you mean `admin.client_id`?"),
        (&["--set", "admin.client_secret=fake-secret"], "`env:NAME`"),
        (&["--user", "root"], "there is no user `root`"),
        (&["--set", "admin.client_id"], "KEY=VALUE"),
    ] {
        let ran = Place::empty().run(&[&["init"], wrong].concat()).await.exits(2);
        assert!(ran.error().contains(want) && !ran.stderr.contains("fake-secret"), "{}", ran.error());
    }
}

#[tokio::test]
async fn check_says_who_has_to_sign_in_and_is_content_afterwards() {
    let webex = Webex::start().await;
    webex.place.run(&["check"]).await.exits(3).says("cisco-webex-oauth-start");
    webex.sign_in().await;
    let ran = webex.place.run(&["check"]).await.exits(0);
    assert!(ran.stdout.lines().all(|line| line.starts_with("ok") || line.starts_with("warn")), "{}", ran.stdout);
    let findings: serde_json::Value =
        serde_json::from_str(&webex.place.run(&["check", "--json"]).await.stdout).unwrap();
    assert!(findings.as_array().is_some_and(|findings| findings.len() > 3), "{findings}");
}

#[tokio::test]
async fn secrets_and_state_are_closed_to_other_accounts() {
    use std::os::unix::fs::PermissionsExt;
    let webex = Webex::start().await;
    webex.sign_in().await;
    webex.place.run(&["collect"]).await.exits(0);
    let mode = |name: &str| std::fs::metadata(webex.place.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("webex-state"), 0o700);
    for file in ["webex-state.key", "webex-state/secrets.json", "webex-state/last-run/head.json", "events.ndjson"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}
