//! The specification of the whole, as tests: the real component in the real host, against a scripted Webex (`wiremock`)
//! and a simulated one, with a clock that stands still; and the program as people and scripts meet it.
//!
//! One module for each behaviour; the name of a test is a sentence of the specification.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod backlog;
mod bad_input;
mod bodies;
mod commands;
mod contract;
#[cfg(unix)]
mod delivery;
mod docs;
mod isolation;
mod last_run;
mod organizations;
mod program;
mod secrecy;
mod security;
mod sign_in;
mod simulated;
mod sinks;
mod support;
mod tokens;
mod torn_line;
mod unverified;
