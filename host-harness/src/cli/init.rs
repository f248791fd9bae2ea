//! `init`: a commented `webex.toml`, filled in with what is asked at a terminal or given as options.

mod ask;

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;

use clap::Args;

use super::{CliError, Exit, Global, output, session};
use crate::config::{Answers, Config, keys, template};
use crate::runtime::Description;
use crate::secrets::{SealedFile, blocking};
use crate::tenants;
use ask::{Terminal, ToKeep, refused};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    /// Ask nothing: what no option says stands in the file as a comment or a line to fill in
    #[arg(short, long)]
    yes: bool,
    /// A user to set up, as `admin`; again for another [default: all]
    #[arg(long, value_name = "USER")]
    user: Vec<String>,
    /// The value of a key, as admin.client_id=C123; of a secret `store`, `env:NAME` or `file:PATH`; again for another
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Where events go: `stdout`, an NDJSON file, or a type of sink, whose keys are then to be filled in
    #[arg(long, value_name = "stdout|FILE|TYPE")]
    sink: Option<String>,
}

pub(super) async fn run(global: &Global, options: &Options) -> Result<Exit, CliError> {
    let path = &global.config;
    // Before anything is asked for it.
    if !options.force && path.exists() {
        return Err(exists(path));
    }
    let plugin = session::plugin(global)?.describe().await?;
    let mut answers = given(options, &plugin)?;
    let is_asked = !options.yes && !global.json && io::stdin().is_terminal() && io::stderr().is_terminal();
    let to_keep = if is_asked {
        ask::ask(&plugin, &mut answers, !options.user.is_empty(), &mut Terminal::new())?
    } else {
        Vec::new()
    };
    if plugin.users.iter().all(|user| answers.is_left_out(&user.name)) {
        return Err(CliError::Usage("without a user nothing can be collected; nothing was written".into()));
    }
    write(path, &template(&plugin, &answers), options.force)?;
    keep(path, to_keep).await?;
    if global.json {
        output::json(&serde_json::json!({"written": path}))?;
    }
    output::words(&next(global, &plugin, &answers));
    Ok(Exit::Done)
}

/// What the options say.
fn given(options: &Options, plugin: &Description) -> Result<Answers, CliError> {
    let mut answers = Answers::default();
    if !options.user.is_empty() {
        answers.only(plugin, &options.user).map_err(refused)?;
    }
    for pair in &options.set {
        // The text may hold a secret that belongs elsewhere, so only the part before the sign is ever told.
        let Some((key, value)) = pair.split_once('=') else {
            return Err(CliError::Usage("values are written as KEY=VALUE, without blanks around the sign".into()));
        };
        answers.put(plugin, key, value).map_err(refused)?;
    }
    if let Some(to) = &options.sink {
        answers.sink(to);
    }
    Ok(answers)
}

fn exists(path: &Path) -> CliError {
    CliError::Usage(format!("{} exists already; `init --force` replaces it", path.display()))
}

fn write(path: &Path, text: &str, replace: bool) -> Result<(), CliError> {
    if replace {
        return Ok(crate::durable::replace(path, text.as_bytes())?);
    }
    let mut new = OpenOptions::new();
    new.write(true).create_new(true);
    // It may come to hold secrets.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut new, 0o600);
    let written = new.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|source| match source.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => CliError::File { action: "write", path: path.to_owned(), source },
    })
}

/// Puts what was asked for into the store of the new file.
async fn keep(path: &Path, to_keep: Vec<ToKeep>) -> Result<(), CliError> {
    if to_keep.is_empty() {
        return Ok(());
    }
    let store = tenants::store(&Config::load(path)?)?;
    blocking(&store, SealedFile::ready).await?;
    for (name, value) in to_keep {
        blocking(&store, move |store| store.set(name, value)).await?;
    }
    output::words(&format!("the secrets are kept in {}", store.path().display()));
    Ok(())
}

/// What was written, and the next commands.
fn next(global: &Global, plugin: &Description, answers: &Answers) -> String {
    let path = global.config.display();
    let users = || plugin.users.iter().filter(|user| !answers.is_left_out(&user.name));
    let is_filled = |user: &str| {
        let mut needed = keys::KEYS.iter().filter(|key| key.needed && key.parts().0 == user);
        needed.all(|key| answers.has(key.path))
    };
    if !users().all(|user| is_filled(&user.name)) {
        return format!(
            "wrote {path}: fill in the users, then run `webex-collector check`, which says what is missing"
        );
    }
    let with = if path.to_string() == "webex.toml" { String::new() } else { format!(" --config {path}") };
    let logins: Vec<String> = users().map(|user| format!("`webex-collector{with} login {}`", user.name)).collect();
    format!("wrote {path}; next: {}, then `webex-collector{with} check`", logins.join(", "))
}
