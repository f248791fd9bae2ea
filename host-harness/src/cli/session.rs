//! What most commands start from: the settings, the plugin, the tenant.

use std::sync::Arc;

use indicatif::MultiProgress;

use super::{CliError, Global, component};
use crate::config::Config;
use crate::log::{Level, Log};
use crate::runtime::{Plugin, Runtime, Tenant};
use crate::secrets::{Condition, SealedFile};
use crate::state::State;
use crate::stop::Stop;
use crate::tenants;

/// The component, compiled and checked.
pub(super) fn plugin(global: &Global) -> Result<Plugin, CliError> {
    Ok(Runtime::new()?.load(&component::read(global)?)?)
}

/// Lines on standard error, above the bars if there are any.
pub(super) fn log(global: &Global, bars: Option<MultiProgress>) -> Log {
    let least = match global.verbose {
        0 => Level::Warn,
        1 => Level::Info,
        _ => Level::Debug,
    };
    Log::screen(least, bars)
}

/// One run of the program with a tenant.
pub(super) struct Session {
    pub(super) config: Config,
    pub(super) plugin: Plugin,
    pub(super) tenant: Tenant,
    pub(super) state: State,
    pub(super) secrets: Arc<SealedFile>,
}

impl Session {
    /// Opens the tenant of these settings.
    pub(super) async fn of(config: Config, plugin: Plugin, log: Log, stop: Stop) -> Result<Self, CliError> {
        let log = config.tenant.as_ref().map_or(log.clone(), |name| log.of_tenant(name.as_str()));
        let secrets = tenants::store(&config)?;
        let tenant = tenants::open(&plugin, &config, &secrets, log, stop).await?;
        let state = State::at(&config.state_dir);
        Ok(Self { config, plugin, tenant, state, secrets })
    }

    /// Sees that the store of secrets can be used, and that it holds what is to be in it.
    pub(super) async fn secrets_ready(&self) -> Result<Condition, CliError> {
        Ok(tenants::ready(&self.config, &self.secrets).await?)
    }
}
