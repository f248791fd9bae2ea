//! Files and standard output behind a spool.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use futures::future::BoxFuture;

use super::series::Series;
use super::{Ndjson, lines};
use crate::runtime::{Bundle, EventHead};
use crate::sink::{Event, Receipt, SendError, Sink, SinkError};

/// A file, or files that follow each other.
pub(super) struct SeriesSink {
    series: Arc<Mutex<Series>>,
    /// Somebody waits to put the file away in time.
    is_awaited: Arc<AtomicBool>,
}

impl SeriesSink {
    pub(super) fn new(series: Series) -> Self {
        Self { series: Arc::new(Mutex::new(series)), is_awaited: Arc::default() }
    }

    /// Puts the file away in time, also if nothing more comes.
    fn put_away_in_time(&self) {
        let Some(wait) = lock(&self.series).rotates_in(SystemTime::now()) else { return };
        if self.is_awaited.swap(true, Ordering::Relaxed) {
            return;
        }
        let (series, is_awaited) = (Arc::downgrade(&self.series), Arc::clone(&self.is_awaited));
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            is_awaited.store(false, Ordering::Relaxed);
            if let Some(series) = series.upgrade() {
                // If that fails it is done before the next send, which says so.
                let put_away = move || lock(&series).rotate_if_old(SystemTime::now());
                let _ = tokio::task::spawn_blocking(put_away).await;
            }
        });
    }
}

impl Sink for SeriesSink {
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let lines = lines(events).into_bytes();
            with(&self.series, move |series| series.write(lines, SystemTime::now())).await?;
            self.put_away_in_time();
            Ok(Receipt::default())
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<String, SendError>> {
        Box::pin(async { Ok("it can be written".to_owned()) })
    }

    fn begin(&self) -> Option<String> {
        Some(lock(&self.series).begin())
    }

    fn recall<'a>(&'a self, begun: &'a str) -> BoxFuture<'a, Result<usize, SendError>> {
        let begun = begun.to_owned();
        Box::pin(with(&self.series, move |series| series.recall(&begun)))
    }
}

/// Standard output.
pub(super) struct StdoutSink {
    lines: Arc<Mutex<Ndjson>>,
}

impl StdoutSink {
    pub(super) fn new(lines: Ndjson) -> Self {
        Self { lines: Arc::new(Mutex::new(lines)) }
    }
}

impl Sink for StdoutSink {
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let head = |event: &Event| EventHead { id: event.id.clone(), created: event.created };
            let heads = events.iter().map(head).collect();
            let bundle = Bundle { stream: String::new(), org: String::new(), events: heads, lines: lines(events) };
            with(&self.lines, move |to| to.deliver([bundle])).await?;
            Ok(Receipt::default())
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<String, SendError>> {
        Box::pin(async { Ok("it can be written".to_owned()) })
    }
}

/// Does something on a thread that may wait for the disk.
async fn with<S: Send + 'static, T: Send + 'static>(
    shared: &Arc<Mutex<S>>,
    work: impl FnOnce(&mut S) -> Result<T, SinkError> + Send + 'static,
) -> Result<T, SendError> {
    let shared = Arc::clone(shared);
    let done = tokio::task::spawn_blocking(move || work(&mut lock(&shared))).await;
    let done = done.map_err(|_| SendError::later("a defect of the program; please report it"))?;
    done.map_err(|error| match error {
        SinkError::Closed => SendError::closed(error.to_string(), "start it again with a reader"),
        error => SendError::later(error.to_string()),
    })
}

fn lock<S>(shared: &Mutex<S>) -> MutexGuard<'_, S> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
