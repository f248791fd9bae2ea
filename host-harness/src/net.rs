//! The one way out of a plugin: allowed origins only, over pooled connections, within limits.
//!
//! Bodies travel as gzip where the server can; the plugin does not notice.
//! Redirects are not followed: an answer with one goes to the plugin as it is. Nothing is retried but a request that met a
//! pooled connection which the server had closed before anything was sent.

mod body;
mod fault;
mod gzip;
mod policy;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http_body_util::BodyExt;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;
pub use wasmtime_wasi_http::{Error, WasiBody};
use wasmtime_wasi_http::{RequestOptions, Result, WasiHttpHooks};

use crate::log::{Level, Log};
use body::Limited;
use gzip::Gunzip;
pub use policy::{Origin, OriginError, Policy};

/// Time for name, connection and TLS. A plugin may ask for less.
const CONNECT: Duration = Duration::from_secs(10);
/// Time from the request to the head of the answer, in which Webex gathers a page. A plugin may ask for less.
const FIRST_BYTE: Duration = Duration::from_secs(60);
/// Time between two pieces of a body. A plugin may ask for less.
const BETWEEN_BYTES: Duration = Duration::from_secs(30);
/// Time for one request as a whole, so that a server that sends a byte now and then ends too.
const WHOLE: Duration = Duration::from_secs(300);
/// Bytes of one answer's body, on the wire and decoded: a page of 1,000 events with some of 6 MB fits, memory stays bounded.
const MAX_BODY_BYTES: u64 = 64 << 20;
/// Idle connections that are kept to one host; streams run side by side, not in hundreds.
const IDLE_CONNECTIONS: usize = 16;
/// How long an idle connection is kept; load balancers close theirs after about a minute.
const IDLE: Duration = Duration::from_secs(50);

/// Why the way out cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// There is nothing to check a server's certificate against.
    #[error(
        "this machine has no trusted root certificates ({0}); install them (on Linux the package `ca-certificates`)"
    )]
    NoRoots(std::io::Error),
    /// The TLS library refuses its own settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// What answers requests in this process, without a socket. For tests.
pub trait InProcess: Send + Sync {
    /// Takes a request when the plugin makes it; its body follows.
    fn answer(&self, request: http::Request<WasiBody>) -> Answer;
}

/// What comes of a request.
pub type Answer = Pin<Box<dyn Future<Output = Result<http::Response<WasiBody>>> + Send>>;

/// Where requests go that are allowed, instead of where they are meant to go. For tests.
pub enum Detour {
    /// Those for this origin, to a server on this machine.
    Server(String, SocketAddr),
    /// All of them, to nobody outside.
    InProcess(Arc<dyn InProcess>),
}

/// One tenant's way out. Clones share connections.
#[derive(Clone)]
pub struct Network(Arc<Outward>);

struct Outward {
    policy: Policy,
    way: Way,
    rewrite: Option<Rewrite>,
    log: Log,
    requests: AtomicU64,
}

enum Way {
    /// Nothing is allowed.
    Closed,
    Client(Box<Client<HttpsConnector<HttpConnector>, WasiBody>>),
    InProcess(Arc<dyn InProcess>),
}

/// Where requests for an origin go instead.
struct Rewrite {
    origin: Origin,
    server: SocketAddr,
}

impl Network {
    /// Allows what `policy` allows.
    ///
    /// # Errors
    /// TLS is needed and cannot be set up.
    pub fn open(policy: Policy, detour: Option<Detour>, log: Log) -> std::result::Result<Self, NetError> {
        let rewrite = match detour {
            None => None,
            Some(Detour::Server(origin, server)) => {
                Origin::parse(&origin).ok().map(|origin| Rewrite { origin, server })
            }
            Some(Detour::InProcess(server)) => return Ok(Self::by(policy, Way::InProcess(server), None, log)),
        };
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?;
        // Loading the system's roots takes time that a run on loopback does not need to spend.
        let tls = if policy.needs_tls() && rewrite.is_none() {
            tls.with_native_roots().map_err(NetError::NoRoots)?
        } else {
            tls.with_root_certificates(RootCertStore::empty())
        };
        let way = Way::Client(Box::new(client(tls.with_no_client_auth())));
        Ok(Self::by(policy, way, rewrite, log))
    }

    /// Allows nothing.
    pub fn closed(log: Log) -> Self {
        Self::by(Policy::default(), Way::Closed, None, log)
    }

    fn by(policy: Policy, way: Way, rewrite: Option<Rewrite>, log: Log) -> Self {
        Self(Arc::new(Outward { policy, way, rewrite, log, requests: AtomicU64::new(0) }))
    }

    /// Requests that were allowed so far.
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// What the runtime hands to `wasi:http`.
    pub(crate) fn hooks(&self) -> Hooks {
        Hooks(self.clone())
    }

    async fn send(
        &self,
        mut request: http::Request<WasiBody>,
        options: RequestOptions,
    ) -> Result<http::Response<WasiBody>> {
        let outward = &*self.0;
        let Some(origin) = outward.policy.check(request.uri()) else {
            // The path may hold what must not be logged.
            let authority = request.uri().authority().map_or("", |authority| authority.as_str());
            let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
            let fields = [
                ("scheme".to_owned(), request.uri().scheme_str().unwrap_or_default().to_owned()),
                ("host".to_owned(), host.to_owned()),
            ];
            let text = "the plugin asked for an origin that is not allowed, nothing was sent";
            outward.log.write(Level::Warn, "request-denied", text, &fields);
            return Err(Error::HttpRequestDenied);
        };
        let client = match &outward.way {
            Way::Client(client) => client,
            Way::InProcess(server) => {
                outward.requests.fetch_add(1, Ordering::Relaxed);
                return server.answer(request).await;
            }
            Way::Closed => return Err(Error::HttpRequestDenied),
        };
        if let Some(rewrite) = outward.rewrite.as_ref().filter(|rewrite| rewrite.origin == origin) {
            *request.uri_mut() = rewrite.apply(request.uri())?;
        }
        let may_decode = gzip::ask(request.headers_mut());
        outward.requests.fetch_add(1, Ordering::Relaxed);

        let at_most = |asked: Option<Duration>, limit: Duration| asked.unwrap_or(limit).min(limit);
        let deadline = Instant::now() + WHOLE;
        let head = at_most(options.connect_timeout, CONNECT) + at_most(options.first_byte_timeout, FIRST_BYTE);
        let between = at_most(options.between_bytes_timeout, BETWEEN_BYTES);
        let answer = tokio::time::timeout(head, client.request(request)).await;
        let answer = answer.map_err(|_| Error::HttpResponseTimeout)?.map_err(|error| fault::of_request(&error))?;
        let announced = http_body::Body::size_hint(answer.body()).exact();
        if announced.is_some_and(|bytes| bytes > MAX_BODY_BYTES) {
            return Err(Error::HttpResponseBodySize(announced));
        }
        let (mut head, body) = answer.into_parts();
        // Where there is no body, as in an answer with the status 204, there is nothing to decode.
        let is_empty = http_body::Body::is_end_stream(&body);
        let is_packed = may_decode && gzip::take(&mut head.headers) && !is_empty;
        let body = Limited::new(body, MAX_BODY_BYTES, between, deadline);
        let body = if is_packed { Gunzip::new(body, MAX_BODY_BYTES).boxed_unsync() } else { body.boxed_unsync() };
        Ok(http::Response::from_parts(head, body))
    }
}

impl Rewrite {
    fn apply(&self, uri: &http::Uri) -> Result<http::Uri> {
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        http::Uri::builder()
            .scheme(http::uri::Scheme::HTTP)
            .authority(self.server.to_string())
            .path_and_query(path)
            .build()
            .map_err(|_| Error::HttpRequestUriInvalid)
    }
}

fn client(tls: ClientConfig) -> Client<HttpsConnector<HttpConnector>, WasiBody> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    // Plain http reaches this only for loopback, which the policy has checked.
    let connector =
        HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build(connector)
}

/// The way out as `wasi:http` calls it.
pub(crate) struct Hooks(Network);

type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<()>> + Send>)>;

impl WasiHttpHooks for Hooks {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<()>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let network = self.0.clone();
        Box::new(async move {
            let answer = network.send(request, options.unwrap_or_default()).await?;
            Ok((answer, Box::new(async { Ok(()) }) as Box<dyn Future<Output = Result<()>> + Send>))
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests;
