//! `elasticsearch`: what the receiver needs for the events to be found well.

use clap::{Args, Subcommand};
use serde_json::json;

use super::whose::{Default, Whose};
use super::{CliError, Exit, Global, output};
use crate::sink::elasticsearch::{DATA_STREAMS, ElasticsearchPlan, Flavour, template};
use crate::sink::{SendError, SinkError, SinkTable};

#[derive(Debug, Args)]
pub(super) struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print or install the index template that keeps each item in one field
    Init(Init),
}

#[derive(Debug, Args)]
struct Init {
    /// Put it into the cluster of the sink, instead of printing it
    #[arg(long)]
    install: bool,
    /// Replace a template of this name that is there
    #[arg(long, requires = "install")]
    force: bool,
    /// For OpenSearch
    #[arg(long)]
    opensearch: bool,
    /// For plain indices or aliases, instead of data streams
    #[arg(long)]
    no_data_stream: bool,
    /// The sink, where there are several of this type
    #[arg(long, value_name = "NAME")]
    sink: Option<String>,
}

pub(super) async fn run(global: &Global, options: &Options) -> Result<Exit, CliError> {
    let Command::Init(init) = &options.command;
    // Printing needs no settings, though it takes the names of indices from them.
    let is_needed = init.install || init.sink.is_some() || global.config.exists();
    let sinks = if is_needed { sinks(global)? } else { Vec::new() };
    let chosen = chosen(&sinks, init)?;
    let patterns = chosen.map_or_else(|| vec![DATA_STREAMS.to_owned()], |(_, plan)| plan.patterns());
    let flavour = if init.opensearch { Flavour::OpenSearch } else { Flavour::Elasticsearch };
    let text = format!("{:#}\n", template(flavour, &patterns, !init.no_data_stream));
    let Some((table, plan)) = chosen.filter(|_| init.install) else {
        output::result(&text)?;
        return Ok(Exit::Done);
    };
    let name = format!("webex-{}", table.name);
    let refused = |error: SendError| SinkError::Setup { name: table.name.to_string(), reason: error.to_string() };
    if !plan.install(&name, &text, init.force).await.map_err(refused)? {
        let problem =
            format!("the index template {name} exists already; `elasticsearch init --install --force` replaces it");
        return Err(CliError::Usage(problem));
    }
    if global.json {
        output::json(&json!({"installed": name, "index_patterns": patterns}))?;
    }
    let more = "it holds for indices that are made from now on; what is there changes when it rolls over";
    output::words(&format!("the index template {name} is installed for {}; {more}", patterns.join(", ")));
    Ok(Exit::Done)
}

fn sinks(global: &Global) -> Result<Vec<SinkTable>, CliError> {
    Ok(match Whose::of(global, Default::All)? {
        Whose::One(config) => config.sinks,
        Whose::All(tenants) => tenants.sinks,
    })
}

/// The one that is named, or the only one.
fn chosen<'a>(sinks: &'a [SinkTable], init: &Init) -> Result<Option<(&'a SinkTable, &'a ElasticsearchPlan)>, CliError> {
    let of_type = sinks.iter().filter_map(|table| Some((table, ElasticsearchPlan::of_table(table)?)));
    let named = |(table, _): &(&SinkTable, &ElasticsearchPlan)| {
        init.sink.as_deref().is_none_or(|name| table.name.as_str() == name)
    };
    let found: Vec<_> = of_type.filter(named).collect();
    match (&*found, &init.sink) {
        ([one], _) => Ok(Some(*one)),
        ([], None) if !init.install => Ok(None),
        ([], None) => Err(CliError::Usage("the settings have no sink of the type \"elasticsearch\"".to_owned())),
        ([], Some(name)) => Err(CliError::Usage(format!("there is no sink `{name}` of the type \"elasticsearch\""))),
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|(table, _)| table.name.as_str()).collect();
            Err(CliError::Usage(format!("name one with --sink NAME: {}", names.join(", "))))
        }
    }
}
