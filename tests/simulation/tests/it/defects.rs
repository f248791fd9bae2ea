//! The oracle can fail: what other collectors do wrong is found within the worlds that every test run draws.

use cisco_webex_plugin::defect::{self, Defect};
use webex_simulation::scenario::{Realm, Scenario};
use webex_simulation::shrink::shrink;
use webex_simulation::soak::{Soak, run_one};
use webex_simulation::world::{HostDefect, Subject};

use crate::SEEDS;

/// The mistake is found, in a world that is sound without it.
#[track_caller]
fn check(core: Option<Defect>, host: Option<HostDefect>) {
    let name = core.map_or_else(|| format!("{host:?}"), |core| format!("{core:?}"));
    let subject = Subject { defect: host, ..Subject::default() };
    let soak = Soak { defect: core, subject, stop_at_first: true, ..Soak::of(0, SEEDS) };
    let summary = soak.run(|_| {});
    let found = summary.found.first().unwrap_or_else(|| panic!("{name} is not found in {SEEDS} worlds"));
    println!("{name}: found in world {} by {}", found.seed, found.violation);
    defect::set(None);
    let sound = run_one(found.seed, Realm::Honest, Subject::default());
    assert_eq!(sound.violation, None, "{name}: world {} is broken without it too", found.seed);
}

#[test]
fn every_deliberate_defect_of_the_core_is_found() {
    for core in Defect::ALL {
        check(Some(core), None);
    }
}

#[test]
fn a_host_that_acknowledges_before_its_sink_is_found() {
    check(None, Some(HostDefect::AcknowledgesBeforeTheSink));
}

#[test]
fn what_is_found_becomes_small() {
    defect::set(Some(Defect::NothingIsSeen));
    let (scenario, violation) = (0..SEEDS)
        .find_map(|seed| {
            let violation = run_one(seed, Realm::Honest, Subject::default()).violation?;
            Some((Scenario::draw(seed, Realm::Honest), violation))
        })
        .unwrap();
    let small = shrink(&scenario, &violation, Subject::default());
    let again = shrink(&scenario, &violation, Subject::default());
    defect::set(None);
    assert_eq!(small.violation.invariant, violation.invariant);
    assert!(small.scenario.items.len() <= 2 && small.scenario.steps.len() <= 2, "{:#?}", small.scenario);
    assert_eq!(format!("{:?}", small.scenario), format!("{:?}", again.scenario), "not the same way twice");
}
