//! The short form, for CI: it fails where a ratio has changed, never on time.
//!
//! A machine that is slow, or busy, is so for all subjects; their runs take turns. What is kept is how much CPU the collector and
//! its native core take for an event, each against the plain loop of the same run.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::case::Case;
use crate::error::BenchError;
use crate::kept;
use crate::machine::Machine;
use crate::plan::{Planned, RUNS};
use crate::results::Row;
use crate::subject::Subject;
use crate::subject::collector::Program;
use crate::table;

/// Events in three streams: enough that a start is a small part of it.
const EVENTS: u64 = 60_000;
/// How far a ratio may move, up or down.
const TOLERANCE: f64 = 0.25;

/// Where the ratios are kept.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("baseline.json")
}

/// CPU an event against the plain loop.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Of `webex-collector collect`.
    pub collector: f64,
    /// Of the same core without a sandbox.
    pub native_core: f64,
    /// Where it was measured.
    pub machine: Machine,
}

/// Measures the ratios.
///
/// # Errors
/// A subject failed, or lost or doubled events.
pub fn measure(program: &Program) -> Result<Baseline, BenchError> {
    let subjects = [Subject::Collector, Subject::NativeCore, Subject::PlainLoop];
    let group = subjects.map(|subject| Planned { case: Case::backlog(subject, EVENTS, 0), runs: RUNS }).to_vec();
    let rows = table::measure_group(group, program)?;
    let cpu = |subject| {
        let row = rows.iter().find(|row| row.case.subject == subject).and_then(Row::cpu_us);
        row.map_or(f64::NAN, |spread| spread.median)
    };
    let loop_us = cpu(Subject::PlainLoop);
    Ok(Baseline {
        collector: rounded(cpu(Subject::Collector) / loop_us),
        native_core: rounded(cpu(Subject::NativeCore) / loop_us),
        machine: Machine::here(),
    })
}

/// Three digits say more than the measurement knows.
fn rounded(ratio: f64) -> f64 {
    (ratio * 1_000.0).round() / 1_000.0
}

impl Baseline {
    /// Reads what is kept.
    ///
    /// # Errors
    /// There is none, or it is of another form.
    pub fn read(path: &Path) -> Result<Self, BenchError> {
        kept::read(path, "write it anew: cargo measure ci --write-baseline")
    }

    /// Keeps it.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), BenchError> {
        kept::write(path, self)
    }

    /// What was found, beside what is kept; an error where it is too far from it.
    ///
    /// # Errors
    /// [`BenchError::Changed`], with what to do.
    pub fn compare(&self, found: &Self) -> Result<String, BenchError> {
        let pairs = [
            ("the collector", self.collector, found.collector),
            ("its native core", self.native_core, found.native_core),
        ];
        let mut told = String::new();
        let mut changed = String::new();
        for (who, kept, found) in pairs {
            let change = found / kept - 1.0;
            let sentence = format!(
                "CPU an event of {who} is {found:.2} times that of the plain loop; the baseline has {kept:.2} ({:+.0} %)\n",
                change * 100.0
            );
            // Not a number is no good ratio either.
            let is_same = change.abs() <= TOLERANCE;
            if is_same { &mut told } else { &mut changed }.push_str(&sentence);
        }
        if changed.is_empty() {
            return Ok(told);
        }
        Err(BenchError::Changed(format!(
            "{changed}that is more than {:.0} %. Run it again. If it stays: find what made it dearer; if it is meant or cheaper, keep \
             it with `cargo measure ci --write-baseline` and say why in the commit",
            TOLERANCE * 100.0
        )))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn baseline(collector: f64, native_core: f64) -> Baseline {
        Baseline { collector, native_core, machine: Machine::here() }
    }

    #[test]
    fn a_ratio_may_move_by_a_quarter_in_either_direction() {
        let kept = baseline(1.0, 0.5);
        for (collector, native_core) in [(1.0, 0.5), (1.25, 0.5), (0.75, 0.5), (1.0, 0.62), (1.0, 0.38)] {
            assert!(kept.compare(&baseline(collector, native_core)).is_ok(), "{collector} {native_core}");
        }
        for (collector, native_core) in [(1.26, 0.5), (0.74, 0.5), (1.0, 0.63), (1.0, 0.37), (f64::NAN, 0.5)] {
            assert!(kept.compare(&baseline(collector, native_core)).is_err(), "{collector} {native_core}");
        }
    }

    #[test]
    fn what_has_changed_is_told_with_what_to_do() {
        let said = baseline(1.0, 0.5).compare(&baseline(1.5, 0.5)).unwrap_err().to_string();
        assert!(said.contains("of the collector is 1.50 times") && said.contains("+50 %"), "{said}");
        assert!(!said.contains("native core is"), "{said}");
        assert!(said.contains("--write-baseline"), "{said}");
    }
}
