//! Many tenants, collected from by one `webex-collector collect --follow`: whether each event arrived once and in the right place,
//! how long it took, and what a tenant costs that is idle. The simulated tenants are another process.
//!
//! ```text
//! cargo build -p webex-collector --bin webex-collector --example tenants
//! target/debug/examples/tenants [--events N] [TENANTS]
//! ```
//!
//! Without further words: 1,000 tenants with 20 events each. Every second one has a sink of its own, the others share one. Linux
//! only: memory and time are those of `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use host_harness::simulator::{ADMIN, ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET, SimulatedTenant, Stream, TenantSettings};

type Res<T> = Result<T, Box<dyn Error>>;

const TENANTS: usize = 1_000;
const EVENTS: usize = 20;
/// The first argument of the process that is the tenants.
const BE_THE_TENANTS: &str = "--be-the-tenants";
/// How often it is looked whether all has arrived.
const LOOK: Duration = Duration::from_millis(500);
/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(1_800);
/// When all has arrived: until the last turns are over and their memory is given back.
const REST: Duration = Duration::from_secs(3);
/// Ticks of the kernel's clock in a second.
const TICKS: f64 = 100.0;

fn main() -> Res<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [first, folder, tenants, events] = words.as_slice()
        && first == BE_THE_TENANTS
    {
        let work = be_the_tenants(Path::new(folder), tenants.parse()?, events.parse()?);
        return tokio::runtime::Runtime::new()?.block_on(work);
    }
    let (mut tenants, mut events) = (TENANTS, EVENTS);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--events" => events = words.next().ok_or("--events needs a number")?.parse()?,
            number => tenants = number.replace('_', "").parse()?,
        }
    }
    println!(
        "{:>8}  {:>8}  {:>8}  {:>8}  {:>9}  {:>9}",
        "tenants", "events", "wall s", "CPU s", "peak MiB", "idle MiB"
    );
    let one = measure(1, events)?;
    let all = measure(tenants, events)?;
    let further = tenants.saturating_sub(1).max(1) as u64;
    println!("each further idle tenant: {:.1} KiB", in_kib(all.saturating_sub(one) / further));
    Ok(())
}

/// Collects from so many tenants until all has arrived, and says what is in memory then, in bytes.
fn measure(tenants: usize, events: usize) -> Res<u64> {
    let folder = tempfile::tempdir()?;
    let webex = Webex::start(folder.path(), tenants, events)?;
    let began = Instant::now();
    let said = fs::File::create(folder.path().join("said"))?;
    let mut collector = Collector(
        Command::new(program()?)
            .args(["collect", "--follow"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()?,
    );
    while lines(folder.path())? < tenants * events {
        if began.elapsed() > PATIENCE || collector.0.try_wait()?.is_some() {
            let said = fs::read_to_string(folder.path().join("said"))?;
            return Err(format!("{} events arrived: {said}", lines(folder.path())?).into());
        }
        std::thread::sleep(LOOK);
    }
    let wall = began.elapsed();
    std::thread::sleep(REST);
    let status = fs::read_to_string(format!("/proc/{}/status", collector.0.id()))?;
    let memory = |name: &str| field(&status, name).map(|kib| kib * 1024).ok_or("no memory in /proc");
    let (peak, idle) = (memory("VmHWM:")?, memory("VmRSS:")?);
    let cpu = cpu(&fs::read_to_string(format!("/proc/{}/stat", collector.0.id()))?).ok_or("no time in /proc")?;
    collector.stop()?;
    check(folder.path(), tenants)?;
    drop(webex);
    println!(
        "{tenants:>8}  {:>8}  {:>8.1}  {cpu:>8.1}  {:>9.1}  {:>9.1}",
        tenants * events,
        wall.as_secs_f64(),
        in_kib(peak) / 1024.0,
        in_kib(idle) / 1024.0
    );
    Ok(idle)
}

/// Each event of each tenant stands once in the place of that tenant, and nothing else stands anywhere.
fn check(folder: &Path, tenants: usize) -> Res<()> {
    let mut shared: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in read(&folder.join("all.ndjson")).lines() {
        let body: serde_json::Value = serde_json::from_str(line)?;
        let text = |name: &str| body.get(name).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
        shared.entry(text("tenant")).or_default().push(text("id"));
    }
    for number in 0..tenants {
        let name = name(number);
        let mut arrived = shared.remove(&name).unwrap_or_default();
        for line in read(&folder.join(format!("{name}.ndjson"))).lines() {
            let body: serde_json::Value = serde_json::from_str(line)?;
            arrived.push(body.get("id").and_then(|id| id.as_str()).unwrap_or_default().to_owned());
        }
        let listed = read(&folder.join("listed").join(&name));
        let listed: BTreeSet<&str> = listed.lines().collect();
        let once: BTreeSet<&str> = arrived.iter().map(String::as_str).collect();
        if once != listed || arrived.len() != listed.len() {
            return Err(
                format!("{name}: {} of {} events, {} different", arrived.len(), listed.len(), once.len()).into()
            );
        }
    }
    if shared.is_empty() { Ok(()) } else { Err(format!("events of nobody: {:?}", shared.keys()).into()) }
}

/// Lines in all sinks.
fn lines(folder: &Path) -> Res<usize> {
    let mut lines = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "ndjson") {
            lines += fs::read(path)?.iter().filter(|byte| **byte == b'\n').count();
        }
    }
    Ok(lines)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn name(number: usize) -> String {
    format!("t{number:04}")
}

/// A number of `/proc/PID/status`.
fn field(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// Seconds of `/proc/PID/stat`, of program and kernel.
fn cpu(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn in_kib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0
}

/// The program, built beside the examples.
fn program() -> Res<PathBuf> {
    let example = std::env::current_exe()?;
    let folder = example.ancestors().nth(2).ok_or("this example stands in no target folder")?;
    let program = folder.join("webex-collector");
    if !program.is_file() {
        return Err("build the program first: cargo build -p webex-collector --bin webex-collector".into());
    }
    Ok(program)
}

/// The collector, which is ended whatever happens.
struct Collector(Child);

impl Collector {
    fn stop(&mut self) -> Res<()> {
        let pid = self.0.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status()?;
        let status = self.0.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the collector ended with {status}").into()) }
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The process that is the tenants; it ends when its standard input is closed.
struct Webex {
    process: Child,
    input: Option<ChildStdin>,
}

impl Webex {
    fn start(folder: &Path, tenants: usize, events: usize) -> Res<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(BE_THE_TENANTS)
            .arg(folder)
            .args([tenants.to_string(), events.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let input = process.stdin.take();
        let webex = Self { process, input };
        if line.trim() == "ready" { Ok(webex) } else { Err("the tenants did not start".into()) }
    }
}

impl Drop for Webex {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.process.wait();
    }
}

/// Starts the tenants, writes their files into `folder`, and what each lists.
async fn be_the_tenants(folder: &Path, tenants: usize, events: usize) -> Res<()> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let maximum = getrlimit(Resource::Nofile).maximum;
        setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    }
    fs::create_dir(folder.join("tenants.d"))?;
    fs::create_dir(folder.join("listed"))?;
    let webex = format!(
        "[tenant_defaults.admin]\nclient_id = \"{ADMIN_CLIENT_ID}\"\nclient_secret = \"{ADMIN_CLIENT_SECRET}\"\n\
         [tenant_defaults.collect]\nlag = \"0s\"\nfirst_fetch = \"1 day\"\ninterval = \"30m\"\n\
         [[sink]]\ntype = \"ndjson\"\npath = \"all.ndjson\"\ntenant_field = \"tenant\"\n"
    );
    fs::write(folder.join("webex.toml"), webex)?;
    let mut running = Vec::with_capacity(tenants);
    for number in 0..tenants {
        let settings = TenantSettings { seed: 1 + number as u64, ..TenantSettings::default() };
        let tenant = SimulatedTenant::start(settings).await?;
        let now = tenant.now_ms();
        tenant.backlog(Stream::AdminAudits, events, now - 3_600_000, now);
        let name = name(number);
        let grant = tenant.grant(ADMIN_CLIENT_ID, ADMIN, "audit:events_read spark:kms");
        let token = folder.join(format!("tenants.d/{name}.refresh-token"));
        fs::write(&token, grant.refresh_token.ok_or("the tenant gives no refresh tokens")?)?;
        #[cfg(unix)]
        fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
        let own = if number % 2 == 0 {
            format!("[[sink]]\ntype = \"ndjson\"\npath = \"../{name}.ndjson\"\n")
        } else {
            String::new()
        };
        let text = format!(
            "base_url = \"{}\"\n[admin]\norg_id = \"{}\"\nrefresh_token = {{ file = \"{name}.refresh-token\" }}\n{own}",
            tenant.origin(),
            tenant.org_id()
        );
        fs::write(folder.join(format!("tenants.d/{name}.toml")), text)?;
        let listed: Vec<String> = tenant.listed(Stream::AdminAudits).into_iter().filter_map(|event| event.id).collect();
        fs::write(folder.join("listed").join(&name), listed.join("\n"))?;
        running.push(tenant);
    }
    let mut out = std::io::stdout();
    writeln!(out, "ready")?;
    out.flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    for tenant in running {
        tenant.stop().await;
    }
    Ok(())
}
