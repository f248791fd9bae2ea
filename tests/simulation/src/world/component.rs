//! The real component, as the harness runs it, in the same world: no sockets, and a time that passes only while everybody
//! waits. Requests and secrets leave the harness through a [`Door`] and are met by the world as those of the core are.

mod convert;
mod door;

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::task::Poll;
use std::time::Duration;

use cisco_webex_plugin::effect::{Effect, Request};
use cisco_webex_plugin::last_run::Stored;
use cisco_webex_plugin::secret::SecretName;
use cisco_webex_plugin::stream::{Stream, User};
use cisco_webex_plugin::time::Timestamp;
use host_harness::config::keys::ORIGIN_SETTING;
use host_harness::runtime::{self as host, Clock, Plugin, Random, Runtime, RuntimeError, Tenant};
use host_harness::secrets::{Store, Supplied};
use host_harness::simulator::{Delivery, SimulatedTenant};
use host_harness::stop::Stop;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::agenda::Agenda;
use super::task::{Ended, Outcome, Plan, SIGN_IN_LINK, Task};
use super::texts::Texts;
use super::{Served, World, account};
use crate::oracle::{Invariant, Violation};
use crate::scenario::{Crash, Deed, Knobs};
use door::{Asked, Door, Reply};

/// What a person supplies is in the store too, which the world answers for.
fn of_person() -> impl Iterator<Item = (&'static str, Supplied)> {
    SecretName::all().filter(|name| !name.is_written()).map(|name| (name.name(), Supplied::InStore))
}

/// The component that this build was made with, compiled once.
fn plugin() -> Result<&'static Plugin, Violation> {
    static PLUGIN: LazyLock<Result<Plugin, String>> = LazyLock::new(|| {
        let loaded = Runtime::new().and_then(|runtime| runtime.load(host_harness::COMPONENT));
        loaded.map_err(|error| error.to_string())
    });
    PLUGIN.as_ref().map_err(|message| Violation::new(Invariant::Host, message.clone()))
}

/// What runs the component: a runtime of one thread, and the machine's clock.
pub(super) struct Machine {
    runtime: tokio::runtime::Runtime,
    clock: Clock,
}

impl Machine {
    /// Whose clock shows `now`.
    pub(super) fn new(now: i64) -> Result<Self, Violation> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.map_err(|error| Violation::new(Invariant::Host, error.to_string()))?;
        let clock = runtime.block_on(async { Clock::simulated(now) });
        Ok(Self { runtime, clock })
    }

    /// The operator's `change-last-run`, one stream after the other.
    pub(super) fn reset(
        &self,
        knobs: &Knobs,
        stored: Option<Stored>,
        streams: &[Stream],
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Stored, Violation> {
        let broken = |what: String| Violation::new(Invariant::I10, format!("a last-run cannot be reset: {what}"));
        self.runtime.block_on(async {
            self.clock.set(now.as_millis());
            let builder = plugin()?.tenant().settings(knobs.pairs()).clock(self.clock.clone());
            let tenant = builder.random(Random::Seeded(0)).open().await.map_err(|error| broken(error.to_string()))?;
            let mut stored = stored.map(convert::whole);
            for stream in streams {
                let change = host::Reset { stream: Some(stream.name().to_owned()), since: since.as_millis() };
                let changed = tenant.change_last_run(stored.as_ref(), &change).await;
                let changed = changed.map_err(|error| broken(error.to_string()))?;
                stored = Some(changed.map_err(|failure| broken(failure.message))?);
            }
            stored.map(convert::stored).ok_or_else(|| broken("no stream is named".to_owned()))
        })
    }
}

type Running<'a> = Pin<Box<dyn Future<Output = Result<Outcome, RuntimeError>> + 'a>>;

/// A task of the component, and when it dies.
struct Run<'a> {
    name: &'static str,
    tenant: &'a Tenant,
    task: Task,
    /// None: not begun, or over.
    running: Option<Running<'a>>,
    is_over: bool,
    /// Requests and secrets that it has asked for. Its pauses are its own.
    asked: u32,
    crash: Option<Crash>,
    ended: i64,
    outcome: Option<Outcome>,
    crashed: bool,
}

impl Run<'_> {
    fn die(&mut self) {
        self.running = None;
        self.is_over = true;
        self.crashed = true;
    }
}

/// What is due in a drive.
enum Due {
    Begin(usize),
    Deed(Deed),
    Arrives(Errand, Request, i64),
    Answered(Errand, Served),
    Secret(Errand, Effect),
}

/// Something that a run waits for.
struct Errand {
    run: usize,
    reply: oneshot::Sender<Reply>,
    /// It does not live to see the answer.
    is_last: bool,
}

/// What happens next.
enum Next {
    Asked(Asked),
    Ended(usize, Result<Outcome, RuntimeError>),
    Due,
}

impl World<'_> {
    pub(super) fn drive_component(
        &mut self,
        machine: &Machine,
        plans: Vec<Plan>,
        deeds: &[(i64, Deed)],
    ) -> Result<Vec<Ended>, Violation> {
        machine.runtime.block_on(async {
            machine.clock.set(self.local_now());
            let (send, asked) = mpsc::unbounded_channel();
            let stop = Stop::new();
            let mut tenants = Vec::new();
            for run in 0..plans.len() {
                let door = Arc::new(Door::new(run, send.clone()));
                let seed = self.dice.number();
                let builder = plugin()?.tenant().settings(self.knobs.pairs()).origin_setting(ORIGIN_SETTING);
                let builder = builder.clock(machine.clock.clone()).configured_secrets(of_person());
                let builder = builder.secret_store(Store::given(Arc::clone(&door) as _)).in_process(door);
                let opened = builder.random(Random::Seeded(seed)).stop(stop.clone()).open().await;
                tenants.push(opened.map_err(|error| Violation::new(Invariant::Host, error.to_string()))?);
            }
            self.drive_runs(machine, &tenants, plans, deeds, asked, &stop).await
        })
    }

    async fn drive_runs(
        &mut self,
        machine: &Machine,
        tenants: &[Tenant],
        plans: Vec<Plan>,
        deeds: &[(i64, Deed)],
        mut asked: mpsc::UnboundedReceiver<Asked>,
        stop: &Stop,
    ) -> Result<Vec<Ended>, Violation> {
        let begun = (Instant::now(), self.now);
        let mut agenda = Agenda::default();
        let mut runs = Vec::new();
        for (index, (plan, tenant)) in plans.into_iter().zip(tenants).enumerate() {
            agenda.plan(self.now + plan.start, Due::Begin(index));
            runs.push(Run {
                name: plan.task.name(),
                tenant,
                task: plan.task,
                running: None,
                is_over: false,
                asked: 0,
                crash: plan.crash,
                ended: self.now,
                outcome: None,
                crashed: false,
            });
        }
        for (at, deed) in deeds {
            agenda.plan(self.now + at, Due::Deed(*deed));
        }
        loop {
            let is_over = runs.iter().all(|run| run.is_over);
            let due = agenda.next().map(|at| begun.0 + Duration::from_millis((at - begun.1).max(0).unsigned_abs()));
            let next = match due {
                None if is_over => break,
                Some(_) if is_over => Next::Due,
                due => {
                    let wait = tokio::time::sleep_until(due.unwrap_or(begun.0));
                    tokio::select! {
                        biased;
                        Some(asked) = asked.recv() => Next::Asked(asked),
                        (index, result) = first_ended(&mut runs) => Next::Ended(index, result),
                        () = wait, if due.is_some() => Next::Due,
                    }
                }
            };
            if !is_over {
                self.now = begun.1 + i64::try_from(begun.0.elapsed().as_millis()).unwrap_or(i64::MAX);
                self.clock.set(self.now);
            }
            match next {
                Next::Asked(asked) => self.begin_errand(asked, &mut runs, &mut agenda)?,
                Next::Ended(index, result) => {
                    let Some(run) = runs.get_mut(index) else { continue };
                    (run.running, run.is_over, run.ended) = (None, true, self.now);
                    run.outcome = broken_off(result)?;
                    run.crashed = run.outcome.is_none();
                }
                Next::Due => {
                    let Some((_, due)) = agenda.pop() else { continue };
                    self.meet(due, is_over, &mut runs, &mut agenda)?;
                    machine.clock.set(self.local_now());
                    if self.stopping {
                        stop.request();
                    }
                }
            }
        }
        let ended = runs.into_iter().map(|run| Ended {
            name: run.name,
            at: run.ended,
            outcome: run.outcome,
            crashed: run.crashed,
        });
        Ok(ended.collect())
    }

    /// A run asks for something: it is on its way, unless the run dies of it.
    fn begin_errand(&mut self, asked: Asked, runs: &mut [Run<'_>], agenda: &mut Agenda<Due>) -> Result<(), Violation> {
        let Asked { run: index, effect, reply } = asked;
        let Some(run) = runs.get_mut(index).filter(|run| !run.is_over) else { return Ok(()) };
        let dies = run.crash.filter(|crash| crash.effect == run.asked);
        run.asked += 1;
        Self::too_many(run.name, run.asked)?;
        if dies.is_some_and(|crash| !crash.done) {
            run.ended = self.now;
            run.die();
            return Ok(());
        }
        let errand = Errand { run: index, reply, is_last: dies.is_some() };
        match effect {
            Effect::Http(request) => {
                let (low, high) = self.scenario.nature.latency;
                let at = self.now + self.dice.range(low, high) / 2;
                agenda.plan(at, Due::Arrives(errand, request, self.now));
            }
            secret => agenda.plan(self.now + self.dice.range(0, 2), Due::Secret(errand, secret)),
        }
        Ok(())
    }

    /// Something is due.
    fn meet<'a>(
        &mut self,
        due: Due,
        is_over: bool,
        runs: &mut [Run<'a>],
        agenda: &mut Agenda<Due>,
    ) -> Result<(), Violation> {
        let (errand, reply) = match due {
            Due::Begin(index) => {
                let (stored, texts) = (self.stored.clone(), self.texts.clone());
                if let Some(run) = runs.get_mut(index) {
                    let tenant = Rc::clone(&self.tenant);
                    run.running = Some(Box::pin(perform(run.tenant, run.task.clone(), stored, texts, tenant)));
                }
                return Ok(());
            }
            Due::Deed(deed) => return self.meanwhile(deed, is_over),
            Due::Arrives(errand, request, sent) => {
                let name = runs.get(errand.run).map_or("", |run| run.name);
                let (due, served) = self.serve(name, &request, sent);
                agenda.plan(due, Due::Answered(errand, served));
                return Ok(());
            }
            // What never arrives: the plugin itself has to give up.
            Due::Answered(errand, served) if served.delivery == Delivery::Never => (errand, None),
            Due::Answered(errand, served) => (errand, Some(Reply::Served(served))),
            Due::Secret(errand, effect) => {
                let name = runs.get(errand.run).map_or("", |run| run.name);
                (errand, Some(Reply::Secret(self.secret(name, effect))))
            }
        };
        match runs.get_mut(errand.run).filter(|run| !run.is_over) {
            Some(run) if errand.is_last => {
                run.ended = self.now;
                run.die();
            }
            Some(_) => {
                // Refused where the plugin has given up.
                let _ = reply.map(|reply| errand.reply.send(reply));
            }
            None => {}
        }
        Ok(())
    }
}

/// The first of the runs that is over.
async fn first_ended(runs: &mut [Run<'_>]) -> (usize, Result<Outcome, RuntimeError>) {
    poll_fn(|context| {
        for (index, run) in runs.iter_mut().enumerate() {
            if let Some(running) = &mut run.running
                && let Poll::Ready(result) = running.as_mut().poll(context)
            {
                return Poll::Ready((index, result));
            }
        }
        Poll::Pending
    })
    .await
}

/// What a call came to; none: the host has dropped it, since it did not end when asked.
fn broken_off(result: Result<Outcome, RuntimeError>) -> Result<Option<Outcome>, Violation> {
    let invariant = match result {
        Ok(outcome) => return Ok(Some(outcome)),
        Err(RuntimeError::Stopped { .. }) => return Ok(None),
        Err(RuntimeError::Deadline { .. }) => Invariant::I8,
        Err(RuntimeError::Memory { .. }) => Invariant::I7,
        Err(_) => Invariant::I5,
    };
    let what = result.err().map_or_else(String::new, |error| error.to_string());
    Err(Violation::new(invariant, what))
}

/// Does it, with the component.
async fn perform(
    tenant: &Tenant,
    task: Task,
    stored: Option<Stored>,
    texts: Texts,
    server: Rc<SimulatedTenant>,
) -> Result<Outcome, RuntimeError> {
    let user_argument = |user: User| ("user".to_owned(), user.name().to_owned());
    match task {
        Task::Fetch(request) => {
            let stored = stored.map(convert::last_run);
            let request = convert::request(&request);
            let fetched = tenant.fetch_events_since(stored.as_ref(), Arc::new(texts), &request).await?;
            Ok(Outcome::Fetched(fetched.map(convert::batch).map_err(convert::failure)))
        }
        Task::Test(user) => {
            // Whether it works is the weather's business; what it does to the tokens is not.
            drop(tenant.run_command("cisco-webex-oauth-test", &[user_argument(user)]).await?);
            Ok(Outcome::Done)
        }
        Task::Check => {
            drop(tenant.check().await?);
            Ok(Outcome::Done)
        }
        Task::SignIn(user) => {
            let begun = tenant.run_command("cisco-webex-oauth-start", &[user_argument(user)]).await?;
            let led = begun.map_err(|failure| failure.message).and_then(|begun| {
                let outputs: serde_json::Value =
                    serde_json::from_str(&begun.outputs).map_err(|error| error.to_string())?;
                let link = outputs.pointer(SIGN_IN_LINK).and_then(|link| link.as_str()).ok_or("no link")?;
                server.approve(link, account(user)).map_err(|error| error.to_string())
            });
            let led = match led {
                Ok(led) => led,
                Err(message) => return Ok(Outcome::SignedIn(Err(message))),
            };
            let arguments = [user_argument(user), ("code".to_owned(), led)];
            let completed = tenant.run_command("cisco-webex-oauth-complete", &arguments).await?;
            Ok(Outcome::SignedIn(completed.map(drop).map_err(|failure| failure.message)))
        }
    }
}
