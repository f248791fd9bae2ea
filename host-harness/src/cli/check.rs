//! `check`: what the plugin finds, and what the host needs.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;

use super::finding::{as_json, exit, fail, finding, in_words, ok, warn};
use super::session::Session;
use super::whose::{self, Answer, Default, Whose};
use super::{CliError, Exit, Global, output, session};
use crate::config::Config;
use crate::config::keys::ORIGIN_SETTING;
use crate::durable;
use crate::net::{self, Obstacle, Origin};
use crate::runtime::{Finding, Plugin, Verdict};
use crate::secrets::{Condition, KeySource};
use crate::sink::{SendError, SinkTable};
use crate::stop::Stop;

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
    let of_plugin = session.tenant.check().await?;
    // Where the settings are not understood, nobody knows where to go.
    if !of_plugin.iter().any(|finding| finding.subject == "settings" && finding.verdict == Verdict::Fail) {
        findings.extend(way(&session).await?);
    }
    findings.extend(of_plugin);
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

/// The way to where events come from, over the same proxy and with the same authorities as collecting.
async fn way(session: &Session) -> Result<Vec<Finding>, CliError> {
    let config = &session.config;
    let of_person = config.settings.get(ORIGIN_SETTING).filter(|url| !url.trim().is_empty()).cloned();
    let urls = match of_person {
        Some(url) => vec![url],
        None => session.plugin.describe().await?.origins,
    };
    let mut findings = Vec::new();
    for origin in urls.iter().filter_map(|url| Origin::parse(url).ok()) {
        for (step, reached) in net::probe(&origin, config.way_out.clone()).await {
            findings.push(match reached {
                Ok(text) => ok(step.name(), &text),
                Err(Obstacle { text, remedy }) => fail(step.name(), "unreachable", &text, &remedy),
            });
        }
    }
    Ok(findings)
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
