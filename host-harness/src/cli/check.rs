//! `check`: what the plugin finds, and what the host needs.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;

use console::Style;
use serde_json::json;

use super::session::Session;
use super::whose::{self, Answer, Default, Whose};
use super::{CliError, Exit, Global, output, session, table};
use crate::config::Config;
use crate::durable;
use crate::runtime::{Description, Finding, Plugin, Verdict};
use crate::secrets::{Condition, KeySource};
use crate::sink::{SendError, SinkTable};
use crate::stop::Stop;

/// A column of texts is not made narrower than this.
const NARROWEST: usize = 30;

pub(super) async fn run(global: &Global) -> Result<Exit, CliError> {
    let whose = Whose::of(global, Default::Nobody)?;
    let plugin = whose.plugin(global)?;
    let exit = match whose {
        Whose::One(config) => {
            let answer = answer(global, *config, plugin.clone()).await?;
            output::report(if global.json { &answer.json } else { &answer.text })?;
            Ok(answer.exit)
        }
        Whose::All(tenants) => {
            whose::each(global, &tenants, async |config| answer(global, config, plugin.clone()).await).await
        }
    };
    plugin.keep();
    exit
}

async fn answer(global: &Global, config: Config, plugin: Plugin) -> Result<Answer, CliError> {
    let session = Session::of(config, plugin, session::log(global, None), Stop::new()).await?;
    let mut findings = host(&session.config);
    for table in &session.config.sinks {
        findings.push(sink(table).await);
    }
    findings.extend(secrets(&session).await);
    let stored = match session.state.load() {
        Ok(stored) => session.tenant.get_last_run(stored.as_ref()).await?.err().map(CliError::plugin),
        Err(error) => Some(error.into()),
    };
    findings.push(match stored {
        None => ok("state", "where collecting stands can be read"),
        Some(error) => fail("state", "corrupt-last-run", &error.line(), ""),
    });
    findings.extend(session.tenant.check().await?);
    let width = output::width(whose::INDENT.len());
    let lines: String = findings.iter().map(|finding| in_words(finding, &session.config, width)).collect();
    Ok(Answer {
        exit: exit(&findings, &session.plugin.describe().await?),
        text: lines,
        json: format!("{:#}", findings.iter().map(as_json).collect::<serde_json::Value>()),
    })
}

/// State folder, sinks, network.
fn host(config: &Config) -> Vec<Finding> {
    let folder = &config.state_dir;
    let state = durable::folder(folder).and_then(|()| {
        let probe = tempfile::NamedTempFile::new_in(folder);
        probe.map(drop).map_err(durable::DurableError::io("write in", folder))
    });
    let mut findings = vec![match state {
        Ok(()) => ok("state_dir", &format!("{} can be written and is closed to others", folder.display())),
        Err(error) => fail("state_dir", "not-writable", &error.to_string(), "name another folder as `state_dir`"),
    }];
    if config.way_out.trust.is_everybody() {
        let remedy = "take `network.danger_accept_invalid_certs` out";
        let text = "certificates are not checked";
        findings.push(finding("network", Verdict::Warn, "certificates-not-checked", text, remedy));
    }
    findings
}

/// The store of secrets and its key, and the settings file where it holds secrets itself.
async fn secrets(session: &Session) -> Vec<Finding> {
    let (file, place) = (session.secrets.path(), session.secrets.place());
    let mut findings = vec![match session.secrets_ready().await {
        Ok(Condition::Empty) => {
            ok("secrets", &format!("none is kept yet; they will be sealed with the key in {place}"))
        }
        Ok(Condition::Sealed(key)) => {
            ok("secrets", &format!("{} is sealed with the key {key} in {place}", file.display()))
        }
        // A setting, the key, or the disk: the exit code says which.
        Err(error) => {
            let code = if error.exit() == Exit::Usage { "invalid-setting" } else { "secrets-unavailable" };
            fail("secrets", code, &error.line(), "")
        }
    }];
    if let KeySource::File(key) = place
        && key.starts_with(&session.config.state_dir)
    {
        let text = "the key of the secrets lies in the state folder, so that a copy of the folder opens them";
        findings.push(warn("secrets", "key-beside-secrets", text, "name a place outside of it as `secrets.key`"));
    }
    for settings in session.config.secret_files() {
        if durable::is_closed(settings).is_ok_and(|closed| !closed) {
            let text = format!("{} holds a secret and can be read by other accounts", settings.display());
            let remedy = format!("run `chmod 600 {}`, or keep the secret in the store", settings.display());
            findings.push(warn("settings file", "exposed", &text, &remedy));
        }
    }
    findings
}

/// A file can be written, a receiver answers a probe that leaves nothing behind.
async fn sink(table: &SinkTable) -> Finding {
    let subject = format!("sink {}", table.name);
    match table.direct() {
        Some(path) => file(&subject, path),
        None => {
            let probed = match table.plan.open() {
                Ok(sink) => sink.probe().await,
                Err(error) => Err(SendError::closed(error.to_string(), "mend the sink")),
            };
            let place = table.plan.place();
            match probed {
                Ok(text) => ok(&subject, &format!("{place}: {text}")),
                Err(SendError::Closed { reason, remedy }) => {
                    fail(&subject, "sink-closed", &format!("{place}: {reason}"), &remedy)
                }
                Err(error) => {
                    let remedy = "see that the receiver runs and can be reached from here";
                    fail(&subject, "sink-failing", &format!("{place}: {error}"), remedy)
                }
            }
        }
    }
}

fn file(subject: &str, path: &Path) -> Finding {
    if path == Path::new("-") {
        return ok(subject, "events go to standard output");
    }
    let name = path.display();
    // Nothing is made here; a folder that takes a file is enough.
    let writable = match OpenOptions::new().append(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            tempfile::NamedTempFile::new_in(folder).map(drop)
        }
        Err(error) => Err(error),
    };
    match writable {
        Ok(()) => ok(subject, &format!("{name} can be written")),
        Err(error) => {
            fail(subject, "not-writable", &format!("{name} cannot be written: {error}"), "mend `path` of the sink")
        }
    }
}

fn ok(subject: &str, text: &str) -> Finding {
    finding(subject, Verdict::Ok, "ok", text, "")
}

fn warn(subject: &str, code: &str, text: &str, remedy: &str) -> Finding {
    finding(subject, Verdict::Warn, code, text, remedy)
}

fn fail(subject: &str, code: &str, text: &str, remedy: &str) -> Finding {
    finding(subject, Verdict::Fail, code, text, remedy)
}

fn finding(subject: &str, verdict: Verdict, code: &str, text: &str, remedy: &str) -> Finding {
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
fn in_words(finding: &Finding, config: &Config, width: Option<usize>) -> String {
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

fn as_json(finding: &Finding) -> serde_json::Value {
    json!({
        "subject": finding.subject,
        "verdict": verdict(finding.verdict),
        "code": finding.code,
        "text": finding.text,
        "remedy": finding.remedy,
    })
}

/// The most basic fault decides; if only streams fail and others do not, that is told.
fn exit(findings: &[Finding], plugin: &Description) -> Exit {
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
