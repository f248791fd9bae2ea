//! A simulated tenant and a host for it, on one clock that stands still until a test moves it.

use std::collections::{BTreeMap, BTreeSet};

use host_harness::runtime::Report;
use host_harness::simulator::{
    ADMIN, ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET, Clock, OFFICER, OFFICER_CLIENT_ID, OFFICER_CLIENT_SECRET,
    REDIRECT_URI, SimulatedTenant, Stream, TenantSettings,
};

use crate::support::{Event, Host, LOG_TYPES, NOW, STREAMS, Setup};

/// What the admin's integration asks for here; with it every command works.
pub(crate) const ADMIN_SCOPES: &str = "audit:events_read spark:kms spark-admin:organizations_read";
/// What the compliance officer's asks for.
pub(crate) const OFFICER_SCOPES: &str = "spark-compliance:events_read spark:kms";

/// Its name in the contract.
pub(crate) fn name(stream: Stream) -> &'static str {
    STREAMS[index(stream)]
}

fn index(stream: Stream) -> usize {
    Stream::ALL.iter().position(|known| *known == stream).unwrap()
}

/// A tenant whose clock stands at [`NOW`], a little ahead of the host's, so that what a request takes holds nothing back.
pub(crate) struct Simulated {
    pub(crate) webex: SimulatedTenant,
    pub(crate) host: Host,
    clock: Clock,
}

/// How far Webex's clock is ahead.
const AHEAD_MS: i64 = 10_000;

impl Simulated {
    /// A tenant with these settings, and both users signed in.
    pub(crate) async fn start(settings: TenantSettings) -> Self {
        Self::with(settings, &[]).await
    }

    /// The same, with further settings of the plugin.
    pub(crate) async fn with(settings: TenantSettings, more: &[(&str, &str)]) -> Self {
        let mut simulated = Self::without_sign_in(settings, more).await;
        let webex = &simulated.webex;
        let refresh_token = |client, account, scopes| webex.grant(client, account, scopes).refresh_token.unwrap();
        let setup = simulated
            .host
            .setup
            .clone()
            .secret("admin_refresh_token", &refresh_token(ADMIN_CLIENT_ID, ADMIN, ADMIN_SCOPES))
            .secret("compliance_officer_refresh_token", &refresh_token(OFFICER_CLIENT_ID, OFFICER, OFFICER_SCOPES));
        simulated.host = setup.open().await;
        simulated
    }

    /// The same, where nobody has signed in yet.
    pub(crate) async fn without_sign_in(settings: TenantSettings, more: &[(&str, &str)]) -> Self {
        let clock = Clock::set_to(NOW);
        let settings = TenantSettings { clock: clock.with_offset(AHEAD_MS), ..settings };
        let webex = SimulatedTenant::start(settings).await.unwrap();
        let (origin, org) = (webex.origin(), webex.org_id());
        let setup = Setup::new(&[
            ("base_url", origin.as_str()),
            ("admin_credentials", ADMIN_CLIENT_ID),
            ("admin_org_id", org.as_str()),
            ("admin_app_redirect_uri", REDIRECT_URI),
            ("admin_scopes", ADMIN_SCOPES),
            ("compliance_officer_credentials", OFFICER_CLIENT_ID),
            ("compliance_officer_redirect_uri", REDIRECT_URI),
            ("fetch_security_audit_events", "true"),
            ("first_fetch", "1 day"),
            ("lag", "0s"),
        ])
        .secret("admin_credentials", ADMIN_CLIENT_SECRET)
        .secret("compliance_officer_credentials", OFFICER_CLIENT_SECRET);
        let setup = more.iter().fold(setup, |setup, (name, value)| setup.set(name, value));
        Self { host: setup.open().await, webex, clock }
    }

    /// Both users sign in as people do, through the commands.
    pub(crate) async fn sign_in(&self) {
        for (user, account) in [("admin", ADMIN), ("compliance_officer", OFFICER)] {
            let redirected = self.webex.approve(&self.sign_in_link(user).await, account).unwrap();
            self.host.run("cisco-webex-oauth-complete", &[("user", user), ("code", &redirected)]).await.unwrap();
        }
    }

    /// The link that a sign-in begins with.
    pub(crate) async fn sign_in_link(&self, user: &str) -> String {
        let begun = self.host.run("cisco-webex-oauth-start", &[("user", user)]).await.unwrap();
        let outputs: serde_json::Value = serde_json::from_str(&begun.outputs).unwrap();
        let url = outputs["CiscoWebex"]["SignIn"]["url"].as_str().unwrap();
        assert!(begun.readable.contains(url), "a person sees the link");
        url.to_owned()
    }

    /// What the host's clock says.
    pub(crate) fn now(&self) -> i64 {
        self.host.setup.clock.now()
    }

    /// Both clocks go on.
    pub(crate) fn advance(&self, ms: i64) {
        let now = self.now() + ms;
        self.clock.set(now);
        self.host.setup.clock.set(now);
    }

    /// `count` events of each stream, over the hour before `minutes` ago.
    pub(crate) fn backlog(&self, count: usize, minutes: i64) {
        let to = self.now() - minutes * 60_000;
        for stream in Stream::ALL {
            self.webex.backlog(stream, count, to - 3_600_000, to);
        }
    }

    pub(crate) async fn collect(&mut self) -> (Vec<Event>, Vec<Report>) {
        self.host.collect().await
    }

    /// How what was delivered differs from what is listed by now.
    pub(crate) fn difference(&self) -> Difference {
        difference(&self.webex, self.host.events.iter().map(|event| event.body.as_str()))
    }

    /// Everything that is listed by now was delivered once, and nothing else was.
    #[track_caller]
    pub(crate) fn delivered_is_exact(&self) {
        assert_eq!(self.difference(), Difference::default());
    }
}

/// How deliveries differ from a tenant's own list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Listed and not delivered.
    pub(crate) lost: usize,
    /// Delivered and not listed.
    pub(crate) invented: usize,
    /// Delivered more than once.
    pub(crate) repeated: usize,
}

/// Compares bodies with what a tenant lists by now, by `source_log_type` and id.
pub(crate) fn difference<'a>(webex: &SimulatedTenant, bodies: impl Iterator<Item = &'a str>) -> Difference {
    let mut delivered: BTreeMap<(String, String), usize> = BTreeMap::new();
    for body in bodies {
        let body: serde_json::Value = serde_json::from_str(body).expect("a whole line of JSON");
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        *delivered.entry((text("source_log_type"), text("id"))).or_default() += 1;
    }
    let listed: BTreeSet<(String, String)> = Stream::ALL
        .into_iter()
        .flat_map(|stream| webex.listed(stream).into_iter().map(move |event| (stream, event)))
        .map(|(stream, event)| (LOG_TYPES[index(stream)].to_owned(), event.id.unwrap_or_default()))
        .collect();
    Difference {
        lost: listed.iter().filter(|id| !delivered.contains_key(*id)).count(),
        invented: delivered.keys().filter(|id| !listed.contains(*id)).count(),
        repeated: delivered.values().filter(|times| **times > 1).count(),
    }
}
