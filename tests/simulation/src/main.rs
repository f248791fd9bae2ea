//! `soak` runs many worlds, `replay` one, line by line, `shrink` makes a broken one small.

use std::process::ExitCode;

use cisco_webex_plugin::defect::{self, Defect};
use cisco_webex_plugin::stream::Stream;
use clap::{Parser, Subcommand};
use webex_simulation::rate::{LATENCY, Rate};
use webex_simulation::scenario::{Realm, Scenario};
use webex_simulation::shrink::shrink;
use webex_simulation::soak::Soak;
use webex_simulation::trace::Detail;
use webex_simulation::world::{self, Engine, Subject};

/// Worlds that try to break the collecting engine.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs many worlds and says which of them broke what.
    Soak {
        /// How many.
        #[arg(long, default_value_t = 10_000)]
        seeds: u64,
        /// The first.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// Side by side; all cores by default.
        #[arg(long)]
        jobs: Option<usize>,
        /// Servers also give answers that look like the end of a list and are not.
        #[arg(long)]
        lying: bool,
        /// The real component instead of the core.
        #[arg(long, conflicts_with = "defect")]
        component: bool,
        /// A mistake that the core makes on purpose, as `NothingIsSeen`.
        #[arg(long, value_parser = defect)]
        defect: Option<Defect>,
    },
    /// Runs a busy organization and says what reading it costs.
    Rate {
        /// Events a second, of each stream.
        #[arg(long, default_value_t = 200)]
        per_second: u32,
        /// In which streams; all by default.
        #[arg(long = "stream")]
        streams: Vec<Stream>,
        /// How long it is measured, after twelve minutes.
        #[arg(long, default_value_t = 60)]
        minutes: u32,
        /// How long an answer takes at least, in ms.
        #[arg(long, default_value_t = LATENCY.0)]
        fastest: i64,
        /// And at most.
        #[arg(long, default_value_t = LATENCY.1)]
        slowest: i64,
    },
    /// Makes a broken world smaller, prints it, and what happens in it.
    Shrink {
        /// Which.
        seed: u64,
        /// As for `soak`.
        #[arg(long)]
        lying: bool,
        /// As for `soak`.
        #[arg(long, conflicts_with = "defect")]
        component: bool,
        /// As for `soak`.
        #[arg(long, value_parser = defect)]
        defect: Option<Defect>,
    },
    /// Runs one world and prints what happened.
    Replay {
        /// Which.
        seed: u64,
        /// As for `soak`.
        #[arg(long)]
        lying: bool,
        /// As for `soak`.
        #[arg(long, conflicts_with = "defect")]
        component: bool,
        /// As for `soak`.
        #[arg(long, value_parser = defect)]
        defect: Option<Defect>,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Soak { seeds, from, jobs, lying, component, defect } => {
            let mut soak = Soak::of(from, seeds);
            soak.jobs = jobs.unwrap_or(soak.jobs);
            soak.realm = realm(lying);
            soak.defect = defect;
            soak.subject = subject(component);
            let started = std::time::Instant::now();
            let summary = soak.run(|found| println!("seed {}: {}", found.seed, found.violation));
            println!(
                "{} worlds, {} of them broken, {:?}, {:?}",
                summary.worlds,
                summary.found.len(),
                summary.done,
                started.elapsed()
            );
            if summary.found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Command::Rate { per_second, streams, minutes, fastest, slowest } => {
            let streams = if streams.is_empty() { Stream::ALL.to_vec() } else { streams };
            let figures = Rate { per_second, streams, minutes, latency: (fastest, slowest) }.run();
            println!("{figures}");
            if let Some(violation) = &figures.violation {
                eprintln!("{violation}");
            }
            println!("{} events amiss", figures.amiss);
            if figures.violation.is_none() && figures.amiss == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Command::Shrink { seed, lying, component, defect } => {
            defect::set(defect);
            let scenario = Scenario::draw(seed, realm(lying));
            let Some(violation) = world::run(&scenario, Detail::None, subject(component)).violation else {
                println!("nothing is wrong in world {seed}");
                return ExitCode::SUCCESS;
            };
            let small = shrink(&scenario, &violation, subject(component));
            for line in world::run(&small.scenario, Detail::Lines, subject(component)).trace.into_lines() {
                println!("{line}");
            }
            println!("{:#?}\n{}", small.scenario, small.violation);
            ExitCode::FAILURE
        }
        Command::Replay { seed, lying, component, defect } => {
            defect::set(defect);
            let scenario = Scenario::draw(seed, realm(lying));
            let outcome = world::run(&scenario, Detail::Lines, subject(component));
            for line in outcome.trace.clone().into_lines() {
                println!("{line}");
            }
            match outcome.violation {
                None => ExitCode::SUCCESS,
                Some(violation) => {
                    eprintln!("{violation}");
                    ExitCode::FAILURE
                }
            }
        }
    }
}

fn defect(name: &str) -> Result<Defect, String> {
    let named = Defect::ALL.into_iter().find(|defect| format!("{defect:?}") == name);
    named.ok_or_else(|| format!("one of {:?}", Defect::ALL))
}

fn subject(component: bool) -> Subject {
    Subject { engine: if component { Engine::Component } else { Engine::Core }, defect: None }
}

fn realm(lying: bool) -> Realm {
    if lying { Realm::Lying } else { Realm::Honest }
}
