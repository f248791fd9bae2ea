//! Tables that are made from tables of the code: settings, codes, exit codes, metrics.

use std::fmt::Write as _;

use cisco_webex_plugin::failure::Code;
use cisco_webex_plugin::warning;
use host_harness::cli::Exit;
use host_harness::codes::CODES;
use host_harness::config::keys::{KEYS, Target};
use host_harness::runtime::{Description, Setting};
use host_harness::serve::metrics::METRICS;

use super::page::{Page, with_table};
use crate::support::plugin;

fn settings(description: &Description) -> String {
    let mut table =
        "| Cortex | plugin | `webex.toml` | default | what it says |\n| --- | --- | --- | --- | --- |\n".to_owned();
    let of = |name: &str| description.settings.iter().find(|setting| setting.name == name);
    for key in KEYS {
        let (plugin, setting) = match key.target {
            Target::Setting(name) => (format!("`{name}`"), of(name)),
            Target::Secret(name) => (format!("secret `{name}`"), None),
            Target::Host => ("the host's".to_owned(), None),
        };
        let default = setting.and_then(|setting: &Setting| setting.default.clone());
        let help = key.help.or_else(|| setting.map(|setting| setting.help.as_str())).unwrap_or_default();
        let cortex = key.cortex.map_or_else(|| "-".to_owned(), |name| format!("`{name}`"));
        let default = default.map_or_else(|| "-".to_owned(), |text| format!("`{text}`"));
        writeln!(table, "| {cortex} | {plugin} | `{}` | {default} | {help} |", key.path).unwrap();
    }
    table
}

fn codes<'a>(rows: impl Iterator<Item = (&'a str, &'a str, &'a str)>) -> String {
    let mut table = "| code | means | what to do |\n| --- | --- | --- |\n".to_owned();
    for (name, means, remedy) in rows {
        let remedy = if remedy.is_empty() { "nothing" } else { remedy };
        writeln!(table, "| `{name}` | {means} | {remedy} |").unwrap();
    }
    table
}

fn exits() -> String {
    let mut table = "| exit code | means |\n| --- | --- |\n".to_owned();
    for exit in Exit::ALL {
        writeln!(table, "| {} | {} |", exit as u8, exit.means()).unwrap();
    }
    table
}

fn metrics() -> String {
    let mut table = "| metric | kind | labels | says |\n| --- | --- | --- | --- |\n".to_owned();
    for metric in METRICS {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "-".to_owned() } else { labels.join(", ") };
        writeln!(table, "| `{}` | {} | {labels} | {} |", metric.name, metric.kind.name(), metric.help).unwrap();
    }
    table
}

#[tokio::test]
async fn the_settings_page_has_every_key() {
    let page = Page::read("docs/settings.md");
    page.must_be(&with_table(&page.text, "settings", &settings(&plugin().describe().await.unwrap())));
}

#[test]
fn the_page_of_errors_has_every_code_and_every_exit_code() {
    let page = Page::read("docs/errors.md");
    let failures = Code::ALL.iter().map(|code| {
        let (means, remedy) = code.explained();
        (code.name(), means, remedy)
    });
    let of_plugin = warning::KNOWN.iter().map(|known| (known.code, known.means, known.remedy));
    let of_host = CODES.iter().map(|code| (code.name, code.means, code.remedy));
    let mut after = page.text.clone();
    for (mark, table) in [
        ("exit codes", exits()),
        ("failures", codes(failures)),
        ("plugin codes", codes(of_plugin)),
        ("host codes", codes(of_host)),
    ] {
        after = with_table(&after, mark, &table);
    }
    page.must_be(&after);
}

#[test]
fn the_page_of_metrics_has_every_metric() {
    let page = Page::read("docs/metrics.md");
    page.must_be(&with_table(&page.text, "metrics", &metrics()));
}
