//! A complete host for plugins of the world `siem:plugin/plugin`: it runs the component, collects, delivers, remembers.
//!
//! The rooms, each with one door:
//!
//! | room | holds |
//! | --- | --- |
//! | [`runtime`] | the engine, the component, one call into it; what the plugin imports |
//! | [`net`] | the one way out: allowed origins, pooled connections, limits |
//! | [`secrets`] | what must not be printed: configured secrets and the tokens that the plugin writes |
//! | [`state`] | last-run, replaced atomically and never read back torn |
//! | [`spool`] | what waits on the disk for the sinks |
//! | [`courier`] | from the spool to each sink: sends, acknowledgements, retries, dead letters |
//! | [`sink`] | where events go, in each receiver's own words |
//! | [`serve`] | the page, health, metrics and commands over HTTP |
//! | [`config`] | `webex.toml`: the table of keys, its reader, its template |
//! | [`board`] | how everything stands right now, and whether data flows |
//! | [`collect`] | the cycle: state, call, delivery, state |
//! | [`tenants`] | many of them in one process: who has a turn, and what is kept of the others |
//! | [`sign_in`] | a user signs in by way of a browser: link, receiver, last page |
//! | [`cli`] | people: commands, words, exit codes |
//! | [`demo`] | the whole job against a simulated tenant |
//! | [`simulator`] | the tenant that the demo and the tests run against |
//! | [`durable`] | files that survive a crash, locks between processes |
//! | [`log`] | lines for the operator |
//! | [`codes`] | what each code means, and what to do |
//! | [`stop`] | the wish to end, passed to everything that waits |
//!
//! None of them but [`config`] and [`demo`] knows the product; last-run is opaque to all of them.

pub mod board;
pub mod cli;
pub mod codes;
pub mod collect;
pub mod config;
pub mod courier;
pub mod demo;
pub mod durable;
pub mod log;
pub mod net;
mod redaction;
pub mod runtime;
pub mod secrets;
pub mod serve;
pub mod sign_in;
pub mod simulator;
pub mod sink;
pub mod spool;
pub mod state;
pub mod stop;
pub mod tenants;

/// The component that this build was made with.
pub const COMPONENT: &[u8] = include_bytes!(env!("PLUGIN_COMPONENT"));
/// Its SHA-256, as `sha256sum` prints it.
pub const COMPONENT_SHA256: &str = env!("PLUGIN_COMPONENT_SHA256");
