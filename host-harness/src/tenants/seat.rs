//! A tenant's seat: what is kept of it, and its turn.

use std::time::Duration;

use super::{TenantError, opened};
use crate::board::{Board, Plan, TenantBoard};
use crate::collect::{
    self, CollectError, Collector, Delivery, Mode, ReAudits, Round, SINK_PATIENCE, SharedSinks, Standing, Step, Turn,
    Wish,
};
use crate::config::{Config, TenantName, Tenants};
use crate::courier::Standing as SinkStanding;
use crate::log::Log;
use crate::runtime::Plugin;
use crate::state::State;
use crate::stop::Stop;

/// How long a turn goes on before others come. A call that has begun then comes to its end, which is within 20 s.
pub(super) const TURN: Duration = Duration::from_secs(20);

/// What all tenants share.
pub struct Shared {
    /// Loaded once.
    pub plugin: Plugin,
    /// The folder of their files.
    pub tenants: Tenants,
    /// Of tenants without sinks of their own.
    pub sinks: SharedSinks,
    /// Where lines go, each with its tenant.
    pub log: Log,
    /// The wish to end, for all of them.
    pub stop: Stop,
    /// Whether to go on until asked to end; else until each is idle.
    pub follow: bool,
    /// What each is to read again after its first round.
    pub wish: Option<Wish>,
    /// Where others look at what goes on, if they do.
    pub watch: Option<Watch>,
}

/// Those who look at what goes on.
pub struct Watch {
    /// Where it is seen.
    pub board: Board,
    /// How many of the latest events of a tenant it shows.
    pub recent: usize,
}

impl Shared {
    /// What is to be expected of a tenant, for the board.
    async fn seen(&self, config: &Config) -> Result<Option<TenantBoard>, TenantError> {
        let Some(Watch { board, recent }) = &self.watch else { return Ok(None) };
        Ok(Some(board.tenant(Plan::of(config, &self.plugin.describe().await?, *recent))))
    }
}

/// What is kept of a tenant while others have their turn.
#[derive(Default)]
pub(super) struct Seat {
    pub(super) standing: Standing,
    /// Its state and its sinks, once they are taken. The locks of both are held as long as the process runs, so that no other
    /// writes there.
    held: Option<Delivery>,
    /// They are to be let go before the next turn, for the settings have changed.
    is_stale: bool,
    /// Whether what is to be read again was read from its settings.
    has_re_audits: bool,
}

/// What a turn came to.
pub(super) struct Taken {
    pub(super) seat: Seat,
    /// Rounds that are over. A turn ends few: the next one is after a pause.
    pub(super) rounds: Vec<Round>,
    /// What the last run has left.
    pub(super) found: Option<String>,
    pub(super) turn: Result<Turn, TenantError>,
}

impl Seat {
    /// The tenant's file has changed: its sinks are opened anew, and what to read again is asked anew.
    pub(super) fn renew(&mut self) {
        self.is_stale = true;
        self.has_re_audits = false;
    }

    /// Reads the tenant's settings and takes a turn of this length.
    pub(super) async fn turn(mut self, name: &TenantName, shared: &Shared, length: Duration) -> Taken {
        let (mut rounds, mut found) = (Vec::new(), None);
        let turn = self.take(name, shared, length, &mut rounds, &mut found).await;
        if turn.is_err() {
            // As after a crash: what is on the disk says how to go on.
            self.let_go().await;
            self.standing.start_over();
        }
        Taken { seat: self, rounds, found, turn }
    }

    /// What is under way to the sinks comes to its end. Returns how each stands then.
    pub(super) async fn let_go(&mut self) -> Vec<SinkStanding> {
        self.is_stale = false;
        match self.held.take() {
            Some(mut held) => held.close().await,
            None => Vec::new(),
        }
    }

    async fn take(
        &mut self,
        name: &TenantName,
        shared: &Shared,
        length: Duration,
        rounds: &mut Vec<Round>,
        found: &mut Option<String>,
    ) -> Result<Turn, TenantError> {
        let config = shared.tenants.config(name)?;
        let store = opened::store(&config)?;
        opened::ready(&config, &store).await?;
        let log = shared.log.of_tenant(name.as_str());
        let tenant = opened::open(&shared.plugin, &config, &store, log, shared.stop.clone()).await?;
        if self.is_stale {
            self.let_go().await;
        }
        let held = match &mut self.held {
            Some(held) => held,
            none => {
                let state = State::at(&config.state_dir).writer()?;
                let (delivery, left) = collect::open(&config, Some(&shared.sinks), state, tenant.log())?;
                *found = left;
                none.insert(delivery.on_board(shared.seen(&config).await?))
            }
        };
        if !self.has_re_audits {
            let wish = shared.wish.filter(|_| self.standing.totals.calls == 0);
            self.standing.re_audits = ReAudits::new(wish, config.reaudit, &config.state_dir, tenant.log())?;
            self.has_re_audits = true;
        }
        let mode = if shared.follow { Mode::Follow(config.interval) } else { Mode::Once };
        let standing = std::mem::take(&mut self.standing);
        let mut collector = Collector::resume(&tenant, held, shared.stop.clone(), standing);
        let turn = collector
            .turn(mode, length, &mut |step| {
                if let Step::Over(round) = step {
                    rounds.push(round.clone());
                }
            })
            .await;
        self.standing = collector.rest();
        held.rest();
        let turn = turn?;
        if matches!(turn, Turn::Over(_)) && !shared.follow {
            held.drained(SINK_PATIENCE, &shared.stop).await.map_err(CollectError::from)?;
        }
        Ok(turn)
    }
}
