//! `collect`: until there is nothing more, or for ever.

use clap::Args;
use serde_json::json;

use super::progress::Progress;
use super::session::Session;
use super::{CliError, Exit, Global, output, session, signals};
use crate::collect::{Collector, End, Mode, Totals, look_back};
use crate::runtime::time;
use crate::sink::Sinks;
use crate::stop::Stop;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Go on for ever, with a pause of `collect.interval`
    #[arg(long)]
    follow: bool,
}

pub(super) async fn run(global: &Global, options: &Options) -> Result<Exit, CliError> {
    let stop = Stop::new();
    let mut progress = Progress::new();
    let Session { config, tenant, state, .. } =
        Session::open(global, session::log(global, progress.bars()), stop.clone()).await?;
    let mut writer = state.writer()?;
    let (mut sinks, mended) = Sinks::open(&config.sinks)?;
    if let Some(sentence) = look_back(&writer, &mut sinks, &mended)? {
        output::words(&sentence);
    }
    signals::listen(&stop);

    let mode = if options.follow { Mode::Follow(config.interval) } else { Mode::Once };
    let mut collector = Collector::new(&tenant, &mut writer, &mut sinks, stop);
    let ended = collector.run(mode, |totals| progress.show(totals)).await;
    progress.end();

    let totals = collector.totals;
    if global.json {
        let report = report(&totals, ended.as_ref().ok());
        // Standard output may belong to the events.
        if sinks.use_stdout() { output::words(&report.to_string()) } else { output::json(&report)? }
    } else {
        summary(&totals);
    }
    let end = ended.map_err(|error| CliError::from(error).placed(&config))?;
    if let Some(words) = end.in_words() {
        output::words(&words);
    }
    Ok(exit(&totals, &end))
}

/// By what failed: nothing, some streams, all of them.
fn exit(totals: &Totals, end: &End) -> Exit {
    let codes: Vec<&str> = totals.failed().map(|(_, failure)| failure.code.as_str()).collect();
    if codes.is_empty() {
        return if *end == End::Stuck { Exit::Failed } else { Exit::Done };
    }
    if codes.len() < totals.streams.len() {
        return Exit::Partial;
    }
    let exits: Vec<Exit> = codes.into_iter().map(Exit::of_code).collect();
    [Exit::Usage, Exit::SignIn].into_iter().find(|exit| exits.contains(exit)).unwrap_or(Exit::Failed)
}

fn summary(totals: &Totals) {
    let width = totals.streams.keys().map(String::len).max().unwrap_or(0);
    for (name, stream) in &totals.streams {
        let mut line = format!("{name:width$}  {} events, {} requests", stream.delivered, stream.requests);
        for (count, what) in [
            (stream.repeated, "seen before"),
            (stream.late, "listed late"),
            (stream.odd, "not as documented"),
            (stream.retries, "requests repeated"),
        ] {
            if count > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        }
        if let Some(watermark) = stream.watermark {
            line.push_str(&format!(", complete up to {}", time(watermark)));
        }
        if let Some(failure) = &stream.failure {
            line.push_str(&format!("; failed: {}", failure.code));
        }
        output::words(&line);
    }
}

fn report(totals: &Totals, end: Option<&End>) -> serde_json::Value {
    let streams = totals.streams.iter().map(|(name, stream)| {
        let gaps =
            stream.gaps.iter().map(|gap| json!({"from": time(gap.from), "to": time(gap.to), "reason": gap.reason}));
        let failure = stream.failure.as_ref().map(|failure| {
            json!({
                "code": failure.code,
                "message": failure.message,
                "remedy": failure.remedy,
                "tracking_id": failure.tracking_id,
            })
        });
        let value = json!({
            "listed": stream.listed,
            "delivered": stream.delivered,
            "repeated": stream.repeated,
            "late": stream.late,
            "odd": stream.odd,
            "requests": stream.requests,
            "retries": stream.retries,
            "watermark": stream.watermark.map(time),
            "frontier": stream.frontier.map(time),
            "pending": stream.pending,
            "gaps": gaps.collect::<Vec<_>>(),
            "failure": failure,
        });
        (name.clone(), value)
    });
    let end = match end {
        None => "failed",
        Some(End::Idle) => "idle",
        Some(End::Stopped) => "stopped",
        Some(End::NotBefore(_)) => "not-before",
        Some(End::Stuck) => "stuck",
    };
    json!({
        "end": end,
        "delivered": totals.delivered(),
        "calls": totals.calls,
        "streams": streams.collect::<serde_json::Map<_, _>>(),
    })
}
