//! What the tests stand on: the component, loaded once; hosts that call it with a clock that stands still; and a Webex
//! whose every answer is scripted.

use std::sync::LazyLock;

use host_harness::config::keys::ORIGIN_SETTING;
use host_harness::log::Log;
use host_harness::runtime::{
    Batch, Bundle, Clock, Failure, FetchRequest, LastRun, Next, Outcome, Plugin, Random, Report, Runtime, Tenant,
    in_words,
};
use host_harness::secrets::{Secret, Store};
use wiremock::matchers::{any, body_string_contains, method, path};
use wiremock::{Mock, MockServer, Respond, ResponseTemplate};

/// 2026-02-11T20:00:00Z, some hours after the sample files.
pub(crate) const NOW: i64 = 1_770_840_000_000;
/// The `Date` of every answer: a little later, so that what an answer takes does not hold anything back.
pub(crate) const ORIGIN_DATE: &str = "Wed, 11 Feb 2026 20:00:10 GMT";

/// Client secrets of the scripted Webex; they open nothing.
pub(crate) const CLIENT_SECRETS: [&str; 2] = ["fake-admin-client-secret", "fake-officer-client-secret"];
/// Its refresh tokens, as a Service App brings them.
pub(crate) const REFRESH_TOKENS: [&str; 2] = ["fake-admin-refresh-token", "fake-officer-refresh-token"];
/// What it gives for them.
pub(crate) const ACCESS_TOKENS: [&str; 2] = ["fake-admin-access-token", "fake-officer-access-token"];
/// Its organization.
pub(crate) const ORG: &str = "b3JnLTE";

/// Where the streams are listed: admin audits, security audits, events.
pub(crate) const PATHS: [&str; 3] = ["/v1/adminAudit/events", "/v1/admin/securityAudit/events", "/v1/events"];
/// Their names in the contract.
pub(crate) const STREAMS: [&str; 3] = ["admin_audits", "security_audits", "events"];
/// What their events carry as `source_log_type`.
pub(crate) const LOG_TYPES: [&str; 3] = ["Admin Audit Events", "Security Audit Events", "Events"];

/// Calls of one collection at most; one that needs more does not end.
const MOST_CALLS: usize = 500;

/// The component that this build was made with, compiled once for all tests.
pub(crate) fn plugin() -> &'static Plugin {
    static PLUGIN: LazyLock<Plugin> =
        LazyLock::new(|| Runtime::new().unwrap().load(host_harness::COMPONENT).expect("the component loads"));
    &PLUGIN
}

/// Everything that is on, with the plugin's own limits.
pub(crate) const fn whatever() -> FetchRequest {
    FetchRequest { streams: Vec::new(), max_events: None, max_bytes: None, budget_ms: None, re_read: None }
}

/// What a [`Host`] is made of.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) secrets: Vec<(String, String)>,
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) log: Log,
}

impl Setup {
    pub(crate) fn new(settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { settings, secrets: Vec::new(), store: Store::memory(), clock: Clock::at(NOW), log: Log::memory() }
    }

    /// A setting more, or another value of it; an empty one is as good as none.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.retain(|(known, _)| known != name);
        self.secrets.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) async fn open(&self) -> Host {
        let secrets = self.secrets.iter().map(|(name, value)| (name.clone(), Secret::from(value.as_str())));
        let tenant = plugin()
            .tenant()
            .settings(self.settings.clone())
            .origin_setting(ORIGIN_SETTING)
            .configured_secrets(secrets)
            .secret_store(self.store.clone())
            .clock(self.clock.clone())
            .random(Random::Seeded(7))
            .log(self.log.clone())
            .open()
            .await
            .unwrap();
        Host { tenant, setup: self.clone(), last_run: None, events: Vec::new() }
    }
}

/// An event that was delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) org: String,
    pub(crate) stream: String,
    pub(crate) created: Option<i64>,
    pub(crate) body: String,
}

impl Event {
    pub(crate) fn all_of(bundles: &[Bundle]) -> impl Iterator<Item = Self> {
        Bundle::each_of(bundles).map(|event| Self {
            id: event.id.to_owned(),
            org: event.org.to_owned(),
            stream: event.stream.to_owned(),
            created: event.created,
            body: event.body.to_owned(),
        })
    }
}

/// A host in its smallest form: it keeps what the contract says that a host keeps.
pub(crate) struct Host {
    pub(crate) tenant: Tenant,
    pub(crate) setup: Setup,
    pub(crate) last_run: Option<LastRun>,
    /// Everything that was delivered.
    pub(crate) events: Vec<Event>,
}

impl Host {
    /// Another process that goes on with what this one has stored.
    pub(crate) async fn restarted(self) -> Self {
        let Self { setup, last_run, events, .. } = self;
        Self { last_run, events, ..setup.open().await }
    }

    /// One call, whose outcome is kept as the contract says.
    pub(crate) async fn fetch(&mut self, request: &FetchRequest) -> Result<Batch, Failure> {
        let batch = self.tenant.fetch_events(self.last_run.as_ref(), request).await.expect("the host can run it")?;
        self.events.extend(Event::all_of(&batch.events));
        self.last_run = Some(batch.last_run.clone());
        Ok(batch)
    }

    /// Calls until the plugin says `idle`, or that it has to wait. Returns the events and the last reports.
    pub(crate) async fn collect(&mut self) -> (Vec<Event>, Vec<Report>) {
        let begin = self.events.len();
        for _ in 0..MOST_CALLS {
            let batch = self.fetch(&whatever()).await.unwrap_or_else(|failure| panic!("{}", in_words(&failure)));
            if batch.next != Next::Now {
                return (self.events[begin..].to_vec(), batch.reports);
            }
        }
        panic!("collecting does not end");
    }

    pub(crate) async fn run(&self, name: &str, arguments: &[(&str, &str)]) -> Result<Outcome, Failure> {
        let arguments: Vec<_> =
            arguments.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.tenant.run_command(name, &arguments).await.expect("the host can run it")
    }

    /// Everything that was logged, as text.
    pub(crate) fn log(&self) -> String {
        self.setup.log.lines().iter().map(|line| format!("{line}\n")).collect()
    }
}

/// A Webex whose every answer is scripted; a request that no one has scripted fails the test at its end.
pub(crate) struct Scripted {
    pub(crate) server: MockServer,
}

impl Scripted {
    /// With a token endpoint that takes both refresh tokens, and nothing else.
    pub(crate) async fn start() -> Self {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(answer(501))
            .with_priority(u8::MAX)
            .named("a request that no one has scripted")
            .expect(0)
            .mount(&server)
            .await;
        for (refresh, access) in REFRESH_TOKENS.into_iter().zip(ACCESS_TOKENS) {
            let body = format!(
                r#"{{"access_token":"{access}","expires_in":1209600,"refresh_token":"{refresh}","refresh_token_expires_in":7776000}}"#
            );
            Mock::given(method("POST"))
                .and(path("/v1/access_token"))
                .and(body_string_contains("grant_type=refresh_token"))
                .and(body_string_contains(format!("refresh_token={refresh}")))
                .respond_with(json(&body))
                .with_priority(u8::MAX - 1)
                .mount(&server)
                .await;
        }
        Self { server }
    }

    /// Answers a path.
    pub(crate) async fn serve(&self, at: &str, answer: impl Respond + 'static) {
        Mock::given(method("GET")).and(path(at)).respond_with(answer).mount(&self.server).await;
    }

    /// Lists nothing in the streams whose paths are given.
    pub(crate) async fn serve_nothing(&self, paths: &[&str]) {
        for path in paths {
            self.serve(path, json(r#"{"items":[]}"#)).await;
        }
    }

    /// All three streams on, both users by refresh token, a first fetch of one day up to now.
    pub(crate) fn setup(&self) -> Setup {
        Setup::new(&[
            ("base_url", self.server.uri().as_str()),
            ("admin_credentials", "admin-client"),
            ("admin_org_id", ORG),
            ("compliance_officer_credentials", "officer-client"),
            ("fetch_security_audit_events", "true"),
            ("first_fetch", "1 day"),
            ("lag", "0s"),
        ])
        .secret("admin_credentials", CLIENT_SECRETS[0])
        .secret("admin_refresh_token", REFRESH_TOKENS[0])
        .secret("compliance_officer_credentials", CLIENT_SECRETS[1])
        .secret("compliance_officer_refresh_token", REFRESH_TOKENS[1])
    }

    /// A host for it.
    pub(crate) async fn host(&self) -> Host {
        self.setup().open().await
    }
}

/// An answer with this status, at [`NOW`].
pub(crate) fn answer(status: u16) -> ResponseTemplate {
    ResponseTemplate::new(status).insert_header("date", ORIGIN_DATE)
}

/// 200 with this text as JSON.
pub(crate) fn json(text: &str) -> ResponseTemplate {
    answer(200).set_body_raw(text, "application/json;charset=UTF-8")
}
