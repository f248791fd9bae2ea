//! What a request may say besides where it goes: its method, its headers, its path.
//!
//! A request is refused, not mended: one that is sent in another form than its plugin meant is a fault that nobody sees.

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri};

use super::denied::Denied;

/// Whether a request may be made as far as its origin does not matter.
pub(super) fn check(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Denied> {
    if !matches!(*method, Method::GET | Method::POST) {
        return Err(Denied::Method);
    }
    if !uri.path().starts_with('/') {
        return Err(Denied::Path);
    }
    if let Some(name) = headers.keys().find(|name| is_of_the_connection(name)) {
        return Err(Denied::Header(name.clone()));
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(()),
        (Some(length), None) if is_length(length) && (*method == Method::POST || length == "0") => Ok(()),
        _ => Err(Denied::Length),
    }
}

/// Takes what belongs to the connection out of an answer.
pub(super) fn strip(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> = headers.keys().filter(|name| is_of_the_connection(name)).cloned().collect();
    for name in names {
        headers.remove(name);
    }
}

/// Headers by which one request could become two, go through another proxy, or reach another site of the same server.
fn is_of_the_connection(name: &HeaderName) -> bool {
    let name = name.as_str();
    matches!(
        name,
        "connection"
            | "expect"
            | "host"
            | "http2-settings"
            | "keep-alive"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    ) || name.starts_with("proxy-")
}

/// Digits only: a sign or a list is read differently by different programs.
fn is_length(value: &HeaderValue) -> bool {
    !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn ask(method: &str, path: &'static str, headers: &[(&'static str, &'static str)]) -> Result<(), Denied> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let uri = Uri::builder().scheme("https").authority("webexapis.com").path_and_query(path).build().unwrap();
        check(&method.parse().unwrap(), &uri, &map)
    }

    #[test]
    fn what_the_plugin_itself_sends_is_let_through() {
        let get = [("accept", "application/json"), ("user-agent", "x"), ("authorization", "Bearer fake-token")];
        assert_eq!(ask("GET", "/v1/events?from=x", &get), Ok(()));
        let post = [("content-type", "application/x-www-form-urlencoded"), ("content-length", "12")];
        assert_eq!(ask("POST", "/v1/access_token", &post), Ok(()));
        assert_eq!(ask("GET", "/", &[("content-length", "0"), ("accept-encoding", "gzip")]), Ok(()));
    }

    #[test]
    fn only_get_and_post_are_let_through() {
        for method in ["CONNECT", "TRACE", "OPTIONS", "PUT", "DELETE", "PATCH", "HEAD", "get", "PROPFIND", "GETX"] {
            assert_eq!(ask(method, "/", &[]), Err(Denied::Method), "{method}");
        }
    }

    #[test]
    fn a_path_begins_with_a_slash() {
        assert_eq!(ask("GET", "*", &[]), Err(Denied::Path));
        assert_eq!(ask("GET", "//evil.test/", &[]), Ok(()), "a path of the same origin");
        assert_eq!(ask("GET", "?query", &[]), Ok(()), "the path is / then");
    }

    #[test]
    fn headers_of_the_connection_are_the_hosts() {
        for name in [
            "connection",
            "expect",
            "host",
            "http2-settings",
            "keep-alive",
            "proxy-authenticate",
            "proxy-authorization",
            "proxy-connection",
            "proxy-anything",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ] {
            let header = HeaderName::from_static(name);
            assert_eq!(ask("POST", "/", &[("accept", "*/*"), (name, "x")]), Err(Denied::Header(header.clone())));
            let mut answer = HeaderMap::new();
            answer.insert(header, HeaderValue::from_static("x"));
            answer.insert("link", HeaderValue::from_static("<x>"));
            strip(&mut answer);
            assert_eq!(answer.keys().collect::<Vec<_>>(), ["link"]);
        }
    }

    #[test]
    fn a_length_is_one_number_and_a_get_has_none() {
        for value in ["", "+5", "-5", "5 ", "0x5", "5, 5", "5;"] {
            assert_eq!(ask("POST", "/", &[("content-length", value)]), Err(Denied::Length), "{value}");
        }
        let twice = [("content-length", "5"), ("content-length", "5")];
        assert_eq!(ask("POST", "/", &twice), Err(Denied::Length));
        assert_eq!(ask("GET", "/", &[("content-length", "5")]), Err(Denied::Length));
    }

    #[test]
    fn a_line_break_is_no_part_of_a_header_or_an_address() {
        for text in ["x\r\nhost: evil.test", "x\ny", "x\ry", "x\0y"] {
            assert!(HeaderValue::from_bytes(text.as_bytes()).is_err(), "{text:?}");
            assert!(HeaderName::from_bytes(text.as_bytes()).is_err(), "{text:?}");
            let uri = Uri::builder().scheme("https").authority("webexapis.com").path_and_query(format!("/{text}"));
            assert!(uri.build().is_err(), "{text:?}");
            assert!(Uri::builder().scheme("https").authority(text).path_and_query("/").build().is_err(), "{text:?}");
        }
        assert!(Uri::builder().scheme("https").authority("a.test").path_and_query("/ HTTP/1.1").build().is_err());
    }
}
