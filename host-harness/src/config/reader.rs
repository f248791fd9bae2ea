//! From the text of a file to a [`Config`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{KEYS, Key, Target};
use super::value::{self, Value, Values};
use super::{Config, ConfigError, Place, ServeTable, keys, nearest, network, tenants};
use crate::board::QuietAfter;
use crate::collect::Schedule;
use crate::net::Origin;
use crate::secrets::{KeySource, Supplied};
use crate::sink::SinkTable;

/// What `collect.interval` is where the file does not say.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
/// The least pause between two rounds: below it a quiet tenant would only spend its request budget.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
/// What `spool.max_bytes` is where the file does not say.
const DEFAULT_SPOOL: u64 = 1 << 30;
/// The least that it can be: some batches of the largest size.
const LEAST_SPOOL: u64 = 64 << 20;
/// What `state_dir` is where the file does not say.
const DEFAULT_STATE_DIR: &str = "webex-state";
/// The name of the sink table.
pub(super) const SINK: &str = "sink";

/// A text on the way to a [`Config`].
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) path: &'a Path,
    pub(super) part: Part<'a>,
}

/// What a text is of the settings.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// All of the one tenant's.
    Whole,
    /// What holds for all of many tenants, whose files stand in this folder.
    Program(&'a Path),
    /// What a tenant's file need not say.
    Defaults,
    /// A tenant's file.
    Tenant,
}

/// What the walk over the file has found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) values: Values,
    places: BTreeMap<&'static str, Place>,
    pub(super) sinks: Vec<SinkTable>,
    pub(super) secret_files: BTreeSet<PathBuf>,
}

impl<'a> Reader<'a> {
    pub(super) fn document(&self) -> Result<DeTable<'a>, ConfigError> {
        let document = DeTable::parse(self.text).map_err(|error| ConfigError::Syntax {
            place: self.place(&error.span().unwrap_or_default()),
            message: error.message().lines().collect::<Vec<_>>().join(", "),
        })?;
        Ok(document.into_inner())
    }

    /// Takes up what the text holds; what was found before gives way to it.
    pub(super) fn walk(&self, document: &DeTable<'_>, found: &mut Found) -> Result<(), ConfigError> {
        let tables: Vec<&str> = KEYS.iter().map(|key| key.parts().0).filter(|table| !table.is_empty()).collect();
        for (name, value) in document {
            let name_text: &str = name.get_ref();
            if name_text == SINK {
                self.sinks(value, found)?;
            } else if name_text == tenants::DEFAULTS && matches!(self.part, Part::Program(_)) {
                // Walked over by itself.
            } else if tables.contains(&name_text) {
                let Some(table) = value.get_ref().as_table() else {
                    return Err(ConfigError::NotATable { place: self.place(&name.span()), key: name_text.to_owned() });
                };
                for (key, value) in table {
                    self.key(&format!("{name_text}.{}", key.get_ref()), key, value, found)?;
                }
                if matches!(self.part, Part::Whole | Part::Tenant) {
                    self.require(name_text, &name.span(), found)?;
                }
            } else {
                self.key(name_text, name, value, found)?;
            }
        }
        Ok(())
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
        match self.part {
            Part::Program(dir) if !key.of_program => {
                let table = key.parts().0;
                let dot = if table.is_empty() { "" } else { "." };
                let defaults = format!("[{}{dot}{table}]", tenants::DEFAULTS);
                return Err(ConfigError::OfTenant {
                    place: place(),
                    key: path.to_owned(),
                    defaults,
                    dir: dir.to_owned(),
                });
            }
            Part::Defaults | Part::Tenant if key.of_program => {
                return Err(ConfigError::OfProgram { place: place(), key: path.to_owned() });
            }
            _ => {}
        }
        found.places.insert(key.path, place());
        let value = value.get_ref();
        let read = value::read(value, key, self.folder());
        let read = read.map_err(|source| ConfigError::Value { place: place(), key: path.to_owned(), source })?;
        if matches!((&read, value), (Some(Value::Secret(_)), DeValue::String(_))) {
            found.secret_files.insert(self.path.to_owned());
        }
        match read {
            Some(read) => found.values.insert(key.path, read),
            // Left empty: what the defaults say does not hold for this tenant.
            None => found.values.remove(key.path),
        }
        Ok(())
    }

    /// What a table must hold once it is there.
    fn require(&self, table: &str, span: &Range<usize>, found: &Found) -> Result<(), ConfigError> {
        let missing = |key: &&Key| key.needed && key.parts().0 == table && !found.values.has(key.path);
        let Some(key) = KEYS.iter().find(missing) else { return Ok(()) };
        let mut place = self.place(span);
        if let Some(empty) = found.places.get(key.path) {
            place.clone_from(empty);
        }
        let (table, key) = key.parts();
        Err(ConfigError::Needed { place, table, key })
    }

    pub(super) fn assemble(&self, found: Found) -> Result<Config, ConfigError> {
        let place = |key: &str| self.place_of(&found, key);
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
        let quiet_after = found.values.text(keys::QUIET_AFTER).map(str::parse::<QuietAfter>).transpose();
        let quiet_after = quiet_after
            .map_err(|source| ConfigError::QuietAfter { place: place(keys::QUIET_AFTER), source })?
            .unwrap_or_default();
        let serve = ServeTable::read(&found.values);
        let serve = serve.map_err(|(key, source)| ConfigError::Serve { place: place(key), key, source })?;
        let way_out = network::way_out(&found.values, self.folder()).map_err(|(key, source)| ConfigError::Network {
            place: place(key),
            key,
            source,
        })?;
        let spool_bytes = match found.values.text(keys::SPOOL_MAX_BYTES) {
            None => DEFAULT_SPOOL,
            Some(text) => {
                let bytes = text.parse::<ByteSize>().ok().map(|size| size.as_u64());
                let bytes = bytes.filter(|bytes| *bytes >= LEAST_SPOOL);
                bytes.ok_or_else(|| ConfigError::Spool { place: place(keys::SPOOL_MAX_BYTES) })?
            }
        };
        let state_dir = found.values.text(keys::STATE_DIR).unwrap_or(DEFAULT_STATE_DIR);
        let state_dir = self.folder().join(state_dir);
        let sinks = if found.sinks.is_empty() { vec![SinkTable::stdout()] } else { found.sinks };
        let mut config = Config {
            tenant: None,
            secrets_key: found.values.key_source(keys::SECRETS_KEY).unwrap_or_else(|| KeySource::beside(&state_dir)),
            host_dir: state_dir.clone(),
            state_dir,
            interval,
            reaudit,
            quiet_after,
            serve,
            way_out,
            sinks,
            spool_bytes,
            shares_sinks: false,
            settings: BTreeMap::new(),
            secrets: BTreeMap::new(),
            file: self.path.to_owned(),
            places: found.places,
            secret_files: found.secret_files,
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

    pub(super) fn place_of(&self, found: &Found, key: &str) -> Place {
        found.places.get(key).cloned().unwrap_or_else(|| Place::top_of(self.path))
    }

    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new(""))
    }

    pub(super) fn place(&self, span: &Range<usize>) -> Place {
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
