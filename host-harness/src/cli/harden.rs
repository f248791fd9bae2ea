//! What the system can be told about a process that holds tokens, and what a panic may tell.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

use super::output;
use crate::log::plain;

/// From now on a crash of this process leaves no image of its memory, and no other process of the same account can look into it.
/// Where the system refuses there is nothing to be done about it here, and nothing depends on it.
pub(super) fn no_dumps() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
    // A program that takes dumps over from the kernel is not bound by the limit, and by this it is.
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// A defect of the program, in one line without secrets; the places behind it only where somebody asks for them
/// (`RUST_BACKTRACE=1`).
pub(super) fn tell_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let words = panic.payload_as_str().unwrap_or("no words");
    output::Note::error("defect", &plain(&format!("a defect of the program, at {place}: {words}; please report it")))
        .write();
    let trace = Backtrace::capture();
    if trace.status() == BacktraceStatus::Captured {
        trace.to_string().lines().for_each(output::words);
    }
}
