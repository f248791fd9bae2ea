//! The values of one table `[[sink]]`, which a kind of sink reads its settings from.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use http::{HeaderName, HeaderValue};

use super::SetupError;
use crate::redaction;
use crate::secrets::Secret;

/// What stands behind a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text, a number, a list with commas.
    Text(String),
    /// A text that nobody may see.
    Secret(Secret),
    /// Names and values.
    Table(BTreeMap<String, Value>),
}

/// The values of one table; a key that is not filled in is not there. Types were looked at, by the keys of the kind.
#[derive(Clone, Debug)]
pub struct Given {
    values: BTreeMap<&'static str, Value>,
    folder: PathBuf,
}

/// A text for each stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PerStream {
    /// For all that are not named.
    all: Option<String>,
    named: BTreeMap<String, String>,
}

impl PerStream {
    /// What was given for this stream, or for all.
    pub fn of(&self, stream: &str) -> Option<&str> {
        self.named.get(stream).or(self.all.as_ref()).map(String::as_str)
    }

    /// All that were given, each once.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let texts: BTreeSet<&str> = self.all.iter().chain(self.named.values()).map(String::as_str).collect();
        texts.into_iter()
    }

    /// Whether there is one for every stream.
    pub fn is_for_all(&self) -> bool {
        self.all.is_some()
    }
}

impl Given {
    /// These, of a file in this folder.
    pub fn new(values: BTreeMap<&'static str, Value>, folder: PathBuf) -> Self {
        Self { values, folder }
    }

    /// Whether the key is filled in.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// A text.
    pub fn text(&self, key: &str) -> Option<&str> {
        let Some(Value::Text(text)) = self.values.get(key) else { return None };
        Some(text)
    }

    /// A text that must be there.
    ///
    /// # Errors
    /// It is not filled in.
    pub fn needed(&self, key: &'static str) -> Result<&str, SetupError> {
        self.text(key).ok_or_else(|| SetupError::of(key, "it is not filled in"))
    }

    /// A text that nobody may see. From here on it is shown nowhere.
    pub fn secret(&self, key: &str) -> Option<&Secret> {
        let Some(Value::Secret(secret)) = self.values.get(key) else { return None };
        redaction::learn(secret);
        Some(secret)
    }

    /// A secret that must be there.
    ///
    /// # Errors
    /// It is not filled in.
    pub fn needed_secret(&self, key: &'static str) -> Result<&Secret, SetupError> {
        self.secret(key).ok_or_else(|| SetupError::of(key, "it is not filled in"))
    }

    /// A switch.
    ///
    /// # Errors
    /// It is neither on nor off.
    pub fn is_on(&self, key: &'static str, default: bool) -> Result<bool, SetupError> {
        match self.text(key) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(SetupError::of(key, "it must be true or false")),
        }
    }

    /// A number within these bounds.
    ///
    /// # Errors
    /// It is no number, or beyond them.
    pub fn number<N>(&self, key: &'static str, bounds: RangeInclusive<N>) -> Result<Option<N>, SetupError>
    where
        N: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.text(key) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| bounds.contains(number));
        let problem = || format!("it must be a whole number from {} to {}", bounds.start(), bounds.end());
        number.map(Some).ok_or_else(|| SetupError::of(key, problem()))
    }

    /// A length of time within these bounds.
    ///
    /// # Errors
    /// It is none, or beyond them.
    pub fn time(&self, key: &'static str, bounds: RangeInclusive<Duration>) -> Result<Option<Duration>, SetupError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let time = humantime::parse_duration(text).ok().filter(|time| bounds.contains(time));
        let [from, to] = [bounds.start(), bounds.end()].map(|bound| humantime::format_duration(*bound).to_string());
        time.map(Some).ok_or_else(|| SetupError::of(key, format!("it must be a length of time from {from} to {to}")))
    }

    /// A number of bytes within these bounds.
    ///
    /// # Errors
    /// It is none, or beyond them.
    pub fn size(&self, key: &'static str, bounds: RangeInclusive<u64>) -> Result<Option<u64>, SetupError> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let size = text.parse::<ByteSize>().ok().map(|size| size.as_u64()).filter(|size| bounds.contains(size));
        let [from, to] = [bounds.start(), bounds.end()].map(|bound| ByteSize::b(*bound).to_string());
        let problem = || format!("it must be a number of bytes such as \"1MiB\", from {from} to {to}");
        size.map(Some).ok_or_else(|| SetupError::of(key, problem()))
    }

    /// Texts; empty where the key is not filled in.
    pub fn list(&self, key: &str) -> impl Iterator<Item = &str> {
        self.text(key).into_iter().flat_map(|text| text.split(',')).map(str::trim).filter(|item| !item.is_empty())
    }

    /// A path, from the folder of the settings.
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        self.text(key).map(|path| self.folder.join(path))
    }

    /// The folder of the settings.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// One of some choices, by name; `default` where the key is not filled in.
    ///
    /// # Errors
    /// It is none of them.
    pub fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)], default: T) -> Result<T, SetupError> {
        let Some(text) = self.text(key) else { return Ok(default) };
        let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
        found.ok_or_else(|| {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            SetupError::of(key, format!("it must be {}", names.join(" or ")))
        })
    }

    /// A text for each stream.
    pub fn per_stream(&self, key: &str) -> PerStream {
        match self.values.get(key) {
            Some(Value::Text(text)) => PerStream { all: Some(text.clone()), named: BTreeMap::new() },
            Some(Value::Table(table)) => {
                let text = |value: &Value| if let Value::Text(text) = value { Some(text.clone()) } else { None };
                let named = table.iter().filter_map(|(stream, value)| Some((stream.clone(), text(value)?)));
                PerStream { all: None, named: named.collect() }
            }
            Some(Value::Secret(_)) | None => PerStream::default(),
        }
    }

    /// Header fields. Their values are marked as secret.
    ///
    /// # Errors
    /// A name or value cannot be one of a header.
    pub fn headers(&self, key: &'static str) -> Result<Vec<(HeaderName, HeaderValue)>, SetupError> {
        let Some(Value::Table(table)) = self.values.get(key) else { return Ok(Vec::new()) };
        let header = |(name, value): (&String, &Value)| {
            let text = match value {
                Value::Secret(secret) => {
                    redaction::learn(secret);
                    secret.expose()
                }
                Value::Text(text) => text,
                Value::Table(_) => return Err(SetupError::of(key, format!("the value of `{name}` must be a text"))),
            };
            let parsed = HeaderName::from_str(name).ok().zip(HeaderValue::from_str(text).ok());
            let (field, mut value) =
                parsed.ok_or_else(|| SetupError::of(key, format!("`{name}` cannot be a header with this value")))?;
            value.set_sensitive(true);
            Ok((field, value))
        };
        table.iter().map(header).collect()
    }
}
