//! Results on standard output, words on standard error.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::OnceLock;

use clap::ValueEnum;
use console::{Style, Term};
use serde_json::{Value, json};

use super::error::Told;
use super::{CliError, table};
use crate::log::{Form, Level, Line, plain, to_standard_error};
use crate::redaction;
use crate::runtime::{Clock, time};

/// What `--log-format` may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// JSON where a command goes on for ever and standard error is no terminal, else words
    #[default]
    Auto,
    /// Words for people
    Text,
    /// One JSON object a line
    Json,
}

impl LogFormat {
    /// What becomes of it for this command.
    fn form(self, is_long_running: bool, is_terminal: bool) -> Form {
        match self {
            Self::Auto if is_long_running && !is_terminal => Form::Json,
            Self::Auto | Self::Text => Form::Words,
            Self::Json => Form::Json,
        }
    }
}

/// How this process writes on standard error, once that is known. A signal, a panic and the end of the program have it from here.
static FORM: OnceLock<Form> = OnceLock::new();

/// Settles how words are written, once and for all.
pub(super) fn settle(format: LogFormat, is_long_running: bool) {
    let _ = FORM.set(format.form(is_long_running, io::stderr().is_terminal()));
}

/// How words and lines of the log are written on standard error.
pub(super) fn form() -> Form {
    FORM.get().copied().unwrap_or(Form::Words)
}

/// Writes a result. A reader that has gone (`… | head`) is no failure of the command.
pub(super) fn result(text: &str) -> Result<(), CliError> {
    let mut stdout = io::stdout().lock();
    let written = stdout
        .write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { stdout.write_all(b"\n") })
        .and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(CliError::File { action: "write to", path: PathBuf::from("standard output"), source: error })
        }
        _ => Ok(()),
    }
}

/// Writes a result as JSON.
pub(super) fn json(value: &Value) -> Result<(), CliError> {
    result(&format!("{value:#}"))
}

/// Writes the link of a sign-in for a person. Its state is kept out of everything else that is shown, and a link without it is
/// of no use.
pub(super) fn link(url: &str) {
    to_standard_error(&format!("{url}\n"));
}

/// Writes a report, without secrets: its failures quote what others have said.
pub(super) fn report(text: &str) -> Result<(), CliError> {
    result(&redaction::clean(text))
}

/// Columns of the terminal that standard output is, but for some at the left; none where it is something else.
pub(super) fn width(indent: usize) -> Option<usize> {
    let (_, columns) = Term::stdout().size_checked()?;
    usize::from(columns).checked_sub(indent).filter(|columns| *columns > 0)
}

/// Markdown as it is written: on a terminal its tables fit the columns that such an indentation leaves, elsewhere it stays.
pub(super) fn laid_out(markdown: &str, indent: usize) -> String {
    width(indent).map_or_else(|| markdown.to_owned(), |width| table::fit(markdown, width, &Style::new().bold()))
}

/// The text with its headings, where standard output shows that: a heading has indented lines below it.
pub(super) fn headed(text: &str) -> String {
    with_headings(text, &Style::new().bold())
}

fn with_headings(text: &str, look: &Style) -> String {
    let is_indented = |line: &&str| line.starts_with(' ');
    let mut lines = text.lines().peekable();
    let mut headed = String::new();
    while let Some(line) = lines.next() {
        let is_heading = !line.is_empty() && !is_indented(&line) && lines.peek().is_some_and(is_indented);
        if is_heading {
            headed.push_str(&look.apply_to(line).to_string());
        } else {
            headed.push_str(line);
        }
        headed.push('\n');
    }
    headed
}

/// Writes a sentence for a person, without secrets.
pub(super) fn words(text: &str) {
    Note::new("note", text).write();
}

/// Something to say on standard error: a sentence where a person reads it, a line of the log where a program does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note<'a> {
    level: Level,
    code: &'a str,
    tenant: Option<&'a str>,
    stream: Option<&'a str>,
    text: &'a str,
    in_columns: Option<&'a str>,
}

impl<'a> Note<'a> {
    /// What goes on. `code` is the stable name of it.
    pub(super) fn new(code: &'a str, text: &'a str) -> Self {
        Self { level: Level::Info, code, tenant: None, stream: None, text, in_columns: None }
    }

    /// What a person must act on.
    pub(super) fn error(code: &'a str, text: &'a str) -> Self {
        Self { level: Level::Error, ..Self::new(code, text) }
    }

    /// Of one tenant, where there are many.
    pub(super) fn of(self, tenant: Option<&'a str>) -> Self {
        Self { tenant, ..self }
    }

    /// About one stream. `in_columns` is said to a person in place of the text: it names the stream, too.
    pub(super) fn about(self, stream: Option<&'a str>, in_columns: &'a str) -> Self {
        Self { stream, in_columns: Some(in_columns), ..self }
    }

    pub(super) fn write(self) {
        to_standard_error(&match form() {
            Form::Words => self.in_words(),
            Form::Json => self.line().written(Form::Json, Clock::System.now()),
        });
    }

    /// Only errors say what they are: all else that a person reads here is what goes on.
    fn in_words(self) -> String {
        let text = redaction::clean(self.in_columns.unwrap_or(self.text));
        let of = self.tenant.map(|tenant| format!("{tenant}: ")).unwrap_or_default();
        match self.level {
            Level::Debug | Level::Info => format!("{of}{text}"),
            level @ (Level::Warn | Level::Error) => format!("{}: {of}{text}", level.in_colour()),
        }
    }

    fn line(self) -> Line {
        let stream = self.stream.map(|stream| ("stream".to_owned(), stream.to_owned()));
        Line {
            level: self.level,
            code: self.code.to_owned(),
            // Cut last: a secret must not stick out of what is left.
            text: plain(&redaction::clean(self.text)),
            tenant: self.tenant.map(str::to_owned),
            fields: stream.into_iter().collect(),
        }
    }
}

/// Writes a JSON object where standard output belongs to the events: on standard error, as a line of the log where those are JSON.
pub(super) fn beside_events(code: &str, text: &str, object: Value) {
    to_standard_error(&redaction::clean(&match form() {
        Form::Words => object.to_string(),
        Form::Json => of_the_log(Level::Info, code, text, object).to_string(),
    }));
}

/// Writes the error that ends the program: on a terminal in two lines, what happened and what to do, elsewhere in one.
pub(super) fn error(error: &CliError, as_json: bool) {
    if form() == Form::Json {
        let object = json!({"error": error.as_json()});
        let line = of_the_log(Level::Error, error.code(), &plain(&error.line()), object).to_string();
        to_standard_error(&redaction::clean(&line));
    } else if as_json {
        to_standard_error(&redaction::clean(&json!({"error": error.as_json()}).to_string()));
    } else if io::stderr().is_terminal() {
        let Told { what, remedy } = error.told();
        let to_do = Style::new().for_stderr().bold().apply_to("do");
        to_standard_error(&redaction::clean(&format!("{}: {what}\n   {to_do}: {remedy}", Level::Error.in_colour())));
    } else {
        Note::error(error.code(), &error.line()).write();
    }
}

/// The object with the members that every line of the log has.
fn of_the_log(level: Level, code: &str, text: &str, mut object: Value) -> Value {
    let members = json!({"time": time(Clock::System.now()), "level": level.name(), "code": code, "text": text});
    if let (Value::Object(object), Value::Object(members)) = (&mut object, members) {
        object.extend(members);
    }
    object
}

/// Text of the plugin as a terminal may show it: lines stay, codes for the terminal do not.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_json_where_a_program_reads_what_goes_on_for_ever() {
        for (format, is_long_running, is_terminal, want) in [
            (LogFormat::Auto, true, false, Form::Json),
            (LogFormat::Auto, true, true, Form::Words),
            (LogFormat::Auto, false, false, Form::Words),
            (LogFormat::Text, true, false, Form::Words),
            (LogFormat::Json, false, true, Form::Json),
        ] {
            assert_eq!(format.form(is_long_running, is_terminal), want, "{format:?} {is_long_running} {is_terminal}");
        }
    }

    #[test]
    fn a_note_is_a_sentence_for_people_and_a_line_for_programs() {
        let note = Note::new("round", "2 events").of(Some("one")).about(Some("events"), "events  2 events");
        assert_eq!(note.in_words(), "one: events  2 events");
        let line = note.line();
        assert_eq!(
            (line.code.as_str(), line.text.as_str(), line.tenant.as_deref()),
            ("round", "2 events", Some("one"))
        );
        assert_eq!(line.fields, [("stream".to_owned(), "events".to_owned())]);
    }

    #[test]
    fn a_heading_has_indented_lines_below_it() {
        let text = "events\n  complete up to  x\n\nno heading\n";
        let bold = Style::new().bold().force_styling(true);
        assert_eq!(with_headings(text, &bold), format!("\u{1b}[1mevents\u{1b}[0m{}", text.replacen("events", "", 1)));
        assert_eq!(with_headings(text, &Style::new().force_styling(false)), text);
    }

    #[test]
    fn a_note_as_a_line_of_the_log_cannot_flood_it() {
        assert_eq!(Note::new("note", &"x\n".repeat(5_000)).line().text.len(), plain(&"x ".repeat(5_000)).len());
    }
}
