//! What is typed or stored wrongly: one line on standard error that says what, where, and what to do; the right exit code;
//! no backtrace; nothing lost.

use host_harness::simulator::{ADMIN, TenantSettings};

use crate::program::{Place, Ran};

/// One line with all of these in it.
#[track_caller]
fn check(ran: &Ran, code: i32, parts: &[&str]) {
    assert_eq!(ran.code, Some(code), "{}", ran.stderr);
    let line = ran.line();
    for part in parts {
        assert!(line.contains(part), "{part} in: {line}");
    }
    assert_eq!(ran.stdout, "", "{line}");
}

#[tokio::test]
async fn a_settings_file_that_cannot_be_used_is_told_with_file_line_and_key() {
    let place = Place::start(TenantSettings::default()).await;
    let whole = place.read("webex.toml");
    let line_of = |toml: &str, text: &str| {
        let line = toml.lines().position(|line| line.starts_with(text)).unwrap() + 1;
        format!("webex.toml:{line}: ")
    };
    for (from, to, at, parts) in [
        ("lag = ", "lagg = ", "lagg", &["`collect.lagg` is not a known key", "did you mean `collect.lag`?"][..]),
        ("base_url = ", "base_ulr = ", "base_ulr", &["`base_ulr`", "`base_url`"]),
        ("[collect]", "[colect]", "[colect]", &["`colect`", "did you mean `collect`?"]),
        ("client_id = \"simulated-audit-client\"\n", "", "[admin]", &["[admin] needs `client_id`", "fill it in"]),
        (
            "first_fetch = \"1 day\"",
            "first_fetch = \"soon\"",
            "first_fetch",
            &["`collect.first_fetch`", "10m or 7 days"],
        ),
        (
            "security_audits = true",
            "security_audits = \"maybe\"",
            "security_audits",
            &["`collect.security_audits`", "true or false"],
        ),
        ("lag = \"0s\"", "lag = 5", "lag", &["`collect.lag`", "not"]),
        (
            "client_secret = ",
            "client_secret = { env = \"WEBEX_TEST_UNSET\" } # ",
            "client_secret",
            &["WEBEX_TEST_UNSET", "not set"],
        ),
        ("client_secret = ", "client_secret = { file = \"none\" } # ", "client_secret", &["none", "cannot read"]),
        (
            "base_url = \"http://127.0.0.1",
            "base_url = \"http://192.0.2.1",
            "base_url",
            &["`base_url`", "loopback", "https"],
        ),
        ("type = \"ndjson\"", "type = \"sylog\"", "type", &["no sink of this type", "did you mean `syslog`?"]),
        ("[[sink]]", "[[sink", "[[sink", &["not TOML"]),
    ] {
        assert!(whole.contains(from), "{from}");
        let toml = whole.replacen(from, to, 1);
        place.write("webex.toml", &toml);
        let ran = place.run(&["collect"]).await;
        check(&ran, 2, &[&line_of(&toml, at)]);
        check(&ran, 2, parts);
    }
    let stored = place.files("webex-state").into_iter().filter(|(path, _)| !path.ends_with("collector.lock"));
    assert_eq!(stored.count(), 0, "nothing was stored");
    assert_eq!(place.webex.requests(), []);
}

#[tokio::test]
async fn a_settings_file_that_is_not_there_says_how_to_write_one() {
    let place = Place::start(TenantSettings::default()).await;
    std::fs::remove_file(place.path("webex.toml")).unwrap();
    check(&place.run(&["collect"]).await, 2, &["webex.toml", "webex-collector init"]);
    check(&place.run(&["--config", "other.toml", "collect"]).await, 2, &["other.toml"]);
}

#[tokio::test]
async fn a_word_that_the_program_does_not_know_is_told_in_one_line() {
    let place = Place::start(TenantSettings::default()).await;
    check(&place.run(&["colect"]).await, 2, &["colect", "collect"]);
    check(&place.run(&["collect", "--folow"]).await, 2, &["--folow", "--follow"]);
    check(&place.run(&["run"]).await, 2, &["NAME"]);
}

#[tokio::test]
async fn an_unknown_command_argument_or_value_of_the_plugin_is_told_by_name() {
    let place = Place::start(TenantSettings::default()).await;
    for (arguments, parts) in [
        (&["cisco-webex-oauth-strat"][..], &["cisco-webex-oauth-strat", "did you mean `cisco-webex-oauth-start`?"][..]),
        (&["cisco-webex-oauth-start", "usr=admin"], &["`usr`", "did you mean `user`?"]),
        (&["cisco-webex-oauth-start", "user=root"], &["`user`", "admin or compliance_officer"]),
        (
            &["cisco-webex-get-admin-audit-events", "since_datetime=31.1.2026"],
            &["`since_datetime`", "2026-01-31T10:00:00Z"],
        ),
        (&["cisco-webex-get-admin-audit-events", "limit=many"], &["`limit`", "1 to 10000"]),
        (&["cisco-webex-oauth-start", "admin"], &["NAME=VALUE"]),
    ] {
        let ran = place.run(&[&["run"], arguments].concat()).await;
        check(&ran, 2, parts);
    }
    check(&place.run(&["last-run", "reset", "--since", "31.1.2026"]).await, 2, &["31.1.2026", "2026-01-31T10:00:00Z"]);
    check(&place.run(&["last-run", "import", "none.json"]).await, 2, &["none.json"]);
    assert_eq!(place.webex.requests(), []);
}

#[tokio::test]
async fn a_state_that_cannot_be_read_is_told_with_a_way_on_and_nothing_is_lost() {
    let place = Place::start(TenantSettings::default()).await;
    place.backlog(20);
    place.run(&["collect"]).await.exits(0);
    let lines = place.lines();
    let toml = place.read("webex.toml");
    let (folder, head) = ("webex-state/last-run", "webex-state/last-run/head.json");
    let whole = place.read(head);

    let other_org = toml.replace(&place.webex.org_id(), "b3RoZXI");
    let cases: [(&str, &str, &str, &[&str]); 5] = [
        (&whole[..whole.len() / 2], &toml, head, &["damaged", "webex-collector last-run"]),
        (&whole.replacen("frontier", "Frontier", 1), &toml, head, &["damaged", "checksum", "webex-collector last-run"]),
        ("", &toml, head, &["damaged", "webex-collector last-run"]),
        ("{\"format\":99,\"anything\":1}", &toml, head, &["form 99", "newer program"]),
        (&whole, &other_org, "organization", &["foreign-last-run", "put the setting back"]),
    ];
    for (stored, toml, place_named, parts) in cases {
        place.write(head, stored);
        place.write("webex.toml", toml);
        let before = place.files(folder);
        let ran = place.run(&["collect"]).await;
        check(&ran, 1, &[place_named]);
        check(&ran, 1, parts);
        assert_eq!(place.files(folder), before, "it is left as it is");
    }
    place.write(head, "");
    check(&place.run(&["last-run"]).await, 1, &["damaged"]);
    check(&place.run(&["last-run", "reset", "--since", "2026-01-31"]).await, 1, &["damaged"]);
    // Unreadable for the system, not only for us.
    std::fs::remove_file(place.path(head)).unwrap();
    std::fs::create_dir(place.path(head)).unwrap();
    check(&place.run(&["collect"]).await, 1, &["head.json"]);
    std::fs::remove_dir(place.path(head)).unwrap();

    place.write(head, &whole);
    place.write("webex.toml", &toml);
    place.run(&["collect"]).await.exits(0);
    assert_eq!(place.lines(), lines, "with the state back it goes on as if nothing had been");
}

#[tokio::test]
async fn a_wrong_state_or_a_code_used_twice_is_told_and_the_tokens_stay() {
    let place = Place::without_sign_in(TenantSettings::default()).await;
    let complete = ["run", "cisco-webex-oauth-complete", "user=admin", "code=-"];
    let redirected = place.agree("admin", ADMIN).await;

    let forged = place.run_with_input(&complete, &redirected.replace("state=", "state=x")).await;
    check(&forged, 2, &["state", "cisco-webex-oauth-start"]);
    place.run_with_input(&complete, &redirected).await.exits(0);
    let kept = place.read("webex-state/secrets.json");

    let again = place.run_with_input(&complete, &redirected).await;
    assert!(matches!(again.code, Some(2 | 3)), "{again:?}");
    assert!(again.line().contains("cisco-webex-oauth-start"), "{}", again.line());
    let code = redirected.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")).unwrap();
    let again = place.run_with_input(&complete, code).await;
    check(&again, 3, &["code", "cisco-webex-oauth-start"]);
    assert!(!again.stderr.contains(code), "the code is not repeated");
    assert_eq!(place.read("webex-state/secrets.json"), kept, "the tokens stay");
}
