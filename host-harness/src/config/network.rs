//! The table `[network]`: how the way out is built.

use std::path::Path;

use super::keys;
use super::value::Values;
use crate::net::{Proxy, ProxyError, Trust, TrustError, WayOut, check_no_proxy};

/// Why a key of it cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// Authorities.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The proxy, and what belongs to it.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// A switch that is neither on nor off.
    #[error("it must be true or false")]
    Switch,
}

/// What the keys come to. An error comes with its key.
pub(super) fn way_out(values: &Values, folder: &Path) -> Result<WayOut, (&'static str, NetworkError)> {
    let trust = match values.text(keys::CA_FILE) {
        None => Trust::default(),
        Some(path) => Trust::default().and_file(&folder.join(path)).map_err(|error| (keys::CA_FILE, error.into()))?,
    };
    let trust = match values.text(keys::ACCEPT_INVALID_CERTS) {
        None | Some("false") => trust,
        Some("true") => trust.and_everybody(),
        Some(_) => return Err((keys::ACCEPT_INVALID_CERTS, NetworkError::Switch)),
    };
    Ok(WayOut { trust, proxy: proxy(values).map_err(|(key, error)| (key, error.into()))? })
}

fn proxy(values: &Values) -> Result<Option<Proxy>, (&'static str, ProxyError)> {
    let of = |key: &'static str| move |error| (key, error);
    let no_proxy = values.text(keys::NO_PROXY).unwrap_or_default();
    let Some(url) = values.text(keys::PROXY) else {
        let belongs = [keys::PROXY_USER, keys::PROXY_PASSWORD, keys::NO_PROXY];
        let lonely = belongs.into_iter().find(|key| values.has(key));
        return lonely.map_or(Ok(None), |key| Err((key, ProxyError::NoneNamed)));
    };
    check_no_proxy(no_proxy).map_err(of(keys::NO_PROXY))?;
    let proxy = Proxy::parse(url, no_proxy).map_err(of(keys::PROXY))?;
    match (values.text(keys::PROXY_USER), values.secret(keys::PROXY_PASSWORD)) {
        (None, None) => Ok(Some(proxy)),
        (Some(user), Some(password)) => proxy.signed_in(user, password).map(Some).map_err(of(keys::PROXY_USER)),
        (Some(_), None) => Err((keys::PROXY_USER, ProxyError::Half)),
        (None, Some(_)) => Err((keys::PROXY_PASSWORD, ProxyError::Half)),
    }
}
