//! The way to a server, step by step.

use super::proxied::{ProxyServer, TUNNEL, proxy};
use super::tls_server::{Authority, TlsServer, names};
use super::*;
use crate::net::probe::probe_by;

async fn probed(way: WayOut, names: Names) -> Vec<(Step, bool, String)> {
    let reached = probe_by(&Origin::parse("https://webex.test").unwrap(), way, names).await;
    let line = |(step, result): Reached| match result {
        Ok(text) => (step, true, text),
        Err(Obstacle { text, remedy }) => (step, false, format!("{text}; {remedy}")),
    };
    reached.into_iter().map(line).collect()
}

#[tokio::test]
async fn name_and_tls_are_told_one_by_one_and_nothing_is_asked() {
    let authority = Authority::new();
    let server = TlsServer::start(authority.identity("webex.test")).await;
    let answer = server.as_if_at("1.1.1.1");
    let [dns, tls] = probed(WayOut { trust: authority.trust(), proxy: None }, names(move |_| vec![answer, answer]))
        .await
        .try_into()
        .unwrap();
    assert_eq!((dns.0, dns.1), (Step::Dns, true));
    assert!(dns.2.starts_with("webex.test is 127.0.0.1 and 1 more"), "{}", dns.2);
    assert_eq!((tls.0, tls.1), (Step::Tls, true));
    assert!(tls.2.contains("TLS 1.3") && tls.2.contains("believed"), "{}", tls.2);
    assert_eq!(server.heard(), Vec::<String>::new());
}

#[tokio::test]
async fn a_name_that_leads_nowhere_or_inside_is_the_only_obstacle() {
    let inside = Server::answering(OK).await;
    let at = |address: &str| super::resolver::Answer { address: address.parse().unwrap(), server: inside.address };
    let private = at("10.0.0.1");
    for (names, want) in [
        (names(|_| Vec::new()), "webex.test cannot be resolved"),
        (names(move |_| vec![private]), "a plugin may not reach"),
    ] {
        let [dns] = probed(WayOut::default(), names).await.try_into().unwrap();
        assert!(!dns.1 && dns.2.contains(want) && dns.2.contains("network.proxy"), "{}", dns.2);
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_is_told_with_its_reason() {
    let (authority, other) = (Authority::new(), Authority::new());
    for (identity, reason) in
        [(other.identity("webex.test"), "not believed: "), (authority.identity("evil.test"), "evil.test")]
    {
        let server = TlsServer::start(identity).await;
        let answer = server.as_if_at("1.1.1.1");
        let way = WayOut { trust: authority.trust(), proxy: None };
        let [_, tls] = probed(way, names(move |_| vec![answer])).await.try_into().unwrap();
        assert!(!tls.1 && tls.2.contains("not believed"), "{}", tls.2);
        assert!(tls.2.contains(reason) && tls.2.contains("network.ca_file"), "{}", tls.2);
    }
}

#[tokio::test]
async fn through_a_proxy_the_name_is_the_proxys_and_its_refusals_have_their_keys() {
    let authority = Authority::new();
    let server = TlsServer::start(authority.identity("webex.test")).await;
    for (answer, want) in [
        (TUNNEL, None),
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", Some("network.proxy_user")),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", Some("network.no_proxy")),
    ] {
        let through = ProxyServer::start(None, answer, server.address).await;
        let way = WayOut { trust: authority.trust(), proxy: Some(proxy("http", &through, "")) };
        let [first, tls] = probed(way, names(|_| Vec::new())).await.try_into().unwrap();
        assert_eq!((first.0, first.1), (Step::Proxy, true), "{}", first.2);
        assert_eq!(tls.1, want.is_none(), "{}", tls.2);
        assert!(want.is_none_or(|want| tls.2.contains(want)), "{}", tls.2);
    }
    let gone = ProxyServer::start(None, TUNNEL, server.address).await;
    let way = WayOut { trust: authority.trust(), proxy: Some(proxy("http", &gone, "")) };
    gone.stop().await;
    let [first] = probed(way, names(|_| Vec::new())).await.try_into().unwrap();
    assert!(!first.1 && first.2.contains("mend `network.proxy`"), "{}", first.2);
}

#[tokio::test]
async fn plain_http_to_this_machine_is_told_as_such() {
    let server = Server::answering(OK).await;
    let origin = Origin::parse(&format!("http://{}", server.address)).unwrap();
    let [(step, result)] = probe(&origin, WayOut::default()).await.try_into().unwrap();
    assert_eq!(step, Step::Tls);
    assert!(result.unwrap().contains("not encrypted"));
}
