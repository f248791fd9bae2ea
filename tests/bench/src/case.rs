//! One thing that is measured, and how it is done once.

use std::num::NonZeroU16;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::arrived;
use crate::error::BenchError;
use crate::measured::{Task, Usage, measure};
use crate::subject::collector::{Program, Settings};
use crate::subject::{EVENTS, Subject, tell};
use crate::tenant::{Report, Spec, Supply, TenantProcess, whole_minutes};

/// Requests a minute that the collector may make where the tenant sets no limit.
const UNLIMITED: usize = 100_000;

/// A limited backlog takes each user longer than this at the limit ([`plan::limited`](crate::plan::limited)); what is left of the
/// budget after that is nobody's loss.
const BACKLOG_MINUTES: u64 = 3;

/// Who collects what from whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Who.
    pub subject: Subject,
    /// Of each stream of a tenant, in the order of `Stream::ALL`.
    pub supply: [Supply; 3],
    /// How long each answer takes, in milliseconds.
    pub latency_ms: u64,
    /// Whether the tenant compresses.
    pub gzip: bool,
    /// Requests that a user may make in any minute, by the tenant and by the settings; none: as many as he likes.
    pub requests_a_minute: Option<usize>,
    /// It follows live events for so many seconds; none: it collects what is there and ends.
    pub follow_s: Option<u64>,
    /// It has collected once before, which is not measured: it is signed in, and goes on where it stood.
    #[serde(default)]
    pub again: bool,
    /// How many tenants have a file beside `webex.toml`, which the collector alone knows; none: there is one, and it is
    /// `webex.toml` itself.
    #[serde(default)]
    pub tenants: Option<NonZeroU16>,
}

impl Case {
    /// So many events in three streams, as equal as can be.
    pub fn backlog(subject: Subject, events: u64, latency_ms: u64) -> Self {
        let share = |index: u64| Supply::Backlog(events * (index + 1) / 3 - events * index / 3);
        let supply = [share(0), share(1), share(2)];
        Self {
            subject,
            supply,
            latency_ms,
            gzip: false,
            requests_a_minute: None,
            follow_s: None,
            again: false,
            tenants: None,
        }
    }

    /// So many events of many tenants in all, collected by the collector; each has as many, and what does not go evenly is
    /// left out.
    pub fn of_many(tenants: NonZeroU16, events: u64, latency_ms: u64) -> Self {
        let each = events / u64::from(tenants.get());
        Self { tenants: Some(tenants), ..Self::backlog(Subject::Collector, each, latency_ms) }
    }

    /// Events of a backlog, of all tenants; of live streams, those of a second.
    pub fn events(&self) -> u64 {
        let of_one: u64 = self
            .supply
            .iter()
            .map(|supply| match supply {
                Supply::Backlog(events) => *events,
                Supply::Live(a_second) => *a_second,
            })
            .sum();
        of_one * u64::from(self.count())
    }

    /// How many tenants there are.
    fn count(&self) -> u16 {
        self.tenants.map_or(1, NonZeroU16::get)
    }
}

/// What came of a case, once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// What the subject has used.
    pub usage: Usage,
    /// Events that arrived, each once.
    pub events: u64,
    /// Requests, and of them those answered 429.
    pub requests: u64,
    /// See there.
    pub refused: u64,
    /// From the start of the process to the arrival of its first request.
    pub first_request_us: u64,
    /// Requests in whole minutes, as a share of what the limit allows, of the user who used less; none: no limit, no whole
    /// minute, or many tenants.
    pub budget_used: Option<f64>,
}

impl Case {
    /// Does it once, and sees that each event has arrived once.
    ///
    /// # Errors
    /// Something failed, or events are missing or there twice.
    pub fn run(&self, program: &Program) -> Result<Outcome, BenchError> {
        let folder = tempfile::tempdir().map_err(BenchError::file("make a folder below", &std::env::temp_dir()))?;
        let folder = folder.path();
        let mut tenant = TenantProcess::start(&Spec {
            supply: self.supply,
            latency_ms: self.latency_ms,
            gzip: self.gzip,
            requests_a_minute: self.requests_a_minute,
            tenants: self.count(),
        })?;
        let command = self.prepare(folder, &tenant, program)?;
        if self.again {
            measure(self.subject.name(), &Task { command: &command, folder, until: None })?;
            tenant.forget()?;
        }
        let until = self.follow_s.map(Duration::from_secs);
        let usage = measure(self.subject.name(), &Task { command: &command, folder, until })?;
        let report = tenant.report()?;
        let events = if self.follow_s.is_some() {
            // What came after the last round: a second run collects it, and then each has to be there once.
            let frozen = tenant.freeze()?.events;
            measure(self.subject.name(), &Task { command: &program.collect(&[]), folder, until: None })?;
            frozen
        } else {
            report.events
        };
        if self.subject != Subject::FirstRequest {
            let arrived = arrived::check(&folder.join(EVENTS), events, self.tenants);
            arrived.map_err(|reason| BenchError::Events { subject: self.subject.name().to_owned(), reason })?;
        }
        if report.wrong > 0 {
            let reason = format!("{} of its requests were refused for what they were", report.wrong);
            return Err(BenchError::Subject { subject: self.subject.name().to_owned(), reason });
        }
        Ok(Outcome {
            events: report.events.iter().sum::<u64>() * u64::from(self.count()),
            requests: report.requests,
            refused: report.refused,
            first_request_us: report.first_us.unwrap_or(u64::MAX).saturating_sub(usage.started_us),
            budget_used: self
                .requests_a_minute
                .filter(|_| self.tenants.is_none())
                .and_then(|limit| budget_used(&report, limit)),
            usage,
        })
    }

    /// Makes the folder ready; returns the command.
    fn prepare(&self, folder: &Path, tenant: &TenantProcess, program: &Program) -> Result<Vec<String>, BenchError> {
        if self.subject == Subject::Collector {
            let settings = Settings { max_requests: self.requests_a_minute.unwrap_or(UNLIMITED) };
            match self.tenants {
                None => program.prepare(folder, &tenant.access, settings)?,
                Some(count) => {
                    program.prepare_many(folder, (0..count.get()).map(|of| tenant.access_to(of)), settings)?
                }
            }
            return Ok(program.collect(if self.follow_s.is_some() { &["--follow"] } else { &[] }));
        }
        tell(folder, &tenant.access)?;
        let this = std::env::current_exe().map_err(BenchError::tenant)?;
        Ok(vec![this.to_string_lossy().into_owned(), "subject".to_owned(), self.subject.name().to_owned()])
    }
}

/// The share of the user who used less of it.
#[allow(clippy::cast_precision_loss, reason = "requests of some minutes")]
fn budget_used(report: &Report, limit: usize) -> Option<f64> {
    let share = |times: &Vec<u64>| {
        let (requests, minutes) = whole_minutes(times, BACKLOG_MINUTES);
        (minutes > 0).then(|| requests as f64 / (limit as f64 * minutes as f64))
    };
    let [admin, officer] = &report.answered_ms;
    Some(share(admin)?.min(share(officer)?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn so_many_events_are_spread_evenly_over_the_tenants() {
        for (tenants, events) in [(1, 100_000), (10, 100_000), (1_000, 100_000), (7, 99_995)] {
            let case = Case::of_many(NonZeroU16::new(tenants).unwrap(), 100_000, 0);
            assert_eq!(case.events(), events, "{tenants}");
        }
    }

    #[test]
    fn a_case_that_was_kept_before_there_were_many_tenants_is_read() {
        let kept = r#"{"subject":"collector","supply":[{"backlog":1},{"backlog":1},{"backlog":1}],"latency_ms":50,"gzip":false,
            "requests_a_minute":null,"follow_s":null}"#;
        let read: Case = serde_json::from_str(kept).unwrap();
        assert_eq!(read, Case::backlog(Subject::Collector, 3, 50));
    }
}
