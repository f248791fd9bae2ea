//! The page, health, metrics and commands over HTTP, beside collecting that goes on.
//!
//! | path | answers |
//! | --- | --- |
//! | `/`, `/?tenant=NAME` | the status page; of many tenants, the page of one |
//! | `/healthz`, `/readyz` | whether the process lives; whether data flows, or why not |
//! | `/metrics` | numbers for Prometheus |
//! | `/commands`, `/commands/{name}`, `/openapi.json` | the plugin's commands, for playbooks |
//! | `/sign-in`, and where redirect URIs lead | a user signs in |
//!
//! | file | holds |
//! | --- | --- |
//! | `desk` | where what is asked meets the tenants |
//! | `access` | who may ask |
//! | `page`, `health`, `metrics`, `commands`, `openapi`, `sign_in` | the answers |

mod access;
mod commands;
mod desk;
mod health;
pub mod metrics;
mod openapi;
pub mod page;
mod process;
mod sign_in;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::config::ServeTable;
use crate::log::Log;
use access::{Access, Denied};
use desk::SharedDesk;
pub use desk::{Desk, Whose};
pub use openapi::document as openapi_document;
use sign_in::SignIns;

/// Bytes of a body: arguments of a command.
const BODY_MAX_BYTES: usize = 64 * 1024;
/// Connections at a time; more wait to be accepted.
const CONNECTIONS: usize = 256;
/// How long a client may take to send its head.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);
/// How long answers that are under way may take once everything is asked to end.
const LEAVE: Duration = Duration::from_secs(2);
/// Pause after a failed accept, such as too many open files, so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often clocks are looked at, and users whose state is old are asked for.
const LOOK: Duration = Duration::from_secs(1);

/// What a page may load and send: its own files; forms also to where a sign-in leads.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
    form-action 'self' https: http://127.0.0.1:* http://localhost:*; base-uri 'none'; frame-ancestors 'none'";

/// What every answer is made from.
#[derive(Clone)]
struct Served {
    desk: SharedDesk,
    access: Arc<Access>,
    sign_ins: Arc<SignIns>,
    address: SocketAddr,
    log: Log,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The port cannot be opened.
    #[error("cannot listen on {address}: {source}; name another address as `serve.listen` or with --listen")]
    Bind {
        /// Address and port.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A port that is open; it answers once it runs.
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    access: Access,
    log: Log,
}

impl Server {
    /// Opens the port.
    ///
    /// # Errors
    /// See [`ServeError`].
    pub async fn bind(table: &ServeTable, log: Log) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Bind { address: table.listen, source };
        let listener = TcpListener::bind(table.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address, access: Access::new(table), log })
    }

    /// Address and port.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until everything is asked to end.
    pub async fn run(self, desk: Desk) {
        let stop = desk.stop().clone();
        let served = Served {
            desk: Arc::new(desk),
            access: Arc::new(self.access),
            sign_ins: Arc::default(),
            address: self.address,
            log: self.log,
        };
        let looking = tokio::spawn(look(Arc::clone(&served.desk)));
        let router = router(served);
        let room = Arc::new(Semaphore::new(CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stop.requested() => break,
                Some(_) = connections.join_next() => continue,
                accepted = accept(&self.listener, &room) => accepted,
            };
            let Some((stream, permit)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let service = TowerToHyperService::new(router.clone());
            let stop = stop.clone();
            connections.spawn(async move {
                let _permit = permit;
                let mut http = http1::Builder::new();
                http.timer(TokioTimer::new()).header_read_timeout(REQUEST_PATIENCE);
                let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
                // An error is a client that has gone.
                tokio::select! {
                    _ = connection.as_mut() => {}
                    () = stop.requested() => {
                        connection.as_mut().graceful_shutdown();
                        let _ = tokio::time::timeout(LEAVE, connection).await;
                    }
                }
            });
        }
        looking.abort();
        drop(self.listener);
        while connections.join_next().await.is_some() {}
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.ok()?;
    let (stream, _) = listener.accept().await.ok()?;
    // Best effort: without it answers are a little later.
    let _ = stream.set_nodelay(true);
    Some((stream, permit))
}

/// Keeps what the board cannot know by itself.
async fn look(desk: SharedDesk) {
    loop {
        desk.board().tick();
        for name in desk.board().asking_for_users() {
            desk.ask_for_users(name.as_deref()).await;
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn router(served: Served) -> Router {
    let guarded = Router::new()
        .route("/", get(status))
        .route("/assets/page.css", get(|| async { asset("text/css; charset=utf-8", page::CSS) }))
        .route("/assets/page.js", get(|| async { asset("text/javascript; charset=utf-8", page::JS) }))
        .route("/metrics", get(metrics::metrics))
        .route("/commands", get(commands::list))
        .route("/commands/{name}", post(commands::run))
        .route("/openapi.json", get(openapi::openapi))
        .route("/sign-in", post(sign_in::begin))
        .layer(middleware::from_fn_with_state(served.clone(), guard));
    // Where redirect URIs lead: the browser has no token in hand there, but the state of its sign-in.
    let back =
        Router::new().fallback(sign_in::fallback).layer(middleware::from_fn_with_state(served.clone(), guard_name));
    // Asked by machines, by whatever name.
    let health = Router::new().route("/healthz", get(health::healthz)).route("/readyz", get(health::readyz));
    guarded
        .merge(health)
        .merge(back)
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .layer(middleware::from_fn(secure))
        .with_state(served)
}

/// Whose page.
#[derive(Debug, Deserialize)]
struct Asked {
    tenant: Option<String>,
}

async fn status(State(served): State<Served>, method: Method, uri: Uri) -> Response {
    // A redirect URI may be the bare address.
    if uri.query().is_some_and(|query| query.contains("state=")) {
        return sign_in::fallback(State(served), method, uri).await;
    }
    let view = served.desk.board().view();
    let asked = Query::<Asked>::try_from_uri(&uri).ok().and_then(|Query(asked)| asked.tenant);
    let page = match asked.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => page::tenant(&view, name),
        None => Some(page::status(&view)),
    };
    match page {
        Some(page) => Html(page.into_string()).into_response(),
        None => (StatusCode::NOT_FOUND, "there is no such tenant; all of them are at /\n").into_response(),
    }
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(CONTENT_TYPE, kind)], text).into_response()
}

/// Name, origin and token.
async fn guard(State(served): State<Served>, request: Request, next: Next) -> Response {
    let (method, headers) = (request.method(), request.headers());
    match served.access.origin(method, headers).and_then(|()| served.access.token(headers)) {
        Ok(()) => next.run(request).await,
        Err(denied) => deny(denied),
    }
}

/// Name and origin.
async fn guard_name(State(served): State<Served>, request: Request, next: Next) -> Response {
    match served.access.origin(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(denied) => deny(denied),
    }
}

fn deny(denied: Denied) -> Response {
    let (status, kind) = match denied {
        Denied::Host => (StatusCode::MISDIRECTED_REQUEST, "host"),
        Denied::Origin => (StatusCode::FORBIDDEN, "origin"),
        Denied::Token => (StatusCode::UNAUTHORIZED, "token"),
    };
    let error = json!({"error": {"kind": kind, "message": denied.to_string()}});
    let mut response = (status, axum::Json(error)).into_response();
    if denied == Denied::Token {
        // A browser then asks for it.
        let ask = HeaderValue::from_static("Basic realm=\"webex-collector\", charset=\"UTF-8\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, ask);
    }
    response
}

/// What holds for every answer that does not say otherwise.
async fn secure(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let defaults: [(HeaderName, &str); 4] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        // To itself a form must say where it comes from; to others nothing is said.
        (REFERRER_POLICY, "same-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
    ];
    for (name, value) in defaults {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
