//! People: commands, words, exit codes. One file a command; results go to standard output, words to standard error.

mod check;
mod collect;
mod commands;
mod completions;
mod component;
mod deadletter;
mod demo;
mod elasticsearch;
mod error;
mod finding;
mod harden;
mod heap;
mod init;
mod input;
mod inspect;
mod last_run;
mod login;
mod output;
mod progress;
mod run;
mod secrets;
mod serve;
mod session;
mod signals;
mod spool;
mod table;
mod whose;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::Styles;
use clap::builder::styling::AnsiColor;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

/// Threads that run tasks. The one tenant's cycle is one task, and its requests wait more than they compute.
const WORKERS: usize = 1;

pub use error::{CliError, Exit};

/// How long work that nobody waits for any more may hold up the end of the program: a read of standard input, mostly.
const LEAVE: std::time::Duration = std::time::Duration::from_millis(200);

/// Of the help, where standard output shows colours.
const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Green.on_default().bold())
    .usage(AnsiColor::Green.on_default().bold())
    .literal(AnsiColor::Cyan.on_default().bold())
    .placeholder(AnsiColor::Cyan.on_default());

/// Collects audit and compliance events of Cisco Webex through a plugin component.
#[derive(Debug, Parser)]
#[command(name = "webex-collector", version, max_term_width = 100, disable_help_subcommand = true, styles = STYLES)]
#[command(after_help = Exit::help())]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
struct Global {
    /// Settings file
    #[arg(long, global = true, value_name = "PATH", default_value = "webex.toml")]
    config: PathBuf,
    /// Plugin component to run [default: the one built in]
    #[arg(long, global = true, value_name = "PATH")]
    component: Option<PathBuf>,
    /// Run that component only if its bytes have this SHA-256
    #[arg(long, global = true, value_name = "HEX", requires = "component")]
    component_sha256: Option<component::Checksum>,
    /// One of many tenants, or `all` of them [collect: all by default]
    #[arg(long, global = true, value_name = "NAME")]
    tenant: Option<String>,
    /// Results, and the error that ends the program, as JSON
    #[arg(long, global = true)]
    json: bool,
    /// Lines on standard error as `text` or `json`; `auto`: as JSON where a command goes on for ever and no terminal is there
    // With the possible values every help would be in its long form.
    #[arg(long, global = true, value_enum, value_name = "FORM", default_value_t, hide_possible_values = true)]
    log_format: output::LogFormat,
    /// More about what goes on; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole job against a simulated tenant
    Demo(demo::Options),
    /// Collect what is new, deliver it, remember it
    Collect(collect::Options),
    /// Collect for ever, with status page, health, metrics and commands over HTTP
    Serve(serve::Options),
    /// Sign a user in by way of a browser
    Login(login::Options),
    /// Run one command of the plugin
    Run(run::Options),
    /// List the plugin's commands
    Commands(commands::Options),
    /// Show or change where collecting stands
    LastRun(last_run::Options),
    /// Show, set and delete stored secrets, and change the key that seals them
    Secrets(secrets::Options),
    /// Show, send again or drop events that a sink has refused
    #[command(name = "deadletter")]
    DeadLetter(deadletter::Options),
    /// Show what waits for the sinks
    Spool(spool::Options),
    /// Look at settings, sign-ins, streams, state and sinks
    Check,
    /// Prepare an Elasticsearch or OpenSearch for the events
    Elasticsearch(elasticsearch::Options),
    /// Write a commented settings file
    Init(init::Options),
    /// Show what the component imports, exports and needs
    Inspect,
    /// Write what makes a shell complete this program's command line
    Completions(completions::Options),
}

impl Command {
    /// Whether it goes on until somebody ends it, so that a program reads what it says rather than a person.
    fn is_long_running(&self) -> bool {
        match self {
            Self::Collect(options) => options.is_for_ever(),
            Self::Serve(_) => true,
            Self::Demo(_)
            | Self::Login(_)
            | Self::Run(_)
            | Self::Commands(_)
            | Self::LastRun(_)
            | Self::Secrets(_)
            | Self::DeadLetter(_)
            | Self::Spool(_)
            | Self::Check
            | Self::Elasticsearch(_)
            | Self::Init(_)
            | Self::Inspect
            | Self::Completions(_) => false,
        }
    }
}

/// Parses the command line, runs it, and says how it went.
pub fn main() -> ExitCode {
    // Before anything is read that must not be seen.
    harden::no_dumps();
    heap::one_arena();
    std::panic::set_hook(Box::new(harden::tell_panic));
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // If even that cannot be written there is no one to tell.
        Err(help) if help.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = help.print();
            return Exit::Usage.into();
        }
        Err(error) if error.use_stderr() => {
            let error = CliError::Usage(usage_error(&error));
            // Nothing was parsed, and a program that asked for JSON gets it all the same.
            output::error(&error, std::env::args_os().any(|argument| argument == "--json"));
            return error.exit().into();
        }
        Err(help) => {
            let _ = help.print();
            return Exit::Done.into();
        }
    };
    output::settle(cli.global.log_format, cli.command.is_long_running());
    let as_json = cli.global.json;
    let tasks = match tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build() {
        Ok(tasks) => tasks,
        Err(error) => {
            let error = CliError::Threads(error);
            output::error(&error, as_json);
            return error.exit().into();
        }
    };
    let exit = tasks.block_on(run(cli)).unwrap_or_else(|error| {
        output::error(&error, as_json);
        error.exit()
    });
    tasks.shutdown_timeout(LEAVE);
    exit.into()
}

/// A slip on the command line in one line, as every other error: what is wrong, what is near, where to look.
fn usage_error(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("For more information"));
    let mut line = String::new();
    for part in lines {
        if !line.is_empty() {
            line.push_str(if line.ends_with(':') { " " } else { "; " });
        }
        line.push_str(part);
    }
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("{line}; see `webex-collector --help`")
}

async fn run(cli: Cli) -> Result<Exit, CliError> {
    signals::outlive_file_limits();
    let global = &cli.global;
    match cli.command {
        Command::Demo(options) => demo::run(global, &options).await,
        Command::Collect(options) => collect::run(global, &options).await,
        Command::Serve(options) => serve::run(global, &options).await,
        Command::Login(options) => login::run(global, &options).await,
        Command::Run(options) => run::run(global, &options).await,
        Command::Commands(options) => commands::run(global, &options).await,
        Command::LastRun(options) => last_run::run(global, options).await,
        Command::Secrets(options) => secrets::run(global, options).await,
        Command::DeadLetter(options) => deadletter::run(global, options).await,
        Command::Spool(options) => spool::run(global, options).await,
        Command::Check => check::run(global).await,
        Command::Elasticsearch(options) => elasticsearch::run(global, &options).await,
        Command::Init(options) => init::run(global, &options).await,
        Command::Inspect => inspect::run(global).await,
        Command::Completions(options) => completions::run(global, &options).await,
    }
}
