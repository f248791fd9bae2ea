//! Whose certificates are believed, and that no setting but one changes it.

use super::tls_server::{Authority, Identity, TlsServer, ask};
use super::*;

/// What becomes of a request to a server that shows this, where the authority is believed; and where everybody is.
async fn check(authority: &Authority, identity: impl Fn() -> Identity) -> Result<Bytes> {
    let server = TlsServer::start(identity()).await;
    let got = ask(&server, WayOut { trust: authority.trust(), proxy: None }, &Log::silent()).await;
    assert_eq!(server.heard().len(), usize::from(got.is_ok()), "nothing is said before the certificate is checked");

    let trust = Trust::default().and_everybody();
    let careless = ask(&server, WayOut { trust, proxy: None }, &Log::silent()).await;
    assert_eq!(careless.unwrap(), "{}", "the one switch");
    got
}

#[tokio::test]
async fn a_server_with_a_certificate_of_a_believed_authority_is_asked() {
    let authority = Authority::new();
    assert_eq!(check(&authority, || authority.identity("webex.test")).await.unwrap(), "{}");
}

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken() {
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let authority = Authority::new();
        let server = TlsServer::of_versions(authority.identity("webex.test"), &[version]).await;
        let way = WayOut { trust: authority.trust(), proxy: None };
        assert_eq!(ask(&server, way, &Log::silent()).await.unwrap(), "{}");
    }
}

#[tokio::test]
async fn an_authority_that_nobody_named_is_not_believed() {
    let (authority, other) = (Authority::new(), Authority::new());
    let got = check(&authority, || other.identity("webex.test")).await;
    assert!(matches!(got, Err(Error::TlsCertificateError)), "{got:?}");
    let got = check(&authority, || Identity::self_signed("webex.test")).await;
    assert!(matches!(got, Err(Error::TlsCertificateError)), "{got:?}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_believed() {
    let authority = Authority::new();
    for name in ["evil.test", "api.webex.test", "*.webex.test", "webex.test.evil.test", "1.1.1.1", "127.0.0.1"] {
        let got = check(&authority, || authority.identity(name)).await;
        assert!(matches!(got, Err(Error::TlsCertificateError)), "{name}: {got:?}");
    }
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_not_believed() {
    let authority = Authority::new();
    for (from, to) in [(2020, 2021), (2110, 2120)] {
        let got = check(&authority, || authority.identity_between("webex.test", from, to)).await;
        assert!(matches!(got, Err(Error::TlsCertificateError)), "{from}: {got:?}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_hold_its_key_is_refused_even_by_who_believes_everybody() {
    let authority = Authority::new();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let identity = authority.identity("webex.test").with_key_of(authority.identity("webex.test"));
        let server = TlsServer::of_versions(identity, &[version]).await;
        for trust in [authority.trust(), Trust::default().and_everybody()] {
            let got = ask(&server, WayOut { trust, proxy: None }, &Log::silent()).await;
            assert!(matches!(got, Err(Error::TlsCertificateError)), "{got:?}");
        }
    }
    // The same without a pair that does not fit.
    assert!(check(&authority, || authority.identity("webex.test")).await.is_ok());
}

#[tokio::test]
async fn every_start_that_believes_everybody_says_so() {
    let log = Log::memory();
    for start in 1..=2 {
        let way = WayOut { trust: Trust::default().and_everybody(), proxy: None };
        Network::open(Policy::default(), way, None, log.clone()).unwrap();
        let lines = log.lines();
        assert_eq!(lines.len(), start);
        assert_eq!((lines[start - 1].level, lines[start - 1].code.as_str()), (Level::Warn, "certificates-not-checked"));
    }
    Network::open(Policy::default(), WayOut::default(), None, log.clone()).unwrap();
    assert_eq!(log.lines().len(), 2);
}

#[tokio::test]
async fn older_versions_are_neither_offered_nor_taken() {
    // Up to the extensions, as RFC 4346 has it: version 1.1, a random, no session, a suite of that time, no compression.
    let mut hello = vec![0x02, 0, 0, 38, 0x03, 0x02];
    hello.extend([7; 32]);
    hello.extend([0, 0xc0, 0x13, 0]);
    let mut record = vec![0x16, 0x03, 0x02, 0, u8::try_from(hello.len()).unwrap()];
    record.extend(hello);

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("https://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut offered = vec![0; 5];
        stream.read_exact(&mut offered).await.unwrap();
        let mut hello = vec![0; usize::from(u16::from_be_bytes([offered[3], offered[4]]))];
        stream.read_exact(&mut hello).await.unwrap();
        stream.write_all(&record).await.unwrap();
        // Whatever is said to that, so that the other end is not cut off while it says it.
        let _ = stream.read_to_end(&mut Vec::new()).await;
        hello
    });
    let way = WayOut { trust: Trust::default().and_everybody(), proxy: None };
    let network = Network::open(Policy::allow([&uri]), way, None, Log::silent()).unwrap();
    let got = get(&network, &uri, RequestOptions::default()).await;
    assert!(matches!(got, Err(Error::TlsProtocolError)), "{got:?}");

    // The extension `supported_versions`: 1.3 and 1.2, and nothing else.
    let hello = server.await.unwrap();
    let versions = [0, 43, 0, 5, 4, 3, 4, 3, 3];
    assert!(hello.windows(versions.len()).any(|window| window == versions), "{hello:02x?}");
}

#[tokio::test]
async fn a_handshake_that_does_not_end_is_a_timeout_of_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("https://{}/", listener.local_addr().unwrap());
    let body: WasiBody = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let client = client(connector(&Trust::default(), Duration::from_millis(20)));
    let got = client.request(Request::get(uri).body(body).unwrap()).await.map(drop);
    let got = got.map_err(|error| fault::of_request(&error));
    assert!(matches!(got, Err(Error::ConnectionTimeout)), "{got:?}");
}

#[test]
fn a_file_of_authorities_that_cannot_be_used_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let refused = |text: &str, want: &str| {
        std::fs::write(&file, text).unwrap();
        let error = Trust::default().and_file(&file).unwrap_err().to_string();
        assert!(error.contains(want) && error.contains("ca.pem"), "{error}");
    };
    let pem = Authority::new().pem;
    refused("", "holds no certificate in PEM form");
    refused("not a certificate", "holds no certificate");
    refused(&pem.replace("CERTIFICATE", "PRIVATE KEY"), "holds no certificate");
    refused("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "certificate 1 of");
    refused(&pem[..pem.len() / 2], "is damaged");
    refused(&format!("{pem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "certificate 2 of");
    let error = Trust::default().and_file(&folder.path().join("none.pem")).unwrap_err().to_string();
    assert!(error.starts_with("cannot read ") && error.contains("none.pem"), "{error}");
    std::fs::write(&file, format!("{pem}{}", Authority::new().pem)).unwrap();
    assert!(Trust::default().and_file(&file).is_ok(), "two of them");
}
