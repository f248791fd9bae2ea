//! The tenant as a process: told what it is by an argument, asked by lines, ended by the end of its input.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use cisco_webex_plugin::stream::User;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::server::{Listener, Webex, access_token, org, refresh_token};
use super::{Report, Spec};
use crate::error::BenchError;

/// The line that asks for a [`Report`].
const REPORT: &str = "report";
/// The line by which it forgets what it has seen; answered by a [`Report`].
const FORGET: &str = "forget";
/// The line that ends all live streams; answered by a [`Report`].
const FREEZE: &str = "freeze";

/// What a client needs to know of a tenant. The values open nothing but it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Access {
    /// `http://127.0.0.1:PORT`
    pub origin: String,
    /// The organization's id.
    pub org: String,
    /// Bearers of admin and compliance officer.
    pub bearers: [String; 2],
    /// Refresh tokens of the same.
    pub refresh_tokens: [String; 2],
}

impl Access {
    /// To a tenant of the process behind `origin`.
    fn to(origin: &str, tenant: u16) -> Self {
        let users = [User::Admin, User::ComplianceOfficer];
        Self {
            origin: origin.to_owned(),
            org: org(tenant),
            bearers: users.map(|user| access_token(tenant, user)),
            refresh_tokens: users.map(|user| refresh_token(tenant, user)),
        }
    }

    /// The bearer of a user.
    pub fn bearer(&self, user: User) -> &str {
        let [admin, officer] = &self.bearers;
        if user == User::Admin { admin } else { officer }
    }

    /// The refresh token of a user.
    pub fn refresh_token(&self, user: User) -> &str {
        let [admin, officer] = &self.refresh_tokens;
        if user == User::Admin { admin } else { officer }
    }
}

/// Is the tenant until standard input ends.
///
/// # Errors
/// No port, or no reader of what it says.
pub fn serve(spec: &str) -> Result<(), BenchError> {
    let spec: Spec = serde_json::from_str(spec).map_err(BenchError::tenant)?;
    // One thread: the other core is the subject's.
    let tasks = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BenchError::tenant)?;
    tasks.block_on(async {
        let listener = Listener::bind().await.map_err(BenchError::tenant)?;
        let webex = Arc::new(Webex::new(spec, listener.origin.clone()));
        say(&Access::to(&listener.origin, 0))?;
        let asked = Arc::clone(&webex);
        let lines = tokio::task::spawn_blocking(move || {
            for line in std::io::stdin().lines() {
                match line.map_err(BenchError::tenant)?.as_str() {
                    FREEZE => asked.freeze(),
                    FORGET => asked.forget(),
                    REPORT => {}
                    other => return Err(BenchError::tenant(format!("it does not know the line `{other}`"))),
                }
                say(&asked.report())?;
            }
            Ok(())
        });
        tokio::select! {
            () = listener.serve(webex) => Ok(()),
            ended = lines => ended.map_err(BenchError::tenant)?,
        }
    })
}

fn say(what: &impl Serialize) -> Result<(), BenchError> {
    let mut line = serde_json::to_vec(what).map_err(BenchError::tenant)?;
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line).and_then(|()| out.flush()).map_err(BenchError::tenant)
}

/// A running tenant. It ends when this is dropped.
#[derive(Debug)]
pub struct TenantProcess {
    process: Child,
    lines: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// How it is reached; of many tenants, the first.
    pub access: Access,
}

impl TenantProcess {
    /// Starts one; it answers when this returns.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(spec: &Spec) -> Result<Self, BenchError> {
        Self::of(&std::env::current_exe().map_err(BenchError::tenant)?, spec)
    }

    /// The same by the program at `bench`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn of(bench: &Path, spec: &Spec) -> Result<Self, BenchError> {
        let spec = serde_json::to_string(spec).map_err(BenchError::tenant)?;
        let mut process = Command::new(bench)
            .args(["tenant", &spec])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BenchError::tenant)?;
        let lines = process.stdin.take();
        let Some(stdout) = process.stdout.take() else { return Err(BenchError::tenant("it has no output")) };
        let mut answers = BufReader::new(stdout);
        let access = hear(&mut answers)?;
        Ok(Self { process, lines, answers, access })
    }

    /// How one of many is reached, by its number from 0 on.
    pub fn access_to(&self, tenant: u16) -> Access {
        Access::to(&self.access.origin, tenant)
    }

    /// What it has seen so far.
    ///
    /// # Errors
    /// It has ended.
    pub fn report(&mut self) -> Result<Report, BenchError> {
        self.ask(REPORT)
    }

    /// Ends its live streams and says what it has seen.
    ///
    /// # Errors
    /// It has ended.
    pub fn freeze(&mut self) -> Result<Report, BenchError> {
        self.ask(FREEZE)
    }

    /// Forgets what it has seen of its clients.
    ///
    /// # Errors
    /// It has ended.
    pub fn forget(&mut self) -> Result<Report, BenchError> {
        self.ask(FORGET)
    }

    fn ask(&mut self, line: &str) -> Result<Report, BenchError> {
        let lines = self.lines.as_mut().ok_or_else(|| BenchError::tenant("it has no input"))?;
        writeln!(lines, "{line}").map_err(BenchError::tenant)?;
        hear(&mut self.answers)
    }
}

fn hear<T: DeserializeOwned>(answers: &mut impl BufRead) -> Result<T, BenchError> {
    let mut line = String::new();
    answers.read_line(&mut line).map_err(BenchError::tenant)?;
    serde_json::from_str(&line).map_err(BenchError::tenant)
}

impl Drop for TenantProcess {
    fn drop(&mut self) {
        drop(self.lines.take());
        let _ = self.process.wait();
    }
}
