//! Between the contract's types and the core's, in which the oracle reads.

use cisco_webex_plugin::event::Event;
use cisco_webex_plugin::failure::{Code, Failure, Retry};
use cisco_webex_plugin::fetch::{Batch, FetchRequest, Next, Report};
use cisco_webex_plugin::last_run::{Kept, Stored};
use cisco_webex_plugin::lateness::Lateness;
use cisco_webex_plugin::stream::Stream;
use cisco_webex_plugin::time::{Span, Timestamp};
use cisco_webex_plugin::window::Gap;
use host_harness::runtime as host;

/// All of the contract.
const CODES: [Code; 14] = [
    Code::InvalidSetting,
    Code::InvalidArgument,
    Code::SignInNeeded,
    Code::Refused,
    Code::RateLimited,
    Code::Unavailable,
    Code::NotUnderstood,
    Code::SecretsUnavailable,
    Code::DeniedByHost,
    Code::ForeignLastRun,
    Code::CorruptLastRun,
    Code::ClockSkew,
    Code::Deadline,
    Code::Stopped,
];

pub(super) fn request(request: &FetchRequest) -> host::FetchRequest {
    let whole = |span: Span| u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
    host::FetchRequest {
        streams: request.streams.iter().map(|stream| stream.name().to_owned()).collect(),
        max_events: request.max_events,
        max_bytes: request.max_bytes,
        budget_ms: request.budget.map(whole),
        re_read: request.re_read.map(|wish| host::ReRead {
            range: host::TimeRange { from: wish.from.as_millis(), to: wish.to.as_millis() },
            allow_repeats: wish.allow_repeats,
        }),
    }
}

/// As a host gives it to a call that may ask for texts.
pub(super) fn last_run(stored: Stored) -> host::LastRun {
    let parts = stored.parts.into_iter().map(|(name, body)| host::LastRunPart { name, body });
    host::LastRun { head: stored.head, parts: parts.collect() }
}

/// As a host gives it to a call that may not.
pub(super) fn whole(stored: Stored) -> host::LastRun {
    let Stored { head, parts, kept } = stored;
    let part = |(name, body): (String, Option<String>)| {
        let body = body.or_else(|| kept.text(&name));
        host::LastRunPart { name, body }
    };
    host::LastRun { head, parts: parts.into_iter().map(part).collect() }
}

pub(super) fn stored(last_run: host::LastRun) -> Stored {
    let parts = last_run.parts.into_iter().map(|part| (part.name, part.body));
    Stored { head: last_run.head, parts: parts.collect(), kept: Kept::default() }
}

pub(super) fn batch(batch: host::Batch) -> Batch {
    Batch {
        events: host::Bundle::each_of(&batch.events).map(event).collect(),
        last_run: stored(batch.last_run),
        next: match batch.next {
            host::Next::Now => Next::Now,
            host::Next::NotBefore(time) => Next::NotBefore(Timestamp::from_millis(time)),
            host::Next::Idle => Next::Idle,
        },
        reports: batch.reports.into_iter().map(report).collect(),
    }
}

pub(super) fn failure(failure: host::Failure) -> Failure {
    Failure {
        // One that is not in the contract is as bad as the worst.
        code: CODES.into_iter().find(|code| code.name() == failure.code).unwrap_or(Code::CorruptLastRun),
        user: failure.user.and_then(|name| name.parse().ok()),
        stream: failure.stream.and_then(|name| name.parse().ok()),
        message: failure.message,
        remedy: failure.remedy,
        tracking_id: failure.tracking_id,
        retry: match failure.retry {
            host::Retry::Never => Retry::Never,
            host::Retry::At(time) => Retry::At(Timestamp::from_millis(time)),
            host::Retry::AfterSignIn => Retry::AfterSignIn,
            host::Retry::AfterAChange => Retry::AfterAChange,
        },
    }
}

/// The contract has no other streams than these; the oracle does not find the events of another.
fn stream(name: &str) -> Stream {
    name.parse().unwrap_or(Stream::AdminAudits)
}

fn event(event: host::Event<'_>) -> Event {
    Event {
        id: event.id.to_owned(),
        org: event.org.to_owned(),
        stream: stream(event.stream),
        created: event.created.map(Timestamp::from_millis),
        body: event.body.to_owned(),
    }
}

fn span(millis: u64) -> Span {
    Span::millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

fn report(report: host::Report) -> Report {
    Report {
        stream: stream(&report.stream),
        listed: report.listed,
        delivered: report.delivered,
        repeated: report.repeated,
        late: report.late,
        lateness: lateness(&report.lateness),
        odd: report.odd,
        requests: report.requests,
        retries: report.retries,
        waited: span(report.waited_ms),
        drained: report.drained,
        lag: report.lag_ms.map(span),
        watermark: report.watermark.map(Timestamp::from_millis),
        frontier: report.frontier.map(Timestamp::from_millis),
        pending: usize::try_from(report.pending).unwrap_or(usize::MAX),
        gaps: report.gaps.into_iter().map(gap).collect(),
        // Their codes are constants of the core, and the oracle does not read them.
        warnings: Vec::new(),
        failure: report.failure.map(failure),
    }
}

fn gap(gap: host::Gap) -> Gap {
    Gap { from: Timestamp::from_millis(gap.from), to: Timestamp::from_millis(gap.to), reason: gap.reason }
}

fn lateness(classes: &[host::Lateness]) -> Lateness {
    let mut lateness = Lateness::default();
    let met = Timestamp::MAX;
    for class in classes {
        // Older than each class that has an end.
        let age = class.up_to_ms.map_or(Span::days(2), span);
        (0..class.events).for_each(|_| lateness.add(met - age, met));
    }
    lateness
}
