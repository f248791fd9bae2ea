//! Whether data flows: the rules behind the lights, and behind `/readyz`.
//!
//! | what | is a failure | is a warning |
//! | --- | --- | --- |
//! | a stream's failure that waiting does not mend | at once | |
//! | the frontier does not move | after two intervals, 30 s at least | |
//! | an interval is not drained and the watermark does not move | after 15 minutes or ten intervals | |
//! | nothing is listed, though Webex answers | never | after `quiet_after` |
//! | a refresh token ends | 2 days before | as soon as the plugin says so |
//! | a sink takes nothing | after two intervals; closed: at once | at once |
//! | the spool is full, a tenant cannot have its turn, the clock stands still | at once | |
//!
//! No I/O and no clock of its own.

use std::time::Duration;

use super::clock::Moment;
use super::stream::StreamState;
use super::view::{Light, Problem, Severity, SinkView, SpoolView, Subject, Trouble, UserView};
use crate::courier::{Condition, Standing};

/// A call may take 20 s, and wait as long for an answer; whoever polls more often must not fail for one of them.
const LEAST_PATIENCE: Duration = Duration::from_secs(30);
/// How much longer the first round may take: many tenants begin one after the other.
const FIRST_ROUND: Duration = Duration::from_secs(60);
/// How long a slice may resist: it is halved and tried again meanwhile.
const STALLED_AFTER: Duration = Duration::from_secs(15 * 60);
/// The same in intervals.
const STALLED_INTERVALS: u32 = 10;
/// A refresh token this near to its end fails: a person has to sign in, and must be awake for it.
const DYING_MS: i64 = 2 * 24 * 60 * 60 * 1_000;

/// How patient to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// The pause between two rounds.
    pub(super) interval: Duration,
    /// How long a stream may list nothing.
    pub(super) quiet_after: Duration,
}

impl Patience {
    /// How long nothing may move.
    pub(super) fn still(self) -> Duration {
        (self.interval * 2).max(LEAST_PATIENCE)
    }

    fn stalled(self) -> Duration {
        (self.interval * STALLED_INTERVALS).max(STALLED_AFTER)
    }
}

/// A verdict on one thing: its light, why, and what a person should know.
pub(super) struct Judged {
    pub(super) light: Light,
    pub(super) reason: String,
    pub(super) problems: Vec<Problem>,
}

/// How a stream stands that is on, which is watched since then and silent since then.
pub(super) fn stream(
    name: &str,
    state: Option<&StreamState>,
    (watched, silent_since): (Moment, i64),
    patience: Patience,
    now: Moment,
) -> Judged {
    let subject = || Subject::Stream(name.to_owned());
    let mut problems = Vec::new();
    let Some(state) = state else {
        let waited = now.since.saturating_sub(watched.since);
        if waited > patience.still() + FIRST_ROUND {
            problems.push(Problem {
                severity: Severity::Fail,
                code: "not-moving".to_owned(),
                subject: subject(),
                text: format!("nothing was read yet in {}", length(waited)),
                remedy: "see the log for what keeps the first round from its end".to_owned(),
            });
        }
        let light = if problems.is_empty() { Light::Waiting } else { Light::Fail };
        let reason = problems.first().map_or("the first round is under way", |problem| &problem.text).to_owned();
        return Judged { light, reason, problems };
    };
    let failure = state.failure.as_ref().filter(|failure| failure.holds);
    let still = state.still(now);
    match failure {
        Some(failure) if !state.is_passing => problems.push(failed(failure, subject())),
        Some(failure) if still > patience.still() => {
            let text = format!("nothing is taken up for {}: {}", length(still), failure.text);
            problems.push(Problem {
                severity: Severity::Fail,
                code: failure.code.clone(),
                subject: subject(),
                text,
                remedy: failure.remedy.clone(),
            });
        }
        Some(failure) => problems.push(Problem { severity: Severity::Warn, ..failed(failure, subject()) }),
        None if still > patience.still() => problems.push(Problem {
            severity: Severity::Fail,
            code: "not-moving".to_owned(),
            subject: subject(),
            text: format!("nothing new is taken up for {}", length(still)),
            remedy: "see whether rounds end, whether Webex's clock and this machine's go on, and the log".to_owned(),
        }),
        None => {}
    }
    let stalled = now.since.saturating_sub(state.completed);
    if state.pending > 0 && stalled > patience.stalled() {
        problems.push(Problem {
            severity: Severity::Fail,
            code: "watermark-stalled".to_owned(),
            subject: subject(),
            text: format!("{} intervals are not drained, and none was for {}", state.pending, length(stalled)),
            remedy: "see `webex-collector last-run show` for the interval that cannot be read, and the log".to_owned(),
        });
    }
    problems.extend(
        state.warnings.values().map(|warning| Problem { severity: Severity::Warn, ..failed(warning, subject()) }),
    );
    let silent = Duration::from_millis(u64::try_from(now.wall.saturating_sub(silent_since)).unwrap_or(0));
    if silent > patience.quiet_after && failure.is_none() {
        problems.push(Problem {
            severity: Severity::Warn,
            code: "quiet".to_owned(),
            subject: subject(),
            text: format!("Webex answers, and has listed nothing for {}", length(silent)),
            remedy:
                "if that is usual here, raise `collect.quiet_after`; else see the role, scope and settings of its user"
                    .to_owned(),
        });
    }
    worst_first(&mut problems);
    let light = light(&problems);
    let reason = match problems.first() {
        Some(problem) => problem.text.clone(),
        None if state.pending > 0 => "data flows; a backlog is being read".to_owned(),
        None => "data flows".to_owned(),
    };
    Judged { light, reason, problems }
}

/// How a user stands.
pub(super) fn user(view: &UserView, now: Moment) -> (Light, Vec<Problem>) {
    if !view.configured {
        return (Light::Off, Vec::new());
    }
    let problem = |severity, code: &str, text: String, remedy: &str| Problem {
        severity,
        code: code.to_owned(),
        subject: Subject::User(view.name.clone()),
        text,
        remedy: remedy.to_owned(),
    };
    let mut problems = Vec::new();
    let again = "sign in again";
    if !view.signed_in {
        let text =
            if view.problem.is_empty() { format!("the {} is not signed in", view.title) } else { view.problem.clone() };
        let remedy = if view.remedy.is_empty() { "sign in" } else { &view.remedy };
        problems.push(problem(Severity::Fail, super::tenant::SIGN_IN_NEEDED, text, remedy));
    } else if let Some(life) = view.refresh.filter(|life| life.expires.saturating_sub(now.wall) < DYING_MS) {
        let left = Duration::from_millis(u64::try_from(life.expires.saturating_sub(now.wall)).unwrap_or(0));
        problems.push(problem(
            Severity::Fail,
            "token-expires",
            format!("the refresh token ends in {}", length(left)),
            again,
        ));
    } else if !view.problem.is_empty() {
        problems.push(problem(Severity::Warn, "token", view.problem.clone(), &view.remedy));
    }
    (light(&problems), problems)
}

/// How a sink behind the spool stands.
pub(super) fn sink(standing: &Standing, patience: Patience, now: Moment) -> (Light, Vec<Problem>) {
    let problem = |severity, code: &str, text: String, remedy: &str| Problem {
        severity,
        code: code.to_owned(),
        subject: Subject::Sink(standing.name.to_string()),
        text,
        remedy: remedy.to_owned(),
    };
    let mut problems = Vec::new();
    match &standing.condition {
        Condition::Fine => {}
        Condition::Closed { reason, .. } => {
            let remedy = "mend what it says, in the settings of the sink or at its receiver; nothing is lost meanwhile";
            problems.push(problem(Severity::Fail, "sink-closed", reason.clone(), remedy));
        }
        Condition::Failing { reason, since } => {
            let failing = Duration::from_millis(u64::try_from(now.wall.saturating_sub(*since)).unwrap_or(0));
            let severity = if failing > patience.still() { Severity::Fail } else { Severity::Warn };
            let text = format!("takes nothing for {}: {reason}", length(failing));
            let remedy = "see that the receiver runs and can be reached from here; nothing is lost meanwhile";
            problems.push(problem(severity, "sink-failing", text, remedy));
        }
    }
    if standing.dead_letters > 0 {
        let text = format!("{} events were refused and wait as dead letters", standing.dead_letters);
        problems.push(problem(Severity::Warn, "dead-letters", text, "see `webex-collector deadletter`"));
    }
    worst_first(&mut problems);
    (light(&problems), problems)
}

/// What the spool has to say.
pub(super) fn spool(view: SpoolView) -> Option<Problem> {
    view.is_full.then(|| Problem {
        severity: Severity::Fail,
        code: "spool-full".to_owned(),
        subject: Subject::Collector,
        text: format!("the spool is full ({} of {} bytes), so nothing more is collected", view.bytes, view.limit),
        remedy: "mend the sinks for which events wait, or raise `spool.max_bytes`".to_owned(),
    })
}

/// What the clock has to say.
pub(super) fn clock(stands_still: Duration, patience: Duration) -> Option<Problem> {
    (stands_still > patience).then(|| Problem {
        severity: Severity::Fail,
        code: "clock-stopped".to_owned(),
        subject: Subject::Collector,
        text: format!("this machine's time of day has not moved for {}", length(stands_still)),
        remedy: "set this machine's clock going; times and tokens go by it".to_owned(),
    })
}

/// The light of what has these problems.
pub(super) fn light(problems: &[Problem]) -> Light {
    match problems.iter().map(|problem| problem.severity).max() {
        None => Light::Ok,
        Some(Severity::Warn) => Light::Warn,
        Some(Severity::Fail) => Light::Fail,
    }
}

/// The worst first; else as they stand.
pub(super) fn worst_first(problems: &mut [Problem]) {
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
}

/// A sink that is written directly has no way to fail but the round's.
pub(super) fn light_of_sink(view: &SinkView) -> Light {
    match view {
        SinkView::Direct { .. } => Light::Ok,
        SinkView::Spooled { light, .. } => *light,
    }
}

fn failed(trouble: &Trouble, subject: Subject) -> Problem {
    Problem {
        severity: Severity::Fail,
        code: trouble.code.clone(),
        subject,
        text: trouble.text.clone(),
        remedy: trouble.remedy.clone(),
    }
}

/// A length of time in the two largest units.
pub(super) fn length(time: Duration) -> String {
    let whole = humantime::format_duration(Duration::from_secs(time.as_secs())).to_string();
    whole.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
