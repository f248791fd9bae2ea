//! `serve`: collects for ever, and shows how that goes: status page, health, metrics, commands for playbooks.

mod many;
mod notify;
mod one;

use std::net::SocketAddr;

use clap::Args;

use super::whose::{Default, Whose};
use super::{CliError, Exit, Global, output};
use crate::config::ServeTable;
use crate::serve::Server;
pub(super) use one::one;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Address and port, in place of `serve.listen`; port 0: one that is free
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

pub(super) async fn run(global: &Global, options: &Options) -> Result<Exit, CliError> {
    match Whose::of(global, Default::All)? {
        Whose::One(config) => {
            let table = table(config.serve.clone(), options)?;
            let server = open(global, &table).await?;
            one(global, *config, server, &table, false).await
        }
        Whose::All(tenants) => {
            let table = table(tenants.serve.clone(), options)?;
            let server = open(global, &table).await?;
            many::run(global, tenants, server, &table).await
        }
    }
}

fn table(table: ServeTable, options: &Options) -> Result<ServeTable, CliError> {
    match options.listen {
        Some(listen) => table.listening(listen).map_err(|error| CliError::Usage(format!("--listen: {error}"))),
        None => Ok(table),
    }
}

/// Opens the port and says where the page is.
pub(super) async fn open(global: &Global, table: &ServeTable) -> Result<Server, CliError> {
    let log = super::session::log(global, None);
    let server = Server::bind(table, log).await?;
    output::words(&format!("status page: http://{}/", server.address()));
    Ok(server)
}
