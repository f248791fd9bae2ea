//! What must be reached, and what was.

use crate::case::Case;
use crate::plan;
use crate::results::{Results, Row, Spread};
use crate::subject::Subject;

/// A line of what must be reached.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What is compared.
    pub what: &'static str,
    /// What must be reached, in words.
    pub bar: &'static str,
    /// What was measured, in words; none: it was not.
    pub measured: Option<String>,
    /// Whether it was reached.
    pub reached: bool,
}

/// At most so much of another.
struct Ratio {
    what: &'static str,
    bar: &'static str,
    at_most: f64,
    of: Case,
    to: Case,
    value: fn(&Row) -> Option<Spread>,
}

impl Ratio {
    fn judge(&self, results: &Results) -> Bar {
        let value = |case| results.row(case).and_then(self.value).map(|spread| spread.median);
        let ratio = value(&self.of).zip(value(&self.to)).map(|(of, to)| of / to);
        Bar {
            what: self.what,
            bar: self.bar,
            measured: ratio.map(|ratio| format!("{ratio:.2} ×")),
            reached: ratio.is_some_and(|ratio| ratio <= self.at_most),
        }
    }
}

/// Every bar, from the rows.
pub fn bars(results: &Results) -> Vec<Bar> {
    use Subject::{Collector, FirstRequest, NativeCore, PlainLoop};
    let million = |subject| Case::backlog(subject, 1_000_000, 0);
    let of_collector = |events| Case::backlog(Collector, events, 0);
    let ratio = |what, bar, at_most, of, to, value| Ratio { what, bar, at_most, of, to, value }.judge(results);
    let mut bars = vec![
        ratio(
            "CPU an event against the same core native (1 million)",
            "≤ 2.0 ×",
            2.0,
            million(Collector),
            million(NativeCore),
            Row::cpu_us,
        ),
        ratio(
            "CPU an event against the plain loop with a full parse (1 million)",
            "≤ 1.0 ×",
            1.0,
            million(Collector),
            million(PlainLoop),
            Row::cpu_us,
        ),
        ratio(
            "time to drain 3 × 100,000 at 50 ms a call, against pages one after the other",
            "≤ 0.20 ×",
            0.2,
            plan::drain(Collector),
            plan::drain(PlainLoop),
            Row::wall_s,
        ),
        ratio(
            "peak RSS, 10 million events against 100 thousand",
            "≤ 1.1 ×",
            1.1,
            of_collector(10_000_000),
            of_collector(100_000),
            Row::peak_mib,
        ),
        ratio(
            "CPU an event, 10 million against 10 thousand",
            "≤ 1.1 ×",
            1.1,
            of_collector(10_000_000),
            of_collector(10_000),
            Row::cpu_us,
        ),
        ratio(
            "process start to first request, of a second start, against a native program of the same HTTP stack",
            "≤ 3 ×",
            3.0,
            plan::start(Collector),
            plan::start(FirstRequest),
            Row::first_request_ms,
        ),
    ];
    let limited = results.row(&plan::limited());
    let used = limited.and_then(Row::budget_used).map(|spread| spread.median);
    let refused = limited.and_then(Row::refused).map(|spread| spread.median);
    bars.push(Bar {
        what: "300 calls a minute and user allowed: budget used, calls answered 429",
        bar: "≥ 95 %, < 1 %",
        measured: used.zip(refused).map(|(used, refused)| format!("{:.1} %, {:.2} %", used * 100.0, refused * 100.0)),
        reached: used.is_some_and(|used| used >= 0.95) && refused.is_some_and(|refused| refused < 0.01),
    });
    let peak = results.row(&plan::live()).and_then(Row::peak_mib).map(|spread| spread.median);
    bars.push(Bar {
        what: "peak RSS, one tenant, 2,000 events a second listed for three minutes",
        bar: "≤ 64 MB",
        measured: peak.map(|peak| format!("{:.1} MB", peak * MB_IN_MIB)),
        reached: peak.is_some_and(|peak| peak * MB_IN_MIB <= 64.0),
    });
    bars
}

/// Megabytes of a MiB.
const MB_IN_MIB: f64 = 1.048_576;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::case::Outcome;
    use crate::machine::Machine;
    use crate::measured::Usage;

    fn row(case: Case, cpu_us: u64, peak_bytes: u64) -> Row {
        let usage = Usage { started_us: 0, wall_us: cpu_us, cpu_us, peak_bytes, succeeded: true };
        let outcome = Outcome {
            usage,
            events: case.events(),
            requests: 1_000,
            refused: 10,
            first_request_us: 1,
            budget_used: Some(0.97),
        };
        Row { case, outcomes: vec![outcome] }
    }

    #[test]
    fn a_bar_is_reached_by_its_rows_and_by_nothing_else() {
        let million = |subject| Case::backlog(subject, 1_000_000, 0);
        let results = Results {
            machine: Machine::here(),
            rows: vec![
                row(million(Subject::Collector), 9_000_000, 1),
                row(million(Subject::NativeCore), 4_600_000, 1),
                row(million(Subject::PlainLoop), 8_900_000, 1),
                row(plan::limited(), 1, 1),
                row(plan::live(), 1, 64_000_000),
            ],
        };
        let found = bars(&results);
        let find = |what: &str| found.iter().find(|bar| bar.what.contains(what)).unwrap();
        assert_eq!((find("core native").measured.as_deref(), find("core native").reached), (Some("1.96 ×"), true));
        assert!(!find("full parse").reached, "1.01 times is more than as much");
        assert_eq!((find("drain").measured.as_deref(), find("drain").reached), (None, false), "not measured");
        assert_eq!(find("calls answered 429").measured.as_deref(), Some("97.0 %, 1.00 %"));
        assert!(!find("calls answered 429").reached, "one in a hundred is too many");
        assert!(find("2,000 events a second").reached);
    }
}
