//! What a plugin may say, and what it hears.

use http_body_util::Full;
use wasmtime_wasi_http::WasiHttpHooks as _;

use super::*;

/// Sends a request by the way that `wasi:http` takes.
async fn send(network: &Network, request: http::request::Builder, body: &'static str) -> Result<http::HeaderMap> {
    let body = Full::from(body).map_err(|never| match never {}).boxed_unsync();
    let sent = network.hooks().send_request(request.body(body).unwrap(), None, Box::new(async { Ok(()) }));
    let (answer, _) = Box::into_pin(sent).await?;
    let (head, body) = answer.into_parts();
    body.collect().await?;
    Ok(head.headers)
}

#[tokio::test]
async fn a_request_that_breaks_a_rule_is_one_line_with_its_reason_and_nothing_on_the_wire() {
    let server = Server::answering(OK).await;
    let uri = format!("http://{}/v1?code=fake-code", server.address);
    let port = server.address.port();
    let get = || Request::get(&uri);
    for (request, reason) in [
        (Request::builder().method("CONNECT").uri(&uri), "method"),
        (Request::builder().method("TRACE").uri(&uri), "method"),
        (get().header("host", "evil.test"), "header"),
        (get().header("proxy-authorization", "Basic fake-code"), "header"),
        (get().header("transfer-encoding", "chunked"), "header"),
        (get().header("connection", "upgrade").header("upgrade", "websocket"), "header"),
        (get().header("content-length", "5"), "length"),
        (Request::post(&uri).header("content-length", "5").header("content-length", "6"), "length"),
        (Request::get(format!("http://127.0.0.1:{}/fake-code", port ^ 1)), "origin"),
        (Request::get(format!("https://127.0.0.1:{port}/fake-code")), "origin"),
        (Request::get(format!("http://127.1:{port}/fake-code")), "spelling"),
        (Request::get(format!("http://fake-code@127.0.0.1:{port}/")), "user-information"),
        (Request::get("/fake-code"), "not-absolute"),
    ] {
        let log = Log::memory();
        let got = send(&server.network(&log), request, "").await;
        assert!(
            matches!(
                got,
                Err(Error::HttpRequestDenied | Error::HttpRequestMethodInvalid | Error::HttpRequestUriInvalid)
            ),
            "{reason}: {got:?}"
        );
        let [line] = log.lines().try_into().unwrap();
        assert_eq!((line.level, line.code.as_str()), (Level::Warn, "request-denied"));
        assert_eq!(line.fields[0], ("reason".to_owned(), reason.to_owned()), "{line}");
        assert!(!line.to_string().contains("fake-code"), "{line}");
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_host_says_who_is_asked() {
    let server = Server::answering(OK).await;
    let rewrite = Some(Detour::Server("https://webexapis.com".to_owned(), server.address));
    let policy = Policy::allow(["https://webexapis.com"]);
    let network = Network::open(policy, WayOut::default(), rewrite, Log::silent()).unwrap();
    send(&network, Request::get("https://WebexApis.com:443/"), "").await.unwrap();
    let heard = server.asked.lock().unwrap().to_lowercase();
    assert_eq!(heard.matches("host: ").count(), 1, "{heard}");
    assert!(heard.contains("\r\nhost: webexapis.com\r\n"), "{heard}");
}

#[tokio::test]
async fn a_body_cannot_become_a_second_request() {
    let smuggled = "hello\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    // With a length that the plugin gives, then with the one that the host finds.
    for request in [|uri: &str| Request::post(uri).header("content-length", "5"), |uri: &str| Request::post(uri)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let uri = format!("http://{}/", listener.local_addr().unwrap());
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = Vec::new();
            // An answer only after a pause would need a clock; the end of the stream is the end of the request here.
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut piece).await {
                heard.extend_from_slice(&piece[..count]);
                let text = String::from_utf8_lossy(&heard);
                let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                if body.len() >= length(head) {
                    stream.write_all(OK.as_bytes()).await.unwrap();
                }
            }
            String::from_utf8(heard).unwrap()
        });
        let network = Network::open(Policy::allow([&uri]), WayOut::default(), None, Log::silent()).unwrap();
        let _ = send(&network, request(&uri), smuggled).await;
        drop(network);
        let heard = heard.await.unwrap();
        let (head, body) = heard.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.len(), length(head), "all of it is the body of one request: {heard}");
    }
}

/// What a head says of its body.
fn length(head: &str) -> usize {
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.unwrap_or_else(|| panic!("{head}")).parse().unwrap()
}

#[tokio::test]
async fn headers_of_the_connection_do_not_reach_the_plugin() {
    let server = Server::answering(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\nkeep-alive: timeout=5\r\n\
         proxy-authenticate: Basic\r\nlink: <x>; rel=next\r\n\r\n{}",
    )
    .await;
    let answer = send(&server.network(&Log::silent()), Request::get(format!("http://{}/", server.address)), "").await;
    let mut names: Vec<_> = answer.unwrap().keys().map(ToString::to_string).collect();
    names.sort();
    assert_eq!(names, ["content-length", "link"]);
}

/// A body that begins and does not go on; what its end is taken for.
async fn stalled(between: Duration, whole: Duration) -> Result<()> {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{").await;
    let client = client(connector(&Trust::default(), CONNECT));
    let body: WasiBody = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let request = Request::get(format!("http://{}/", server.address)).body(body).unwrap();
    let body = client.request(request).await.unwrap().into_body();
    Limited::new(body, 9, between, Instant::now() + whole).collect().await.map(drop)
}

#[tokio::test]
async fn a_body_that_stalls_ends_by_the_time_between_two_pieces_and_by_that_of_the_whole() {
    let (short, long) = (Duration::from_millis(20), Duration::from_secs(600));
    for (between, whole) in [(short, long), (long, short), (long, Duration::ZERO)] {
        let got = stalled(between, whole).await;
        assert!(matches!(got, Err(Error::ConnectionReadTimeout)), "{got:?}");
    }
}
