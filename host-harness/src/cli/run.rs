//! `run`: one command of the plugin.

use std::collections::BTreeSet;

use clap::Args;

use super::session::Session;
use super::whose::{self, Answer, Default, Whose};
use super::{CliError, Exit, Global, input, output, session, signals};
use crate::collect::{self, SINK_PATIENCE};
use crate::redaction;
use crate::runtime::{Bundle, Command};
use crate::sink::{SinkTable, Sinks};
use crate::spool::Spool;
use crate::stop::Stop;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The command, see `webex-collector commands`
    name: String,
    /// Arguments; `-` as the value of a secret one reads it from standard input
    #[arg(value_name = "NAME=VALUE")]
    arguments: Vec<String>,
}

pub(super) async fn run(global: &Global, options: &Options) -> Result<Exit, CliError> {
    let mut arguments = parse(&options.arguments)?;
    let whose = Whose::of(global, Default::Nobody)?;
    let plugin = whose.plugin(global)?;
    let command = plugin.list_commands().await?.into_iter().find(|command| command.name == options.name);
    if let (Whose::All(_), Some(command)) = (&whose, &command) {
        of_all(command, &arguments)?;
    }
    let stop = Stop::new();
    match whose {
        Whose::One(config) => {
            let session = Session::of(*config, plugin.clone(), session::log(global, None), stop.clone()).await?;
            session.secrets_ready().await?;
            if let Some(command) = &command {
                read_secrets(command, &mut arguments)?;
            }
            signals::listen(&stop);
            let (mut answer, is_beside_events) = answer(&session, &options.name, &arguments).await?;
            plugin.keep();
            if !is_beside_events {
                answer.text = output::laid_out(&answer.text, 0);
            }
            let text = if global.json { answer.json } else { answer.text };
            if is_beside_events {
                output::words(text.trim_end());
            } else {
                output::result(&text)?;
            }
            Ok(answer.exit)
        }
        Whose::All(tenants) => {
            signals::listen(&stop);
            let run = async |config| {
                let session = Session::of(config, plugin.clone(), session::log(global, None), stop.clone()).await?;
                session.secrets_ready().await?;
                let (answer, _) = answer(&session, &options.name, &arguments).await?;
                Ok(Answer { text: output::laid_out(&answer.text, whose::INDENT.len()), ..answer })
            };
            whose::each(global, &tenants, run).await
        }
    }
}

/// Runs the command and delivers what it has for the sinks. Also says whether standard output belongs to the events.
async fn answer(session: &Session, name: &str, arguments: &[(String, String)]) -> Result<(Answer, bool), CliError> {
    let outcome = session.tenant.run_command(name, arguments).await?;
    let outcome = outcome.map_err(|failure| CliError::plugin(failure).placed(&session.config))?;
    let mut is_beside_events = false;
    if !outcome.events.is_empty() {
        let config = &session.config;
        let count = Bundle::count(&outcome.events);
        if let Some(path) = config.direct().filter(|_| !Spool::holds_something(&config.state_dir)) {
            let (sinks, mended) = Sinks::open([path])?;
            mended.iter().for_each(|mended| output::words(&mended.to_string()));
            sinks.marked(config.marks()).deliver(outcome.events)?;
        } else {
            let (mut delivery, _) = collect::open(config, None, session.state.writer()?, session.tenant.log())?;
            delivery.deliver(outcome.events)?;
            let delivered = delivery.drained(SINK_PATIENCE, &Stop::new()).await;
            delivery.close().await;
            delivered.map_err(CliError::Undelivered)?;
        }
        is_beside_events = config.sinks.iter().any(SinkTable::is_stdout);
        output::words(&format!("delivered {count} events to the sinks"));
    }
    let text = output::shown(&outcome.readable);
    Ok((Answer { exit: Exit::Done, text, json: outcome.outputs }, is_beside_events))
}

/// What can be done for all tenants at once: nothing that takes a secret, which is of one of them.
fn of_all(command: &Command, arguments: &[(String, String)]) -> Result<(), CliError> {
    let given = |name: &str| arguments.iter().any(|(given, _)| given == name);
    let secret = command.arguments.iter().find(|argument| argument.secret && given(&argument.name));
    match secret {
        Some(argument) => Err(CliError::Usage(format!(
            "the value of `{}` is of one tenant; name it with --tenant NAME",
            argument.name
        ))),
        None => Ok(()),
    }
}

fn parse(arguments: &[String]) -> Result<Vec<(String, String)>, CliError> {
    let mut names = BTreeSet::new();
    let mut parsed = Vec::new();
    for argument in arguments {
        // The text may hold a code, so only the part before the sign is ever told.
        let Some((name, value)) = argument.split_once('=') else {
            return Err(CliError::Usage("arguments are written as NAME=VALUE, without blanks around the sign".into()));
        };
        if !names.insert(name) {
            return Err(CliError::Usage(format!("the argument `{name}` is given twice")));
        }
        parsed.push((name.to_owned(), value.to_owned()));
    }
    Ok(parsed)
}

/// `code=-`: a code on the command line stands in the shell's history and in the process list.
fn read_secrets(command: &Command, arguments: &mut [(String, String)]) -> Result<(), CliError> {
    let secret = |name: &str| command.arguments.iter().any(|argument| argument.secret && argument.name == name);
    for (_, value) in arguments.iter().filter(|(name, _)| secret(name)) {
        redaction::learn(&value.as_str().into());
    }
    let mut asked = arguments.iter_mut().filter(|(name, value)| value == "-" && secret(name));
    let Some((name, value)) = asked.next() else { return Ok(()) };
    if let Some((other, _)) = asked.next() {
        return Err(CliError::Usage(format!("standard input can give one of `{name}` and `{other}`, not both")));
    }
    *value = input::secret(name)?.expose().to_owned();
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_hold_the_sign_and_a_name_stands_once() {
        let arguments = parse(&["code=a=b".to_owned(), "user=admin".to_owned()]).unwrap();
        assert_eq!(arguments, [("code".into(), "a=b".into()), ("user".into(), "admin".into())]);
        assert!(parse(&["user=a".to_owned(), "user=b".to_owned()]).is_err());
        let message = parse(&["fake-code".to_owned()]).unwrap_err().to_string();
        assert!(!message.contains("fake-code"), "{message}");
    }
}
