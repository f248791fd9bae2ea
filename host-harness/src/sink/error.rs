//! What can go wrong with a sink.

use std::path::PathBuf;
use std::time::Duration;

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
    /// It cannot be opened.
    #[error("the sink {name} cannot be opened: {reason}")]
    Setup {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// Another process writes to the file.
    #[error("the sink {path} is in use by another process or tenant; give each a file of its own", path = path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

/// Why a receiver has not taken what was sent. Nothing is lost by any of them: the courier sends it again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It cannot now: no connection, no answer, too busy.
    #[error("{reason}")]
    Later {
        /// What happened.
        reason: String,
        /// How long it asked to be left alone.
        after: Option<Duration>,
    },
    /// It refuses what is in this request, and does not say which event.
    #[error("{reason}")]
    Unfit {
        /// What it said.
        reason: String,
    },
    /// It takes nothing from us until somebody changes something: a token, an index, a right.
    #[error("{reason}; {remedy}")]
    Closed {
        /// What it said.
        reason: String,
        /// What to change, and where.
        remedy: String,
    },
}

impl SendError {
    /// It cannot now.
    pub fn later(reason: impl Into<String>) -> Self {
        Self::Later { reason: reason.into(), after: None }
    }

    /// It refuses what is in this request.
    pub fn unfit(reason: impl Into<String>) -> Self {
        Self::Unfit { reason: reason.into() }
    }

    /// It takes nothing until somebody changes something.
    pub fn closed(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Closed { reason: reason.into(), remedy: remedy.into() }
    }
}

/// A table `[[sink]]` that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}")]
pub struct SetupError {
    /// The key that it is about.
    pub key: &'static str,
    /// What is wrong, and what is expected; no value that may be secret.
    pub problem: String,
}

impl SetupError {
    /// About this key.
    pub fn of(key: &'static str, problem: impl Into<String>) -> Self {
        Self { key, problem: problem.into() }
    }
}
