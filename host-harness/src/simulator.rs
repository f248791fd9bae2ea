//! A Webex tenant that is simulated: a real HTTP/1.1 server on loopback, or a value in the process, that answers as Webex
//! does.
//!
//! It serves the three list endpoints, events by id, categories, organizations, the person behind a token, and both
//! endpoints of sign-in. What nobody knows about Webex - page order, bounds, cursors, links - is a setting. Everything
//! that is drawn comes from a seed; the clock is given. It records every request, and keeps its own list of events to compare with what was collected.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use host_harness::simulator::{SimulatedTenant, Stream, TenantSettings};
//! let tenant = SimulatedTenant::start(TenantSettings::default()).await?;
//! let now_ms = tenant.now_ms();
//! tenant.backlog(Stream::Events, 5_000, now_ms - 3_600_000, now_ms);
//! // ... collect from `tenant.origin()`, then compare with:
//! let listed = tenant.listed(Stream::Events);
//! assert_eq!(listed.len(), 5_000);
//! tenant.stop().await;
//! # Ok(())
//! # }
//! ```

mod answer;
mod canary;
mod clock;
mod customers;
mod endpoint;
mod event_store;
mod faults;
mod generate;
mod in_process;
mod listing;
mod live;
mod oauth;
mod params;
mod rate_limit;
mod record;
mod server;
mod settings;
mod stream;
mod tenant;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use server::{Listener, Server};
use tenant::Tenant;

pub use answer::Delivery;
pub use canary::{Canary, canary_in, canary_of_run};
pub use clock::{Clock, iso};
pub use endpoint::Endpoint;
pub use event_store::{ListedEvent, LoadError};
pub use faults::{CutLength, Fault, Latency, RandomFault, RetryAfter, ScriptedFault, WrongLink};
pub use generate::{GeneratorSettings, Organization};
pub use in_process::{InProcessAnswer, InProcessRequest};
pub use listing::{
    Bound, EmptyPage, LastPage, LinkLife, LinkStyle, LinkWindow, ListingDelay, Order, OverCap, Paging, StreamSettings,
};
pub use live::LiveRates;
pub use oauth::{
    Account, AuthorizeError, Integration, ReplacedToken, Role, Rotation, TokenErrorShape, TokenGrant, TokenSettings,
};
pub use rate_limit::RateLimit;
pub use record::{BearerState, EndpointCount, Leak, RequestRecord};
pub use settings::{
    ADMIN, ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET, OFFICER, OFFICER_CLIENT_ID, OFFICER_CLIENT_SECRET, REDIRECT_URI,
    TenantSettings, WithoutSecurityAudits,
};
pub use stream::Stream;

/// A running tenant. Times are milliseconds since the epoch. It stops when it is dropped.
pub struct SimulatedTenant {
    tenant: Arc<Mutex<Tenant>>,
    origin: String,
    /// None: it answers in the process only.
    server: Option<Server>,
}

impl SimulatedTenant {
    /// Starts a tenant on a free port of 127.0.0.1, on the runtime that calls.
    ///
    /// # Errors
    /// No port can be bound.
    pub async fn start(settings: TenantSettings) -> io::Result<Self> {
        let listener = Listener::bind().await?;
        let origin = listener.origin();
        let tenant = Arc::new(Mutex::new(Tenant::new(settings, origin.clone())));
        let server = listener.serve(Arc::clone(&tenant));
        Ok(Self { tenant, origin, server: Some(server) })
    }

    /// Stops it, and returns when port and connections are closed.
    pub async fn stop(self) {
        if let Some(server) = self.server {
            server.stop().await;
        }
    }

    /// `http://127.0.0.1:PORT`, without `/v1`.
    #[must_use]
    pub fn origin(&self) -> String {
        self.origin.clone()
    }

    /// Changes settings while it runs. What was generated or given out before stays.
    pub fn change(&self, change: impl FnOnce(&mut TenantSettings)) {
        change(&mut self.state().settings);
    }

    /// The settings as they are now.
    #[must_use]
    pub fn settings(&self) -> TenantSettings {
        self.state().settings.clone()
    }

    /// The tenant's clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.state().settings.clock.clone()
    }

    /// What the tenant's clock says.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.state().now_ms()
    }

    /// The organization's id, as `orgId` takes it.
    #[must_use]
    pub fn org_id(&self) -> String {
        self.state().settings.organization.id.clone()
    }

    /// Adds one item with its text as it is, valid JSON or not.
    pub fn add(&self, stream: Stream, created_ms: i64, listed_at_ms: i64, json: impl Into<String>) {
        let raw = json.into();
        let facets = event_store::Facets::of(&raw);
        self.state().store.add(stream, event_store::NewEvent { created_ms, listed_at_ms, raw, facets });
    }

    /// Adds one generated item and returns its id.
    pub fn add_generated(&self, stream: Stream, created_ms: i64) -> Option<String> {
        let made = self.state().generate(stream, |generator, settings| {
            let delay = settings.stream(stream).listing_delay;
            vec![generator.item(created_ms, created_ms, &settings.generator, delay)]
        });
        made.into_iter().next().flatten()
    }

    /// Adds `count` generated items created within `[from_ms, to_ms)`.
    pub fn backlog(&self, stream: Stream, count: usize, from_ms: i64, to_ms: i64) {
        self.state().generate(stream, |generator, settings| {
            let delay = settings.stream(stream).listing_delay;
            generator.backlog(count, (from_ms, to_ms), &settings.generator, delay)
        });
    }

    /// Adds `count` generated audits of a customer, created within `[from_ms, to_ms)`. The organization is one that the admin sees
    /// and may read from then on.
    pub fn customer_backlog(
        &self,
        customer: &Organization,
        stream: Stream,
        count: usize,
        (from_ms, to_ms): (i64, i64),
    ) {
        self.state().customer(customer, stream, count, (from_ms, to_ms));
    }

    /// Adds `count` generated items that were all created at `created_ms`.
    pub fn burst(&self, stream: Stream, count: usize, created_ms: i64) {
        self.state().generate(stream, |generator, settings| {
            let delay = settings.stream(stream).listing_delay;
            let mut item = || generator.item(created_ms, created_ms, &settings.generator, delay);
            (0..count).map(|_| item()).collect()
        });
    }

    /// Audits of a customer, as far as they are listed by now.
    #[must_use]
    pub fn customer_listed(&self, customer: &Organization, stream: Stream) -> Vec<ListedEvent> {
        let state = self.state();
        state.customer_listed(customer, stream)
    }

    /// Adds the items of a JSON array, or of an object with `items`, with their text as it is; returns how many.
    ///
    /// # Errors
    /// The text is neither.
    pub fn load(&self, stream: Stream, text: &str) -> Result<usize, LoadError> {
        let mut state = self.state();
        let now_ms = state.now_ms();
        state.store.load(stream, text, now_ms)
    }

    /// From now on `/v1/events/{id}` answers this text; lists stay as they are.
    pub fn mend(&self, id: impl Into<String>, json: impl Into<String>) {
        self.state().store.mend(id.into(), json.into());
    }

    /// The tenant's own list: what is listed by now, oldest first.
    #[must_use]
    pub fn listed(&self, stream: Stream) -> Vec<ListedEvent> {
        let mut state = self.state();
        state.tick();
        let now_ms = state.now_ms();
        state.store.listed(stream, Some(now_ms))
    }

    /// The same, with the events that will be listed later.
    #[must_use]
    pub fn added(&self, stream: Stream) -> Vec<ListedEvent> {
        let mut state = self.state();
        state.tick();
        state.store.listed(stream, None)
    }

    /// From now on new events come into being at these rates, in place of the rates before. All zero ends it.
    pub fn live(&self, rates: LiveRates) {
        self.state().go_live(rates);
    }

    /// Brings live events up to now; every request and every look at a list does it too.
    pub fn tick(&self) {
        self.state().tick();
    }

    /// A person opens an authorize URL and agrees as `account`. Returns the URL to which the browser is sent.
    ///
    /// # Errors
    /// The URL leads to an error page, not back to the integration.
    pub fn approve(&self, authorize_url: &str, account: &str) -> Result<String, AuthorizeError> {
        self.state().decide(authorize_url, Some(account))
    }

    /// A person opens an authorize URL and refuses: the browser is sent back with `error=access_denied`.
    ///
    /// # Errors
    /// As for [`approve`](Self::approve).
    pub fn deny(&self, authorize_url: &str) -> Result<String, AuthorizeError> {
        self.state().decide(authorize_url, None)
    }

    /// Tokens for an account at an integration, without the dance. `scopes` are separated by spaces.
    #[must_use]
    pub fn grant(&self, client_id: &str, account: &str, scopes: &str) -> TokenGrant {
        self.state().grant(client_id, account, scopes)
    }

    /// Withdraws all codes and tokens of an account.
    pub fn revoke(&self, account: &str) {
        self.state().tokens.revoke(|subject| subject.account == account);
    }

    /// Ends the access tokens of an account now; its refresh tokens live on.
    pub fn expire_access(&self, account: &str) {
        let mut state = self.state();
        let now_ms = state.now_ms();
        state.tokens.expire_access(account, now_ms);
    }

    /// Ends the refresh tokens of an account now; its access tokens live on.
    pub fn expire_refresh(&self, account: &str) {
        let mut state = self.state();
        let now_ms = state.now_ms();
        state.tokens.expire_refresh(account, now_ms);
    }

    /// Adds a fault to the script.
    pub fn script(&self, fault: ScriptedFault) {
        self.state().faults.script(fault);
    }

    /// Drops the script.
    pub fn clear_script(&self) {
        self.state().faults.clear();
    }

    /// Every request since the start, or since they were forgotten.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.state().record.requests().to_vec()
    }

    /// How each endpoint was used.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<Endpoint, EndpointCount> {
        self.state().record.counts()
    }

    /// Secrets that were sent where they do not belong.
    #[must_use]
    pub fn leaks(&self) -> Vec<Leak> {
        self.state().record.leaks().to_vec()
    }

    /// Drops the requests recorded so far; numbering and leaks go on.
    pub fn forget_requests(&self) {
        self.state().record.forget_requests();
    }

    fn state(&self) -> MutexGuard<'_, Tenant> {
        self.tenant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for SimulatedTenant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedTenant").field("origin", &self.origin).finish_non_exhaustive()
    }
}
