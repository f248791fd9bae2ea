//! Through a proxy.

use super::tls_server::{Authority, Identity, TlsServer, names, read_head};
use super::*;

/// A proxy that leads every tunnel to one server; gone with the value.
pub(super) struct ProxyServer {
    address: SocketAddr,
    /// Heads of what it was asked.
    heard: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl ProxyServer {
    /// `identity`: it speaks TLS itself.
    pub(super) async fn start(identity: Option<Identity>, answer: &'static str, server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&heard);
        let acceptor = identity.map(|identity| identity.acceptor(rustls::ALL_VERSIONS));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, hears) = (acceptor.clone(), Arc::clone(&hears));
                tokio::spawn(async move {
                    match acceptor {
                        None => tunnel(stream, &hears, answer, server).await,
                        Some(acceptor) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            tunnel(stream, &hears, answer, server).await;
                        }
                    }
                });
            }
        });
        Self { address, heard, task }
    }

    /// Its port is closed when this returns.
    pub(super) async fn stop(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

async fn tunnel(
    mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
    hears: &Mutex<Vec<String>>,
    answer: &str,
    server: SocketAddr,
) {
    let Some(head) = read_head(&mut stream).await else { return };
    hears.lock().unwrap().push(head);
    stream.write_all(answer.as_bytes()).await.unwrap();
    if answer.starts_with("HTTP/1.1 200") {
        let mut server = tokio::net::TcpStream::connect(server).await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
    }
}

impl Drop for ProxyServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(super) const TUNNEL: &str = "HTTP/1.1 200 Connection established\r\n\r\n";
const PASSWORD: &str = "fake-password";

/// Names that no one may ask for.
fn no_names(asked: &Arc<AtomicUsize>) -> Names {
    let asked = Arc::clone(asked);
    names(move |_| {
        asked.fetch_add(1, Ordering::SeqCst);
        Vec::new()
    })
}

async fn ask(trust: Trust, proxy: Proxy, names: Names, log: &Log) -> Result<Bytes> {
    let way = WayOut { trust, proxy: Some(proxy) };
    let network = Network::with_names(Policy::allow(["https://webex.test"]), way, names, None, log.clone()).unwrap();
    get(&network, "https://webex.test/v1?code=fake-code", RequestOptions::default()).await
}

pub(super) fn proxy(scheme: &str, server: &ProxyServer, no_proxy: &str) -> Proxy {
    Proxy::parse(&format!("{scheme}://{}", server.address), no_proxy).unwrap()
}

#[tokio::test]
async fn a_tunnel_carries_tls_to_the_origin_and_only_the_proxy_sees_its_password() {
    let authority = Authority::new();
    for (scheme, identity) in [("http", None), ("https", Some(authority.identity("127.0.0.1")))] {
        let server = TlsServer::start(authority.identity("webex.test")).await;
        let through = ProxyServer::start(identity, TUNNEL, server.address).await;
        let asked = Arc::default();
        let proxy = proxy(scheme, &through, "").signed_in("user", &PASSWORD.into()).unwrap();
        let got = ask(authority.trust(), proxy, no_names(&asked), &Log::silent()).await;
        assert_eq!(got.unwrap(), "{}", "{scheme}");
        assert_eq!(asked.load(Ordering::SeqCst), 0, "the proxy resolves the name");

        let [head] = through.heard.lock().unwrap().clone().try_into().unwrap();
        assert!(head.starts_with("CONNECT webex.test:443 HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("Proxy-Authorization: Basic dXNlcjpmYWtlLXBhc3N3b3Jk\r\n"), "{head}");
        assert!(!head.contains("fake-code"), "{head}");
        let [head] = server.heard().try_into().unwrap();
        assert!(head.starts_with("GET /v1?code=fake-code HTTP/1.1\r\n"), "{head}");
        assert!(!head.to_lowercase().contains("proxy"), "{head}");
    }
}

#[tokio::test]
async fn the_proxy_cannot_be_the_origin() {
    let (authority, of_the_proxy) = (Authority::new(), Authority::new());
    let server = TlsServer::start(of_the_proxy.identity("webex.test")).await;
    let through = ProxyServer::start(None, TUNNEL, server.address).await;
    let got = ask(authority.trust(), proxy("http", &through, ""), names(|_| Vec::new()), &Log::silent()).await;
    assert!(matches!(got, Err(Error::TlsCertificateError)), "{got:?}");
    assert!(server.heard().is_empty());
}

#[tokio::test]
async fn the_certificate_of_a_proxy_is_checked_before_it_hears_the_password() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = TlsServer::start(authority.identity("webex.test")).await;
    let through = ProxyServer::start(Some(other.identity("127.0.0.1")), TUNNEL, server.address).await;
    let (proxy, log) = (proxy("https", &through, ""), Log::memory());
    let proxy = proxy.signed_in("user", &PASSWORD.into()).unwrap();
    let got = ask(authority.trust(), proxy, names(|_| Vec::new()), &log).await;
    assert!(matches!(got, Err(Error::TlsCertificateError)), "{got:?}");
    assert!(through.heard.lock().unwrap().is_empty());
    assert_eq!(log.lines().iter().map(|line| line.code.as_str()).collect::<Vec<_>>(), ["proxy-failed"]);
}

#[tokio::test]
async fn who_is_named_in_no_proxy_is_reached_directly_and_its_addresses_are_checked() {
    let authority = Authority::new();
    let server = TlsServer::start(authority.identity("webex.test")).await;
    let through = ProxyServer::start(None, TUNNEL, server.address).await;
    for (address, is_let_through) in [("1.1.1.1", true), ("10.0.0.1", false)] {
        let answer = server.as_if_at(address);
        let proxy = proxy("http", &through, "webex.test");
        let got = ask(authority.trust(), proxy, names(move |_| vec![answer]), &Log::silent()).await;
        assert_eq!(got.is_ok(), is_let_through, "{got:?}");
    }
    assert!(through.heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn this_machine_is_not_reached_through_a_proxy() {
    let server = Server::answering(OK).await;
    let through = ProxyServer::start(None, TUNNEL, server.address).await;
    let way = WayOut { proxy: Some(proxy("http", &through, "")), ..WayOut::default() };
    let uri = format!("http://{}/", server.address);
    let network = Network::open(Policy::allow([&uri]), way, None, Log::silent()).unwrap();
    assert_eq!(get(&network, &uri, RequestOptions::default()).await.unwrap(), "{}");
    assert!(through.heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_proxy_that_does_not_serve_is_told_with_what_to_do_and_without_the_password() {
    let authority = Authority::new();
    let server = TlsServer::start(authority.identity("webex.test")).await;
    for (answer, want) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n", "network.proxy_password"),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", "network.no_proxy"),
        ("HTTP/1.1 200 OK\r\nx: ", "cannot be used"),
        ("SSH-2.0-x\r\n\r\n", "refuses to connect"),
    ] {
        let through = ProxyServer::start(None, answer, server.address).await;
        let log = Log::memory();
        let proxy = proxy("http", &through, "").signed_in("user", &PASSWORD.into()).unwrap();
        if answer.ends_with("x: ") {
            drop(through);
        }
        let got = ask(authority.trust(), proxy, names(|_| Vec::new()), &log).await;
        assert!(got.is_err(), "{got:?}");
        let [line] = log.lines().try_into().unwrap();
        assert_eq!((line.level, line.code.as_str()), (Level::Error, "proxy-failed"));
        assert!(line.text.contains(want), "{line}");
        assert!(!line.to_string().contains(PASSWORD) && !line.to_string().contains("dXNlcjpm"), "{line}");
    }
    assert!(server.heard().is_empty());
}
