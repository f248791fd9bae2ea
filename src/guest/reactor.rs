//! Carries out the core's effects: requests side by side over `wasi:http`, secrets through the host.

use super::bindings::siem::plugin::{host, secrets};
use super::bindings::wasi::clocks::{monotonic_clock, wall_clock};
use super::bindings::wasi::io::poll::{Pollable, poll};
use super::bindings::wasi::random::random::get_random_bytes;
use super::http::{Exchange, Progress, TIMEOUT_NS};
use crate::effect::{Answer, Effect, HttpError, Io, Level, Moment, Run, SecretsError, Ticket, Turn};
use crate::failure::{Code, Failure, Retry};
use crate::secret::{Revision, Secret, SecretName, Versioned};
use crate::time::{Span, Timestamp};

/// An effect that takes time.
struct UnderWay {
    ticket: Ticket,
    work: Work,
    /// Of the monotonic clock: when it is over (a pause) or has failed (a request).
    until: u64,
}

enum Work {
    Exchange(Exchange),
    Pause,
}

/// Runs a piece of the core to its end.
pub(super) fn drive<'a, T, F>(begin: impl FnOnce(Io) -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>> + 'a,
    T: 'a,
{
    let begun = monotonic_clock::now();
    let mut run = Run::new(seed(), moment(begun), begin);
    let mut under_way: Vec<UnderWay> = Vec::new();
    loop {
        let turn = run.turn(moment(begun));
        for line in run.take_log() {
            host::log(level(line.level), line.code, &line.text, &[]);
        }
        let effects = match turn {
            Turn::Done(result) => return result,
            Turn::Waiting(effects) => effects,
        };
        let mut is_answered = false;
        for (ticket, effect) in effects {
            match start(effect) {
                Ok((work, length)) => {
                    under_way.push(UnderWay { ticket, work, until: monotonic_clock::now().saturating_add(length) });
                }
                Err(answer) => {
                    run.answer(ticket, answer);
                    is_answered = true;
                }
            }
        }
        while !is_answered {
            if under_way.is_empty() {
                let failure = Failure::new(Code::NotUnderstood, "the plugin waits for nothing: a defect", "report it");
                return Err(Failure { retry: Retry::Never, ..failure });
            }
            wait(&under_way);
            let mut still = Vec::with_capacity(under_way.len());
            for item in under_way {
                match look(item) {
                    Ok(item) => still.push(item),
                    Err((ticket, answer)) => {
                        run.answer(ticket, answer);
                        is_answered = true;
                    }
                }
            }
            under_way = still;
        }
    }
}

/// Begins an effect: either it is under way for at most this many nanoseconds, or it is answered at once.
fn start(effect: Effect) -> Result<(Work, u64), Answer> {
    match effect {
        Effect::Http(request) => match Exchange::begin(&request) {
            Ok(exchange) => Ok((Work::Exchange(exchange), TIMEOUT_NS)),
            Err(error) => Err(Answer::Http(Err(error))),
        },
        Effect::Sleep(span) => Ok((Work::Pause, span.as_millis().max(0).unsigned_abs().saturating_mul(1_000_000))),
        Effect::ReadSecret(name) => Err(Answer::Read(read_secret(name))),
        Effect::ReplaceSecret { name, expected, value } => {
            let result = secrets::replace(name.name(), expected.as_ref().map(|r| r.0.as_str()), value.expose());
            Err(Answer::Replaced(result.map(Revision).map_err(secrets_error)))
        }
    }
}

fn read_secret(name: SecretName) -> Result<Option<Versioned>, SecretsError> {
    let found = secrets::get(name.name()).map_err(secrets_error)?;
    Ok(found.map(|secret| Versioned { value: Secret::new(secret.value), revision: Revision(secret.revision) }))
}

fn secrets_error(error: secrets::SecretsError) -> SecretsError {
    match error {
        secrets::SecretsError::Unavailable(text) => SecretsError::Unavailable(text),
        secrets::SecretsError::Denied => SecretsError::Denied,
        secrets::SecretsError::Conflict => SecretsError::Conflict,
    }
}

/// Waits until something may have happened.
fn wait(under_way: &[UnderWay]) {
    let mut pollables: Vec<Pollable> = under_way
        .iter()
        .filter_map(|item| match &item.work {
            Work::Exchange(exchange) => Some(exchange.pollable()),
            Work::Pause => None,
        })
        .collect();
    if let Some(until) = under_way.iter().map(|item| item.until).min() {
        pollables.push(monotonic_clock::subscribe_instant(until));
    }
    poll(&pollables.iter().collect::<Vec<_>>());
}

/// Looks after one; its answer, if it is over.
fn look(item: UnderWay) -> Result<UnderWay, (Ticket, Answer)> {
    let UnderWay { ticket, work, until } = item;
    let is_over = monotonic_clock::now() >= until;
    match work {
        Work::Pause if is_over => Err((ticket, Answer::Slept)),
        Work::Pause => Ok(UnderWay { ticket, work, until }),
        Work::Exchange(exchange) => match exchange.advance() {
            Progress::Done(result) => Err((ticket, Answer::Http(result))),
            Progress::Pending(exchange) if is_over => {
                let error: HttpError = exchange.timed_out();
                Err((ticket, Answer::Http(Err(error))))
            }
            Progress::Pending(exchange) => Ok(UnderWay { ticket, work: Work::Exchange(exchange), until }),
        },
    }
}

/// What the clocks and the host say now.
fn moment(begun: u64) -> Moment {
    let millis = |nanos: u64| i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX);
    Moment {
        now: now(),
        elapsed: Span::millis(millis(monotonic_clock::now().saturating_sub(begun))),
        stopping: host::stopping(),
    }
}

/// The wall clock.
pub(super) fn now() -> Timestamp {
    let time = wall_clock::now();
    let seconds = i64::try_from(time.seconds).unwrap_or(i64::MAX);
    Timestamp::from_millis(seconds.saturating_mul(1_000).saturating_add(i64::from(time.nanoseconds / 1_000_000)))
}

/// From the host's cryptographic source.
pub(super) fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    for (byte, random) in seed.iter_mut().zip(get_random_bytes(32)) {
        *byte = random;
    }
    seed
}

fn level(level: Level) -> host::Level {
    match level {
        Level::Debug => host::Level::Debug,
        Level::Info => host::Level::Info,
        Level::Warn => host::Level::Warn,
        Level::Error => host::Level::Error,
    }
}
