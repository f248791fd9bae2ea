//! The one way out of a plugin: allowed origins only, over pooled connections, within limits.
//!
//! Bodies travel as gzip where the server can; the plugin does not notice.
//! Redirects are not followed: an answer with one goes to the plugin as it is. Nothing is retried but a request that met a
//! pooled connection which the server had closed before anything was sent.

mod address;
mod body;
mod connector;
mod denied;
mod fault;
mod gzip;
mod operator;
mod policy;
mod probe;
mod proxy;
mod resolver;
mod rules;
mod trust;

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::header::HOST;
use http::{HeaderName, Request};
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::Instant;
pub use wasmtime_wasi_http::{Error, WasiBody};
use wasmtime_wasi_http::{ForbiddenHeaderFilter, RequestOptions, Result, WasiHttpHooks};

use crate::log::{Level, Log};
use body::Limited;
use connector::Connector;
pub use denied::Denied;
use gzip::Gunzip;
pub(crate) use operator::{OperatorClient, cause, operator_client, operator_tls};
pub use policy::{Origin, OriginError, Policy};
pub use probe::{Obstacle, Reached, Step, probe};
pub use proxy::{Proxy, ProxyError, check_no_proxy};
use resolver::{Names, Resolver};
pub use trust::{Trust, TrustError};

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
/// Bytes of an answer that a connection holds before the plugin takes them, and of its head: Webex sends some kilobytes. The
/// library's own limit is 400 KB for each of the pages that are read side by side.
const READ_AHEAD: usize = 64 * 1024;
/// Requests that a tenant may have open at a time, until their bodies are read or dropped: streams, slices and commands side by
/// side are a dozen.
const MAX_OPEN: usize = 64;
/// Idle connections that are kept to one host; streams run side by side, not in hundreds.
const IDLE_CONNECTIONS: usize = 16;
/// How long an idle connection is kept; load balancers close theirs after about a minute.
const IDLE: Duration = Duration::from_secs(50);

/// Why the way out cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// There is nothing to check a server's certificate against.
    #[error(
        "this machine has no trusted root certificates ({0}); install them (on Linux the package `ca-certificates`), or name \
         those to be trusted as `network.ca_file`"
    )]
    NoRoots(String),
    /// The TLS library refuses its own settings.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// How the way out is built, where it is not the usual one.
#[derive(Clone, Debug, Default)]
pub struct WayOut {
    /// Whose certificates are believed.
    pub trust: Trust,
    /// Through which everything but this machine is reached.
    pub proxy: Option<Proxy>,
}

/// What answers requests in this process, without a socket. For tests.
pub trait InProcess: Send + Sync {
    /// Takes a request when the plugin makes it; its body follows.
    fn answer(&self, request: Request<WasiBody>) -> Answer;
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
    open: Arc<Semaphore>,
}

enum Way {
    /// Nothing is allowed.
    Closed,
    Client(Box<Client<Connector, WasiBody>>),
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
    pub fn open(policy: Policy, way: WayOut, detour: Option<Detour>, log: Log) -> std::result::Result<Self, NetError> {
        Self::with_names(policy, way, Names::System, detour, log)
    }

    fn with_names(
        policy: Policy,
        way: WayOut,
        names: Names,
        detour: Option<Detour>,
        log: Log,
    ) -> std::result::Result<Self, NetError> {
        let rewrite = match detour {
            None => None,
            Some(Detour::Server(origin, server)) => {
                Origin::parse(&origin).ok().map(|origin| Rewrite { origin, server })
            }
            Some(Detour::InProcess(server)) => return Ok(Self::by(policy, Way::InProcess(server), None, log)),
        };
        if way.trust.is_everybody() {
            let text = "certificates are not checked: whoever sits between this machine and Webex can read tokens and events \
                        and change them. Take `network.danger_accept_invalid_certs` out; for an authority of your own use \
                        `network.ca_file`";
            log.write(Level::Warn, "certificates-not-checked", text, &[]);
        }
        let tls = way.trust.tls(policy.needs_tls() && rewrite.is_none())?;
        let resolver = Resolver::new(names, log.clone());
        let client = client(Connector::new(tls, resolver, way.proxy, CONNECT, log.clone()));
        Ok(Self::by(policy, Way::Client(Box::new(client)), rewrite, log))
    }

    /// Allows nothing.
    pub fn closed(log: Log) -> Self {
        Self::by(Policy::default(), Way::Closed, None, log)
    }

    fn by(policy: Policy, way: Way, rewrite: Option<Rewrite>, log: Log) -> Self {
        let open = Arc::new(Semaphore::new(MAX_OPEN));
        Self(Arc::new(Outward { policy, way, rewrite, log, requests: AtomicU64::new(0), open }))
    }

    /// Requests that were allowed so far.
    pub fn requests(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// What the runtime hands to `wasi:http`.
    pub(crate) fn hooks(&self) -> Hooks {
        Hooks(self.clone())
    }

    async fn send(&self, mut request: Request<WasiBody>, options: RequestOptions) -> Result<http::Response<WasiBody>> {
        let outward = &*self.0;
        let allowed = outward.policy.judge(request.method(), request.uri(), request.headers());
        let origin = allowed.map_err(|denied| outward.deny(&request, denied))?;
        let client = match &outward.way {
            Way::Client(client) => client,
            Way::InProcess(server) => {
                outward.requests.fetch_add(1, Ordering::Relaxed);
                return server.answer(request).await;
            }
            Way::Closed => return Err(outward.deny(&request, Denied::Origin)),
        };
        let open =
            Arc::clone(&outward.open).try_acquire_owned().map_err(|_| outward.deny(&request, Denied::TooMany))?;
        request.headers_mut().insert(HOST, origin.host_header().clone());
        if let Some(rewrite) = outward.rewrite.as_ref().filter(|rewrite| rewrite.origin == *origin) {
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
        rules::strip(&mut head.headers);
        // Where there is no body, as in an answer with the status 204, there is nothing to decode.
        let is_empty = http_body::Body::is_end_stream(&body);
        let is_packed = may_decode && gzip::take(&mut head.headers) && !is_empty;
        let body = Limited::new(body, MAX_BODY_BYTES, between, deadline).counted(open);
        let body = if is_packed { Gunzip::new(body, MAX_BODY_BYTES).boxed_unsync() } else { body.boxed_unsync() };
        Ok(http::Response::from_parts(head, body))
    }
}

impl Outward {
    /// One line for a request that is not sent. The path may hold what must not be logged.
    fn deny(&self, request: &Request<WasiBody>, denied: Denied) -> Error {
        let authority = request.uri().authority().map_or("", |authority| authority.as_str());
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let fields = [
            ("reason".to_owned(), denied.name().to_owned()),
            ("method".to_owned(), request.method().to_string()),
            ("scheme".to_owned(), request.uri().scheme_str().unwrap_or_default().to_owned()),
            ("host".to_owned(), host.to_owned()),
        ];
        let text = format!("the plugin made a request that is not allowed, nothing was sent: {denied}");
        self.log.write_once(Level::Warn, "request-denied", &text, &fields);
        denied.into()
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

fn client(connector: Connector) -> Client<Connector, WasiBody> {
    Client::builder(TokioExecutor::new())
        .http1_max_buf_size(READ_AHEAD)
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .build(connector)
}

/// The way out as `wasi:http` calls it.
pub(crate) struct Hooks(Network);

type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<()>> + Send>)>;

impl WasiHttpHooks for Hooks {
    /// The rules are in one place, [`rules`], where a header that is not allowed is also told. Here it would only be refused.
    fn is_forbidden_header(&mut self, _: &HeaderName) -> bool {
        false
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(|_| false)
    }

    /// It is made from the allowed origin, not from what the plugin says.
    fn set_host_header(&mut self) -> bool {
        false
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
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
