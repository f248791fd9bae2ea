//! The whole job against a simulated tenant inside the process: both users sign in through the plugin's own commands, a
//! backlog is collected, everything is dropped in the middle and opened again from the disk, live events follow, and what
//! came out is compared with the tenant's own list.

pub mod hosted;
mod tally;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::collect::{self, CollectError, Collector, Delivery, End, Mode, Totals};
use crate::config::keys::ORIGIN_SETTING;
use crate::durable::DurableError;
use crate::log::Log;
use crate::runtime::{Plugin, Runtime, RuntimeError, Tenant, User};
use crate::secrets::{KeySource, Secret, Store};
use crate::sign_in::{self, SignInError};
use crate::simulator::{
    ADMIN, ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET, AuthorizeError, Endpoint, Fault, Latency, LiveRates, OFFICER,
    OFFICER_CLIENT_ID, OFFICER_CLIENT_SECRET, REDIRECT_URI, RetryAfter, ScriptedFault, SimulatedTenant, Stream,
    TenantSettings,
};
use crate::sink::{Direct, Ndjson, SinkError, Sinks};
use crate::state::{State, StateError};
use crate::stop::Stop;
pub use tally::{StreamTally, Tally};

/// How far back the backlog reaches: a working day.
const BACKLOG: Duration = Duration::from_secs(8 * 3_600);
/// Live events per second and stream.
const LIVE_RATE: f64 = 20.0;
/// Events a stream and call: some calls for a backlog, so that there is a middle to restart in.
const MAX_FETCH: &str = "500";
/// How far behind the clock collecting stays; Webex wants some seconds, the simulation is exact.
const LAG: Duration = Duration::from_secs(1);
/// The pause between two rounds while events come in.
const ROUND: Duration = Duration::from_millis(500);
/// Rounds at the end for what was listed last; one is expected.
const LAST_ROUNDS: u32 = 5;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    /// Events of the backlog, in each of the three streams.
    pub events: usize,
    /// All that is drawn comes from this.
    pub seed: u64,
    /// How long new events come in.
    pub live: Duration,
    /// NDJSON file; `-` is standard output.
    pub output: PathBuf,
}

/// What a demo came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Collected, compared with the tenant's own list.
    pub tally: Tally,
    /// Requests that the tenant has answered, of all kinds.
    pub requests: u64,
    /// Answers among them that were faults made for the demo.
    pub faults: u64,
    /// Secrets that the tenant met where they do not belong.
    pub leaks: usize,
    /// From the first request to the last.
    pub took: Duration,
    /// Whether it was asked to end before the end.
    pub stopped: bool,
}

/// Why a demo broke off.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No port or no temporary folder.
    #[error("the simulated tenant cannot start: {0}")]
    Start(std::io::Error),
    /// The plugin could not be run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A sign-in did not go its way.
    #[error(transparent)]
    SignIn(#[from] SignInError),
    /// The link of a sign-in was not accepted.
    #[error("the simulated tenant does not take the link of a sign-in: {0}")]
    Authorize(#[from] AuthorizeError),
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// A folder of the host.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// The output.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The collection.
    #[error(transparent)]
    Collect(#[from] CollectError),
}

/// Steps of a demo, told while it runs.
pub enum Step<'a> {
    /// Something has begun or ended; a sentence.
    Words(String),
    /// A call was made.
    Collected(&'a Totals),
}

/// Runs the demo with a component.
///
/// # Errors
/// See [`DemoError`]. Whether something was lost is no error but the [`Outcome`].
pub async fn run(
    component: &[u8],
    options: &Options,
    log: &Log,
    stop: &Stop,
    mut observe: impl FnMut(Step<'_>),
) -> Result<Outcome, DemoError> {
    let webex = simulate(options).await.map_err(DemoError::Start)?;
    let began = Instant::now();
    let folder = tempfile::tempdir().map_err(DemoError::Start)?;
    let (mut tally, mut totals) = (Tally::default(), Totals::default());
    let demo = Demo { component, options, log, webex: &webex, folder: folder.path().to_owned() };

    let plugin = demo.load()?;
    let tenant = demo.open(&plugin, stop.clone()).await?;
    for user in plugin.describe().await?.users {
        demo.sign_in(&tenant, &user).await?;
        observe(Step::Words(format!("{} has signed in", user.title)));
    }

    // The first half, then everything that is in memory goes.
    let half = u64::try_from(options.events).unwrap_or(u64::MAX).saturating_mul(3) / 2;
    demo.collect(&plugin, Mode::Once, &Part::until(stop, Some(half), None), (&mut tally, &mut totals), &mut observe)
        .await?;
    drop((tenant, plugin));
    let plugin = demo.load()?;
    if !stop.is_requested() {
        observe(Step::Words("restarted in the middle: state and tokens are read from the disk again".into()));
        demo.collect(&plugin, Mode::Once, &Part::until(stop, None, None), (&mut tally, &mut totals), &mut observe)
            .await?;
    }
    if !stop.is_requested() {
        let seconds = options.live.as_secs();
        observe(Step::Words(format!("the backlog is delivered; new events come in for {seconds} s")));
        webex.live(LiveRates::all(LIVE_RATE));
        let part = Part::until(stop, None, Some(options.live));
        demo.collect(&plugin, Mode::Follow(ROUND), &part, (&mut tally, &mut totals), &mut observe).await?;
        webex.live(LiveRates::default());
    }
    for _ in 0..LAST_ROUNDS {
        tally.compare(&webex);
        if tally.lost() == 0 || !stop.sleep(LAG + ROUND).await {
            break;
        }
        demo.collect(&plugin, Mode::Once, &Part::until(stop, None, None), (&mut tally, &mut totals), &mut observe)
            .await?;
    }
    tally.compare(&webex);

    let counts = webex.counts();
    let outcome = Outcome {
        tally,
        requests: counts.values().map(|count| count.requests).sum(),
        faults: counts.values().map(|count| count.failed + count.refused).sum(),
        leaks: webex.leaks().len(),
        took: began.elapsed(),
        stopped: stop.is_requested(),
    };
    webex.stop().await;
    Ok(outcome)
}

/// A tenant with a backlog that takes its time and fails now and then.
async fn simulate(options: &Options) -> std::io::Result<SimulatedTenant> {
    let latency = Latency { min_ms: 5, max_ms: 30 };
    let webex =
        SimulatedTenant::start(TenantSettings { seed: options.seed, latency, ..TenantSettings::default() }).await?;
    let now = webex.now_ms();
    let back = i64::try_from(BACKLOG.as_millis()).unwrap_or(0);
    for stream in Stream::ALL {
        webex.backlog(stream, options.events, now - back, now);
    }
    webex.script(ScriptedFault::on(Endpoint::AdminAudits, Fault::TooManyRequests(RetryAfter::Seconds(1))).nth(4));
    webex.script(ScriptedFault::on(Endpoint::SecurityAudits, Fault::Status(503)).nth(3));
    webex.script(ScriptedFault::on(Endpoint::Events, Fault::ResetBeforeAnswer).nth(3));
    Ok(webex)
}

struct Demo<'a> {
    component: &'a [u8],
    options: &'a Options,
    log: &'a Log,
    webex: &'a SimulatedTenant,
    folder: PathBuf,
}

/// How long one part of the demo goes on.
struct Part {
    stop: Stop,
    events: Option<u64>,
}

impl Part {
    /// Until the whole demo is to end, or so many events are delivered, or so much time is over.
    fn until(whole: &Stop, events: Option<u64>, time: Option<Duration>) -> Self {
        let (part, whole) = (Stop::new(), whole.clone());
        let stop = part.clone();
        tokio::spawn(async move {
            match time {
                Some(time) => drop(whole.sleep(time).await),
                None => whole.requested().await,
            }
            part.request();
        });
        Self { stop, events }
    }
}

impl Demo<'_> {
    /// From the component's bytes, as a new process would.
    fn load(&self) -> Result<Plugin, DemoError> {
        Ok(Runtime::new()?.load(self.component)?)
    }

    /// Settings from here, tokens from the disk.
    async fn open(&self, plugin: &Plugin, stop: Stop) -> Result<Tenant, DemoError> {
        let settings = [
            ("base_url", self.webex.origin()),
            ("admin_credentials", ADMIN_CLIENT_ID.to_owned()),
            ("admin_app_redirect_uri", REDIRECT_URI.to_owned()),
            ("admin_org_id", self.webex.org_id()),
            ("compliance_officer_credentials", OFFICER_CLIENT_ID.to_owned()),
            ("compliance_officer_redirect_uri", REDIRECT_URI.to_owned()),
            ("fetch_security_audit_events", "true".to_owned()),
            ("max_fetch", MAX_FETCH.to_owned()),
            ("first_fetch", "1 day".to_owned()),
            ("overlap", "1m".to_owned()),
            ("lag", format!("{}s", LAG.as_secs())),
        ];
        let secrets = [
            ("admin_credentials", Secret::from(ADMIN_CLIENT_SECRET)),
            ("compliance_officer_credentials", Secret::from(OFFICER_CLIENT_SECRET)),
        ];
        let tenant = plugin
            .tenant()
            .settings(settings)
            .origin_setting(ORIGIN_SETTING)
            .configured_secrets(secrets)
            // Its key lies in the same folder: both go with the demo.
            .secret_store(Store::file(&self.folder, KeySource::File(self.folder.join("demo.key")))?)
            .log(self.log.clone())
            .stop(stop)
            .open()
            .await?;
        Ok(tenant)
    }

    /// As a person does it, with a browser in between.
    async fn sign_in(&self, tenant: &Tenant, user: &User) -> Result<(), DemoError> {
        let started = sign_in::start(tenant, user).await?;
        let account = if user.name == "admin" { ADMIN } else { OFFICER };
        let redirected = self.webex.approve(&started.url, account)?;
        sign_in::complete(tenant, user, redirected).await?;
        Ok(())
    }

    /// One life of a host, from the disk to the disk.
    async fn collect(
        &self,
        plugin: &Plugin,
        mode: Mode,
        part: &Part,
        (tally, totals): (&mut Tally, &mut Totals),
        observe: &mut impl FnMut(Step<'_>),
    ) -> Result<End, DemoError> {
        let tenant = self.open(plugin, part.stop.clone()).await?;
        let writer = State::at(&self.folder).writer()?;
        let (file, _) = Ndjson::open(&self.options.output)?;
        let sinks = Sinks::new([Direct::Ndjson(file), Direct::Memory(Vec::new())]);
        let mut delivery = Delivery::to(sinks, writer);
        let mut collector = Collector::new(&tenant, &mut delivery, part.stop.clone());
        collector.totals = std::mem::take(totals);
        let ended = collector
            .run(mode, |step| {
                let collect::Step::Called(totals) = step else { return };
                observe(Step::Collected(totals));
                if part.events.is_some_and(|events| totals.delivered() >= events) {
                    part.stop.request();
                }
            })
            .await;
        *totals = collector.totals;
        delivery.sinks(|sinks| tally.take(sinks));
        Ok(ended?)
    }
}
