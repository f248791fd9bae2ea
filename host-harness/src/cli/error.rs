//! How a command ended, for scripts and for people.

mod told;

pub(super) use told::Told;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::collect::CollectError;
use crate::config::{Config, ConfigError, keys};
use crate::courier::Undelivered;
use crate::demo::DemoError;
use crate::durable::DurableError;
use crate::runtime::{Failure, RuntimeError, in_words};
use crate::secrets::StoreError;
use crate::serve::ServeError;
use crate::sign_in::{ReceiverError, SignInError};
use crate::sink::SinkError;
use crate::spool::SpoolError;
use crate::state::StateError;
use crate::tenants::TenantError;

/// The exit codes, which are part of the command line's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed.
    Failed = 1,
    /// Usage or configuration.
    Usage = 2,
    /// A user has to sign in.
    SignIn = 3,
    /// Some streams failed, the others are delivered.
    Partial = 4,
    /// A sink refused.
    Sink = 5,
}

impl Exit {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Done, Self::Failed, Self::Usage, Self::SignIn, Self::Partial, Self::Sink];

    /// What it says, for the help and for docs/errors.md.
    pub const fn means(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Usage => "usage or configuration",
            Self::SignIn => "sign-in needed",
            Self::Partial => "some streams or tenants failed, the others are delivered",
            Self::Sink => "a sink refused, or has not taken everything yet",
        }
    }

    /// All of them on one line.
    pub(super) fn help() -> String {
        let codes = Self::ALL.map(|exit| format!("{} {}", exit as u8, exit.means()));
        format!("Exit codes: {}.", codes.join("; "))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// By the code of a failure of the plugin.
    pub(super) fn of_code(code: &str) -> Self {
        match code {
            "invalid-setting" | "invalid-argument" => Self::Usage,
            "sign-in-needed" => Self::SignIn,
            _ => Self::Failed,
        }
    }

    /// By what one of many tenants failed of.
    pub(super) fn of_tenant(error: &TenantError) -> Self {
        match error {
            TenantError::Config(_) | TenantError::NotKept { .. } | TenantError::Runtime(RuntimeError::Load(_)) => {
                Self::Usage
            }
            TenantError::Secrets(error) if error.is_configuration() => Self::Usage,
            TenantError::Sink(_) | TenantError::Collect(CollectError::Sink(_) | CollectError::Undelivered(_)) => {
                Self::Sink
            }
            TenantError::Collect(CollectError::Failed(failure)) => Self::of_code(&failure.code),
            TenantError::Durable(_)
            | TenantError::Secrets(_)
            | TenantError::State(_)
            | TenantError::Runtime(_)
            | TenantError::Collect(_)
            | TenantError::Defect => Self::Failed,
        }
    }

    /// Of many tenants: all are done, some are, or none is, and then the most basic fault decides.
    pub(super) fn of_many(exits: &[Self]) -> Self {
        let failed: Vec<Self> = exits.iter().copied().filter(|exit| *exit != Self::Done).collect();
        if failed.is_empty() {
            return Self::Done;
        }
        if failed.len() < exits.len() || failed.contains(&Self::Partial) {
            return Self::Partial;
        }
        [Self::Usage, Self::SignIn, Self::Sink].into_iter().find(|exit| failed.contains(exit)).unwrap_or(Self::Failed)
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The settings file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A word on the command line.
    #[error("{0}")]
    Usage(String),
    /// The system gives the program no threads.
    #[error("the program cannot start its threads: {0}")]
    Threads(std::io::Error),
    /// A file named on the command line.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The component is another one.
    #[error(
        "the component {path} was not loaded, as it has the SHA-256 {found} and {expected} is expected; take the one that is \
         meant, or name the checksum of this one",
        path = path.display()
    )]
    OtherComponent {
        /// Where it is.
        path: PathBuf,
        /// What `--component-sha256` says.
        expected: String,
        /// What it is.
        found: String,
    },
    /// The component.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The stored state.
    #[error(transparent)]
    State(#[from] StateError),
    /// A folder or file of the host.
    #[error(transparent)]
    Durable(#[from] DurableError),
    /// The store of secrets.
    #[error(transparent)]
    Secrets(#[from] StoreError),
    /// A sink.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The spool.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Sinks have not taken everything.
    #[error("{0}; the next run goes on with them")]
    Undelivered(Undelivered),
    /// The page.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The demo.
    #[error(transparent)]
    Demo(Box<DemoError>),
    /// A sign-in that did not come to its end.
    #[error(transparent)]
    SignIn(SignInError),
    /// Nobody waits for the browser.
    #[error(transparent)]
    Receiver(#[from] ReceiverError),
    /// A delivery, or a turn of one of many tenants, ended by a panic, which was told.
    #[error("a defect of the program; please report it")]
    Defect,
    /// The plugin could not do it.
    #[error(
        "{}{}{} [{}]",
        place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default(),
        in_words(failure),
        login(failure).map(|login| format!("; {login}")).unwrap_or_default(),
        failure.code
    )]
    Plugin {
        /// What it says.
        failure: Box<Failure>,
        /// File, line and key of the setting that it names.
        place: Option<String>,
    },
}

impl From<CollectError> for CliError {
    fn from(error: CollectError) -> Self {
        match error {
            CollectError::State(error) => error.into(),
            CollectError::Record(error) => error.into(),
            CollectError::Sink(error) => error.into(),
            CollectError::Spool(error) => error.into(),
            CollectError::Undelivered(error) => Self::Undelivered(error),
            CollectError::Runtime(error) => error.into(),
            CollectError::Failed(failure) => Self::Plugin { failure, place: None },
            CollectError::Defect => Self::Defect,
        }
    }
}

impl From<TenantError> for CliError {
    fn from(error: TenantError) -> Self {
        match error {
            TenantError::Config(error) => error.into(),
            TenantError::Durable(error) => error.into(),
            TenantError::Secrets(error) => error.into(),
            error @ TenantError::NotKept { .. } => Self::Usage(error.to_string()),
            TenantError::State(error) => error.into(),
            TenantError::Sink(error) => error.into(),
            TenantError::Runtime(error) => error.into(),
            TenantError::Collect(error) => error.into(),
            TenantError::Defect => Self::Defect,
        }
    }
}

impl From<SignInError> for CliError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Failed(failure) => Self::Plugin { failure, place: None },
            SignInError::Runtime(error) => error.into(),
            error @ (SignInError::Refused(_) | SignInError::Commands { .. } | SignInError::Answer { .. }) => {
                Self::SignIn(error)
            }
        }
    }
}

impl From<DemoError> for CliError {
    fn from(error: DemoError) -> Self {
        match error {
            DemoError::Sink(error) | DemoError::Collect(CollectError::Sink(error)) => error.into(),
            error => Self::Demo(Box::new(error)),
        }
    }
}

impl CliError {
    /// A failure of the plugin.
    pub(super) fn plugin(failure: Failure) -> Self {
        Self::Plugin { failure: Box::new(failure), place: None }
    }

    /// With the line of the settings file, where it is about a setting.
    #[must_use]
    pub(super) fn placed(mut self, config: &Config) -> Self {
        if let Self::Plugin { failure, place, .. } = &mut self
            && failure.code == "invalid-setting"
        {
            *place = named_setting(&failure.message).and_then(|name| config.place_of(name));
        }
        self
    }

    /// What the plugin says is about this file, and not about what is stored.
    #[must_use]
    pub(super) fn about(mut self, file: &Path) -> Self {
        if let Self::Plugin { place: place @ None, .. } = &mut self {
            *place = Some(format!("nothing is changed, {} is refused", file.display()));
        }
        self
    }

    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config(_)
            | Self::Usage(_)
            | Self::File { .. }
            | Self::OtherComponent { .. }
            | Self::Serve(_)
            | Self::Runtime(RuntimeError::Load(_)) => Exit::Usage,
            Self::Secrets(error) if error.is_configuration() => Exit::Usage,
            Self::Sink(_) | Self::Undelivered(_) => Exit::Sink,
            Self::Plugin { failure, .. } => Exit::of_code(&failure.code),
            Self::SignIn(SignInError::Refused(_)) | Self::Receiver(ReceiverError::Expired) => Exit::SignIn,
            Self::SignIn(_)
            | Self::Receiver(_)
            | Self::Runtime(_)
            | Self::State(_)
            | Self::Durable(_)
            | Self::Secrets(_)
            | Self::Spool(_)
            | Self::Demo(_)
            | Self::Threads(_)
            | Self::Defect => Exit::Failed,
        }
    }
}

/// The one command of this program that does what the plugin's own do one by one.
fn login(failure: &Failure) -> Option<String> {
    let user = failure.user.as_ref().filter(|_| failure.code == "sign-in-needed")?;
    Some(format!("`webex-collector login {user}` does all of it"))
}

/// The whole chain of causes on one line, each told once.
pub(super) fn line(error: &dyn std::error::Error) -> String {
    let mut line = crate::log::plain(&error.to_string());
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = crate::log::plain(&error.to_string());
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line
}

/// The setting that a message is about: the first one that it names.
pub(super) fn named_setting(message: &str) -> Option<&'static str> {
    let known = |word: &str| {
        keys::KEYS.iter().find_map(|key| match key.target {
            keys::Target::Setting(name) if name == word => Some(name),
            keys::Target::Setting(_) | keys::Target::Secret(_) | keys::Target::Host => None,
        })
    };
    message.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').find_map(known)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::runtime::Retry;

    fn failure(code: &str, message: &str) -> Failure {
        Failure {
            code: code.into(),
            user: None,
            stream: None,
            message: message.into(),
            remedy: String::new(),
            tracking_id: None,
            retry: Retry::AfterAChange,
        }
    }

    #[test]
    fn an_invalid_setting_is_told_with_the_line_of_the_file() {
        let config = Config::parse("[collect]\nmax_fetch = 0\n", Path::new("webex.toml")).unwrap();
        let error =
            CliError::plugin(failure("invalid-setting", "`max_fetch` is 0, it must be 1 or more")).placed(&config);
        assert_eq!(
            error.line(),
            "webex.toml:2: `collect.max_fetch`: `max_fetch` is 0, it must be 1 or more [invalid-setting]; change that, and try again"
        );
        assert_eq!(error.exit(), Exit::Usage);
    }

    #[test]
    fn each_code_has_its_exit() {
        for (code, exit) in [
            ("invalid-argument", Exit::Usage),
            ("sign-in-needed", Exit::SignIn),
            ("refused", Exit::Failed),
            ("a-code-of-tomorrow", Exit::Failed),
        ] {
            assert_eq!(CliError::plugin(failure(code, "x")).exit(), exit, "{code}");
        }
    }

    #[test]
    fn who_has_to_sign_in_is_told_the_one_command_for_it() {
        let mut needed = failure("sign-in-needed", "x");
        let line = CliError::plugin(needed.clone()).line();
        assert_eq!(line, "x [sign-in-needed]; change that, and try again", "without a user there is none");
        needed.user = Some("admin".into());
        let line = CliError::plugin(needed).line();
        assert_eq!(line, "admin: x; `webex-collector login admin` does all of it [sign-in-needed]");
    }

    #[test]
    fn a_cause_is_told_once() {
        let source = std::io::Error::other("no space left");
        let error = CliError::File { action: "write", path: "x".into(), source };
        assert_eq!(error.told().what, "cannot write x: no space left");
    }
}
