//! What most commands start from: the settings, the plugin, the tenant.

use indicatif::MultiProgress;

use super::{CliError, Global};
use crate::config::Config;
use crate::log::{Level, Log};
use crate::runtime::{Plugin, Runtime, Tenant};
use crate::secrets::Store;
use crate::state::State;
use crate::stop::Stop;

/// The component of `--component`, or the one built in.
pub(super) fn component(global: &Global) -> Result<Vec<u8>, CliError> {
    match &global.component {
        None => Ok(crate::COMPONENT.to_vec()),
        Some(path) => std::fs::read(path).map_err(|source| CliError::File {
            action: "read the component",
            path: path.clone(),
            source,
        }),
    }
}

/// The component, compiled and checked.
pub(super) fn plugin(global: &Global) -> Result<Plugin, CliError> {
    Ok(Runtime::new()?.load(&component(global)?)?)
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
}

impl Session {
    /// Reads the settings, loads the plugin, opens the tenant.
    pub(super) async fn open(global: &Global, log: Log, stop: Stop) -> Result<Self, CliError> {
        let config = Config::load(&global.config)?;
        let plugin = plugin(global)?;
        let tenant = plugin
            .tenant()
            .settings(config.settings.clone())
            .configured_secrets(config.secrets.clone())
            .secret_store(Store::file(&config.state_dir)?)
            .way_out(config.way_out.clone())
            .log(log)
            .stop(stop)
            .open()
            .await?;
        let state = State::at(&config.state_dir);
        Ok(Self { config, plugin, tenant, state })
    }
}
