//! What receivers over HTTP have in common: a server on loopback whose answers go wrong when a test says so. What a request
//! means is the protocol's to say ([`Protocol`]).

use std::convert::Infallible;
use std::io::Read as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::conformance::Fault;

/// How long a slow answer takes.
const SLOW: Duration = Duration::from_millis(100);

/// A request that was read, its body unpacked.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What a receiver does with a request. A strict one: what the real one refuses, it refuses.
pub(crate) trait Protocol: Send + Sync + 'static {
    /// Whether the request delivers events, so that faults are for it.
    fn delivers(&self, asked: &Asked) -> bool;
    /// Answers. `take`: how many of its events are taken, in their order, and whether the sink will hear of it.
    fn answer(&self, asked: &Asked, take: Take) -> Response<Full<Bytes>>;
    /// The answer of a receiver that is busy.
    fn busy(&self) -> Response<Full<Bytes>> {
        status(StatusCode::TOO_MANY_REQUESTS, &[("retry-after", "1")], "busy")
    }
    /// The answer of one that fails.
    fn failing(&self) -> Response<Full<Bytes>> {
        status(StatusCode::SERVICE_UNAVAILABLE, &[], "failing")
    }
}

/// How much of a request is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Take {
    /// All, and the answer gets through.
    All,
    /// All, and the answer does not get through.
    Unheard,
    /// The first half, and the answer does not get through.
    Half,
}

/// An answer.
pub(crate) fn status(status: StatusCode, headers: &[(&str, &str)], body: &str) -> Response<Full<Bytes>> {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(Full::new(Bytes::from(body.to_owned()))).unwrap()
}

/// A server on loopback, which ends with the test.
pub(crate) struct HttpReceiver<P> {
    pub(crate) protocol: Arc<P>,
    address: SocketAddr,
    fault: Arc<Mutex<Option<(Fault, usize)>>>,
    accepting: JoinHandle<()>,
}

impl<P> Drop for HttpReceiver<P> {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl<P: Protocol> HttpReceiver<P> {
    pub(crate) async fn start(protocol: P) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (protocol, fault) = (Arc::new(protocol), Arc::new(Mutex::new(None)));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&protocol), Arc::clone(&fault)));
        Self { protocol, address, fault, accepting }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Misbehaves for so many requests that deliver.
    pub(crate) fn misbehave(&self, fault: Fault, requests: usize) {
        *self.fault.lock().unwrap() = Some((fault, requests));
    }
}

type Faults = Arc<Mutex<Option<(Fault, usize)>>>;

/// The fault for this request.
fn next(faults: &Faults) -> Option<Fault> {
    let mut fault = faults.lock().unwrap();
    let (kind, left) = fault.as_mut()?;
    let kind = *kind;
    *left -= 1;
    if *left == 0 {
        *fault = None;
    }
    Some(kind)
}

async fn accept<P: Protocol>(listener: TcpListener, protocol: Arc<P>, faults: Faults) {
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (protocol, faults) = (Arc::clone(&protocol), Arc::clone(&faults));
        connections.spawn(async move {
            let serve = service_fn(move |request: Request<Incoming>| {
                let (protocol, faults) = (Arc::clone(&protocol), Arc::clone(&faults));
                async move { answer(&*protocol, &faults, request).await }
            });
            // An error of the service cuts the connection.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), serve).await;
        });
    }
}

/// The connection is cut.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut")
    }
}

impl std::error::Error for Cut {}

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

async fn answer<P: Protocol>(
    protocol: &P,
    faults: &Faults,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Cut> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut)?.to_bytes();
    let body = match head.headers.get("content-encoding").map(|value| value.to_str().unwrap()) {
        Some("gzip") => {
            let mut text = Vec::new();
            flate2::read::MultiGzDecoder::new(&body[..]).read_to_end(&mut text).unwrap();
            text
        }
        None => body.to_vec(),
        Some(other) => return Ok(status(StatusCode::UNSUPPORTED_MEDIA_TYPE, &[], other)),
    };
    let asked = Asked { method: head.method, uri: head.uri, headers: head.headers, body };
    let fault = if protocol.delivers(&asked) { next(faults) } else { None };
    match fault {
        None | Some(Fault::Late) => Ok(protocol.answer(&asked, Take::All)),
        Some(Fault::Slow) => {
            tokio::time::sleep(SLOW).await;
            Ok(protocol.answer(&asked, Take::All))
        }
        Some(Fault::Down) => Err(Cut),
        Some(Fault::Busy) => Ok(protocol.busy()),
        Some(Fault::Failing) => Ok(protocol.failing()),
        Some(Fault::CutAfter) => {
            protocol.answer(&asked, Take::Unheard);
            Err(Cut)
        }
        Some(Fault::Half) => {
            protocol.answer(&asked, Take::Half);
            Err(Cut)
        }
    }
}
