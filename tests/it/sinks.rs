//! `docs/sinks.md` says what the kinds of sinks say. `UPDATE_DOCS=1 cargo test -p cisco-webex-plugin --test it sinks` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use host_harness::config::Config;
use host_harness::sink::{COMMON, KINDS, Kind, SinkKey, ValueKind};

use crate::docs::with_table;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs");

fn guarantees() -> String {
    let mut table =
        "| type | acknowledged when | comes twice | order | too large |\n| --- | --- | --- | --- | --- |\n".to_owned();
    for kind in KINDS {
        let promise = kind.promise;
        let name = kind.name;
        writeln!(
            table,
            "| [`{name}`](sinks/{name}.md) | {} | {} | {} | {} |",
            promise.acknowledged, promise.repeats, promise.order, promise.limits
        )
        .unwrap();
    }
    table
}

fn keys<'a>(keys: impl Iterator<Item = &'a SinkKey>) -> String {
    let mut table = "| key | value | default | what it says |\n| --- | --- | --- | --- |\n".to_owned();
    for SinkKey { name, kind, needed, default, help } in keys {
        let default = match (needed, *default) {
            (true, _) => "needed".to_owned(),
            (false, "") => "-".to_owned(),
            (false, default) => format!("`{default}`"),
        };
        writeln!(table, "| `{name}` | {} | {default} | {help} |", words(*kind)).unwrap();
    }
    table
}

fn words(kind: ValueKind) -> String {
    match kind {
        ValueKind::Text => "text".into(),
        ValueKind::Integer => "whole number".into(),
        ValueKind::Boolean => "true or false".into(),
        ValueKind::Duration => "length of time".into(),
        ValueKind::Size => "size".into(),
        ValueKind::List => "array of texts".into(),
        ValueKind::Path => "path".into(),
        ValueKind::Choice(choices) => choices.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        ValueKind::Secret => "secret".into(),
        ValueKind::PerStream => "text, or a table of one for each stream".into(),
        ValueKind::Headers => "table of names and secrets".into(),
    }
}

fn table_of(kind: &Kind) -> String {
    format!("[[sink]]\ntype = \"{}\"\n{}\n", kind.name, kind.example)
}

fn kinds() -> String {
    let mut text = String::new();
    for kind in KINDS {
        writeln!(text, "### `{}`\n\n{} More in [sinks/{0}.md](sinks/{0}.md).\n", kind.name, kind.about).unwrap();
        writeln!(text, "```toml\n{}```\n\n{}", table_of(kind), keys(kind.own_keys())).unwrap();
    }
    text
}

#[test]
fn the_documentation_has_what_every_kind_of_sink_says() {
    let path = Path::new(FOLDER).join("sinks.md");
    let before = std::fs::read_to_string(&path).unwrap();
    let mut after = before.clone();
    for (mark, table) in [("guarantees", guarantees()), ("common keys", keys(COMMON.iter())), ("keys", kinds())] {
        after = with_table(&after, mark, &table);
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &after).unwrap();
    }
    assert!(before == after, "docs/sinks.md differs from the kinds of sinks; run this test with UPDATE_DOCS=1");
    for kind in KINDS {
        let page = Path::new(FOLDER).join("sinks").join(format!("{}.md", kind.name));
        assert!(page.exists(), "{} has no page: {}", kind.name, page.display());
    }
}

/// With secrets and files that an example names.
#[test]
fn every_example_is_a_table_that_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let mut text = String::new();
        for line in table_of(kind).lines() {
            // Files of certificates are read when the table is, and are not there for a test; neither is what stands elsewhere.
            if line.contains(".pem\"") {
                continue;
            }
            let is_elsewhere = line.contains("{ env = ") || line.contains("{ file = ");
            let name = line.split(['=', ' ']).next().unwrap_or_default();
            let line = if is_elsewhere { format!("{name} = \"fake-secret-of-the-example\"") } else { line.to_owned() };
            writeln!(text, "{line}").unwrap();
        }
        let config = Config::parse(&text, &folder.path().join("webex.toml"));
        // A build without the feature says how to get one with it, after it has looked at the rest.
        if kind.name == "kafka"
            && config.as_ref().is_err_and(|error| error.to_string().contains("this build has no Kafka"))
        {
            continue;
        }
        assert!(config.is_ok(), "{}: {}\n{text}", kind.name, config.unwrap_err());
    }
}
