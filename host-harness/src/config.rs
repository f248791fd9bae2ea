//! `webex.toml`: the host's settings and the plugin's, each a literal, `{ env = "NAME" }` or `{ file = "PATH" }`; a secret also
//! `{ store = true }`.
//!
//! Parsed once into [`Config`]; every error names the file, the line and the key. What a plugin's setting may be is the
//! plugin's to say: here only its type and its place are known, and [`Config::place_of`] finds the line again.

pub mod keys;
pub mod nearest;
mod network;
mod template;
mod value;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use crate::collect::{Schedule, ScheduleError};
use crate::net::{Origin, OriginError, WayOut};
use crate::secrets::{KeySource, Supplied};
use keys::{KEYS, Key, Target};
pub use network::NetworkError;
pub use template::template;
pub use value::ValueError;
use value::{Value, Values};

/// What `collect.interval` is where the file does not say.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
/// The least pause between two rounds: below it a quiet tenant would only spend its request budget.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
/// What `state_dir` is where the file does not say.
const DEFAULT_STATE_DIR: &str = "webex-state";
/// The name of the sink table.
const SINK: &str = "sink";
/// What a sink may hold.
const SINK_KEYS: [&str; 2] = ["type", "path"];

/// A file that was read and understood.
#[derive(Debug)]
pub struct Config {
    /// State and tokens.
    pub state_dir: PathBuf,
    /// Pause between two rounds.
    pub interval: Duration,
    /// What is read again, and how often.
    pub reaudit: Option<Schedule>,
    /// How Webex is reached.
    pub way_out: WayOut,
    /// NDJSON sinks; `-` is standard output.
    pub sinks: Vec<PathBuf>,
    /// Settings of the plugin, by its names.
    pub settings: BTreeMap<String, String>,
    /// Secrets of the plugin, by its names.
    pub secrets: BTreeMap<String, Supplied>,
    /// Where the key is that seals the stored ones.
    pub secrets_key: KeySource,
    file: PathBuf,
    /// Lines, by path of key.
    lines: BTreeMap<&'static str, usize>,
    holds_secrets: bool,
}

/// Where in the file something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    file: PathBuf,
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
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
    /// A sink that does not exist, or not in this way.
    #[error(
        "{place}: {problem}; a sink is `[[sink]]` with `type = \"ndjson\"` and `path`, a file or \"-\" for standard output"
    )]
    Sink {
        /// Where.
        place: Place,
        /// What is wrong.
        problem: &'static str,
    },
}

impl Config {
    /// Reads a file. Relative paths in it start at its folder.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        match std::fs::read_to_string(path).map(Zeroizing::new) {
            Ok(text) => Self::parse(&text, path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(ConfigError::Missing(path.to_owned())),
            Err(source) => Err(ConfigError::Unreadable { path: path.to_owned(), source }),
        }
    }

    /// Reads a text that stands, or could stand, at `path`.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let reader = Reader { text, path };
        let document = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            place: reader.place(&error.span().unwrap_or_default()),
            message: error.message().lines().collect::<Vec<_>>().join(", "),
        })?;
        reader.config(document.get_ref())
    }

    /// File, line and key of a setting of the plugin; the key alone where the file does not hold it. None for a name that
    /// no key gives.
    pub fn place_of(&self, setting: &str) -> Option<String> {
        let key = keys::of_setting(setting)?;
        Some(match self.lines.get(key.path) {
            Some(_) => format!("{}: `{}`", self.place_of_key(key), key.path),
            None => format!("`{}`, which {} does not hold", key.path, self.file.display()),
        })
    }

    /// File and line of a key that the file holds.
    pub fn place_of_key(&self, key: &Key) -> String {
        let line = self.lines.get(key.path).copied().unwrap_or(1);
        Place { file: self.file.clone(), line }.to_string()
    }

    /// The file that was read.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether a secret stands in the file itself, so that the file must be closed to others.
    pub fn holds_secrets(&self) -> bool {
        self.holds_secrets
    }
}

/// A text on the way to a [`Config`].
struct Reader<'a> {
    text: &'a str,
    path: &'a Path,
}

/// What the walk over the file has found.
#[derive(Default)]
struct Found {
    values: Values,
    lines: BTreeMap<&'static str, usize>,
    sinks: Vec<PathBuf>,
    holds_secrets: bool,
}

impl Reader<'_> {
    fn config(&self, document: &DeTable<'_>) -> Result<Config, ConfigError> {
        let mut found = Found::default();
        let tables: Vec<&str> = KEYS.iter().map(|key| key.parts().0).filter(|table| !table.is_empty()).collect();
        for (name, value) in document {
            let name_text: &str = name.get_ref();
            if name_text == SINK {
                self.sinks(value, &mut found)?;
            } else if tables.contains(&name_text) {
                let Some(table) = value.get_ref().as_table() else {
                    return Err(ConfigError::NotATable { place: self.place(&name.span()), key: name_text.to_owned() });
                };
                for (key, value) in table {
                    self.key(&format!("{name_text}.{}", key.get_ref()), key, value, &mut found)?;
                }
                self.require(name_text, &name.span(), &found)?;
            } else {
                self.key(name_text, name, value, &mut found)?;
            }
        }
        self.assemble(found)
    }

    fn key(
        &self,
        path: &str,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
        found: &mut Found,
    ) -> Result<(), ConfigError> {
        let place = || self.place(&name.span());
        let Some(key) = keys::of_path(path) else {
            let tables = KEYS.iter().map(|key| key.parts().0).filter(|table| !table.is_empty());
            let known = KEYS.iter().map(|key| key.path).chain(tables).chain([SINK]);
            return Err(ConfigError::Unknown { place: place(), key: path.to_owned(), hint: nearest_key(path, known) });
        };
        found.lines.insert(key.path, place().line);
        let value = value.get_ref();
        let read = value::read(value, key, self.folder());
        let read = read.map_err(|source| ConfigError::Value { place: place(), key: path.to_owned(), source })?;
        if let Some(read) = read {
            found.holds_secrets |= matches!((&read, value), (Value::Secret(_), DeValue::String(_)));
            found.values.insert(key.path, read);
        }
        Ok(())
    }

    /// What a table must hold once it is there.
    fn require(&self, table: &str, span: &Range<usize>, found: &Found) -> Result<(), ConfigError> {
        let missing = |key: &&Key| key.needed && key.parts().0 == table && !found.values.has(key.path);
        let Some(key) = KEYS.iter().find(missing) else { return Ok(()) };
        let mut place = self.place(span);
        if let Some(line) = found.lines.get(key.path) {
            place.line = *line;
        }
        let (table, key) = key.parts();
        Err(ConfigError::Needed { place, table, key })
    }

    fn sinks(&self, value: &Spanned<DeValue<'_>>, found: &mut Found) -> Result<(), ConfigError> {
        let refuse = |span: Range<usize>, problem| ConfigError::Sink { place: self.place(&span), problem };
        let Some(sinks) = value.get_ref().as_array() else {
            return Err(refuse(value.span(), "`sink` must be written in double brackets"));
        };
        for sink in sinks {
            let Some(table) = sink.get_ref().as_table() else {
                return Err(refuse(sink.span(), "a sink must be a table"));
            };
            for (name, _) in table {
                let known: &str = name.get_ref();
                if !SINK_KEYS.contains(&known) {
                    return Err(ConfigError::Unknown {
                        place: self.place(&name.span()),
                        key: format!("sink.{known}"),
                        hint: nearest::hint(known, SINK_KEYS),
                    });
                }
            }
            match table.get("type") {
                Some(kind) if value::literal(kind) == Some("ndjson") => {}
                Some(kind) => return Err(refuse(kind.span(), "there is no sink of this type")),
                None => return Err(refuse(sink.span(), "a sink needs `type`")),
            }
            let Some(path) = table.get("path") else { return Err(refuse(sink.span(), "a sink needs `path`")) };
            let text = value::text(path.get_ref(), keys::Kind::Text, self.folder()).map_err(|source| {
                ConfigError::Value { place: self.place(&path.span()), key: "sink.path".into(), source }
            })?;
            let to = if text == "-" { PathBuf::from("-") } else { self.folder().join(&text) };
            if text.is_empty() {
                return Err(refuse(path.span(), "`path` is empty"));
            }
            if found.sinks.contains(&to) {
                return Err(refuse(path.span(), "two sinks have the same `path`"));
            }
            found.sinks.push(to);
        }
        Ok(())
    }

    fn assemble(&self, found: Found) -> Result<Config, ConfigError> {
        let place = |key: &str| Place { file: self.path.to_owned(), line: found.lines.get(key).copied().unwrap_or(1) };
        if let Some(url) = found.values.text(keys::BASE_URL) {
            Origin::parse(url).map_err(|source| ConfigError::BaseUrl { place: place(keys::BASE_URL), source })?;
        }
        let interval = match found.values.text(keys::INTERVAL) {
            None => DEFAULT_INTERVAL,
            Some(text) => humantime::parse_duration(text)
                .ok()
                .filter(|interval| *interval >= LEAST_INTERVAL)
                .ok_or_else(|| ConfigError::Interval { place: place(keys::INTERVAL), key: keys::INTERVAL })?,
        };
        let reaudit = found.values.text(keys::REAUDIT).map(str::parse::<Schedule>).transpose();
        let reaudit = reaudit.map_err(|source| ConfigError::ReAudit { place: place(keys::REAUDIT), source })?;
        let way_out = network::way_out(&found.values, self.folder()).map_err(|(key, source)| ConfigError::Network {
            place: place(key),
            key,
            source,
        })?;
        let state_dir = found.values.text(keys::STATE_DIR).unwrap_or(DEFAULT_STATE_DIR);
        let state_dir = self.folder().join(state_dir);
        let mut config = Config {
            secrets_key: found.values.key_source(keys::SECRETS_KEY).unwrap_or_else(|| KeySource::beside(&state_dir)),
            state_dir,
            interval,
            reaudit,
            way_out,
            sinks: if found.sinks.is_empty() { vec![PathBuf::from("-")] } else { found.sinks },
            settings: BTreeMap::new(),
            secrets: BTreeMap::new(),
            file: self.path.to_owned(),
            lines: found.lines,
            holds_secrets: found.holds_secrets,
        };
        for (path, value) in found.values {
            match (keys::of_path(path).map(|key| key.target), value) {
                (Some(Target::Setting(name)), Value::Text(text)) => {
                    config.settings.insert(name.to_owned(), text);
                }
                (Some(Target::Secret(name)), Value::Secret(secret)) => {
                    config.secrets.insert(name.to_owned(), secret.into());
                }
                (Some(Target::Secret(name)), Value::InStore) => {
                    config.secrets.insert(name.to_owned(), Supplied::InStore);
                }
                // The host's own: taken up above.
                _ => {}
            }
        }
        Ok(config)
    }

    fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    fn place(&self, span: &Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        Place { file: self.path.to_owned(), line: before.matches('\n').count() + 1 }
    }
}

/// The nearest path, or the nearest name in whatever table, since a key in the wrong table is the most common slip.
fn nearest_key<'a>(path: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    let name = path.rsplit('.').next().unwrap_or(path);
    let moved = known.clone().find(|known| known.rsplit('.').next() == Some(name));
    match moved {
        Some(known) => format!("; did you mean `{known}`?"),
        None => nearest::hint(path, known),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests;
