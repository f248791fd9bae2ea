//! A plugin with one tenant's settings, secrets and network, and the calls into it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime::Store;

use super::bounds::{self, Unsound};
use super::clock::{Clock, Random};
use super::guest::{Guest, Instance, Parts, Services};
use super::{
    Batch, Command, Description, Failure, FetchRequest, Finding, LastRun, LastRunView, Outcome, Plugin, Reset,
    RuntimeError,
};
use crate::log::Log;
use crate::net::{Detour, InProcess, Network, Policy, WayOut};
use crate::secrets::{Secrets, Store as SecretStore, Supplied};
use crate::stop::Stop;

/// Linear memory of one call, in bytes: a batch of 32 MiB, the pages that it is made of, their parsed form, and room.
pub(super) const MEMORY_BYTES: usize = 512 << 20;
/// What the host copies out of one call, in bytes: a batch of 32 MiB with the largest single event and a full last-run.
const COPIED_BYTES: usize = 256 << 20;
/// A call that does no I/O. Milliseconds are expected; a loaded machine must not fail it.
const LOCAL_CALL: Duration = Duration::from_secs(30);
/// `check` and commands: some dozens of requests, each with a timeout of 30 s in the plugin.
const REMOTE_CALL: Duration = Duration::from_secs(180);
/// What `fetch-events` may take beyond its budget: one HTTP timeout of 30 s by the contract, and as much again to pack up.
const FETCH_MARGIN: Duration = Duration::from_secs(60);
/// After a request to end, how long a running call may take to pack up before it is dropped. With delivery and storing, the
/// whole stays within 10 s.
const GRACE: Duration = Duration::from_secs(8);
/// Ticks that no process lives to see, and that can be added to those that have been.
const NO_TICK: u64 = u64::MAX / 2;
/// The budget of a call that names none, by the contract.
const DEFAULT_BUDGET_MS: u32 = 60_000;

/// What a [`Tenant`] is made of. Everything has a default but the settings.
pub struct TenantBuilder {
    plugin: Arc<Plugin>,
    settings: BTreeMap<String, String>,
    origin_setting: Option<String>,
    store: SecretStore,
    supplied: BTreeMap<String, Supplied>,
    log: Log,
    clock: Clock,
    random: Random,
    stop: Stop,
    memory: usize,
    most_time: Duration,
    way_out: WayOut,
    detour: Option<Detour>,
}

impl TenantBuilder {
    pub(super) fn new(plugin: Arc<Plugin>) -> Self {
        Self {
            plugin,
            settings: BTreeMap::new(),
            origin_setting: None,
            store: SecretStore::memory(),
            supplied: BTreeMap::new(),
            log: Log::silent(),
            clock: Clock::System,
            random: Random::System,
            stop: Stop::new(),
            memory: MEMORY_BYTES,
            most_time: Duration::MAX,
            way_out: WayOut::default(),
            detour: None,
        }
    }

    /// The plugin's settings; they also open the network, by the setting that `describe` names: to the internet, and further
    /// only by [`origin_setting`](Self::origin_setting).
    #[must_use]
    pub fn settings<N: Into<String>, V: Into<String>>(mut self, settings: impl IntoIterator<Item = (N, V)>) -> Self {
        self.settings = settings.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        self
    }

    /// The setting in which a person names the origin; by default none. If the plugin names the same one, its value may lead
    /// to this machine or a private network. What a plugin picks for itself among the settings never does: it could be the
    /// address of a sign-in that ends on this machine.
    #[must_use]
    pub fn origin_setting(mut self, name: impl Into<String>) -> Self {
        self.origin_setting = Some(name.into());
        self
    }

    /// Where the plugin's own secrets live; by default in memory.
    #[must_use]
    pub fn secret_store(mut self, store: SecretStore) -> Self {
        self.store = store;
        self
    }

    /// Secrets that a person has configured; the plugin reads them, and cannot change them.
    #[must_use]
    pub fn configured_secrets<N: Into<String>, S: Into<Supplied>>(
        mut self,
        secrets: impl IntoIterator<Item = (N, S)>,
    ) -> Self {
        self.supplied = secrets.into_iter().map(|(name, secret)| (name.into(), secret.into())).collect();
        self
    }

    /// Where lines go; by default nowhere.
    #[must_use]
    pub fn log(mut self, log: Log) -> Self {
        self.log = log;
        self
    }

    /// The time of day; by default the machine's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Where random bytes come from; by default the machine's secure source.
    #[must_use]
    pub fn random(mut self, random: Random) -> Self {
        self.random = random;
        self
    }

    /// What the plugin's question `stopping` is answered from.
    #[must_use]
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// Bytes of linear memory of a call; by default 512 MiB.
    #[must_use]
    pub fn memory(mut self, bytes: usize) -> Self {
        self.memory = bytes;
        self
    }

    /// How long any call may take; by default each what its function may need: 30 s, with I/O 180 s, `fetch-events` a minute
    /// more than its budget.
    #[must_use]
    pub fn most_time(mut self, time: Duration) -> Self {
        self.most_time = time;
        self
    }

    /// Further authorities, a proxy; by default none.
    #[must_use]
    pub fn way_out(mut self, way_out: WayOut) -> Self {
        self.way_out = way_out;
        self
    }

    /// Sends requests for `origin`, after the policy has allowed them, to a server on this machine instead. For tests: a
    /// plugin that speaks to `https://webexapis.com` meets a simulated tenant.
    #[must_use]
    pub fn rewrite(mut self, origin: impl Into<String>, server: SocketAddr) -> Self {
        self.detour = Some(Detour::Server(origin.into(), server));
        self
    }

    /// Hands requests, after the policy has allowed them, to `server` in this process instead of sending them. For tests:
    /// no socket is opened.
    #[must_use]
    pub fn in_process(mut self, server: Arc<dyn InProcess>) -> Self {
        self.detour = Some(Detour::InProcess(server));
        self
    }

    /// Asks the plugin what it needs, and gives it that.
    ///
    /// # Errors
    /// See [`RuntimeError`].
    pub async fn open(self) -> Result<Tenant, RuntimeError> {
        let description = self.plugin.described().await?;
        let policy = policy(description, &self.settings, self.origin_setting.as_deref());
        let plugin_log = self.log.rationed();
        let net = Network::open(policy, self.way_out, self.detour, plugin_log.clone())?;
        let uses = description.secrets.iter().map(|secret| (secret.name.clone(), secret.written));
        let services = Services {
            settings: self.settings.into_iter().collect(),
            secrets: Secrets::new(uses, self.supplied, self.store),
            net,
            log: self.log,
            plugin_log,
            clock: self.clock,
            random: self.random,
            stop: self.stop,
            memory: self.memory,
            most_time: self.most_time,
        };
        let streams = description.streams.iter().map(|stream| stream.name.clone()).collect();
        Ok(Tenant { plugin: Arc::clone(&self.plugin), services: Arc::new(services), streams, calls: AtomicU64::new(0) })
    }

    /// For calls that do no I/O: no settings, no secrets, no network.
    pub(super) fn closed(self) -> Tenant {
        let services = Services {
            settings: Vec::new(),
            secrets: Secrets::new([], BTreeMap::new(), SecretStore::memory()),
            net: Network::closed(self.log.rationed()),
            plugin_log: self.log.rationed(),
            log: self.log,
            clock: self.clock,
            random: self.random,
            stop: self.stop,
            memory: self.memory,
            most_time: self.most_time,
        };
        Tenant { plugin: self.plugin, services: Arc::new(services), streams: Vec::new(), calls: AtomicU64::new(0) }
    }
}

/// What the plugin may call: the origin in the setting that it names, or else those that it names itself. `of_person` is the
/// setting in which a person names the origin.
fn policy(plugin: &Description, settings: &BTreeMap<String, String>, of_person: Option<&str>) -> Policy {
    let setting = plugin.origin_setting.as_deref();
    let set = setting.and_then(|name| settings.get(name)).filter(|value| !value.trim().is_empty());
    match set {
        Some(origin) if setting == of_person => Policy::allow([origin]),
        // Which setting it is, the plugin has picked, and so in effect the origin.
        Some(origin) => Policy::of_plugin([origin]),
        None => Policy::of_plugin(&plugin.origins),
    }
}

/// What the plugin has returned, if the contract allows it.
fn sound<T>(
    call: &'static str,
    answer: Result<T, Failure>,
    check: impl FnOnce(&T) -> Result<(), Unsound>,
) -> Result<Result<T, Failure>, RuntimeError> {
    if let Ok(answer) = &answer {
        check(answer).map_err(|what| RuntimeError::Unsound { call, what })?;
    }
    Ok(answer)
}

/// A plugin with one tenant's settings, secrets and network.
///
/// Every call answers in two levels: [`RuntimeError`] when the host could not run it, [`Failure`] when the plugin could not
/// do it. Calls with the same last-run must not overlap; that is the caller's duty.
pub struct Tenant {
    plugin: Arc<Plugin>,
    services: Arc<Services>,
    /// Names that `describe` gives.
    streams: Vec<String>,
    calls: AtomicU64,
}

/// Makes one call: a fresh store and instance, the call within its time, the error in words.
macro_rules! call {
    ($tenant:expr, $name:literal, $limit:expr, |$instance:ident, $store:ident| $call:expr) => {
        call!($tenant, None, $name, $limit, |$instance, $store| $call)
    };
    ($tenant:expr, $parts:expr, $name:literal, $limit:expr, |$instance:ident, $store:ident| $call:expr) => {{
        let limit: Duration = $tenant.services.most_time.min($limit);
        let mut store = $tenant.store($parts);
        let called = {
            let $store = &mut store;
            let work = async move {
                let $instance: Instance = $tenant.plugin.pre.instantiate_async(&mut *$store).await?;
                $call.await
            };
            tokio::select! {
                // What ends at the same moment as its time has ended.
                biased;
                called = tokio::time::timeout(limit, work) => called.map_err(|_| RuntimeError::deadline($name, limit)),
                () = $tenant.out_of_grace() => Err(RuntimeError::Stopped { call: $name }),
            }
        };
        match called? {
            Ok(answer) => Ok(answer),
            Err(error) => Err(RuntimeError::of_call($name, &error, store.data(), $tenant.services.memory)),
        }
    }};
}

impl Tenant {
    /// What the plugin is and needs.
    ///
    /// # Errors
    /// See [`RuntimeError`].
    pub async fn describe(&self) -> Result<Description, RuntimeError> {
        let said: Description =
            call!(self, "describe", LOCAL_CALL, |plugin, store| plugin.siem_plugin_collector().call_describe(store))?;
        bounds::description(&said).map_err(|what| RuntimeError::Unsound { call: "describe", what })?;
        Ok(said)
    }

    /// Settings, then tokens and a small page of each stream.
    ///
    /// # Errors
    /// See [`RuntimeError`].
    pub async fn check(&self) -> Result<Vec<Finding>, RuntimeError> {
        call!(self, "check", REMOTE_CALL, |plugin, store| plugin.siem_plugin_collector().call_check(store))
    }

    /// Collects what is new since `last_run`.
    ///
    /// # Errors
    /// Outer: see [`RuntimeError`]. Inner: nothing can be collected at all.
    pub async fn fetch_events(
        &self,
        last_run: Option<&LastRun>,
        request: &FetchRequest,
    ) -> Result<Result<Batch, Failure>, RuntimeError> {
        self.fetch(last_run, None, request).await
    }

    /// The same of a last-run whose parts stay where they are stored.
    ///
    /// # Errors
    /// As [`fetch_events`](Self::fetch_events).
    pub async fn fetch_events_since(
        &self,
        last_run: Option<&LastRun>,
        parts: Arc<dyn Parts>,
        request: &FetchRequest,
    ) -> Result<Result<Batch, Failure>, RuntimeError> {
        self.fetch(last_run, Some(parts), request).await
    }

    async fn fetch(
        &self,
        last_run: Option<&LastRun>,
        parts: Option<Arc<dyn Parts>>,
        request: &FetchRequest,
    ) -> Result<Result<Batch, Failure>, RuntimeError> {
        let budget = Duration::from_millis(request.budget_ms.unwrap_or(DEFAULT_BUDGET_MS).into());
        let limit = budget + FETCH_MARGIN;
        let fetched = call!(self, parts, "fetch-events", limit, |plugin, store| plugin
            .siem_plugin_collector()
            .call_fetch_events(store, last_run, request))?;
        sound("fetch-events", fetched, |batch| bounds::batch(batch, &self.streams))
    }

    /// The stored last-run, checked and in the current form, and what it says.
    ///
    /// # Errors
    /// Outer: see [`RuntimeError`]. Inner: it is damaged, newer or foreign.
    pub async fn get_last_run(&self, stored: Option<&LastRun>) -> Result<Result<LastRunView, Failure>, RuntimeError> {
        let view = call!(self, "get-last-run", LOCAL_CALL, |plugin, store| plugin
            .siem_plugin_collector()
            .call_get_last_run(store, stored))?;
        sound("get-last-run", view, |view| bounds::last_run(&view.last_run))
    }

    /// The last-run with a change that an operator asks for.
    ///
    /// # Errors
    /// Outer: see [`RuntimeError`]. Inner: it is damaged, newer or foreign, or the change names no stream.
    pub async fn change_last_run(
        &self,
        stored: Option<&LastRun>,
        change: &Reset,
    ) -> Result<Result<LastRun, Failure>, RuntimeError> {
        let changed = call!(self, "change-last-run", LOCAL_CALL, |plugin, store| plugin
            .siem_plugin_collector()
            .call_change_last_run(store, stored, change))?;
        sound("change-last-run", changed, bounds::last_run)
    }

    /// Every command.
    ///
    /// # Errors
    /// See [`RuntimeError`].
    pub async fn list_commands(&self) -> Result<Vec<Command>, RuntimeError> {
        call!(self, "list", LOCAL_CALL, |plugin, store| plugin.siem_plugin_commands().call_list(store))
    }

    /// Runs a command.
    ///
    /// # Errors
    /// Outer: see [`RuntimeError`]. Inner: the plugin could not do it.
    pub async fn run_command(
        &self,
        name: &str,
        arguments: &[(String, String)],
    ) -> Result<Result<Outcome, Failure>, RuntimeError> {
        let ran = call!(self, "run", REMOTE_CALL, |plugin, store| plugin
            .siem_plugin_commands()
            .call_run(store, name, arguments))?;
        sound("run", ran, |outcome| bounds::outcome(outcome, &self.streams))
    }

    /// The clock that the plugin sees.
    pub fn clock(&self) -> &Clock {
        &self.services.clock
    }

    /// Where this tenant's lines go.
    pub fn log(&self) -> &Log {
        &self.services.log
    }

    /// The secrets of this tenant, as the plugin sees them.
    pub fn secrets(&self) -> &Secrets {
        &self.services.secrets
    }

    /// Requests that went out since the tenant was opened.
    pub fn requests(&self) -> u64 {
        self.services.net.requests()
    }

    /// Returns when a call that was asked to end has had its time to do so.
    async fn out_of_grace(&self) {
        self.services.stop.requested().await;
        tokio::time::sleep(GRACE).await;
    }

    fn store(&self, parts: Option<Arc<dyn Parts>>) -> Store<Guest> {
        let number = self.calls.fetch_add(1, Ordering::SeqCst);
        self.services.plugin_log.renew();
        let mut store = Store::new(&self.plugin.engine, Guest::new(Arc::clone(&self.services), number, parts));
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(COPIED_BYTES);
        // At each tick the call lets others run, so that a timeout around it is met even by a loop without I/O. Ticks are real
        // time, on which nothing may depend that goes by a simulated clock.
        store.set_epoch_deadline(if matches!(self.services.clock, Clock::Simulated(_)) { NO_TICK } else { 1 });
        store.epoch_deadline_async_yield_and_update(1);
        store
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests;
