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

use std::fmt;

use url::{Host, Url};

/// Scheme, host and port of a web server, in the form that `url` gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    secure: bool,
    host: Host<String>,
    port: u16,
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
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(OriginError::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OriginError::UserInformation);
        }
        let host = url.host().ok_or(OriginError::Scheme)?.to_owned();
        let port = url.port_or_known_default().ok_or(OriginError::Scheme)?;
        let origin = Self { secure, host, port };
        if !secure && !origin.is_loopback() {
            return Err(OriginError::PlainHttp);
        }
        Ok(origin)
    }

    /// Whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    fn is_loopback(&self) -> bool {
        match &self.host {
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
            Host::Domain(name) => name == "localhost",
        }
    }

    /// Whether another parser has read the same host and port out of the same text. Two parsers that differ are how a
    /// request gets past a check.
    fn is_also(&self, host: &str, port: Option<u16>) -> bool {
        let default = if self.secure { 443 } else { 80 };
        host.eq_ignore_ascii_case(&self.host.to_string()) && port.unwrap_or(default) == self.port
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// The origins that may be called.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    allowed: Vec<Origin>,
}

impl Policy {
    /// Allows the origins of these URLs. One that names no usable origin allows nothing; the plugin says so itself, since it
    /// reads the same setting.
    pub fn allow<T: AsRef<str>>(urls: impl IntoIterator<Item = T>) -> Self {
        Self { allowed: urls.into_iter().filter_map(|url| Origin::parse(url.as_ref()).ok()).collect() }
    }

    /// The origin of a request, if it may be made.
    pub fn check(&self, uri: &http::Uri) -> Option<Origin> {
        let origin = Origin::parse(&uri.to_string()).ok()?;
        let authority = uri.authority()?;
        let same = !authority.as_str().contains('@') && origin.is_also(authority.host(), authority.port_u16());
        (same && self.allowed.contains(&origin)).then_some(origin)
    }

    /// Whether anything that is allowed needs TLS.
    pub fn needs_tls(&self) -> bool {
        self.allowed.iter().any(Origin::is_secure)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[track_caller]
    fn check(allowed: &str, asked: &str, want: bool) {
        let got = match asked.parse() {
            Ok(uri) => Policy::allow([allowed]).check(&uri).is_some(),
            Err(_) => false,
        };
        assert_eq!(got, want, "{asked} where {allowed} is allowed");
    }

    const WEBEX: &str = "https://webexapis.com/v1";

    #[test]
    fn any_path_of_the_origin_is_allowed() {
        check(WEBEX, "https://webexapis.com/v1/events?from=x", true);
        check(WEBEX, "https://webexapis.com/", true);
        check(WEBEX, "https://WebexApis.com/v1", true);
        check(WEBEX, "https://webexapis.com:443/v1", true);
    }

    #[test]
    fn nothing_is_allowed_by_default() {
        assert!(Policy::default().check(&"https://webexapis.com/".parse().unwrap()).is_none());
        check("not a url", "https://webexapis.com/", false);
    }

    #[test]
    fn scheme_and_port_count() {
        check(WEBEX, "http://webexapis.com/v1", false);
        check(WEBEX, "https://webexapis.com:8443/v1", false);
        check(WEBEX, "https://webexapis.com:80/v1", false);
    }

    #[test]
    fn a_host_that_looks_alike_is_another_host() {
        for asked in [
            "https://api.webexapis.com/",
            "https://webexapis.com.evil.test/",
            "https://webexapis.com./",
            "https://evilwebexapis.com/",
            "https://127.0.0.1/",
            "https://[::1]/",
        ] {
            check(WEBEX, asked, false);
        }
    }

    #[test]
    fn user_information_is_not_the_host_and_is_refused() {
        for asked in [
            "https://webexapis.com@evil.test/",
            "https://webexapis.com:443@evil.test/",
            "https://evil.test@webexapis.com/",
            "https://user:password@webexapis.com/",
            "https://@webexapis.com/",
            "https://webexapis.com%40evil.test/",
            "https://evil.test\\@webexapis.com/",
        ] {
            check(WEBEX, asked, false);
        }
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        check("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1", true);
        check("http://localhost:8080", "http://localhost:8080/v1", true);
        check("http://[::1]:8080", "http://[::1]:8080/v1", true);
        check("http://127.0.0.1:8080", "http://127.0.0.1:8081/v1", false);
        check("http://127.0.0.1:8080", "http://localhost:8080/v1", false);
        check("http://webexapis.com", "http://webexapis.com/", false);
        check("http://10.0.0.1", "http://10.0.0.1/", false);
        assert_eq!(Origin::parse("http://webexapis.com"), Err(OriginError::PlainHttp));
    }

    #[test]
    fn an_address_in_another_spelling_is_no_way_around() {
        // `url` reads these as 127.0.0.1; the other parser does not, so they are refused.
        for asked in ["http://2130706433:8080/", "http://0x7f.1:8080/", "http://127.1:8080/"] {
            check("http://127.0.0.1:8080", asked, false);
        }
    }
}
