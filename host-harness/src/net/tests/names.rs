//! What a name may lead to.

use super::resolver::Answer;
use super::tls_server::{Authority, TlsServer, names};
use super::*;

fn network(authority: &Authority, names: Names, log: &Log) -> Network {
    let way = WayOut { trust: authority.trust(), proxy: None };
    Network::with_names(Policy::allow(["https://webex.test"]), way, names, None, log.clone()).unwrap()
}

const URI: &str = "https://webex.test/v1?code=fake-code";

#[tokio::test]
async fn a_name_that_leads_inside_is_refused_before_anything_is_sent_and_the_operator_is_told() {
    let authority = Authority::new();
    let server = TlsServer::start(authority.identity("webex.test")).await;
    for (address, kind) in [
        ("127.0.0.1", "loopback"),
        ("10.1.2.3", "private"),
        ("169.254.169.254", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("fd00:ec2::254", "private"),
        ("64:ff9b::7f00:1", "loopback"),
        ("0.0.0.0", "unspecified"),
    ] {
        let (answer, log) = (server.as_if_at(address), Log::memory());
        let got = get(&network(&authority, names(move |_| vec![answer]), &log), URI, RequestOptions::default()).await;
        assert!(matches!(got, Err(Error::DestinationIpProhibited)), "{address}: {got:?}");
        let [line] = log.lines().try_into().unwrap();
        assert_eq!((line.level, line.code.as_str()), (Level::Error, "address-denied"));
        for want in ["webex.test", kind, address, "network.proxy", "base_url"] {
            assert!(line.text.contains(want), "{want}: {line}");
        }
        assert!(!line.to_string().contains("fake-code"), "{line}");
    }
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn of_several_addresses_only_those_of_the_internet_are_connected_to() {
    let authority = Authority::new();
    let inside = TlsServer::start(authority.identity("webex.test")).await;
    let outside = TlsServer::start(authority.identity("webex.test")).await;
    let answers = [inside.as_if_at("10.0.0.1"), outside.as_if_at("1.1.1.1"), inside.as_if_at("::1")];
    for turn in 0..answers.len() {
        let mut answers = answers.to_vec();
        answers.rotate_left(turn);
        let log = Log::memory();
        let network = network(&authority, names(move |_| answers.clone()), &log);
        assert_eq!(get(&network, URI, RequestOptions::default()).await.unwrap(), "{}");
        assert_eq!(log.lines(), []);
    }
    assert_eq!((inside.heard().len(), outside.heard().len()), (0, answers.len()));
}

#[tokio::test]
async fn a_name_that_answers_otherwise_the_next_time_gains_nothing() {
    let authority = Authority::new();
    let outside = TlsServer::start(authority.identity("webex.test")).await;
    let inside = TlsServer::start(authority.identity("webex.test")).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let (first, then, counted) = (outside.as_if_at("1.1.1.1"), inside.as_if_at("127.0.0.1"), Arc::clone(&asked));
    let names = names(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => vec![first],
        _ => vec![then],
    });
    // Two clients, so that the second has no connection to use again.
    let ways = [network(&authority, names.clone(), &Log::silent()), network(&authority, names, &Log::silent())];
    // One connection is one look-up: what was checked is what is connected to.
    assert_eq!(get(&ways[0], URI, RequestOptions::default()).await.unwrap(), "{}");
    assert_eq!(get(&ways[0], URI, RequestOptions::default()).await.unwrap(), "{}");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let got = get(&ways[1], URI, RequestOptions::default()).await;
    assert!(matches!(got, Err(Error::DestinationIpProhibited)), "{got:?}");
    assert_eq!((outside.heard().len(), inside.heard().len()), (2, 0));
}

#[tokio::test]
async fn localhost_is_this_machine_and_nothing_else() {
    let server = Server::answering(OK).await;
    for (address, is_let_through) in [("127.0.0.1", true), ("::1", true), ("10.0.0.1", false), ("1.1.1.1", false)] {
        let answer = Answer { address: address.parse().unwrap(), server: server.address };
        let uri = format!("http://localhost:{}/", server.address.port());
        let (way, names) = (WayOut::default(), names(move |_| vec![answer]));
        let network = Network::with_names(Policy::allow([&uri]), way, names, None, Log::silent()).unwrap();
        let got = get(&network, &uri, RequestOptions::default()).await;
        assert_eq!(got.is_ok(), is_let_through, "{address}: {got:?}");
    }
    // As the machine itself has it.
    let network = Network::open(
        Policy::allow([format!("http://localhost:{}", server.address.port())]),
        WayOut::default(),
        None,
        Log::silent(),
    );
    let uri = format!("http://localhost:{}/", server.address.port());
    assert_eq!(get(&network.unwrap(), &uri, RequestOptions::default()).await.unwrap(), "{}");
}

#[tokio::test]
async fn a_name_without_addresses_is_not_found() {
    let network = network(&Authority::new(), names(|_| Vec::new()), &Log::silent());
    let got = get(&network, URI, RequestOptions::default()).await;
    assert!(matches!(got, Err(Error::DnsError { .. })), "{got:?}");
}
