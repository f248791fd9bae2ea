//! docs/commands.md: every command of the program, with the options that its own help names.

use std::collections::BTreeSet;

use host_harness::simulator::TenantSettings;

use super::page::{Page, TURN, with_table};
use crate::program::Place;

/// An option, or what a command takes: the line that names it, and those that say what it is.
fn entries(help: &str, heading: &str) -> Vec<String> {
    let section = help.split(&format!("{heading}:\n")).nth(1).unwrap_or_default();
    let section = section.split("\n\nExit codes").next().unwrap_or_default();
    let mut entries: Vec<String> = Vec::new();
    for line in section.lines() {
        // The next heading begins at the edge.
        if !line.is_empty() && !line.starts_with(' ') {
            break;
        }
        let bare = line.trim();
        let begins = line.starts_with("  ") && !line.starts_with("          ") && !bare.is_empty();
        match entries.last_mut() {
            _ if begins => entries.push(format!("{line}\n")),
            Some(entry) if !bare.is_empty() => entry.push_str(&format!("{line}\n")),
            _ => {}
        }
    }
    entries
}

/// The name by which an option is known.
fn name(entry: &str) -> &str {
    entry.split(|c: char| c.is_whitespace() || c == ',').find(|word| word.starts_with("--")).unwrap_or_default()
}

struct Program<'a> {
    place: &'a Place,
    everywhere: BTreeSet<String>,
}

impl Program<'_> {
    async fn help(&self, command: &[&str]) -> Option<String> {
        let ran = self.place.run(&[command, &["--help"]].concat()).await;
        (ran.code == Some(0)).then_some(ran.stdout)
    }

    /// Usage, actions, arguments and options of its own.
    async fn shown(&self, command: &[&str]) -> Option<String> {
        let help = self.help(command).await?;
        let mut text = help
            .lines()
            .filter(|line| line.starts_with("Usage: "))
            .fold(String::new(), |text, line| text + line.trim_start_matches("Usage: ") + "\n");
        for heading in ["Commands", "Arguments", "Options"] {
            let is_own = |entry: &String| heading != "Options" || !self.everywhere.contains(name(entry));
            let entries: String = entries(&help, heading).into_iter().filter(is_own).collect();
            if !entries.is_empty() {
                text.push_str(&format!("\n{heading}:\n{entries}"));
            }
        }
        Some(text)
    }
}

#[tokio::test]
async fn the_page_of_commands_has_every_command_with_its_options() {
    let _turn = TURN.lock().await;
    let place = Place::without_sign_in(TenantSettings::default()).await;
    let mut program = Program { place: &place, everywhere: BTreeSet::new() };
    let help = program.help(&[]).await.unwrap();
    let everywhere = entries(&help, "Options");
    program.everywhere = everywhere.iter().map(|entry| name(entry).to_owned()).collect();

    let page = Page::read("docs/commands.md");
    let options: String = everywhere.concat();
    let mut after = with_table(&page.text, "help", &format!("Everywhere:\n\n```text\n{options}```\n"));
    let commands: Vec<String> = entries(&help, "Commands")
        .iter()
        .filter_map(|entry| entry.split_whitespace().next().map(str::to_owned))
        .collect();
    assert!(commands.len() > 10, "{help}");
    for command in &commands {
        assert!(page.text.contains(&format!("\n## `{command}`\n")), "docs/commands.md says nothing of `{command}`");
        let mut text = program.shown(&[command]).await.unwrap();
        let actions = entries(&program.help(&[command]).await.unwrap(), "Commands");
        for action in actions.iter().filter_map(|entry| entry.split_whitespace().next()) {
            // One that takes nothing is said with the others.
            let shown = program.shown(&[command, action]).await.unwrap();
            if shown.lines().count() > 1 {
                text.push_str(&format!("\n{shown}"));
            }
        }
        after = with_table(&after, &format!("help {command}"), &format!("```text\n{}\n```\n", text.trim_end()));
    }
    page.must_be(&after);
}
