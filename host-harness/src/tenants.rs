//! Many tenants in one process: who has a turn, for how long, and what is kept of the others.
//!
//! Files of [`Tenants`](crate::config::Tenants) come and go; each is a tenant with a seat. A bounded number of them have a turn at
//! a time, in the order in which they fell due. A turn is short: who has a large backlog goes to the end of the queue and does not
//! keep the others waiting. Between two turns nothing is kept of a tenant but where its rounds are, its sinks, and the lock of
//! its state: no settings, no secrets, no last-run, no connection. What fails stops its own tenant, which is tried again later.

mod opened;
mod schedule;
mod seat;

use std::path::PathBuf;
use std::time::Duration;

use crate::collect::{CollectError, End, Round, Totals};
use crate::config::{ConfigError, TenantName};
use crate::courier::Standing;
use crate::durable::DurableError;
use crate::runtime::RuntimeError;
use crate::secrets::StoreError;
use crate::sink::SinkError;
use crate::state::StateError;
pub(crate) use opened::{open, ready, store};
pub use schedule::Scheduler;
pub use seat::{Shared, Watch};

/// Why a tenant cannot have its turn.
#[derive(Debug, thiserror::Error)]
pub enum TenantError {
    /// Its file, or the defaults.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A folder or file of the host.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// The store of its secrets.
    #[error(transparent)]
    Secrets(#[from] StoreError),
    /// A secret that is to be in the store is not.
    #[error(
        "{place}: `{key}` is to be in the store, which does not hold it; run `webex-collector {of_tenant}secrets set {name}`"
    )]
    NotKept {
        /// File and line.
        place: String,
        /// The key in the file.
        key: &'static str,
        /// The secret's name.
        name: String,
        /// What the command needs to find the tenant.
        of_tenant: String,
    },
    /// Its state.
    #[error(transparent)]
    State(#[from] StateError),
    /// Its sinks.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The plugin could not be run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The collection broke off.
    #[error(transparent)]
    Collect(#[from] CollectError),
    /// A defect of the program.
    #[error("its turn ended by a defect of the program; please report it")]
    Defect,
}

impl TenantError {
    /// Whether nobody reads standard output any more, which no tenant gets over.
    fn is_closed_output(&self) -> bool {
        matches!(self, Self::Sink(SinkError::Closed) | Self::Collect(CollectError::Sink(SinkError::Closed)))
    }
}

/// What an observer of a [`Scheduler`] is told.
#[derive(Debug)]
pub enum Step<'a> {
    /// A tenant's file is new, since the start.
    Came(&'a TenantName),
    /// It is gone; its state stays on the disk.
    Went(&'a TenantName),
    /// The file's name is none of a tenant.
    Refused(&'a ConfigError),
    /// The folder of the tenants can be looked at again.
    Listed,
    /// The folder of the tenants cannot be looked at; those that are known go on.
    Unlisted(&'a ConfigError),
    /// What the tenant's last run has left, in words.
    LookedBack(&'a TenantName, &'a str),
    /// A round or a re-audit of the tenant is over.
    Over(&'a TenantName, &'a Round),
    /// The tenant failed, in another way than the time before; after a while it is tried again, or not.
    Failed(&'a TenantName, &'a TenantError, Option<Duration>),
    /// It had failed, and does no more.
    Recovered(&'a TenantName),
}

/// What a run came to.
#[derive(Debug, Default)]
pub struct Summary {
    /// By tenant.
    pub tenants: std::collections::BTreeMap<TenantName, Outcome>,
    /// Files whose names are none of a tenant.
    pub refused: Vec<PathBuf>,
    /// Why all of them ended before their time.
    pub broken: Option<TenantError>,
}

/// What a run came to for one tenant.
#[derive(Debug)]
pub struct Outcome {
    /// What its rounds came to.
    pub totals: Totals,
    /// Its last re-audit, if there was one.
    pub re_audit: Option<Round>,
    /// How each sink behind its spool stands.
    pub sinks: Vec<Standing>,
    /// How it ended: by its last turn.
    pub end: Result<End, TenantError>,
}
