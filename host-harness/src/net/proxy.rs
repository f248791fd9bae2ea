//! A proxy between this machine and the rest: where it is, how one signs in to it, for whom it is not.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use super::policy::LOCALHOST;
use crate::secrets::Secret;

/// A proxy that tunnels by `CONNECT`. Cannot print its password.
#[derive(Clone)]
pub struct Proxy {
    address: Uri,
    sign_in: Option<HeaderValue>,
    matcher: Arc<Matcher>,
}

/// Why a proxy cannot be used. Never holds a value but a name of `no_proxy`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// No absolute URL with a host.
    #[error("it is not a URL such as http://proxy.example.com:3128")]
    NotAUrl,
    /// Of another kind.
    #[error("its scheme must be http or https")]
    Scheme,
    /// It holds a name or password.
    #[error("it must not hold a name or password; write them as `proxy_user` and `proxy_password`")]
    UserInformation,
    /// It holds more than an origin.
    #[error("it must end after host and port")]
    Path,
    /// A name that could not be told from its password.
    #[error("it must not hold a colon")]
    User,
    /// A name without a password, or the other way round.
    #[error("`proxy_user` and `proxy_password` belong together")]
    Half,
    /// Nothing matches it.
    #[error("`{0}` is neither a host name, nor an address, nor a network such as 10.0.0.0/8, nor *")]
    NoProxy(String),
    /// There is none that it could belong to.
    #[error("it needs a `proxy`")]
    NoneNamed,
}

impl Proxy {
    /// The proxy at an `http` or `https` URL, for every host but those of `no_proxy`, which are separated by commas: a host name
    /// with all names below it, an address, a network, or `*`.
    ///
    /// # Errors
    /// See [`ProxyError`].
    pub fn parse(url: &str, no_proxy: &str) -> Result<Self, ProxyError> {
        let url = Url::parse(url.trim()).map_err(|_| ProxyError::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(ProxyError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(ProxyError::UserInformation);
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(ProxyError::Path);
        }
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(ProxyError::NotAUrl);
        };
        let text = format!("{}://{host}:{port}", url.scheme());
        let address = Uri::try_from(text.as_str()).map_err(|_| ProxyError::NotAUrl)?;
        let matcher = Arc::new(Matcher::builder().https(text).no(no_proxy).build());
        Ok(Self { address, sign_in: None, matcher })
    }

    /// Signs in with a name and a password.
    ///
    /// # Errors
    /// See [`ProxyError::User`].
    pub fn signed_in(self, user: &str, password: &Secret) -> Result<Self, ProxyError> {
        if user.contains(':') {
            return Err(ProxyError::User);
        }
        let text = format!("Basic {}", STANDARD.encode(format!("{user}:{}", password.expose())));
        let mut sign_in = HeaderValue::try_from(text).map_err(|_| ProxyError::User)?;
        sign_in.set_sensitive(true);
        Ok(Self { sign_in: Some(sign_in), ..self })
    }

    /// Where it is.
    pub(super) fn address(&self) -> &Uri {
        &self.address
    }

    /// The value of `Proxy-Authorization`.
    pub(super) fn sign_in(&self) -> Option<&HeaderValue> {
        self.sign_in.as_ref()
    }

    /// Whether a connection to this address goes through it. One to this machine never does: the proxy would take it for its
    /// own.
    pub(super) fn is_for(&self, uri: &Uri) -> bool {
        let host = uri.host().unwrap_or_default();
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_here = host.eq_ignore_ascii_case(LOCALHOST) || address.is_ok_and(|address| address.is_loopback());
        !is_here && self.matcher.intercept(uri).is_some()
    }
}

/// Whether every entry of `no_proxy` can match something: one that cannot would send what it is meant for through the proxy.
///
/// # Errors
/// See [`ProxyError::NoProxy`].
pub fn check_no_proxy(no_proxy: &str) -> Result<(), ProxyError> {
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    let is_name = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
    let is_network = |text: &str| {
        text.split_once('/').is_some_and(|(address, bits)| is_address(address) && bits.parse::<u8>().is_ok())
    };
    let mut entries = no_proxy.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    match entries.find(|entry| *entry != "*" && !is_name(entry) && !is_address(entry) && !is_network(entry)) {
        None => Ok(()),
        Some(entry) => Err(ProxyError::NoProxy(entry.to_owned())),
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({})", self.address)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(url: &str, want: ProxyError) {
        assert_eq!(Proxy::parse(url, "").err(), Some(want), "{url}");
    }

    #[test]
    fn a_proxy_is_an_origin_and_nothing_more() {
        assert_eq!(Proxy::parse("http://proxy.test", "").unwrap().address(), "http://proxy.test:80");
        assert_eq!(Proxy::parse("https://proxy.test:3128/", "").unwrap().address(), "https://proxy.test:3128");
        assert_eq!(Proxy::parse("http://[::1]:3128", "").unwrap().address(), "http://[::1]:3128");
        refused("proxy.test", ProxyError::NotAUrl);
        refused("proxy.test:3128", ProxyError::Scheme);
        refused("socks5://proxy.test", ProxyError::Scheme);
        refused("http://u:fake-password@proxy.test", ProxyError::UserInformation);
        refused("http://proxy.test/x", ProxyError::Path);
        refused("http://proxy.test?x", ProxyError::Path);
    }

    #[test]
    fn no_proxy_names_hosts_addresses_and_networks() {
        let proxy = Proxy::parse("http://proxy.test", "direct.test, .below.test,10.0.0.0/8,fd00::/8").unwrap();
        let is_for = |url: &'static str| proxy.is_for(&Uri::from_static(url));
        for url in ["https://webexapis.com/", "https://notdirect.test/", "https://11.0.0.1/", "https://[fe00::1]/"] {
            assert!(is_for(url), "{url}");
        }
        for url in ["https://direct.test/", "https://DIRECT.test:8443/", "https://api.direct.test/"] {
            assert!(!is_for(url), "{url}");
        }
        for url in ["https://a.below.test/", "https://10.1.2.3/", "https://[fd00::1]/"] {
            assert!(!is_for(url), "{url}");
        }
        assert!(!Proxy::parse("http://proxy.test", "*").unwrap().is_for(&Uri::from_static("https://webexapis.com/")));
    }

    #[test]
    fn this_machine_is_never_reached_through_a_proxy() {
        let proxy = Proxy::parse("http://proxy.test", "").unwrap();
        for url in ["https://127.0.0.1/", "https://[::1]:8443/", "https://localhost/", "http://127.0.0.1:8080/"] {
            assert!(!proxy.is_for(&Uri::from_static(url)), "{url}");
        }
    }

    #[test]
    fn an_entry_that_matches_nothing_is_refused() {
        assert_eq!(check_no_proxy("a.test, .b.test,10.0.0.0/8,::1,fd00::/8,*,"), Ok(()));
        for entry in ["*.a.test", "https://a.test", "a.test:443", "[::1]", "10.0.0.0/x", "a b"] {
            assert_eq!(check_no_proxy(entry), Err(ProxyError::NoProxy(entry.into())));
        }
    }

    #[test]
    fn the_password_cannot_be_printed() {
        let proxy = Proxy::parse("http://proxy.test", "").unwrap();
        assert_eq!(proxy.clone().signed_in("a:b", &"x".into()).err(), Some(ProxyError::User));
        let proxy = proxy.signed_in("user", &"fake-password".into()).unwrap();
        assert_eq!(format!("{proxy:?}"), "Proxy(http://proxy.test:80/)");
        assert_eq!(format!("{:?}", proxy.sign_in().unwrap()), "Sensitive");
        assert_eq!(proxy.sign_in().unwrap(), "Basic dXNlcjpmYWtlLXBhc3N3b3Jk");
    }
}
