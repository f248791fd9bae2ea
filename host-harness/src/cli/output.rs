//! Results on standard output, words on standard error.

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;

use super::CliError;
use crate::redaction;

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
pub(super) fn json(value: &serde_json::Value) -> Result<(), CliError> {
    result(&format!("{value:#}"))
}

/// Writes a line for a person, without secrets.
pub(super) fn words(text: &str) {
    eprintln!("{}", redaction::clean(text));
}

/// Writes the link of a sign-in for a person. Its state is kept out of everything else that is shown, and a link without it is
/// of no use.
pub(super) fn link(url: &str) {
    eprintln!("{url}\n");
}

/// Writes a report, without secrets: its failures quote what others have said.
pub(super) fn report(text: &str) -> Result<(), CliError> {
    result(&redaction::clean(text))
}

/// Text of the plugin as a terminal may show it: lines stay, codes for the terminal do not.
pub(super) fn shown(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { ' ' } else { c }).collect()
}
