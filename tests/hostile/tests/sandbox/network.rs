//! Requests past the policy: elsewhere, in other shapes, and too many.

use host_harness::log::Line;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{CANARIES, Machine, open};

fn reason(line: &Line) -> &str {
    line.fields.iter().find(|(name, _)| name == "reason").map_or("", |(_, value)| value)
}

/// A request that is refused for this reason, and of which nothing is sent.
async fn denied(arguments: &[(&str, &str)], why: &str) {
    let machine = Machine::start().await;
    machine.is_refused("request", arguments, "").await;
    assert_eq!(reason(&machine.told("request-denied")), why, "{arguments:?}");
    assert_eq!(machine.requests().await.len(), 0, "{arguments:?}");
}

/// One that does not even become a request.
async fn impossible(arguments: &[(&str, &str)], why: &str) {
    let machine = Machine::start().await;
    machine.is_refused("request", arguments, why).await;
    assert_eq!(machine.requests().await.len(), 0, "{arguments:?}");
}

#[tokio::test]
async fn a_request_that_is_allowed_gets_through() {
    let machine = Machine::start().await;
    let said = machine.run("request", &[("authority", "webexapis.com"), ("path", "/v1/events")]).await.unwrap();
    assert_eq!(said, "200");
    let requests = machine.requests().await;
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].headers["host"], "webexapis.com", "the host's own");
}

#[tokio::test]
async fn another_host_is_refused_however_it_is_written() {
    for (authority, why) in [
        ("evil.test", "origin"),
        ("webexapis.com.evil.test", "origin"),
        ("evil-webexapis.com", "origin"),
        ("api.webexapis.com", "origin"),
        ("webexapis.com:8443", "origin"),
        ("webexapis.com:80", "origin"),
        ("localhost", "origin"),
        ("127.0.0.1", "origin"),
        ("2130706433", "origin"),
        ("0x7f.1", "origin"),
        ("017700000001", "origin"),
        ("[::1]", "origin"),
        ("[::ffff:169.254.169.254]", "origin"),
        ("169.254.169.254", "origin"),
        ("metadata.google.internal", "origin"),
        ("xn--webexapis-7g8d.com", "origin"),
        ("webexapis.com@evil.test", "user-information"),
        ("user:password@webexapis.com", "user-information"),
    ] {
        denied(&[("authority", authority), ("path", "/")], why).await;
    }
}

#[tokio::test]
async fn the_allowed_host_in_another_spelling_is_refused() {
    for authority in ["webexapis.com.", "WEBEXAPIS.COM.", "webexapis.com:0443"] {
        let machine = Machine::start().await;
        machine.is_refused("request", &[("authority", authority), ("path", "/")], "").await;
        machine.told("request-denied");
        assert_eq!(machine.requests().await.len(), 0, "{authority}");
    }
}

#[tokio::test]
async fn what_is_no_authority_does_not_become_a_request() {
    for authority in
        ["webexapis.com\r\nhost: evil.test", "webexapis.com evil.test", "webexapis.com/evil", "webex\0apis.com"]
    {
        impossible(&[("authority", authority), ("path", "/")], "authority").await;
    }
}

#[tokio::test]
async fn another_scheme_is_refused() {
    denied(&[("scheme", "http"), ("authority", "webexapis.com"), ("path", "/")], "origin").await;
    impossible(&[("scheme", "ftp"), ("authority", "webexapis.com"), ("path", "/")], "").await;
    impossible(&[("scheme", "file"), ("authority", "localhost"), ("path", "/etc/passwd")], "").await;
}

#[tokio::test]
async fn a_redirect_is_handed_over_and_not_followed() {
    let machine = Machine::start().await;
    let said = machine.run("request", &[("authority", "webexapis.com"), ("path", "/v1/redirect")]).await.unwrap();
    assert!(said.starts_with("302 http://127.0.0.1"), "{said}");
    assert_eq!(machine.requests().await.len(), 1, "nobody has asked for the other place");
}

#[tokio::test]
async fn a_plugin_that_names_the_inside_as_its_origins_gets_nowhere() {
    let machine = Machine::with("origins-of-the-inside").await;
    for authority in ["169.254.169.254", "localhost", "10.0.0.1"] {
        machine.is_refused("request", &[("scheme", "http"), ("authority", authority), ("path", "/")], "").await;
    }
    assert_eq!(machine.requests().await.len(), 0);
}

#[tokio::test]
async fn a_plugin_that_takes_the_address_of_a_sign_in_for_its_origin_gets_nowhere() {
    let inside = MockServer::start().await;
    Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&inside).await;
    let machine = Machine::start().await;
    let store = host_harness::secrets::Store::memory();
    let tenant = open("another-origin-setting", "hostile-tenant", &machine.log, &inside, store).await.unwrap();
    let machine = Machine { tenant, ..machine };
    let authority = inside.address().to_string();
    machine.is_refused("request", &[("scheme", "http"), ("authority", &authority), ("path", "/")], "").await;
    assert_eq!(inside.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn methods_that_change_the_connection_are_refused() {
    for method in ["CONNECT", "TRACE", "OPTIONS", "PUT", "DELETE", "PATCH", "HEAD", "get"] {
        denied(&[("method", method), ("authority", "webexapis.com"), ("path", "/")], "method").await;
    }
    impossible(&[("method", "GET / HTTP/1.1\r\nx:"), ("authority", "webexapis.com"), ("path", "/")], "").await;
}

#[tokio::test]
async fn headers_of_the_connection_are_refused() {
    for header in
        ["host", "proxy-authorization", "proxy-connection", "connection", "te", "upgrade", "expect", "trailer"]
    {
        let arguments = [("authority", "webexapis.com"), ("path", "/"), ("header", header), ("value", "evil.test")];
        denied(&arguments, "header").await;
    }
}

#[tokio::test]
async fn a_line_break_does_not_become_a_header() {
    for (header, value) in
        [("x", "y\r\nhost: evil.test"), ("x\r\nhost", "evil.test"), ("x", "y\nz"), ("x y", "z"), ("", "z")]
    {
        let arguments = [("authority", "webexapis.com"), ("path", "/"), ("header", header), ("value", value)];
        if header.is_empty() {
            continue;
        }
        impossible(&arguments, "").await;
    }
    for path in ["/\r\nhost: evil.test", "/ HTTP/1.1\r\nx: y", "/a b", "*"] {
        impossible(&[("authority", "webexapis.com"), ("path", path)], "").await;
    }
}

#[tokio::test]
async fn one_request_cannot_be_read_as_two() {
    let to = [("authority", "webexapis.com"), ("path", "/v1/events"), ("body", "GET /v1/x HTTP/1.1\r\n\r\n")];
    let with = |more: &[(&'static str, &'static str)]| [&to[..], more].concat();
    impossible(&with(&[("header", "content-length"), ("value", "0"), ("twice", "22")]), "").await;
    impossible(&with(&[("method", "POST"), ("header", "content-length"), ("value", "4, 22")]), "").await;
    impossible(&with(&[("method", "POST"), ("header", "content-length"), ("value", "+22")]), "").await;
    denied(&with(&[("header", "content-length"), ("value", "22")]), "length").await;
    denied(&with(&[("method", "POST"), ("header", "transfer-encoding"), ("value", "chunked")]), "header").await;
    // A length that is not the body's: the server gets no second request out of the rest.
    let machine = Machine::start().await;
    let short = with(&[("method", "POST"), ("header", "content-length"), ("value", "4")]);
    let said = machine.run("request", &short).await.unwrap();
    assert!(said.starts_with("refused: "), "{said}");
    machine.goes_on().await;
    assert!(machine.requests().await.iter().all(|request| request.url.path() == "/v1/events"));
}

#[tokio::test]
async fn thousands_of_open_requests_are_too_many() {
    let machine = Machine::start().await;
    let said = machine.run("open-many", &[("count", "1000")]).await.unwrap();
    assert!(said.starts_with("64 of 1000 answered") && said.contains("ConnectionLimitReached"), "{said}");
    assert_eq!(reason(&machine.told("request-denied")), "too-many");
    assert!(machine.requests().await.len() <= 64);
    machine.goes_on().await;
}

#[tokio::test]
async fn bodies_that_are_never_read_are_given_up_with_the_call() {
    let machine = Machine::start().await;
    machine.is_refused("never-read", &[], "after 64").await;
    assert_eq!(reason(&machine.told("request-denied")), "too-many");
    // What was open is not, any more: another call has as many.
    machine.is_refused("never-read", &[], "after 64").await;
}

#[tokio::test]
async fn no_request_carries_anything_of_the_neighbours() {
    let machine = Machine::start().await;
    machine.run("request", &[("authority", "webexapis.com"), ("path", "/v1/events")]).await.unwrap();
    for request in machine.requests().await {
        let text = format!("{request:?}");
        assert!(CANARIES.iter().all(|canary| !text.contains(canary)), "{text}");
    }
}
