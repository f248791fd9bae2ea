//! A redirect URI that leads to this machine.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

/// One that a receiver can serve: `http`, a loopback address or `localhost`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RedirectUri {
    url: Url,
    port: u16,
}

impl RedirectUri {
    /// None: it leads elsewhere, or asks for TLS.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "http" && url.username().is_empty())?;
        let is_here = match url.host()? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.is_loopback(),
        };
        let port = url.port_or_known_default().filter(|_| is_here)?;
        Some(Self { url, port })
    }

    /// Where a browser looks for it.
    pub(super) fn addresses(&self) -> Vec<SocketAddr> {
        let hosts: Vec<IpAddr> = match self.url.host() {
            Some(Host::Ipv4(address)) => vec![address.into()],
            Some(Host::Ipv6(address)) => vec![address.into()],
            Some(Host::Domain(_)) | None => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
        };
        hosts.into_iter().map(|host| SocketAddr::new(host, self.port)).collect()
    }

    /// Whether a `Host` header is the one that a browser sends there.
    pub(super) fn is_host(&self, header: &str) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        let with_port = format!("{host}:{}", self.port);
        header.eq_ignore_ascii_case(&with_port) || (self.url.port().is_none() && header.eq_ignore_ascii_case(host))
    }

    pub(super) fn path(&self) -> &str {
        self.url.path()
    }

    /// The address that a request with this query came to.
    pub(super) fn with_query(&self, query: &str) -> String {
        let mut url = self.url.clone();
        url.set_query(Some(query));
        url.into()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_to_this_machine_can_be_served() {
        for here in
            ["http://127.0.0.1:8765/callback", "http://localhost:1/", "http://[::1]:8765/a/b", "http://127.9.9.9"]
        {
            assert!(RedirectUri::parse(here).is_some(), "{here}");
        }
        for elsewhere in [
            "https://127.0.0.1:8765/callback",
            "http://siem.example/callback",
            "http://localhost.example:8765/",
            "http://user@127.0.0.1:8765/",
            "http://10.0.0.1:8765/",
            "urn:ietf:wg:oauth:2.0:oob",
            "",
        ] {
            assert_eq!(RedirectUri::parse(elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn the_host_of_a_request_is_the_registered_one_with_its_port() {
        let uri = RedirectUri::parse("http://localhost:8765/callback").unwrap();
        assert!(uri.is_host("localhost:8765") && uri.is_host("LOCALHOST:8765"));
        for other in ["localhost", "127.0.0.1:8765", "localhost:8766", "evil.example:8765", ""] {
            assert!(!uri.is_host(other), "{other}");
        }
        assert!(RedirectUri::parse("http://127.0.0.1/callback").unwrap().is_host("127.0.0.1"));
        assert!(RedirectUri::parse("http://[::1]:8765/callback").unwrap().is_host("[::1]:8765"));
    }

    #[test]
    fn localhost_is_looked_for_under_both_addresses() {
        let uri = RedirectUri::parse("http://localhost:8765/callback").unwrap();
        let addresses: Vec<String> = uri.addresses().iter().map(ToString::to_string).collect();
        assert_eq!(addresses, ["127.0.0.1:8765", "[::1]:8765"]);
    }
}
