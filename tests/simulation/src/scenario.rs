//! A world before it runs: everything that was drawn, as one value that can be printed and made smaller.

mod draw;
mod item;
mod weather;

use cisco_webex_plugin::settings::Settings;
use cisco_webex_plugin::stream::{Stream, User};
use host_harness::simulator::{
    ADMIN_CLIENT_ID, OFFICER_CLIENT_ID, REDIRECT_URI, RateLimit, StreamSettings, TokenSettings,
};

pub use draw::Realm;
pub use item::{Item, Kind};
pub use weather::Weather;

/// When every world begins: 2026-01-02T00:00:00Z.
pub const START: i64 = 1_767_312_000_000;

/// Milliseconds.
pub const SECOND: i64 = 1_000;
/// Milliseconds.
pub const MINUTE: i64 = 60 * SECOND;
/// Milliseconds.
pub const HOUR: i64 = 60 * MINUTE;
/// Milliseconds.
pub const DAY: i64 = 24 * HOUR;

/// Where the simulated tenant is, which listens nowhere.
pub const ORIGIN: &str = "http://127.0.0.1:9";

/// A world before it runs.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// For what is drawn while it runs: latencies, the dice of faults.
    pub seed: u64,
    /// What the server is like.
    pub nature: Nature,
    /// What the operator has set at first.
    pub knobs: Knobs,
    /// What happens in the organization.
    pub items: Vec<Item>,
    /// What happens to the collector.
    pub steps: Vec<Step>,
    /// How it is called once everything works again.
    pub settled: CallSpec,
    /// Whether what is wrong with the server at the end stays so: collecting must come to an end all the same.
    pub weather_stays: bool,
}

/// What stays as it is for the whole world.
#[derive(Clone, Debug)]
pub struct Nature {
    /// How admin audits, security audits and events are listed.
    pub lists: [StreamSettings; 3],
    /// Lives and refreshes of tokens.
    pub tokens: TokenSettings,
    /// How long an answer takes, in ms.
    pub latency: (i64, i64),
    /// Of each account.
    pub rate_limit: Option<RateLimit>,
    /// The licence.
    pub pro_pack: bool,
    /// Whether answers say what time it is.
    pub dates: bool,
    /// How far this machine's clock is ahead at first, in ms.
    pub ahead: i64,
    /// Signed in by refresh tokens that a person supplied.
    pub service_app: bool,
    /// The host takes no larger answers, in bytes; none: it takes all.
    pub body_cap: Option<usize>,
}

/// The settings that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knobs {
    /// In seconds.
    pub overlap: i64,
    /// In seconds.
    pub lag: i64,
    /// In seconds.
    pub first_fetch: i64,
    /// Events a stream and call.
    pub max_fetch: u32,
    /// Whether security audits are on.
    pub security: bool,
    /// None: one query for all.
    pub resources: Vec<&'static str>,
    /// None: all.
    pub types: Vec<&'static str>,
}

/// Something that happens to the collector, or that it is made to do.
#[derive(Clone, Debug)]
pub enum Step {
    /// The host calls `fetch-events`.
    Call(CallSpec),
    /// The host collects for so long, in ms: a call whenever the plugin says so.
    Follow(i64, CallSpec),
    /// What was done so far is noted.
    Note,
    /// The host is down, or waits.
    Pass(i64),
    /// The server gets better or worse.
    Weather(Weather),
    /// This machine's clock is set so far ahead of the origin's, in ms.
    Ahead(i64),
    /// Somebody does something.
    Deed(Deed),
    /// The operator changes settings.
    Knobs(Knobs),
    /// The operator resets a stream, or all, to so long ago, in ms.
    Reset(Option<Stream>, i64),
    /// A stretch is read again: begin and end as so long ago, in ms.
    ReRead {
        /// Begin.
        from: i64,
        /// End.
        to: i64,
        /// Even where ids are not remembered.
        allow_repeats: bool,
        /// How it is called.
        call: CallSpec,
    },
}

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The user withdraws all tokens.
    Revoke(User),
    /// The access token ends before its time.
    ExpireAccess(User),
    /// The refresh token ends before its time.
    ExpireRefresh(User),
    /// The user signs in, or a person puts a new refresh token there.
    SignIn(User),
    /// The licence comes or goes.
    Licence(bool),
    /// This machine's clock jumps to so far ahead, in ms.
    Ahead(i64),
    /// The host asks the call to stop.
    Stop,
}

/// One call of the host, and what becomes of its batch.
#[derive(Clone, Debug)]
pub struct CallSpec {
    /// Streams that are named, of those that are on; none: all.
    pub streams: Vec<Stream>,
    /// Of each stream.
    pub max_events: Option<u32>,
    /// In all.
    pub max_bytes: Option<u64>,
    /// In ms.
    pub budget: Option<i64>,
    /// Where the plugin dies.
    pub crash: Option<Crash>,
    /// What the sink does.
    pub sink: Sink,
    /// What the state store does.
    pub store: Store,
    /// What else the tenant does meanwhile.
    pub beside: Option<(i64, Beside)>,
    /// What happens so long after the call began, in ms.
    pub meanwhile: Vec<(i64, Deed)>,
    /// How long the host waits at most before it calls again, in ms.
    pub interval: i64,
}

/// Where a call dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crash {
    /// At the n-th effect that it asks for.
    pub effect: u32,
    /// After the effect was carried out, and before the answer came.
    pub done: bool,
}

/// What the sink does with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// Takes it.
    Takes,
    /// Takes nothing of it.
    Fails,
    /// Takes so many percent of the events, then fails or the process dies.
    Part(u32),
    /// Takes it; so long after, in ms, it says so.
    Late(i64),
}

/// What the state store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Replaces the last-run.
    Replaces,
    /// Fails, or the process dies before.
    Fails,
}

/// What else goes on in the same tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// `cisco-webex-oauth-test`
    Test(User),
    /// `check`
    Check,
    /// A sign-in, from link to tokens.
    SignIn(User),
}

impl Nature {
    /// A server that does nothing odd.
    pub fn plain(lists: [StreamSettings; 3]) -> Self {
        Self {
            lists,
            tokens: TokenSettings::default(),
            latency: (20, 200),
            rate_limit: None,
            pro_pack: true,
            dates: true,
            ahead: 0,
            service_app: false,
            body_cap: None,
        }
    }
}

impl Knobs {
    /// The defaults of the settings, with all streams.
    pub const fn plain() -> Self {
        Self {
            overlap: 600,
            lag: 5,
            first_fetch: 7 * DAY / SECOND,
            max_fetch: 2_000,
            security: true,
            resources: Vec::new(),
            types: Vec::new(),
        }
    }

    /// As the host passes them.
    pub fn pairs(&self) -> Vec<(String, String)> {
        let seconds = |n: i64| format!("{n}s");
        [
            ("base_url", ORIGIN.to_owned()),
            ("admin_credentials", ADMIN_CLIENT_ID.to_owned()),
            ("admin_app_redirect_uri", REDIRECT_URI.to_owned()),
            ("admin_org_id", crate::world::ORG.to_owned()),
            ("compliance_officer_credentials", OFFICER_CLIENT_ID.to_owned()),
            ("compliance_officer_redirect_uri", REDIRECT_URI.to_owned()),
            ("overlap", seconds(self.overlap)),
            ("lag", seconds(self.lag)),
            ("first_fetch", seconds(self.first_fetch)),
            ("max_fetch", self.max_fetch.to_string()),
            ("fetch_security_audit_events", self.security.to_string()),
            ("events_resources", self.resources.join(",")),
            ("events_types", self.types.join(",")),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// As the plugin reads them.
    ///
    /// # Errors
    /// The plugin does not take them.
    pub fn settings(&self) -> Result<Settings, String> {
        Settings::parse(self.pairs()).map_err(|failure| failure.message)
    }

    /// Whether the stream is collected.
    pub fn is_on(&self, stream: Stream) -> bool {
        stream != Stream::SecurityAudits || self.security
    }
}

impl CallSpec {
    /// Everything at its default, and everything works.
    pub const fn plain() -> Self {
        Self {
            streams: Vec::new(),
            max_events: None,
            max_bytes: None,
            budget: None,
            crash: None,
            sink: Sink::Takes,
            store: Store::Replaces,
            beside: None,
            meanwhile: Vec::new(),
            interval: MINUTE,
        }
    }
}

/// Where a stream stands in lists of all three.
pub const fn place_of(stream: Stream) -> usize {
    match stream {
        Stream::AdminAudits => 0,
        Stream::SecurityAudits => 1,
        Stream::Events => 2,
    }
}

/// The same stream in the words of the simulated tenant.
pub const fn served(stream: Stream) -> host_harness::simulator::Stream {
    match stream {
        Stream::AdminAudits => host_harness::simulator::Stream::AdminAudits,
        Stream::SecurityAudits => host_harness::simulator::Stream::SecurityAudits,
        Stream::Events => host_harness::simulator::Stream::Events,
    }
}

/// And in those of the plugin.
pub const fn collected(stream: host_harness::simulator::Stream) -> Stream {
    match stream {
        host_harness::simulator::Stream::AdminAudits => Stream::AdminAudits,
        host_harness::simulator::Stream::SecurityAudits => Stream::SecurityAudits,
        host_harness::simulator::Stream::Events => Stream::Events,
    }
}
