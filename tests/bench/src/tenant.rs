//! A Webex to measure against: three streams of each tenant, whose events are made when they are asked for, in a process of its own.
//!
//! The rules are those of `host_harness::simulator`, as far as a collector of a backlog meets them: bearer, organization, window,
//! `max`, next link, `Date`, newest first, 429 with `Retry-After`. An event costs it a copy of a kilobyte, so that it is never
//! what is measured.

mod item;
mod limit;
mod listing;
mod process;
mod series;
mod server;
mod tally;

use serde::{Deserialize, Serialize};

pub use item::{Known, Reader, Stamp, Template};
pub use process::{Access, TenantProcess, serve};
pub use series::Supply;
pub use tally::{Report, unix_us, whole_minutes};

/// What a tenant is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Of each stream, in the order of `Stream::ALL`.
    pub supply: [Supply; 3],
    /// How long each answer takes, in milliseconds.
    pub latency_ms: u64,
    /// Whether a client that offers gzip gets it, at level 1.
    pub gzip: bool,
    /// Requests that a user may make in any minute; none: as many as he likes.
    pub requests_a_minute: Option<usize>,
    /// How many tenants this is, each with all that stands above: they are told apart by their bearers.
    pub tenants: u16,
}
