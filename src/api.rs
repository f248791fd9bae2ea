//! Where the API is, and which addresses belong to it.

use url::{Host, Url};

use crate::failure::Failure;

/// The commercial API; FedRAMP has its own (`webex-api` 8).
pub const DEFAULT_BASE_URL: &str = "https://webexapis.com";

/// The root of the API, `https://host[:port][/path]/v1/`. A bearer goes nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    root: Url,
}

impl Api {
    /// Reads the setting `base_url`, with or without `/v1`.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |problem: &str, remedy: &str| Err(Failure::setting("base_url", problem, remedy));
        let Ok(mut root) = Url::parse(text.trim()) else {
            return wrong("is no URL", "write it as https://webexapis.com");
        };
        if !root.username().is_empty()
            || root.password().is_some()
            || root.query().is_some()
            || root.fragment().is_some()
        {
            return wrong("holds more than scheme, host, port and path", "write it as https://webexapis.com");
        }
        match root.scheme() {
            "https" => {}
            "http" if is_loopback(&root) => {}
            "http" => return wrong("is plain http, which is allowed only on loopback", "use https"),
            _ => return wrong("is neither https nor http", "write it as https://webexapis.com"),
        }
        let path = root.path().trim_end_matches('/');
        let path = path.strip_suffix("/v1").unwrap_or(path).to_owned();
        root.set_path(&format!("{path}/v1/"));
        Ok(Self { root })
    }

    /// The address of `path` below the root, which is relative and needs no escapes.
    pub fn endpoint(&self, path: &str) -> Url {
        let mut url = self.root.clone();
        url.set_path(&format!("{}{path}", self.root.path()));
        url
    }

    /// The address of `path` and one more segment, which is escaped.
    pub fn endpoint_of(&self, path: &str, id: &str) -> Url {
        let mut url = self.endpoint(path);
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(id);
        }
        url
    }

    /// `scheme://host[:port]`.
    pub fn origin(&self) -> String {
        self.root.origin().ascii_serialization()
    }

    /// Whether the address is on the same origin and below the same root, and carries no user name.
    pub fn holds(&self, url: &Url) -> bool {
        url.origin() == self.root.origin()
            && url.scheme() == self.root.scheme()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path().starts_with(self.root.path())
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_version_may_be_written_or_left_out() {
        for text in [
            "https://webexapis.com",
            "https://webexapis.com/",
            "https://webexapis.com/v1",
            " https://WebexAPIs.com/v1/ ",
        ] {
            let api = Api::parse(text).unwrap();
            assert_eq!(api.endpoint("events").as_str(), "https://webexapis.com/v1/events", "{text}");
        }
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for text in ["http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:9/v1"] {
            assert!(Api::parse(text).is_ok(), "{text}");
        }
        for text in ["http://webexapis.com", "http://127.0.0.1.example.com", "ftp://webexapis.com", "webexapis.com", ""]
        {
            assert!(Api::parse(text).is_err(), "{text}");
        }
        let failure = Api::parse("http://webexapis.com").unwrap_err();
        assert!(failure.message.contains("only on loopback"), "{failure}");
    }

    #[test]
    fn only_addresses_below_the_root_belong_to_it() {
        let api = Api::parse("https://webexapis.com").unwrap();
        let holds = |text| api.holds(&Url::parse(text).unwrap());
        assert!(holds("https://webexapis.com/v1/events?cursor=x"));
        assert!(holds("https://webexapis.com:443/v1/events"));
        for foreign in [
            "https://webexapis.com.evil.example/v1/events",
            "https://evil.example/v1/events",
            "http://webexapis.com/v1/events",
            "https://webexapis.com:8443/v1/events",
            "https://user@webexapis.com/v1/events",
            "https://webexapis.com@evil.example/v1/events",
            "https://webexapis.com/v2/events",
            "https://webexapis.com/v1/../admin",
        ] {
            assert!(!holds(foreign), "{foreign}");
        }
    }

    #[test]
    fn an_id_in_a_path_is_escaped() {
        let api = Api::parse("https://webexapis.com").unwrap();
        assert_eq!(api.endpoint_of("events", "a/../b?c").as_str(), "https://webexapis.com/v1/events/a%2F..%2Fb%3Fc");
    }
}
