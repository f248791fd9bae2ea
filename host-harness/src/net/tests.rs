//! Against servers on loopback that misbehave.

mod names;
mod probed;
mod proxied;
mod requests;
mod tls;
mod tls_server;

use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use http_body_util::Empty;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// A server that answers every request with the same bytes and counts connections; gone with the value.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    /// The last request, as it came.
    asked: Arc<Mutex<String>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer: Arc<[u8]> = answer.into().into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let asked = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let (answer, heard) = (Arc::clone(&answer), Arc::clone(&heard));
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    let mut piece = [0; 1024];
                    while let Ok(count @ 1..) = stream.read(&mut piece).await {
                        request.extend(piece.iter().take(count));
                        if request.ends_with(b"\r\n\r\n") {
                            *heard.lock().unwrap() = String::from_utf8_lossy(&request).into_owned();
                            request.clear();
                            if stream.write_all(&answer).await.is_err() {
                                break;
                            }
                            if !answer.starts_with(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n") {
                                break;
                            }
                        }
                    }
                });
            }
        });
        Self { address, connections, asked, task }
    }

    fn network(&self, log: &Log) -> Network {
        Network::open(Policy::allow([format!("http://{}", self.address)]), WayOut::default(), None, log.clone())
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

async fn get(network: &Network, uri: &str, options: RequestOptions) -> Result<Bytes> {
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = http::Request::get(uri).body(body).unwrap();
    Ok(network.send(request, options).await?.into_body().collect().await?.to_bytes())
}

/// Straight to loopback, without the system's authorities.
fn connector(trust: &Trust, within: Duration) -> Connector {
    let resolver = Resolver::new(Names::System, Log::silent());
    Connector::new(trust.tls(false).unwrap(), resolver, None, within, Log::silent())
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// An answer with this body, sent as gzip.
fn answer(status: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 {status}\r\nx-other: 1\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.into_bytes(), body.to_vec()].concat()
}

/// The head and the body of an answer; `asks`: the codings that the plugin itself asks for.
async fn get_whole(server: &Server, asks: Option<&str>) -> Result<(http::HeaderMap, Bytes)> {
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let mut request = http::Request::get(format!("http://{}/", server.address)).body(body).unwrap();
    if let Some(asks) = asks {
        request.headers_mut().insert("accept-encoding", asks.parse().unwrap());
    }
    let answer = server.network(&Log::silent()).send(request, RequestOptions::default()).await?;
    let (head, body) = answer.into_parts();
    Ok((head.headers, body.collect().await?.to_bytes()))
}

#[tokio::test]
async fn connections_are_used_again() {
    let server = Server::answering(OK).await;
    let network = server.network(&Log::silent());
    for _ in 0..5 {
        let uri = format!("http://{}/v1/events", server.address);
        assert_eq!(get(&network, &uri, RequestOptions::default()).await.unwrap(), "{}");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
    assert_eq!(network.requests(), 5);
}

#[tokio::test]
async fn a_denied_request_is_not_sent_and_stands_in_the_log_without_its_path() {
    let (server, log) = (Server::answering(OK).await, Log::memory());
    let network = Network::open(Policy::allow(["http://127.0.0.1:1"]), WayOut::default(), None, log.clone()).unwrap();
    let uri = format!("http://{}/v1?code=fake-code", server.address);
    assert!(matches!(get(&network, &uri, RequestOptions::default()).await, Err(Error::HttpRequestDenied)));
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
    let [line] = log.lines().try_into().unwrap();
    assert_eq!(line.code, "request-denied");
    assert!(!line.to_string().contains("fake-code"), "{line}");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let target = Server::answering(OK).await;
    let redirect = format!("HTTP/1.1 302 Found\r\nlocation: http://{}/\r\ncontent-length: 0\r\n\r\n", target.address);
    let server = Server::answering(redirect).await;
    let uri = format!("http://{}/", server.address);
    get(&server.network(&Log::silent()), &uri, RequestOptions::default()).await.unwrap();
    assert_eq!(target.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_rewritten_origin_is_checked_first_and_then_answered_by_this_machine() {
    let server = Server::answering(OK).await;
    let detour = Some(Detour::Server("https://webexapis.com".to_owned(), server.address));
    let network =
        Network::open(Policy::allow(["https://webexapis.com"]), WayOut::default(), detour, Log::silent()).unwrap();
    let options = RequestOptions::default();
    assert_eq!(get(&network, "https://webexapis.com/v1/x?y=1", options).await.unwrap(), "{}");
    assert!(matches!(get(&network, "https://evil.test/", options).await, Err(Error::HttpRequestDenied)));
}

#[tokio::test]
async fn what_answers_in_the_process_is_asked_only_what_is_allowed() {
    struct Paths(Mutex<Vec<String>>);
    impl InProcess for Paths {
        fn answer(&self, request: http::Request<WasiBody>) -> Answer {
            self.0.lock().unwrap().push(request.uri().to_string());
            Box::pin(async {
                let body = http_body_util::Full::new(Bytes::from_static(b"{}")).map_err(|never| match never {});
                Ok(http::Response::new(body.boxed_unsync()))
            })
        }
    }
    let paths = Arc::new(Paths(Mutex::default()));
    let detour = Some(Detour::InProcess(Arc::clone(&paths) as Arc<dyn InProcess>));
    let network =
        Network::open(Policy::allow(["https://webexapis.com"]), WayOut::default(), detour, Log::silent()).unwrap();
    let options = RequestOptions::default();
    assert_eq!(get(&network, "https://webexapis.com/v1/x?y=1", options).await.unwrap(), "{}");
    assert!(matches!(get(&network, "https://evil.test/", options).await, Err(Error::HttpRequestDenied)));
    assert_eq!(*paths.0.lock().unwrap(), ["https://webexapis.com/v1/x?y=1"]);
    assert_eq!(network.requests(), 1);
}

#[tokio::test]
async fn a_refused_connection_is_told_as_such() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let network =
        Network::open(Policy::allow([format!("http://{address}")]), WayOut::default(), None, Log::silent()).unwrap();
    let got = get(&network, &format!("http://{address}/"), RequestOptions::default()).await;
    assert!(matches!(got, Err(Error::ConnectionRefused)), "{got:?}");
}

#[tokio::test]
async fn a_body_that_ends_early_is_an_error_and_not_a_short_answer() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{").await;
    let uri = format!("http://{}/", server.address);
    let got = get(&server.network(&Log::silent()), &uri, RequestOptions::default()).await;
    assert!(matches!(got, Err(Error::HttpResponseIncomplete)), "{got:?}");
}

#[tokio::test]
async fn a_body_beyond_the_cap_is_refused_by_its_announced_length() {
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", MAX_BODY_BYTES + 1);
    let server = Server::answering(answer).await;
    let uri = format!("http://{}/", server.address);
    let got = get(&server.network(&Log::silent()), &uri, RequestOptions::default()).await;
    assert!(matches!(got, Err(Error::HttpResponseBodySize(Some(_)))), "{got:?}");
}

#[tokio::test]
async fn a_body_without_a_length_is_counted() {
    let server = Server::answering("HTTP/1.1 200 OK\r\n\r\n0123456789").await;
    let client = client(connector(&Trust::default(), CONNECT));
    let body: WasiBody = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = http::Request::get(format!("http://{}/", server.address)).body(body).unwrap();
    let body = client.request(request).await.unwrap().into_body();
    let got = Limited::new(body, 9, BETWEEN_BYTES, Instant::now() + WHOLE).collect().await.map(|_| ());
    assert!(matches!(got, Err(Error::HttpResponseBodySize(Some(9)))), "{got:?}");
}

#[tokio::test]
async fn a_server_that_never_answers_ends_in_a_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let network =
        Network::open(Policy::allow([format!("http://{address}")]), WayOut::default(), None, Log::silent()).unwrap();
    let short = Some(Duration::from_millis(20));
    let options = RequestOptions { connect_timeout: short, first_byte_timeout: short, between_bytes_timeout: None };
    let got = get(&network, &format!("http://{address}/"), options).await;
    assert!(matches!(got, Err(Error::HttpResponseTimeout)), "{got:?}");
}

#[tokio::test]
async fn gzip_is_asked_for_and_decoded_and_the_plugin_does_not_notice() {
    let page = "{\"items\":[]}".repeat(10_000);
    let server = Server::answering(answer("200 OK", &packed(page.as_bytes()))).await;
    let (headers, body) = get_whole(&server, None).await.unwrap();
    assert_eq!(body, page);
    assert!(server.asked.lock().unwrap().contains("accept-encoding: gzip\r\n"));
    assert!(!headers.contains_key("content-encoding") && !headers.contains_key("content-length"), "{headers:?}");
    assert_eq!(headers["x-other"], "1");
}

#[tokio::test]
async fn a_coding_that_the_plugin_asks_for_itself_is_left_to_it() {
    let sent = packed(b"{}");
    let server = Server::answering(answer("200 OK", &sent)).await;
    let (headers, body) = get_whole(&server, Some("gzip, br")).await.unwrap();
    assert_eq!(body, sent);
    assert_eq!(headers["content-encoding"], "gzip");
    assert_eq!(server.asked.lock().unwrap().matches("accept-encoding").count(), 1);
}

#[tokio::test]
async fn another_coding_and_no_coding_go_through_unchanged() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 2\r\n\r\n{}").await;
    let (headers, body) = get_whole(&server, None).await.unwrap();
    assert_eq!((headers["content-encoding"].as_bytes(), &body[..]), (&b"br"[..], &b"{}"[..]));
    let server = Server::answering(OK).await;
    let (headers, body) = get_whole(&server, None).await.unwrap();
    assert_eq!((headers["content-length"].as_bytes(), &body[..]), (&b"2"[..], &b"{}"[..]));
}

#[tokio::test]
async fn an_answer_without_a_body_needs_no_decoding() {
    for answer in [answer("200 OK", b""), answer("204 No Content", b"")] {
        let (_, body) = get_whole(&Server::answering(answer).await, None).await.unwrap();
        assert!(body.is_empty());
    }
}

#[tokio::test]
async fn a_small_answer_that_unfolds_beyond_the_cap_is_refused() {
    let bomb = packed(&vec![0; usize::try_from(MAX_BODY_BYTES).unwrap() + 1]);
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    let got = get_whole(&Server::answering(answer("200 OK", &bomb)).await, None).await.map(|_| ());
    assert!(matches!(got, Err(Error::HttpResponseBodySize(Some(MAX_BODY_BYTES)))), "{got:?}");
}

#[tokio::test]
async fn a_packed_body_that_ends_early_is_an_error_and_not_a_short_answer() {
    let whole = packed(b"{\"items\":[]}");
    // The length announced is the length sent: only the coding knows that something is missing.
    for length in [1, 9, 15, whole.len() - 8, whole.len() - 1] {
        let got = get_whole(&Server::answering(answer("200 OK", &whole[..length])).await, None).await;
        assert!(matches!(got, Err(Error::HttpResponseIncomplete)), "{length}: {got:?}");
    }
    let mut broken = whole.clone();
    broken[whole.len() - 6] ^= 1;
    let got = get_whole(&Server::answering(answer("200 OK", &broken)).await, None).await;
    assert!(matches!(got, Err(Error::HttpResponseContentCoding(_))), "{got:?}");
}

#[tokio::test]
async fn a_body_of_several_members_is_their_sum() {
    let body = [packed(b"{\"items\":"), packed(b""), packed(b"[]}")].concat();
    let (_, body) = get_whole(&Server::answering(answer("200 OK", &body)).await, None).await.unwrap();
    assert_eq!(body, "{\"items\":[]}");
}
