//! The program as people and scripts meet it: its exit codes, its one-line errors, what it leaves on the disk when it is
//! stopped or killed. Each test has a folder and a simulated tenant of its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod collect;
mod commands;
mod configuration;
mod demo;
#[cfg(unix)]
mod disk;
mod interrupted;
mod kills;
mod last_run;
mod login;
mod network;
mod platform;
mod re_audit;
mod secrets;
mod serve;
mod sign_in;
mod spool;
mod streams;
mod support;
mod tenants;
#[cfg(target_os = "linux")]
mod terminal;
