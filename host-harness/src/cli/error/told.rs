//! An error as it is told: what happened, what to do about it, and the same for programs.

use serde_json::{Value, json};

use super::{CliError, line, login};
use crate::config::ConfigError;
use crate::courier::Undelivered;
use crate::redaction;
use crate::runtime::{Failure, Retry, RuntimeError, cause, what_to_do};
use crate::secrets::StoreError;
use crate::sign_in::SignInError;
use crate::spool::SpoolError;
use crate::state::StateError;

/// Between what happened and what to do: the errors of all rooms are written like this.
const BETWEEN: &str = "; ";

/// An error in two halves, neither of them empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Told {
    /// What happened, with its causes.
    pub(in crate::cli) what: String,
    /// What to do about it.
    pub(in crate::cli) remedy: String,
}

impl CliError {
    /// The stable name of what happened.
    pub(in crate::cli) fn code(&self) -> &str {
        match self {
            Self::Config(_) => "configuration",
            Self::Usage(_) => "usage",
            Self::File { .. } => "file",
            Self::OtherComponent { .. } => "other-component",
            Self::Runtime(RuntimeError::Engine(_) | RuntimeError::Load(_) | RuntimeError::Contract(_)) => "component",
            Self::Runtime(RuntimeError::Network(_)) => "network",
            Self::Runtime(_) => "call-broke-off",
            Self::State(_) => "state",
            Self::Durable(_) => "disk",
            Self::Secrets(_) => "secrets",
            Self::Sink(_) => "sink",
            Self::Spool(_) => "spool",
            Self::Undelivered(_) => "undelivered",
            Self::Demo(_) => "demo",
            Self::Serve(_) => "serve",
            Self::SignIn(SignInError::Failed(failure)) => &failure.code,
            Self::SignIn(_) => "sign-in",
            Self::Receiver(_) => "redirect-uri",
            Self::Threads(_) => "threads",
            Self::Defect => "defect",
            Self::Plugin { failure, .. } => &failure.code,
        }
    }

    /// What happened and what to do. The text of an error says both, or else what to do follows from its kind.
    pub(in crate::cli) fn told(&self) -> Told {
        if let Self::Plugin { failure, place } = self {
            return of_failure(failure, place.as_deref());
        }
        if let Self::SignIn(SignInError::Failed(failure)) = self {
            return of_failure(failure, None);
        }
        if let Self::Undelivered(sinks) = self {
            return Told { what: format!("not everything is delivered: {sinks}"), remedy: self.otherwise().to_owned() };
        }
        let line = line(self);
        match line.split_once(BETWEEN) {
            Some((what, remedy)) => Told { what: what.to_owned(), remedy: remedy.to_owned() },
            None => Told { what: line, remedy: self.otherwise().to_owned() },
        }
    }

    /// Both, and the whole chain of causes, on one line, each told once.
    pub(in crate::cli) fn line(&self) -> String {
        let line = line(self);
        let Told { remedy, .. } = self.told();
        if line.contains(&remedy) { line } else { format!("{line}{BETWEEN}{remedy}") }
    }

    /// The same for programs, without secrets.
    pub(in crate::cli) fn as_json(&self) -> Value {
        let Told { what, remedy } = self.told();
        json!({
            "code": self.code(),
            "message": redaction::clean(&what),
            "remedy": redaction::clean(&remedy),
            "exit": self.exit() as u8,
        })
    }

    /// What to do where the text does not say it.
    fn otherwise(&self) -> &'static str {
        const DISK: &str = "mend the disk, the path or its rights, and try again; what is recorded stands";
        const AGAIN: &str = "try again, and report it if it happens again";
        match self {
            Self::Config(ConfigError::Unreadable { .. }) => "let this account read it",
            Self::Config(ConfigError::TenantName(_)) => "rename it, or move it away",
            Self::Config(_) => "mend it there; `webex-collector check` says whether it is understood",
            Self::Usage(_) => "see `webex-collector --help`",
            Self::File { .. } => "see that the path is right and that this account may use it",
            Self::OtherComponent { .. } => "take the one that is meant",
            Self::State(StateError::File(_))
            | Self::Durable(_)
            | Self::Secrets(StoreError::File(_))
            | Self::Spool(SpoolError::File(_)) => DISK,
            Self::Sink(_) => "mend the sink; `webex-collector check` says whether it takes events",
            Self::Undelivered(Undelivered(_)) => "the next run goes on with them",
            Self::Serve(_) => "name another address as `serve.listen` or with --listen",
            Self::SignIn(_) | Self::Receiver(_) => "begin the sign-in again",
            Self::Threads(_) => "let it have more threads (`ulimit -u`, or what the service manager allows)",
            Self::Runtime(_)
            | Self::State(_)
            | Self::Secrets(_)
            | Self::Spool(_)
            | Self::Demo(_)
            | Self::Defect
            | Self::Plugin { .. } => AGAIN,
        }
    }
}

/// The plugin says what to do, or at least what may help.
fn of_failure(failure: &Failure, place: Option<&str>) -> Told {
    let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
    let what = format!("{place}{} [{}]", cause(failure), failure.code);
    if let Some(remedy) = login(failure) {
        return Told { what, remedy };
    }
    let remedy = match (what_to_do(failure), failure.retry) {
        (remedy, _) if !remedy.is_empty() => remedy,
        (_, Retry::AfterSignIn) => "sign in, and try again".to_owned(),
        (_, Retry::AfterAChange) => "change that, and try again".to_owned(),
        (_, Retry::At(_) | Retry::Never) => "try again later".to_owned(),
    };
    Told { what, remedy }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::cli::Exit;
    use crate::demo::DemoError;
    use crate::durable::DurableError;
    use crate::runtime::time;
    use crate::serve::ServeError;
    use crate::sign_in::ReceiverError;
    use crate::sink::SinkError;

    fn io() -> std::io::Error {
        std::io::Error::other("no space left")
    }

    fn disk() -> DurableError {
        DurableError::Io { action: "write", path: "x".into(), source: io() }
    }

    fn failure(retry: Retry, remedy: &str) -> CliError {
        CliError::plugin(Failure {
            code: "refused".into(),
            user: Some("admin".into()),
            stream: None,
            message: "Webex answered 403.".into(),
            remedy: remedy.into(),
            tracking_id: Some("abc".into()),
            retry,
        })
    }

    /// One of each kind, and of those within that are told in another way.
    fn all() -> Vec<CliError> {
        let name = || "files".to_owned();
        vec![
            ConfigError::Missing("webex.toml".into()).into(),
            ConfigError::Unreadable { path: "webex.toml".into(), source: io() }.into(),
            ConfigError::TenantName("tenants.d/A.toml".into()).into(),
            ConfigError::ManyTenants("webex.toml".into()).into(),
            crate::config::Config::parse("[collect]\nmax_fetch = 0.5\n", "webex.toml".as_ref()).unwrap_err().into(),
            crate::config::Config::parse("zzz = 1\n", "webex.toml".as_ref()).unwrap_err().into(),
            CliError::Usage("nothing waits for a sink x".into()),
            CliError::Threads(io()),
            CliError::File { action: "read", path: "x".into(), source: io() },
            CliError::OtherComponent { path: "x".into(), expected: "ab".into(), found: "cd".into() },
            RuntimeError::Engine("x".into()).into(),
            RuntimeError::Load("x".into()).into(),
            RuntimeError::Contract("x".into()).into(),
            RuntimeError::Trap { call: "describe", reason: "x".into() }.into(),
            RuntimeError::Stopped { call: "describe" }.into(),
            StateError::File(disk()).into(),
            StateError::PartName.into(),
            disk().into(),
            StoreError::File(disk()).into(),
            StoreError::Random("x".into()).into(),
            StoreError::NoKeyring.into(),
            SinkError::Closed.into(),
            SinkError::Setup { name: name(), reason: "x".into() }.into(),
            SpoolError::File(disk()).into(),
            SpoolError::Newer { path: "x".into(), format: 9 }.into(),
            CliError::Undelivered(Undelivered(Vec::new())),
            CliError::Demo(Box::new(DemoError::Start(io()))),
            ServeError::Bind { address: ([127, 0, 0, 1], 8765).into(), source: io() }.into(),
            SignInError::Commands { user: "admin".into() }.into(),
            SignInError::Answer { command: "x".into(), what: "link" }.into(),
            ReceiverError::Expired.into(),
            CliError::Defect,
            failure(Retry::AfterAChange, "switch it on."),
            failure(Retry::AfterAChange, ""),
            failure(Retry::AfterSignIn, ""),
            failure(Retry::At(0), ""),
            failure(Retry::Never, ""),
        ]
    }

    #[test]
    fn every_error_says_what_happened_and_what_to_do() {
        for error in all() {
            let (told, line) = (error.told(), error.line());
            assert!(!told.what.trim().is_empty() && !told.remedy.trim().is_empty(), "{told:?}");
            assert!(line.contains(&told.remedy) && !line.contains('\n'), "{line}: {told:?}");
            assert_eq!(line.matches(&told.remedy).count(), 1, "what to do is said once: {line}");
        }
    }

    #[test]
    fn for_programs_an_error_has_a_stable_name_and_the_exit_code() {
        for error in all() {
            let object = error.as_json();
            let code = object["code"].as_str().unwrap();
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
            assert_eq!(object["exit"], error.exit() as u8);
            assert_ne!(object["exit"], Exit::Done as u8);
        }
    }

    #[test]
    fn what_the_plugin_says_to_do_is_the_remedy() {
        let told = failure(Retry::AfterAChange, "switch it on.").told();
        let what = "admin: Webex answered 403 (tracking id abc) [refused]";
        assert_eq!(told, Told { what: what.into(), remedy: "switch it on".into() });
        assert_eq!(failure(Retry::At(0), "").told().remedy, format!("it can be tried again at {}", time(0)));
        let error = failure(Retry::AfterAChange, "");
        assert_eq!(error.line(), "admin: Webex answered 403 (tracking id abc) [refused]; change that, and try again");
    }

    #[test]
    fn what_to_do_is_what_stands_behind_the_first_semicolon() {
        let told = CliError::from(SinkError::InUse { path: "x".into() }).told();
        assert_eq!(told.what, "the sink x is in use by another process or tenant");
        assert_eq!(told.remedy, "give each a file of its own");
    }
}
