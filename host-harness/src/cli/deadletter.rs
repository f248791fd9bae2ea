//! `deadletter`: events that a sink has refused, each with the reason. They count as not delivered until a person decides.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::whose::{self, Answer, Default, Whose};
use super::{CliError, Exit, Global, output, session};
use crate::collect::{self, SINK_PATIENCE};
use crate::config::Config;
use crate::courier::{DeadLetter, DeadLetters};
use crate::runtime::time;
use crate::sink::{Event, SinkName};
use crate::state::State;
use crate::stop::Stop;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// When, where and why; with --json also the events themselves
    List(Which),
    /// Send them again, after the receiver was mended
    Replay(Which),
    /// Let them go; they are not delivered then
    Drop {
        #[command(flatten)]
        which: Which,
        /// All of them, where no id is named
        #[arg(long)]
        all: bool,
    },
}

#[derive(Debug, Default, Args)]
struct Which {
    /// Ids of events; none: all
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Only those of this sink
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
}

impl Which {
    fn is_of(&self, sink: &SinkName) -> bool {
        self.sink.as_ref().is_none_or(|name| name == sink.as_str())
    }

    fn holds(&self, letter: &DeadLetter) -> bool {
        self.ids.is_empty() || self.ids.contains(&letter.id)
    }
}

pub(super) async fn run(global: &Global, options: Options) -> Result<Exit, CliError> {
    let whose = Whose::of(global, Default::Nobody)?;
    let action = options.action.unwrap_or(Action::List(Which::default()));
    if let Action::Drop { which, all: false } = &action
        && which.ids.is_empty()
    {
        return Err(CliError::Usage("name the ids of the events to let go, or --all".to_owned()));
    }
    match whose {
        Whose::One(config) => {
            let answer = answer(global, *config, &action).await?;
            output::result(if global.json { &answer.json } else { &answer.text })?;
            Ok(answer.exit)
        }
        Whose::All(tenants) => {
            whose::each(global, &tenants, async |config| answer(global, config, &action).await).await
        }
    }
}

async fn answer(global: &Global, config: Config, action: &Action) -> Result<Answer, CliError> {
    match action {
        Action::List(which) => list(&config, which),
        Action::Replay(which) => replay(global, &config, which).await,
        Action::Drop { which, .. } => {
            // Held, so that no collection adds to the file meanwhile.
            let _held = State::at(&config.state_dir).writer()?;
            let count = drop_letters(&config, which)?;
            Ok(done(&format!("{count} events are let go"), json!({"dropped": count})))
        }
    }
}

fn list(config: &Config, which: &Which) -> Result<Answer, CliError> {
    let (mut text, mut all) = (String::new(), Vec::new());
    for (sink, letters) in DeadLetters::all(&config.state_dir) {
        if !which.is_of(&sink) {
            continue;
        }
        for letter in letters.list()?.into_iter().filter(|letter| which.holds(letter)) {
            let DeadLetter { at, reason, id, stream, .. } = &letter;
            let _ = writeln!(text, "{}  {sink}  {stream}  {id}  {reason}", time(*at));
            all.push(as_json(&sink, &letter));
        }
    }
    if text.is_empty() {
        text.push_str("no event was refused\n");
    }
    Ok(Answer { exit: Exit::Done, text: output::shown(&text), json: format!("{:#}", Value::from(all)) })
}

fn as_json(sink: &SinkName, letter: &DeadLetter) -> Value {
    json!({
        "at": time(letter.at),
        "sink": sink.as_str(),
        "reason": letter.reason,
        "id": letter.id,
        "org": letter.org,
        "stream": letter.stream,
        "created": letter.created.map(time),
        "body": letter.body,
    })
}

/// Puts them back into the spool, each for its sink alone, and delivers.
async fn replay(global: &Global, config: &Config, which: &Which) -> Result<Answer, CliError> {
    let mut state = State::at(&config.state_dir).writer()?;
    let known: BTreeSet<&SinkName> = config.sinks.iter().map(|sink| &sink.name).collect();
    let mut count = 0;
    {
        let spool = collect::spool(config, &mut state)?;
        for (sink, letters) in DeadLetters::all(&config.state_dir) {
            if !which.is_of(&sink) {
                continue;
            }
            if !known.contains(&sink) {
                return Err(CliError::Usage(format!(
                    "the sink {sink} is not configured any more, so nothing can be sent there"
                )));
            }
            let (again, stay): (Vec<_>, Vec<_>) =
                letters.list()?.into_iter().partition(|letter| which.holds(letter) && !letter.id.is_empty());
            if again.is_empty() {
                continue;
            }
            count += again.len();
            let events: Vec<_> = again.into_iter().map(DeadLetter::into_event).collect();
            // In the spool first: after a crash in between they are in both, and come twice rather than never.
            let read: Vec<_> = events.iter().map(Event::as_read).collect();
            spool.put(&read, None, Some(&sink))?;
            letters.keep(&stay)?;
        }
    }
    if count == 0 {
        return Ok(done("no event was refused", json!({"replayed": 0})));
    }
    let (mut delivery, _) = collect::open(config, None, state, &session::log(global, None))?;
    let delivered = delivery.drained(SINK_PATIENCE, &Stop::new()).await;
    let refused: u64 = delivery.close().await.iter().map(|standing| standing.refused).sum();
    delivered.map_err(CliError::Undelivered)?;
    let left = if refused > 0 { format!("; {refused} are refused, see `deadletter list`") } else { String::new() };
    let mut answer =
        done(&format!("{count} events were sent again{left}"), json!({"replayed": count, "refused": refused}));
    if refused > 0 {
        answer.exit = Exit::Sink;
    }
    Ok(answer)
}

/// Takes them out of their files; returns how many there were.
fn drop_letters(config: &Config, which: &Which) -> Result<usize, CliError> {
    let mut count = 0;
    for (sink, letters) in DeadLetters::all(&config.state_dir) {
        if which.is_of(&sink) {
            let (gone, stay): (Vec<_>, Vec<_>) = letters.list()?.into_iter().partition(|letter| which.holds(letter));
            letters.keep(&stay)?;
            count += gone.len();
        }
    }
    Ok(count)
}

fn done(text: &str, json: Value) -> Answer {
    Answer { exit: Exit::Done, text: format!("{text}\n"), json: format!("{json:#}") }
}
