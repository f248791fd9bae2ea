//! `collect` of many tenants: each line says whose it is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::{Form, Options, beside_events, exit_of, tell, tell_run};
use crate::cli::output::{self, Note};
use crate::cli::{CliError, Exit, Global, error, session, signals};
use crate::collect::{End, News, Round, SharedSinks, report};
use crate::config::{ConfigError, TenantName, Tenants};
use crate::stop::Stop;
use crate::tenants::{Outcome, Scheduler, Shared, Step, Summary};

/// Failing tenants that are named in the last line of `--follow`.
const NAMED: usize = 10;

pub(super) async fn run(global: &Global, options: &Options, tenants: Tenants) -> Result<Exit, CliError> {
    let listing = tenants.list()?;
    if listing.tenants.is_empty() && listing.refused.is_empty() && !options.follow {
        let dir = tenants.dir().display();
        return Err(CliError::Usage(format!("{dir} holds no tenants: write a file NAME.toml there for each")));
    }
    signals::allow_many_files();
    let stop = Stop::new();
    let plugin = session::compiled(global, tenants.host_dir(), tenants.secrets_key())?;
    signals::listen(&stop);
    let states: Vec<PathBuf> = listing.tenants.keys().map(|name| tenants.state_of(name)).collect();
    let (sinks, mended) = SharedSinks::open(&tenants.sinks, states.iter().map(PathBuf::as_path))?;
    mended.iter().for_each(|mended| Note::new("looked-back", &mended.to_string()).write());
    let mut told = Told::new(global, &tenants, options.follow, stop.clone());
    let log = session::log(global, None);
    let observe = |step: Step<'_>| told.step(step);
    let (follow, wish) = (options.follow, options.wish());
    let shared = Shared { plugin: plugin.clone(), tenants, sinks, log, stop, follow, wish, watch: None };
    let summary = Scheduler::new(shared, observe).run().await?;
    plugin.keep();
    told.run(summary)
}

/// What is told of rounds and runs, and how.
pub(in crate::cli) struct Told {
    form: Form,
    follow: bool,
    /// Every stream of every round.
    all: bool,
    news: BTreeMap<TenantName, News>,
    stop: Stop,
    /// Standard output refused a report.
    unwritten: Option<CliError>,
}

impl Told {
    /// Of rounds for ever.
    pub(in crate::cli) fn following(global: &Global, tenants: &Tenants, stop: Stop) -> Self {
        Self::new(global, tenants, true, stop)
    }

    fn new(global: &Global, tenants: &Tenants, follow: bool, stop: Stop) -> Self {
        let (form, all) = (Form::of(global, tenants.sinks.iter()), global.verbose > 0);
        Self { form, follow, all, news: BTreeMap::new(), stop, unwritten: None }
    }

    pub(in crate::cli) fn step(&mut self, step: Step<'_>) {
        let say = |code, name: &TenantName, text: &str| Note::new(code, text).of(Some(name.as_str())).write();
        match step {
            Step::Came(name) => say("tenant-came", name, "its file is new; collecting begins"),
            Step::Went(name) => {
                self.news.remove(name);
                say("tenant-went", name, "its file is gone; collecting ends, its state is kept");
            }
            Step::Listed => Note::new("tenants-listed", "the folder of the tenants can be read again").write(),
            Step::Refused(error) | Step::Unlisted(error) => Note::error("configuration", &error.to_string()).write(),
            Step::LookedBack(name, found) => say("looked-back", name, found),
            Step::Recovered(name) => say("tenant-recovered", name, "collects again"),
            Step::Failed(name, error, again) => {
                let again = again.map(|pause| format!("; tried again in {}", humantime::format_duration(pause)));
                let again = again.unwrap_or_default();
                let text = format!("{}{again}", error::line(error));
                Note::error("tenant-failed", &text).of(Some(name.as_str())).write();
            }
            Step::Over(name, round) if self.follow => self.round(name, round),
            Step::Over(..) => {}
        }
    }

    fn round(&mut self, name: &TenantName, round: &Round) {
        let report = || of_tenant(name, report::as_json(round));
        match self.form {
            Form::Words => {
                let news = self.news.entry(name.clone()).or_default();
                tell(round, news, self.all, Some(name.as_str()));
            }
            Form::JsonBesideEvents => beside_events(report()),
            Form::Json => {
                if let Err(error) = output::report(&report().to_string()) {
                    self.unwritten = Some(error);
                    self.stop.request();
                }
            }
        }
    }

    pub(in crate::cli) fn run(self, summary: Summary) -> Result<Exit, CliError> {
        if let Some(error) = self.unwritten {
            return Err(error);
        }
        let mut exits: Vec<Exit> = summary.tenants.values().map(exit).collect();
        exits.extend(summary.refused.iter().map(|path| CliError::from(ConfigError::TenantName(path.clone())).exit()));
        match (self.form, self.follow) {
            (Form::Words, false) => summary.tenants.iter().for_each(|(name, outcome)| in_words(name, outcome)),
            (Form::Words, true) => Note::new("end", &in_sum(&summary)).write(),
            (form, follow) => {
                let tenants: Map<String, Value> =
                    summary.tenants.iter().map(|(name, outcome)| (name.to_string(), as_json(outcome))).collect();
                let run = json!({"what": "run", "tenants": tenants});
                match (form, follow) {
                    (Form::JsonBesideEvents, _) => beside_events(run),
                    (_, true) => output::report(&run.to_string())?,
                    (_, false) => output::report(&format!("{run:#}"))?,
                }
            }
        }
        match summary.broken {
            Some(error) => Err(error.into()),
            None => Ok(Exit::of_many(&exits)),
        }
    }
}

/// Without `--follow`: what it came to. A failure was told when it arose.
fn in_words(name: &TenantName, outcome: &Outcome) {
    let tenant = Some(name.as_str());
    tell_run(&outcome.totals, outcome.re_audit.as_slice(), &outcome.sinks, tenant);
    if let Some(words) = outcome.end.as_ref().ok().and_then(End::in_words) {
        Note::new("end", &words).of(tenant).write();
    }
}

/// With `--follow`: what each round came to was told.
fn in_sum(summary: &Summary) -> String {
    let delivered: u64 = summary.tenants.values().map(|outcome| outcome.totals.delivered()).sum();
    let failing: Vec<&str> = summary
        .tenants
        .iter()
        .filter(|(_, outcome)| exit(outcome) != Exit::Done)
        .map(|(name, _)| name.as_str())
        .collect();
    let mut text = format!(
        "stopped as asked; everything delivered is recorded, the next run goes on here; {delivered} events of {} tenants",
        summary.tenants.len()
    );
    if !failing.is_empty() {
        let named: Vec<&str> = failing.iter().take(NAMED).copied().collect();
        text.push_str(&format!("; {} failed: {}", failing.len(), named.join(", ")));
        if failing.len() > NAMED {
            text.push_str(", …");
        }
    }
    text
}

fn as_json(outcome: &Outcome) -> Value {
    let mut value =
        report::run_as_json(&outcome.totals, outcome.end.as_ref().ok(), outcome.re_audit.as_ref(), &outcome.sinks);
    if let (Err(error), Value::Object(members)) = (&outcome.end, &mut value) {
        members.insert("error".to_owned(), error::line(error).into());
    }
    value
}

fn of_tenant(name: &TenantName, mut round: Value) -> Value {
    if let Value::Object(members) = &mut round {
        members.insert("tenant".to_owned(), name.as_str().into());
    }
    round
}

fn exit(outcome: &Outcome) -> Exit {
    match &outcome.end {
        Ok(end) => exit_of(&outcome.totals, end, outcome.re_audit.as_ref()),
        Err(error) => Exit::of_tenant(error),
    }
}
