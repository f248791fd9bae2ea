//! `demo`: the whole job against a simulated tenant.

use std::path::PathBuf;
use std::time::Duration;

use std::net::SocketAddr;

use clap::Args;
use serde_json::json;

use super::progress::Progress;
use super::{CliError, Exit, Global, component, output, serve, session, signals};
use crate::config::{Config, ServeTable};
use crate::demo::{self, DemoError, Outcome, Step};
use crate::stop::Stop;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where the events go, one line each; `-` is standard output
    #[arg(long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// Events of the backlog, in each of the three streams
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    events: u32,
    /// What the simulation draws from: the same number, the same tenant
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Seconds for which new events come in
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(0..=3_600))]
    live: u64,
    /// Look at the status page instead: nobody has signed in, and it goes on until Ctrl-C
    #[arg(long, conflicts_with = "live")]
    serve: bool,
    /// Address and port of the page; port 0: one that is free
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8765", requires = "serve")]
    listen: SocketAddr,
}

/// `serve` against a simulated tenant. Its state is gone at the end.
async fn hosted(global: &Global, options: &Options) -> Result<Exit, CliError> {
    let table = ServeTable::local(options.listen).map_err(|error| CliError::Usage(format!("--listen: {error}")))?;
    let server = serve::open(global, &table).await?;
    let events = usize::try_from(options.events).unwrap_or(usize::MAX);
    let webex = demo::hosted::tenant(server.address(), events, options.seed).await.map_err(DemoError::Start)?;
    let folder = tempfile::tempdir().map_err(DemoError::Start)?;
    let text = demo::hosted::settings(&webex, server.address(), folder.path(), &options.output);
    let config = Config::parse(&text, &folder.path().join("webex.toml"))?;
    output::words("sign both users in on the page; there a button of the simulated Webex is your password");
    let ended = serve::one(global, config, server, &table, true).await;
    webex.stop().await;
    ended
}

pub(super) async fn run(global: &Global, options: &Options) -> Result<Exit, CliError> {
    output::words(
        "SIMULATED: this demo runs against a Webex tenant simulated inside this program; no real tenant is asked",
    );
    if options.serve {
        return hosted(global, options).await;
    }
    let stop = Stop::new();
    signals::listen(&stop);
    let mut progress = Progress::new();
    let options = demo::Options {
        events: usize::try_from(options.events).unwrap_or(usize::MAX),
        seed: options.seed,
        live: Duration::from_secs(options.live),
        output: options.output.clone(),
    };
    let log = session::log(global, progress.bars());
    let outcome = demo::run(component::read(global)?.bytes(), &options, &log, &stop, |step| match step {
        Step::Words(words) => progress.aside(|| output::words(&words)),
        Step::Collected(totals) => progress.show(totals),
    })
    .await;
    progress.end();
    let outcome = outcome?;
    match (global.json, options.output.as_os_str() == "-") {
        (false, _) => summary(&outcome, &options),
        (true, false) => output::json(&as_json(&outcome))?,
        (true, true) => output::beside_events("demo", "the demo is over", as_json(&outcome)),
    }
    Ok(if outcome.stopped || outcome.tally.is_exact() { Exit::Done } else { Exit::Failed })
}

fn summary(outcome: &Outcome, options: &demo::Options) {
    output::words("");
    output::words("stream             listed  delivered   lost  repeated  invented");
    for (name, stream) in &outcome.tally.streams {
        output::words(&format!(
            "{name:16} {:8} {:10} {:6} {:9} {:9}",
            stream.listed, stream.delivered, stream.lost, stream.repeated, stream.invented
        ));
    }
    output::words(&format!(
        "{} requests, {} of them answered with a fault or a refusal; {} leaked secrets; 1 restart; {:.1} s",
        outcome.requests,
        outcome.faults,
        outcome.leaks,
        outcome.took.as_secs_f64()
    ));
    if options.output.as_os_str() != "-" {
        output::words(&format!("the events are in {}", options.output.display()));
    }
    output::words(match (outcome.stopped, outcome.tally.is_exact()) {
        (true, _) => "stopped as asked, before the end",
        (false, true) => "each event that the simulated tenant lists was delivered once",
        (false, false) => "the delivered events are NOT those that the simulated tenant lists",
    });
}

fn as_json(outcome: &Outcome) -> serde_json::Value {
    let streams = outcome.tally.streams.iter().map(|(name, stream)| {
        let value = json!({
            "listed": stream.listed,
            "delivered": stream.delivered,
            "lost": stream.lost,
            "repeated": stream.repeated,
            "invented": stream.invented,
        });
        (name.clone(), value)
    });
    json!({
        "simulated": true,
        "streams": streams.collect::<serde_json::Map<_, _>>(),
        "requests": outcome.requests,
        "faults": outcome.faults,
        "leaks": outcome.leaks,
        "restarts": 1,
        "seconds": outcome.took.as_secs_f64(),
        "stopped": outcome.stopped,
    })
}
