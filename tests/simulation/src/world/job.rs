//! Runs of the core side by side: each is asked for its effects, answered, and perhaps killed.

use std::pin::Pin;
use std::rc::Rc;

use cisco_webex_plugin::effect::{Answer, Effect, Io, Moment, Request, Run, Ticket, Turn};
use cisco_webex_plugin::fetch::fetch_events;
use cisco_webex_plugin::settings::Settings;
use cisco_webex_plugin::stream::User;
use cisco_webex_plugin::{check, command};
use host_harness::simulator::SimulatedTenant;

use super::task::{Outcome, Plan, SIGN_IN_LINK, Task};
use super::{World, account};
use crate::scenario::Crash;

/// A run, and when it dies.
pub(super) struct Job {
    pub(super) name: &'static str,
    pub(super) run: Option<Run<'static, Outcome>>,
    pub(super) begun: i64,
    pub(super) ended: i64,
    /// Effects that it has asked for.
    pub(super) asked: u32,
    pub(super) crash: Option<Crash>,
    /// Whose answer it does not live to see.
    pub(super) doomed: Option<Ticket>,
    pub(super) outcome: Option<Outcome>,
    pub(super) crashed: bool,
}

/// Something that is under way.
pub(super) enum Happening {
    Begin,
    Arrives(Ticket, Request, i64),
    Answered(Ticket, Answer),
    Secret(Ticket, Effect),
}

type Begin = Box<dyn FnOnce(Io) -> Pin<Box<dyn Future<Output = Outcome>>>>;

impl World<'_> {
    /// A run of the core that does this.
    pub(super) fn job(&mut self, plan: Plan) -> Job {
        let (seed, moment, settings) = (self.seed(), self.moment(self.now), Rc::clone(&self.settings));
        let name = plan.task.name();
        let begin: Begin = match plan.task {
            Task::Fetch(request) => {
                let stored = self.stored.clone();
                Box::new(move |io| {
                    Box::pin(async move { Outcome::Fetched(fetch_events(io, &settings, stored, &request).await) })
                })
            }
            Task::Test(user) => Box::new(move |io| {
                Box::pin(async move {
                    let arguments = vec![("user".to_owned(), user.name().to_owned())];
                    // Whether it works is the weather's business; what it does to the tokens is not.
                    drop(command::run(io, &settings, "cisco-webex-oauth-test", arguments).await);
                    Outcome::Done
                })
            }),
            Task::Check => Box::new(move |io| {
                Box::pin(async move {
                    drop(check::run(io, Ok(Settings::clone(&settings))).await);
                    Outcome::Done
                })
            }),
            Task::SignIn(user) => {
                let tenant = Rc::clone(&self.tenant);
                Box::new(move |io| {
                    Box::pin(async move { Outcome::SignedIn(sign_in(io, &settings, user, &tenant).await) })
                })
            }
        };
        Job::new(name, plan.crash, seed, moment, begin)
    }
}

async fn sign_in(io: Io, settings: &Settings, user: User, tenant: &SimulatedTenant) -> Result<(), String> {
    let arguments = |more: Option<(String, String)>| {
        std::iter::once(("user".to_owned(), user.name().to_owned())).chain(more).collect::<Vec<_>>()
    };
    let begun = command::run(io.clone(), settings, "cisco-webex-oauth-start", arguments(None)).await;
    let begun = begun.map_err(|failure| failure.message)?;
    let link = begun.outputs.pointer(SIGN_IN_LINK).and_then(|link| link.as_str());
    let led = tenant.approve(link.ok_or("no link")?, account(user)).map_err(|error| error.to_string())?;
    let code = Some(("code".to_owned(), led));
    let completed = command::run(io, settings, "cisco-webex-oauth-complete", arguments(code)).await;
    completed.map(drop).map_err(|failure| failure.message)
}

impl Job {
    fn new(name: &'static str, crash: Option<Crash>, seed: [u8; 32], moment: Moment, begin: Begin) -> Self {
        Self {
            name,
            run: Some(Run::new(seed, moment, begin)),
            begun: 0,
            ended: 0,
            asked: 0,
            crash,
            doomed: None,
            outcome: None,
            crashed: false,
        }
    }

    /// Goes on as far as it can; the effects that are to be carried out.
    pub(super) fn turn(&mut self, moment: Moment) -> Vec<(Ticket, Effect)> {
        let Some(run) = &mut self.run else { return Vec::new() };
        let turn = run.turn(moment);
        drop(run.take_log());
        match turn {
            Turn::Done(outcome) => {
                self.outcome = Some(outcome);
                self.run = None;
                Vec::new()
            }
            Turn::Waiting(effects) => {
                let mut carried = Vec::new();
                for (ticket, effect) in effects {
                    let number = self.asked;
                    self.asked += 1;
                    if let Some(crash) = self.crash.filter(|crash| crash.effect == number) {
                        if !crash.done {
                            self.die();
                            return carried;
                        }
                        self.doomed = Some(ticket);
                    }
                    carried.push((ticket, effect));
                }
                carried
            }
        }
    }

    /// Gives an answer; false: it did not live to see it.
    pub(super) fn answer(&mut self, ticket: Ticket, answer: Answer) -> bool {
        if self.doomed == Some(ticket) {
            self.die();
        }
        match &mut self.run {
            Some(run) => {
                run.answer(ticket, answer);
                true
            }
            None => false,
        }
    }

    fn die(&mut self) {
        self.run = None;
        self.crashed = true;
    }
}
