//! `init`: a commented `webex.toml`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};

use clap::Args;

use super::{CliError, Exit, Global, output, session};
use crate::config::template;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(global: &Global, options: &Options) -> Result<Exit, CliError> {
    let path = &global.config;
    let text = template(&session::plugin(global)?.describe().await?);
    if options.force {
        crate::durable::replace(path, text.as_bytes())?;
    } else {
        let mut new = OpenOptions::new();
        new.write(true).create_new(true);
        // It may come to hold secrets.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut new, 0o600);
        let written = new.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
        written.map_err(|source| match source.kind() {
            ErrorKind::AlreadyExists => {
                CliError::Usage(format!("{} exists already; `init --force` replaces it", path.display()))
            }
            _ => CliError::File { action: "write", path: path.clone(), source },
        })?;
    }
    if global.json {
        output::json(&serde_json::json!({"written": path}))?;
    }
    output::words(&format!(
        "wrote {}: fill in the users, then run `webex-collector check`, which says what is missing",
        path.display()
    ));
    Ok(Exit::Done)
}
