//! From a tenant's settings to a tenant that can be called.

use std::sync::Arc;

use super::TenantError;
use crate::config::{Config, keys};
use crate::durable::DurableError;
use crate::log::Log;
use crate::runtime::{Plugin, RuntimeError, Tenant};
use crate::secrets::{Condition, SealedFile, Supplied, blocking};
use crate::stop::Stop;

/// The store of its secrets.
pub(crate) fn store(config: &Config) -> Result<Arc<SealedFile>, DurableError> {
    let (folder, key) = (&config.state_dir, config.secrets_key.clone());
    Ok(Arc::new(match &config.tenant {
        Some(name) => SealedFile::of_tenant(folder, key, name.as_str())?,
        None => SealedFile::open(folder, key)?,
    }))
}

/// The plugin with what this tenant gives it.
pub(crate) async fn open(
    plugin: &Plugin,
    config: &Config,
    store: &Arc<SealedFile>,
    log: Log,
    stop: Stop,
) -> Result<Tenant, RuntimeError> {
    plugin
        .tenant()
        .settings(config.settings.clone())
        .origin_setting(keys::ORIGIN_SETTING)
        .configured_secrets(config.secrets.clone())
        .secret_store(Arc::clone(store).into())
        .way_out(config.way_out.clone())
        .log(log)
        .stop(stop)
        .open()
        .await
}

/// Sees that the store of secrets can be used, before work begins that needs it: a key that is wrong or missing is told once,
/// and not by each stream.
pub(crate) async fn ready(config: &Config, store: &Arc<SealedFile>) -> Result<Condition, TenantError> {
    let condition = blocking(store, SealedFile::ready).await?;
    let wanted: Vec<&String> =
        config.secrets.iter().filter(|(_, supplied)| **supplied == Supplied::InStore).map(|(name, _)| name).collect();
    if wanted.is_empty() {
        return Ok(condition);
    }
    let kept = blocking(store, SealedFile::list).await?;
    for name in wanted {
        if !kept.iter().any(|kept| kept.name == *name) {
            let place = keys::of_secret(name).map(|key| (config.place_of_key(key), key.path));
            let (place, key) = place.unwrap_or_default();
            let of_tenant = config.tenant.as_ref().map(|name| format!("--tenant {name} ")).unwrap_or_default();
            return Err(TenantError::NotKept { place, key, name: name.clone(), of_tenant });
        }
    }
    Ok(condition)
}
