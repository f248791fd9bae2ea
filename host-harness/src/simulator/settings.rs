//! Everything about a tenant that can be chosen.

use super::clock::Clock;
use super::faults::{Latency, RandomFault};
use super::generate::{GeneratorSettings, Organization};
use super::listing::StreamSettings;
use super::oauth::{Account, Integration, Role, TokenSettings};
use super::rate_limit::RateLimit;
use super::stream::Stream;

/// Name of the full admin that a default tenant has.
pub const ADMIN: &str = "admin";
/// Name of the compliance officer that a default tenant has.
pub const OFFICER: &str = "officer";
/// Client id of the integration for the audits.
pub const ADMIN_CLIENT_ID: &str = "simulated-audit-client";
/// Its secret, which opens nothing but the simulation.
pub const ADMIN_CLIENT_SECRET: &str = "not-a-secret-audit-integration";
/// Client id of the integration for the events.
pub const OFFICER_CLIENT_ID: &str = "simulated-events-client";
/// Its secret, which opens nothing but the simulation.
pub const OFFICER_CLIENT_SECRET: &str = "not-a-secret-events-integration";
/// Redirect URI of both integrations; nothing listens there unless a test does.
pub const REDIRECT_URI: &str = "http://127.0.0.1:8765/callback";

/// What a tenant is and how it behaves. Every field may be changed while it runs.
#[derive(Clone, Debug)]
pub struct TenantSettings {
    /// All that is drawn comes from this: items, cursors, tokens, faults.
    pub seed: u64,
    /// The origin's clock.
    pub clock: Clock,
    /// The one organization of the tenant.
    pub organization: Organization,
    /// Who can sign in.
    pub accounts: Vec<Account>,
    /// Which integrations are registered.
    pub integrations: Vec<Integration>,
    /// How admin audits are listed.
    pub admin_audits: StreamSettings,
    /// How security audits are listed.
    pub security_audits: StreamSettings,
    /// How events are listed.
    pub events: StreamSettings,
    /// How generated items look.
    pub generator: GeneratorSettings,
    /// Lives and refreshes of tokens.
    pub tokens: TokenSettings,
    /// `/v1/authorize` redirects at once, as if this account had agreed; none shows a page.
    pub auto_approve: Option<String>,
    /// The licence behind security audits and events older than 90 days.
    pub pro_pack: bool,
    /// "Allow user authentication data", without which there are no security audits.
    pub user_authentication_data: bool,
    /// What security audits answer where licence or setting is missing.
    pub without_security_audits: WithoutSecurityAudits,
    /// `/v1/events` without `resource` leaves converged recordings out.
    pub recordings_need_filter: bool,
    /// The audits take the organization's bare UUID for its id.
    pub takes_bare_org_id: bool,
    /// `/v1/events/{id}` answers 404 for one in so many listed events; 0 for none.
    pub event_by_id_fails_one_in: u32,
    /// How long answers take.
    pub latency: Latency,
    /// Faults by the dice.
    pub random_faults: Vec<RandomFault>,
    /// Budget of each account; none is unlimited.
    pub rate_limit: Option<RateLimit>,
    /// Bodies go out as gzip where the client takes that.
    pub gzip: bool,
}

/// What `/v1/admin/securityAudit/events` answers without Pro Pack, or while user authentication data is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WithoutSecurityAudits {
    /// 403.
    Refused,
    /// 200 without items.
    Empty,
}

impl TenantSettings {
    /// How a stream is listed.
    #[must_use]
    pub fn stream(&self, stream: Stream) -> &StreamSettings {
        match stream {
            Stream::AdminAudits => &self.admin_audits,
            Stream::SecurityAudits => &self.security_audits,
            Stream::Events => &self.events,
        }
    }

    /// The same, to change it.
    pub fn stream_mut(&mut self, stream: Stream) -> &mut StreamSettings {
        match stream {
            Stream::AdminAudits => &mut self.admin_audits,
            Stream::SecurityAudits => &mut self.security_audits,
            Stream::Events => &mut self.events,
        }
    }

    /// The same listing for all three streams.
    #[must_use]
    pub fn with_streams(mut self, settings: &StreamSettings) -> Self {
        for stream in Stream::ALL {
            self.stream_mut(stream).clone_from(settings);
        }
        self
    }
}

impl Default for TenantSettings {
    /// A tenant that behaves: two accounts, an integration for each, the captured page orders, real clock, no faults.
    fn default() -> Self {
        let integration = |id: &str, secret: &str, scopes: &[&str]| Integration {
            client_id: id.to_owned(),
            client_secret: secret.to_owned(),
            redirect_uris: vec![REDIRECT_URI.to_owned()],
            scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        };
        Self {
            seed: 1,
            clock: Clock::real(),
            organization: Organization::new("7d9b2c54-0000-4000-8000-000000000001", "Simulated Organization"),
            accounts: vec![Account::new(ADMIN, &[Role::FullAdmin]), Account::new(OFFICER, &[Role::ComplianceOfficer])],
            integrations: vec![
                integration(
                    ADMIN_CLIENT_ID,
                    ADMIN_CLIENT_SECRET,
                    &["audit:events_read", "spark:kms", "spark-admin:organizations_read", "spark:people_read"],
                ),
                integration(
                    OFFICER_CLIENT_ID,
                    OFFICER_CLIENT_SECRET,
                    &["spark-compliance:events_read", "spark:kms", "spark:people_read"],
                ),
            ],
            admin_audits: StreamSettings { paging: super::listing::Paging::Offset, ..StreamSettings::newest_first() },
            security_audits: StreamSettings::newest_first(),
            events: StreamSettings::oldest_first(),
            generator: GeneratorSettings::default(),
            tokens: TokenSettings::default(),
            auto_approve: None,
            pro_pack: true,
            user_authentication_data: true,
            without_security_audits: WithoutSecurityAudits::Refused,
            recordings_need_filter: false,
            takes_bare_org_id: true,
            event_by_id_fails_one_in: 0,
            latency: Latency::default(),
            random_faults: Vec::new(),
            rate_limit: None,
            gzip: false,
        }
    }
}
