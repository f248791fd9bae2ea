//! What was measured, as it is kept: every run, so that a median can be doubted.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::case::{Case, Outcome};
use crate::error::BenchError;
use crate::kept;
use crate::machine::Machine;

/// The file of the last table.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("results.json")
}

/// All of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Where and when.
    pub machine: Machine,
    /// In the order of the table.
    pub rows: Vec<Row>,
}

/// A case and what came of it, each time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What was done.
    pub case: Case,
    /// Each time.
    pub outcomes: Vec<Outcome>,
}

/// The middle of some values, and their ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The middle one; of an even number the lower.
    pub median: f64,
    /// The least.
    pub least: f64,
    /// The most.
    pub most: f64,
}

impl Spread {
    /// Of some values; none where there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let median = values.get(values.len().checked_sub(1)? / 2)?;
        Some(Self { median: *median, least: *values.first()?, most: *values.last()? })
    }
}

#[allow(clippy::cast_precision_loss, reason = "microseconds and bytes of one run")]
impl Row {
    fn spread(&self, value: impl Fn(&Outcome) -> f64) -> Option<Spread> {
        Spread::of(self.outcomes.iter().map(value))
    }

    /// Seconds from start to end.
    pub fn wall_s(&self) -> Option<Spread> {
        self.spread(|outcome| outcome.usage.wall_us as f64 / 1e6)
    }

    /// Microseconds of CPU for each event.
    pub fn cpu_us(&self) -> Option<Spread> {
        self.spread(|outcome| outcome.usage.cpu_us as f64 / outcome.events.max(1) as f64)
    }

    /// MiB at most.
    pub fn peak_mib(&self) -> Option<Spread> {
        self.spread(|outcome| outcome.usage.peak_bytes as f64 / f64::from(1 << 20))
    }

    /// Requests.
    pub fn requests(&self) -> Option<Spread> {
        self.spread(|outcome| outcome.requests as f64)
    }

    /// Requests answered 429, as a share of all.
    pub fn refused(&self) -> Option<Spread> {
        self.spread(|outcome| outcome.refused as f64 / outcome.requests.max(1) as f64)
    }

    /// Milliseconds from the start to the first request.
    pub fn first_request_ms(&self) -> Option<Spread> {
        self.spread(|outcome| outcome.first_request_us as f64 / 1e3)
    }

    /// The share of the budget; none where there is no limit.
    pub fn budget_used(&self) -> Option<Spread> {
        Spread::of(self.outcomes.iter().filter_map(|outcome| outcome.budget_used))
    }
}

impl Results {
    /// The row of a case.
    pub fn row(&self, case: &Case) -> Option<&Row> {
        self.rows.iter().find(|row| row.case == *case)
    }

    /// Reads the last table.
    ///
    /// # Errors
    /// There is none, or it is of another form.
    pub fn read(path: &Path) -> Result<Self, BenchError> {
        kept::read(path, "measure again: cargo measure table")
    }

    /// Writes it.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self, path: &Path) -> Result<(), BenchError> {
        kept::write(path, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_middle_value_and_both_ends() {
        let of =
            |values: &[f64]| Spread::of(values.iter().copied()).map(|found| (found.median, found.least, found.most));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[3.0]), Some((3.0, 3.0, 3.0)));
        assert_eq!(of(&[5.0, 1.0, 4.0, 2.0, 3.0]), Some((3.0, 1.0, 5.0)));
        assert_eq!(of(&[4.0, 1.0]), Some((1.0, 1.0, 4.0)));
    }
}
