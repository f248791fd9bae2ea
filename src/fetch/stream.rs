//! One stream's part of a call: whether it may read at all, what came of it, and what that means for the next call.

use std::cell::RefCell;

use super::reading::{Ledger, Reading};
use super::slice::Tally;
use super::{Call, Next, Outcome, Report, next_after};
use crate::answer::MAX_WAIT;
use crate::defect::{self, Defect};
use crate::failure::{Code, Failure, Retry};
use crate::last_run::StreamState;
use crate::origin_clock::SKEW_WORTH_A_WARNING;
use crate::time::{Span, Timestamp};
use crate::warning::Warning;
use crate::window::Window;

/// First wait after a fault, doubled with each further one in a row, and the longest.
const FAULT_BACKOFF: (Span, Span) = (Span::secs(2), Span::secs(900));

/// Collects one stream.
pub(super) async fn collect(call: Call<'_>, state: StreamState) -> Outcome {
    let ledger = RefCell::new(Ledger::new(state));
    let barrier = barrier(&call, &ledger.borrow().state);
    let end = match barrier {
        Some(failure) => Err(failure),
        None => Reading::new(&call, &ledger).read().await,
    };
    let Ledger { mut state, tally, is_fair, .. } = ledger.into_inner();
    state.is_starved = !is_fair && !call.re_read && state.pending() > state.lanes.len();
    if defect::is(Defect::WatermarkIsNewestEvent)
        && let Some(newest) = tally.events.iter().filter_map(|event| event.created).max()
    {
        state.lanes.iter_mut().for_each(|lane| lane.window = Window::begin(newest + Span::millis(1)));
    }
    state.forget(call.settings.overlap, call.settings.remember);
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
        lag: state.watermark().map(|watermark| (call.origin_now() - watermark).max(Span::ZERO)),
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
        // The host's own limit, or that of requests, and no fault: a call goes on here, at once or in the next minute.
        Err(failure) if matches!(failure.code, Code::Deadline | Code::Stopped) => match failure.retry {
            Retry::At(time) if time > now => (None, Next::NotBefore(time)),
            _ => (None, Next::Now),
        },
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
    if call.stream.needs_org()
        && let Err(failure) = call.settings.orgs.required()
    {
        return Some(failure.of_stream(call.stream));
    }
    if let Some(failure) = &call.not_to_be_read {
        return Some(failure.clone().of_stream(call.stream));
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
    warnings.extend(call.warning.clone());
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
    let orgs = state.lanes.iter().filter(|lane| lane.lane.org.is_some()).count();
    let of_admin = call.settings.streams().iter().filter(|stream| stream.needs_org()).count();
    let (pass, rate) = (orgs * of_admin, call.settings.max_requests as usize);
    if pass > rate {
        let text = format!(
            "{orgs} organizations take at least {pass} requests a pass, and so {} minutes at {rate} requests a minute",
            pass.div_ceil(rate)
        );
        let remedy =
            "set the interval to no less, or let several users read them, each in a tenant with a state of its own";
        warn("organizations-over-budget", text, remedy);
    }
    if state.seen.forgotten() > 0 {
        let text = format!(
            "{} delivered id(s) were forgotten because there were too many; they may come twice",
            state.seen.forgotten()
        );
        warn("seen-bound", text, "shorten `overlap`");
    }
    let now = call.io.now();
    let skew = "set the clock of this machine, for example by NTP";
    match call.client.origin().local_ahead(now, call.io.elapsed()) {
        Some(ahead) if ahead > SKEW_WORTH_A_WARNING || ahead < Span::ZERO - SKEW_WORTH_A_WARNING => {
            let text = format!("this machine's clock is {ahead} ahead of Webex's (behind if negative)");
            warn("clock-skew", text, skew);
        }
        Some(_) => {}
        // Nothing was asked for, since by this clock there is nothing to ask for yet. The frontier is of Webex's clock.
        None => {
            let behind = state.frontier().map_or(Span::ZERO, |frontier| frontier - now);
            if behind > SKEW_WORTH_A_WARNING {
                let text = format!(
                    "this machine's clock is at least {behind} behind Webex's; nothing new is collected until it has caught up"
                );
                warn("clock-skew", text, skew);
            }
        }
    }
    warnings
}
