//! A world that runs: the simulated tenant, the real core or the real component, and a host by the contract, on one clock.

mod agenda;
mod component;
mod core;
mod host;
mod job;
mod secrets;
mod settle;
mod task;
mod texts;

use std::rc::Rc;

use cisco_webex_plugin::effect::{Answer, Effect, HttpError, Moment, Request, Response, SecretsError};
use cisco_webex_plugin::last_run::Stored;
use cisco_webex_plugin::secret::SecretName;
use cisco_webex_plugin::settings::Settings;
use cisco_webex_plugin::stream::User;
use cisco_webex_plugin::time::{Span, Timestamp};
use host_harness::simulator::{
    ADMIN, ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET, Clock, Delivery, InProcessRequest, OFFICER, OFFICER_CLIENT_ID,
    OFFICER_CLIENT_SECRET, SimulatedTenant, TenantSettings,
};

use crate::dice::Dice;
use crate::oracle::{Invariant, Ledger, Violation};
use crate::scenario::{Deed, Knobs, ORIGIN, START, Scenario, Step, Weather, collected, place_of, served};
use crate::trace::{Detail, Trace};
use component::Machine;
use secrets::Secrets;
use task::{Ended, Plan, Task};
use texts::Texts;

/// The organization, as its bare UUID.
pub const ORG: &str = "7d9b2c54-0000-4000-8000-000000000001";

/// How long the host waits for one answer, in ms.
pub const HTTP_TIMEOUT: i64 = 30_000;

/// More effects than this in one call are a loop.
const MOST_EFFECTS: u32 = 20_000;

/// What is wrong with the host itself, to show that the oracle sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostDefect {
    /// It stores the last-run before the sink has the events.
    AcknowledgesBeforeTheSink,
}

/// What collects in a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// The core, natively: a thousand worlds a second.
    #[default]
    Core,
    /// The component, as the harness runs it: ten worlds a second.
    Component,
}

/// What is tried in a world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// What collects.
    pub engine: Engine,
    /// What is wrong with the host.
    pub defect: Option<HostDefect>,
}

/// A world that runs.
pub struct World<'a> {
    scenario: &'a Scenario,
    defect: Option<HostDefect>,
    /// Runs the component; none: the core is tried.
    machine: Option<Machine>,
    tenant: Rc<SimulatedTenant>,
    clock: Clock,
    /// The origin's time, ms since the epoch.
    now: i64,
    /// How far this machine's clock is ahead of it.
    ahead: i64,
    stopping: bool,
    dice: Dice,
    weather: Weather,
    secrets: Secrets,
    knobs: Knobs,
    settings: Rc<Settings>,
    stored: Option<Stored>,
    texts: Texts,
    ledger: Ledger,
    trace: Trace,
    /// Calls in a row that changed nothing and were told to call again at once.
    barren: u32,
    notes: Vec<Done>,
}

/// What became of a world.
#[derive(Debug)]
pub struct Outcome {
    /// The first thing that was wrong.
    pub violation: Option<Violation>,
    /// Of everything that happened.
    pub trace: Trace,
    /// How much was done.
    pub done: Done,
    /// How much was done at each [`Step::Note`].
    pub notes: Vec<Done>,
}

/// How much was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Calls of `fetch-events`.
    pub calls: u64,
    /// Requests.
    pub requests: u64,
    /// Events that a sink took.
    pub events: u64,
    /// Runs that were killed.
    pub crashes: u64,
    /// Of admin audits, security audits and events.
    pub read: [Read; 3],
}

/// How much of one stream was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Requests for pages.
    pub requests: u64,
    /// Items in them.
    pub listed: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Events that a sink took.
    pub events: u64,
}

/// Runs a world to its end.
pub fn run(scenario: &Scenario, detail: Detail, subject: Subject) -> Outcome {
    let mut world = match World::new(scenario, detail, subject) {
        Ok(world) => world,
        Err(violation) => {
            return Outcome {
                violation: Some(violation),
                trace: Trace::new(detail),
                done: Done::default(),
                notes: Vec::new(),
            };
        }
    };
    let violation = world.play().err();
    if let Some(violation) = &violation {
        world.trace.line(|| format!("VIOLATION {violation}"));
    }
    Outcome { violation, trace: world.trace, done: world.ledger.done, notes: world.notes }
}

impl<'a> World<'a> {
    fn new(scenario: &'a Scenario, detail: Detail, subject: Subject) -> Result<Self, Violation> {
        let nature = &scenario.nature;
        let clock = Clock::set_to(START);
        let [admin_audits, security_audits, events] = nature.lists.clone();
        let tenant = SimulatedTenant::in_process(
            TenantSettings {
                seed: scenario.seed,
                clock: clock.clone(),
                admin_audits,
                security_audits,
                events,
                tokens: nature.tokens.clone(),
                rate_limit: nature.rate_limit.clone(),
                pro_pack: nature.pro_pack,
                ..TenantSettings::default()
            },
            ORIGIN,
        );
        for item in &scenario.items {
            tenant.add(served(item.stream), item.created, item.created + item.delay, item.raw());
            if let Some(mended) = item.mended() {
                tenant.mend(item.id(), mended);
            }
        }
        let settings = scenario.knobs.settings().map_err(|message| Violation::new(Invariant::Host, message))?;
        let mut secrets = Secrets::default();
        secrets.put(SecretName::Credentials(User::Admin), ADMIN_CLIENT_SECRET);
        secrets.put(SecretName::Credentials(User::ComplianceOfficer), OFFICER_CLIENT_SECRET);
        let mut world = Self {
            scenario,
            defect: subject.defect,
            machine: match subject.engine {
                Engine::Core => None,
                Engine::Component => Some(Machine::new(START)?),
            },
            tenant: Rc::new(tenant),
            clock,
            now: START,
            ahead: nature.ahead,
            stopping: false,
            dice: Dice::new(scenario.seed),
            weather: Weather::calm(),
            secrets,
            knobs: scenario.knobs.clone(),
            settings: Rc::new(settings),
            stored: None,
            texts: Texts::default(),
            ledger: Ledger::new(scenario),
            trace: Trace::new(detail),
            barren: 0,
            notes: Vec::new(),
        };
        for user in User::ALL {
            world.sign_in(user)?;
        }
        Ok(world)
    }

    fn play(&mut self) -> Result<(), Violation> {
        for step in &self.scenario.steps {
            match step {
                Step::Call(spec) => {
                    self.call_and_wait(spec)?;
                }
                Step::Follow(ms, spec) => self.follow(*ms, spec)?,
                Step::Note => self.notes.push(self.ledger.done),
                Step::Pass(ms) => self.pass(*ms),
                Step::Weather(weather) => self.set_weather(weather.clone()),
                Step::Ahead(ms) => self.deed(Deed::Ahead(*ms))?,
                Step::Deed(deed) => self.deed(*deed)?,
                Step::Knobs(knobs) => self.set_knobs(knobs)?,
                Step::Reset(stream, back) => self.reset(*stream, *back)?,
                Step::ReRead { from, to, allow_repeats, call } => self.re_read(*from, *to, *allow_repeats, call)?,
            }
        }
        self.settle()
    }

    fn pass(&mut self, ms: i64) {
        self.now += ms;
        self.clock.set(self.now);
        self.trace.line(|| format!("        {ms} ms pass"));
    }

    fn local_now(&self) -> i64 {
        self.now + self.ahead
    }

    fn moment(&self, begun: i64) -> Moment {
        Moment {
            now: Timestamp::from_millis(self.local_now()),
            elapsed: Span::millis(self.now - begun),
            stopping: self.stopping,
        }
    }

    fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        for (part, byte) in seed.iter_mut().zip(std::iter::repeat_with(|| self.dice.number().to_le_bytes()).flatten()) {
            *part = byte;
        }
        seed
    }

    fn set_weather(&mut self, weather: Weather) {
        self.trace.line(|| format!("weather {weather:?}"));
        self.tenant.change(|settings| settings.random_faults.clone_from(&weather.random));
        self.tenant.clear_script();
        for burst in &weather.bursts {
            self.tenant.script(burst.clone());
        }
        self.weather = weather;
    }

    fn deed(&mut self, deed: Deed) -> Result<(), Violation> {
        self.trace.line(|| format!("deed    {deed:?}"));
        match deed {
            Deed::Revoke(user) => {
                self.ledger.tokens_may_die(user);
                self.tenant.revoke(account(user));
            }
            Deed::ExpireAccess(user) => self.tenant.expire_access(account(user)),
            Deed::ExpireRefresh(user) => {
                self.ledger.tokens_may_die(user);
                self.tenant.expire_refresh(account(user));
            }
            Deed::SignIn(user) => return self.sign_in(user),
            Deed::Licence(has) => self.tenant.change(|settings| settings.pro_pack = has),
            Deed::Ahead(ms) => {
                self.ahead = if self.scenario.nature.dates { ms } else { 0 };
                User::ALL.into_iter().for_each(|user| self.ledger.tokens_may_die(user));
            }
            Deed::Stop => {
                self.ledger.disturbed();
                self.stopping = true;
            }
        }
        Ok(())
    }

    /// What was to happen during a run happens also after it.
    fn meanwhile(&mut self, deed: Deed, is_over: bool) -> Result<(), Violation> {
        if deed == Deed::Stop && is_over {
            return Ok(());
        }
        if let Deed::ExpireAccess(user) = deed {
            // A token that dies right after the one refresh of a call.
            self.ledger.tokens_may_die(user);
        }
        self.deed(deed)
    }

    /// The user signs in as people do, or a person supplies a refresh token.
    fn sign_in(&mut self, user: User) -> Result<(), Violation> {
        if self.scenario.nature.service_app {
            let (client, scopes) = match user {
                User::Admin => (ADMIN_CLIENT_ID, "audit:events_read spark:kms"),
                User::ComplianceOfficer => (OFFICER_CLIENT_ID, "spark-compliance:events_read spark:kms"),
            };
            let grant = self.tenant.grant(client, account(user), scopes);
            self.secrets.put(SecretName::RefreshToken(user), grant.refresh_token.as_deref().unwrap_or_default());
            return Ok(());
        }
        let ended = self.drive(vec![Plan { start: 0, task: Task::SignIn(user), crash: None }], &[])?;
        match ended.into_iter().next().and_then(|one| one.outcome) {
            Some(task::Outcome::SignedIn(Err(message))) if self.weather.is_calm() => {
                Err(Violation::new(Invariant::Tokens, format!("the {user} cannot sign in: {message}")))
            }
            _ => Ok(()),
        }
    }

    /// Runs side by side, each begun so many ms after now, until all are over.
    fn drive(&mut self, plans: Vec<Plan>, deeds: &[(i64, Deed)]) -> Result<Vec<Ended>, Violation> {
        let ended = match self.machine.take() {
            None => self.drive_core(plans, deeds)?,
            Some(machine) => {
                let ended = self.drive_component(&machine, plans, deeds);
                self.machine = Some(machine);
                ended?
            }
        };
        for one in ended.iter().filter(|one| one.crashed) {
            self.ledger.done.crashes += 1;
            self.trace.line(|| format!("{:>8} {} DIED", self.now - START, one.name));
        }
        Ok(ended)
    }

    /// Whether a run asks for more than any that comes to an end.
    fn too_many(name: &str, asked: u32) -> Result<(), Violation> {
        if asked > MOST_EFFECTS {
            let what = format!("{name} asks for more than {MOST_EFFECTS} effects");
            return Err(Violation::new(Invariant::I8, what));
        }
        Ok(())
    }

    /// Sends a request: what comes of it, and when.
    fn serve(&mut self, who: &str, request: &Request, sent: i64) -> (i64, Served) {
        let answer = self.tenant.answer(InProcessRequest {
            path: request.url.path(),
            query: request.url.query().unwrap_or_default(),
            bearer: request.bearer.as_ref().map(|bearer| bearer.expose()),
            form: request.form.as_ref().map(|form| form.expose()),
        });
        let (low, high) = self.scenario.nature.latency;
        let delay = i64::try_from(answer.delay.as_millis()).unwrap_or(i64::MAX / 2);
        let due = self.now + delay + self.dice.range(low, high) / 2;
        let is_late = answer.delivery == Delivery::Never || due - sent > HTTP_TIMEOUT;
        let is_too_large = self.scenario.nature.body_cap.is_some_and(|cap| answer.body.len() > cap);
        let is_whole = answer.delivery == Delivery::Whole && !is_late && !is_too_large;
        let fault = answer.record.as_ref().and_then(|record| record.fault.clone());
        if let Some(record) = &answer.record {
            self.ledger.heard(record, is_whole, self.now);
            let read =
                record.endpoint.stream().and_then(|stream| self.ledger.done.read.get_mut(place_of(collected(stream))));
            if let Some(read) = read {
                read.requests += 1;
                read.listed += record.items as u64;
                read.bytes += answer.body.len() as u64;
            }
        }
        let (at, status) = (self.now - START, answer.status);
        // A gateway in between may not say what time it is; the origin itself does.
        let is_own = fault.as_ref().is_none_or(|fault| is_of_the_origin(fault));
        let is_dated = self.scenario.nature.dates && (is_own || !self.weather.faults_undated);
        let headers = answer.headers.into_iter().filter(|(name, _)| is_dated || *name != "date");
        let headers = headers.map(|(name, value)| (name.to_owned(), value)).collect();
        let response = Response { status, headers, body: answer.body.to_vec() };
        let delivery = if is_late { Delivery::Never } else { answer.delivery };
        let served = Served { response, delivery, is_too_large };
        self.trace.line(|| {
            let query = request.url.query().unwrap_or_default().replace("%3A", ":");
            let what = match served.error() {
                None => status.to_string(),
                Some(error) => format!("{error} ({status})"),
            };
            let items = answer.record.as_ref().map_or(0, |record| record.items);
            let fault = fault.map_or_else(String::new, |fault| format!(" [{fault}]"));
            format!("{at:>8} {who} {}?{query} -> {what}, {items} items{fault}", request.url.path())
        });
        if is_whole {
            self.trace.bytes(&served.response.body);
        }
        (if is_late { sent + HTTP_TIMEOUT } else { due }, served)
    }

    /// Uses a secret.
    fn secret(&mut self, who: &str, effect: Effect) -> Answer {
        let fails = self.weather.secrets_fail_one_in > 0 && self.dice.chance(1, self.weather.secrets_fail_one_in);
        let failure = || SecretsError::Unavailable("the store is away".to_owned());
        if fails {
            self.ledger.secrets_failed(self.now);
        }
        let (answer, line) = match effect {
            Effect::ReadSecret(name) => {
                let read = if fails { Err(failure()) } else { Ok(self.secrets.get(name)) };
                let line = format!("reads {} {}", name.name(), if fails { "in vain" } else { "" });
                (Answer::Read(read), line)
            }
            Effect::ReplaceSecret { name, expected, value } => {
                // A store may fail and have written all the same.
                let written = if fails && self.dice.chance(1, 2) {
                    Err(failure())
                } else {
                    let written = self.secrets.replace(name, expected.as_ref(), &value);
                    if fails { Err(failure()) } else { written }
                };
                let line = format!("writes {} {written:?}", name.name());
                (Answer::Replaced(written), line)
            }
            Effect::Http(_) | Effect::Sleep(_) => (Answer::Slept, "no secret".to_owned()),
        };
        self.trace.line(|| format!("{:>8} {who} {line}", self.now - START));
        answer
    }
}

/// An answer, and how much of it arrives.
struct Served {
    response: Response,
    delivery: Delivery,
    /// For the host's cap.
    is_too_large: bool,
}

impl Served {
    /// Why it does not arrive whole.
    fn error(&self) -> Option<HttpError> {
        match self.delivery {
            Delivery::Whole => self.is_too_large.then_some(HttpError::TooLarge),
            Delivery::Never => Some(HttpError::Timeout),
            Delivery::ResetBefore | Delivery::ResetInside | Delivery::CutShort => {
                Some(HttpError::Broken("the connection ended early".to_owned()))
            }
        }
    }

    fn into_result(self) -> Result<Response, HttpError> {
        self.error().map_or(Ok(self.response), Err)
    }
}

/// Whether the origin answered itself, by the name of the fault.
fn is_of_the_origin(fault: &str) -> bool {
    let own = ["EmptyPage", "SamePage", "NextLink", "Slow", "CutBody", "InvalidJson", "Items"];
    own.iter().any(|name| fault.starts_with(name))
}

/// Who the user is in the tenant.
const fn account(user: User) -> &'static str {
    match user {
        User::Admin => ADMIN,
        User::ComplianceOfficer => OFFICER,
    }
}
