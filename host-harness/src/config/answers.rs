//! What is known of a fresh settings file before it is written: answers of a person, by key.

use std::collections::{BTreeMap, BTreeSet};

use super::keys::{self, Key, Kind, Target};
use super::nearest;
use super::template::literal;
use crate::runtime::{Description, Setting};
use crate::sink::KINDS;

/// The table of standard output.
const STDOUT: &str = "type = \"ndjson\"\npath = \"-\"";

/// Values for a fresh file; what is not answered stands there as in the template.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// As TOML, by path of key.
    values: BTreeMap<&'static str, String>,
    left_out: BTreeSet<String>,
    sink: Option<String>,
}

/// An answer that cannot stand in the file. Never holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// No such key.
    #[error("`{key}` is not a known key{hint}")]
    Unknown {
        /// Which.
        key: String,
        /// The nearest known one, or empty.
        hint: String,
    },
    /// A value of another kind.
    #[error("`{key}` must be {expected}")]
    Value {
        /// Which.
        key: &'static str,
        /// What may stand there.
        expected: String,
    },
    /// No such user.
    #[error("there is no user `{user}`{hint}; there are {known}")]
    User {
        /// Which.
        user: String,
        /// The nearest known one, or empty.
        hint: String,
        /// All of them.
        known: String,
    },
}

impl Answers {
    /// Puts a value under a key, as a person writes it on a line: a secret as `store`, `env:NAME` or `file:PATH`.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub fn put(&mut self, plugin: &Description, path: &str, value: &str) -> Result<(), AnswerError> {
        let key = keys::of_path(path).ok_or_else(|| AnswerError::Unknown {
            key: path.to_owned(),
            hint: nearest::hint(path, keys::KEYS.iter().map(|key| key.path)),
        })?;
        let wrong = |expected: &str| AnswerError::Value { key: key.path, expected: expected.to_owned() };
        let choices = setting(plugin, key.target).map(|setting| setting.choices.as_slice()).unwrap_or_default();
        if !choices.is_empty() && !choices.iter().any(|choice| choice == value) {
            return Err(wrong(&format!("one of {}", choices.join(", "))));
        }
        let source = || place(value).ok_or_else(|| wrong("`store`, `env:NAME` or `file:PATH`"));
        let text = match key.kind {
            Kind::Secret if matches!(key.target, Target::Secret(_)) && value == "store" => {
                "{ store = true }".to_owned()
            }
            Kind::Secret => source()?,
            Kind::KeySource if value == "keyring" => "\"keyring\"".to_owned(),
            Kind::KeySource => source()?,
            Kind::Integer if value.parse::<u64>().is_err() => return Err(wrong(key.kind.in_words())),
            Kind::Boolean if value.parse::<bool>().is_err() => return Err(wrong(key.kind.in_words())),
            kind => literal(kind, value),
        };
        self.values.insert(key.path, text);
        Ok(())
    }

    /// Leaves the tables of all users but these out.
    ///
    /// # Errors
    /// See [`AnswerError::User`].
    pub fn only(&mut self, plugin: &Description, users: &[String]) -> Result<(), AnswerError> {
        let known = || plugin.users.iter().map(|user| user.name.as_str());
        if let Some(user) = users.iter().find(|user| !known().any(|known| known == user.as_str())) {
            let all = known().collect::<Vec<_>>().join(" and ");
            return Err(AnswerError::User { user: user.clone(), hint: nearest::hint(user, known()), known: all });
        }
        self.left_out = known().filter(|known| !users.iter().any(|user| user == known)).map(str::to_owned).collect();
        Ok(())
    }

    /// Leaves a user's table out.
    pub fn leave_out(&mut self, user: &str) {
        self.left_out.insert(user.to_owned());
    }

    /// Where events go: `stdout`, a type of sink, of which the table is to be filled in, or an NDJSON file.
    pub fn sink(&mut self, to: &str) {
        let kind = KINDS.iter().find(|kind| kind.name == to);
        self.sink = Some(match (to, kind) {
            ("stdout" | "-", _) => STDOUT.to_owned(),
            (_, Some(kind)) => format!("type = \"{}\"\n{}", kind.name, kind.example),
            (path, None) => format!("type = \"ndjson\"\npath = {}", toml::Value::from(path)),
        });
    }

    /// Whether a key has an answer.
    pub fn has(&self, path: &str) -> bool {
        self.values.contains_key(path)
    }

    /// Whether a user's table is left out.
    pub fn is_left_out(&self, user: &str) -> bool {
        self.left_out.contains(user)
    }

    /// Whether it is known where events go.
    pub fn has_sink(&self) -> bool {
        self.sink.is_some()
    }

    pub(super) fn value(&self, path: &str) -> Option<&str> {
        self.values.get(path).map(String::as_str)
    }

    /// The table without its first line.
    pub(super) fn sink_table(&self) -> &str {
        self.sink.as_deref().unwrap_or(STDOUT)
    }
}

/// What the plugin says about the setting that a key gives.
pub(crate) fn setting(plugin: &Description, target: Target) -> Option<&Setting> {
    let Target::Setting(name) = target else { return None };
    plugin.settings.iter().find(|setting| setting.name == name)
}

/// What a key is for, in the words of this host or of the plugin.
pub(crate) fn help(plugin: &Description, key: &Key) -> String {
    let of_plugin = || setting(plugin, key.target).map(|setting| format!("{}. {}", setting.title, setting.help));
    key.help.map(str::to_owned).or_else(of_plugin).unwrap_or_default()
}

/// `env:NAME` or `file:PATH` as the table that names it.
fn place(value: &str) -> Option<String> {
    let (kind, place) = value.split_once(':').filter(|(_, place)| !place.is_empty())?;
    matches!(kind, "env" | "file").then(|| format!("{{ {kind} = {} }}", toml::Value::from(place)))
}
