//! Waits on this machine for the browser that Webex leads back, where the redirect URI is an address of this machine.

mod redirect_uri;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use http::header::{ALLOW, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use url::form_urlencoded;

use super::{Page, Started};
use crate::redaction;
use crate::secrets::Secret;
use redirect_uri::RedirectUri;

/// How long a browser may take to send its request.
const REQUEST_PATIENCE: Duration = Duration::from_secs(10);
/// How long the answer may take: the sign-in is completed and tested before.
const ANSWER_PATIENCE: Duration = Duration::from_secs(300);
/// How long an answer may take to go out at the end.
const LEAVE: Duration = Duration::from_secs(2);
/// Bytes of a request; a code is some hundred, browsers add some thousand of their own.
const REQUEST_MAX_BYTES: usize = 32 * 1024;
/// Connections at a time; browsers open two or three.
const CONNECTIONS: usize = 16;
/// Pause after a failed accept, such as too many open files, so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Why nobody waits for the browser, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// The redirect URI leads elsewhere.
    #[error("the redirect URI {uri} does not lead to this machine; paste the address to which the browser is led")]
    Elsewhere {
        /// It.
        uri: String,
    },
    /// Somebody else would get the code.
    #[error(
        "{address}, to which the redirect URI leads, is taken by another program, and the browser would bring the code there; if \
         that is `serve`, sign in on its page, else end that program and try again"
    )]
    Taken {
        /// Address and port.
        address: SocketAddr,
    },
    /// The port cannot be opened.
    #[error(
        "cannot listen on {address}, to which the redirect URI leads: {source}; paste the address to which the browser is led"
    )]
    Bind {
        /// Address and port.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Nobody came in time.
    #[error("the sign-in was not completed in time; begin it again")]
    Expired,
}

/// The browser is here, and waits for its page.
#[derive(Debug)]
pub struct Redirected {
    address: Secret,
    answer: oneshot::Sender<Page>,
}

impl Redirected {
    /// The whole address to which it was led.
    pub fn address(&self) -> &Secret {
        &self.address
    }

    /// Shows a page. Whether the browser still waits for it does not matter.
    pub fn answer(self, page: Page) {
        let _ = self.answer.send(page);
    }
}

/// Listens for the browser of one sign-in, until it is dropped.
#[derive(Debug)]
pub struct Receiver {
    /// None: it has come.
    address: Option<oneshot::Receiver<Redirected>>,
    until: Instant,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

/// What a request must be, and who is told of it.
struct Expected {
    uri: RedirectUri,
    state: Secret,
    caller: Mutex<Option<oneshot::Sender<Redirected>>>,
}

impl Receiver {
    /// Listens where the redirect URI of the sign-in leads, for as long as the sign-in can be completed.
    ///
    /// # Errors
    /// See [`ReceiverError`].
    pub async fn bind(started: &Started) -> Result<Self, ReceiverError> {
        let uri = RedirectUri::parse(&started.redirect_uri)
            .ok_or_else(|| ReceiverError::Elsewhere { uri: started.redirect_uri.clone() })?;
        let listeners = listen(&uri).await?;
        let (to_caller, address) = oneshot::channel();
        let (stop, stopped) = oneshot::channel();
        let expected = Arc::new(Expected { uri, state: started.state().clone(), caller: Mutex::new(Some(to_caller)) });
        let left = (started.until - Utc::now()).to_std().unwrap_or_default();
        let task = tokio::spawn(accept(listeners, expected, stopped));
        Ok(Self { address: Some(address), until: Instant::now() + left, stop: Some(stop), task })
    }

    /// Waits for the browser. Requests with another state do not count, and the sign-in's own counts once.
    ///
    /// # Errors
    /// [`ReceiverError::Expired`].
    pub async fn redirected(&mut self) -> Result<Redirected, ReceiverError> {
        let Some(address) = &mut self.address else { return Err(ReceiverError::Expired) };
        // The other end is there until this one is dropped.
        let redirected = tokio::time::timeout_at(self.until, address).await.ok().and_then(Result::ok);
        self.address = self.address.take().filter(|_| redirected.is_none());
        redirected.ok_or(ReceiverError::Expired)
    }

    /// Closes the port once the answers that were given have gone out.
    pub async fn close(mut self) {
        drop(self.stop.take());
        let _ = tokio::time::timeout(LEAVE, &mut self.task).await;
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// On all addresses that a browser may find under the name.
async fn listen(uri: &RedirectUri) -> Result<Vec<TcpListener>, ReceiverError> {
    let mut listeners = Vec::new();
    for address in uri.addresses() {
        match TcpListener::bind(address).await {
            Ok(listener) => listeners.push(listener),
            Err(source) if source.kind() == io::ErrorKind::AddrInUse => return Err(ReceiverError::Taken { address }),
            // A machine without IPv6: the browser finds none either.
            Err(source) if source.kind() == io::ErrorKind::AddrNotAvailable && !listeners.is_empty() => {}
            Err(source) => return Err(ReceiverError::Bind { address, source }),
        }
    }
    Ok(listeners)
}

async fn accept(listeners: Vec<TcpListener>, expected: Arc<Expected>, mut stopped: oneshot::Receiver<()>) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let incoming = async {
            // Closed by nobody; and if it were, no connection would be taken.
            let Ok(place) = Arc::clone(&room).acquire_owned().await else { return std::future::pending().await };
            let accepted = futures::future::select_all(listeners.iter().map(|listener| Box::pin(listener.accept())));
            (accepted.await.0, place)
        };
        tokio::select! {
            _ = &mut stopped => break,
            (accepted, place) = incoming => match accepted {
                Ok((stream, _)) => {
                    let expected = Arc::clone(&expected);
                    connections.spawn(async move {
                        connection(stream, expected).await;
                        drop(place);
                    });
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listeners);
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, expected: Arc<Expected>) {
    let service = service_fn(move |request| answer(request, Arc::clone(&expected)));
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(REQUEST_PATIENCE).max_buf_size(REQUEST_MAX_BYTES);
    // One request a connection, so that the end of an answer is the end of both.
    let served = server.keep_alive(false).serve_connection(TokioIo::new(stream), service);
    // An error is a browser that has gone.
    let _ = tokio::time::timeout(REQUEST_PATIENCE + ANSWER_PATIENCE, served).await;
}

async fn answer(
    request: Request<Incoming>,
    expected: Arc<Expected>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    Ok(match expected.refuse(&request) {
        Some(answer) => answer,
        None => expected.page(request.uri().query().unwrap_or_default()).await.answer(),
    })
}

impl Expected {
    /// What is no redirect at all. The name must be the one that is registered: a page of a foreign site under a name that leads
    /// here has another.
    fn refuse(&self, request: &Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        let mut hosts = request.headers().get_all(HOST).into_iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        if hosts.next().is_some() || !host.is_some_and(|host| self.uri.is_host(host)) {
            return Some(Page::nothing_here(StatusCode::MISDIRECTED_REQUEST).answer());
        }
        if request.uri().path() != self.uri.path() {
            return Some(Page::nothing_here(StatusCode::NOT_FOUND).answer());
        }
        if request.method() != Method::GET {
            let mut answer: Response<Full<Bytes>> = Page::nothing_here(StatusCode::METHOD_NOT_ALLOWED).answer();
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
            return Some(answer);
        }
        None
    }

    /// Hands the address on if it is of the sign-in that waits, and waits for the page of who has it.
    async fn page(&self, query: &str) -> Page {
        let (mut states, mut is_whole) = (Vec::new(), false);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "state" => states.push(value),
                "code" | "error" => is_whole |= !value.is_empty(),
                _ => {}
            }
        }
        if states != [self.state.expose()] || !is_whole {
            return Page::of_another_sign_in();
        }
        let address = Secret::from(self.uri.with_query(query));
        redaction::learn(&address);
        let (answer, answered) = oneshot::channel();
        // It works once; what comes after the first is told so.
        let Some(caller) = self.caller.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Page::in_progress();
        };
        if caller.send(Redirected { address, answer }).is_err() {
            return Page::unanswered();
        }
        match tokio::time::timeout(ANSWER_PATIENCE, answered).await {
            Ok(Ok(page)) => page,
            Ok(Err(_)) | Err(_) => Page::unanswered(),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests;
