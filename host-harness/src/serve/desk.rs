//! Where what is asked over HTTP meets the tenants: commands run, users sign in, a round begins now.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;

use crate::board::Board;
use crate::collect::{CollectError, Wake};
use crate::config::{ConfigError, TenantName, Tenants};
use crate::log::Log;
use crate::runtime::{Bundle, Command, Description, Failure, Plugin, RuntimeError, Tenant};
use crate::stop::Stop;
use crate::tenants::{self, TenantError};

/// Commands at a time; more wait.
const SIDE_BY_SIDE: usize = 4;

/// Whom the server speaks for.
#[allow(clippy::large_enum_variant, reason = "there is one of them, at the start")]
pub enum Whose {
    /// The one tenant, which is open, and what wakes its collector.
    One(Box<Tenant>, Wake),
    /// Many, each opened when it is asked for, and by what their scheduler is told whom to wake.
    Many(Tenants, UnboundedSender<TenantName>),
}

/// Takes what is asked.
pub struct Desk {
    plugin: Plugin,
    whose: Whose,
    board: Board,
    log: Log,
    stop: Stop,
    commands: Vec<Command>,
    description: Description,
    side_by_side: Semaphore,
}

/// What a command came to.
#[derive(Debug)]
pub(super) struct Ran {
    /// For a person.
    pub(super) readable: String,
    /// For a playbook.
    pub(super) outputs: String,
    /// Events that went to the sinks.
    pub(super) delivered: usize,
}

/// Why something asked for was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum DeskError {
    /// Nobody has that name.
    #[error("there is no tenant `{0}`")]
    NoTenant(String),
    /// There are many tenants.
    #[error("there are many tenants; name one with `?tenant=NAME`")]
    TenantNeeded,
    /// There is only one.
    #[error("there is one tenant here, which has no name")]
    NoNames,
    /// The tenant cannot be opened.
    #[error(transparent)]
    Tenant(#[from] TenantError),
    /// The plugin could not be run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The plugin could not do it.
    #[error("{}", crate::runtime::in_words(.0))]
    Failed(Box<Failure>),
    /// Its events could not be delivered.
    #[error("the events of the command could not be delivered: {0}")]
    Undelivered(#[from] CollectError),
    /// Nothing delivers events of this tenant now.
    #[error("the sinks of this tenant are not open now, so its events cannot be delivered; try again")]
    NotCollecting,
    /// The program ends.
    #[error("the program is about to end")]
    Stopping,
}

/// A tenant for one request.
pub(super) enum Opened<'a> {
    /// That is open anyway.
    Kept(&'a Tenant),
    /// For this alone.
    Now(Box<Tenant>),
}

impl std::ops::Deref for Opened<'_> {
    type Target = Tenant;

    fn deref(&self) -> &Tenant {
        match self {
            Self::Kept(tenant) => tenant,
            Self::Now(tenant) => tenant,
        }
    }
}

impl Desk {
    /// For these tenants.
    ///
    /// # Errors
    /// The plugin does not say what it is.
    pub async fn new(plugin: Plugin, whose: Whose, board: Board, log: Log, stop: Stop) -> Result<Self, RuntimeError> {
        let (commands, description) = (plugin.list_commands().await?, plugin.describe().await?);
        let side_by_side = Semaphore::new(SIDE_BY_SIDE);
        Ok(Self { plugin, whose, board, log, stop, commands, description, side_by_side })
    }

    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    pub(super) fn stop(&self) -> &Stop {
        &self.stop
    }

    /// What the plugin offers.
    pub(super) fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// What the plugin is.
    pub(super) fn description(&self) -> &Description {
        &self.description
    }

    /// Whether tenants have names.
    pub(super) fn has_names(&self) -> bool {
        matches!(self.whose, Whose::Many(..))
    }

    /// The tenant of this name; the only one has none.
    pub(super) async fn tenant(&self, name: Option<&str>) -> Result<Opened<'_>, DeskError> {
        let name = name.filter(|name| !name.is_empty());
        let (tenants, name) = match (&self.whose, name) {
            (Whose::One(tenant, _), None) => return Ok(Opened::Kept(tenant)),
            (Whose::One(..), Some(_)) => return Err(DeskError::NoNames),
            (Whose::Many(..), None) => return Err(DeskError::TenantNeeded),
            (Whose::Many(tenants, _), Some(name)) => (tenants, name),
        };
        let unknown = || DeskError::NoTenant(name.to_owned());
        let name = TenantName::parse(name).ok_or_else(unknown)?;
        let config = tenants.config(&name).map_err(|error| match error {
            ConfigError::Missing(_) => unknown(),
            error => TenantError::from(error).into(),
        })?;
        let store = tenants::store(&config).map_err(TenantError::from)?;
        tenants::ready(&config, &store).await?;
        let log = self.log.of_tenant(name.as_str());
        let tenant = tenants::open(&self.plugin, &config, &store, log, self.stop.clone()).await?;
        Ok(Opened::Now(Box::new(tenant)))
    }

    /// A round of this tenant begins now, or as soon as it can.
    pub(super) fn wake(&self, name: Option<&str>) {
        match (&self.whose, name) {
            (Whose::One(_, wake), _) => wake.wake(),
            (Whose::Many(_, wakes), Some(name)) => {
                // Nobody is there to be woken when everything ends.
                TenantName::parse(name).map(|name| wakes.send(name));
            }
            (Whose::Many(..), None) => {}
        }
    }

    /// Runs a command; its events go where the tenant's events go.
    pub(super) async fn run(
        &self,
        name: Option<&str>,
        command: &str,
        arguments: &[(String, String)],
    ) -> Result<Ran, DeskError> {
        let _turn = self.side_by_side.acquire().await.map_err(|_| DeskError::Stopping)?;
        let tenant = self.tenant(name).await?;
        let outcome = tenant.run_command(command, arguments).await?;
        let outcome = outcome.map_err(|failure| DeskError::Failed(Box::new(failure)))?;
        let delivered = Bundle::count(&outcome.events);
        if delivered > 0 {
            let outlet = self.board.part(name).outlet().ok_or(DeskError::NotCollecting)?;
            // It may wait for the disk, and for the batch that is being recorded.
            let done = tokio::task::spawn_blocking(move || outlet.deliver(outcome.events)).await;
            done.unwrap_or(Err(CollectError::Defect))?;
        }
        Ok(Ran { readable: outcome.readable, outputs: outcome.outputs, delivered })
    }

    /// Asks how users of a tenant stand, for the board.
    pub(super) async fn ask_for_users(&self, name: Option<&str>) {
        let command = crate::board::status_command(&self.commands).map(|command| command.name.clone());
        let ran = match command {
            Some(command) => self.run(name, &command, &[]).await.ok(),
            None => None,
        };
        self.board.part(name).users(ran.as_ref().map(|ran| ran.outputs.as_str()));
    }
}

/// As it is shared by everything that answers.
pub(super) type SharedDesk = Arc<Desk>;
