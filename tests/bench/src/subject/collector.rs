//! The program as it is shipped: where it is, what it is told, and what it keeps from an earlier start.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::BenchError;
use crate::measured::{Task, measure};
use crate::tenant::{Access, Spec, Supply, TenantProcess};
use cisco_webex_plugin::stream::User;

/// Its configuration.
const CONFIG: &str = "webex.toml";
/// Its state, and the key that seals what is in it.
const STATE: &str = "webex-state";
const KEY: &str = "webex-state.key";
/// In the state: compiled components.
const NATIVE: &str = "native";
/// The folder of many tenants' files.
const TENANTS: &str = "tenants.d";
/// The member of a line that says whose it is, where there are many.
pub const TENANT_FIELD: &str = "tenant";

/// How much may be asked for, and how often.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Requests a minute and user.
    pub max_requests: usize,
}

/// The program, with its component compiled before anything is measured.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    /// Holds key and compiled component.
    warm: tempfile::TempDir,
}

impl Program {
    /// The program that was built beside this one. Runs it once against an empty tenant, after which its component is compiled.
    ///
    /// # Errors
    /// It is not there, or does not run.
    pub fn find() -> Result<Self, BenchError> {
        if cfg!(debug_assertions) {
            return Err(BenchError::DebugBuild);
        }
        Self::beside(&std::env::current_exe().map_err(BenchError::tenant)?)
    }

    fn beside(this: &Path) -> Result<Self, BenchError> {
        let path = this.with_file_name(format!("webex-collector{}", std::env::consts::EXE_SUFFIX));
        if !path.is_file() {
            return Err(BenchError::NotBuilt(path));
        }
        let warm = tempfile::tempdir().map_err(BenchError::file("make a folder below", &std::env::temp_dir()))?;
        let program = Self { path, warm };
        let supply = [Supply::Backlog(0); 3];
        let spec = Spec { supply, latency_ms: 0, gzip: false, requests_a_minute: None, tenants: 1 };
        let tenant = TenantProcess::start(&spec)?;
        let folder = program.warm.path();
        write_config(folder, &tenant.access, Settings { max_requests: 300 })?;
        measure("collector", &Task { command: &program.collect(&[]), folder, until: None })?;
        Ok(program)
    }

    /// The command that collects in the present folder.
    pub fn collect(&self, words: &[&str]) -> Vec<String> {
        let mut command = vec![self.path.to_string_lossy().into_owned(), "collect".to_owned()];
        command.extend(words.iter().map(|word| (*word).to_owned()));
        command
    }

    /// Makes a folder ready for a first collection: configuration, key, compiled component, nothing else.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn prepare(&self, folder: &Path, access: &Access, settings: Settings) -> Result<(), BenchError> {
        write_config(folder, access, settings)?;
        self.keep(folder)
    }

    /// The same for many tenants, each with a file, that share one sink.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn prepare_many(
        &self,
        folder: &Path,
        tenants: impl Iterator<Item = Access>,
        settings: Settings,
    ) -> Result<(), BenchError> {
        let shared = format!("{}{}", collect("tenant_defaults.", settings), sink(Some(TENANT_FIELD)));
        write(&folder.join(CONFIG), &shared)?;
        make_private(&folder.join(TENANTS))?;
        for (number, access) in (0..).zip(tenants) {
            write(&folder.join(TENANTS).join(format!("{}.toml", name_of(number))), &users(&access))?;
        }
        self.keep(folder)
    }

    /// Copies key and compiled component into a folder.
    fn keep(&self, folder: &Path) -> Result<(), BenchError> {
        let (from, to) = (self.warm.path(), folder);
        copy(&from.join(KEY), &to.join(KEY))?;
        let (native, place) = (from.join(STATE).join(NATIVE), to.join(STATE).join(NATIVE));
        make_private(&to.join(STATE))?;
        make_private(&place)?;
        for entry in fs::read_dir(&native).map_err(BenchError::file("read", &native))? {
            let entry = entry.map_err(BenchError::file("read", &native))?;
            copy(&entry.path(), &place.join(entry.file_name()))?;
        }
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), BenchError> {
    fs::copy(from, to).map(drop).map_err(BenchError::file("copy", from))
}

/// A folder that is closed to others, as the program wants it.
fn make_private(folder: &Path) -> Result<(), BenchError> {
    host_harness::durable::folder(folder).map(drop).map_err(BenchError::tenant)
}

/// The name of one of many tenants; all are of the same length.
pub fn name_of(tenant: u16) -> String {
    format!("t{tenant:05}")
}

/// Writes the `webex.toml` of one tenant: all three streams, an NDJSON file.
fn write_config(folder: &Path, access: &Access, settings: Settings) -> Result<(), BenchError> {
    write(&folder.join(CONFIG), &format!("{}{}{}", users(access), collect("", settings), sink(None)))
}

/// Where a tenant is, and who signs in to it.
fn users(access: &Access) -> String {
    let Access { origin, org, .. } = access;
    let mut text = format!("base_url = \"{origin}\"\n");
    for (user, table) in [(User::Admin, "admin"), (User::ComplianceOfficer, "compliance_officer")] {
        let token = access.refresh_token(user);
        let _ = write!(
            text,
            "[{table}]\nclient_id = \"client-of-the-bench\"\nclient_secret = \"fake-client-secret\"\nrefresh_token = \"{token}\"\n"
        );
        if user == User::Admin {
            let _ = writeln!(text, "org_id = \"{org}\"");
        }
    }
    text
}

/// The table `collect`, of one tenant or below the table of what holds for many.
fn collect(below: &str, settings: Settings) -> String {
    let most = settings.max_requests;
    format!("[{below}collect]\nsecurity_audits = true\nlag = \"0s\"\nmax_requests = {most}\n")
}

fn sink(tenant_field: Option<&str>) -> String {
    let field = tenant_field.map(|name| format!("tenant_field = \"{name}\"\n")).unwrap_or_default();
    format!("[[sink]]\ntype = \"ndjson\"\npath = \"{}\"\n{field}", super::EVENTS)
}

fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    fs::write(path, text).map_err(BenchError::file("write", path))
}
