//! The kind `ndjson`: its settings, and the file behind a spool.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;

use super::Ndjson;
use crate::runtime::Event;
use crate::sink::{Given, Kind, Plan, Promise, Receipt, SendError, SetupError, Sink, SinkError, SinkKey, ValueKind};

const PATH: &str = "path";

/// One line an event, to a file or to standard output.
pub(in crate::sink) const KIND: Kind = Kind {
    name: "ndjson",
    about: "One line of JSON an event, to a file or to standard output.",
    keys: &[&[SinkKey::needed(
        PATH,
        ValueKind::Path,
        "The file, from the folder of this one if relative; `-` is standard output.",
    )]],
    promise: Promise {
        acknowledged: "the file is forced to the disk",
        repeats: "never in a file; on standard output the batch that a crash cut off",
        order: "as collected",
        limits: "none",
    },
    example: "path = \"events.ndjson\"",
    plan: |given| Ok(Arc::new(NdjsonPlan::of(given)?)),
};

/// Where the lines go.
#[derive(Debug)]
pub(in crate::sink) struct NdjsonPlan {
    path: PathBuf,
}

impl NdjsonPlan {
    fn of(given: &Given) -> Result<Self, SetupError> {
        let path = if given.needed(PATH)? == "-" { None } else { given.path(PATH) };
        Ok(Self { path: path.unwrap_or_else(|| PathBuf::from("-")) })
    }

    pub(in crate::sink) fn stdout() -> Self {
        Self { path: PathBuf::from("-") }
    }
}

impl Plan for NdjsonPlan {
    fn open(&self) -> Result<Arc<dyn Sink>, SinkError> {
        let (file, _) = Ndjson::open(&self.path)?;
        Ok(Arc::new(NdjsonSink { file: Arc::new(Mutex::new(file)) }))
    }

    fn place(&self) -> String {
        if self.path == Path::new("-") { "standard output".to_owned() } else { self.path.display().to_string() }
    }

    fn direct(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

/// The file, behind a spool.
struct NdjsonSink {
    file: Arc<Mutex<Ndjson>>,
}

impl NdjsonSink {
    /// Does something with the file on a thread that may wait for the disk.
    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Ndjson) -> Result<T, SinkError> + Send + 'static,
    ) -> Result<T, SendError> {
        let file = Arc::clone(&self.file);
        let done = tokio::task::spawn_blocking(move || work(&mut file.lock().unwrap_or_else(PoisonError::into_inner)));
        let done = done.await.map_err(|_| SendError::later("a defect of the program; please report it"))?;
        done.map_err(|error| match error {
            SinkError::Closed => SendError::closed(error.to_string(), "start it again with a reader"),
            error => SendError::later(error.to_string()),
        })
    }
}

impl Sink for NdjsonSink {
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let events = events.to_vec();
            self.with(move |file| file.deliver(events)).await?;
            Ok(Receipt::default())
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<String, SendError>> {
        Box::pin(async { self.with(|_| Ok("it can be written".to_owned())).await })
    }

    fn begin(&self) -> Option<String> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.begin().map(|(_, at)| at.to_string())
    }

    fn recall<'a>(&'a self, begun: &'a str) -> BoxFuture<'a, Result<usize, SendError>> {
        Box::pin(async move {
            let Ok(from) = begun.parse() else { return Ok(0) };
            self.with(move |file| file.recall(from)).await
        })
    }
}
