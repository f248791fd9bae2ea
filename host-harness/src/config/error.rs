//! What is wrong with the settings, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use super::value::ValueError;
use super::{NetworkError, ServeError, keys, tenants};
use crate::board::QuietError;
use crate::collect::ScheduleError;
use crate::durable::DurableError;
use crate::net::OriginError;

/// Where in the file something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub(super) file: PathBuf,
    pub(super) line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

impl Place {
    pub(super) fn top_of(file: &Path) -> Self {
        Self { file: file.to_owned(), line: 1 }
    }
}

/// Why the file cannot be used. Never holds a value.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is none.
    #[error("{path} does not exist; write one with `webex-collector init`, or name another with --config", path = .0.display())]
    Missing(PathBuf),
    /// It cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It cannot be changed.
    #[error("`{key}` cannot be written: {source}; write it into the file by hand")]
    Unwritable {
        /// What was to be written.
        key: &'static str,
        /// What the system said.
        source: Box<DurableError>,
    },
    /// It is not TOML.
    #[error("{place}: this is not TOML: {message}")]
    Syntax {
        /// Where.
        place: Place,
        /// What the parser expected.
        message: String,
    },
    /// A key that no one reads.
    #[error("{place}: `{key}` is not a known key{hint}")]
    Unknown {
        /// Where.
        place: Place,
        /// Which.
        key: String,
        /// The nearest known one, or empty.
        hint: String,
    },
    /// A value where a table belongs.
    #[error("{place}: `{key}` must be a table: write [{key}] on a line of its own and its keys below it")]
    NotATable {
        /// Where.
        place: Place,
        /// Which.
        key: String,
    },
    /// A value that cannot be used.
    #[error("{place}: `{key}` cannot be used: {source}")]
    Value {
        /// Where.
        place: Place,
        /// Which.
        key: String,
        /// Why.
        source: ValueError,
    },
    /// A key that its table needs.
    #[error("{place}: [{table}] needs `{key}`: fill it in, or leave the table out if there is no such user")]
    Needed {
        /// Where the table stands, or the empty value.
        place: Place,
        /// The table.
        table: &'static str,
        /// The key.
        key: &'static str,
    },
    /// An origin that may not be called.
    #[error("{place}: `base_url` cannot be used: {source}")]
    BaseUrl {
        /// Where.
        place: Place,
        /// Why.
        source: OriginError,
    },
    /// No length of time.
    #[error("{place}: `{key}` must be a length of time of at least 1 s such as \"60s\"")]
    Interval {
        /// Where.
        place: Place,
        /// Which.
        key: &'static str,
    },
    /// No schedule of re-audits.
    #[error("{place}: `{key}` cannot be used: {source}", key = keys::REAUDIT)]
    ReAudit {
        /// Where.
        place: Place,
        /// Why.
        source: ScheduleError,
    },
    /// No times of silence.
    #[error("{place}: `{key}` cannot be used: {source}", key = keys::QUIET_AFTER)]
    QuietAfter {
        /// Where.
        place: Place,
        /// Why.
        source: QuietError,
    },
    /// A key of `[serve]`.
    #[error("{place}: `{key}` cannot be used: {source}")]
    Serve {
        /// Where.
        place: Place,
        /// Which.
        key: &'static str,
        /// Why.
        source: ServeError,
    },
    /// A key of `[network]`.
    #[error("{place}: `{key}` cannot be used: {source}")]
    Network {
        /// Where.
        place: Place,
        /// Which.
        key: &'static str,
        /// Why.
        source: NetworkError,
    },
    /// A key of a tenant, where all tenants are spoken of.
    #[error(
        "{place}: there are many tenants, and `{key}` is of one: write it into {defaults} for all of them, or into a file of {dir}",
        dir = dir.display()
    )]
    OfTenant {
        /// Where.
        place: Place,
        /// Which.
        key: String,
        /// The table of the defaults.
        defaults: String,
        /// The folder of the tenants.
        dir: PathBuf,
    },
    /// A key of the program in the file of a tenant, or in the defaults.
    #[error("{place}: `{key}` is not a tenant's: it holds for the whole program, and stands at the top of webex.toml")]
    OfProgram {
        /// Where.
        place: Place,
        /// Which.
        key: String,
    },
    /// No number of tenants.
    #[error("{place}: `{key}` must be a whole number from 1 to {most}", key = keys::SIDE_BY_SIDE, most = tenants::MOST_SIDE_BY_SIDE)]
    SideBySide {
        /// Where.
        place: Place,
    },
    /// A file of the tenants' folder with another name.
    #[error(
        "{path} cannot be a tenant: its name must be 1 to 63 of a-z, 0-9, `-` and `_`, begin with a letter or digit, and not be \
         `all`",
        path = .0.display()
    )]
    TenantName(PathBuf),
    /// One tenant is asked for, and there are many.
    #[error("{path} has many tenants; name one with --tenant", path = .0.display())]
    ManyTenants(PathBuf),
    /// A size of the spool that is none.
    #[error("{place}: `{key}` must be a number of bytes such as \"1GiB\", 64MiB or more", key = keys::SPOOL_MAX_BYTES)]
    Spool {
        /// Where.
        place: Place,
    },
    /// A sink that does not exist, or not in this way.
    #[error(
        "{place}: {problem}; a sink is `[[sink]]` with `type`, as `type = \"ndjson\"` with `path`; docs/sinks.md has all"
    )]
    Sink {
        /// Where.
        place: Place,
        /// What is wrong.
        problem: String,
    },
    /// A key of a sink with a value that it cannot have.
    #[error("{place}: `sink.{key}`: {problem}")]
    SinkKey {
        /// Where.
        place: Place,
        /// Which.
        key: &'static str,
        /// What is wrong.
        problem: String,
    },
}
