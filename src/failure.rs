//! Why something could not be done: the one shape that leaves the plugin.

use std::fmt;

use crate::stream::{Stream, User};
use crate::time::Timestamp;

/// The stable codes of the contract (`wit/types.wit`, `failure.code`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A setting is missing, unknown or wrong.
    InvalidSetting,
    /// A command or argument is missing, unknown or wrong.
    InvalidArgument,
    /// No tokens, or dead ones.
    SignInNeeded,
    /// Role, scope, licence or setting of Webex.
    Refused,
    /// 429 or 423.
    RateLimited,
    /// Webex does not answer, or with 5xx.
    Unavailable,
    /// An answer that is not what Webex documents.
    NotUnderstood,
    /// The host's secrets cannot be read or written.
    SecretsUnavailable,
    /// The host's network policy.
    DeniedByHost,
    /// Last-run of another origin or organization.
    ForeignLastRun,
    /// Last-run damaged, or of a newer plugin.
    CorruptLastRun,
    /// Local clock and Webex's clock are too far apart.
    ClockSkew,
    /// The call's time budget ended.
    Deadline,
    /// The host asked to stop.
    Stopped,
}

impl Code {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 14] = [
        Self::InvalidSetting,
        Self::InvalidArgument,
        Self::SignInNeeded,
        Self::Refused,
        Self::RateLimited,
        Self::Unavailable,
        Self::NotUnderstood,
        Self::SecretsUnavailable,
        Self::DeniedByHost,
        Self::ForeignLastRun,
        Self::CorruptLastRun,
        Self::ClockSkew,
        Self::Deadline,
        Self::Stopped,
    ];

    /// What it means and what a person does, as docs/errors.md says it of any failure with this code. The failure itself says
    /// it of the case.
    pub const fn explained(self) -> (&'static str, &'static str) {
        match self {
            Self::InvalidSetting => (
                "a setting is missing, unknown or wrong; the message names it",
                "mend it where the message says; `webex-collector check` reads it again",
            ),
            Self::InvalidArgument => (
                "an argument of a command is missing, unknown or wrong; the message names it",
                "`webex-collector commands NAME` shows what the command takes",
            ),
            Self::SignInNeeded => (
                "a user has no tokens, or dead ones: never signed in, revoked, not used until they ended, or of another integration",
                "sign that user in: `webex-collector login USER`, the button on the page of `serve`, or `cisco-webex-oauth-start`; \
                 nothing is lost meanwhile, as long as Webex keeps it",
            ),
            Self::Refused => (
                "Webex says no (403, 451): role, scope, licence or a setting of the organization; of the token endpoint also the \
                 client's secret",
                "switch on what the remedy names, then sign in again if it was a scope",
            ),
            Self::RateLimited => (
                "Webex asks to wait (429, 423)",
                "nothing: it goes on by itself at the time that is told. If it lasts, lower `collect.max_requests`, or give the \
                 collector an account of its own",
            ),
            Self::Unavailable => (
                "Webex does not answer, or with a fault of its own (5xx)",
                "nothing: it is tried again from 2 s up to every 15 min. If it lasts, see Webex's status page, and `webex-collector \
                 check` for the way there",
            ),
            Self::NotUnderstood => (
                "an answer that is not what Webex documents",
                "see that `base_url` is the address of the Webex API and no proxy answers in its place; if it lasts, give Webex's \
                 support the tracking id",
            ),
            Self::SecretsUnavailable => (
                "the host's store of secrets cannot be read or written",
                "see the message: the key (`secrets.key`), the rights or the space of the state folder",
            ),
            Self::DeniedByHost => (
                "the host's network policy refused a request; the log says which under `request-denied` or `address-denied`",
                "mend `base_url`, or what its name resolves to",
            ),
            Self::ForeignLastRun => (
                "the stored state is of another origin or organization",
                "name another `state_dir`, or put back the settings that it is of",
            ),
            Self::CorruptLastRun => (
                "the stored state is damaged, or of a newer version",
                "use the newer version, or import the copy that the message names: `webex-collector last-run import FILE`",
            ),
            Self::ClockSkew => {
                ("this machine's clock and Webex's are too far apart", "set this machine's clock, best by NTP")
            }
            Self::Deadline => {
                ("the time of a call ended before it was through", "nothing: it goes on in the next call")
            }
            Self::Stopped => ("the program was asked to end", "nothing: it goes on at the next start"),
        }
    }

    /// The text in the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidSetting => "invalid-setting",
            Self::InvalidArgument => "invalid-argument",
            Self::SignInNeeded => "sign-in-needed",
            Self::Refused => "refused",
            Self::RateLimited => "rate-limited",
            Self::Unavailable => "unavailable",
            Self::NotUnderstood => "not-understood",
            Self::SecretsUnavailable => "secrets-unavailable",
            Self::DeniedByHost => "denied-by-host",
            Self::ForeignLastRun => "foreign-last-run",
            Self::CorruptLastRun => "corrupt-last-run",
            Self::ClockSkew => "clock-skew",
            Self::Deadline => "deadline",
            Self::Stopped => "stopped",
        }
    }
}

/// When it can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// A defect.
    Never,
    /// From this time on.
    At(Timestamp),
    /// After the user has signed in.
    AfterSignIn,
    /// After a person has changed something.
    AfterAChange,
}

/// Why something could not be done, and what to do. Texts never hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// For programs.
    pub code: Code,
    /// Whom it concerns.
    pub user: Option<User>,
    /// What it concerns.
    pub stream: Option<Stream>,
    /// What happened: one sentence.
    pub message: String,
    /// What a person does; empty where waiting is enough.
    pub remedy: String,
    /// Webex's id of the request.
    pub tracking_id: Option<String>,
    /// When to try again.
    pub retry: Retry,
}

impl Failure {
    /// A failure that needs a person.
    pub fn new(code: Code, message: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self {
            code,
            user: None,
            stream: None,
            message: one_line(&message.to_string()),
            remedy: one_line(&remedy.to_string()),
            tracking_id: None,
            retry: Retry::AfterAChange,
        }
    }

    /// A setting is wrong; `name` is its name.
    pub fn setting(name: &str, problem: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self::new(Code::InvalidSetting, format_args!("setting `{name}` {problem}"), remedy)
    }

    /// An argument is wrong; `name` is its name.
    pub fn argument(name: &str, problem: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self::new(Code::InvalidArgument, format_args!("argument `{name}` {problem}"), remedy)
    }

    /// The user has to sign in (again).
    pub fn sign_in(user: User, message: impl fmt::Display) -> Self {
        let remedy = format_args!(
            "run `cisco-webex-oauth-start user={user}`, open its link as the {}, then run `cisco-webex-oauth-complete`",
            user.title()
        )
        .to_string();
        Self { retry: Retry::AfterSignIn, ..Self::new(Code::SignInNeeded, message, remedy) }.of_user(user)
    }

    /// The same, of this user.
    pub fn of_user(self, user: User) -> Self {
        Self { user: Some(user), ..self }
    }

    /// The same, of this stream and its user.
    pub fn of_stream(self, stream: Stream) -> Self {
        Self { stream: Some(stream), user: Some(stream.user()), ..self }
    }

    /// The same, to be tried again at `time`.
    pub fn at(self, time: Timestamp) -> Self {
        Self { retry: Retry::At(time), ..self }
    }

    /// The same, with Webex's id of the request.
    pub fn tracked(self, tracking_id: Option<String>) -> Self {
        Self { tracking_id, ..self }
    }
}

/// Longest text of a message or remedy, in characters: a few terminal lines; answers of a server are quoted in them.
const MAX_TEXT: usize = 600;

/// The text without line breaks and control characters, cut to a few lines.
fn one_line(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_TEXT).collect();
    if text.chars().nth(MAX_TEXT).is_some() {
        line.push('…');
    }
    line
}
