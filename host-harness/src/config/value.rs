//! One value of the file: written there, in an environment variable, in another file or, if it is secret, in the store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Given, Key, Kind, Target};
use super::nearest;
use crate::durable;
use crate::secrets::{KeySource, Secret};

/// What is wrong with a value, without the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Of another type.
    #[error("it must be {expected}, not {found}; it may also be {{ env = \"NAME\" }} or {{ file = \"PATH\" }}")]
    Kind {
        /// What may stand here.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A table that is neither of the two.
    #[error("a table here must be {{ env = \"NAME\" }} or {{ file = \"PATH\" }}{hint}")]
    Source {
        /// The nearest of the two, or empty.
        hint: String,
    },
    /// The store holds only what the plugin reads from it.
    #[error("only a secret of the plugin can be {{ store = true }}")]
    NotStored,
    /// In the store or not: there is no third.
    #[error("to take `{0}` from the store write {{ store = true }}, and run `webex-collector secrets set {0}`")]
    Store(&'static str),
    /// The file with a secret can be read by others.
    #[error("{path} can be read by other accounts; run `chmod 600 {path}`")]
    Exposed {
        /// Which.
        path: String,
    },
    /// Something else than the place of a key.
    #[error("the key itself must not stand here; write {{ file = \"PATH\" }}, {{ env = \"NAME\" }} or \"keyring\"")]
    KeyInTheOpen,
    /// In the environment or another file, where it must be seen here.
    #[error("it must stand in this file itself")]
    MustBeHere,
    /// A secret in this file.
    #[error("it must not stand in this file; write {{ env = \"NAME\" }} or {{ file = \"PATH\" }}")]
    MustNotBeHere,
    /// The variable is not there.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The variable is no text.
    #[error("the environment variable {0} is not readable text")]
    NotText(String),
    /// The file cannot be read.
    #[error("cannot read {path}: {reason}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        reason: String,
    },
}

/// What a key was given.
pub(super) enum Value {
    /// A text, a number, a list: what the key's owner reads.
    Text(String),
    /// A text that is wiped when it is dropped.
    Secret(Secret),
    /// A secret of the plugin that is to be in the store under its name.
    InStore,
    /// Where a key is.
    KeySource(KeySource),
}

/// What the keys were given, by path; a key that is not filled in is not there.
#[derive(Default)]
pub(super) struct Values(BTreeMap<&'static str, Value>);

impl Values {
    pub(super) fn insert(&mut self, path: &'static str, value: Value) {
        self.0.insert(path, value);
    }

    pub(super) fn remove(&mut self, path: &str) {
        self.0.remove(path);
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    pub(super) fn text(&self, path: &str) -> Option<&str> {
        let Some(Value::Text(text)) = self.0.get(path) else { return None };
        Some(text)
    }

    pub(super) fn secret(&self, path: &str) -> Option<&Secret> {
        let Some(Value::Secret(secret)) = self.0.get(path) else { return None };
        Some(secret)
    }

    pub(super) fn key_source(&self, path: &str) -> Option<KeySource> {
        let Some(Value::KeySource(source)) = self.0.get(path) else { return None };
        Some(source.clone())
    }
}

impl IntoIterator for Values {
    type Item = (&'static str, Value);
    type IntoIter = std::collections::btree_map::IntoIter<&'static str, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The value of `key`, from where it may stand; none where nothing is filled in. `folder` is where relative paths start.
pub(super) fn read(value: &DeValue<'_>, key: &Key, folder: &Path) -> Result<Option<Value>, ValueError> {
    match (key.given, value) {
        (Given::Here, DeValue::Table(_)) => return Err(ValueError::MustBeHere),
        (Given::Elsewhere, DeValue::Table(_)) | (Given::Here | Given::Anywhere, _) => {}
        (Given::Elsewhere, _) => return Err(ValueError::MustNotBeHere),
    }
    match key.kind {
        Kind::Secret => secret(value, key.target, folder),
        Kind::KeySource => key_source(value, folder).map(Value::KeySource).map(Some),
        kind => text(value, kind, folder).map(|text| (!text.is_empty()).then_some(Value::Text(text))),
    }
}

/// A text that anybody may see.
pub(super) fn text(value: &DeValue<'_>, kind: Kind, folder: &Path) -> Result<String, ValueError> {
    match (value, kind) {
        (DeValue::Table(source), _) => match Source::of(source, folder)? {
            Source::Env(variable) => Ok(env(variable)?.trim().to_owned()),
            Source::File(path) => Ok(file(&path)?.trim().to_owned()),
            Source::Store(_) => Err(ValueError::NotStored),
        },
        (DeValue::String(text), _) => Ok(text.trim().to_owned()),
        (DeValue::Integer(number), Kind::Integer) => Ok(number.as_str().replace('_', "")),
        (DeValue::Boolean(yes), Kind::Boolean) => Ok(yes.to_string()),
        (DeValue::Array(items), Kind::List) => {
            let texts = items.iter().map(|item| item.get_ref().as_str().map(str::trim));
            let texts: Option<Vec<&str>> = texts.collect();
            texts.map(|texts| texts.join(",")).ok_or_else(|| mismatch(value, kind))
        }
        _ => Err(mismatch(value, kind)),
    }
}

fn mismatch(value: &DeValue<'_>, kind: Kind) -> ValueError {
    ValueError::Kind { expected: kind.in_words(), found: value.type_str() }
}

fn secret(value: &DeValue<'_>, target: Target, folder: &Path) -> Result<Option<Value>, ValueError> {
    let secret: Secret = match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Table(source) => match (Source::of(source, folder)?, target) {
            (Source::Env(variable), _) => env(variable)?.into(),
            (Source::File(path), _) => closed_file(&path)?,
            (Source::Store(true), Target::Secret(_)) => return Ok(Some(Value::InStore)),
            (Source::Store(false), Target::Secret(name)) => return Err(ValueError::Store(name)),
            (Source::Store(_), Target::Setting(_) | Target::Host) => return Err(ValueError::NotStored),
        },
        _ => return Err(mismatch(value, Kind::Secret)),
    };
    let secret = secret.trimmed();
    Ok((!secret.expose().is_empty()).then_some(Value::Secret(secret)))
}

fn key_source(value: &DeValue<'_>, folder: &Path) -> Result<KeySource, ValueError> {
    match value {
        DeValue::String(text) if text == "keyring" => Ok(KeySource::Keyring),
        DeValue::Table(source) => match Source::of(source, folder)? {
            Source::Env(variable) => Ok(KeySource::Env(variable.to_owned())),
            Source::File(path) => Ok(KeySource::File(path)),
            Source::Store(_) => Err(ValueError::KeyInTheOpen),
        },
        _ => Err(ValueError::KeyInTheOpen),
    }
}

/// A table in the place of a value.
enum Source<'a> {
    Env(&'a str),
    File(PathBuf),
    Store(bool),
}

impl<'a> Source<'a> {
    fn of(table: &'a DeTable<'_>, folder: &Path) -> Result<Self, ValueError> {
        let mut entries = table.iter();
        let (Some((name, value)), None) = (entries.next(), entries.next()) else {
            return Err(ValueError::Source { hint: String::new() });
        };
        match (name.get_ref().as_ref(), value.get_ref()) {
            ("env", DeValue::String(variable)) => Ok(Self::Env(variable)),
            ("file", DeValue::String(path)) => Ok(Self::File(folder.join(path.as_ref()))),
            ("store", DeValue::Boolean(yes)) => Ok(Self::Store(*yes)),
            (other, _) => Err(ValueError::Source { hint: nearest::hint(other, ["env", "file", "store"]) }),
        }
    }
}

fn env(variable: &str) -> Result<String, ValueError> {
    std::env::var(variable).map_err(|error| match error {
        std::env::VarError::NotPresent => ValueError::Unset(variable.to_owned()),
        std::env::VarError::NotUnicode(_) => ValueError::NotText(variable.to_owned()),
    })
}

fn file(path: &Path) -> Result<String, ValueError> {
    std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

/// What a file holds that others cannot read.
fn closed_file(path: &Path) -> Result<Secret, ValueError> {
    let text = Secret::from(file(path)?);
    match durable::is_closed(path) {
        Ok(true) => Ok(text),
        Ok(false) => Err(ValueError::Exposed { path: path.display().to_string() }),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> ValueError {
    ValueError::File { path: path.display().to_string(), reason: error.to_string() }
}

/// A text that stands in the file itself.
pub(super) fn literal<'a>(value: &'a Spanned<DeValue<'_>>) -> Option<&'a str> {
    value.get_ref().as_str()
}
