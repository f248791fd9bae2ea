//! What is measured: the collector, and beside it what else one could run. Each in a process of its own.

pub mod collector;
mod http;
mod loops;
mod native_core;

use std::path::Path;
use std::process::ExitCode;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::error::BenchError;
use crate::tenant::Access;

/// The file that every subject writes: one event a line.
pub const EVENTS: &str = "events.ndjson";
/// What the native subjects are told: an [`Access`].
const ACCESS: &str = "access.json";

/// Who does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// `webex-collector collect`, as it is shipped.
    Collector,
    /// The same core without a sandbox, with the same client, state and sink.
    NativeCore,
    /// Pages one after the other, streams one after the other, each item parsed and written anew.
    PlainLoop,
    /// The same loop, which finds where items begin and end and parses nothing else.
    BoundaryLoop,
    /// One request and the end, to say what a start costs.
    FirstRequest,
}

impl Subject {
    /// Its name, as in arguments and results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Collector => "collector",
            Self::NativeCore => "native-core",
            Self::PlainLoop => "plain-loop",
            Self::BoundaryLoop => "boundary-loop",
            Self::FirstRequest => "first-request",
        }
    }

    /// What a table calls it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Collector => "**collector**",
            Self::NativeCore => "its core, native",
            Self::PlainLoop => "plain loop, full parse",
            Self::BoundaryLoop => "plain loop, boundaries only",
            Self::FirstRequest => "one request",
        }
    }
}

/// Tells the native subjects where to look.
///
/// # Errors
/// The file cannot be written.
pub fn tell(folder: &Path, access: &Access) -> Result<(), BenchError> {
    let path = folder.join(ACCESS);
    let text = serde_json::to_string(access).map_err(BenchError::tenant)?;
    std::fs::write(&path, text).map_err(BenchError::file("write", &path))
}

/// Is the subject, in the present folder, until its work is done.
pub fn be(subject: Subject) -> ExitCode {
    let said = match run(subject) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(error) => error,
    };
    eprintln!("{said}");
    ExitCode::FAILURE
}

fn run(subject: Subject) -> Result<(), SubjectError> {
    let access: Access = serde_json::from_slice(&std::fs::read(ACCESS)?)?;
    // As the host's: one worker, and the main thread.
    let tasks = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    tasks.block_on(async {
        match subject {
            Subject::Collector => Err("the collector is a program of its own".into()),
            Subject::NativeCore => native_core::run(&access).await,
            Subject::PlainLoop => loops::run(&access, loops::Way::FullParse).await,
            Subject::BoundaryLoop => loops::run(&access, loops::Way::Boundaries).await,
            Subject::FirstRequest => loops::first_request(&access).await,
        }
    })
}

/// Whatever ends a subject; it is only shown.
type SubjectError = Box<dyn std::error::Error>;
