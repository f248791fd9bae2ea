//! Each target takes any bytes and checks what must hold for them; it panics where it does not, which is what a fuzzer looks for.

mod answer;
mod page;
mod person;
mod stored;

/// A target by the name of its corpus.
pub struct Target {
    /// The folder in `corpus`.
    pub name: &'static str,
    /// What is tried.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "page", run: page::page },
    Target { name: "link", run: answer::link },
    Target { name: "retry_after", run: answer::retry_after },
    Target { name: "token", run: answer::token },
    Target { name: "error_body", run: answer::error_body },
    Target { name: "last_run", run: stored::last_run },
    #[cfg(feature = "host")]
    Target { name: "webex_toml", run: stored::webex_toml },
    Target { name: "arguments", run: person::arguments },
    Target { name: "redirected", run: person::redirected },
];

/// Runs the target of this name.
///
/// # Panics
/// There is none; or it has found something.
#[allow(clippy::panic, reason = "a fuzzer's language")]
pub fn run(name: &str, bytes: &[u8]) {
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else { panic!("no target {name}") };
    (target.run)(bytes);
}

/// The time at which all targets run: 2026-02-11T20:00:00Z.
pub(crate) const NOW: cisco_webex_plugin::time::Timestamp =
    cisco_webex_plugin::time::Timestamp::from_millis(1_770_840_000_000);
