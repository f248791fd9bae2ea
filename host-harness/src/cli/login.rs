//! `login`: a user signs in. The link goes to the browser, and what comes back is taken from there or from whoever pastes it.

mod browser;
mod organization;

use std::io::{self, IsTerminal};

use clap::Args;
use serde_json::json;

use super::finding::{as_json, exit, in_words};
use super::input::Lines;
use super::session::{self, Session};
use super::whose::{self, Whose};
use super::{CliError, Exit, Global, output, signals};
use crate::config::nearest;
use crate::runtime::{Finding, User};
use crate::secrets::Secret;
use crate::sign_in::{self, Completed, Links, Page, Receiver, ReceiverError, Redirected, SignInError, Started, Why};
use crate::stop::Stop;
use organization::{Choice, Organization};

#[derive(Debug, Args)]
pub(super) struct Options {
    /// Who signs in, as `admin`
    user: String,
    /// Only show the link
    #[arg(long)]
    no_browser: bool,
    /// Write the organization's id into the settings file, if none is there: this one, or the `first` that the user sees
    #[arg(long, value_name = "ID|first")]
    org_id: Option<Choice>,
}

pub(super) async fn run(global: &Global, options: &Options) -> Result<Exit, CliError> {
    let Whose::One(config) = Whose::of(global, whose::Default::Nobody)? else {
        return Err(CliError::Usage("a sign-in is of one tenant; name it with --tenant NAME".into()));
    };
    let plugin = session::compiled(global, &config.host_dir, &config.secrets_key)?;
    let user = user(&plugin.describe().await?.users, &options.user)?;
    let organization = Organization::of(&config, &user, options.org_id.clone())?;
    let stop = Stop::new();
    let session = Session::of(*config, plugin.clone(), session::log(global, None), stop.clone()).await?;
    session.secrets_ready().await?;
    let login = Login { session, user, is_asked: is_at_a_terminal() && !global.json };

    let started = login.start().await?;
    login.show(&started, options);
    let mut lines = Lines::of_stdin();
    signals::listen(&stop);
    let Some(completed) = login.completed(&started, &mut lines, &stop).await? else {
        output::words(&format!("The {} is not signed in.", login.user.title));
        return Ok(Exit::SignIn);
    };
    output::words(&login.success(&completed));

    let named = organization.settle(&login, &completed, &mut lines).await?;
    let findings = match &named {
        // With the organization in the settings the audits can be seen, too.
        Some(_) => login.seen_again(global, stop).await?,
        None => completed.findings.clone(),
    };
    let exit = exit(&findings, &plugin.describe().await?);
    plugin.keep();
    login.report(global, &completed, &findings, named.as_deref())?;
    Ok(exit)
}

/// However it is spelled.
fn user(users: &[User], given: &str) -> Result<User, CliError> {
    let name = given.trim().to_ascii_lowercase().replace([' ', '-'], "_");
    users.iter().find(|user| user.name == name).cloned().ok_or_else(|| {
        let names = || users.iter().map(|user| user.name.as_str());
        let (hint, names) = (nearest::hint(&name, names()), names().collect::<Vec<_>>().join(" and "));
        CliError::Usage(format!("there is no user `{given}`{hint}; there are {names}"))
    })
}

/// Whether a person can be asked.
fn is_at_a_terminal() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// One user's sign-in.
struct Login {
    session: Session,
    user: User,
    /// Whether a person sits there.
    is_asked: bool,
}

impl Login {
    async fn start(&self) -> Result<Started, CliError> {
        sign_in::start(&self.session.tenant, &self.user).await.map_err(|error| self.failed(error))
    }

    fn failed(&self, error: SignInError) -> CliError {
        CliError::from(error).placed(&self.session.config)
    }

    /// The link, and where the browser is opened: there.
    fn show(&self, started: &Started, options: &Options) {
        let title = &self.user.title;
        output::words(&format!("Open this link in a browser where the {title} is signed in, or nobody, and accept:\n"));
        output::link(&started.url);
        if !options.no_browser && io::stderr().is_terminal() && browser::is_here() {
            match browser::open(&started.url) {
                Ok(()) => output::words("The browser was asked to open it."),
                Err(error) => output::words(&format!("The browser could not be opened ({error}): do it by hand.")),
            }
        }
    }

    /// Waits for the browser and for whoever pastes, and completes with what comes first. None: it was asked to end before.
    async fn completed(
        &self,
        started: &Started,
        lines: &mut Lines,
        stop: &Stop,
    ) -> Result<Option<Completed>, CliError> {
        let mut receiver = match Receiver::bind(started).await {
            Ok(receiver) => Some(receiver),
            Err(error @ ReceiverError::Taken { .. }) => return Err(error.into()),
            // As it is where the redirect URI is that of another machine.
            Err(ReceiverError::Elsewhere { .. }) => None,
            Err(error) => {
                output::words(&error.to_string());
                None
            }
        };
        output::words(&self.waiting(started, receiver.is_some()));
        let mut is_open = true;
        loop {
            tokio::select! {
                redirected = browser_came(&mut receiver) => {
                    let completed = self.complete_in_browser(redirected?).await;
                    if let Some(receiver) = receiver {
                        receiver.close().await;
                    }
                    return completed.map(Some);
                }
                line = lines.next(), if is_open => match line? {
                    Some(pasted) => match sign_in::complete(&self.session.tenant, &self.user, pasted).await {
                        Err(SignInError::Refused(refusal))
                            if self.is_asked && matches!(refusal.why, Why::Text | Why::State) =>
                        {
                            output::words(&format!("{refusal}. Paste another, or press Ctrl-C."));
                        }
                        completed => return completed.map(Some).map_err(|error| self.failed(error)),
                    },
                    None if receiver.is_none() => {
                        let uri = &started.redirect_uri;
                        return Err(CliError::Usage(format!(
                            "nobody waits for the browser at {uri}: give the address to which it is led on standard input"
                        )));
                    }
                    None => is_open = false,
                },
                () = stop.requested() => return Ok(None),
                () = until(started) => return Err(ReceiverError::Expired.into()),
            }
        }
    }

    fn waiting(&self, started: &Started, is_here: bool) -> String {
        let (uri, until) = (&started.redirect_uri, started.until_in_words());
        let how = if is_here {
            format!("Waiting for the browser at {uri} until {until}. From another machine, ")
        } else {
            format!("The browser is then led to {uri}; that the page may not load does not matter. Until {until}, ")
        };
        format!("{how}paste the whole address of that page, or only the code in it, here.")
    }

    async fn complete_in_browser(&self, redirected: Redirected) -> Result<Completed, CliError> {
        let address: Secret = redirected.address().clone();
        let completed = sign_in::complete(&self.session.tenant, &self.user, address).await;
        redirected.answer(match &completed {
            Ok(completed) => Page::signed_in(completed, Links::default()),
            Err(error) => Page::not_signed_in(error, Links::default()),
        });
        completed.map_err(|error| self.failed(error))
    }

    fn success(&self, completed: &Completed) -> String {
        let account = completed.account.as_deref().map(|account| format!(" as {account}")).unwrap_or_default();
        format!("The {} is signed in{account}.", completed.title)
    }

    /// How the user is found with the settings as they are now.
    async fn seen_again(&self, global: &Global, stop: Stop) -> Result<Vec<Finding>, CliError> {
        let Whose::One(config) = Whose::of(global, whose::Default::Nobody)? else { return Ok(Vec::new()) };
        let session = Session::of(*config, self.session.plugin.clone(), session::log(global, None), stop).await?;
        sign_in::test(&session.tenant, &self.user).await.map_err(|error| self.failed(error))
    }

    /// What was found, and the next command.
    fn report(
        &self,
        global: &Global,
        completed: &Completed,
        findings: &[Finding],
        org_id: Option<&str>,
    ) -> Result<(), CliError> {
        if global.json {
            let report = json!({
                "user": self.user.name,
                "account": completed.account,
                "org_id": org_id,
                "findings": findings.iter().map(as_json).collect::<serde_json::Value>(),
            });
            return output::report(&format!("{report:#}"));
        }
        let lines: String =
            findings.iter().map(|finding| in_words(finding, &self.session.config, output::width(0))).collect();
        output::report(&output::shown(&lines))
    }
}

/// Never, where nobody waits.
async fn browser_came(receiver: &mut Option<Receiver>) -> Result<Redirected, ReceiverError> {
    match receiver {
        Some(receiver) => receiver.redirected().await,
        None => std::future::pending().await,
    }
}

/// The end of the time in which a sign-in can be completed.
async fn until(started: &Started) {
    tokio::time::sleep((started.until - chrono::Utc::now()).to_std().unwrap_or_default()).await;
}
