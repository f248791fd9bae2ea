//! What the log says while calls are made: gaps, warnings and failures, each when it arises and not with every call.

use std::collections::{BTreeMap, BTreeSet};

use crate::log::{Level, Log};
use crate::runtime::{Report, in_words, time};

/// What was told, by stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Codes of warnings.
    warned: BTreeMap<String, BTreeSet<String>>,
    /// The code of the failure of the call before.
    failing: BTreeMap<String, String>,
}

impl Told {
    /// For another kind of calls: it warns of nothing twice, and tells its own failures.
    pub(super) fn for_a_re_audit(&self) -> Self {
        Self { warned: self.warned.clone(), failing: BTreeMap::new() }
    }

    /// Tells what is new in the reports of a call.
    pub(super) fn tell(&mut self, reports: &[Report], log: &Log) {
        for report in reports {
            let field = [("stream".to_owned(), report.stream.clone())];
            for gap in &report.gaps {
                let text = format!("not collected: {} to {}, {}", time(gap.from), time(gap.to), gap.reason);
                log.write(Level::Warn, "gap", &text, &field);
            }
            let warned = self.warned.entry(report.stream.clone()).or_default();
            for warning in &report.warnings {
                if warned.insert(warning.code.clone()) {
                    let parts = [&warning.text, &warning.remedy].map(|part| part.trim().trim_end_matches('.'));
                    let text = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
                    log.write(Level::Warn, &warning.code, &text, &field);
                }
            }
            match &report.failure {
                Some(failure) => {
                    let before = self.failing.insert(report.stream.clone(), failure.code.clone());
                    if before.as_deref() != Some(failure.code.as_str()) {
                        log.write(Level::Warn, &failure.code, &in_words(failure), &field);
                    }
                }
                None => drop(self.failing.remove(&report.stream)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::totals::sample;
    use crate::runtime::{Gap, Warning};

    #[test]
    fn a_failure_is_told_when_it_begins_and_a_warning_once() {
        let (log, mut told) = (Log::memory(), Told::default());
        let warning = || vec![Warning { code: "token".into(), text: "expires soon.".into(), remedy: "sign in".into() }];
        let failed = |code| Report { failure: Some(sample::failure(code)), warnings: warning(), ..sample::report() };
        for report in [failed("refused"), failed("refused"), sample::report(), failed("refused"), failed("unavailable")]
        {
            told.tell(&[report], &log);
        }
        let codes: Vec<String> = log.lines().into_iter().map(|line| line.code).collect();
        assert_eq!(codes, ["token", "refused", "refused", "unavailable"]);
        assert!(log.lines().iter().any(|line| line.text == "expires soon; sign in"));

        told.for_a_re_audit().tell(&[failed("unavailable")], &log);
        assert_eq!(log.lines().len(), 5, "the failure of a re-audit is its own, its warning is not");
    }

    #[test]
    fn every_gap_is_told() {
        let (log, mut told) = (Log::memory(), Told::default());
        let gap = Gap { from: 0, to: 1_000, reason: "out of reach".into() };
        let report = Report { gaps: vec![gap.clone(), gap], ..sample::report() };
        told.tell(&[report], &log);
        assert_eq!(log.lines().len(), 2);
    }
}
