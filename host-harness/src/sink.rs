//! Where events go. [`Sinks::deliver`] returns when every sink has the batch for good: only then may the last-run of that
//! batch be stored.

mod ndjson;

use std::path::{Path, PathBuf};

use crate::runtime::Event;
pub use ndjson::Ndjson;

/// Why a sink did not take a batch. None of the batch counts as delivered, so it comes again.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// The reader of standard output has gone.
    #[error("the reader of standard output has closed it; what it has not taken comes again with the next run")]
    Closed,
    /// The system refused.
    #[error(
        "the sink {name} refused the batch: {source}; free the disk or mend the path, what is missing comes again with the next run"
    )]
    Refused {
        /// The file.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Another process writes to the file.
    #[error("the sink {path} is in use by another process; give each process a file of its own", path = path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

/// One place where events go.
#[derive(Debug)]
pub enum Sink {
    /// Bodies, one a line.
    Ndjson(Ndjson),
    /// Kept, for tests.
    Memory(Vec<Event>),
}

/// What a sink found and mended when it was opened, as a sentence.
pub type Mended = String;

/// Every place where a tenant's events go, in the order of the configuration.
#[derive(Debug, Default)]
pub struct Sinks(Vec<Sink>);

impl Sinks {
    /// These.
    pub fn new(sinks: impl IntoIterator<Item = Sink>) -> Self {
        Self(sinks.into_iter().collect())
    }

    /// Opens the files of these paths; `-` is standard output. The sentences tell what was mended on the way.
    ///
    /// # Errors
    /// A file cannot be opened, or is in use.
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<(Self, Vec<Mended>), SinkError> {
        let (mut sinks, mut mended) = (Vec::new(), Vec::new());
        for path in paths {
            let (sink, sentence) = Ndjson::open(path.as_ref())?;
            sinks.push(Sink::Ndjson(sink));
            mended.extend(sentence);
        }
        Ok((Self(sinks), mended))
    }

    /// Hands the events to every sink; on the disk, or taken by the reader, when it returns.
    ///
    /// # Errors
    /// A sink refused. Others may have the batch already; it comes again for all of them.
    pub fn deliver(&mut self, events: &[Event]) -> Result<(), SinkError> {
        if events.is_empty() {
            return Ok(());
        }
        for sink in &mut self.0 {
            match sink {
                Sink::Ndjson(sink) => sink.deliver(events)?,
                Sink::Memory(kept) => kept.extend_from_slice(events),
            }
        }
        Ok(())
    }

    /// Whether one of them is standard output, which nothing else may write to then.
    pub fn use_stdout(&self) -> bool {
        self.0.iter().any(|sink| matches!(sink, Sink::Ndjson(sink) if sink.is_stdout()))
    }

    /// What the sinks in memory have taken.
    pub fn kept(&self) -> impl Iterator<Item = &Event> {
        self.0.iter().filter_map(|sink| if let Sink::Memory(events) = sink { Some(events) } else { None }).flatten()
    }
}
