//! The file that `init` writes: every key, with what the plugin says about it.

use std::fmt::Write as _;

use super::answers::{Answers, help, setting};
use super::keys::{KEYS, Kind, Shown};
use crate::runtime::Description;
use crate::sink::KINDS;

/// Columns of a comment.
const WIDTH: usize = 100;

const TOP: &str = "# Settings of webex-collector. Every value may also be { env = \"NAME\" } or { file = \"PATH\" }.\n\
                   # Secrets may also be { store = true }, after `webex-collector secrets set NAME`.\n\
                   # Lines that begin with `#` show what holds without them.\n\n";

/// The text of a fresh `webex.toml`, with help and defaults from the plugin, and what was answered in their place.
pub fn template(plugin: &Description, answers: &Answers) -> String {
    let mut text = TOP.to_owned();
    let mut table = "";
    for key in KEYS {
        let (of, name) = key.parts();
        if of != table {
            let note = match of {
                "admin" => "\n# Reads admin audits and security audits. Leave the table out if there is no such user.",
                "compliance_officer" => "\n# Reads events. Leave the table out if there is no such user.",
                "tenants" => {
                    "\n# For many tenants, of which each has a file in a folder; see \"Many tenants\" in the README."
                }
                _ => "",
            };
            let mark = if answers.is_left_out(of) { "# " } else { "" };
            let _ = write!(text, "{note}\n{mark}[{of}]\n");
            table = of;
        }
        let setting = setting(plugin, key.target);
        for line in wrap(&help(plugin, key)) {
            let _ = writeln!(text, "# {line}");
        }
        let _ = match (answers.value(key.path), key.shown) {
            (_, Shown::Open(value)) if answers.is_left_out(of) => writeln!(text, "# {name} = {value}"),
            (Some(value), _) if !answers.is_left_out(of) => writeln!(text, "{name} = {value}"),
            (_, Shown::Open(value)) => writeln!(text, "{name} = {value}"),
            (_, Shown::Optional(Some(value))) => writeln!(text, "# {name} = {value}"),
            (_, Shown::Optional(None)) => {
                let default = setting.and_then(|setting| setting.default.as_deref()).unwrap_or_default();
                writeln!(text, "# {name} = {}", literal(key.kind, default))
            }
        };
    }
    let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
    let sinks = format!(
        "Where events go: one or more, of the types {}; docs/sinks.md has the keys of each. A path of \"-\" is standard output.",
        kinds.join(", ")
    );
    text.push('\n');
    for line in wrap(&sinks) {
        let _ = writeln!(text, "# {line}");
    }
    let _ = writeln!(text, "[[sink]]\n{}", answers.sink_table());
    text
}

/// A value as TOML.
pub(super) fn literal(kind: Kind, value: &str) -> String {
    match kind {
        Kind::Integer | Kind::Boolean if !value.is_empty() => value.to_owned(),
        Kind::List => {
            let items = value.split(',').map(str::trim).filter(|item| !item.is_empty());
            let items: Vec<String> = items.map(|item| toml::Value::from(item).to_string()).collect();
            format!("[{}]", items.join(", "))
        }
        _ => toml::Value::from(value).to_string(),
    }
}

/// Lines of whole words.
fn wrap(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
