//! The tenant on the wire: HTTP/1.1 over loopback, and connections that break on purpose.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::answer::{Answer, Delivery};
use super::tenant::{Received, Tenant};

/// No request of a collector comes near this.
const REQUEST_BODY_MAX_BYTES: usize = 1 << 20;
/// Pause after a failed accept, such as too many open files, so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A bound port; it answers once it serves.
pub(super) struct Listener {
    listener: TcpListener,
    address: SocketAddr,
}

impl Listener {
    pub(super) async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn serve(self, tenant: Arc<Mutex<Tenant>>) -> Server {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(accept(self.listener, tenant, stopped));
        Server { stop: Some(stop), task }
    }
}

/// A running server; it ends with this value.
#[derive(Debug)]
pub(super) struct Server {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    /// Closes the port and every connection, and waits until they are closed.
    pub(super) async fn stop(mut self) {
        drop(self.stop.take());
        // An error says that the task was cancelled with its runtime: stopped as well.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, tenant: Arc<Mutex<Tenant>>, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, Arc::clone(&tenant)));
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, tenant: Arc<Mutex<Tenant>>) {
    // Best effort: without it answers are a little later.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let wire = Wire { stream, reset: Arc::clone(&reset) };
    let service = service_fn(move |request| answer(request, Arc::clone(&tenant), Arc::clone(&reset)));
    // The tenant writes its own `Date`. An error is a broken connection, on purpose or by the client.
    let _ = http1::Builder::new().auto_date_header(false).serve_connection(TokioIo::new(wire), service).await;
}

async fn answer(
    request: Request<Incoming>,
    tenant: Arc<Mutex<Tenant>>,
    reset: Arc<AtomicBool>,
) -> Result<Response<Outgoing>, BrokenOnPurpose> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, REQUEST_BODY_MAX_BYTES).collect().await.map_err(|_| BrokenOnPurpose)?;
    let accepts = head.headers.get(http::header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let takes_gzip = accepts.is_some_and(|codings| codings.contains("gzip"));
    let received = Received {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        headers: head.headers,
        body: body.to_bytes(),
    };
    let (answer, delay) = {
        let mut tenant = tenant.lock().unwrap_or_else(PoisonError::into_inner);
        let (answer, delay) = tenant.handle(&received);
        (if tenant.settings.gzip && takes_gzip && !answer.body.is_empty() { packed(answer) } else { answer }, delay)
    };
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    match answer.delivery {
        Delivery::Never => match std::future::pending::<Infallible>().await {},
        Delivery::ResetBefore => {
            reset.store(true, Ordering::SeqCst);
            Err(BrokenOnPurpose)
        }
        Delivery::ResetInside => {
            reset.store(true, Ordering::SeqCst);
            response(answer)
        }
        Delivery::Whole | Delivery::CutShort => response(answer),
    }
}

/// The same answer with its body as gzip.
fn packed(answer: Answer) -> Answer {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory does not fail; if it did, the answer would go out as it is.
    match encoder.write_all(&answer.body).and_then(|()| encoder.finish()) {
        Ok(body) => Answer { body: body.into(), ..answer }.header("content-encoding", "gzip"),
        Err(_) => answer,
    }
}

fn response(answer: Answer) -> Result<Response<Outgoing>, BrokenOnPurpose> {
    let breaks = answer.delivery != Delivery::Whole;
    let length = answer.body.len();
    let sent = if breaks { answer.body.slice(..length / 2) } else { answer.body };
    let mut response = Response::new(Outgoing { sent: Some(sent), length, breaks, flushed: false });
    *response.status_mut() = answer.status;
    for (name, value) in answer.headers {
        // A value that HTTP cannot carry is left out; the tenant writes none but from a test's own text.
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

/// The end of a connection that a fault asked for.
#[derive(Debug, thiserror::Error)]
#[error("the connection is broken on purpose")]
struct BrokenOnPurpose;

/// A body that is sent whole, or that stops half-way under the length of the whole.
struct Outgoing {
    sent: Option<Bytes>,
    length: usize,
    breaks: bool,
    flushed: bool,
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BrokenOnPurpose;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOnPurpose>>> {
        if let Some(sent) = self.sent.take() {
            return Poll::Ready(Some(Ok(Frame::data(sent))));
        }
        if !self.breaks {
            return Poll::Ready(None);
        }
        if !self.flushed {
            // One pause lets the half go out before the connection ends.
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(BrokenOnPurpose)))
    }

    fn is_end_stream(&self) -> bool {
        !self.breaks && self.sent.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length as u64)
    }
}

/// A connection that can end with a reset where an ordinary close would look like an end.
struct Wire {
    stream: TcpStream,
    reset: Arc<AtomicBool>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.reset.load(Ordering::SeqCst) {
            // Best effort: without it the client sees a close in the middle, an error just the same.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
