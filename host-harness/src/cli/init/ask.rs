//! What `init` asks at a terminal, in the order of the file.

use std::io;
use std::path::PathBuf;

use console::Term;
use dialoguer::{Confirm, Input, Select};

use crate::cli::CliError;
use crate::config::keys::{ASKED, KEYS, Key, Kind, Shown, Target};
use crate::config::{AnswerError, Answers, help, setting};
use crate::runtime::{Description, User};
use crate::secrets::Secret;
use crate::sink::KINDS;

/// A person who is asked.
pub(super) trait Questions {
    /// Yes or no.
    fn yes(&mut self, question: &str, default: bool) -> Result<bool, CliError>;
    /// A line, which may be empty.
    fn text(&mut self, question: &str, default: &str) -> Result<String, CliError>;
    /// One of these.
    fn choice(&mut self, question: &str, choices: &[String], default: usize) -> Result<usize, CliError>;
    /// A line that nobody sees.
    fn secret(&mut self, question: &str) -> Result<Secret, CliError>;
}

/// A secret that is to be kept in the store, under its name.
pub(super) type ToKeep = (&'static str, Secret);

/// Asks for what has no answer yet.
pub(super) fn ask(
    plugin: &Description,
    answers: &mut Answers,
    are_users_known: bool,
    questions: &mut impl Questions,
) -> Result<Vec<ToKeep>, CliError> {
    let mut to_keep = Vec::new();
    for user in &plugin.users {
        if !are_users_known && !questions.yes(&is_there(plugin, user), true)? {
            answers.leave_out(&user.name);
        }
        if !answers.is_left_out(&user.name) {
            of_user(plugin, user, answers, &mut to_keep, questions)?;
        }
    }
    for key in ASKED.iter().filter_map(|path| KEYS.iter().find(|key| key.path == *path)) {
        // A stream is a question of who reads it.
        let stream = plugin.streams.iter().find(|stream| stream.name == key.parts().1);
        if !answers.has(key.path) && !stream.is_some_and(|stream| answers.is_left_out(&stream.user)) {
            of_setting(plugin, key, answers, questions)?;
        }
    }
    if !answers.has_sink() {
        answers.sink(&sink(questions)?);
    }
    Ok(to_keep)
}

fn is_there(plugin: &Description, user: &User) -> String {
    let of_user = plugin.streams.iter().filter(|stream| stream.user == user.name);
    let streams: Vec<&str> = of_user.map(|stream| stream.title.as_str()).collect();
    format!("Set up the {}, to read {}?", user.title, streams.join(" and "))
}

fn of_user(
    plugin: &Description,
    user: &User,
    answers: &mut Answers,
    to_keep: &mut Vec<ToKeep>,
    questions: &mut impl Questions,
) -> Result<(), CliError> {
    for key in KEYS.iter().filter(|key| key.parts().0 == user.name) {
        let Shown::Open(shown) = key.shown else { continue };
        if answers.has(key.path) {
            continue;
        }
        let mut question = format!("{}: {}", user.title, help(plugin, key));
        if !key.needed && shown == "\"\"" {
            question.push_str(" Nothing: `login` finds it.");
        }
        if key.kind == Kind::Secret {
            let place = secret(&question, key, shown, to_keep, questions)?;
            put(answers, plugin, key, &place)?;
            continue;
        }
        let shown = shown.trim_matches('"');
        let answer =
            if key.needed { needed(&question, shown, questions)? } else { questions.text(&question, shown)? };
        if !answer.trim().is_empty() {
            put(answers, plugin, key, answer.trim())?;
        }
    }
    Ok(())
}

/// Asks until there is an answer.
fn needed(question: &str, default: &str, questions: &mut impl Questions) -> Result<String, CliError> {
    let mut answer = questions.text(question, default)?;
    while answer.trim().is_empty() {
        answer = questions.text(&format!("It is needed. {question}"), default)?;
    }
    Ok(answer.trim().to_owned())
}

/// Where a secret is: its answer.
fn secret(
    question: &str,
    key: &Key,
    shown: &str,
    to_keep: &mut Vec<ToKeep>,
    questions: &mut impl Questions,
) -> Result<String, CliError> {
    let places = ["in the encrypted store; it is asked for now", "in an environment variable", "in a file"];
    match questions.choice(&format!("{question} Where is it?"), &places.map(str::to_owned), 0)? {
        0 => {
            let value = questions.secret(question)?;
            if let Target::Secret(name) = key.target {
                to_keep.push((name, value));
            }
            Ok("store".to_owned())
        }
        1 => {
            let variable = shown.split('"').nth(1).unwrap_or_default();
            Ok(format!("env:{}", needed("Name of the variable", variable, questions)?))
        }
        _ => Ok(format!("file:{}", needed("Path of the file", "", questions)?)),
    }
}

fn of_setting(
    plugin: &Description,
    key: &'static Key,
    answers: &mut Answers,
    questions: &mut impl Questions,
) -> Result<(), CliError> {
    let question = help(plugin, key);
    let setting = setting(plugin, key.target);
    let default = setting.and_then(|setting| setting.default.as_deref()).unwrap_or_default();
    let answer = match setting.map(|setting| setting.choices.as_slice()).unwrap_or_default() {
        [] if key.kind == Kind::Boolean => questions.yes(&question, default == "true")?.to_string(),
        [] => questions.text(&question, default)?,
        choices => {
            let at = choices.iter().position(|choice| choice == default).unwrap_or_default();
            let chosen = questions.choice(&question, choices, at)?;
            choices.get(chosen).cloned().unwrap_or_default()
        }
    };
    if answer == default { Ok(()) } else { put(answers, plugin, key, &answer) }
}

fn sink(questions: &mut impl Questions) -> Result<String, CliError> {
    let kinds = KINDS.iter().filter(|kind| kind.name != "ndjson");
    let places = ["standard output, as NDJSON".to_owned(), "a file, as NDJSON".to_owned()];
    let places: Vec<String> =
        places.into_iter().chain(kinds.clone().map(|kind| format!("{}: {}", kind.name, kind.about))).collect();
    match questions.choice("Where do events go? More sinks can be added in the file.", &places, 1)? {
        0 => Ok("stdout".to_owned()),
        1 => {
            let path = questions.text("Path of the file", "events.ndjson")?;
            Ok(if path.trim().is_empty() { "stdout".to_owned() } else { path.trim().to_owned() })
        }
        at => Ok(kinds.clone().nth(at - 2).map_or("stdout", |kind| kind.name).to_owned()),
    }
}

fn put(answers: &mut Answers, plugin: &Description, key: &Key, value: &str) -> Result<(), CliError> {
    answers.put(plugin, key.path, value).map_err(refused)
}

pub(super) fn refused(error: AnswerError) -> CliError {
    CliError::Usage(error.to_string())
}

/// Whoever sits at the terminal.
pub(super) struct Terminal(Term);

impl Terminal {
    pub(super) fn new() -> Self {
        Self(Term::stderr())
    }
}

/// The prompt puts a colon behind it.
fn prompt(question: &str) -> &str {
    question.trim_end_matches('.')
}

fn cannot(error: dialoguer::Error) -> CliError {
    let dialoguer::Error::IO(source) = error;
    CliError::File { action: "ask at", path: PathBuf::from("the terminal"), source }
}

impl Questions for Terminal {
    fn yes(&mut self, question: &str, default: bool) -> Result<bool, CliError> {
        Confirm::new().with_prompt(prompt(question)).default(default).interact_on(&self.0).map_err(cannot)
    }

    fn text(&mut self, question: &str, default: &str) -> Result<String, CliError> {
        let mut input = Input::<String>::new().with_prompt(prompt(question)).allow_empty(true);
        if !default.is_empty() {
            input = input.default(default.to_owned());
        }
        input.interact_text_on(&self.0).map_err(cannot)
    }

    fn choice(&mut self, question: &str, choices: &[String], default: usize) -> Result<usize, CliError> {
        Select::new().with_prompt(prompt(question)).items(choices).default(default).interact_on(&self.0).map_err(cannot)
    }

    fn secret(&mut self, question: &str) -> Result<Secret, CliError> {
        loop {
            let typed = rpassword::prompt_password(format!("{} (it is not shown): ", prompt(question)));
            let value: Secret = typed.map_err(|error: io::Error| cannot(error.into()))?.into();
            let value = value.trimmed();
            if !value.expose().is_empty() {
                crate::redaction::learn(&value);
                return Ok(value);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests;
