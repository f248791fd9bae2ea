//! An answer's body with a cap on its bytes and on its time.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep_until};
use wasmtime_wasi_http::Error;

use super::fault;

/// Passes frames on until one comes too late or the sum is too large.
pub(super) struct Limited {
    body: Incoming,
    left: u64,
    limit: u64,
    between: Duration,
    deadline: Instant,
    timer: Pin<Box<Sleep>>,
    /// Given back with it.
    #[expect(dead_code, reason = "held, not read")]
    open: Option<OwnedSemaphorePermit>,
}

impl Limited {
    /// `limit`: bytes; `between`: time between two frames; `deadline`: end of the whole request.
    pub(super) fn new(body: Incoming, limit: u64, between: Duration, deadline: Instant) -> Self {
        let timer = Box::pin(sleep_until(deadline.min(Instant::now() + between)));
        Self { body, left: limit, limit, between, deadline, timer, open: None }
    }

    /// Counts as open until it is dropped.
    pub(super) fn counted(self, open: OwnedSemaphorePermit) -> Self {
        Self { open: Some(open), ..self }
    }
}

impl Body for Limited {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = &mut *self;
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, |data| u64::try_from(data.len()).unwrap_or(u64::MAX));
                let Some(left) = this.left.checked_sub(bytes) else {
                    return Poll::Ready(Some(Err(Error::HttpResponseBodySize(Some(this.limit)))));
                };
                this.left = left;
                let next = this.deadline.min(Instant::now() + this.between);
                this.timer.as_mut().reset(next);
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(fault::of_hyper(&error)))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                ready!(this.timer.as_mut().poll(context));
                Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
