//! `cisco-webex-oauth-test` and `test-module`: what [`check`](crate::check) finds, as a command.

use serde_json::{Value, json};

use super::Outcome;
use crate::check::{self, Finding, Verdict};
use crate::effect::Io;
use crate::failure::Failure;
use crate::markdown::table;
use crate::settings::Settings;
use crate::stream::User;

/// One user and its streams.
pub(super) async fn test_user(io: Io, settings: &Settings, user: User) -> Result<Outcome, Failure> {
    settings.required_integration(user)?;
    outcome(check::run_user(io, settings, user).await)
}

/// Everything.
pub(super) async fn test_all(io: Io, settings: &Settings) -> Result<Outcome, Failure> {
    outcome(check::run(io, Ok(settings.clone())).await)
}

/// A test that did not pass is a failure: that of the first finding that failed, naming all of them.
fn outcome(findings: Vec<Finding>) -> Result<Outcome, Failure> {
    let failed: Vec<&Finding> = findings.iter().filter(|finding| finding.verdict == Verdict::Fail).collect();
    if let Some(failure) = failed.iter().find_map(|finding| finding.failure.clone()) {
        let texts: Vec<String> =
            failed.iter().map(|finding| format!("{}: {}", finding.subject, finding.text)).collect();
        let message = texts.join("; ");
        // The constructor keeps it to one line of bounded length.
        let message = Failure::new(failure.code, message, "").message;
        return Err(Failure { message, ..failure });
    }
    let rows: Vec<Vec<String>> = findings
        .iter()
        .map(|finding| {
            let cells = [finding.subject, finding.verdict.name(), &finding.text, &finding.remedy];
            cells.into_iter().map(str::to_owned).collect()
        })
        .collect();
    let checks: Vec<Value> = findings
        .iter()
        .map(|finding| {
            json!({
                "subject": finding.subject,
                "verdict": finding.verdict.name(),
                "code": finding.code,
                "text": finding.text,
                "remedy": finding.remedy,
            })
        })
        .collect();
    let readable = table(&["what", "", "found", "what to do"], &rows, "Nothing was checked.");
    Ok(Outcome::new(readable, json!({"Check": checks})))
}
