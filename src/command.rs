//! What people and playbooks call by name.
//!
//! [`table`] says what there is, [`arguments`] reads what was typed into a closed [`Command`], and a module each does it.

pub mod arguments;
mod events;
mod health;
mod lookups;
mod sign_in;
mod status;
pub mod table;

use serde_json::{Value, json};

use crate::bundle::Events;
use crate::effect::Io;
use crate::failure::Failure;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::stream::{Stream, User};
use crate::time::{Span, Timestamp};

/// How long a command goes on, as long as a call that collects: a person or playbook waits for it.
const BUDGET: Span = Span::secs(60);

/// A command with its arguments, read and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin a sign-in.
    OauthStart(User),
    /// Complete it, with a code or the address that holds it.
    OauthComplete(User, Secret),
    /// See whether the user's tokens and streams work.
    OauthTest(User),
    /// List events of a stream.
    GetEvents(GetEvents),
    /// List organizations.
    ListOrganizations,
    /// List categories of admin audits.
    ListEventCategories,
    /// Get one event of `/events` by its id.
    GetEvent(String),
    /// Say how users and streams stand.
    Status,
    /// Check everything.
    TestModule,
}

/// The arguments of the commands that list events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetEvents {
    /// Of which stream.
    pub stream: Stream,
    /// Whether the host is to deliver them.
    pub should_push: bool,
    /// How many at most.
    pub limit: u32,
    /// From when on.
    pub since: Timestamp,
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Markdown.
    pub readable: String,
    /// An object.
    pub outputs: Value,
    /// To deliver.
    pub events: Events,
}

impl Outcome {
    fn new(readable: impl Into<String>, outputs: Value) -> Self {
        Self { readable: readable.into(), outputs: json!({ PREFIX: outputs }), events: Events::default() }
    }
}

/// Under which all outputs stand.
pub const PREFIX: &str = "CiscoWebex";

/// Runs a command by name. Never touches a last-run.
pub async fn run(io: Io, settings: &Settings, name: &str, args: Vec<(String, String)>) -> Result<Outcome, Failure> {
    let command = arguments::read(name, args, io.now())?;
    let deadline = io.elapsed() + BUDGET;
    match command {
        Command::OauthStart(user) => sign_in::start(io, settings, user, deadline).await,
        Command::OauthComplete(user, code) => sign_in::complete(io, settings, user, &code, deadline).await,
        Command::OauthTest(user) => health::test_user(io, settings, user).await,
        Command::GetEvents(wanted) => events::get_events(io, settings, wanted, deadline).await,
        Command::GetEvent(id) => events::get_event(io, settings, &id, deadline).await,
        Command::ListOrganizations => lookups::organizations(io, settings, deadline).await,
        Command::ListEventCategories => lookups::categories(io, settings, deadline).await,
        Command::Status => status::status(io, settings, deadline).await,
        Command::TestModule => health::test_all(io, settings).await,
    }
}

#[cfg(test)]
mod tests;
