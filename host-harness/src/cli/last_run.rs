//! `last-run`: where collecting stands, for a person; changes go through the plugin, which alone understands it.

use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::session::Session;
use super::whose::{self, Answer, Default, Whose};
use super::{CliError, Exit, Global, output, session};
use crate::config::Config;
use crate::runtime::{LastRun, LastRunPart, LastRunView, Plugin, Reset, StreamView, time};
use crate::state::State;
use crate::stop::Stop;

/// Bytes of a last-run that is imported; parts of 64 KiB, some hundreds at most.
const MAX_IMPORT: u64 = 256 << 20;

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Clone, Debug, Subcommand)]
enum Action {
    /// Where each stream stands; with --json a copy that `import` takes
    Show,
    /// Collect from a time on again; what is remembered as delivered does not come twice
    Reset {
        /// One stream [default: all]
        #[arg(long)]
        stream: Option<String>,
        /// From when on, as 2026-01-31T10:00:00Z or 2026-01-31
        #[arg(long)]
        since: String,
    },
    /// Go on where another collector stood: the `last_run` of the Cortex collector, or a copy of this one's
    Import {
        /// The file; `-` is standard input
        file: PathBuf,
    },
}

pub(super) async fn run(global: &Global, options: Options) -> Result<Exit, CliError> {
    let action = options.action.unwrap_or(Action::Show);
    // What can be refused without the plugin is refused first.
    let since = match &action {
        Action::Reset { since, .. } => parse_time(since)?,
        Action::Show | Action::Import { .. } => 0,
    };
    let whose = Whose::of(global, Default::Nobody)?;
    let plugin = whose.plugin(global)?;
    match whose {
        Whose::One(config) => {
            let answer = answer(global, *config, plugin, action, since).await?;
            output::result(if global.json { &answer.json } else { &answer.text })?;
            Ok(answer.exit)
        }
        Whose::All(_) if matches!(action, Action::Import { .. }) => {
            Err(CliError::Usage("a last-run is of one tenant; name it with --tenant NAME".to_owned()))
        }
        Whose::All(tenants) => {
            let again = async |config| answer(global, config, plugin.clone(), action.clone(), since).await;
            whose::each(global, &tenants, again).await
        }
    }
}

async fn answer(
    global: &Global,
    config: Config,
    plugin: Plugin,
    action: Action,
    since: i64,
) -> Result<Answer, CliError> {
    let session = Session::of(config, plugin, session::log(global, None), Stop::new()).await?;
    let (tenant, config) = (&session.tenant, &session.config);
    let last_run = match action {
        Action::Show => session.state.load()?,
        Action::Reset { stream, .. } => {
            let mut writer = session.state.writer()?;
            writer.load()?;
            // Nobody else writes now; with the texts of all parts, of which the change may need any.
            let stored = session.state.load()?;
            let changed = tenant.change_last_run(stored.as_ref(), &Reset { stream, since }).await?;
            let changed = changed.map_err(|failure| CliError::plugin(failure).placed(config))?;
            tell(writer.store(&changed)?.as_deref(), "changed");
            Some(changed)
        }
        Action::Import { file } => {
            let imported = import(&file)?;
            let mut writer = session.state.writer()?;
            let view = tenant.get_last_run(Some(&imported)).await?;
            let view = view.map_err(|failure| CliError::plugin(failure).placed(config).about(&file))?;
            tell(writer.store(&view.last_run)?.as_deref(), "imported");
            Some(view.last_run)
        }
    };
    let view = tenant.get_last_run(last_run.as_ref()).await?;
    let view = view.map_err(|failure| CliError::plugin(failure).placed(config))?;
    if last_run.is_none() && !global.json {
        output::words("nothing was collected yet; this is where a first collection starts");
    }
    let text = output::headed(&output::shown(&view.streams.iter().map(in_words).collect::<String>()));
    Ok(Answer { exit: Exit::Done, text, json: format!("{:#}", as_json(&view)) })
}

/// What was done, and where to find what was stored before.
fn tell(kept: Option<&Path>, done: &str) {
    match kept {
        Some(path) => output::words(&format!("{done}; what was stored before is kept as {}", path.display())),
        None => output::words(&format!("{done}; nothing was stored before")),
    }
}

/// A last-run of another collector, or a copy of one of this one's.
fn import(file: &Path) -> Result<LastRun, CliError> {
    let cannot = |source| CliError::File { action: "read", path: file.to_owned(), source };
    let mut text = String::new();
    if file == Path::new("-") {
        std::io::stdin().lock().take(MAX_IMPORT).read_to_string(&mut text).map_err(cannot)?;
    } else {
        let open = std::fs::File::open(file).map_err(cannot)?;
        open.take(MAX_IMPORT).read_to_string(&mut text).map_err(cannot)?;
    }
    if let Ok(copy) = serde_json::from_str::<Copy>(&text) {
        return Ok(copy.last_run.into());
    }
    // A file of the state folder itself, with its parts beside it.
    if serde_json::from_str::<StateFile>(&text).is_ok() {
        if file == Path::new("-") {
            let problem =
                "a file of the state folder is read with the parts that stand beside it; name the file itself";
            return Err(CliError::Usage(problem.into()));
        }
        let stored = State::load_file(file)?;
        return stored.ok_or_else(|| CliError::Usage(format!("{} holds no last-run", file.display())));
    }
    if serde_json::from_str::<Map<String, Value>>(&text).is_err() {
        return Err(CliError::Usage(format!(
            "{} holds no last-run, or only a piece of one; give what `last-run show --json` wrote, a `head.json` of a state \
             folder, or the `last_run` of the Cortex collector",
            file.display()
        )));
    }
    // Any other object is the plugin's to understand or to refuse: the Cortex collector's form, for one.
    Ok(LastRun { head: text.trim().to_owned(), parts: Vec::new() })
}

/// What `show --json` writes, as far as `import` reads it.
#[derive(Deserialize)]
struct Copy {
    last_run: CopiedLastRun,
}

#[derive(Deserialize)]
struct CopiedLastRun {
    head: String,
    parts: Vec<CopiedPart>,
}

#[derive(Deserialize)]
struct CopiedPart {
    name: String,
    body: String,
}

impl From<CopiedLastRun> for LastRun {
    fn from(copied: CopiedLastRun) -> Self {
        let parts = copied.parts.into_iter().map(|part| LastRunPart { name: part.name, body: Some(part.body) });
        Self { head: copied.head, parts: parts.collect() }
    }
}

/// What tells a file of the state folder.
#[derive(Deserialize)]
struct StateFile {
    #[serde(rename = "format")]
    _format: u64,
}

/// RFC 3339; without an offset it is UTC, a date alone is its midnight.
fn parse_time(text: &str) -> Result<i64, CliError> {
    let text = text.trim();
    let whole = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp_millis());
    let without_offset = || {
        let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f");
        time.map(|time| time.and_utc().timestamp_millis())
    };
    let date = || {
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d");
        date.map(|date| date.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
    };
    whole.or_else(|_| without_offset()).or_else(|_| date()).map_err(|_| {
        CliError::Usage(format!("--since: `{text}` is not a time; write it as 2026-01-31T10:00:00Z or 2026-01-31"))
    })
}

fn title(stream: &StreamView) -> String {
    let of: Vec<&str> = [&stream.org, &stream.resource].into_iter().flatten().map(String::as_str).collect();
    if of.is_empty() { stream.stream.clone() } else { format!("{} ({})", stream.stream, of.join(", ")) }
}

fn in_words(stream: &StreamView) -> String {
    let mut text = format!(
        "{}\n  complete up to        {}\n  taken up to           {}\n  remembered ids        {}\n  \
         ids remembered since  {}\n",
        title(stream),
        time(stream.watermark),
        time(stream.frontier),
        stream.seen,
        stream.remembered.map_or_else(|| "the first one".to_owned(), time)
    );
    if let Some(at) = stream.not_before {
        let _ = writeln!(text, "  not before            {}", time(at));
    }
    for pending in &stream.pending {
        let mut words = String::new();
        if pending.started {
            words.push_str(", started");
        }
        if pending.failed > 0 {
            let _ = write!(words, ", failed {} times", pending.failed);
        }
        if let Some(at) = pending.not_before {
            let _ = write!(words, ", not before {}", time(at));
        }
        let _ = writeln!(text, "  pending               {} to {}{words}", time(pending.from), time(pending.to));
    }
    for gap in &stream.gaps {
        let _ = writeln!(text, "  not collected         {} to {}: {}", time(gap.from), time(gap.to), gap.reason);
    }
    text
}

fn as_json(view: &LastRunView) -> Value {
    let streams = view.streams.iter().map(|stream| {
        let pending = stream.pending.iter().map(|pending| {
            json!({
                "from": time(pending.from),
                "to": time(pending.to),
                "started": pending.started,
                "failed": pending.failed,
                "not_before": pending.not_before.map(time),
            })
        });
        let gaps =
            stream.gaps.iter().map(|gap| json!({"from": time(gap.from), "to": time(gap.to), "reason": gap.reason}));
        json!({
            "stream": stream.stream,
            "org": stream.org,
            "resource": stream.resource,
            "watermark": time(stream.watermark),
            "frontier": time(stream.frontier),
            "pending": pending.collect::<Vec<_>>(),
            "seen": stream.seen,
            "remembered": stream.remembered.map(time),
            "not_before": stream.not_before.map(time),
            "gaps": gaps.collect::<Vec<_>>(),
        })
    });
    let parts = view.last_run.parts.iter().map(|part| json!({"name": part.name, "body": part.body}));
    json!({
        "streams": streams.collect::<Vec<_>>(),
        "last_run": {"head": view.last_run.head, "parts": parts.collect::<Vec<_>>()},
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_rfc_3339_or_without_offset_or_a_date() {
        for text in
            ["2026-01-31T10:00:00Z", "2026-01-31T11:00:00+01:00", "2026-01-31T10:00:00", "2026-01-31T10:00:00.000"]
        {
            assert_eq!(parse_time(text).unwrap(), 1_769_853_600_000, "{text}");
        }
        assert_eq!(parse_time("2026-01-31").unwrap(), 1_769_817_600_000);
        for text in ["", "yesterday", "2026-13-01", "31.01.2026"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_copy_is_taken_back_and_anything_else_is_left_to_the_plugin() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("last-run.json");
        let last_run =
            LastRun { head: "head".into(), parts: vec![LastRunPart { name: "a".into(), body: Some("body".into()) }] };
        let copy = as_json(&LastRunView { last_run: last_run.clone(), streams: Vec::new() });
        std::fs::write(&file, copy.to_string()).unwrap();
        assert_eq!(import(&file).unwrap(), last_run);

        let cortex = r#"{"admin_audits":{"since_datetime":"2026-01-31T10:00:00.000Z","next_url":""}}"#;
        std::fs::write(&file, cortex).unwrap();
        assert_eq!(import(&file).unwrap(), LastRun { head: cortex.into(), parts: Vec::new() });

        for noise in ["", "[]", "7", "{\"last_run\": ", "not JSON"] {
            std::fs::write(&file, noise).unwrap();
            assert!(matches!(import(&file), Err(CliError::Usage(_))), "{noise}");
        }
    }
}
