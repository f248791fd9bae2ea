//! A live picture of what goes on: written by the rounds, read by the page, the metrics and the answers about health.
//!
//! | file | holds |
//! | --- | --- |
//! | `view` | the picture at one moment, as plain data |
//! | `tenant` | one tenant: what its rounds, users and sinks came to |
//! | `stream` | one stream: sums, rates, when it last got on |
//! | `judge` | the rules by which data flows or does not |
//! | `users` | how users stand, by what the plugin says |
//! | `recent` | the latest events |
//! | `memory` | when each stream had an event last, over restarts |
//! | `quiet` | how long a stream may be silent |
//! | `rate`, `clock` | counts by time; the two clocks |

mod clock;
mod judge;
mod memory;
mod quiet;
mod rate;
mod recent;
mod stream;
mod tenant;
mod users;
pub mod view;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::collect::{Outlet, RoundEnd};
use crate::runtime::{Bundle, Clock, Report};
use clock::{ClockWatch, Clocks};
pub use quiet::{QuietAfter, QuietError};
pub use tenant::Plan;
pub(crate) use tenant::SIGN_IN_NEEDED;
use tenant::TenantState;
pub use users::status_command;
use view::{Problem, RecentEvent, Severity, Subject, View};

/// Everything that is known of everybody. Clones are the same board.
#[derive(Clone)]
pub struct Board(Arc<Inner>);

struct Inner {
    clocks: Clocks,
    started: i64,
    simulated: bool,
    known: Mutex<Known>,
}

struct Known {
    watch: ClockWatch,
    /// By name; the single tenant's is empty.
    tenants: BTreeMap<String, TenantState>,
    /// Of the program, by code.
    problems: BTreeMap<String, Problem>,
}

/// One tenant's part of a board, for whoever collects from it.
#[derive(Clone)]
pub struct TenantBoard {
    board: Board,
    name: String,
}

impl Board {
    /// An empty one. `simulated`: no real tenant is collected from.
    pub fn new(clock: Clock, simulated: bool) -> Self {
        let clocks = Clocks::new(clock);
        let now = clocks.now();
        let known = Known { watch: ClockWatch::new(now), tenants: BTreeMap::new(), problems: BTreeMap::new() };
        Self(Arc::new(Inner { clocks, started: now.wall, simulated, known: Mutex::new(known) }))
    }

    /// A tenant is here, or its settings have changed.
    pub fn tenant(&self, plan: Plan) -> TenantBoard {
        let name = plan.name.clone().unwrap_or_default();
        let now = self.0.clocks.now();
        let mut known = self.known();
        match known.tenants.get_mut(&name) {
            Some(tenant) => tenant.renew(plan),
            None => drop(known.tenants.insert(name.clone(), TenantState::new(plan, now))),
        }
        TenantBoard { board: self.clone(), name }
    }

    /// The part of a tenant that may not be here yet, or no more.
    pub fn part(&self, name: Option<&str>) -> TenantBoard {
        TenantBoard { board: self.clone(), name: name.unwrap_or_default().to_owned() }
    }

    /// A tenant is gone.
    pub fn gone(&self, name: &str) {
        self.known().tenants.remove(name);
    }

    /// A tenant could not have its turn, be it for settings that cannot be read; none: it has had one since.
    pub fn failed(&self, name: &str, trouble: Option<(&str, String)>) {
        let now = self.0.clocks.now();
        let mut known = self.known();
        let tenant = known.tenants.entry(name.to_owned());
        tenant.or_insert_with(|| TenantState::new(Plan::unread(name), now)).failed(trouble);
    }

    /// Something concerns no tenant alone; none: it is over.
    pub fn program(&self, code: &str, trouble: Option<(String, String)>) {
        let mut known = self.known();
        match trouble {
            Some((text, remedy)) => {
                let (severity, subject) = (Severity::Fail, Subject::Collector);
                let problem = Problem { severity, code: code.to_owned(), subject, text, remedy };
                known.problems.insert(code.to_owned(), problem);
            }
            None => drop(known.problems.remove(code)),
        }
    }

    /// Looks at the clocks; every second or so.
    pub fn tick(&self) {
        let now = self.0.clocks.now();
        self.known().watch.note(now);
    }

    /// The picture now.
    pub fn view(&self) -> View {
        let now = self.0.clocks.now();
        let mut known = self.known();
        known.watch.note(now);
        let tenants: Vec<view::TenantView> = known.tenants.values().map(|tenant| tenant.view(now)).collect();
        let mut problems: Vec<Problem> = known.problems.values().cloned().collect();
        let patience = known.tenants.values().map(TenantState::still).min().unwrap_or(Duration::from_secs(60));
        problems.extend(judge::clock(known.watch.stands_still_for(now), patience));
        judge::worst_first(&mut problems);
        View { now: now.wall, started: self.0.started, simulated: self.0.simulated, problems, tenants }
    }

    /// Milliseconds since the epoch, by the clock of this board.
    pub fn now(&self) -> i64 {
        self.0.clocks.now().wall
    }

    /// Tenants of whose users nothing is known, or nothing since their last round.
    pub fn asking_for_users(&self) -> Vec<Option<String>> {
        let now = self.0.clocks.now();
        let known = self.known();
        let asking = known.tenants.iter().filter(|(_, tenant)| tenant.asks_for_users(now));
        asking.map(|(name, _)| Some(name.clone()).filter(|name| !name.is_empty())).collect()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TenantBoard {
    /// Events go out by this way from now on.
    pub fn attach(&self, outlet: Outlet) {
        self.change(|tenant, _| tenant.attach(outlet));
    }

    /// They do no more.
    pub fn detach(&self) {
        self.change(|tenant, now| tenant.detach(now));
    }

    /// The way by which events go out now.
    pub fn outlet(&self) -> Option<Outlet> {
        self.board.known().tenants.get(&self.name).and_then(TenantState::outlet)
    }

    /// What the page is to show of a batch, if it is delivered.
    pub(crate) fn preview(&self, events: &[Bundle]) -> Vec<RecentEvent> {
        let now = self.board.0.clocks.now();
        let most = self.board.known().tenants.get(&self.name).map_or(0, TenantState::most_recent);
        recent::preview(events, most, now.wall)
    }

    /// A batch is recorded.
    pub(crate) fn recorded(&self, reports: &[Report], recent: Vec<RecentEvent>) {
        self.change(|tenant, now| tenant.recorded(reports, recent, now));
    }

    /// A round is over.
    pub(crate) fn round(&self, end: &RoundEnd) {
        self.change(|tenant, now| tenant.round(end, now));
    }

    /// Collecting broke off as a whole, until a round ends in order.
    pub fn failed(&self, code: &str, text: String) {
        self.change(|tenant, _| tenant.failed(Some((code, text))));
    }

    /// What the plugin says of its users: outputs of the command that [`status_command`] finds. None: it could not say.
    pub fn users(&self, outputs: Option<&str>) {
        self.change(|tenant, now| tenant.users(outputs, now));
    }

    fn change(&self, change: impl FnOnce(&mut TenantState, clock::Moment)) {
        let now = self.board.0.clocks.now();
        if let Some(tenant) = self.board.known().tenants.get_mut(&self.name) {
            change(tenant, now);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests;
