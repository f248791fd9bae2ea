//! `webex.toml`: the host's settings and the plugin's, each a literal, `{ env = "NAME" }` or `{ file = "PATH" }`; a secret also
//! `{ store = true }`.
//!
//! Parsed once into [`Config`]; every error names the file, the line and the key. What a plugin's setting may be is the
//! plugin's to say: here only its type and its place are known, and [`Config::place_of`] finds the line again.
//!
//! Beside the file may stand a folder with a file for each of many [`Tenants`]; [`Setup`] is one or the other.

mod answers;
mod edit;
mod error;
pub mod keys;
pub mod nearest;
mod network;
mod reader;
mod serve;
mod sinks;
mod template;
mod tenants;
mod value;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::board::QuietAfter;
use crate::collect::Schedule;
use crate::net::WayOut;
use crate::secrets::{KeySource, Supplied};
use crate::sink::{Mark, SinkTable};
pub use answers::{AnswerError, Answers};
pub(crate) use answers::{help, setting};
pub use edit::set_text;
pub use error::{ConfigError, Place};
use keys::Key;
pub use network::NetworkError;
use reader::{Found, Part, Reader};
pub use serve::{ServeError, ServeTable};
pub use template::template;
pub(crate) use tenants::ALL;
pub use tenants::{Listing, Setup, Stamp, TenantName, Tenants};
pub use value::ValueError;

/// A file that was read and understood.
#[derive(Debug)]
pub struct Config {
    /// Whose it is, where there are many tenants.
    pub tenant: Option<TenantName>,
    /// State and tokens.
    pub state_dir: PathBuf,
    /// Pause between two rounds.
    pub interval: Duration,
    /// What is read again, and how often.
    pub reaudit: Option<Schedule>,
    /// How long a stream may list nothing until a person should look.
    pub quiet_after: QuietAfter,
    /// The page, health, metrics and commands over HTTP.
    pub serve: ServeTable,
    /// How Webex is reached.
    pub way_out: WayOut,
    /// Where events go.
    pub sinks: Vec<SinkTable>,
    /// How much may wait for them.
    pub spool_bytes: u64,
    /// Whether those are the sinks of `webex.toml`, which all tenants without sinks of their own share.
    pub shares_sinks: bool,
    /// Settings of the plugin, by its names.
    pub settings: BTreeMap<String, String>,
    /// Secrets of the plugin, by its names.
    pub secrets: BTreeMap<String, Supplied>,
    /// Where the key is that seals the stored ones.
    pub secrets_key: KeySource,
    /// The state of the program as a whole, of which that of a tenant may be a part.
    pub host_dir: PathBuf,
    file: PathBuf,
    /// By path of key.
    places: BTreeMap<&'static str, Place>,
    /// Files of settings with a secret in them.
    secret_files: BTreeSet<PathBuf>,
}

impl Config {
    /// Reads the file of one tenant. Relative paths in it start at its folder.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        match Setup::load(path)? {
            Setup::One(config) => Ok(*config),
            Setup::Many(_) => Err(ConfigError::ManyTenants(path.to_owned())),
        }
    }

    /// Reads a text that stands, or could stand, at `path`.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let reader = Reader { text, path, part: Part::Whole };
        let mut found = Found::default();
        reader.walk(&reader.document()?, &mut found)?;
        reader.assemble(found)
    }

    /// File, line and key of a setting of the plugin; the key alone where the file does not hold it. None for a name that
    /// no key gives.
    pub fn place_of(&self, setting: &str) -> Option<String> {
        let key = keys::of_setting(setting)?;
        Some(match self.places.get(key.path) {
            Some(_) => format!("{}: `{}`", self.place_of_key(key), key.path),
            None => format!("`{}`, which {} does not hold", key.path, self.file.display()),
        })
    }

    /// File and line of a key that the file holds.
    pub fn place_of_key(&self, key: &Key) -> String {
        self.places.get(key.path).cloned().unwrap_or_else(|| Place::top_of(&self.file)).to_string()
    }

    /// The file that was read.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// What each event of each sink says of its tenant.
    pub fn marks(&self) -> impl Iterator<Item = Option<Mark>> {
        self.sinks.iter().map(|sink| sink.mark(self.tenant.as_ref().map(TenantName::as_str)))
    }

    /// The file, where events go to one file alone and so need no spool.
    pub fn direct(&self) -> Option<&Path> {
        let [only] = self.sinks.as_slice() else { return None };
        only.direct()
    }

    /// The files of settings in which a secret itself stands, so that they must be closed to others.
    pub fn secret_files(&self) -> impl Iterator<Item = &Path> {
        self.secret_files.iter().map(PathBuf::as_path)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests;
