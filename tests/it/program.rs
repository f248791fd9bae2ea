//! The program `webex-collector`, run in a folder of its own against a simulated tenant.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use host_harness::config::Config;
use host_harness::secrets::SealedFile;
use host_harness::simulator::{
    ADMIN, ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET, OFFICER, OFFICER_CLIENT_ID, OFFICER_CLIENT_SECRET, REDIRECT_URI,
    SimulatedTenant, Stream, TenantSettings, canary_of_run,
};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::simulated::{ADMIN_SCOPES, Difference, OFFICER_SCOPES, difference};

/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(180);

/// The program of this build. Cargo builds it with the tests of the whole workspace; where only this package is tested it
/// may be missing or older than its sources, and is built here.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        // <target>/<profile>/deps/it-…
        let profile = test.parent().and_then(Path::parent).unwrap();
        let program = profile.join(format!("webex-collector{}", std::env::consts::EXE_SUFFIX));
        if !is_fresh(&program) {
            let release = profile.file_name().is_some_and(|name| name == "release");
            let status = std::process::Command::new(env!("CARGO"))
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .args(["build", "--package", "webex-collector", "--profile", if release { "release" } else { "dev" }])
                .arg("--target-dir")
                .arg(profile.parent().unwrap())
                .status()
                .unwrap();
            assert!(status.success(), "the program does not build");
        }
        program
    })
}

/// Whether it is there, and no older than anything it is made of.
fn is_fresh(program: &Path) -> bool {
    let Ok(built) = program.metadata().and_then(|metadata| metadata.modified()) else { return false };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let parts = ["src", "wit", "host-harness/src", "Cargo.toml", "host-harness/Cargo.toml", "host-harness/build.rs"];
    parts.iter().all(|part| newest(&root.join(part)) <= built)
}

/// When something at or below a path was changed last.
fn newest(path: &Path) -> SystemTime {
    let own = path.metadata().unwrap().modified().unwrap();
    let below = path.read_dir().into_iter().flatten().map(|entry| newest(&entry.unwrap().path()));
    below.fold(own, SystemTime::max)
}

/// What one run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        let shown: String = self.stdout.chars().take(2_000).collect();
        assert_eq!(self.code, Some(code), "stdout: {shown}\nstderr: {}", self.stderr);
        self
    }

    /// The one line on standard error, which says everything.
    #[track_caller]
    pub(crate) fn line(&self) -> &str {
        let lines: Vec<&str> = self.stderr.lines().collect();
        let [line] = lines.as_slice() else { panic!("one line, not: {}", self.stderr) };
        assert!(line.starts_with("error: "), "{line}");
        for word in ["backtrace", "panicked", "RUST_BACKTRACE"] {
            assert!(!line.contains(word), "{line}");
        }
        line
    }
}

/// A folder with a `webex.toml` for a simulated tenant; the sink is `events.ndjson`.
pub(crate) struct Place {
    pub(crate) webex: SimulatedTenant,
    folder: TempDir,
}

impl Place {
    /// Both users are signed in, by the refresh tokens of Service Apps.
    pub(crate) async fn start(settings: TenantSettings) -> Self {
        let place = Self::without_sign_in(settings).await;
        let token = |client, account, scopes| place.webex.grant(client, account, scopes).refresh_token.unwrap();
        let admin = token(ADMIN_CLIENT_ID, ADMIN, ADMIN_SCOPES);
        let officer = token(OFFICER_CLIENT_ID, OFFICER, OFFICER_SCOPES);
        let toml = place
            .read("webex.toml")
            .replace("[admin]\n", &format!("[admin]\nrefresh_token = \"{admin}\"\n"))
            .replace("[compliance_officer]\n", &format!("[compliance_officer]\nrefresh_token = \"{officer}\"\n"));
        place.write("webex.toml", &toml);
        place
    }

    /// Nobody is signed in.
    pub(crate) async fn without_sign_in(settings: TenantSettings) -> Self {
        let webex = SimulatedTenant::start(settings).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let toml = format!(
            "base_url = \"{}\"\n\
             [admin]\nclient_id = \"{ADMIN_CLIENT_ID}\"\nclient_secret = \"{ADMIN_CLIENT_SECRET}\"\n\
             redirect_uri = \"{REDIRECT_URI}\"\norg_id = \"{}\"\nscopes = \"{ADMIN_SCOPES}\"\n\
             [compliance_officer]\nclient_id = \"{OFFICER_CLIENT_ID}\"\nclient_secret = \"{OFFICER_CLIENT_SECRET}\"\n\
             redirect_uri = \"{REDIRECT_URI}\"\n\
             [collect]\nsecurity_audits = true\nlag = \"0s\"\nfirst_fetch = \"1 day\"\n\
             [[sink]]\ntype = \"ndjson\"\npath = \"events.ndjson\"\n",
            webex.origin(),
            webex.org_id()
        );
        std::fs::write(folder.path().join("webex.toml"), toml).unwrap();
        Self { webex, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The values that the store of secrets keeps.
    pub(crate) fn stored_secrets(&self) -> Vec<String> {
        let config = Config::load(&self.path("webex.toml")).unwrap();
        let store = SealedFile::open(&config.state_dir, config.secrets_key).unwrap();
        let names = store.list().unwrap().into_iter().map(|listed| listed.name);
        names.map(|name| store.get(&name).unwrap().unwrap().value.expose().to_owned()).collect()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Every file below a folder, with its bytes.
    pub(crate) fn files(&self, folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        let mut folders = vec![self.path(folder)];
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir().into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push((path.clone(), std::fs::read(path).unwrap()));
                }
            }
        }
        files.sort();
        files
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with_input(arguments, "").await
    }

    pub(crate) async fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = Command::new(program())
            .args(arguments)
            .args(arguments.first().map(|_| "-vv"))
            .current_dir(self.folder.path())
            // An error must be one line even for those who debug.
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // One that reads no input has closed it.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        let output =
            tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("the program hangs").unwrap();
        let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(canary_of_run(&stdout, &stderr), None, "stdout: {stdout}\nstderr: {stderr}");
        // Every run is as talkative as can be; a test sees what it would see without.
        let is_asked = |line: &&str| !line.starts_with("debug: ") && !line.starts_with("info: ");
        let stderr = stderr.split_inclusive('\n').filter(is_asked).collect();
        Ran { code: output.status.code(), stdout, stderr }
    }

    /// `count` events of each stream over half an hour that ended half a minute ago: a slow machine is in time for them.
    pub(crate) fn backlog(&self, count: usize) {
        let to = self.webex.now_ms() - 30_000;
        for stream in Stream::ALL {
            self.webex.backlog(stream, count, to - 1_800_000, to);
        }
    }

    /// What a person is sent back to after agreeing to a sign-in that the program began.
    pub(crate) async fn agree(&self, user: &str, account: &str) -> String {
        let ran = self.run(&["run", "cisco-webex-oauth-start", &format!("user={user}"), "--json"]).await.exits(0);
        let outputs: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        self.webex.approve(outputs["CiscoWebex"]["SignIn"]["url"].as_str().unwrap(), account).unwrap()
    }

    /// Whole lines of the sink.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = self.read("events.ndjson");
        assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
        text.lines().map(str::to_owned).collect()
    }

    /// Each listed event stands in the sink once, and no other.
    #[track_caller]
    pub(crate) fn delivered_is_exact(&self) {
        let lines = self.lines();
        assert_eq!(difference(&self.webex, lines.iter().map(String::as_str)), Difference::default());
    }
}
