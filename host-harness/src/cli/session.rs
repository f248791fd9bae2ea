//! What most commands start from: the settings, the plugin, the tenant.

use std::path::Path;
use std::sync::Arc;

use indicatif::MultiProgress;

use super::{CliError, Global, component, output};
use crate::config::Config;
use crate::log::{Level, Log};
use crate::runtime::{NativeCache, Plugin, Runtime, Tenant};
use crate::secrets::{Condition, KeySource, SealedFile};
use crate::state::State;
use crate::stop::Stop;
use crate::tenants;

/// The folder in `state_dir` in which compiled components are kept.
const NATIVE: &str = "native";

/// The component, compiled and checked.
pub(super) fn plugin(global: &Global) -> Result<Plugin, CliError> {
    Ok(Runtime::new()?.load(component::read(global)?.bytes())?)
}

/// The same, compiled now or at an earlier start. `folder`: the state of the program as a whole; `key`: where the key is that
/// seals its secrets. Where there is none yet, [`Plugin::keep`] at the end keeps it for the next start.
pub(super) fn compiled(global: &Global, folder: &Path, key: &KeySource) -> Result<Plugin, CliError> {
    let keeper = Arc::new(SealedFile::open(folder, key.clone())?);
    let native = NativeCache::new(folder.join(NATIVE), keeper);
    Ok(Runtime::new()?.load_cached(&component::read(global)?, &native)?)
}

/// Lines on standard error, above the bars if there are any.
pub(super) fn log(global: &Global, bars: Option<MultiProgress>) -> Log {
    let least = match global.verbose {
        0 => Level::Warn,
        1 => Level::Info,
        _ => Level::Debug,
    };
    Log::screen(least, bars, output::form())
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
