//! Who may ask: the name by which it is asked, the page that the browser came from, the token.
//!
//! On this machine alone no token is needed, so a page of the web must not be able to ask in a browser's name: a name that leads to
//! 127.0.0.1 (DNS rebinding) is told by `Host`, a form or script of another page by `Origin` and `Sec-Fetch-Site`.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, Method};
use sha2::{Digest, Sha256};
use url::Url;

use crate::config::ServeTable;
use crate::secrets::Secret;

/// What a browser says of the page that a request comes from (Fetch Metadata).
const FETCH_SITE: &str = "sec-fetch-site";

/// The rules.
#[derive(Clone, Debug)]
pub(super) struct Access {
    token: Option<Secret>,
    hosts: Vec<String>,
}

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    /// By a name that is not this server's.
    #[error("this server is not asked by that name; add it to `serve.hosts`")]
    Host,
    /// From a page of somebody else.
    #[error("this request comes from another page")]
    Origin,
    /// Without the token, or with another.
    #[error(
        "the token is missing or another one; send `Authorization: Bearer TOKEN`, or in a browser the token as password"
    )]
    Token,
}

impl Access {
    pub(super) fn new(table: &ServeTable) -> Self {
        Self { token: table.token.clone(), hosts: table.hosts.clone() }
    }

    /// Whether everybody who reaches the port may ask.
    pub(super) fn is_open(&self) -> bool {
        self.token.is_none()
    }

    /// Name and origin of a request; `Ok` says nothing of the token.
    pub(super) fn origin(&self, method: &Method, headers: &HeaderMap) -> Result<(), Denied> {
        let host = text(headers, HOST.as_str()).ok_or(Denied::Host)?;
        if !self.is_own(host) {
            return Err(Denied::Host);
        }
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let from = headers.get(ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
        let is_own_page = |origin: &str| {
            let url = Url::parse(origin).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
            url.is_some_and(|url| url.authority().eq_ignore_ascii_case(host))
        };
        if from.is_some_and(|origin| !is_own_page(origin)) {
            return Err(Denied::Origin);
        }
        // A browser that sends no `Origin` says at least this.
        let site = text(headers, FETCH_SITE);
        if !reads && site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
            return Err(Denied::Origin);
        }
        Ok(())
    }

    /// Whether the request has the token, where one is needed.
    pub(super) fn token(&self, headers: &HeaderMap) -> Result<(), Denied> {
        let Some(token) = &self.token else { return Ok(()) };
        let given = text(headers, AUTHORIZATION.as_str()).and_then(credential).ok_or(Denied::Token)?;
        // Digests: how long the comparison takes says nothing of the token.
        if Sha256::digest(given.expose()) == Sha256::digest(token.expose()) { Ok(()) } else { Err(Denied::Token) }
    }

    /// An address is nobody else's name, and cannot be made to lead elsewhere.
    fn is_own(&self, host: &str) -> bool {
        let Ok(url) = Url::parse(&format!("http://{host}/")) else { return false };
        if url.path() != "/" || !url.username().is_empty() || url.password().is_some() {
            return false;
        }
        match url.host() {
            Some(url::Host::Ipv4(address)) => self.is_own_address(address.into()),
            Some(url::Host::Ipv6(address)) => self.is_own_address(address.into()),
            Some(url::Host::Domain(name)) => {
                let name = name.trim_end_matches('.');
                name == "localhost" || self.hosts.iter().any(|host| host == name)
            }
            None => false,
        }
    }

    fn is_own_address(&self, address: IpAddr) -> bool {
        // Without a token only this machine asks, by its own address.
        address.is_loopback() || self.token.is_some() || self.hosts.iter().any(|host| *host == address.to_string())
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// `Bearer TOKEN` (RFC 6750), or the password of `Basic` (RFC 7617), which browsers ask for.
fn credential(header: &str) -> Option<Secret> {
    let (scheme, value) = header.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Secret::from(value.trim()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    let (_, password) = decoded.split_once(':')?;
    Some(Secret::from(password))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    const TOKEN: &str = "fake-token-of-a-test";

    fn access(token: Option<&str>, hosts: &[&str]) -> Access {
        Access { token: token.map(Secret::from), hosts: hosts.iter().map(ToString::to_string).collect() }
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_its_own_names_lead_here() {
        let open = access(None, &["siem.example.com"]);
        for host in
            ["127.0.0.1:8765", "localhost:8765", "LOCALHOST", "[::1]:1", "siem.example.com", "siem.example.com."]
        {
            assert_eq!(open.origin(&Method::GET, &headers(&[("host", host)])), Ok(()), "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", "a@127.0.0.1", "127.0.0.1/x", "", "[::2]"] {
            assert_eq!(open.origin(&Method::GET, &headers(&[("host", host)])), Err(Denied::Host), "{host}");
        }
        assert_eq!(open.origin(&Method::GET, &HeaderMap::new()), Err(Denied::Host));
        let closed = access(Some(TOKEN), &[]);
        assert_eq!(closed.origin(&Method::GET, &headers(&[("host", "10.0.0.1:80")])), Ok(()), "as a probe asks");
        assert_eq!(closed.origin(&Method::GET, &headers(&[("host", "rebound.example")])), Err(Denied::Host));
    }

    #[test]
    fn other_pages_change_nothing_here() {
        let open = access(None, &["siem.example.com"]);
        let host = ("host", "127.0.0.1:8765");
        let post = |more: &[(&'static str, &str)]| open.origin(&Method::POST, &headers(&[&[host], more].concat()));
        assert_eq!(post(&[]), Ok(()), "a program");
        assert_eq!(post(&[("origin", "http://127.0.0.1:8765"), ("sec-fetch-site", "same-origin")]), Ok(()));
        for origin in ["http://127.0.0.1:9999", "https://evil.example", "null", "http://127.0.0.1:8765.evil.example"] {
            assert_eq!(post(&[("origin", origin)]), Err(Denied::Origin), "{origin}");
        }
        for site in ["cross-site", "same-site"] {
            assert_eq!(post(&[("sec-fetch-site", site)]), Err(Denied::Origin), "{site}");
        }
        let link = headers(&[host, ("sec-fetch-site", "cross-site")]);
        assert_eq!(open.origin(&Method::GET, &link), Ok(()), "a link from elsewhere, as back from Webex");
    }

    #[test]
    fn the_token_is_a_bearers_or_a_browsers_password() {
        let closed = access(Some(TOKEN), &[]);
        let basic = format!("Basic {}", STANDARD.encode(format!("anybody:{TOKEN}")));
        for good in [format!("Bearer {TOKEN}"), format!("bearer {TOKEN}"), basic] {
            assert_eq!(closed.token(&headers(&[("authorization", &good)])), Ok(()));
        }
        for bad in ["Bearer x", "Bearer", TOKEN, "Basic x", "Digest fake-token-of-a-test"] {
            assert_eq!(closed.token(&headers(&[("authorization", bad)])), Err(Denied::Token), "{bad}");
        }
        assert_eq!(closed.token(&HeaderMap::new()), Err(Denied::Token));
        assert_eq!(access(None, &[]).token(&HeaderMap::new()), Ok(()));
    }
}
