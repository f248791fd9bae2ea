//! `fetch-events`: one call, its streams side by side, its outcome one batch.
//!
//! `stream` says whether a stream may read and what came of it, `reading` what it reads and in which order, `slice` drains one
//! slice page by page, `ask` asks for them, `restart` says what is done about one that cannot be read. `organizations` finds those that a
//! partner's admin sees.

mod ask;
mod organizations;
mod reading;
mod restart;
mod slice;
mod stream;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests;

use std::rc::Rc;

use futures_util::future::join_all;

use crate::budget::Budget;
use crate::bundle::Events;
use crate::client::Client;
use crate::effect::Io;
use crate::failure::{Code, Failure, Retry};
use crate::last_run::{LastRun, Stored, StreamState};
use crate::lateness::Lateness;
use crate::settings::Settings;
use crate::stream::{Stream, User};
use crate::time::{Span, Timestamp};
use crate::warning::Warning;
use crate::window::{Gap, Window};

/// How long a call goes on by default.
pub const DEFAULT_BUDGET: Span = Span::secs(60);

/// Bytes of bodies in a batch by default: a quarter of what hosts take in one call.
pub const DEFAULT_MAX_BYTES: u64 = 32 * 1024 * 1024;

/// How much to do in one call (`wit/collector.wit`, `fetch-request`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchRequest {
    /// None named: all that are on.
    pub streams: Vec<Stream>,
    /// Of each stream.
    pub max_events: Option<u32>,
    /// In all.
    pub max_bytes: Option<u64>,
    /// Of time.
    pub budget: Option<Span>,
    /// Read this again instead.
    pub re_read: Option<ReRead>,
}

/// A stretch that is to be read again (`wit/collector.wit`, `re-read`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReRead {
    /// From here
    pub from: Timestamp,
    /// to here,
    pub to: Timestamp,
    /// even where ids are not remembered any more.
    pub allow_repeats: bool,
}

/// When to call again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// At once.
    Now,
    /// Not before.
    NotBefore(Timestamp),
    /// At the next interval.
    Idle,
}

/// What one call did for one stream (`wit/collector.wit`, `report`).
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented in the contract")]
pub struct Report {
    pub stream: Stream,
    pub listed: u64,
    pub delivered: u64,
    pub repeated: u64,
    pub late: u64,
    pub lateness: Lateness,
    pub odd: u64,
    pub requests: u64,
    pub retries: u64,
    pub waited: Span,
    pub drained: u32,
    pub lag: Option<Span>,
    pub watermark: Option<Timestamp>,
    pub frontier: Option<Timestamp>,
    pub pending: usize,
    pub gaps: Vec<Gap>,
    pub warnings: Vec<Warning>,
    pub failure: Option<Failure>,
}

/// The outcome of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// To be made durable first.
    pub events: Events,
    /// To be stored then.
    pub last_run: Stored,
    /// When to call again.
    pub next: Next,
    /// One for each stream that was asked for.
    pub reports: Vec<Report>,
}

/// A stream's part of a call.
struct Outcome {
    state: StreamState,
    events: Events,
    report: Report,
    next: Next,
    /// Webex has asked the user to wait until then.
    user_not_before: Option<Timestamp>,
}

/// What holds for a stream's part of a call.
struct Call<'a> {
    io: &'a Io,
    settings: &'a Settings,
    client: Client,
    last_run: &'a LastRun,
    stream: Stream,
    /// Of `io.elapsed()`; no request begins after it.
    deadline: Span,
    max_events: usize,
    max_bytes: u64,
    re_read: bool,
    /// Why nothing of the stream is read.
    not_to_be_read: Option<Failure>,
    /// What was noticed before the reading.
    warning: Option<Warning>,
}

impl Call<'_> {
    /// By the origin's clock, or this machine's where that is not known.
    fn origin_now(&self) -> Timestamp {
        self.client.origin().now(self.io.elapsed()).unwrap_or_else(|| self.io.now())
    }

    /// No later than both clocks.
    fn latest(&self) -> Timestamp {
        self.origin_now().min(self.io.now())
    }

    /// Items a page, as long as the server gives that many.
    fn page_size(&self) -> u32 {
        u32::try_from(self.max_events).unwrap_or(u32::MAX).max(slice::LEAST_PAGE).min(self.stream.page_size())
    }
}

/// Collects what is new since `stored`.
pub async fn fetch_events(
    io: Io,
    settings: &Settings,
    stored: Option<Stored>,
    request: &FetchRequest,
) -> Result<Batch, Failure> {
    let streams = streams_of(settings, request)?;
    let mut last_run = LastRun::read(stored, settings, io.now(), io.random())?;
    let deadline = io.elapsed() + request.budget.unwrap_or(DEFAULT_BUDGET);
    let budget = |user| {
        let spent = last_run.users.get(&user).map(|state| state.spent.clone()).unwrap_or_default();
        Rc::new(Budget::of_fetch(settings.max_requests, spent))
    };
    let budgets = [(User::Admin, budget(User::Admin)), (User::ComplianceOfficer, budget(User::ComplianceOfficer))];
    let client = |(user, budget): &(User, Rc<Budget>)| {
        let is_asked = streams.iter().any(|stream| stream.user() == *user);
        is_asked.then(|| Client::new(io.clone(), settings, *user, deadline, Rc::clone(budget))).transpose()
    };
    let [admin, officer] = &budgets;
    let (admin, officer) = (client(admin)?, client(officer)?);
    let unlisted = match &admin {
        Some(client) => organizations::look(&io, settings, client, &mut last_run).await?,
        None => None,
    };
    let mut first_gaps = Vec::new();
    let mut re_reads = Vec::new();
    for stream in &streams {
        first_gaps.push(last_run.prepare(*stream, settings, io.now()));
        re_reads.push(match request.re_read {
            Some(wish) => re_read(&mut last_run, *stream, wish, io.now())?,
            None => Again::default(),
        });
    }
    for stream in &streams {
        if let Some(state) = last_run.streams.get_mut(stream) {
            state.open(settings.overlap)?;
        }
    }
    let max_events = request.max_events.unwrap_or(settings.max_fetch).max(1);
    let max_bytes = request.max_bytes.unwrap_or(DEFAULT_MAX_BYTES) / streams.len().max(1) as u64;

    let states: Vec<_> = streams.iter().map(|stream| last_run.streams.remove(stream).unwrap_or_default()).collect();
    let calls = streams.iter().zip(states).zip(re_reads).filter_map(|((stream, state), again)| {
        let client = match stream.user() {
            User::Admin => admin.as_ref()?,
            User::ComplianceOfficer => officer.as_ref()?,
        };
        let call = Call {
            io: &io,
            settings,
            client: client.fork(),
            last_run: &last_run,
            stream: *stream,
            deadline,
            max_events: max_events as usize,
            max_bytes,
            re_read: request.re_read.is_some(),
            not_to_be_read: again.refused.or_else(|| unlisted.clone().filter(|_| stream.needs_org())),
            warning: again.shortened,
        };
        Some((call, state))
    });
    let outcomes = join_all(calls.map(|(call, state)| stream::collect(call, state))).await;
    for (user, budget) in &budgets {
        if streams.iter().any(|stream| stream.user() == *user) {
            last_run.user(*user).spent = budget.stored(io.now());
        }
    }
    Ok(batch(last_run, outcomes, first_gaps, request.re_read.is_some()))
}

/// The streams that the request names, or all that are on.
fn streams_of(settings: &Settings, request: &FetchRequest) -> Result<Vec<Stream>, Failure> {
    let on = settings.streams();
    if request.streams.is_empty() {
        return Ok(on);
    }
    if let Some(off) = request.streams.iter().find(|stream| !on.contains(stream)) {
        let remedy = match off {
            Stream::SecurityAudits => "set `fetch_security_audit_events` to true, and configure the admin",
            Stream::AdminAudits => "configure the admin's integration",
            Stream::Events => "configure the compliance officer's integration",
        };
        return Err(Failure::argument("streams", format_args!("names `{off}`, which is not turned on"), remedy));
    }
    Ok(on.into_iter().filter(|stream| request.streams.contains(stream)).collect())
}

/// How a stretch is read again.
#[derive(Default)]
struct Again {
    refused: Option<Failure>,
    shortened: Option<Warning>,
}

/// Begins reading a stretch again, or goes on with it.
fn re_read(
    last_run: &mut LastRun,
    stream: Stream,
    ReRead { from, to, allow_repeats }: ReRead,
    now: Timestamp,
) -> Result<Again, Failure> {
    // An end that moves with the clock would be another stretch in each call, and would never be reached.
    if from >= to || to > now {
        let remedy = "give a stretch of the past";
        return Err(Failure::argument("re-read", "is empty or ends in the future", remedy));
    }
    let Some(state) = last_run.streams.get_mut(&stream) else { return Ok(Again::default()) };
    // Of one under way the ids are kept, whatever is forgotten meanwhile; it may have been shortened when it began.
    let goes_on = |window: &Window| {
        window.frontier() == to && if allow_repeats { window.start() == from } else { window.start() >= from }
    };
    if state.lanes.iter().any(|lane| lane.re_read.as_ref().is_some_and(goes_on)) {
        return Ok(Again::default());
    }
    let begin = state.remembered.filter(|_| !allow_repeats).map_or(from, |since| since.max(from));
    let remedy = "raise `remember`, or allow repeats";
    if begin >= to {
        let problem = format_args!("ends before {begin}, from when on delivered ids of {stream} are remembered");
        let refused = Some(Failure::argument("re-read", problem, remedy).of_stream(stream));
        return Ok(Again { refused, shortened: None });
    }
    for lane in &mut state.lanes {
        lane.re_read = Some(Window::over(begin, to));
    }
    let shortened = (begin > from).then(|| Warning {
        code: "re-read-shortened",
        text: format!("read again from {begin} on only: delivered ids of before are not remembered"),
        remedy: remedy.to_owned(),
    });
    Ok(Again { refused: None, shortened })
}

/// Puts the streams' outcomes together.
fn batch(mut last_run: LastRun, outcomes: Vec<Outcome>, first_gaps: Vec<Vec<Gap>>, re_read: bool) -> Batch {
    let (mut events, mut reports, mut nexts) = (Events::default(), Vec::new(), Vec::new());
    for (mut outcome, gaps) in outcomes.into_iter().zip(first_gaps) {
        let stream = outcome.report.stream;
        outcome.report.gaps.splice(0..0, gaps);
        if let Some(time) = outcome.user_not_before {
            let user = last_run.user(stream.user());
            user.not_before = user.not_before.max(Some(time));
        }
        last_run.streams.insert(stream, outcome.state);
        events.append(outcome.events);
        reports.push(outcome.report);
        nexts.push(outcome.next);
    }
    let earliest =
        nexts.iter().filter_map(|next| if let Next::NotBefore(time) = next { Some(*time) } else { None }).min();
    let next = if nexts.contains(&Next::Now) { Next::Now } else { earliest.map_or(Next::Idle, Next::NotBefore) };
    if re_read && next == Next::Idle {
        // Only once all are through: one that was through before would begin anew with the next call.
        for report in &reports {
            let lanes = last_run.streams.get_mut(&report.stream).map(|state| &mut state.lanes);
            lanes.into_iter().flatten().for_each(|lane| lane.re_read = None);
        }
    }
    Batch { events, last_run: last_run.write(), next, reports }
}

/// When a stream goes on that stopped with this failure.
fn next_after(failure: &Failure) -> Next {
    match (failure.code, failure.retry) {
        (Code::Deadline | Code::Stopped, _) => Next::Now,
        (_, Retry::At(time)) => Next::NotBefore(time),
        (_, Retry::Never | Retry::AfterSignIn | Retry::AfterAChange) => Next::Idle,
    }
}
