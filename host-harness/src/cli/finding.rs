//! What was looked at, as a line, as JSON and as an exit code.

use console::Style;
use serde_json::json;

use super::{Exit, output, table};
use crate::config::Config;
use crate::runtime::{Description, Finding, Verdict};

/// Columns that a text needs beside its subject; on a narrower terminal it is one line, which the terminal breaks.
const NARROWEST: usize = 30;

pub(super) fn ok(subject: &str, text: &str) -> Finding {
    finding(subject, Verdict::Ok, "ok", text, "")
}

pub(super) fn warn(subject: &str, code: &str, text: &str, remedy: &str) -> Finding {
    finding(subject, Verdict::Warn, code, text, remedy)
}

pub(super) fn fail(subject: &str, code: &str, text: &str, remedy: &str) -> Finding {
    finding(subject, Verdict::Fail, code, text, remedy)
}

pub(super) fn finding(subject: &str, verdict: Verdict, code: &str, text: &str, remedy: &str) -> Finding {
    Finding { subject: subject.into(), verdict, code: code.into(), text: text.into(), remedy: remedy.into() }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
    }
}

/// A line; on a terminal of this width as many as it takes, below each other.
pub(super) fn in_words(finding: &Finding, config: &Config, width: Option<usize>) -> String {
    let mut line = one_line(&finding.text);
    if !finding.remedy.is_empty() {
        line.push_str(&format!("; {}", one_line(&finding.remedy)));
    }
    if finding.code == "invalid-setting"
        && let Some(place) = super::error::named_setting(&finding.text).and_then(|name| config.place_of(name))
    {
        line.push_str(&format!(" ({place})"));
    }
    let line = output::shown(&line);
    let before = format!("{:4}  {:20}  ", verdict(finding.verdict), one_line(&finding.subject));
    let lines = match width.and_then(|width| width.checked_sub(before.len())).filter(|room| *room >= NARROWEST) {
        Some(room) => table::wrap(&line, room),
        None => vec![line],
    };
    let below = format!("\n{}", " ".repeat(before.len()));
    let word = verdict(finding.verdict);
    let rest = before.strip_prefix(word).unwrap_or_default();
    format!("{}{rest}{}\n", colour(finding.verdict).apply_to(word), lines.join(&below))
}

fn colour(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Ok => Style::new().green(),
        Verdict::Warn => Style::new().yellow().bold(),
        Verdict::Fail => Style::new().red().bold(),
    }
}

fn one_line(text: &str) -> String {
    crate::log::plain(text).trim_end_matches('.').to_owned()
}

pub(super) fn as_json(finding: &Finding) -> serde_json::Value {
    json!({
        "subject": finding.subject,
        "verdict": verdict(finding.verdict),
        "code": finding.code,
        "text": finding.text,
        "remedy": finding.remedy,
    })
}

/// The most basic fault decides; if only streams fail and others do not, that is told.
pub(super) fn exit(findings: &[Finding], plugin: &Description) -> Exit {
    let failed: Vec<&Finding> = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).collect();
    if failed.is_empty() {
        return Exit::Done;
    }
    let exits: Vec<Exit> = failed.iter().map(|finding| Exit::of_code(&finding.code)).collect();
    if exits.contains(&Exit::Usage) {
        return Exit::Usage;
    }
    let is_stream = |finding: &Finding| plugin.streams.iter().any(|stream| stream.name == finding.subject);
    let some_work = findings.iter().any(|finding| finding.verdict != Verdict::Fail && is_stream(finding));
    if some_work && failed.iter().all(|finding| is_stream(finding)) {
        return Exit::Partial;
    }
    if failed.iter().any(|finding| finding.subject.starts_with("sink ")) {
        return Exit::Sink;
    }
    if exits.contains(&Exit::SignIn) { Exit::SignIn } else { Exit::Failed }
}
