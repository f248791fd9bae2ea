//! Sinks that are written without a spool: one NDJSON file or standard output, and memory for tests. [`Sinks::deliver`] returns
//! when every one has the batch for good: only then may the last-run of that batch be stored.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::{Mark, Ndjson, SinkError};
use crate::runtime::{Bundle, Event};

/// One place that is written directly.
#[derive(Debug)]
pub enum Direct {
    /// Bodies, one a line.
    Ndjson(Ndjson),
    /// Kept, for tests.
    Memory(Vec<Bundle>),
}

impl Direct {
    fn deliver<B: Borrow<Bundle>>(&mut self, bundles: impl IntoIterator<Item = B>) -> Result<(), SinkError> {
        match self {
            Self::Ndjson(sink) => sink.deliver(bundles),
            Self::Memory(kept) => {
                kept.extend(bundles.into_iter().map(|bundle| bundle.borrow().clone()));
                Ok(())
            }
        }
    }
}

/// What a sink has mended when it was opened: the end of a file that held a piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mended {
    /// The file.
    pub path: PathBuf,
    /// Bytes that were cut.
    pub cut: u64,
}

impl fmt::Display for Mended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, cut } = self;
        write!(f, "cut {cut} bytes of a torn last line of {}, whose event comes again", path.display())
    }
}

/// Every place where a tenant's events go, in the order of the configuration.
#[derive(Debug, Default)]
pub struct Sinks(Vec<Direct>);

impl Sinks {
    /// These.
    pub fn new(sinks: impl IntoIterator<Item = Direct>) -> Self {
        Self(sinks.into_iter().collect())
    }

    /// Opens the files of these paths; `-` is standard output. What was mended on the way is told.
    ///
    /// # Errors
    /// A file cannot be opened, or is in use.
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<(Self, Vec<Mended>), SinkError> {
        let (mut sinks, mut mended) = (Vec::new(), Vec::new());
        for path in paths {
            let (sink, torn) = Ndjson::open(path.as_ref())?;
            sinks.push(Direct::Ndjson(sink));
            mended.extend(torn);
        }
        Ok((Self(sinks), mended))
    }

    /// The same with a mark in each line of these sinks, in their order.
    #[must_use]
    pub fn marked(self, marks: impl IntoIterator<Item = Option<Mark>>) -> Self {
        let sinks = self.0.into_iter().zip(marks.into_iter().chain(std::iter::repeat(None)));
        let marked = |(sink, mark)| match sink {
            Direct::Ndjson(sink) => Direct::Ndjson(sink.marked(mark)),
            Direct::Memory(kept) => Direct::Memory(kept),
        };
        Self(sinks.map(marked).collect())
    }

    /// The same places for one of many tenants, which has these marks there. What an earlier run has left is each tenant's to
    /// [recall](Self::recall).
    #[must_use]
    pub fn share(&self, marks: impl IntoIterator<Item = Option<Mark>>) -> Self {
        let sinks = self.0.iter().zip(marks.into_iter().chain(std::iter::repeat(None)));
        let shared = |(sink, mark): (&Direct, Option<Mark>)| match sink {
            Direct::Ndjson(sink) => Direct::Ndjson(sink.share(mark)),
            Direct::Memory(_) => Direct::Memory(Vec::new()),
        };
        Self(sinks.map(shared).collect())
    }

    /// Hands the events to every sink; on the disk, or taken by the reader, when it returns. The last sink gives each bundle's memory
    /// back once its lines are written, so that nobody holds a batch while the disk is waited for.
    ///
    /// # Errors
    /// A sink refused. Others may have the batch already; it comes again for all of them.
    pub fn deliver(&mut self, bundles: Vec<Bundle>) -> Result<(), SinkError> {
        let Some((last, others)) = self.0.split_last_mut().filter(|_| !bundles.is_empty()) else { return Ok(()) };
        for sink in others {
            sink.deliver(&bundles)?;
        }
        last.deliver(bundles)
    }

    /// Where the next batch begins in each file; a batch that an earlier run has left counts until it is made up for.
    pub fn begin(&self) -> BTreeMap<String, u64> {
        // A path that is no text is not kept: its batch would come again.
        self.files().filter_map(Ndjson::begin).filter_map(|(path, at)| Some((name(path)?, at))).collect()
    }

    /// In these files, from these bytes on, stand lines of a batch that was not recorded: they are not written again. Returns
    /// the files that hold such lines, and how many.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn recall(&mut self, begun: &BTreeMap<String, u64>) -> Result<Vec<(PathBuf, usize)>, SinkError> {
        let mut found = Vec::new();
        for sink in &mut self.0 {
            let Direct::Ndjson(sink) = sink else { continue };
            let place = sink.begin().and_then(|(path, _)| Some((path.to_owned(), *begun.get(&name(path)?)?)));
            if let Some((path, from)) = place {
                let lines = sink.recall(from)?;
                if lines > 0 {
                    found.push((path, lines));
                }
            }
        }
        Ok(found)
    }

    /// Whether a file will hold lines that may still come again once these events are delivered.
    pub fn still_expect(&self, bundles: &[Bundle]) -> bool {
        self.files().any(|sink| sink.still_expects(bundles))
    }

    /// What may still come again does not come any more.
    pub fn settle(&mut self) {
        for sink in &mut self.0 {
            if let Direct::Ndjson(sink) = sink {
                sink.settle();
            }
        }
    }

    fn files(&self) -> impl Iterator<Item = &Ndjson> {
        self.0.iter().filter_map(|sink| if let Direct::Ndjson(sink) = sink { Some(sink) } else { None })
    }

    /// Whether one of them is standard output, which nothing else may write to then.
    pub fn use_stdout(&self) -> bool {
        self.files().any(Ndjson::is_stdout)
    }

    /// What the sinks in memory have taken.
    pub fn kept(&self) -> impl Iterator<Item = Event<'_>> {
        let kept =
            self.0.iter().filter_map(|sink| if let Direct::Memory(bundles) = sink { Some(bundles) } else { None });
        kept.flat_map(|bundles| Bundle::each_of(bundles))
    }
}

/// One name for a file, wherever the program is started.
fn name(path: &Path) -> Option<String> {
    let path = path.canonicalize().or_else(|_| std::path::absolute(path)).ok()?;
    path.to_str().map(str::to_owned)
}
