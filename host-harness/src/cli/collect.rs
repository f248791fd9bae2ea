//! `collect`: until there is nothing more, or for ever; of one tenant, or of many.

pub(super) mod many;

use clap::Args;
use serde_json::Value;

use super::output::{self, Note};
use super::progress::Progress;
use super::session::Session;
use super::whose::{Default, Whose};
use super::{CliError, Exit, Global, session, signals};
use crate::collect::{
    self, CollectError, Collector, End, Mode, News, ReAudits, Reach, Round, RoundEnd, SINK_PATIENCE, ScheduleError,
    Step, Totals, What, Wish, report,
};
use crate::config::Config;
use crate::courier::Standing;
use crate::sink::SinkTable;
use crate::stop::Stop;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Go on for ever, with a pause of `collect.interval`
    #[arg(long)]
    follow: bool,
    /// Then read so much of the past once more, and deliver what was listed too late for the first reading, as 24h
    #[arg(long, value_name = "TIME", value_parser = reach)]
    reaudit: Option<Reach>,
    /// Let it go back further than delivered events are remembered, where they come again
    #[arg(long, requires = "reaudit")]
    allow_repeats: bool,
}

fn reach(text: &str) -> Result<Reach, ScheduleError> {
    text.parse()
}

pub(super) async fn run(global: &Global, options: &Options) -> Result<Exit, CliError> {
    match Whose::of(global, Default::All)? {
        Whose::One(config) => one(global, options, *config).await,
        Whose::All(tenants) => many::run(global, options, tenants).await,
    }
}

impl Options {
    /// Whether it goes on until somebody ends it.
    pub(super) fn is_for_ever(&self) -> bool {
        self.follow
    }

    /// What is to be read again after the first round.
    fn wish(&self) -> Option<Wish> {
        self.reaudit.map(|reach| Wish { reach, allow_repeats: self.allow_repeats })
    }
}

async fn one(global: &Global, options: &Options, config: Config) -> Result<Exit, CliError> {
    let stop = Stop::new();
    let mut progress = Progress::new();
    let log = session::log(global, progress.bars());
    let plugin = session::compiled(global, &config.host_dir, &config.secrets_key)?;
    let session = Session::of(config, plugin, log, stop.clone()).await?;
    session.secrets_ready().await?;
    let Session { config, tenant, state, .. } = &session;
    let writer = state.writer()?;
    let (mut delivery, left) = collect::open(config, None, writer, tenant.log())?;
    if let Some(sentence) = left {
        Note::new("looked-back", &sentence).write();
    }
    signals::listen(&stop);

    let mut told = Told::following(global, config.sinks.iter());
    let mode = if options.follow { Mode::Follow(config.interval) } else { Mode::Once };
    let mut collector = Collector::new(tenant, &mut delivery, stop.clone());
    collector.re_audits = ReAudits::new(options.wish(), config.reaudit, &config.state_dir, tenant.log())?;
    let ended = collector
        .run(mode, |step| match step {
            Step::Called(totals) => progress.show(totals),
            Step::Over(round) if options.follow => {
                progress.rest();
                if !told.round(round, &progress) {
                    stop.request();
                }
            }
            Step::Over(round) => told.keep(round),
        })
        .await;
    let totals = collector.totals;
    // With `--follow` what waits goes with the next run.
    let delivered = if options.follow { Ok(()) } else { delivery.drained(SINK_PATIENCE, &stop).await };
    let standings = delivery.close().await;
    progress.end();
    session.plugin.keep();

    told.run(&totals, ended.as_ref().ok(), &standings, options.follow)?;
    let end = ended.map_err(|error| CliError::from(error).placed(config))?;
    if let Some(words) = end.in_words() {
        Note::new("end", &words).write();
    }
    if options.reaudit.is_some() && !options.follow && told.re_audits.is_empty() && end != End::Stopped {
        output::words("nothing was taken up in that time yet, so there is nothing to read again");
    }
    if end != End::Stopped {
        delivered.map_err(CollectError::from)?;
    }
    Ok(told.exit(&totals, &end))
}

/// How a report is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Lines for people, on standard error.
    Words,
    /// JSON on standard output.
    Json,
    /// JSON on standard error, as events are on standard output.
    JsonBesideEvents,
}

impl Form {
    /// Standard output may belong to the events.
    fn of<'a>(global: &Global, mut sinks: impl Iterator<Item = &'a SinkTable>) -> Self {
        match (global.json, sinks.any(SinkTable::is_stdout)) {
            (false, _) => Self::Words,
            (true, false) => Self::Json,
            (true, true) => Self::JsonBesideEvents,
        }
    }
}

/// What is told of a round to people, and where lines are JSON to the log: of one tenant, where there are many.
fn tell(round: &Round, news: &mut News, all: bool, tenant: Option<&str>) {
    match round.what {
        What::Collect => {
            for line in news.of(round, all) {
                Note::new("round", &line.text).about(line.stream.as_deref(), &line.to_string()).of(tenant).write();
            }
        }
        What::ReAudit(_) => tell_re_audit(round, tenant),
    }
}

fn tell_re_audit(round: &Round, tenant: Option<&str>) {
    for line in report::re_audit_lines(round) {
        Note::new("reaudit", line.trim()).about(None, &line).of(tenant).write();
    }
}

/// What a run came to, likewise.
fn tell_run(totals: &Totals, re_audits: &[Round], standings: &[Standing], tenant: Option<&str>) {
    for line in report::lines(totals) {
        Note::new("run", &line).of(tenant).write();
    }
    re_audits.iter().for_each(|round| tell_re_audit(round, tenant));
    for line in report::sink_lines(standings) {
        Note::new("sink", &line).of(tenant).write();
    }
}

/// Writes a report where standard output belongs to the events.
fn beside_events(report: Value) {
    let what = report.get("what").and_then(Value::as_str).unwrap_or("run").to_owned();
    let delivered = report.get("delivered").and_then(Value::as_u64);
    let text = delivered.map_or("the run is over".to_owned(), |events| format!("{events} events delivered"));
    output::beside_events(&what, &text, report);
}

/// What is told of rounds and runs, and how.
pub(super) struct Told {
    form: Form,
    /// Every stream of every round.
    all: bool,
    news: News,
    /// Of a run without `--follow`.
    re_audits: Vec<Round>,
    /// Standard output refused a report.
    unwritten: Option<CliError>,
}

impl Told {
    pub(super) fn following<'a>(global: &Global, sinks: impl Iterator<Item = &'a SinkTable>) -> Self {
        Self {
            form: Form::of(global, sinks),
            all: global.verbose > 0,
            news: News::default(),
            re_audits: Vec::new(),
            unwritten: None,
        }
    }

    /// Why nothing more could be told, if that is so.
    pub(super) fn broken(self) -> Option<CliError> {
        self.unwritten
    }

    /// With `--follow`: at once. False where that cannot be done.
    pub(super) fn round(&mut self, round: &Round, progress: &Progress) -> bool {
        progress.aside(|| match self.form {
            Form::Words => tell(round, &mut self.news, self.all, None),
            Form::Json => self.unwritten = output::report(&report::as_json(round).to_string()).err(),
            Form::JsonBesideEvents => beside_events(report::as_json(round)),
        });
        self.unwritten.is_none()
    }

    /// Without: at the end of the run.
    fn keep(&mut self, round: &Round) {
        if round.what != What::Collect {
            self.re_audits.push(round.clone());
        }
    }

    fn run(
        &mut self,
        totals: &Totals,
        end: Option<&End>,
        standings: &[Standing],
        follow: bool,
    ) -> Result<(), CliError> {
        if let Some(error) = self.unwritten.take() {
            return Err(error);
        }
        if self.form == Form::Words {
            tell_run(totals, &self.re_audits, standings, None);
            return Ok(());
        }
        let report = report::run_as_json(totals, end, self.re_audits.last(), standings);
        match (self.form, follow) {
            (Form::JsonBesideEvents, _) => beside_events(report),
            // One object a line, as its rounds.
            (_, true) => output::report(&report.to_string())?,
            (_, false) => output::report(&format!("{report:#}"))?,
        }
        Ok(())
    }

    fn exit(&self, totals: &Totals, end: &End) -> Exit {
        exit_of(totals, end, self.re_audits.last())
    }
}

/// By what failed in the rounds, then by what failed in the re-audit.
fn exit_of(totals: &Totals, end: &End, re_audit: Option<&Round>) -> Exit {
    let rounds = match end {
        End::Full => return Exit::Sink,
        End::Stuck => Exit::Failed,
        End::Idle | End::Stopped | End::NotBefore(_) => Exit::Done,
    };
    match exit(totals) {
        Exit::Done if rounds == Exit::Done => re_audit.map_or(Exit::Done, |re_audit| match &re_audit.end {
            RoundEnd::Failed { code, .. } => Exit::of_code(code),
            RoundEnd::Ended(_) => exit(&re_audit.totals),
        }),
        Exit::Done => rounds,
        exit => exit,
    }
}

/// By what failed: nothing, some streams, all of them.
fn exit(totals: &Totals) -> Exit {
    let codes: Vec<&str> = totals.failed().map(|(_, failure)| failure.code.as_str()).collect();
    if codes.is_empty() {
        return Exit::Done;
    }
    if codes.len() < totals.streams.len() {
        return Exit::Partial;
    }
    let exits: Vec<Exit> = codes.into_iter().map(Exit::of_code).collect();
    [Exit::Usage, Exit::SignIn].into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Failed)
}
