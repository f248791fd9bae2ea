//! A small process that runs one command and says what that has cost.
//!
//! The system adds up what ended children have used. A process that has had one child knows its exact CPU time and its peak of
//! memory, however it ended. It has to be small itself: a child's peak begins with that of the process that started it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::error::BenchError;

/// What a process has used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// When it was started, microseconds since the epoch.
    pub started_us: u64,
    /// From the start to the end.
    pub wall_us: u64,
    /// User and system.
    pub cpu_us: u64,
    /// The most that it had in memory (RSS).
    pub peak_bytes: u64,
    /// Whether it said that it has done its work.
    pub succeeded: bool,
}

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Task<'a> {
    /// Program and arguments.
    pub command: &'a [String],
    /// Where.
    pub folder: &'a Path,
    /// It is asked to end (SIGINT) after this; none: it ends by itself.
    pub until: Option<Duration>,
}

/// Runs it in a measured process of its own. What it says on standard error stands in the file `said` of the folder.
///
/// # Errors
/// It could not be run, or did not succeed.
pub fn measure(name: &str, task: &Task<'_>) -> Result<Usage, BenchError> {
    let failed = |reason: String| BenchError::Subject { subject: name.to_owned(), reason };
    let said = task.folder.join("said");
    let usage = task.folder.join("usage.json");
    let stderr = std::fs::File::create(&said).map_err(BenchError::file("write", &said))?;
    let mut parent = Command::new(std::env::current_exe().map_err(|error| failed(error.to_string()))?);
    parent.arg("measured").arg("--usage").arg(&usage);
    if let Some(until) = task.until {
        parent.arg("--seconds").arg(until.as_secs().to_string());
    }
    let status = parent
        .arg("--")
        .args(task.command)
        .current_dir(task.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .status()
        .map_err(|error| failed(error.to_string()))?;
    let words = || std::fs::read_to_string(&said).unwrap_or_default().trim().to_owned();
    if !status.success() {
        return Err(failed(words()));
    }
    let text = std::fs::read_to_string(&usage).map_err(BenchError::file("read", &usage))?;
    let usage: Usage = serde_json::from_str(&text).map_err(|error| failed(error.to_string()))?;
    if usage.succeeded { Ok(usage) } else { Err(failed(words())) }
}

/// The role of the small process: runs a command here, and writes its [`Usage`].
///
/// # Errors
/// It could not be run.
pub fn be_the_parent(usage: &PathBuf, seconds: Option<u64>, command: &[String]) -> Result<(), BenchError> {
    let failed =
        |reason: &dyn std::fmt::Display| BenchError::Subject { subject: command.join(" "), reason: reason.to_string() };
    let Some((program, arguments)) = command.split_first() else { return Err(failed(&"no command is named")) };
    let started_us = crate::tenant::unix_us();
    let started = Instant::now();
    let mut child = Command::new(program).args(arguments).spawn().map_err(|error| failed(&error))?;
    if let Some(seconds) = seconds {
        std::thread::sleep(Duration::from_secs(seconds));
        system::interrupt(&child).map_err(|error| failed(&error))?;
    }
    let status = child.wait().map_err(|error| failed(&error))?;
    let wall_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let (cpu_us, peak_bytes) = system::of_children().map_err(|error| failed(&error))?;
    let found = Usage { started_us, wall_us, cpu_us, peak_bytes, succeeded: status.success() };
    let text = serde_json::to_string(&found).map_err(|error| failed(&error))?;
    std::fs::write(usage, text).map_err(BenchError::file("write", usage))
}

#[cfg(target_os = "linux")]
mod system {
    use std::io;
    use std::process::Child;

    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::signal::{Signal, kill};
    use nix::sys::time::TimeValLike;
    use nix::unistd::Pid;

    /// CPU time in microseconds and peak of memory in bytes of all children that have ended.
    pub(super) fn of_children() -> io::Result<(u64, u64)> {
        let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
        let cpu = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        // The system counts it in KiB.
        let peak = usage.max_rss().saturating_mul(1024);
        Ok((u64::try_from(cpu).unwrap_or(0), u64::try_from(peak).unwrap_or(0)))
    }

    /// What Ctrl-C does. One that has ended already is left alone: it is not waited for yet, so its number is still its own.
    pub(super) fn interrupt(child: &Child) -> io::Result<()> {
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        Ok(kill(Pid::from_raw(pid), Signal::SIGINT)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;
    use std::process::Child;

    pub(super) fn of_children() -> io::Result<(u64, u64)> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "what a process has used is read on Linux only"))
    }

    pub(super) fn interrupt(_: &Child) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "a process is asked to end on Linux only"))
    }
}
