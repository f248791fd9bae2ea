//! What a stream reads in one call: the tail first, so that a backlog never delays today, and a quarter for the backlog.

use super::slice::{Drain, End, Limits, Tally};
use super::{Call, Next, Outcome, Report, next_after};
use crate::answer::MAX_WAIT;
use crate::defect::{self, Defect};
use crate::failure::{Code, Failure, Retry};
use crate::last_run::StreamState;
use crate::origin_clock::SKEW_WORTH_A_WARNING;
use crate::time::{Span, Timestamp};
use crate::warning::Warning;
use crate::window::Window;

/// While older work is left, the tail is taken up no more often than this: each time the overlap is read again.
const TAIL_EVERY: Span = Span::secs(60);

/// First wait after a fault, doubled with each further one in a row, and the longest.
const FAULT_BACKOFF: (Span, Span) = (Span::secs(2), Span::secs(900));

/// Which of a lane's intervals are worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The newest slice, up to three quarters of the call.
    Tail,
    /// The oldest slices, up to the whole of it.
    Backlog,
    /// What is left of the call goes to the newest slice again.
    Rest,
}

/// Collects one stream.
pub(super) async fn collect(call: Call<'_>, mut state: StreamState) -> Outcome {
    let mut tally = Tally::new(state.faults);
    let end = match barrier(&call, &state) {
        Some(failure) => Err(failure),
        None => read(&call, &mut state, &mut tally).await,
    };
    if defect::is(Defect::WatermarkIsNewestEvent)
        && let Some(newest) = tally.events.iter().filter_map(|event| event.created).max()
    {
        state.lanes.iter_mut().for_each(|lane| lane.window = Window::begin(newest + Span::millis(1)));
    }
    state.forget(call.settings.overlap);
    let (failure, next) = conclude(&call, &mut state, end);
    let is_told_to_wait = failure.as_ref().is_some_and(|failure| failure.code == Code::RateLimited);
    let user_not_before = match next {
        Next::NotBefore(time) if is_told_to_wait => Some(time),
        _ => None,
    };
    let report = Report {
        stream: call.stream,
        listed: tally.listed,
        delivered: tally.events.len() as u64,
        repeated: tally.repeated,
        late: tally.late,
        lateness: tally.lateness,
        odd: tally.odd,
        requests: call.client.requests(),
        retries: call.client.retries(),
        waited: call.client.waited(),
        drained: tally.drained,
        lag: state.watermark().map(|watermark| (origin_now(&call) - watermark).max(Span::ZERO)),
        watermark: state.watermark(),
        frontier: state.frontier(),
        pending: state.pending(),
        warnings: warnings(&call, &tally, &state),
        gaps: tally.gaps,
        failure,
    };
    Outcome { state, events: tally.events, report, next, user_not_before }
}

/// What the end of a stream's part means for its report, its next call and its state.
fn conclude(call: &Call<'_>, state: &mut StreamState, end: Result<Next, Failure>) -> (Option<Failure>, Next) {
    let now = call.io.now();
    match end {
        // The host's own limit, not a fault: the next call goes on here.
        Err(failure) if matches!(failure.code, Code::Deadline | Code::Stopped) => (None, Next::Now),
        Err(failure) if is_fault(&failure) && !is_waiting(state.not_before, now, FAULT_BACKOFF.1) => {
            let (first, longest) = FAULT_BACKOFF;
            let until = now + first.times(1 << state.faults.min(16)).min(longest);
            state.faults = state.faults.saturating_add(1);
            state.not_before = Some(until);
            (Some(failure.at(until)), Next::NotBefore(until))
        }
        Err(failure) => {
            let next = next_after(&failure);
            (Some(failure), next)
        }
        Ok(next) => {
            state.faults = 0;
            state.not_before = None;
            match quarantine(call, state, now) {
                Some((failure, until)) if next == Next::Idle => (Some(failure), Next::NotBefore(until)),
                Some((failure, _)) => (Some(failure), next),
                None => (None, next),
            }
        }
    }
}

/// Whether the next call may find things better.
fn is_fault(failure: &Failure) -> bool {
    failure.code == Code::Unavailable || (failure.code == Code::NotUnderstood && matches!(failure.retry, Retry::At(_)))
}

/// Whether that time is to come. Not if it is further ahead than it can have been set: then by a clock that was wrong.
fn is_waiting(until: Option<Timestamp>, now: Timestamp, longest: Span) -> bool {
    until.is_some_and(|until| until > now && until - now <= longest)
}

/// Why nothing may be asked for at all now.
fn barrier(call: &Call<'_>, state: &StreamState) -> Option<Failure> {
    let now = call.io.now();
    if call.stream.needs_org() && call.settings.org.is_none() {
        let remedy = "set it to the id of the organization; `cisco-webex-list-organizations` finds it";
        return Some(Failure::setting("admin_org_id", "is missing", remedy).of_stream(call.stream));
    }
    let user_until = call.last_run.users.get(&call.stream.user()).and_then(|user| user.not_before);
    if let Some(until) = user_until.filter(|_| is_waiting(user_until, now, MAX_WAIT)) {
        let message = format!("Webex has asked the {} to wait", call.stream.user().title());
        return Some(Failure::new(Code::RateLimited, message, "").of_stream(call.stream).at(until));
    }
    if let Some(until) = state.not_before.filter(|_| is_waiting(state.not_before, now, FAULT_BACKOFF.1)) {
        let message = "Webex did not answer the last requests";
        return Some(Failure::new(Code::Unavailable, message, "").of_stream(call.stream).at(until));
    }
    None
}

/// Works through the phases until nothing is left or a limit is met.
async fn read(call: &Call<'_>, state: &mut StreamState, tally: &mut Tally) -> Result<Next, Failure> {
    if call.re_read {
        return read_again(call, state, tally).await;
    }
    let lanes = order(state);
    let mut is_all_looked_at = true;
    // A query that is refused, for example of a resource without licence, does not keep the others from being read.
    let mut refused: Vec<(usize, Failure)> = Vec::new();
    for phase in [Phase::Tail, Phase::Backlog, Phase::Rest] {
        for index in &lanes {
            if refused.iter().any(|(lane, _)| lane == index) {
                continue;
            }
            let work = match work(call, state, tally, *index, phase).await {
                Err(failure) if failure.code == Code::Refused => {
                    refused.push((*index, failure));
                    continue;
                }
                work => work?,
            };
            if work == Work::Full {
                if phase == Phase::Tail {
                    // The tails of other lanes, or even this one, may not have been taken up.
                    is_all_looked_at = false;
                    break;
                }
                return Ok(Next::Now);
            }
        }
    }
    if !is_all_looked_at {
        return Ok(Next::Now);
    }
    if let Some((_, failure)) = refused.into_iter().next() {
        return Err(failure);
    }
    let left = |window: &Window| window.pending().iter().any(|interval| interval.may_be_read(call.io.now()));
    Ok(if state.lanes.iter().any(|lane| left(&lane.window)) { Next::Now } else { Next::Idle })
}

/// Works off a stretch that is read again by request. Windows of lanes do not move.
async fn read_again(call: &Call<'_>, state: &mut StreamState, tally: &mut Tally) -> Result<Next, Failure> {
    for index in order(state) {
        let Some(mut window) = state.lanes.get_mut(index).and_then(|lane| lane.re_read.take()) else { continue };
        let work = backlog(call, state, tally, index, &mut window, limits(call, Phase::Rest)).await;
        let is_done = window.pending().is_empty();
        if let Some(lane) = state.lanes.get_mut(index).filter(|_| !is_done) {
            lane.re_read = Some(window);
        }
        if work? == Work::Full {
            return Ok(Next::Now);
        }
    }
    Ok(Next::Idle)
}

/// Lanes, the one that is most behind first, so that none starves.
fn order(state: &StreamState) -> Vec<usize> {
    let mut lanes: Vec<_> = state.lanes.iter().map(|lane| lane.window.watermark()).enumerate().collect();
    lanes.sort_unstable_by_key(|(index, watermark)| (*watermark, *index));
    lanes.into_iter().map(|(index, _)| index).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Nothing is left that may be read now.
    Done,
    /// A limit of the phase is met.
    Full,
}

fn limits(call: &Call<'_>, phase: Phase) -> Limits {
    let whole = Limits { events: call.max_events, bytes: call.max_bytes, deadline: call.deadline };
    if phase != Phase::Tail {
        return whole;
    }
    let now = call.io.elapsed();
    Limits {
        events: whole.events.saturating_mul(3).div_ceil(4),
        bytes: whole.bytes.saturating_mul(3).div_ceil(4),
        deadline: whole.deadline - (whole.deadline - now).quarter(),
    }
}

/// Works a lane's window in a phase.
async fn work(
    call: &Call<'_>,
    state: &mut StreamState,
    tally: &mut Tally,
    index: usize,
    phase: Phase,
) -> Result<Work, Failure> {
    let Some(mut window) = state.lanes.get(index).map(|lane| lane.window.clone()) else { return Ok(Work::Done) };
    let result = match phase {
        Phase::Tail => tail(call, state, tally, index, &mut window).await,
        Phase::Backlog => backlog(call, state, tally, index, &mut window, limits(call, phase)).await,
        Phase::Rest => newest(call, state, tally, index, &mut window, limits(call, phase)).await,
    };
    if let Some(lane) = state.lanes.get_mut(index) {
        lane.window = window;
    }
    result
}

/// Takes the tail up and reads its newest slice.
async fn tail(
    call: &Call<'_>,
    state: &mut StreamState,
    tally: &mut Tally,
    index: usize,
    window: &mut Window,
) -> Result<Work, Failure> {
    let now = call.io.now();
    if window.is_fresh() && now < window.frontier() {
        // This machine's clock said where to begin, and was set back since: by a little, or from a time that never was.
        let is_little = window.frontier() - now <= SKEW_WORTH_A_WARNING;
        *window = Window::begin(if is_little { now } else { now - call.settings.first_fetch });
    }
    let to = latest(call) - call.settings.lag;
    let has_work = window.pending().iter().any(|interval| interval.may_be_read(now));
    if to <= window.frontier()
        || (has_work && window.is_tail_younger_than(TAIL_EVERY, now) && window.frontier() > window.watermark())
    {
        return newest(call, state, tally, index, window, limits(call, Phase::Tail)).await;
    }
    let before = window.clone();
    window.note_tail(now);
    // A longer overlap than before reaches back only to where all that was delivered is remembered.
    let known = state.remembered.map_or(call.settings.overlap, |since| (window.frontier() - since).max(Span::ZERO));
    window.take_up(to, call.settings.overlap.min(known));
    let result = newest(call, state, tally, index, window, limits(call, Phase::Tail)).await;
    if window.is_unproven() {
        // Nobody answered: whether the origin's clock has come this far is not known.
        // How much the server answers at once is not forgotten, for it may have been too much.
        *window = before.with_slice_of(window);
        if result == Ok(Work::Done) {
            let message = format!("listing {}: no answer could be read", call.stream);
            return Err(Failure::new(Code::Unavailable, message, "").of_stream(call.stream).at(now));
        }
    }
    result
}

/// By the origin's clock, or this machine's where that is not known.
pub(super) fn origin_now(call: &Call<'_>) -> Timestamp {
    call.client.origin().now(call.io.elapsed()).unwrap_or_else(|| call.io.now())
}

/// No later than both clocks.
pub(super) fn latest(call: &Call<'_>) -> Timestamp {
    let now = call.io.now();
    call.client.origin().now(call.io.elapsed()).map_or(now, |origin| origin.min(now))
}

/// Reads the newest slice.
async fn newest(
    call: &Call<'_>,
    state: &mut StreamState,
    tally: &mut Tally,
    index: usize,
    window: &mut Window,
    limits: Limits,
) -> Result<Work, Failure> {
    loop {
        let newest = window.newest().filter(|newest| {
            window.interval(*newest).is_some_and(|i| i.to == window.frontier() && i.may_be_read(call.io.now()))
        });
        let Some(newest) = newest else { return Ok(Work::Done) };
        let slice = window.cut_newest(newest);
        match drain(call, state, tally, index, window, slice, limits).await? {
            End::Drained | End::SetAside => return Ok(Work::Done),
            End::Restart => {}
            End::Full => return Ok(Work::Full),
        }
    }
}

/// Reads slices from the oldest on.
async fn backlog(
    call: &Call<'_>,
    state: &mut StreamState,
    tally: &mut Tally,
    index: usize,
    window: &mut Window,
    limits: Limits,
) -> Result<Work, Failure> {
    if let Some(reach) = call.stream.reach() {
        // Here, where the tail has been read and the origin's clock heard: this machine's may be a year ahead.
        tally.gaps.extend(window.clamp(latest(call) - reach, "longer ago than Webex serves"));
    }
    loop {
        let Some(oldest) = window.oldest(call.io.now()) else { return Ok(Work::Done) };
        let slice = window.cut_oldest(oldest);
        if drain(call, state, tally, index, window, slice, limits).await? == End::Full {
            return Ok(Work::Full);
        }
    }
}

/// Drains one slice.
async fn drain(
    call: &Call<'_>,
    state: &mut StreamState,
    tally: &mut Tally,
    index: usize,
    window: &mut Window,
    slice: usize,
    limits: Limits,
) -> Result<End, Failure> {
    let Some(lane) = state.lanes.get(index) else { return Ok(End::Drained) };
    let frontier = lane.window.frontier().max(window.frontier());
    Drain { call, lane: &lane.lane, window, seen: &mut state.seen, tally, limits, frontier }.run(slice).await
}

/// The intervals in quarantine, as a failure of the stream, and when the first is tried again.
fn quarantine(call: &Call<'_>, state: &StreamState, now: Timestamp) -> Option<(Failure, Timestamp)> {
    let waiting = || {
        let windows =
            state.lanes.iter().filter_map(|lane| if call.re_read { lane.re_read.as_ref() } else { Some(&lane.window) });
        let intervals = windows.flat_map(Window::pending).filter(|interval| !interval.may_be_read(now));
        intervals.filter_map(|interval| interval.not_before.map(|time| (interval, time)))
    };
    let (interval, until) = waiting().min_by_key(|(_, until)| *until)?;
    let message = format!(
        "{} interval(s) could not be read and are tried again, the next one ({} to {}) at {until}: {}",
        waiting().count(),
        interval.from,
        interval.to,
        interval.reason.as_deref().unwrap_or("unknown")
    );
    let remedy = "if it lasts, give Webex's support the time range";
    Some((Failure::new(Code::NotUnderstood, message, remedy).of_stream(call.stream).at(until), until))
}

fn warnings(call: &Call<'_>, tally: &Tally, state: &StreamState) -> Vec<Warning> {
    let mut warnings = call.client.warnings();
    let mut warn = |code, text: String, remedy: &str| warnings.push(Warning { code, text, remedy: remedy.to_owned() });
    if tally.kms_failures > 0 {
        let text =
            format!("{} item(s) could not be decrypted by Webex and were delivered as they are", tally.kms_failures);
        warn("kms-failure", text, "sign the user in with the scope spark:kms if that lasts");
    }
    if tally.replaced > 0 {
        let text =
            format!("{} field(s) of items were named `_time` or `source_log_type` and were replaced", tally.replaced);
        warn("field-replaced", text, "");
    }
    if state.seen.forgotten() > 0 {
        let text = format!(
            "{} delivered id(s) were forgotten because there were too many; they may come twice",
            state.seen.forgotten()
        );
        warn("seen-bound", text, "shorten `overlap`");
    }
    let ahead = call.client.origin().local_ahead(call.io.now(), call.io.elapsed()).unwrap_or_default();
    if ahead > SKEW_WORTH_A_WARNING || ahead < Span::ZERO - SKEW_WORTH_A_WARNING {
        let text = format!("this machine's clock is {ahead} ahead of Webex's (behind if negative)");
        warn("clock-skew", text, "set the clock of this machine, for example by NTP");
    }
    warnings
}
