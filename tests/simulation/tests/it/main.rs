//! The worlds that every test run sees: drawn ones, with and without mistakes made on purpose, and directed ones.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod component;
mod defects;
mod directed;
mod rate;
mod worlds;

/// Worlds that a test run draws.
const SEEDS: u64 = 3_000;
