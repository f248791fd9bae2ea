//! Disks that are full, folders and files that must not be written or read: the run ends with one sentence and the exit code
//! for it, what was delivered before stays, and a run after the repair makes up for the rest.
//!
//! A full disk is a limit on the size of files, which anybody may set. What the system forbids it does not forbid to root, so
//! root's tests run the program as an account without rights.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use host_harness::simulator::{ADMIN, OFFICER, Stream, TenantSettings};
use tokio::process::Command;

use crate::support::{Ran, Webex, ended, interrupt};

/// Events in each stream.
const BACKLOG: usize = 60;
/// An account that owns nothing: `nobody` on most systems.
const NOBODY: u32 = 65_534;
const STATE: &str = "webex-state";
const KEY: &str = "webex-state.key";

async fn signed_in() -> Webex {
    let webex = Webex::start().await;
    webex.backlog(BACKLOG);
    webex.sign_in().await;
    webex
}

/// Some events are delivered and recorded, and there are new ones.
async fn in_use() -> Webex {
    let webex = signed_in().await;
    webex.place.run(&["collect"]).await.exits(0);
    happen(&webex);
    webex
}

/// New events in each stream.
fn happen(webex: &Webex) {
    let now = webex.tenant.now_ms();
    Stream::ALL.into_iter().for_each(|stream| webex.tenant.backlog(stream, BACKLOG, now - 30_000, now));
}

/// After the repair: everything arrives, once.
async fn check_repaired(webex: &Webex, before: &str) {
    let ran = webex.place.run(&["collect"]).await.exits(0);
    assert!(webex.place.read("events.ndjson").starts_with(before), "what stood there stands there: {ran:?}");
    webex.delivered_is_exact();
}

async fn run(mut command: Command) -> Ran {
    ended(command.spawn().unwrap()).await
}

#[tokio::test]
async fn a_disk_that_is_full_for_the_sink_exits_5_and_keeps_whole_batches() {
    let webex = Webex::with(TenantSettings::default(), "max_fetch = 200").await;
    webex.backlog(1_000);
    webex.sign_in().await;
    // A file may have 1 MiB, by the larger idea of a block 2 MiB: more than what the engine makes of the plugin in memory,
    // which counts as a file, and less than the events.
    let program = env!("CARGO_BIN_EXE_webex-collector");
    let limited = format!("ulimit -f 2048; exec '{program}' collect");
    let ran = run(webex.place.command_of(Path::new("sh"), &["-c", &limited])).await.exits(5);
    assert!(ran.error().contains("events.ndjson") && ran.error().contains("free the disk"), "{}", ran.error());
    assert!(ran.error().contains("too large"), "the system's own reason: {}", ran.error());
    let before = webex.place.read("events.ndjson");
    let lines = before.lines().count();
    assert!(
        before.ends_with('\n') && (1..3_000).contains(&lines),
        "the batches before it, {lines} whole lines: {ran:?}"
    );
    check_repaired(&webex, &before).await;
}

/// The limit comes while it runs: all files of the state are smaller than what the engine needs at its start.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_disk_that_is_full_for_the_state_exits_1_before_anything_is_delivered_that_cannot_be_recorded() {
    let webex = Webex::with(TenantSettings::default(), "interval = \"1s\"").await;
    webex.backlog(BACKLOG);
    webex.sign_in().await;
    let child = webex.place.command(&["collect", "--follow"]).spawn().unwrap();
    webex.stores().await;
    let pid = child.id().unwrap().to_string();
    let limit = Command::new("prlimit").args(["--pid", &pid, "--fsize=100"]).status().await;
    assert!(limit.expect("prlimit, of util-linux").success());
    happen(&webex);
    let ran = ended(child).await.exits(1);
    assert!(ran.error().contains("last-run") && ran.error().contains("too large"), "{}", ran.error());
    let left = std::fs::read_dir(webex.place.path("webex-state/last-run")).unwrap().flatten();
    assert!(left.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(".staged")));
    check_repaired(&webex, &webex.place.read("events.ndjson")).await;
}

#[tokio::test]
async fn a_batch_that_could_not_be_recorded_is_not_written_again() {
    let webex = in_use().await;
    // The copy of the last-run cannot be written, after the batch is delivered.
    let previous = webex.place.path("webex-state/last-run/head.previous.json");
    let _ = fs::remove_file(&previous);
    fs::create_dir_all(previous.join("x")).unwrap();
    let ran = webex.place.run(&["collect"]).await.exits(1);
    assert!(ran.error().contains("head.previous.json"), "{}", ran.error());
    let before = webex.place.read("events.ndjson");
    webex.delivered_is_exact();

    fs::remove_dir_all(&previous).unwrap();
    happen(&webex);
    let ran = webex.place.run(&["collect"]).await.exits(0);
    let said: Vec<&str> = ran.stderr.lines().filter(|line| line.contains("not recorded")).collect();
    let sentence = format!(
        "{} events in events.ndjson are of a batch that was not recorded, and are not written again",
        3 * BACKLOG
    );
    assert_eq!(said, [sentence]);
    assert!(webex.place.read("events.ndjson").starts_with(&before));
    webex.delivered_is_exact();
    let ran = webex.place.run(&["collect"]).await.exits(0);
    assert!(!ran.stderr.contains("not recorded"), "told once: {}", ran.stderr);
}

#[tokio::test]
async fn a_file_in_place_of_a_folder_is_named() {
    let webex = in_use().await;
    let before = webex.place.read("events.ndjson");
    for name in [STATE, "webex-state/last-run", "webex-state/last-run/parts"] {
        let (folder, aside) = (webex.place.path(name), webex.place.path("aside"));
        fs::rename(&folder, &aside).unwrap();
        fs::write(&folder, "").unwrap();
        let ran = webex.place.run(&["collect"]).await.exits(1);
        assert!(ran.error().contains(name), "{name}: {}", ran.error());
        fs::remove_file(&folder).unwrap();
        fs::rename(&aside, &folder).unwrap();
    }
    assert_eq!(webex.place.read("events.ndjson"), before);
    check_repaired(&webex, &before).await;
}

#[tokio::test]
async fn a_sink_that_is_a_folder_or_stands_in_none_exits_5() {
    let webex = signed_in().await;
    let toml = webex.place.read("webex.toml");
    for path in [STATE, "none/events.ndjson", "webex.toml/events.ndjson"] {
        webex.place.write("webex.toml", &toml.replace("events.ndjson", path));
        let ran = webex.place.run(&["collect"]).await.exits(5);
        assert!(ran.error().contains(path), "{}", ran.error());
    }
    webex.place.write("webex.toml", &toml);
    check_repaired(&webex, "").await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_file_system_where_nothing_can_be_made_is_named() {
    let webex = signed_in().await;
    let toml = webex.place.read("webex.toml");
    // Nobody can make a folder or a file there, not even root.
    webex.place.write("webex.toml", &format!("state_dir = \"/proc/webex-state\"\n{toml}"));
    let ran = webex.place.run(&["collect"]).await.exits(1);
    assert!(ran.error().contains("/proc/webex-state"), "{}", ran.error());
    webex.place.write("webex.toml", &toml.replace("events.ndjson", "/proc/events.ndjson"));
    let ran = webex.place.run(&["collect"]).await.exits(5);
    assert!(ran.error().contains("/proc/events.ndjson"), "{}", ran.error());
    webex.place.write("webex.toml", &toml);
    check_repaired(&webex, "").await;
}

/// The store of secrets may be there again in a moment, so the run waits for it: it is ended once it has told of the file.
async fn told(webex: &Webex, mut command: Command, file: &str) {
    let said = webex.place.path("said");
    let child = command.stderr(fs::File::create(&said).unwrap()).spawn().unwrap();
    let begin = Instant::now();
    let text = loop {
        let text = fs::read_to_string(&said).unwrap();
        if text.matches("[secrets-unavailable] stream=").count() == 3 {
            break text;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing is told: {text}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(text.contains(file), "{text}");
    interrupt(&child).await;
    ended(child).await.exits(1);
}

#[tokio::test]
async fn tokens_that_cannot_be_stored_are_not_asked_for_and_the_next_run_refreshes() {
    let webex = in_use().await;
    let before = webex.place.read("events.ndjson");
    for account in [ADMIN, OFFICER] {
        webex.tenant.expire_access(account);
    }
    let lock = webex.place.path("webex-state/secrets.lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let asked = webex.tenant.requests().iter().filter(|request| request.grant_type.is_some()).count();
    told(&webex, webex.place.command(&["collect"]), "secrets.lock").await;
    let now = webex.tenant.requests().iter().filter(|request| request.grant_type.is_some()).count();
    assert_eq!(now, asked, "a refresh token that may be used up is not lost");
    fs::remove_dir(&lock).unwrap();
    check_repaired(&webex, &before).await;
}

/// The program as an account that the system forbids something: this one, or `nobody` where this one is root.
pub(crate) struct Ordinary {
    pub(crate) webex: Webex,
    program: PathBuf,
    is_root: bool,
}

impl Ordinary {
    pub(crate) async fn new(webex: Webex) -> Self {
        let folder = webex.place.path("");
        let is_root = fs::metadata(&folder).unwrap().uid() == 0;
        let mut program = PathBuf::from(env!("CARGO_BIN_EXE_webex-collector"));
        if is_root {
            // Where it was built the account may not be able to look.
            let own = webex.place.path("webex-collector");
            fs::hard_link(&program, &own).or_else(|_| fs::copy(&program, &own).map(drop)).unwrap();
            program = own;
            let owner = format!("{NOBODY}:{NOBODY}");
            // Not the program, which may be the very file that was built.
            for name in ["", STATE, KEY, "events.ndjson", "webex.toml"] {
                let path = webex.place.path(name);
                if path.exists() {
                    let recursive = if name == STATE { "-R" } else { "-h" };
                    let changed = Command::new("chown").args([recursive, &owner]).arg(path).status().await.unwrap();
                    assert!(changed.success());
                }
            }
        }
        Self { webex, program, is_root }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.webex.place.command_of(&self.program, arguments);
        if self.is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    async fn collect(&self) -> Ran {
        run(self.command(&["collect"])).await
    }

    fn allow(&self, name: &str, mode: u32) {
        fs::set_permissions(self.webex.place.path(name), Permissions::from_mode(mode)).unwrap();
    }
}

#[tokio::test]
async fn a_state_without_the_right_to_it_exits_1_and_is_named() {
    let ordinary = Ordinary::new(in_use().await).await;
    let before = ordinary.webex.place.read("events.ndjson");
    for (name, forbidden, allowed) in [
        (STATE, 0o000, 0o700),
        ("webex-state/last-run", 0o500, 0o700),
        ("webex-state/last-run", 0o000, 0o700),
        ("webex-state/last-run/head.json", 0o000, 0o600),
        ("webex-state/collector.lock", 0o400, 0o600),
    ] {
        ordinary.allow(name, forbidden);
        let ran = ordinary.collect().await.exits(1);
        ordinary.allow(name, allowed);
        assert!(ran.error().contains(name) && ran.error().contains("denied"), "{name} {forbidden:o}: {}", ran.error());
    }
    assert_eq!(ordinary.webex.place.read("events.ndjson"), before, "nothing is delivered that cannot be recorded");
    ordinary.collect().await.exits(0);
    ordinary.webex.delivered_is_exact();
}

#[tokio::test]
async fn a_read_only_state_folder_exits_1_and_is_named() {
    let ordinary = Ordinary::new(signed_in().await).await;
    ordinary.allow(STATE, 0o500);
    let ran = ordinary.collect().await.exits(1);
    assert!(ran.error().contains(STATE) && ran.error().contains("denied"), "{}", ran.error());
    ordinary.allow(STATE, 0o700);
    ordinary.collect().await.exits(0);
    ordinary.webex.delivered_is_exact();
}

#[tokio::test]
async fn a_sink_without_the_right_to_it_exits_5_and_is_named() {
    let ordinary = Ordinary::new(in_use().await).await;
    ordinary.allow("events.ndjson", 0o400);
    let ran = ordinary.collect().await.exits(5);
    assert!(ran.error().contains("events.ndjson") && ran.error().contains("denied"), "{}", ran.error());
    ordinary.allow("events.ndjson", 0o600);
    ordinary.collect().await.exits(0);
    ordinary.webex.delivered_is_exact();
}

#[tokio::test]
async fn secrets_without_the_right_to_them_are_told_and_lose_nothing() {
    let ordinary = Ordinary::new(in_use().await).await;
    for name in ["webex-state/secrets.json", KEY] {
        ordinary.allow(name, 0o000);
        let ran = ordinary.collect().await.exits(1);
        ordinary.allow(name, 0o600);
        assert!(ran.error().contains(name) && ran.error().contains("denied"), "{name}: {}", ran.error());
    }
    ordinary.collect().await.exits(0);
    ordinary.webex.delivered_is_exact();
}
