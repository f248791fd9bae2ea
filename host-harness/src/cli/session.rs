//! What most commands start from: the settings, the plugin, the tenant.

use std::borrow::Cow;
use std::sync::Arc;

use indicatif::MultiProgress;

use super::{CliError, Global, component};
use crate::config::{Config, keys};
use crate::log::{Level, Log};
use crate::runtime::{NativeCache, Plugin, Runtime, Tenant};
use crate::secrets::{Condition, SealedFile, Supplied, blocking};
use crate::state::State;
use crate::stop::Stop;

/// The folder in `state_dir` in which compiled components are kept.
const NATIVE: &str = "native";

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
    component: Cow<'static, [u8]>,
    native: NativeCache,
}

impl Session {
    /// Reads the settings, loads the plugin, opens the tenant.
    pub(super) async fn open(global: &Global, log: Log, stop: Stop) -> Result<Self, CliError> {
        let config = Config::load(&global.config)?;
        let component = component::read(global)?;
        let secrets = Arc::new(SealedFile::open(&config.state_dir, config.secrets_key.clone())?);
        let native = NativeCache::new(config.state_dir.join(NATIVE), Arc::clone(&secrets));
        let plugin = Runtime::new()?.load_cached(&component, &native)?;
        let tenant = plugin
            .tenant()
            .settings(config.settings.clone())
            .origin_setting(keys::ORIGIN_SETTING)
            .configured_secrets(config.secrets.clone())
            .secret_store(Arc::clone(&secrets).into())
            .way_out(config.way_out.clone())
            .log(log)
            .stop(stop)
            .open()
            .await?;
        let state = State::at(&config.state_dir);
        Ok(Self { config, plugin, tenant, state, secrets, component, native })
    }

    /// Keeps the compiled component for the next start, where there was no key yet to attest it with at this one.
    pub(super) fn keep_compiled(&self) {
        self.plugin.keep(&self.component, &self.native);
    }

    /// Sees that the store of secrets can be used, before work begins that needs it: a key that is wrong or missing is told once,
    /// and not by each stream.
    pub(super) async fn secrets_ready(&self) -> Result<Condition, CliError> {
        let condition = blocking(&self.secrets, SealedFile::ready).await?;
        let mut wanted = self.config.secrets.iter().filter(|(_, supplied)| **supplied == Supplied::InStore).peekable();
        if wanted.peek().is_none() {
            return Ok(condition);
        }
        let kept = blocking(&self.secrets, SealedFile::list).await?;
        for (name, _) in wanted {
            if !kept.iter().any(|kept| kept.name == *name) {
                let place = keys::of_secret(name).map(|key| (self.config.place_of_key(key), key.path));
                let (place, path) = place.unwrap_or_default();
                return Err(CliError::Usage(format!(
                    "{place}: `{path}` is to be in the store, which does not hold it; run `webex-collector secrets set {name}`"
                )));
            }
        }
        Ok(condition)
    }
}
