//! Sinks against receivers that misbehave: real ones where they can be had, and strict stand-ins made from the vendors'
//! documentation where they cannot. Each sink goes through the same suite (`conformance.rs`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
#![allow(clippy::result_large_err, reason = "a stand-in refuses with the answer itself")]

mod conformance;
mod elasticsearch;
mod http;
mod http_receiver;
#[cfg(feature = "kafka")]
mod kafka;
mod ndjson;
mod object_store;
mod otlp;
mod plain_client;
mod sentinel;
mod splunk_hec;
mod syslog;
mod xsiam;
