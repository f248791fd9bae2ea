//! One tenant: what its rounds, its users and its sinks came to.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::time::Duration;

use super::QuietAfter;
use super::clock::Moment;
use super::judge::{self, Judged, Patience};
use super::memory::{Heard, Memory};
use super::recent;
use super::stream::StreamState;
use super::users::{Status, UserState};
use super::view::{Light, Problem, RecentEvent, Rounds, Severity, SinkView, StreamView, Subject, TenantView, UserView};
use crate::collect::{Outlet, RoundEnd};
use crate::config::Config;
use crate::runtime::{Description, Report};
use crate::sink::SinkTable;

/// How old what is known of users may be: another process may sign them in, or out.
const USERS_AFTER: Duration = Duration::from_secs(30);
/// The code of a stream whose user has no tokens.
pub(crate) const SIGN_IN_NEEDED: &str = "sign-in-needed";
/// The plugin's setting of requests a minute, if it has one.
const REQUEST_LIMIT: &str = "max_requests";

/// What is to be expected of a tenant.
#[derive(Clone, Debug)]
pub struct Plan {
    /// None: the only one.
    pub name: Option<String>,
    interval: Duration,
    quiet_after: QuietAfter,
    /// None: nothing is known of it but its name.
    state_dir: Option<PathBuf>,
    streams: Vec<PlannedStream>,
    users: Vec<(String, String)>,
    request_limit: u64,
    sinks: Vec<(String, String)>,
    recent: usize,
}

#[derive(Clone, Debug)]
struct PlannedStream {
    name: String,
    title: String,
    user: String,
    on_by_default: bool,
}

impl Plan {
    /// By its settings, and by what the plugin says of itself. `recent`: how many events are shown.
    pub fn of(config: &Config, plugin: &Description, recent: usize) -> Self {
        let limit = config.settings.get(REQUEST_LIMIT).cloned().or_else(|| {
            let setting = plugin.settings.iter().find(|setting| setting.name == REQUEST_LIMIT);
            setting.and_then(|setting| setting.default.clone())
        });
        let place =
            |sink: &SinkTable| sink.direct().map_or_else(|| sink.plan.place(), |path| path.display().to_string());
        Self {
            name: config.tenant.as_ref().map(ToString::to_string),
            interval: config.interval,
            quiet_after: config.quiet_after.clone(),
            state_dir: Some(config.state_dir.clone()),
            streams: plugin
                .streams
                .iter()
                .map(|stream| PlannedStream {
                    name: stream.name.clone(),
                    title: stream.title.clone(),
                    user: stream.user.clone(),
                    on_by_default: stream.on_by_default,
                })
                .collect(),
            users: plugin.users.iter().map(|user| (user.name.clone(), user.title.clone())).collect(),
            request_limit: limit.and_then(|limit| limit.parse().ok()).unwrap_or(0),
            sinks: config.sinks.iter().map(|sink| (sink.name.to_string(), place(sink))).collect(),
            recent,
        }
    }

    /// Of a tenant whose settings cannot be read.
    pub fn unread(name: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            interval: Duration::from_secs(60),
            quiet_after: QuietAfter::default(),
            state_dir: None,
            streams: Vec::new(),
            users: Vec::new(),
            request_limit: 0,
            sinks: Vec::new(),
            recent: 0,
        }
    }

    fn patience(&self, stream: &str) -> Patience {
        Patience { interval: self.interval, quiet_after: self.quiet_after.of(stream) }
    }
}

/// What is known of a tenant.
pub(super) struct TenantState {
    plan: Plan,
    streams: BTreeMap<String, StreamState>,
    status: Option<(Status, Duration)>,
    outlet: Option<Outlet>,
    recent: VecDeque<RecentEvent>,
    memory: Memory,
    rounds: Rounds,
    /// Why the last round, or the turn, failed as a whole.
    failed: Option<Problem>,
    since: Moment,
}

impl TenantState {
    pub(super) fn new(plan: Plan, now: Moment) -> Self {
        let memory = Memory::load(plan.state_dir.as_deref());
        Self {
            plan,
            streams: BTreeMap::new(),
            status: None,
            outlet: None,
            recent: VecDeque::new(),
            memory,
            rounds: Rounds::default(),
            failed: None,
            since: now,
        }
    }

    pub(super) fn renew(&mut self, plan: Plan) {
        if self.plan.state_dir != plan.state_dir {
            self.memory = Memory::load(plan.state_dir.as_deref());
        }
        self.plan = plan;
        self.status = None;
    }

    pub(super) fn attach(&mut self, outlet: Outlet) {
        self.outlet = Some(outlet);
    }

    pub(super) fn detach(&mut self, now: Moment) {
        self.outlet = None;
        self.memory.keep(now);
    }

    pub(super) fn outlet(&self) -> Option<Outlet> {
        self.outlet.clone()
    }

    pub(super) fn most_recent(&self) -> usize {
        self.plan.recent
    }

    /// How long nothing may move.
    pub(super) fn still(&self) -> Duration {
        self.plan.patience("").still()
    }

    pub(super) fn recorded(&mut self, reports: &[Report], recent: Vec<RecentEvent>, now: Moment) {
        for report in reports {
            self.streams.entry(report.stream.clone()).or_insert_with(|| StreamState::new(now)).note(report, now);
            self.memory.note(&report.stream, report.delivered > 0, now);
        }
        recent::add(&mut self.recent, recent, self.plan.recent);
    }

    pub(super) fn round(&mut self, end: &RoundEnd, now: Moment) {
        self.rounds.last = Some(now.wall);
        self.memory.keep(now);
        match end {
            RoundEnd::Ended(_) => {
                self.rounds.done += 1;
                self.failed = None;
            }
            RoundEnd::Failed { code, text } => {
                self.rounds.failed += 1;
                self.failed(Some((code, text.clone())));
            }
        }
    }

    pub(super) fn failed(&mut self, trouble: Option<(&str, String)>) {
        self.failed = trouble.map(|(code, text)| Problem {
            severity: Severity::Fail,
            code: code.to_owned(),
            subject: Subject::Collector,
            text,
            remedy: String::new(),
        });
    }

    pub(super) fn users(&mut self, outputs: Option<&str>, now: Moment) {
        let status = outputs.map(Status::read);
        let kept = || self.status.take().map(|(status, _)| status).unwrap_or_default();
        self.status = Some((status.unwrap_or_else(kept), now.since));
    }

    pub(super) fn asks_for_users(&self, now: Moment) -> bool {
        self.status.as_ref().is_none_or(|(_, at)| now.since >= *at + USERS_AFTER)
    }

    pub(super) fn view(&self, now: Moment) -> TenantView {
        let mut problems: Vec<Problem> = self.failed.iter().cloned().collect();
        let users: Vec<UserView> = self.plan.users.iter().map(|user| self.user(user, now, &mut problems)).collect();
        let streams: Vec<StreamView> =
            self.plan.streams.iter().map(|stream| self.stream(stream, now, &mut problems)).collect();
        let standings = self.outlet.as_ref().map(Outlet::standings).unwrap_or_default();
        let spool = self.outlet.as_ref().and_then(Outlet::spool);
        problems.extend(spool.and_then(judge::spool));
        let sinks: Vec<SinkView> = if spool.is_none() {
            let delivered = self.streams.values().map(|stream| stream.counts.delivered).sum();
            let last = self.recent.front().map(|event| event.delivered);
            let direct = |(name, place): &(String, String)| SinkView::Direct {
                name: name.clone(),
                place: place.clone(),
                delivered,
                last,
            };
            self.plan.sinks.iter().map(direct).collect()
        } else {
            let spooled = standings.into_iter().map(|standing| {
                let (light, found) = judge::sink(&standing, self.plan.patience(""), now);
                problems.extend(found);
                SinkView::Spooled { light, standing }
            });
            spooled.collect()
        };
        judge::worst_first(&mut problems);
        let lights = streams.iter().map(|stream| stream.light).chain(users.iter().map(|user| user.light));
        let lights = lights.chain(sinks.iter().map(judge::light_of_sink)).chain([judge::light(&problems)]);
        TenantView {
            name: self.plan.name.clone(),
            light: lights.max().unwrap_or(Light::Waiting),
            problems,
            streams,
            users,
            sinks,
            spool,
            recent: self.recent.iter().cloned().collect(),
            interval: self.plan.interval,
            rounds: self.rounds,
        }
    }

    /// Whether a stream is on: by the plugin's word, else by what was read.
    fn is_on(&self, stream: &PlannedStream) -> bool {
        let said = self.status.as_ref().and_then(|(status, _)| {
            status.streams.iter().find(|switch| switch.name == stream.name).map(|switch| switch.on)
        });
        said.unwrap_or_else(|| stream.on_by_default || self.streams.contains_key(&stream.name))
    }

    fn user_state(&self, name: &str) -> Option<&UserState> {
        self.status.as_ref()?.0.users.iter().find(|user| user.name == name)
    }

    fn user(&self, (name, title): &(String, String), now: Moment, problems: &mut Vec<Problem>) -> UserView {
        let own = || self.plan.streams.iter().filter(|stream| stream.user == *name);
        let requests = own().filter_map(|stream| self.streams.get(&stream.name));
        let state = self.user_state(name);
        let mut view = UserView {
            name: name.clone(),
            title: title.clone(),
            streams: own().filter(|stream| self.is_on(stream)).map(|stream| stream.title.clone()).collect(),
            configured: state.is_some_and(|state| state.configured),
            signed_in: state.is_some_and(|state| state.signed_in),
            service_app: state.is_some_and(|state| state.service_app),
            light: Light::Waiting,
            problem: state.map(|state| state.problem.clone()).unwrap_or_default(),
            remedy: state.map(|state| state.remedy.clone()).unwrap_or_default(),
            access: state.and_then(UserState::access),
            refresh: state.and_then(UserState::refresh),
            requests_last_minute: requests.map(|stream| stream.requests.sum(now.since)).sum(),
            request_limit: self.plan.request_limit,
        };
        if state.is_some() {
            let (light, found) = judge::user(&view, now);
            view.light = light;
            problems.extend(found);
        }
        view
    }

    fn stream(&self, planned: &PlannedStream, now: Moment, problems: &mut Vec<Problem>) -> StreamView {
        let state = self.streams.get(&planned.name);
        let has_user = self.user_state(&planned.user).is_none_or(|user| user.configured);
        let is_on = self.is_on(planned) && has_user;
        let heard = self.memory.of(&planned.name);
        let judged = if is_on {
            let patience = self.plan.patience(&planned.name);
            let silent_since = heard.map_or(self.since.wall, Heard::silent_since);
            judge::stream(&planned.name, state, (self.since, silent_since), patience, now)
        } else {
            let reason = if has_user { "switched off" } else { "its user is not configured" };
            Judged { light: Light::Off, reason: reason.to_owned(), problems: Vec::new() }
        };
        // That a user is not signed in is said once, of the user.
        let is_told = |problem: &Problem| {
            problem.code == SIGN_IN_NEEDED
                && problems
                    .iter()
                    .any(|told| told.code == SIGN_IN_NEEDED && told.subject == Subject::User(planned.user.clone()))
        };
        let new: Vec<Problem> = judged.problems.into_iter().filter(|problem| !is_told(problem)).collect();
        problems.extend(new);
        StreamView {
            name: planned.name.clone(),
            title: planned.title.clone(),
            user: planned.user.clone(),
            light: judged.light,
            reason: judged.reason,
            lag_ms: state.and_then(|state| state.lag_ms),
            watermark: state.and_then(|state| state.watermark),
            frontier: state.and_then(|state| state.frontier),
            backlog: state.and_then(|state| state.backlog(now)),
            per_minute: state.map(|state| state.per_minute.at(now.since)).unwrap_or_default(),
            last_event: heard.and_then(|heard| heard.last),
            counts: state.map(|state| state.counts.clone()).unwrap_or_default(),
            failure: state.and_then(|state| state.failure.clone()),
            warnings: state.map(|state| state.warnings.values().cloned().collect()).unwrap_or_default(),
        }
    }
}
