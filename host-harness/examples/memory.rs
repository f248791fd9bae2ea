//! How much memory and time `webex-collector collect` takes for a backlog of a given size: its own, since the simulated
//! tenant is another process. The component was compiled before, by `check`.
//!
//! ```text
//! cargo build -p webex-collector --bin webex-collector --example memory
//! target/debug/examples/memory [--hours H] [--streams 1|3] [--remember TIME] [--max-requests N] [--latency MS] [EVENTS …]
//! ```
//!
//! Without further words: 10,000 and 1,000,000 events in all, spread over the last 7 days, in three streams, with the defaults
//! of the settings `remember` and `max_requests`; with 100000 requests a minute the tenant and the machine say how long it takes.
//! `--latency` is how long the tenant takes for each answer. Linux only: the peak is `VmHWM` of `/proc`.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use host_harness::simulator::{
    ADMIN, ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET, Latency, OFFICER, OFFICER_CLIENT_ID, OFFICER_CLIENT_SECRET,
    SimulatedTenant, Stream, StreamSettings, TenantSettings,
};

type Res<T> = Result<T, Box<dyn Error>>;

/// The two sizes that are compared where none is named: a backlog a hundred times as large must not take more memory.
const SIZES: [usize; 2] = [10_000, 1_000_000];
/// How far the backlog reaches back where nothing is said: the default of `first_fetch`, but for an hour in which it is made.
const HOURS: f64 = 7.0 * 24.0 - 1.0;
/// How often the peak is looked at. It only grows, so only the last look before the end may be too early.
const LOOK: Duration = Duration::from_millis(20);
/// The first argument of the process that is the tenant.
const TENANT: &str = "--tenant";

/// What is measured.
#[derive(Clone, Copy)]
struct Backlog {
    events: usize,
    streams: usize,
    hours: f64,
    /// Of each answer, in milliseconds.
    latency: u64,
}

fn main() -> Res<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some([events, streams, hours, latency]) = words.strip_prefix(&[TENANT.to_owned()]) {
        let (events, streams, hours, latency) = (events.parse()?, streams.parse()?, hours.parse()?, latency.parse()?);
        let backlog = Backlog { events, streams, hours, latency };
        return tokio::runtime::Runtime::new()?.block_on(be_the_tenant(backlog));
    }
    let (mut hours, mut streams, mut latency) = (HOURS, Stream::ALL.len(), 0);
    let (mut settings, mut sizes) = (String::new(), Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--hours" => hours = words.next().ok_or("--hours needs a number")?.parse()?,
            "--streams" => streams = words.next().ok_or("--streams needs a number")?.parse()?,
            "--latency" => latency = words.next().ok_or("--latency needs a number")?.parse()?,
            "--remember" => {
                let time = words.next().ok_or("--remember needs a time")?;
                settings.push_str(&format!("remember = \"{time}\"\n"));
            }
            "--max-requests" => {
                let number: u32 = words.next().ok_or("--max-requests needs a number")?.parse()?;
                settings.push_str(&format!("max_requests = {number}\n"));
            }
            size => sizes.push(size.replace('_', "").parse()?),
        }
    }
    if sizes.is_empty() {
        sizes.extend(SIZES);
    }
    println!("{:>10}  {:>8}  {:>9}  {:>9}  {:>8}", "events", "hours", "peak MiB", "state MiB", "seconds");
    for events in sizes {
        measure(Backlog { events, streams, hours, latency }, &settings)?;
    }
    Ok(())
}

/// One collection of a backlog, from nothing to the end, with these lines in the table `[collect]`.
fn measure(backlog: Backlog, settings: &str) -> Res<()> {
    let folder = tempfile::tempdir()?;
    let tenant = Tenant::start(backlog)?;
    fs::write(folder.path().join("webex.toml"), tenant.settings(backlog, settings))?;
    // As a person does first; it also leaves the component compiled.
    let checked = Command::new(program()?).arg("check").current_dir(folder.path()).output()?;
    if !checked.status.success() {
        return Err(format!("check: {}", String::from_utf8_lossy(&checked.stdout)).into());
    }
    let began = Instant::now();
    let said = fs::File::create(folder.path().join("said"))?;
    let collector = Command::new(program()?)
        .arg("collect")
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(said)
        .spawn()?;
    let peak = peak_of(collector)
        .map_err(|error| format!("{error}: {}", fs::read_to_string(folder.path().join("said")).unwrap_or_default()))?;
    let took = began.elapsed();
    let lines = BufReader::new(fs::File::open(folder.path().join("events.ndjson"))?).split(b'\n').count();
    if lines != backlog.events {
        return Err(format!("{lines} of {} events were collected", backlog.events).into());
    }
    println!(
        "{:>10}  {:>8.1}  {:>9.1}  {:>9.1}  {:>8.1}",
        backlog.events,
        backlog.hours,
        in_mib(peak),
        in_mib(size_of(&folder.path().join("webex-state"))?),
        took.as_secs_f64()
    );
    Ok(())
}

/// The most bytes that the process has in memory until its end, which must be a good one.
fn peak_of(mut process: Child) -> Res<u64> {
    let status = format!("/proc/{}/status", process.id());
    let mut peak = 0;
    loop {
        if let Some(kib) = field(&fs::read_to_string(&status)?, "VmHWM:") {
            peak = kib * 1024;
        }
        match process.try_wait()? {
            None => std::thread::sleep(LOOK),
            Some(status) if status.success() => return Ok(peak),
            Some(status) => return Err(format!("the collector ended with {status}").into()),
        }
    }
}

/// A number of `/proc/PID/status`; none once the process has ended.
fn field(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

fn size_of(folder: &Path) -> Res<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        size += if entry.file_type()?.is_dir() { size_of(&entry.path())? } else { entry.metadata()?.len() };
    }
    Ok(size)
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn in_mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The program, built beside the examples.
fn program() -> Res<PathBuf> {
    let example = std::env::current_exe()?;
    let folder = example.ancestors().nth(2).ok_or("this example stands in no target folder")?;
    let program = folder.join(format!("webex-collector{}", std::env::consts::EXE_SUFFIX));
    if !program.is_file() {
        return Err("build the program first: cargo build -p webex-collector --bin webex-collector".into());
    }
    Ok(program)
}

/// The process that is the tenant; it ends when its standard input is closed.
struct Tenant {
    process: Child,
    /// Origin, organization, refresh tokens of both users.
    told: [String; 4],
}

impl Tenant {
    fn start(backlog: Backlog) -> Res<Self> {
        let Backlog { events, streams, hours, latency } = backlog;
        let mut process = Command::new(std::env::current_exe()?)
            .args([TENANT, &events.to_string(), &streams.to_string(), &hours.to_string(), &latency.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        let told: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let told = told.try_into().map_err(|_| "the tenant did not start")?;
        Ok(Self { process, told })
    }

    fn settings(&self, backlog: Backlog, collect: &str) -> String {
        let [origin, org, admin, officer] = &self.told;
        let mut toml = format!("base_url = \"{origin}\"\n");
        if backlog.streams > 1 {
            toml.push_str(&format!(
                "[admin]\nclient_id = \"{ADMIN_CLIENT_ID}\"\nclient_secret = \"{ADMIN_CLIENT_SECRET}\"\n\
                 refresh_token = \"{admin}\"\norg_id = \"{org}\"\n"
            ));
        }
        toml.push_str(&format!(
            "[compliance_officer]\nclient_id = \"{OFFICER_CLIENT_ID}\"\nclient_secret = \"{OFFICER_CLIENT_SECRET}\"\n\
             refresh_token = \"{officer}\"\n\
             [collect]\nsecurity_audits = {}\nlag = \"0s\"\n{collect}\
             [[sink]]\ntype = \"ndjson\"\npath = \"events.ndjson\"\n",
            backlog.streams > 1
        ));
        toml
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

async fn be_the_tenant(backlog: Backlog) -> Res<()> {
    // A stable cursor for all: a page by offset costs the tenant more the further it is from the first.
    let settings = TenantSettings {
        admin_audits: StreamSettings::newest_first(),
        latency: Latency { min_ms: backlog.latency, max_ms: backlog.latency },
        ..TenantSettings::default()
    };
    let tenant = SimulatedTenant::start(settings).await?;
    let now = tenant.now_ms();
    #[allow(clippy::cast_possible_truncation, reason = "hours of some years at most")]
    let from = now - (backlog.hours * 3_600_000.0) as i64;
    let streams = match backlog.streams {
        1 => &[Stream::Events][..],
        3 => &Stream::ALL,
        other => return Err(format!("one stream or three, not {other}").into()),
    };
    for (index, stream) in streams.iter().enumerate() {
        let share = backlog.events * (index + 1) / streams.len() - backlog.events * index / streams.len();
        tenant.backlog(*stream, share, from, now);
    }
    let refresh = |client, account, scopes| {
        tenant.grant(client, account, scopes).refresh_token.ok_or("the tenant gives no refresh tokens")
    };
    let admin = refresh(ADMIN_CLIENT_ID, ADMIN, "audit:events_read spark:kms")?;
    let officer = refresh(OFFICER_CLIENT_ID, OFFICER, "spark-compliance:events_read spark:kms")?;
    let mut out = BufWriter::new(std::io::stdout());
    writeln!(out, "{} {} {admin} {officer}", tenant.origin(), tenant.org_id())?;
    out.flush()?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await??;
    tenant.stop().await;
    Ok(())
}
