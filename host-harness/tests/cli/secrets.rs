//! Stored secrets: how they are put there, shown, sealed with another key, and what is told when the key is not there.

use std::fs::{self, Permissions};
use std::path::Path;

use host_harness::simulator::{ADMIN, ADMIN_CLIENT_SECRET, OFFICER_CLIENT_SECRET, Stream, TenantSettings};

use crate::support::{Webex, ended};

const STORE: &str = "webex-state/secrets.json";
const KEY: &str = "webex-state.key";
/// What `openssl rand -base64 32` might print.
const OTHER_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// Both users are signed in.
async fn signed_in() -> Webex {
    let webex = Webex::start().await;
    webex.backlog(5);
    webex.sign_in().await;
    webex
}

/// The settings, with a table about the key.
fn with_key(webex: &Webex, key: &str) {
    let before = webex.place.read("webex.toml");
    let before = before.split("[secrets]").next().unwrap();
    webex.place.write("webex.toml", &format!("{before}\n[secrets]\nkey = {key}\n"));
}

#[tokio::test]
async fn client_secrets_live_in_the_store_and_are_collected_with() {
    let webex = signed_in().await;
    let toml = webex.place.read("webex.toml");
    let stored = [ADMIN_CLIENT_SECRET, OFFICER_CLIENT_SECRET]
        .iter()
        .fold(toml, |toml, secret| toml.replace(&format!("\"{secret}\""), "{ store = true }"));
    webex.place.write("webex.toml", &stored);
    assert!(!stored.contains(ADMIN_CLIENT_SECRET));
    // Where they are not, that is told by name, with the command that puts them there.
    let ran = webex.place.run(&["collect"]).await.exits(2).says("webex.toml:4: `admin.client_secret`");
    assert!(ran.error().contains("`webex-collector secrets set admin_credentials`"), "{}", ran.error());
    webex.place.run(&["check"]).await.exits(2).says("secrets set admin_credentials");
    webex.tenant.expire_access(ADMIN);
    for (name, secret) in
        [("admin_credentials", ADMIN_CLIENT_SECRET), ("compliance_officer_credentials", OFFICER_CLIENT_SECRET)]
    {
        let ran = webex.place.run_with_input(&["-vv", "secrets", "set", name], &format!("{secret}\n")).await.exits(0);
        assert!(!format!("{}{}", ran.stdout, ran.stderr).contains(secret), "{ran:?}");
        assert!(!ran.stderr.contains("store = true"), "it is used already: {ran:?}");
    }
    webex.place.run(&["collect"]).await.exits(0);
    webex.delivered_is_exact();
    for file in [STORE, KEY, "webex.toml"] {
        assert!(!webex.place.read(file).contains(ADMIN_CLIENT_SECRET), "{file}");
    }
}

#[tokio::test]
async fn the_list_shows_names_ages_and_purposes_and_no_value() {
    let webex = signed_in().await;
    webex
        .place
        .run_with_input(&["secrets", "set", "admin_refresh_token"], "fake-refresh")
        .await
        .exits(0)
        .says("write `refresh_token = { store = true }` under [admin] in webex.toml");
    let ran = webex.place.run(&["-vv", "secrets", "list"]).await.exits(0);
    for want in ["admin_tokens", "store, not used", "Access and refresh token of the admin.", "s ago", "webex.toml:4"] {
        assert!(ran.stdout.contains(want), "{want}: {}", ran.stdout);
    }
    let json = webex.place.run(&["secrets", "list", "--json"]).await.exits(0).stdout;
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    let of = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    assert_eq!((&of("admin_tokens")["kept"], &of("admin_tokens")["used"]), (&"store".into(), &true.into()));
    assert!(of("admin_tokens")["age_ms"].as_i64().is_some_and(|age| (0..600_000).contains(&age)), "{json}");
    assert_eq!(of("admin_credentials")["kept"], "settings");
    assert_eq!(of("admin_refresh_token")["used"], false);
    let shown = format!("{}{}{json}", ran.stdout, ran.stderr);
    for secret in webex.place.secrets().values() {
        for word in secret.expose().split('"').filter(|word| word.len() >= 12 && !word.contains("://")) {
            assert!(!shown.contains(word), "a secret is shown");
        }
    }

    webex.place.run(&["secrets", "delete", "admin_token"]).await.exits(2).says("did you mean `admin_tokens`?");
    webex.place.run(&["secrets", "delete", "admin_tokens"]).await.exits(0);
    webex.place.run(&["secrets", "delete", "admin_refresh_token"]).await.exits(0);
    webex.place.run(&["collect"]).await.exits(4).says("cisco-webex-oauth-start");
}

#[tokio::test]
async fn a_value_is_read_from_standard_input_alone_and_only_for_names_that_a_person_sets() {
    let webex = Webex::start().await;
    let place = &webex.place;
    place.run(&["secrets", "set", "admin_credentials", "fake-secret"]).await.exits(2);
    place.run_with_input(&["secrets", "set", "admin_credentials"], " \n").await.exits(2).says("no value");
    place.run_with_input(&["secrets", "set", "admin_credentials"], "a\nb\n").await.exits(2).says("one line");
    place.run_with_input(&["secrets", "set", "admin_tokens"], "x").await.exits(2).says("written by the plugin alone");
    place
        .run_with_input(&["secrets", "set", "admin_credential"], "x")
        .await
        .exits(2)
        .says("did you mean `admin_credentials`?");
    assert!(!place.path(STORE).exists() && !place.path(KEY).exists());
}

#[tokio::test]
async fn a_key_is_changed_while_a_collection_goes_on() {
    let webex = Webex::with(TenantSettings::default(), "interval = \"1s\"").await;
    webex.backlog(5);
    webex.sign_in().await;
    let before = [STORE, KEY].map(|file| webex.place.read(file));
    let child = webex.place.command(&["collect", "--follow"]).spawn().unwrap();
    webex.stores().await;
    webex.place.run(&["secrets", "rekey"]).await.exits(0).says("are sealed with the key");
    assert!([STORE, KEY].iter().zip(&before).all(|(file, before)| webex.place.read(file) != *before));
    // The running one has to read and write its tokens.
    webex.tenant.expire_access(ADMIN);
    let now = webex.tenant.now_ms();
    webex.tenant.backlog(Stream::AdminAudits, 5, now - 20_000, now);
    let begin = std::time::Instant::now();
    while webex.arrived() < 20 {
        assert!(begin.elapsed() < std::time::Duration::from_secs(60), "the new events do not come");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    crate::support::interrupt(&child).await;
    ended(child).await.exits(0);
    webex.delivered_is_exact();
}

#[tokio::test]
async fn a_key_moves_into_a_variable_and_on_to_another_one() {
    let webex = signed_in().await;
    with_key(&webex, "{ env = \"WEBEX_TEST_KEY\" }");
    let with = async |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = webex.place.command(arguments);
        command.env_remove("WEBEX_TEST_KEY").envs(variables.iter().copied());
        ended(command.spawn().unwrap()).await
    };
    let new = ("WEBEX_TEST_KEY", OTHER_KEY);
    with(&["collect"], &[]).await.exits(2).says("WEBEX_TEST_KEY");
    with(&["collect"], &[new]).await.exits(2).says("secrets rekey --from");
    with(&["secrets", "rekey"], &[new]).await.exits(2).says("rekey --from env:OTHER");
    with(&["secrets", "rekey", "--from", KEY], &[new]).await.exits(2).says("file:PATH");
    let from = format!("file:{KEY}");
    with(&["secrets", "rekey", "--from", &from], &[new]).await.exits(0).says("delete it");
    fs::remove_file(webex.place.path(KEY)).unwrap();
    let newer = ("WEBEX_TEST_KEY", "/////////////////////////////////////////w8=");
    let old = ("WEBEX_OLD_KEY", OTHER_KEY);
    with(&["secrets", "rekey", "--from", "env:WEBEX_OLD_KEY"], &[newer, old]).await.exits(0);
    with(&["collect"], &[new]).await.exits(2).says("is sealed with the key");
    with(&["collect"], &[newer]).await.exits(0);
    webex.delivered_is_exact();
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_that_is_missing_wrong_or_open_to_others_is_one_error_before_any_work() {
    use std::os::unix::fs::PermissionsExt;
    let webex = signed_in().await;
    let key = webex.place.read(KEY);
    let path = webex.place.path(KEY);
    let is_refused = async |want: &str| {
        for command in [&["collect"][..], &["run", "cisco-webex-status"], &["secrets"], &["secrets", "rekey"]] {
            let ran = webex.place.run(command).await.exits(2);
            assert!(ran.error().contains(want) && ran.error().contains(KEY), "{command:?}: {}", ran.error());
        }
        let ran = webex.place.run(&["check"]).await.exits(2);
        let line = ran.stdout.lines().find(|line| line.starts_with("fail  secrets ")).unwrap();
        assert!(line.contains(want), "{line}");
        // What needs no secret goes on.
        webex.place.run(&["last-run"]).await.exits(0);
    };
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    is_refused("chmod 600 ").await;
    fs::remove_file(&path).unwrap();
    is_refused("put the key back").await;
    let close = |text: &str| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    };
    close("not a key\n");
    is_refused("32 random bytes in base64").await;
    close(OTHER_KEY);
    is_refused("is sealed with the key").await;
    close(&key);
    webex.place.run(&["check"]).await.exits(0).says("is sealed with the key");
}

#[tokio::test]
async fn a_plain_store_of_an_earlier_version_is_sealed_by_the_first_start() {
    let webex = signed_in().await;
    let kept = webex.place.secrets();
    let secrets: serde_json::Map<String, serde_json::Value> = kept
        .iter()
        .map(|(name, secret)| (name.clone(), serde_json::json!({"value": secret.expose(), "revision": "0"})))
        .collect();
    webex.place.write(STORE, &serde_json::json!({"format": 1, "secrets": secrets}).to_string());
    fs::remove_file(webex.place.path(KEY)).unwrap();
    webex.place.run(&["collect"]).await.exits(0);
    webex.delivered_is_exact();
    let text = webex.place.read(STORE);
    assert!(text.contains("\"format\": 2") && !text.contains("admin_tokens"), "{text}");
    assert_eq!(webex.place.secrets().keys().collect::<Vec<_>>(), kept.keys().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_key_inside_the_state_folder_and_settings_that_others_can_read_are_warned_of() {
    let webex = signed_in().await;
    with_key(&webex, &format!("{{ file = \"{KEY}\" }}"));
    webex.place.run(&["secrets", "rekey"]).await.exits(0);
    with_key(&webex, "{ file = \"webex-state/my.key\" }");
    webex.place.run(&["secrets", "rekey", "--from", &format!("file:{KEY}")]).await.exits(0);
    let ran = webex.place.run(&["check"]).await.exits(0).says("name a place outside of it as `secrets.key`");
    if cfg!(unix) {
        assert!(ran.stdout.contains("warn  settings file"), "{}", ran.stdout);
        assert!(ran.stdout.contains("chmod 600 webex.toml"), "{}", ran.stdout);
    }
}

/// As an account without rights, for what cannot be dumped belongs to root in `/proc`.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_running_program_leaves_no_core_and_lets_no_other_process_look_into_it() {
    use std::os::unix::fs::MetadataExt;
    use std::os::unix::process::ExitStatusExt;

    use crate::disk::Ordinary;
    let webex = Webex::with(TenantSettings::default(), "interval = \"1s\"").await;
    webex.sign_in().await;
    let ordinary = Ordinary::new(webex).await;
    let child = ordinary.command(&["collect", "--follow"]).spawn().unwrap();
    ordinary.webex.stores().await;
    let proc = Path::new("/proc").join(child.id().unwrap().to_string());
    let limits = fs::read_to_string(proc.join("limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "soft and hard: {core}");
    // Its memory in numbers can be read by whoever watches it; its memory, environment and files cannot.
    let status = fs::read_to_string(proc.join("status")).unwrap();
    let account = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap().split_whitespace().next().unwrap();
    assert_ne!(account, "0", "an account without rights: {status}");
    assert!(status.contains("VmHWM:"));
    for name in ["mem", "environ", "maps"] {
        assert_eq!(fs::metadata(proc.join(name)).unwrap().uid(), 0, "{name} belongs to the account {account}");
    }

    let killed = tokio::process::Command::new("kill").args(["-ABRT", &child.id().unwrap().to_string()]).status().await;
    assert!(killed.unwrap().success());
    let status = child.wait_with_output().await.unwrap().status;
    assert_eq!((status.signal(), status.core_dumped()), (Some(6), false));
}
