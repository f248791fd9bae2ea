//! Which origins a plugin may call. Deny by default; the whole origin counts: scheme, host and port.
//!
//! | allowed | asked | |
//! | --- | --- | --- |
//! | `https://webexapis.com/v1` | `https://webexapis.com/x` | yes: the path is the plugin's |
//! | | `https://webexapis.com:443/x` | yes: the same port |
//! | | `https://webexapis.com:8443/x`, `http://webexapis.com/x` | no |
//! | | `https://api.webexapis.com/x`, `https://webexapis.com.evil.test/x` | no |
//! | | `https://webexapis.com@evil.test/x`, `https://user@webexapis.com/x` | no: no user information at all |
//! | `http://127.0.0.1:8080` | `http://127.0.0.1:8080/x` | yes: plain http on loopback only |
//! | | `http://127.1:8080/x`, `http://0x7f.1:8080/x` | no: only the spelling that `url` gives |
//!
//! What is allowed is parsed as a URL once. A request is then compared with the text that this gave, host and port as a whole,
//! and with nothing else: two parsers that differ are how a request gets past a check, so no second one is asked.

use std::fmt;
use std::net::IpAddr;

use http::uri::{Scheme, Uri};
use http::{HeaderMap, HeaderValue, Method};
use url::{Host, Url};

use super::address;
use super::denied::Denied;
use super::rules;

/// Scheme, host and port of a web server, in the form that `url` gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    secure: bool,
    host: Host<String>,
    port: u16,
    /// Host and port.
    authority: String,
    /// As `authority`, but without the port where the scheme implies it; what `Host` says.
    short: HeaderValue,
}

/// Why a text names no origin that may be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It is no absolute URL.
    #[error("it is not an absolute URL such as https://webexapis.com ({0})")]
    NotAUrl(url::ParseError),
    /// It is neither http nor https, or has no host.
    #[error("its scheme must be https")]
    Scheme,
    /// Plain http to another machine.
    #[error("plain http is allowed on loopback only (127.0.0.1, [::1], localhost); use https")]
    PlainHttp,
    /// It holds a name or password.
    #[error("it must not hold a user name or password")]
    UserInformation,
}

impl Origin {
    /// The origin of an absolute URL; path and query do not count.
    ///
    /// # Errors
    /// See [`OriginError`].
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let url = Url::parse(text.trim()).map_err(OriginError::NotAUrl)?;
        let (secure, implied) = match url.scheme() {
            "https" => (true, 443),
            "http" => (false, 80),
            _ => return Err(OriginError::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OriginError::UserInformation);
        }
        let host = url.host().ok_or(OriginError::Scheme)?.to_owned();
        if !secure && !is_loopback(&host) {
            return Err(OriginError::PlainHttp);
        }
        let port = url.port().unwrap_or(implied);
        let authority = format!("{host}:{port}");
        let short = if port == implied { host.to_string() } else { authority.clone() };
        let short = HeaderValue::try_from(short).map_err(|_| OriginError::Scheme)?;
        Ok(Self { secure, host, port, authority, short })
    }

    /// Whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Its name, if it is not an address.
    pub(super) fn name(&self) -> Option<&str> {
        if let Host::Domain(name) = &self.host { Some(name) } else { None }
    }

    /// Where to connect to.
    pub(super) fn uri(&self) -> Uri {
        let scheme = if self.secure { Scheme::HTTPS } else { Scheme::HTTP };
        let uri = Uri::builder().scheme(scheme).authority(self.short.as_bytes()).path_and_query("/").build();
        // An authority that was read from a URL is one of a URI.
        uri.unwrap_or_default()
    }

    /// What `Host` says of it.
    pub(super) fn host_header(&self) -> &HeaderValue {
        &self.short
    }

    /// Whether anybody could have named it without knowing of this machine and its network.
    fn is_outside(&self) -> bool {
        match &self.host {
            Host::Ipv4(address) => address::inside(IpAddr::V4(*address)).is_none(),
            Host::Ipv6(address) => address::inside(IpAddr::V6(*address)).is_none(),
            Host::Domain(_) => !is_loopback(&self.host),
        }
    }

    fn is(&self, scheme: &Scheme, authority: &str) -> bool {
        let scheme_is_same = if self.secure { *scheme == Scheme::HTTPS } else { *scheme == Scheme::HTTP };
        scheme_is_same
            && (authority.as_bytes().eq_ignore_ascii_case(self.short.as_bytes())
                || authority.eq_ignore_ascii_case(&self.authority))
    }
}

fn is_loopback(host: &Host<String>) -> bool {
    match host {
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
        Host::Domain(name) => name == LOCALHOST,
    }
}

/// The one name of this machine that may be used: it leads to loopback, which is checked when it is resolved.
pub(super) const LOCALHOST: &str = "localhost";

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

/// The origins that may be called.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    allowed: Vec<Origin>,
}

impl Policy {
    /// Allows the origins of these URLs, which an operator has named. One that names no usable origin allows nothing; the
    /// plugin says so itself, since it reads the same setting.
    pub fn allow<T: AsRef<str>>(urls: impl IntoIterator<Item = T>) -> Self {
        Self { allowed: urls.into_iter().filter_map(|url| Origin::parse(url.as_ref()).ok()).collect() }
    }

    /// Whether a request may be made, and to which of the origins.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<&Origin, Denied> {
        rules::check(method, uri, headers)?;
        self.check(uri)
    }

    /// Allows the origins of these URLs, which a plugin has named: none of this machine or of a private network.
    pub fn of_plugin<T: AsRef<str>>(urls: impl IntoIterator<Item = T>) -> Self {
        let mut policy = Self::allow(urls);
        policy.allowed.retain(Origin::is_outside);
        policy
    }

    /// The origin of a request, if it may be called.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check(&self, uri: &Uri) -> Result<&Origin, Denied> {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else { return Err(Denied::NotAbsolute) };
        let found = self.allowed.iter().find(|origin| origin.is(scheme, authority.as_str()));
        found.ok_or_else(|| self.reason(scheme, authority.as_str()))
    }

    /// Why not.
    fn reason(&self, scheme: &Scheme, authority: &str) -> Denied {
        if authority.contains('@') {
            return Denied::UserInformation;
        }
        match Origin::parse(&format!("{scheme}://{authority}/")) {
            Ok(origin) if self.allowed.contains(&origin) => Denied::Spelling,
            _ => Denied::Origin,
        }
    }

    /// Whether anything that is allowed needs TLS.
    pub fn needs_tls(&self) -> bool {
        self.allowed.iter().any(Origin::is_secure)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests;
