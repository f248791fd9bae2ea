//! A folder with a `webex.toml`, a simulated tenant, and the program run in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use host_harness::config::Config;
use host_harness::config::keys::ORIGIN_SETTING;
use host_harness::runtime::{Plugin, Runtime};
use host_harness::secrets::{SealedFile, Secret, Store};
use host_harness::simulator::{
    ADMIN, ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET, Canary, OFFICER, OFFICER_CLIENT_ID, OFFICER_CLIENT_SECRET,
    REDIRECT_URI, SimulatedTenant, Stream, TenantSettings, canary_in, canary_of_run,
};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_webex-collector");
/// Files of a place that may hold secrets: what the test wrote itself (the store of `examples/platform.rs` is such a file; the
/// program's own is in the state folder, and sealed), and a copy of the program, which holds those of the demo.
const MAY_HOLD: [&str; 3] = ["webex.toml", "secrets.json", "webex-collector"];
/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

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
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", cut(&self.stdout), self.stderr);
        self
    }

    /// The one line that says what is wrong.
    #[track_caller]
    pub(crate) fn error(&self) -> &str {
        let errors: Vec<&str> = self.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        let [error] = errors.as_slice() else { panic!("one error, not: {}", self.stderr) };
        assert!(!self.stderr.contains("backtrace") && !self.stderr.contains("panicked"), "{}", self.stderr);
        error
    }

    #[track_caller]
    pub(crate) fn says(self, want: &str) -> Self {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert!(all.contains(want), "want: {want}\nstdout: {}\nstderr: {}", cut(&self.stdout), self.stderr);
        self
    }
}

fn cut(text: &str) -> String {
    text.chars().take(2_000).collect()
}

/// A folder in which the program runs.
pub(crate) struct Place {
    folder: TempDir,
}

impl Place {
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn with(toml: &str) -> Self {
        let place = Self::empty();
        place.write("webex.toml", toml);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The store of secrets, as a process of its own opens it.
    pub(crate) fn store(&self) -> SealedFile {
        let config = Config::load(&self.path("webex.toml")).unwrap();
        SealedFile::open(&config.state_dir, config.secrets_key).unwrap()
    }

    /// What it keeps, by name.
    pub(crate) fn secrets(&self) -> BTreeMap<String, Secret> {
        let store = self.store();
        let names = store.list().unwrap().into_iter().map(|listed| listed.name);
        names.map(|name| (name.clone(), store.get(&name).unwrap().unwrap().value)).collect()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_of(Path::new(PROGRAM), arguments)
    }

    pub(crate) fn command_of(&self, program: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        if program == Path::new(PROGRAM) && !arguments.is_empty() {
            command.arg("-vv");
            // What a person reads, also of what goes on for ever; `terminal.rs` tries what programs read.
            if !arguments.contains(&"--log-format") {
                command.args(["--log-format", "text"]);
            }
        }
        command
            .args(arguments)
            .current_dir(self.folder.path())
            // An error must be one line even for those who debug.
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        ended(self.command(arguments).spawn().unwrap()).await
    }

    pub(crate) async fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
        ended(child).await
    }
}

/// What a test leaves behind holds no secret but where it belongs.
impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let mut folders = vec![self.folder.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in folder.read_dir().into_iter().flatten().flatten() {
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    // What the test wrote for tenants holds their secrets, too.
                    if path != self.folder.path().join("tenants.d") {
                        folders.push(path);
                    }
                } else if !MAY_HOLD.iter().any(|name| path == self.folder.path().join(name)) {
                    let text = std::fs::read(&path).unwrap_or_default();
                    // Events stand in the sink, and in the spool before it.
                    let is_sink = path.extension().is_some_and(|name| name == "ndjson" || name == "batch");
                    let leak = canary_in(&String::from_utf8_lossy(&text));
                    let leak = leak.filter(|canary| !is_sink || *canary != Canary::MessageText);
                    assert_eq!(leak, None, "{}", path.display());
                }
            }
        }
    }
}

/// The component, compiled once for all tests of this process.
pub(crate) fn plugin() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| Runtime::new().unwrap().load(host_harness::COMPONENT).unwrap())
}

/// Waits for the end of a run.
pub(crate) async fn ended(child: Child) -> Ran {
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("the program hangs").unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(canary_of_run(&stdout, &stderr), None, "stdout: {stdout}\nstderr: {stderr}");
    Ran { code: output.status.code(), stdout, stderr: at_the_wished_verbosity(stderr) }
}

/// Every run is as talkative as can be, and what it says is searched for secrets. Tests see what they would see without.
fn at_the_wished_verbosity(stderr: String) -> String {
    let is_asked = |line: &&str| !line.starts_with("debug: ") && !line.starts_with("info: ");
    stderr.split_inclusive('\n').filter(is_asked).collect()
}

/// Asks a run to end, as Ctrl-C does.
pub(crate) async fn interrupt(child: &Child) {
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().await.unwrap().success());
}

/// A place with a tenant and settings for it. The sink is `events.ndjson`.
pub(crate) struct Webex {
    pub(crate) place: Place,
    pub(crate) tenant: SimulatedTenant,
}

/// No address of a request held a code or token.
impl Drop for Webex {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.tenant.leaks(), []);
        }
    }
}

impl Webex {
    pub(crate) async fn start() -> Self {
        Self::with(TenantSettings::default(), "").await
    }

    /// With settings of the tenant, and further lines of the table `[collect]`.
    pub(crate) async fn with(settings: TenantSettings, collect: &str) -> Self {
        let tenant = SimulatedTenant::start(settings).await.unwrap();
        let place = Place::with(&Self::toml(&tenant, collect));
        Self { place, tenant }
    }

    pub(crate) fn toml(tenant: &SimulatedTenant, collect: &str) -> String {
        format!(
            "base_url = \"{}\"\n\
             [admin]\nclient_id = \"{ADMIN_CLIENT_ID}\"\nclient_secret = \"{ADMIN_CLIENT_SECRET}\"\n\
             redirect_uri = \"{REDIRECT_URI}\"\norg_id = \"{}\"\n\
             [compliance_officer]\nclient_id = \"{OFFICER_CLIENT_ID}\"\nclient_secret = \"{OFFICER_CLIENT_SECRET}\"\n\
             redirect_uri = \"{REDIRECT_URI}\"\n\
             [collect]\nsecurity_audits = true\nlag = \"0s\"\nfirst_fetch = \"1 day\"\n{collect}\n\
             [[sink]]\ntype = \"ndjson\"\npath = \"events.ndjson\"\n",
            tenant.origin(),
            tenant.org_id()
        )
    }

    /// Waits until a run has stored where it stands.
    pub(crate) async fn stores(&self) {
        let begin = Instant::now();
        while !self.place.path("webex-state/last-run/head.json").exists() {
            assert!(begin.elapsed() < Duration::from_secs(60), "nothing is stored");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Both users sign in by the plugin's own commands; in this process, since each run of the program compiles the
    /// component anew. `sign_in.rs` does it as people do.
    pub(crate) async fn sign_in(&self) {
        let config = Config::load(&self.place.path("webex.toml")).unwrap();
        let tenant = plugin()
            .tenant()
            .settings(config.settings)
            .origin_setting(ORIGIN_SETTING)
            .configured_secrets(config.secrets)
            .secret_store(Store::file(&config.state_dir, config.secrets_key).unwrap())
            .open()
            .await
            .unwrap();
        for (user, account) in [("admin", ADMIN), ("compliance_officer", OFFICER)] {
            let run = async |command: &str, arguments: &[(&str, &str)]| {
                let arguments: Vec<_> =
                    arguments.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
                tenant.run_command(command, &arguments).await.unwrap().unwrap().readable
            };
            let started = run("cisco-webex-oauth-start", &[("user", user)]).await;
            let redirected = self.tenant.approve(&self.authorize_url(&started), account).unwrap();
            run("cisco-webex-oauth-complete", &[("user", user), ("code", &redirected)]).await;
        }
    }

    /// What the browser is sent back to after the person has agreed.
    pub(crate) async fn authorize(&self, user: &str, account: &str) -> String {
        let started = self.place.run(&["run", "cisco-webex-oauth-start", &format!("user={user}")]).await.exits(0);
        self.tenant.approve(&self.authorize_url(&started.stdout), account).unwrap()
    }

    /// The address that an answer of `oauth-start` shows.
    fn authorize_url(&self, answer: &str) -> String {
        let authorize = format!("{}/v1/authorize?", self.tenant.origin());
        answer
            .split(|c: char| c.is_whitespace() || "()<>\"`[]".contains(c))
            .find(|word| word.starts_with(&authorize))
            .expect("the answer shows the address")
            .to_owned()
    }

    /// A backlog of `count` events in each stream, over the last hour.
    pub(crate) fn backlog(&self, count: usize) {
        let now = self.tenant.now_ms();
        for stream in Stream::ALL {
            self.tenant.backlog(stream, count, now - 3_600_000, now);
        }
    }

    /// Whole lines of the sink, while a run may be writing the next one.
    pub(crate) fn arrived(&self) -> usize {
        self.place.read("events.ndjson").matches('\n').count()
    }

    /// How often each line of the sink stands there, by stream and id. Once nobody writes: each must be whole.
    pub(crate) fn delivered(&self) -> BTreeMap<(String, String), usize> {
        let mut ids = BTreeMap::new();
        for line in self.place.read("events.ndjson").lines() {
            let body: serde_json::Value = serde_json::from_str(line).expect("a whole line of JSON");
            let key = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
            *ids.entry((key("source_log_type"), key("id"))).or_default() += 1;
        }
        ids
    }

    /// What the tenant lists.
    pub(crate) fn listed(&self) -> BTreeMap<(String, String), usize> {
        let name = |stream| match stream {
            Stream::AdminAudits => "Admin Audit Events",
            Stream::SecurityAudits => "Security Audit Events",
            Stream::Events => "Events",
        };
        let of = |stream| {
            self.tenant.listed(stream).into_iter().filter_map(|event| event.id).map(move |id| (name(stream), id))
        };
        Stream::ALL.into_iter().flat_map(of).map(|(stream, id)| ((stream.to_owned(), id), 1)).collect()
    }

    /// Each listed event once, and nothing else.
    #[track_caller]
    pub(crate) fn delivered_is_exact(&self) {
        let (delivered, listed) = (self.delivered(), self.listed());
        let lost = listed.keys().filter(|id| !delivered.contains_key(*id)).count();
        let invented = delivered.keys().filter(|id| !listed.contains_key(*id)).count();
        let repeated = delivered.values().filter(|times| **times > 1).count();
        assert_eq!((lost, invented, repeated), (0, 0, 0), "lost, invented, repeated of {}", listed.len());
    }

    /// Each listed event at least once, and nothing else.
    #[track_caller]
    pub(crate) fn delivered_is_complete(&self) {
        let (delivered, listed) = (self.delivered(), self.listed());
        let lost = listed.keys().filter(|id| !delivered.contains_key(*id)).count();
        let invented = delivered.keys().filter(|id| !listed.contains_key(*id)).count();
        assert_eq!((lost, invented), (0, 0), "lost, invented of {}", listed.len());
    }
}
