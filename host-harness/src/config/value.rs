//! One value of the file: written there, in an environment variable, in another file or, if it is secret, in the store.

use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::Kind;
use super::nearest;
use crate::durable;
use crate::secrets::{KeySource, Secret, Supplied};

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
    /// The store holds only secrets.
    #[error("only a secret can be {{ store = true }}")]
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

/// The text of a value; `folder` is where relative paths start.
pub(super) fn resolve(value: &DeValue<'_>, kind: Kind, folder: &Path) -> Result<String, ValueError> {
    match (value, kind) {
        (DeValue::Table(source), _) => from_source(source, folder),
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

fn from_source(source: &DeTable<'_>, folder: &Path) -> Result<String, ValueError> {
    match Source::of(source, folder)? {
        Source::Env(variable) => Ok(env(variable)?.trim().to_owned()),
        Source::File(path) => Ok(file(&path)?.trim().to_owned()),
        Source::Store(_) => Err(ValueError::NotStored),
    }
}

/// The secret `name`, or where it is; none where nothing is filled in. Its text is wiped when it is dropped.
pub(super) fn secret(value: &DeValue<'_>, name: &'static str, folder: &Path) -> Result<Option<Supplied>, ValueError> {
    let DeValue::Table(source) = value else {
        return Ok(filled_in(resolve(value, Kind::Text, folder)?.into()));
    };
    match Source::of(source, folder)? {
        Source::Env(variable) => Ok(filled_in(env(variable)?.into())),
        Source::File(path) => {
            let text = Secret::from(file(&path)?);
            match durable::is_closed(&path) {
                Ok(true) => Ok(filled_in(text)),
                Ok(false) => Err(ValueError::Exposed { path: path.display().to_string() }),
                Err(error) => Err(unreadable(&path, &error)),
            }
        }
        Source::Store(true) => Ok(Some(Supplied::InStore)),
        Source::Store(false) => Err(ValueError::Store(name)),
    }
}

fn filled_in(secret: Secret) -> Option<Supplied> {
    let secret = secret.trimmed();
    (!secret.expose().is_empty()).then_some(Supplied::Value(secret))
}

/// Where a key is.
pub(super) fn key_source(value: &DeValue<'_>, folder: &Path) -> Result<KeySource, ValueError> {
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

fn unreadable(path: &Path, error: &std::io::Error) -> ValueError {
    ValueError::File { path: path.display().to_string(), reason: error.to_string() }
}

/// A text that stands in the file itself.
pub(super) fn literal<'a>(value: &'a Spanned<DeValue<'_>>) -> Option<&'a str> {
    value.get_ref().as_str()
}
