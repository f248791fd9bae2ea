//! Many tenants: what holds for all of them in `webex.toml`, and a file for each in a folder beside it.
//!
//! A tenant's file has the keys of a `webex.toml` of one tenant, over those of `[tenant_defaults]`. Files come and go while the
//! program runs, so a tenant's settings are read when they are needed, and what is kept of one is its [`TenantName`].

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::value;
use super::{Config, ConfigError, Found, Part, Reader, ServeTable, keys};
use crate::secrets::KeySource;
use crate::sink::SinkTable;

/// The table of what a tenant's file need not say.
pub(super) const DEFAULTS: &str = "tenant_defaults";
/// Where the tenants' files are if `tenants.dir` does not say.
const DEFAULT_DIR: &str = "tenants.d";
/// How many have a turn at a time if `tenants.side_by_side` does not say: one waits for Webex while another is read.
const DEFAULT_SIDE_BY_SIDE: usize = 4;
/// More would need more memory than they gain time.
pub(super) const MOST_SIDE_BY_SIDE: usize = 64;
/// Letters of a name, which is one of a folder, too.
const LONGEST_NAME: usize = 63;
/// The folder of the tenants' states in `state_dir`.
const STATES: &str = "tenants";
/// What stands for all tenants on the command line.
pub(crate) const ALL: &str = "all";

/// One tenant, or many.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of them, at the start")]
pub enum Setup {
    /// `webex.toml` is the tenant's.
    One(Box<Config>),
    /// Each has a file.
    Many(Tenants),
}

/// The name of one of many tenants: `[a-z0-9][a-z0-9_-]{0,62}`, and not `all`. It is the name of its file and of its folder of
/// state.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantName(Arc<str>);

impl TenantName {
    /// This name, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_name = text.len() <= LONGEST_NAME
            && text != ALL
            && text.bytes().next().is_some_and(is_plain)
            && text.bytes().all(|byte| is_plain(byte) || matches!(byte, b'_' | b'-'));
        is_name.then(|| Self(text.into()))
    }

    /// Its letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for TenantName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// By what a file that was changed is told from the one that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

/// The files of the folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// Those of tenants.
    pub tenants: BTreeMap<TenantName, Stamp>,
    /// Those whose names no tenant can have.
    pub refused: Vec<PathBuf>,
}

/// What holds for all of many tenants.
#[derive(Clone, Debug)]
pub struct Tenants {
    /// How many may have a turn at a time.
    pub side_by_side: usize,
    /// The sinks of tenants without sinks of their own.
    pub sinks: Vec<SinkTable>,
    /// The page, health, metrics and commands over HTTP.
    pub serve: ServeTable,
    file: PathBuf,
    /// Of `webex.toml`, from which a tenant's defaults are read anew each time: it may hold secrets.
    text: Zeroizing<String>,
    dir: PathBuf,
    state_dir: PathBuf,
    secrets_key: KeySource,
}

impl Setup {
    /// Reads `webex.toml`. There are many tenants if it has a table `[tenant_defaults]`, if `tenants.dir` names another folder than
    /// by default, or if the folder is there.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let reader = Reader { text: &text, path, part: Part::Whole };
        let document = reader.document()?;
        let named = document.get("tenants").and_then(|tenants| tenants.get_ref().as_table()?.get("dir"));
        let named = named.and_then(value::literal).unwrap_or(DEFAULT_DIR);
        let dir = folder.join(named);
        // A folder with a name of its own is meant, also where it is missing by a slip.
        let is_many = document.get(DEFAULTS).is_some() || named != DEFAULT_DIR || dir.is_dir();
        drop(document);
        if is_many {
            Tenants::parse(text, path, dir).map(Self::Many)
        } else {
            Config::parse(&text, path).map(|config| Self::One(Box::new(config)))
        }
    }
}

impl Tenants {
    fn parse(text: Zeroizing<String>, path: &Path, dir: PathBuf) -> Result<Self, ConfigError> {
        let reader = Reader { text: &text, path, part: Part::Program(&dir) };
        let mut found = Found::default();
        reader.walk(&reader.document()?, &mut found)?;
        let side_by_side = match found.values.text(keys::SIDE_BY_SIDE) {
            None => DEFAULT_SIDE_BY_SIDE,
            Some(text) => {
                let number = text.parse().ok().filter(|number| (1..=MOST_SIDE_BY_SIDE).contains(number));
                let place = || reader.place_of(&found, keys::SIDE_BY_SIDE);
                number.ok_or_else(|| ConfigError::SideBySide { place: place() })?
            }
        };
        let config = reader.assemble(found)?;
        // A slip in the defaults is told at once, and not by each tenant.
        defaults(&text, path)?;
        Ok(Self {
            side_by_side,
            sinks: config.sinks,
            serve: config.serve,
            file: path.to_owned(),
            dir,
            state_dir: config.state_dir,
            secrets_key: config.secrets_key,
            text,
        })
    }

    /// The folder of the tenants' files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file of a tenant.
    pub fn file_of(&self, name: &TenantName) -> PathBuf {
        self.dir.join(format!("{name}.toml"))
    }

    /// Which tenants there are now. Other files than `*.toml`, and hidden ones, are nobody's.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn list(&self) -> Result<Listing, ConfigError> {
        let cannot = |source| ConfigError::Unreadable { path: self.dir.clone(), source };
        let mut listing = Listing::default();
        for entry in self.dir.read_dir().map_err(cannot)? {
            let path = entry.map_err(cannot)?.path();
            let is_hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            if is_hidden || path.extension().is_none_or(|extension| extension != "toml") {
                continue;
            }
            // One that has gone since is gone.
            let Ok(metadata) = path.metadata() else { continue };
            match path.file_stem().and_then(|stem| TenantName::parse(stem.to_str()?)) {
                Some(name) => {
                    let stamp = Stamp { modified: metadata.modified().ok(), bytes: metadata.len() };
                    listing.tenants.insert(name, stamp);
                }
                None => listing.refused.push(path),
            }
        }
        listing.refused.sort();
        Ok(listing)
    }

    /// The folder of a tenant's state.
    pub fn state_of(&self, name: &TenantName) -> PathBuf {
        self.state_dir.join(STATES).join(name.as_str())
    }

    /// The state of the program as a whole.
    pub fn host_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Where the key is that seals the secrets of all of them.
    pub fn secrets_key(&self) -> &KeySource {
        &self.secrets_key
    }

    /// The settings of a tenant, as they stand in its file now. Relative paths start at the folder of the file that they stand in.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn config(&self, name: &TenantName) -> Result<Config, ConfigError> {
        let mut found = defaults(&self.text, &self.file)?;
        let path = self.file_of(name);
        let text = read(&path)?;
        let reader = Reader { text: &text, path: &path, part: Part::Tenant };
        reader.walk(&reader.document()?, &mut found)?;
        let shares_sinks = found.sinks.is_empty();
        let mut config = reader.assemble(found)?;
        if shares_sinks {
            config.sinks.clone_from(&self.sinks);
        }
        Ok(Config {
            tenant: Some(name.clone()),
            state_dir: self.state_of(name),
            host_dir: self.state_dir.clone(),
            secrets_key: self.secrets_key.clone(),
            shares_sinks,
            ..config
        })
    }
}

/// What `[tenant_defaults]` says.
fn defaults(text: &str, path: &Path) -> Result<Found, ConfigError> {
    let reader = Reader { text, path, part: Part::Defaults };
    let document = reader.document()?;
    let mut found = Found::default();
    if let Some((name, table)) = document.get_key_value(DEFAULTS) {
        let Some(table) = table.get_ref().as_table() else {
            return Err(ConfigError::NotATable { place: reader.place(&name.span()), key: DEFAULTS.to_owned() });
        };
        reader.walk(table, &mut found)?;
    }
    Ok(found)
}

/// The text of a settings file.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, ConfigError> {
    match std::fs::read_to_string(path).map(Zeroizing::new) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(ConfigError::Missing(path.to_owned())),
        Err(source) => Err(ConfigError::Unreadable { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests;
