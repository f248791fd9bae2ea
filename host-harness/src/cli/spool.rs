//! `spool`: what waits on the disk for the sinks.

use std::fmt::Write as _;

use bytesize::ByteSize;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::whose::{self, Answer, Default, Whose};
use super::{CliError, Exit, Global, output};
use crate::config::Config;
use crate::sink::SinkName;
use crate::spool::Spool;
use crate::state::State;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// How much waits for each sink
    Show,
    /// Let go of what waits for a sink that does not come back
    Forget {
        /// Its name
        name: String,
    },
}

pub(super) async fn run(global: &Global, options: Options) -> Result<Exit, CliError> {
    let action = options.action.unwrap_or(Action::Show);
    match Whose::of(global, Default::Nobody)? {
        Whose::One(config) => {
            let answer = answer(&config, &action)?;
            output::result(if global.json { &answer.json } else { &answer.text })?;
            Ok(answer.exit)
        }
        Whose::All(tenants) => whose::each(global, &tenants, async |config| answer(&config, &action)).await,
    }
}

fn answer(config: &Config, action: &Action) -> Result<Answer, CliError> {
    match action {
        Action::Show => show(config),
        Action::Forget { name } => forget(config, name),
    }
}

fn show(config: &Config) -> Result<Answer, CliError> {
    let spool = Spool::look(&config.state_dir)?;
    let (waiting, bytes) = spool.map(|spool| (spool.waiting(), spool.bytes())).unwrap_or_default();
    let room = ByteSize::b(config.spool_bytes);
    let mut text = format!("{} of {room} in the spool\n", ByteSize::b(bytes));
    let mut sinks = Map::new();
    for (name, events) in waiting {
        let is_known = config.sinks.iter().any(|sink| sink.name == name);
        let note = if is_known { "" } else { "  (not configured any more)" };
        let _ = writeln!(text, "{name}  {events} events waiting{note}");
        sinks.insert(name.to_string(), json!({"waiting": events, "configured": is_known}));
    }
    let json = json!({"bytes": bytes, "max_bytes": config.spool_bytes, "sinks": Value::Object(sinks)});
    Ok(Answer { exit: Exit::Done, text, json: format!("{json:#}") })
}

fn forget(config: &Config, name: &str) -> Result<Answer, CliError> {
    if config.sinks.iter().any(|sink| sink.name.as_str() == name) {
        let file = config.file().display();
        return Err(CliError::Usage(format!(
            "the sink {name} is in {file}; take it out first, and nothing waits for it any more"
        )));
    }
    let _held = State::at(&config.state_dir).writer()?;
    let spool = Spool::open(&config.state_dir, config.spool_bytes)?;
    let waiting = spool.waiting();
    let found = waiting.iter().find(|(known, _)| known.as_str() == name);
    let Some((sink, events)): Option<&(SinkName, u64)> = found else {
        return Err(CliError::Usage(format!("nothing waits for a sink {name}")));
    };
    spool.forget(sink)?;
    let text = format!("{events} events that waited for the sink {name} are let go\n");
    Ok(Answer { exit: Exit::Done, text, json: json!({"sink": name, "dropped": events}).to_string() })
}
