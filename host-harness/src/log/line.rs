//! A line and its two forms: words for people, one JSON object for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};

use console::{Style, StyledObject};
use serde::{Serialize, Serializer};

use crate::runtime::time;

/// How much a line matters, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for a fault.
    Debug,
    /// What goes on.
    Info,
    /// Something a person should know.
    Warn,
    /// Something a person must act on.
    Error,
}

/// How lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// In words, with colours where standard error shows them. Without a time: a terminal needs none, and a journal adds its own.
    Words,
    /// One JSON object a line, with its time.
    Json,
}

/// One line before it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How much it matters.
    pub level: Level,
    /// Stable name of what happened.
    pub code: String,
    /// What happened, for a person.
    pub text: String,
    /// Whose it is, where there are many tenants.
    pub tenant: Option<String>,
    /// Names and values.
    pub fields: Vec<(String, String)>,
}

/// The members of a line as JSON, in this order.
#[derive(Serialize)]
struct Members<'a> {
    time: String,
    level: &'static str,
    code: &'a str,
    text: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty", serialize_with = "members")]
    fields: &'a [(String, String)],
}

impl Level {
    /// Its name, as lines have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// The name, in its colour where standard error shows colours.
    pub(crate) fn in_colour(self) -> StyledObject<&'static str> {
        let style = Style::new().for_stderr();
        let style = match self {
            Self::Debug => style.dim(),
            Self::Info => style.cyan(),
            Self::Warn => style.yellow().bold(),
            Self::Error => style.red().bold(),
        };
        style.apply_to(self.name())
    }
}

impl Line {
    /// The line in this form; `at`: the present, in milliseconds since the epoch.
    pub fn written(&self, form: Form, at: i64) -> String {
        match form {
            Form::Words => self.in_words(self.level.in_colour()),
            Form::Json => self.as_json(at),
        }
    }

    fn in_words(&self, level: impl fmt::Display) -> String {
        let tenant = self.tenant.iter().map(|name| ("tenant", name.as_str()));
        let fields = tenant.chain(self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let fields: String = fields.map(|(name, value)| format!(" {name}={value}")).collect();
        format!("{level}: {} [{}]{fields}", self.text, self.code)
    }

    fn as_json(&self, at: i64) -> String {
        let Self { level, code, text, tenant, fields } = self;
        let tenant = tenant.as_deref();
        let members = Members { time: time(at), level: level.name(), code, text, tenant, fields };
        // Text and names alone cannot fail to be JSON.
        serde_json::to_string(&members).unwrap_or_default()
    }
}

/// A name that stands twice is one member with both values: an object has each name once.
fn members<S: Serializer>(fields: &[(String, String)], serializer: S) -> Result<S::Ok, S::Error> {
    let mut members: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in fields {
        members
            .entry(name)
            .and_modify(|values| *values = format!("{values}, {value}"))
            .or_insert_with(|| value.clone());
    }
    serializer.collect_map(members)
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.in_words(self.level.name()))
    }
}

/// Writes to standard error. Where even that cannot be written there is nobody to tell.
pub(crate) fn to_standard_error(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn line(text: &str, fields: &[(&str, &str)]) -> Line {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Line { level: Level::Warn, code: "x".into(), text: text.into(), tenant: Some("one".into()), fields }
    }

    #[test]
    fn in_words_a_line_has_its_level_first_and_its_fields_last() {
        assert_eq!(line("a word", &[("n", "v")]).to_string(), "warn: a word [x] tenant=one n=v");
    }

    #[test]
    fn as_json_a_line_has_the_time_to_the_millisecond_and_its_fields_by_name() {
        let json = line("a \"word\"", &[("n", "v"), ("tenant", "another"), ("n", "w")]).as_json(1_767_225_595_001);
        let want = json!({
            "time": "2025-12-31T23:59:55.001Z",
            "level": "warn",
            "code": "x",
            "text": "a \"word\"",
            "tenant": "one",
            "fields": {"n": "v, w", "tenant": "another"},
        });
        assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), want);
        assert!(json.starts_with(r#"{"time":"2025-12-31T23:59:55.001Z","level":"warn","code":"x","text":"#), "{json}");
    }

    #[test]
    fn members_without_a_value_are_left_out() {
        let line = Line { tenant: None, ..line("x", &[]) };
        let value: Value = serde_json::from_str(&line.as_json(0)).unwrap();
        assert_eq!((&value["tenant"], &value["fields"]), (&Value::Null, &Value::Null));
    }

    proptest! {
        #[test]
        fn whatever_a_line_says_it_is_one_object_on_one_line(text in any::<String>(), name in any::<String>()) {
            let json = line(&text, &[(&name, &text)]).as_json(0);
            prop_assert!(!json.contains('\n'));
            let value: Value = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(value["text"].as_str(), Some(text.as_str()));
            prop_assert_eq!(value["fields"][&name].as_str(), Some(text.as_str()));
        }
    }
}
