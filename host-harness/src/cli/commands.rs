//! `commands`: what `run` offers, from the plugin itself.

use std::fmt::Write as _;

use super::{CliError, Exit, Global, output, session};
use crate::config::nearest;
use crate::runtime::listed::{argument_kind, as_json, effect_name, output_kind};
use crate::runtime::{Argument, ArgumentKind, Command};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// One command, with its arguments and outputs
    name: Option<String>,
}

pub(super) async fn run(global: &Global, options: &Options) -> Result<Exit, CliError> {
    let commands = session::plugin(global)?.list_commands().await?;
    let chosen: Vec<&Command> = match &options.name {
        None => commands.iter().collect(),
        Some(name) => {
            let Some(command) = commands.iter().find(|command| &command.name == name) else {
                let hint = nearest::hint(name, commands.iter().map(|command| command.name.as_str()));
                return Err(CliError::Usage(format!("the plugin has no command `{name}`{hint}")));
            };
            vec![command]
        }
    };
    if global.json {
        output::json(&chosen.iter().map(|command| as_json(command)).collect())?;
    } else if options.name.is_some() {
        output::result(&output::headed(&output::shown(&chosen.into_iter().map(in_full).collect::<String>())))?;
    } else {
        output::result(&output::shown(&in_short(&commands)))?;
    }
    Ok(Exit::Done)
}

fn in_short(commands: &[Command]) -> String {
    let width = commands.iter().map(|command| command.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for command in commands {
        let first = command.help.split_inclusive(". ").next().unwrap_or_default().trim();
        let _ = writeln!(text, "{:width$}  {first}", command.name);
    }
    text.push_str(
        "\n`webex-collector commands NAME` shows one in full, `webex-collector run NAME name=value …` runs it.\n",
    );
    text
}

fn in_full(command: &Command) -> String {
    let mut text = format!("{}\n  {}\n", command.name, command.help);
    if !command.arguments.is_empty() {
        text.push_str("\narguments\n");
    }
    for argument in &command.arguments {
        let _ = writeln!(text, "  {}  {}\n      {}", argument.name, kind_in_words(argument), argument.help);
    }
    if !command.outputs.is_empty() {
        text.push_str("\noutputs\n");
    }
    for field in &command.outputs {
        let _ = writeln!(text, "  {}  {}\n      {}", field.path, output_kind(field.kind), field.help);
    }
    let effects: Vec<&str> = command.effects.iter().map(|effect| effect_name(*effect)).collect();
    if !effects.is_empty() {
        let _ = writeln!(text, "\neffects: {}", effects.join(", "));
    }
    let _ = writeln!(text, "\nexample\n  webex-collector run {}", command.example);
    text
}

fn kind_in_words(argument: &Argument) -> String {
    let mut words = vec![match argument.kind {
        ArgumentKind::Choice => argument.choices.join(" | "),
        kind => argument_kind(kind).to_owned(),
    }];
    words.push(if argument.required { "required".into() } else { "optional".into() });
    if let Some(default) = &argument.default {
        words.push(format!("default {default}"));
    }
    if argument.secret {
        words.push("`-` reads it from standard input".into());
    }
    format!("({})", words.join(", "))
}
