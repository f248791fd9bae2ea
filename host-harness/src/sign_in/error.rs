//! Why a user is not signed in.

use std::fmt;

use super::{Brought, Denial};
use crate::log::plain;
use crate::runtime::{Failure, RuntimeError, User, in_words};

/// Why a user is not signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The plugin could not be run.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// `describe` names no start, completion and test.
    #[error("the plugin does not name the three commands that sign the {user} in; use its commands one by one")]
    Commands {
        /// Whom.
        user: String,
    },
    /// An output is missing.
    #[error(
        "`{command}` gives no {what}; this program and its component do not fit together, use those of one release"
    )]
    Answer {
        /// Of which command.
        command: String,
        /// What is missing.
        what: &'static str,
    },
    /// The person, the account or the address is not the right one: there is a next sign-in that can work.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The plugin could not do it.
    #[error("{}", in_words(.0))]
    Failed(Box<Failure>),
}

/// What is not right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no code: the authorization server says why.
    Denied(Denial),
    /// The address is of no sign-in that waits: another's, used, or too old.
    State,
    /// What was given is no code and no address with one.
    Text,
    /// The code was not taken: used, too old, or not of this integration.
    Code,
    /// The tokens are there, and no stream can be read with them: another account than meant, or one without its role.
    Account,
}

/// A sign-in that did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is not right.
    pub why: Why,
    /// Who was to sign in, as the plugin titles it.
    pub title: String,
    /// What happened: one sentence.
    pub message: String,
    /// What a person does.
    pub remedy: String,
    /// The product's id of the request.
    pub tracking_id: Option<String>,
}

impl Refusal {
    /// What happened, for the head of a page.
    pub fn head(&self) -> String {
        let title = &self.title;
        match self.why {
            Why::Denied(denial) => format!("The {title} is not signed in: {}", denial.in_words()),
            Why::State => format!("The {title} is not signed in: this is not the sign-in that waits"),
            Why::Text | Why::Code => format!("The {title} is not signed in: the code was not taken"),
            Why::Account => format!("This account does not serve as the {title}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.message, self.remedy)?;
        match &self.tracking_id {
            Some(id) => write!(f, " (tracking id {id})"),
            None => Ok(()),
        }
    }
}

impl SignInError {
    pub(super) fn failed(failure: Failure) -> Self {
        Self::Failed(Box::new(failure))
    }

    /// A completion that failed. The plugin's words are kept where they fit a person at a browser.
    pub(super) fn of_completion(user: &User, brought: &Brought, failure: Failure) -> Self {
        let (why, message, remedy) = match (failure.code.as_str(), brought.denial) {
            ("refused", Some(denial)) => (Why::Denied(denial), None, Some(denial.remedy())),
            ("invalid-argument", _) if brought.has_state => (
                Why::State,
                Some("the address belongs to no sign-in that waits: it was used already, is too old, or is another's"),
                Some("sign in again with a new link"),
            ),
            ("invalid-argument", _) => (Why::Text, None, None),
            ("sign-in-needed", _) => (
                Why::Code,
                None,
                Some(
                    "a code works once and for some minutes: sign in again; if it stays so, see whether client ID, client \
                     secret and redirect URI of the settings are those of the integration",
                ),
            ),
            _ => return Self::failed(failure),
        };
        Self::refused(why, user, &failure, message, remedy.unwrap_or(&failure.remedy))
    }

    pub(super) fn wrong_account(user: &User, failure: Failure) -> Self {
        let remedy = format!(
            "{}; sign in again as an account that has it, best in a private window of the browser",
            failure.remedy.trim_end_matches('.')
        );
        Self::refused(Why::Account, user, &failure, None, &remedy)
    }

    fn refused(why: Why, user: &User, failure: &Failure, message: Option<&str>, remedy: &str) -> Self {
        let one_line = |text: &str| plain(text).trim_end_matches('.').to_owned();
        Self::Refused(Box::new(Refusal {
            why,
            title: user.title.clone(),
            message: one_line(message.unwrap_or(&failure.message)),
            remedy: one_line(remedy),
            tracking_id: failure.tracking_id.as_deref().map(plain).filter(|id| !id.is_empty()),
        }))
    }
}
