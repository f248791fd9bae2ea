//! What a table holds: which cases, how often each.

use std::num::NonZeroU16;

use crate::case::Case;
use crate::subject::Subject;
use crate::tenant::Supply;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What ends within half an hour on two cores.
    Usual,
    /// All of it, some hours.
    Full,
}

/// Runs of a case; their median is told.
pub const RUNS: usize = 5;
/// Where a run takes a minute, in the usual table.
const FEW: usize = 3;
/// Starts, which are short.
const STARTS: usize = 20;
/// What Webex allows for most APIs.
const LIMIT: usize = 300;

/// The three that are compared.
const COMPARED: [Subject; 3] = [Subject::Collector, Subject::NativeCore, Subject::PlainLoop];

/// A case, and how often.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What.
    pub case: Case,
    /// How often.
    pub runs: usize,
}

/// The drain: three streams of a hundred thousand events, with the latency of a near service.
pub fn drain(subject: Subject) -> Case {
    Case::backlog(subject, 300_000, 50)
}

/// A backlog that takes each user more than three minutes at the limit, and all of it.
pub fn limited() -> Case {
    let calls = LIMIT as u64 * 3 + 100;
    // Of the admin's calls every second one is for each of his streams.
    let supply = [calls / 2 * 200, calls / 2 * 1_000, calls * 1_000].map(Supply::Backlog);
    Case { supply, requests_a_minute: Some(LIMIT), ..Case::backlog(Subject::Collector, 0, 0) }
}

/// 2,000 events a second in three streams, as Webex would list them to one tenant at its limit.
pub fn live() -> Case {
    let supply = [200, 200, 1_600].map(Supply::Live);
    Case { supply, requests_a_minute: Some(LIMIT), follow_s: Some(180), ..Case::backlog(Subject::Collector, 0, 50) }
}

/// A start with nothing to collect, after an earlier run.
pub fn start(subject: Subject) -> Case {
    Case { again: subject == Subject::Collector, ..Case::backlog(subject, 0, 0) }
}

/// The same events, compressed on the way.
pub fn packed(subject: Subject) -> Case {
    Case { gzip: true, ..Case::backlog(subject, 100_000, 0) }
}

/// So many tenants in one process with a hundred thousand events among them.
fn many() -> Vec<Case> {
    let counts = [1, 10, 100, 1_000].into_iter().filter_map(NonZeroU16::new);
    counts.map(|tenants| Case::of_many(tenants, 100_000, 0)).collect()
}

/// The cases of a table, in groups whose runs take turns: what else the machine does meets all of a group.
pub fn plan(extent: Extent) -> Vec<Vec<Planned>> {
    let group =
        |runs: usize, cases: Vec<Case>| cases.into_iter().map(|case| Planned { case, runs }).collect::<Vec<_>>();
    let compared = |events, latency_ms| COMPARED.map(|subject| Case::backlog(subject, events, latency_ms)).to_vec();
    let with_boundaries = |events| {
        let mut cases = compared(events, 0);
        cases.push(Case::backlog(Subject::BoundaryLoop, events, 0));
        cases
    };
    let mut groups = vec![
        group(STARTS, vec![start(Subject::Collector), start(Subject::FirstRequest)]),
        group(RUNS, with_boundaries(10_000)),
        group(RUNS, with_boundaries(100_000)),
        group(RUNS, with_boundaries(1_000_000)),
    ];
    groups.push(match extent {
        Extent::Usual => group(1, vec![Case::backlog(Subject::Collector, 10_000_000, 0)]),
        Extent::Full => group(RUNS, with_boundaries(10_000_000)),
    });
    groups.push(group(RUNS, compared(10_000, 50)));
    groups.push(group(RUNS, COMPARED.map(drain).to_vec()));
    groups.push(group(RUNS, compared(10_000, 300)));
    match extent {
        // A loop that asks one page after the other takes a minute for each.
        Extent::Usual => groups.push(group(1, compared(100_000, 300))),
        Extent::Full => {
            for (events, latency_ms) in
                [(100_000, 50), (1_000_000, 50), (10_000_000, 50), (100_000, 300), (1_000_000, 300), (10_000_000, 300)]
            {
                groups.push(group(RUNS, compared(events, latency_ms)));
            }
        }
    }
    groups.push(group(RUNS, COMPARED.map(packed).to_vec()));
    groups.push(group(if extent == Extent::Full { RUNS } else { FEW }, many()));
    groups.push(group(1, vec![limited()]));
    groups.push(group(1, vec![live()]));
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_case_is_measured_twice_and_the_usual_ones_are_among_all() {
        let cases = |extent| plan(extent).into_iter().flatten().map(|planned| planned.case).collect::<Vec<_>>();
        let (usual, full) = (cases(Extent::Usual), cases(Extent::Full));
        for (index, case) in full.iter().enumerate() {
            assert!(!full.iter().skip(index + 1).any(|other| other == case), "{case:?}");
        }
        assert!(usual.iter().all(|case| full.contains(case)));
    }
}
