//! One value of the file: written there, in an environment variable, or in another file.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::keys::{Given, Kind};
use super::nearest;

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

/// The text of a value; `folder` is where relative paths start.
pub(super) fn resolve(value: &DeValue<'_>, kind: Kind, given: Given, folder: &Path) -> Result<String, ValueError> {
    match (value, kind) {
        (DeValue::Table(_), _) if given == Given::Here => Err(ValueError::MustBeHere),
        (DeValue::String(_), _) if given == Given::Elsewhere => Err(ValueError::MustNotBeHere),
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
    let mut entries = source.iter();
    let (Some((name, value)), None) = (entries.next(), entries.next()) else {
        return Err(ValueError::Source { hint: String::new() });
    };
    let text = value.get_ref().as_str();
    match (name.get_ref().as_ref(), text) {
        ("env", Some(variable)) => match std::env::var(variable) {
            Ok(value) => Ok(value.trim().to_owned()),
            Err(std::env::VarError::NotPresent) => Err(ValueError::Unset(variable.to_owned())),
            Err(std::env::VarError::NotUnicode(_)) => Err(ValueError::NotText(variable.to_owned())),
        },
        ("file", Some(path)) => {
            let path = folder.join(path);
            let text = std::fs::read_to_string(&path)
                .map_err(|error| ValueError::File { path: path.display().to_string(), reason: error.to_string() })?;
            Ok(text.trim().to_owned())
        }
        (other, _) => Err(ValueError::Source { hint: nearest::hint(other, ["env", "file"]) }),
    }
}

/// A text that stands in the file itself.
pub(super) fn literal<'a>(value: &'a Spanned<DeValue<'_>>) -> Option<&'a str> {
    value.get_ref().as_str()
}
