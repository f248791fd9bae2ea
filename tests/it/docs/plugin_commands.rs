//! docs/plugin-commands.md: every command of the plugin, with what it says of a simulated tenant whose clock stands still.

use std::fmt::Write as _;

use host_harness::runtime::listed::{effect_name, output_kind};
use host_harness::runtime::{Argument, ArgumentKind, Command};
use host_harness::simulator::{ADMIN, Stream, TenantSettings};

use super::page::{Page, with_table};
use crate::simulated::Simulated;
use crate::support::plugin;

/// What stands for the simulated tenant's address.
const ORIGIN: &str = "https://webexapis.com";

fn arguments(arguments: &[Argument]) -> String {
    if arguments.is_empty() {
        return "It takes no arguments.\n".to_owned();
    }
    let mut table = "| argument | kind | default | what it says |\n| --- | --- | --- | --- |\n".to_owned();
    for Argument { name, kind, choices, default, required, help, .. } in arguments {
        let kind = match kind {
            ArgumentKind::Text => "text".to_owned(),
            ArgumentKind::Integer => "whole number".to_owned(),
            ArgumentKind::Boolean => "true or false".to_owned(),
            ArgumentKind::Timestamp => "time".to_owned(),
            ArgumentKind::Choice => choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", "),
        };
        let default = match default {
            _ if *required => "needed".to_owned(),
            None => "-".to_owned(),
            Some(default) => format!("`{default}`"),
        };
        writeln!(table, "| `{name}` | {kind} | {default} | {help} |").unwrap();
    }
    table
}

fn outputs(command: &Command) -> String {
    let mut table = "| output | kind | what it is |\n| --- | --- | --- |\n".to_owned();
    for field in &command.outputs {
        writeln!(table, "| `{}` | {} | {} |", field.path, output_kind(field.kind), field.help).unwrap();
    }
    table
}

/// With which arguments it is shown.
async fn shown(tenant: &Simulated, name: &str) -> Vec<(&'static str, String)> {
    match name {
        "cisco-webex-oauth-start" | "cisco-webex-oauth-test" => vec![("user", "admin".to_owned())],
        "cisco-webex-oauth-complete" => {
            let address = tenant.webex.approve(&tenant.sign_in_link("admin").await, ADMIN).unwrap();
            vec![("user", "admin".to_owned()), ("code", address)]
        }
        "cisco-webex-get-event" => vec![("id", tenant.webex.listed(Stream::Events)[0].id.clone().unwrap())],
        name if name.starts_with("cisco-webex-get-") => vec![("limit", "3".to_owned())],
        _ => Vec::new(),
    }
}

async fn section(command: &Command) -> String {
    let tenant = match command.name.as_str() {
        "cisco-webex-oauth-start" | "cisco-webex-oauth-complete" => {
            Simulated::without_sign_in(TenantSettings::default(), &[]).await
        }
        _ => Simulated::start(TenantSettings::default()).await,
    };
    tenant.backlog(20, 1);
    let given = shown(&tenant, &command.name).await;
    let line = given.iter().map(|(name, value)| match *name {
        // A code is nobody else's business, though this one opens nothing.
        "code" => " code=-".to_owned(),
        name => format!(" {name}={value}"),
    });
    let line: String = line.collect();
    let arguments_of: Vec<(&str, &str)> = given.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let said = tenant.host.run(&command.name, &arguments_of).await.unwrap().readable;
    let said = said.replace(&tenant.webex.origin(), ORIGIN);
    let effects = match command.effects.iter().map(|effect| effect_name(*effect)).collect::<Vec<_>>().join(", ") {
        none if none.is_empty() => String::new(),
        effects => format!("Effects: {effects}.\n\n"),
    };
    format!(
        "## `{0}`\n\n{1}\n\n{2}\n{effects}```text\n$ webex-collector run {0}{line}\n{3}\n```\n\n{4}\n",
        command.name,
        command.help,
        arguments(&command.arguments),
        said.trim_end(),
        outputs(command),
    )
}

#[tokio::test]
async fn the_page_of_plugin_commands_has_every_command_and_what_it_says() {
    let mut text = String::from("\n");
    for command in plugin().list_commands().await.unwrap() {
        text.push_str(&section(&command).await);
    }
    let page = Page::read("docs/plugin-commands.md");
    page.must_be(&with_table(&page.text, "plugin commands", &text));
}
