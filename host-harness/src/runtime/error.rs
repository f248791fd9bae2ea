//! Why the host could not run the plugin. What the plugin itself reports is a [`Failure`](super::Failure).

use std::time::Duration;

use super::bounds::Unsound;
use super::guest::Guest;
use crate::net::NetError;

/// A defect or a limit. Nothing of the call that met it was recorded, so it can be made again.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The engine does not start on this machine.
    #[error("the WebAssembly engine does not start: {0}")]
    Engine(String),
    /// The bytes are no component that this engine takes.
    #[error("this is not a component that can be loaded: {0}; build one with `--target wasm32-wasip2`")]
    Load(String),
    /// The component asks for more, or offers less, than the contract.
    #[error(
        "the component does not fit the contract siem:plugin@0.2.0: {0}; `webex-collector inspect` lists what it imports"
    )]
    Contract(String),
    /// The plugin broke off.
    #[error("the plugin broke off in `{call}`: {reason}; nothing of this call is recorded, so it can be made again")]
    Trap {
        /// Which function.
        call: &'static str,
        /// What the engine and the plugin's last line say.
        reason: String,
    },
    /// The plugin did not return in time.
    #[error(
        "the plugin did not return from `{call}` within {seconds} s and was ended; nothing of this call is recorded, so it can be made again"
    )]
    Deadline {
        /// Which function.
        call: &'static str,
        /// How long it was given.
        seconds: u64,
    },
    /// The plugin was asked to end and did not.
    #[error(
        "`{call}` was dropped because it did not end when asked; nothing of this call is recorded, so it can be made again"
    )]
    Stopped {
        /// Which function.
        call: &'static str,
    },
    /// The plugin needs more memory than it may have.
    #[error(
        "the plugin needs more than {mebibytes} MiB of memory in `{call}`; lower `collect.max_fetch` and try again"
    )]
    Memory {
        /// Which function.
        call: &'static str,
        /// How much it was given.
        mebibytes: usize,
    },
    /// The plugin returned what the contract does not allow.
    #[error(
        "the plugin broke the contract in `{call}`: {what}; nothing of this call is recorded, report it to those who made the plugin"
    )]
    Unsound {
        /// Which function.
        call: &'static str,
        /// What is wrong with it.
        what: Unsound,
    },
    /// The way out cannot be built.
    #[error(transparent)]
    Network(#[from] NetError),
}

impl RuntimeError {
    /// What a call that broke off came to.
    pub(super) fn of_call(call: &'static str, error: &wasmtime::Error, guest: &Guest, memory: usize) -> Self {
        if guest.memory.refused {
            return Self::Memory { call, mebibytes: memory >> 20 };
        }
        let mut reason = one_line(error);
        if let Some(last) = guest.errors.last_line() {
            reason = format!("{reason} ({})", crate::log::plain(&last));
        }
        Self::Trap { call, reason }
    }

    pub(super) fn deadline(call: &'static str, limit: Duration) -> Self {
        Self::Deadline { call, seconds: limit.as_secs() }
    }
}

/// The cause without the backtrace, which would be many lines of addresses.
pub(super) fn one_line(error: &wasmtime::Error) -> String {
    crate::log::plain(&error.root_cause().to_string())
}

/// Which import it is about, and what is wrong with it.
pub(super) fn causes(error: &wasmtime::Error) -> String {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    crate::log::plain(&causes.join(": "))
}
