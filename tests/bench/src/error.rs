//! Why nothing was measured.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// What failed, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The simulated tenant.
    #[error("the tenant failed: {0}")]
    Tenant(String),
    /// A subject did not do its work.
    #[error("{subject} failed: {reason}")]
    Subject {
        /// Which.
        subject: String,
        /// What it said.
        reason: String,
    },
    /// Events are missing, there twice, or others.
    #[error("{subject} did not deliver each event once: {reason}; a figure of it would mean nothing")]
    Events {
        /// Who.
        subject: String,
        /// What was found.
        reason: String,
    },
    /// The program that is measured was not built.
    #[error("there is no {}; build it first: cargo build --release -p webex-collector -p webex-bench", .0.display())]
    NotBuilt(PathBuf),
    /// A build without optimisation.
    #[error("this is a debug build, whose figures mean nothing; use `cargo measure …`")]
    DebugBuild,
    /// A file or folder.
    #[error("{action} {path}: {source}", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file of ours that cannot be understood.
    #[error("{path} is not what this program writes ({reason}); {remedy}", path = path.display())]
    NotOurs {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A ratio is not what it was.
    #[error("{0}")]
    Changed(String),
}

impl BenchError {
    pub(crate) fn tenant(reason: impl Display) -> Self {
        Self::Tenant(reason.to_string())
    }

    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::File { action, path: path.to_owned(), source }
    }
}
