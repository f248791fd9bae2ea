//! What is run, whatever runs it.

use cisco_webex_plugin::failure::Failure;
use cisco_webex_plugin::fetch::{Batch, FetchRequest};
use cisco_webex_plugin::stream::User;

use crate::scenario::Crash;

/// Something that the plugin is asked to do.
#[derive(Clone, Debug)]
pub(super) enum Task {
    Fetch(FetchRequest),
    /// `cisco-webex-oauth-test`
    Test(User),
    /// `check`
    Check,
    /// A person opens the link, agrees, and brings back where the browser was led.
    SignIn(User),
}

impl Task {
    /// In the trace.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Fetch(_) => "fetch",
            Self::Test(_) => "oauth-test",
            Self::Check => "check",
            Self::SignIn(_) => "sign-in",
        }
    }
}

/// Where `cisco-webex-oauth-start` says which link a person opens.
pub(super) const SIGN_IN_LINK: &str = "/CiscoWebex/SignIn/url";

/// A task, when it begins, in ms after now, and where it dies.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) start: i64,
    pub(super) task: Task,
    pub(super) crash: Option<Crash>,
}

/// What a task came to.
pub(super) enum Outcome {
    Fetched(Result<Batch, Failure>),
    /// A command or a check; what it says is not judged here.
    Done,
    SignedIn(Result<(), String>),
}

/// A task that is over.
pub(super) struct Ended {
    pub(super) name: &'static str,
    /// By the origin's clock.
    pub(super) at: i64,
    /// None: it died.
    pub(super) outcome: Option<Outcome>,
    pub(super) crashed: bool,
}
