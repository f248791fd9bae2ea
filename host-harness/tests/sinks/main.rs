//! Sinks against receivers that misbehave: real ones where they can be had, and strict stand-ins made from the vendors'
//! documentation where they cannot. Each sink goes through the same suite (`conformance.rs`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod conformance;
mod elasticsearch;
mod http_receiver;
#[cfg(feature = "kafka")]
mod kafka;
mod ndjson;
mod object_store;
mod splunk_hec;
mod syslog;
