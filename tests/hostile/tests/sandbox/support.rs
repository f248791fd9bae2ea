//! A machine with two tenants: the one of a hostile plugin, and a neighbour whose secrets and calls it must not touch.

use std::sync::LazyLock;
use std::time::Duration;

use host_harness::collect::{Collector, Delivery, Mode, Step};
use host_harness::log::{Level, Line, Log};
use host_harness::runtime::{Batch, FetchRequest, Plugin, Runtime, RuntimeError, Tenant};
use host_harness::secrets::{Secret, Store};
use host_harness::sink::Sinks;
use host_harness::state::State;
use host_harness::stop::Stop;
use wiremock::matchers::{any, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// What the neighbour keeps, and what a person has configured for it.
pub(crate) const CANARIES: [&str; 2] = ["fake-canary-of-the-neighbour", "fake-canary-password"];

const COMPONENT: &[u8] = include_bytes!(env!("HOSTILE_COMPONENT"));
pub(crate) const WITH_SOCKETS: &[u8] = include_bytes!(env!("HOSTILE_COMPONENT_WITH_SOCKETS"));
/// Before the mode, in the component.
const MARK: &[u8] = b"HOSTILE-MODE:";
/// Room for the mode behind the mark.
const ROOM: usize = 64 - MARK.len();

/// Bytes of memory, and time, of a call: what is tried takes all there is.
const MEMORY: usize = 128 << 20;
pub(crate) const TIME: Duration = Duration::from_secs(2);
/// How much longer than its time a call may take on a machine that does other things: ticks, the end of a host function.
const LATE: Duration = Duration::from_secs(8);

pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    &RUNTIME
}

/// The component in a mode.
pub(crate) fn component(mode: &str) -> Vec<u8> {
    assert!(mode.len() <= ROOM);
    let mut bytes = COMPONENT.to_vec();
    let marks: Vec<usize> =
        bytes.windows(MARK.len()).enumerate().filter(|(_, bytes)| *bytes == MARK).map(|(at, _)| at).collect();
    let [at] = marks[..] else { panic!("one mode stands in the component: {marks:?}") };
    let at = at + MARK.len();
    bytes[at..at + ROOM].fill(b' ');
    bytes[at..at + mode.len()].copy_from_slice(mode.as_bytes());
    bytes
}

/// It, loaded.
pub(crate) fn plugin(mode: &str) -> Plugin {
    static IDLE: LazyLock<Plugin> = LazyLock::new(|| runtime().load(&component("none")).unwrap());
    if mode == "none" { IDLE.clone() } else { runtime().load(&component(mode)).unwrap() }
}

/// Two tenants and the server of both.
pub(crate) struct Machine {
    pub(crate) tenant: Tenant,
    pub(crate) neighbour: Tenant,
    pub(crate) log: Log,
    pub(crate) server: MockServer,
}

impl Machine {
    /// With a plugin in this mode, whose description can be had.
    pub(crate) async fn with(mode: &str) -> Self {
        let server = MockServer::start().await;
        let to = |path: &str| format!("{}{path}", server.uri());
        let redirect = ResponseTemplate::new(302).insert_header("location", to("/v1/elsewhere"));
        Mock::given(path("/v1/redirect")).respond_with(redirect).mount(&server).await;
        let large = ResponseTemplate::new(200).set_body_bytes(vec![b'x'; 1 << 20]);
        Mock::given(path("/v1/open")).respond_with(large).mount(&server).await;
        Mock::given(any()).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        let log = Log::memory();
        let tenant = open(mode, "hostile-tenant", &log, &server, Store::memory()).await.unwrap();
        let neighbour = open("none", "neighbour", &log, &server, Store::memory()).await.unwrap();
        neighbour.secrets().replace("own", None, Secret::from(CANARIES[0])).await.unwrap();
        Self { tenant, neighbour, log, server }
    }

    pub(crate) async fn start() -> Self {
        Self::with("none").await
    }

    /// Runs an escape by name, and says what it came to.
    pub(crate) async fn run(&self, name: &str, arguments: &[(&str, &str)]) -> Result<String, RuntimeError> {
        run(&self.tenant, name, arguments).await
    }

    /// Runs one that the plugin itself is told to be impossible.
    pub(crate) async fn is_refused(&self, name: &str, arguments: &[(&str, &str)], why: &str) {
        let said = self.run(name, arguments).await.unwrap();
        assert!(said.starts_with("refused: ") && said.contains(why), "{name} {arguments:?}: {said}");
        self.goes_on().await;
    }

    /// Runs one that has to be ended, within its time.
    pub(crate) async fn is_ended(&self, name: &str, arguments: &[(&str, &str)]) -> RuntimeError {
        let began = std::time::Instant::now();
        let error = self.run(name, arguments).await.unwrap_err();
        assert!(began.elapsed() < TIME + LATE, "{name}: {:?}", began.elapsed());
        assert!(error.to_string().contains("`run`"), "{error}");
        assert!(!error.to_string().contains('\n'), "one line: {error}");
        self.goes_on().await;
        error
    }

    /// The tenant's next call and its neighbour's are as if nothing had been.
    pub(crate) async fn goes_on(&self) {
        for tenant in [&self.tenant, &self.neighbour] {
            assert_eq!(run(tenant, "nothing", &[]).await.unwrap(), "did nothing");
        }
        let kept = self.neighbour.secrets().get("own").await.unwrap().unwrap();
        assert_eq!(kept.value.expose(), CANARIES[0]);
    }

    /// Collects once.
    pub(crate) async fn fetch(&self) -> Result<Batch, RuntimeError> {
        Ok(self.tenant.fetch_events(None, &whatever()).await?.unwrap())
    }

    /// A round of a tenant, as a host makes it. Returns what was delivered.
    pub(crate) async fn round(&self, tenant: &Tenant) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        let state = State::at(&folder.path().join("state")).writer().unwrap();
        let (sinks, _) = Sinks::open([&path]).unwrap();
        let mut delivery = Delivery::to(sinks, state);
        let stop = Stop::new();
        let ends_here = |step: Step<'_>| {
            if matches!(step, Step::Over(_)) {
                stop.request();
            }
        };
        let mut collector = Collector::new(tenant, &mut delivery, stop.clone());
        collector.run(Mode::Follow(Duration::from_secs(1)), ends_here).await.unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    /// The one line that was written, with this code, of the tenant whose plugin it was.
    pub(crate) fn told(&self, code: &str) -> Line {
        let lines: Vec<Line> = self.log.lines().into_iter().filter(|line| line.code == code).collect();
        let [line] = &lines[..] else { panic!("one line of {code}: {:?}", self.log.lines()) };
        assert!(line.level >= Level::Warn, "{line}");
        assert_eq!(line.tenant.as_deref(), Some("hostile-tenant"), "{line}");
        line.clone()
    }

    /// What the server has got.
    pub(crate) async fn requests(&self) -> Vec<wiremock::Request> {
        self.server.received_requests().await.unwrap()
    }
}

pub(crate) const fn whatever() -> FetchRequest {
    FetchRequest { streams: Vec::new(), max_events: None, max_bytes: None, budget_ms: None, re_read: None }
}

/// A tenant of a plugin in this mode.
pub(crate) async fn open(
    mode: &str,
    name: &str,
    log: &Log,
    server: &MockServer,
    store: Store,
) -> Result<Tenant, RuntimeError> {
    plugin(mode)
        .tenant()
        .settings([("admin_redirect_uri", format!("{}/callback", server.uri()))])
        .origin_setting("base_url")
        .configured_secrets([("password", Secret::from(CANARIES[1]))])
        .secret_store(store)
        .log(log.of_tenant(name))
        .memory(MEMORY)
        .most_time(TIME)
        .rewrite("https://webexapis.com", *server.address())
        .open()
        .await
}

async fn run(tenant: &Tenant, name: &str, arguments: &[(&str, &str)]) -> Result<String, RuntimeError> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let arguments: Vec<_> = arguments.iter().map(pair).collect();
    Ok(tenant.run_command(name, &arguments).await?.unwrap().readable)
}
