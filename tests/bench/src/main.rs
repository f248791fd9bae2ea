//! The program `bench`; `cargo measure` builds and runs it. `docs/performance.md` says what it shows.

use std::num::NonZeroU16;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use webex_bench::case::Case;
use webex_bench::ci::{self, Baseline};
use webex_bench::error::BenchError;
use webex_bench::machine::Machine;
use webex_bench::plan::{self, Extent, Planned, RUNS};
use webex_bench::results::{self, Results};
use webex_bench::subject::collector::Program;
use webex_bench::subject::{self, Subject};
use webex_bench::{measured, readme, sinks, table, tenant};

/// What the collector costs, beside what else one could run
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Words {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Measures the table, keeps it in tests/bench/results.json and prints it
    Table {
        /// Every subject with every latency and every number of events: some hours
        #[arg(long)]
        full: bool,
    },
    /// Measures one case and prints it; nothing is kept
    One(One),
    /// Measures how fast each sink is, keeps it in tests/bench/sinks.json and prints it
    Sinks {
        /// Kinds of sinks, in turns
        #[arg(value_enum, default_values_t = sinks::Kind::ALL.iter().copied())]
        kinds: Vec<sinks::Kind>,
        /// Events of a run
        #[arg(long, default_value_t = 200_000)]
        events: usize,
        /// Runs, of which the median is told
        #[arg(long, default_value_t = RUNS)]
        runs: usize,
        /// Only print it
        #[arg(long)]
        dry: bool,
    },
    /// Prints the last table again
    Show,
    /// Writes the last table into the README
    Readme,
    /// The short form: fails where a ratio to the plain loop is not that of tests/bench/baseline.json
    Ci {
        /// Keep what is found as the new baseline
        #[arg(long)]
        write_baseline: bool,
    },
    /// The process that is the tenant
    #[command(hide = true)]
    Tenant { spec: String },
    /// The process that is a receiver
    #[command(hide = true)]
    Receiver { kind: sinks::Kind },
    /// The process that drains a spool into a receiver
    #[command(hide = true)]
    Drain,
    /// The process that measures its one child
    #[command(hide = true)]
    Measured {
        #[arg(long)]
        usage: PathBuf,
        #[arg(long)]
        seconds: Option<u64>,
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// The process that is measured
    #[command(hide = true)]
    Subject { subject: Subject },
}

#[derive(Debug, Args)]
struct One {
    /// Who; several take turns
    #[arg(long, value_enum, value_delimiter = ',', default_value = "collector,native-core,plain-loop")]
    subject: Vec<Subject>,
    /// In three streams
    #[arg(long, default_value_t = 300_000)]
    events: u64,
    /// Milliseconds that each answer takes
    #[arg(long, default_value_t = 0)]
    latency: u64,
    /// The tenant compresses what it sends
    #[arg(long)]
    gzip: bool,
    /// Of so many tenants in one process, by the collector; several numbers take turns
    #[arg(long, value_delimiter = ',', conflicts_with = "subject")]
    tenants: Vec<NonZeroU16>,
    /// A case of the table of bars instead, by the collector
    #[arg(long, value_enum, conflicts_with_all = ["subject", "events", "latency", "gzip", "tenants"])]
    bar: Option<Named>,
    /// Runs, of which the median is told
    #[arg(long, default_value_t = RUNS)]
    runs: usize,
}

/// A case that has a name.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Named {
    /// Three streams of 100,000 events at 50 ms a call
    Drain,
    /// More than three minutes at 300 requests a minute and user
    Limited,
    /// 2,000 events a second for three minutes
    Live,
    /// A start with nothing to collect
    Start,
}

impl Named {
    fn case(self) -> Case {
        match self {
            Self::Drain => plan::drain(Subject::Collector),
            Self::Limited => plan::limited(),
            Self::Live => plan::live(),
            Self::Start => plan::start(Subject::Collector),
        }
    }
}

fn main() -> ExitCode {
    let done = match Words::parse().role {
        Role::Table { full } => measure_table(if full { Extent::Full } else { Extent::Usual }),
        Role::One(one) => measure_one(&one),
        Role::Sinks { kinds, events, runs, dry } => measure_sinks(&kinds, events, runs, dry),
        Role::Show => Results::read(&results::path()).map(|results| print!("{}", table::markdown(&results))),
        Role::Readme => write_readme(),
        Role::Ci { write_baseline } => measure_ci(write_baseline),
        Role::Tenant { spec } => tenant::serve(&spec),
        Role::Receiver { kind } => sinks::serve(kind),
        Role::Drain => sinks::drain(),
        Role::Measured { usage, seconds, command } => measured::be_the_parent(&usage, seconds, &command),
        Role::Subject { subject } => return subject::be(subject),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn write_readme() -> Result<(), BenchError> {
    let (results, sinks) = (Results::read(&results::path())?, sinks::Sinks::read(&sinks::path())?);
    readme::write(&readme::path(), &results, &sinks)
}

fn measure_table(extent: Extent) -> Result<(), BenchError> {
    let results = table::measure(extent, &Program::find()?)?;
    results.write(&results::path())?;
    print!("{}", table::markdown(&results));
    Ok(())
}

fn measure_sinks(kinds: &[sinks::Kind], events: usize, runs: usize, dry: bool) -> Result<(), BenchError> {
    if cfg!(debug_assertions) {
        return Err(BenchError::DebugBuild);
    }
    let found = sinks::Sinks::measure(kinds, events, runs)?;
    if !dry {
        found.write(&sinks::path())?;
    }
    print!("{}", found.markdown());
    Ok(())
}

fn measure_one(one: &One) -> Result<(), BenchError> {
    let of_many = |tenants: &NonZeroU16| Case::of_many(*tenants, one.events, one.latency);
    let of_one = |subject: &Subject| Case::backlog(*subject, one.events, one.latency);
    let cases: Vec<Case> = match one.bar {
        Some(bar) => vec![bar.case()],
        None if !one.tenants.is_empty() => one.tenants.iter().map(of_many).collect(),
        None => one.subject.iter().map(of_one).collect(),
    };
    let cases = cases.into_iter().map(|case| Case { gzip: case.gzip || one.gzip, ..case });
    let group = cases.map(|case| Planned { case, runs: one.runs }).collect();
    let rows = table::measure_group(group, &Program::find()?)?;
    print!("{}", table::rows(&Results { machine: Machine::here(), rows }));
    Ok(())
}

fn measure_ci(write_baseline: bool) -> Result<(), BenchError> {
    let kept = if write_baseline { None } else { Some(Baseline::read(&ci::path())?) };
    let found = ci::measure(&Program::find()?)?;
    match kept {
        Some(kept) => print!("{}", kept.compare(&found)?),
        None => found.write(&ci::path())?,
    }
    Ok(())
}
