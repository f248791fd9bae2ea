//! The README says what the tables say. `UPDATE_README=1 cargo test -p cisco-webex-plugin --test it readme` writes it anew.

use std::fmt::Write as _;
use std::path::Path;

use host_harness::config::keys::{KEYS, Target};
use host_harness::runtime::{Argument, Description, Runtime, Setting};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");

fn settings_table(description: &Description) -> String {
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

fn arguments(arguments: &[Argument]) -> String {
    let name = |argument: &Argument| match (&argument.default, argument.required) {
        (_, true) => format!("`{}`", argument.name),
        (Some(default), _) => format!("`{}` ({default})", argument.name),
        (None, false) => format!("`{}` (optional)", argument.name),
    };
    arguments.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The text with what stands between the two marks replaced.
pub(crate) fn with_table(text: &str, mark: &str, table: &str) -> String {
    let begin = text.find(&format!("<!-- {mark}:")).unwrap();
    let begin = begin + text[begin..].find('\n').unwrap() + 1;
    let end = text.find(&format!("<!-- end of {mark} -->")).unwrap();
    format!("{}{table}{}", &text[..begin], &text[end..])
}

#[tokio::test]
async fn the_readme_has_the_tables_of_settings_and_commands_and_the_size() {
    let plugin = Runtime::new().unwrap().load(host_harness::COMPONENT).unwrap();
    let mut commands = "| command | arguments (default) | does |\n| --- | --- | --- |\n".to_owned();
    for command in plugin.list_commands().await.unwrap() {
        writeln!(commands, "| `{}` | {} | {} |", command.name, arguments(&command.arguments), command.help).unwrap();
    }
    let before = std::fs::read_to_string(Path::new(README)).unwrap();
    let settings = settings_table(&plugin.describe().await.unwrap());
    let after = with_table(&with_table(&before, "settings", &settings), "commands", &commands);
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(README, &after).unwrap();
    }
    assert!(before == after, "README.md differs from the tables of the code; run this test with UPDATE_README=1");
}
