//! Between the contract's types and the core's: the one place where both are known.

use super::bindings::exports::siem::plugin::{collector as wit, commands};
use super::bindings::siem::plugin::{host, types};
use crate::bundle::{Bundle, Events, Head};
use crate::command::table::{Argument, ArgumentKind, Effect, Output, OutputKind, Spec};
use crate::failure::{Failure, Retry};
use crate::fetch::{Batch, FetchRequest, Next, ReRead, Report};
use crate::last_run::{Kept, LaneState, LastRun, Stored, StreamState};
use crate::secret::SecretName;
use crate::settings::{Kind, Row};
use crate::stream::Stream;
use crate::time::{Span, Timestamp};
use crate::warning::Warning;
use crate::window::{Gap, Interval};
use crate::{check, command, describe};

/// A stream by its name.
pub(super) fn stream(name: &str) -> Result<Stream, Failure> {
    name.parse().map_err(|error| Failure::argument("stream", format_args!("is unknown: {error}"), "name one of them"))
}

pub(super) fn fetch_request(request: wit::FetchRequest) -> Result<FetchRequest, Failure> {
    let re_read = |wish: wit::ReRead| ReRead {
        from: Timestamp::from_millis(wish.range.from),
        to: Timestamp::from_millis(wish.range.to),
        allow_repeats: wish.allow_repeats,
    };
    Ok(FetchRequest {
        streams: request.streams.iter().map(|name| stream(name)).collect::<Result<_, _>>()?,
        max_events: request.max_events,
        max_bytes: request.max_bytes,
        budget: request.budget_ms.map(|millis| Span::millis(i64::from(millis))),
        re_read: request.re_read.map(re_read),
    })
}

impl From<types::LastRun> for Stored {
    fn from(stored: types::LastRun) -> Self {
        let parts = stored.parts.into_iter().map(|part| (part.name, part.body));
        Self { head: stored.head, parts: parts.collect(), kept: Kept::by(host::part) }
    }
}

impl From<Stored> for types::LastRun {
    fn from(stored: Stored) -> Self {
        let parts = stored.parts.into_iter().map(|(name, body)| types::LastRunPart { name, body });
        Self { head: stored.head, parts: parts.collect() }
    }
}

impl From<Bundle> for types::Bundle {
    fn from(bundle: Bundle) -> Self {
        let event = |event: Head| types::Event { id: event.id, created: event.created.map(Timestamp::as_millis) };
        Self {
            stream: bundle.stream.name().to_owned(),
            org: bundle.org,
            events: bundle.events.into_iter().map(event).collect(),
            lines: bundle.lines,
        }
    }
}

fn bundles(events: Events) -> Vec<types::Bundle> {
    events.into_bundles().into_iter().map(Into::into).collect()
}

impl From<Failure> for types::Failure {
    fn from(failure: Failure) -> Self {
        Self {
            code: failure.code.name().to_owned(),
            user: failure.user.map(|user| user.name().to_owned()),
            stream: failure.stream.map(|stream| stream.name().to_owned()),
            message: failure.message,
            remedy: failure.remedy,
            tracking_id: failure.tracking_id,
            retry: match failure.retry {
                Retry::Never => types::Retry::Never,
                Retry::At(time) => types::Retry::At(time.as_millis()),
                Retry::AfterSignIn => types::Retry::AfterSignIn,
                Retry::AfterAChange => types::Retry::AfterAChange,
            },
        }
    }
}

impl From<Gap> for wit::Gap {
    fn from(gap: Gap) -> Self {
        Self { from: gap.from.as_millis(), to: gap.to.as_millis(), reason: gap.reason }
    }
}

impl From<Warning> for wit::Warning {
    fn from(warning: Warning) -> Self {
        Self { code: warning.code.to_owned(), text: warning.text, remedy: warning.remedy }
    }
}

fn lateness(bound: Option<Span>, events: u64) -> wit::Lateness {
    wit::Lateness { up_to_ms: bound.map(|bound| bound.as_millis().unsigned_abs()), events }
}

impl From<Report> for wit::Report {
    fn from(report: Report) -> Self {
        Self {
            stream: report.stream.name().to_owned(),
            user: report.stream.user().name().to_owned(),
            listed: report.listed,
            delivered: report.delivered,
            repeated: report.repeated,
            late: report.late,
            lateness: report.lateness.counts().map(|(bound, events)| lateness(bound, events)).collect(),
            odd: report.odd,
            requests: report.requests,
            retries: report.retries,
            waited_ms: report.waited.as_millis().unsigned_abs(),
            drained: report.drained,
            lag_ms: report.lag.map(|lag| lag.as_millis().unsigned_abs()),
            watermark: report.watermark.map(Timestamp::as_millis),
            frontier: report.frontier.map(Timestamp::as_millis),
            pending: u32::try_from(report.pending).unwrap_or(u32::MAX),
            gaps: report.gaps.into_iter().map(Into::into).collect(),
            warnings: report.warnings.into_iter().map(Into::into).collect(),
            failure: report.failure.map(Into::into),
        }
    }
}

impl From<Batch> for wit::Batch {
    fn from(batch: Batch) -> Self {
        Self {
            events: bundles(batch.events),
            last_run: batch.last_run.into(),
            next: match batch.next {
                Next::Now => wit::Next::Now,
                Next::NotBefore(time) => wit::Next::NotBefore(time.as_millis()),
                Next::Idle => wit::Next::Idle,
            },
            reports: batch.reports.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<&Interval> for wit::PendingView {
    fn from(interval: &Interval) -> Self {
        Self {
            from: interval.from.as_millis(),
            to: interval.to.as_millis(),
            started: interval.cursor.is_some(),
            failed: interval.failed,
            not_before: interval.not_before.map(Timestamp::as_millis),
        }
    }
}

impl From<LastRun> for wit::LastRunView {
    fn from(last_run: LastRun) -> Self {
        let views = last_run.streams.iter().flat_map(|(stream, state)| {
            let user = last_run.users.get(&stream.user()).and_then(|user| user.not_before);
            let not_before = user.max(state.not_before);
            state.lanes.iter().map(move |lane| stream_view(*stream, state, lane, not_before))
        });
        Self { streams: views.collect(), last_run: last_run.write().into() }
    }
}

fn stream_view(
    stream: Stream,
    state: &StreamState,
    lane: &LaneState,
    not_before: Option<Timestamp>,
) -> wit::StreamView {
    let window = &lane.window;
    wit::StreamView {
        stream: stream.name().to_owned(),
        org: lane.lane.org.clone(),
        resource: lane.lane.name(),
        watermark: window.watermark().as_millis(),
        frontier: window.frontier().as_millis(),
        pending: window.pending().iter().map(Into::into).collect(),
        seen: state.seen.len() as u64,
        remembered: state.remembered.map(Timestamp::as_millis),
        not_before: not_before.map(Timestamp::as_millis),
        gaps: window.gaps().iter().cloned().map(Into::into).collect(),
    }
}

impl From<check::Finding> for wit::Finding {
    fn from(finding: check::Finding) -> Self {
        Self {
            subject: finding.subject.to_owned(),
            verdict: match finding.verdict {
                check::Verdict::Ok => wit::Verdict::Ok,
                check::Verdict::Warn => wit::Verdict::Warn,
                check::Verdict::Fail => wit::Verdict::Fail,
            },
            code: finding.code.to_owned(),
            text: finding.text,
            remedy: finding.remedy,
        }
    }
}

impl From<&Row> for wit::Setting {
    fn from(row: &Row) -> Self {
        let choices: &[&str] = if let Kind::Choice(choices) = row.kind { choices } else { &[] };
        Self {
            name: row.name.to_owned(),
            kind: match row.kind {
                Kind::Text => wit::SettingKind::Text,
                Kind::Integer => wit::SettingKind::Integer,
                Kind::Boolean => wit::SettingKind::Boolean,
                Kind::Duration => wit::SettingKind::Duration,
                Kind::Url => wit::SettingKind::Url,
                Kind::Choice(_) => wit::SettingKind::Choice,
                Kind::TextList => wit::SettingKind::TextList,
                Kind::Credentials => wit::SettingKind::Credentials,
            },
            required: row.required,
            default: row.default.map(str::to_owned),
            choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
            title: row.title.to_owned(),
            help: row.help.to_owned(),
            secret: row.kind == Kind::Credentials,
        }
    }
}

impl From<SecretName> for wit::SecretUse {
    fn from(secret: SecretName) -> Self {
        Self { name: secret.name().to_owned(), help: secret.help(), written: secret.is_written() }
    }
}

impl From<describe::Description> for wit::Description {
    fn from(description: describe::Description) -> Self {
        let texts = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let users = description.users.into_iter().map(|user| wit::User {
            name: user.user.name().to_owned(),
            title: user.user.title().to_owned(),
            scopes: texts(user.scopes),
            prerequisites: user.prerequisites.to_owned(),
            sign_in: texts(user.sign_in),
        });
        let streams = description.streams.into_iter().map(|stream| wit::Stream {
            name: stream.stream.name().to_owned(),
            title: stream.title.to_owned(),
            user: stream.stream.user().name().to_owned(),
            on_by_default: stream.on_by_default,
            help: stream.help.to_owned(),
        });
        Self {
            name: description.name.to_owned(),
            version: description.version.to_owned(),
            vendor: description.vendor.to_owned(),
            product: description.product.to_owned(),
            settings: description.settings.iter().map(Into::into).collect(),
            secrets: description.secrets.into_iter().map(Into::into).collect(),
            users: users.collect(),
            streams: streams.collect(),
            origins: texts(description.origins),
            origin_setting: description.origin_setting.map(str::to_owned),
            help: description.help.to_owned(),
        }
    }
}

impl From<&Argument> for commands::Argument {
    fn from(argument: &Argument) -> Self {
        let choices: &[&str] = if let ArgumentKind::Choice(choices) = argument.kind { choices } else { &[] };
        Self {
            name: argument.name.to_owned(),
            kind: match argument.kind {
                ArgumentKind::Text => commands::ArgumentKind::Text,
                ArgumentKind::Integer => commands::ArgumentKind::Integer,
                ArgumentKind::Boolean => commands::ArgumentKind::Boolean,
                ArgumentKind::Timestamp => commands::ArgumentKind::Timestamp,
                ArgumentKind::Choice(_) => commands::ArgumentKind::Choice,
            },
            required: argument.required,
            default: argument.default.map(str::to_owned),
            choices: choices.iter().map(|choice| (*choice).to_owned()).collect(),
            secret: argument.secret,
            help: argument.help.to_owned(),
        }
    }
}

impl From<&Output> for commands::Output {
    fn from(output: &Output) -> Self {
        Self {
            path: output.path.to_owned(),
            kind: match output.kind {
                OutputKind::Text => commands::OutputKind::Text,
                OutputKind::Integer => commands::OutputKind::Integer,
                OutputKind::Boolean => commands::OutputKind::Boolean,
                OutputKind::Timestamp => commands::OutputKind::Timestamp,
                OutputKind::Json => commands::OutputKind::Json,
            },
            help: output.help.to_owned(),
        }
    }
}

impl From<&Spec> for commands::Command {
    fn from(spec: &Spec) -> Self {
        let effects = spec.effects.iter().map(|effect| match effect {
            Effect::WritesSecrets => commands::Effect::WritesSecrets,
            Effect::Delivers => commands::Effect::Delivers,
        });
        Self {
            name: spec.name.to_owned(),
            help: spec.help.to_owned(),
            arguments: spec.arguments.iter().map(Into::into).collect(),
            outputs: spec.outputs.iter().map(Into::into).collect(),
            effects: effects.collect(),
            example: spec.example.to_owned(),
        }
    }
}

impl From<command::Outcome> for commands::Outcome {
    fn from(outcome: command::Outcome) -> Self {
        Self { readable: outcome.readable, outputs: outcome.outputs.to_string(), events: bundles(outcome.events) }
    }
}
