//! How fast each sink is: from a full spool to a receiver that does nothing but answer as its protocol asks.
//!
//! The measured process holds what the collector holds: the spool, a courier, the sink. Its receiver is a process of its own, and
//! counts the events that arrive: a figure counts only if each did.

mod receiver;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cisco_webex_plugin::stream::Stream;
use cisco_webex_plugin::time::Timestamp;
use host_harness::config::Config;
use host_harness::courier::{Couriers, OpenSink};
use host_harness::log::Log;
use host_harness::sink::Event;
use host_harness::spool::Spool;
use host_harness::stop::Stop;
use serde::{Deserialize, Serialize};

use crate::error::BenchError;
use crate::kept;
use crate::machine::Machine;
use crate::measured::{Task, Usage, measure};
use crate::results::Spread;
use crate::tenant::{Stamp, Template};
pub use receiver::{Kind, ReceiverProcess, serve};

/// Its configuration.
const CONFIG: &str = "webex.toml";
/// Events of a batch in the spool, as three streams of a call.
const BATCH: usize = 6_000;
/// A sink that takes nothing for so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// When all events arose, in milliseconds since the epoch: 28 November 2025.
const CREATED_MS: i64 = 1_764_288_000_000;
/// What a sink should reach, in events a second.
const BAR: f64 = 50_000.0;

/// The file of the last figures.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sinks.json")
}

/// What was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sinks {
    /// Where and when.
    pub machine: Machine,
    /// Events of a run.
    pub events: usize,
    /// By kind of sink.
    pub rows: Vec<Row>,
}

/// One sink, each time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its kind.
    pub kind: Kind,
    /// Each time.
    pub usages: Vec<Usage>,
}

impl Sinks {
    /// Measures these kinds, in turns.
    ///
    /// # Errors
    /// A sink failed, or events are missing.
    pub fn measure(kinds: &[Kind], events: usize, runs: usize) -> Result<Self, BenchError> {
        let mut rows: Vec<Row> = kinds.iter().map(|kind| Row { kind: *kind, usages: Vec::new() }).collect();
        for round in 1..=runs {
            for row in &mut rows {
                let usage = run(row.kind, events)?;
                eprintln!("{} {round}/{runs}: {} us, {} us of CPU", row.kind.name(), usage.wall_us, usage.cpu_us);
                row.usages.push(usage);
            }
        }
        Ok(Self { machine: Machine::here(), events, rows })
    }

    /// Reads the last figures.
    ///
    /// # Errors
    /// There are none, or they are of another form.
    pub fn read(path: &Path) -> Result<Self, BenchError> {
        kept::read(path, "measure again: cargo measure sinks")
    }

    /// Keeps them.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), BenchError> {
        kept::write(path, self)
    }

    /// The table.
    #[allow(clippy::cast_precision_loss, reason = "events and microseconds of one run")]
    pub fn markdown(&self) -> String {
        let mut text = format!("Measured on {}, {} events a run.\n\n", self.machine, self.events);
        text.push_str("| sink | events a second | CPU an event | peak RSS |  |\n| --- | ---: | ---: | ---: | --- |\n");
        for Row { kind, usages } in &self.rows {
            let events = self.events as f64;
            let of = |value: &dyn Fn(&Usage) -> f64| {
                Spread::of(usages.iter().map(value)).map_or(0.0, |spread| spread.median)
            };
            let rate = of(&|usage| events / (usage.wall_us as f64 / 1e6));
            let cpu = of(&|usage| usage.cpu_us as f64 / events);
            let peak = of(&|usage| usage.peak_bytes as f64 / f64::from(1 << 20));
            let verdict = if rate >= BAR { "" } else { "below 50,000" };
            let _ = writeln!(text, "| `{}` | {rate:.0} | {cpu:.1} µs | {peak:.1} MiB | {verdict} |", kind.name());
        }
        text
    }
}

/// Drains one full spool into one receiver.
fn run(kind: Kind, events: usize) -> Result<Usage, BenchError> {
    let folder = tempfile::tempdir().map_err(BenchError::file("make a folder below", &std::env::temp_dir()))?;
    let folder = folder.path();
    let mut receiver = ReceiverProcess::start(kind, folder)?;
    let config = folder.join(CONFIG);
    std::fs::write(&config, receiver.table()).map_err(BenchError::file("write", &config))?;
    fill(folder, events)?;
    let this = std::env::current_exe().map_err(BenchError::tenant)?;
    let command = vec![this.to_string_lossy().into_owned(), "drain".to_owned()];
    let usage = measure(kind.name(), &Task { command: &command, folder, until: None })?;
    let arrived = receiver.arrived()?;
    if arrived != events {
        let reason = format!("{arrived} of {events} events arrived");
        return Err(BenchError::Events { subject: kind.name().to_owned(), reason });
    }
    Ok(usage)
}

/// Puts events of three streams into the spool.
fn fill(folder: &Path, events: usize) -> Result<(), BenchError> {
    let config = load(folder)?;
    let spool = Spool::open(&config.state_dir, u64::MAX).map_err(BenchError::tenant)?;
    let templates = Stream::ALL.map(|stream| (stream, Template::of(stream)));
    let mut stamp = Stamp::default();
    stamp.set(CREATED_MS);
    let time = Timestamp::from_millis(CREATED_MS).to_string();
    let mut batch = Vec::with_capacity(BATCH);
    for number in 0..events {
        let Some((stream, template)) = templates.get(number % templates.len()) else { continue };
        let mut text = Vec::with_capacity(template.delivered_len());
        template.write(0, u64::try_from(number).unwrap_or(0), &stamp, &mut text);
        text.pop();
        text.extend_from_slice(
            format!(r#","_time":"{time}","source_log_type":"{}"}}"#, stream.source_log_type()).as_bytes(),
        );
        batch.push(Event {
            id: format!("event-{number:012}"),
            org: "org-of-the-bench".to_owned(),
            stream: stream.name().to_owned(),
            created: Some(CREATED_MS),
            body: String::from_utf8(text).map_err(BenchError::tenant)?,
        });
        if batch.len() == BATCH || number + 1 == events {
            let read: Vec<_> = batch.iter().map(Event::as_read).collect();
            spool.put(&read, None, None).map_err(BenchError::tenant)?;
            batch.clear();
        }
    }
    Ok(())
}

fn load(folder: &Path) -> Result<Config, BenchError> {
    Config::load(&folder.join(CONFIG)).map_err(BenchError::tenant)
}

/// The role of the measured process: drains the spool of the present folder.
///
/// # Errors
/// The sink has not taken everything.
pub fn drain() -> Result<(), BenchError> {
    // As the host's: one worker, and the main thread.
    let tasks = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    tasks.map_err(BenchError::tenant)?.block_on(async {
        let config = load(Path::new(""))?;
        let spool = Spool::open(&config.state_dir, config.spool_bytes).map_err(BenchError::tenant)?;
        let sinks = OpenSink::all(&config.sinks, false).map_err(BenchError::tenant)?;
        let couriers =
            Couriers::start(spool, &config.state_dir, sinks, None, &Log::silent()).map_err(BenchError::tenant)?;
        let drained = couriers.drained(PATIENCE, &Stop::new()).await;
        couriers.end().await;
        drained.map_err(BenchError::tenant)
    })
}
