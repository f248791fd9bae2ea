//! Signing a user in by way of a browser: the plugin's own commands in their order, and what the browser brings back.
//!
//! [`start`] gives the link, [`complete`] takes the address to which the browser was led and sees whether the account serves.
//! In between, a [`Receiver`] may wait where the redirect URI leads to this machine; [`Page`] is what the browser shows at the
//! end. None of it knows the product: the commands are those that `describe` names for the user, and of their outputs only the
//! last two steps of the paths count (`…SignIn.url`), as the contract fixes them.

mod denial;
mod error;
mod page;
mod receiver;

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::redaction;
use crate::runtime::{Description, Failure, Finding, Outcome, Tenant, User, Verdict};
use crate::secrets::Secret;
pub use denial::Denial;
pub use error::{Refusal, SignInError, Why};
pub use page::{Links, Page};
pub use receiver::{Receiver, ReceiverError, Redirected};

/// Code of a finding about what is switched off: as it should be, and no proof that anything works.
const OFF: &str = "off";
/// What a start without an end lacks.
const NO_END: &str = "time until which it can be completed";

/// A sign-in that has begun.
pub struct Started {
    /// To be opened in a browser. It holds the state, which is for the browser and no log.
    pub url: String,
    /// Where the browser is led after.
    pub redirect_uri: String,
    /// Until when it can be completed.
    pub until: DateTime<Utc>,
    state: Secret,
}

impl Started {
    /// What comes back with the code of this sign-in, and of no other.
    pub fn state(&self) -> &Secret {
        &self.state
    }

    /// Until when it can be completed, as people read it.
    pub fn until_in_words(&self) -> String {
        self.until.to_rfc3339_opts(SecondsFormat::Secs, true)
    }
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Started");
        shown.field("redirect_uri", &self.redirect_uri).field("until", &self.until).finish_non_exhaustive()
    }
}

/// A sign-in that is done: the plugin has its tokens.
#[derive(Clone, Debug)]
pub struct Completed {
    /// Who has signed in, as the plugin titles it.
    pub title: String,
    /// As which account, where the plugin may know it.
    pub account: Option<String>,
    /// Of which organization that is, likewise.
    pub org_id: Option<String>,
    /// What the plugin says of it, as Markdown.
    pub readable: String,
    /// How the user and its streams were found after. One that fails is no refusal as long as another works.
    pub findings: Vec<Finding>,
}

impl Completed {
    /// Whether nothing is left to do.
    pub fn is_whole(&self) -> bool {
        self.findings.iter().all(|finding| finding.verdict == Verdict::Ok)
    }
}

/// Begins the sign-in of a user. Tokens that it has stay in use.
///
/// # Errors
/// See [`SignInError`].
pub async fn start(tenant: &Tenant, user: &User) -> Result<Started, SignInError> {
    let [command, ..] = commands(user)?;
    let outcome = run(tenant, command, &[of_user(user)]).await?.map_err(SignInError::failed)?;
    let missing = |what| SignInError::Answer { command: command.to_owned(), what };
    let outputs = outputs(&outcome);
    let text = |name, what| output(&outputs, "SignIn", name).and_then(Value::as_str).ok_or_else(|| missing(what));
    let url = text("url", "link")?;
    let until = DateTime::parse_from_rfc3339(text("until", NO_END)?).map_err(|_| missing(NO_END))?;
    let link = Url::parse(url).ok().filter(|link| matches!(link.scheme(), "https" | "http"));
    let link = link.ok_or_else(|| missing("link for a browser"))?;
    let state = link.query_pairs().find(|(name, _)| name == "state").map(|(_, state)| Secret::from(&*state));
    Ok(Started {
        url: url.to_owned(),
        redirect_uri: text("redirect_uri", "redirect URI")?.to_owned(),
        until: until.to_utc(),
        state: state.filter(|state| !state.expose().is_empty()).ok_or_else(|| missing("state in its link"))?,
    })
}

/// Completes a sign-in with the whole address to which the browser was led, or a bare code, and sees whether the account serves.
///
/// # Errors
/// See [`SignInError`]; what a person has refused or mixed up is a [`Refusal`].
pub async fn complete(tenant: &Tenant, user: &User, redirected: impl Into<Secret>) -> Result<Completed, SignInError> {
    let [_, complete, _] = commands(user)?;
    let brought = Brought::of(redirected.into().trimmed());
    let code = ("code".to_owned(), brought.text.expose().to_owned());
    let done = run(tenant, complete, &[of_user(user), code]).await?;
    let done = done.map_err(|failure| SignInError::of_completion(user, &brought, failure))?;
    let findings = test(tenant, user).await?;
    let outputs = outputs(&done);
    let text = |name| output(&outputs, "SignIn", name).and_then(Value::as_str).map(str::to_owned);
    let (account, org_id) = (text("account"), text("org_id"));
    Ok(Completed { title: user.title.clone(), account, org_id, readable: done.readable, findings })
}

/// Sees how a user that has signed in and its streams are found.
///
/// # Errors
/// See [`SignInError`]; an account that may read none of the streams is a [`Refusal`].
pub async fn test(tenant: &Tenant, user: &User) -> Result<Vec<Finding>, SignInError> {
    let [_, _, test] = commands(user)?;
    let failure = match run(tenant, test, &[of_user(user)]).await? {
        Ok(outcome) => return Ok(findings(&outputs(&outcome))),
        Err(failure) => failure,
    };
    // The command says in one sentence what fails; here it matters whether anything works.
    let described = tenant.describe().await?;
    let all = tenant.check().await?;
    let found: Vec<Finding> = all.into_iter().filter(|found| is_of(&described, user, &found.subject)).collect();
    if is_refused(user, &found) { Err(SignInError::wrong_account(user, failure)) } else { Ok(found) }
}

/// What a person or a browser brings back. Known from here on to what keeps secrets out of logs.
struct Brought {
    text: Secret,
    has_state: bool,
    denial: Option<Denial>,
}

impl Brought {
    fn of(text: Secret) -> Self {
        redaction::learn(&text);
        let query = text.expose().split_once('?').map_or(text.expose(), |(_, query)| query);
        let query = query.split('#').next().unwrap_or_default();
        let (mut has_code, mut has_state, mut denial) = (false, false, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty()) {
            match &*name {
                "code" => has_code = true,
                "state" => has_state = true,
                "error" => denial = Some(Denial::of(&value)),
                _ => continue,
            }
            if name != "error" {
                redaction::learn(&Secret::from(&*value));
            }
        }
        Self { has_state: has_code && has_state, denial, text }
    }
}

/// Start, completion and test, in this order.
fn commands(user: &User) -> Result<[&str; 3], SignInError> {
    match user.sign_in.as_slice() {
        [start, complete, test] => Ok([start, complete, test]),
        _ => Err(SignInError::Commands { user: user.title.clone() }),
    }
}

fn of_user(user: &User) -> (String, String) {
    ("user".to_owned(), user.name.clone())
}

async fn run(
    tenant: &Tenant,
    command: &str,
    arguments: &[(String, String)],
) -> Result<Result<Outcome, Failure>, SignInError> {
    Ok(tenant.run_command(command, arguments).await?)
}

fn outputs(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.outputs).unwrap_or_default()
}

/// `PRODUCT.group.name`, whatever the product.
fn output<'v>(outputs: &'v Value, group: &str, name: &str) -> Option<&'v Value> {
    outputs.as_object()?.values().find_map(|product| product.get(group)?.get(name))
}

/// `PRODUCT.Check`, a list.
fn findings(outputs: &Value) -> Vec<Finding> {
    let checks = outputs.as_object().into_iter().flat_map(|all| all.values()).filter_map(|all| all.get("Check"));
    let finding = |check: &Value| {
        let text = |name: &str| check.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let verdict = match text("verdict").as_str() {
            "ok" => Verdict::Ok,
            "warn" => Verdict::Warn,
            _ => Verdict::Fail,
        };
        Finding { subject: text("subject"), verdict, code: text("code"), text: text("text"), remedy: text("remedy") }
    };
    checks.filter_map(Value::as_array).flatten().map(finding).collect()
}

/// Whether a finding is about the user or a stream that it reads.
fn is_of(described: &Description, user: &User, subject: &str) -> bool {
    subject == user.name || described.streams.iter().any(|stream| stream.user == user.name && stream.name == subject)
}

/// Whether the product knows the account and lets it read nothing: most likely it is another one than meant.
fn is_refused(user: &User, findings: &[Finding]) -> bool {
    let mut streams = findings.iter().filter(|finding| finding.subject != user.name);
    let works = streams.clone().any(|finding| finding.verdict != Verdict::Fail && finding.code != OFF);
    !works && streams.any(|finding| finding.code == "refused")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests;
