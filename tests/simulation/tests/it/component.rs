//! The real component in the same worlds.

use webex_simulation::scenario::{Realm, Scenario};
use webex_simulation::soak::{Soak, run_one};
use webex_simulation::trace::Detail;
use webex_simulation::world::{self, Engine, HostDefect, Subject};

/// Worlds that a test run plays with it: each takes as long as a hundred with the core.
const SEEDS: u64 = 100;

const COMPONENT: Subject = Subject { engine: Engine::Component, defect: None };

#[test]
fn every_promise_holds_for_the_component() {
    let summary = Soak { subject: COMPONENT, ..Soak::of(0, SEEDS) }.run(|_| {});
    let all: Vec<String> =
        summary.found.iter().map(|found| format!("seed {}: {}", found.seed, found.violation)).collect();
    assert!(
        all.is_empty(),
        "{} of {SEEDS} worlds are broken:\n{}\nTo see one: cargo run -p webex-simulation -- replay --component SEED",
        all.len(),
        all.join("\n"),
    );
    let done = summary.done;
    assert!(done.calls > 1_500 && done.requests > 10_000 && done.events > 6_000 && done.crashes > 50, "{done:?}");
}

#[test]
fn a_seed_is_a_trace_of_the_component_too() {
    // Some with two calls side by side, crashes, clocks that jump.
    for seed in 0..8 {
        let digest = || world::run(&Scenario::draw(seed, Realm::Honest), Detail::Digest, COMPONENT).trace.digest();
        assert_eq!(digest(), digest(), "seed {seed}");
    }
}

#[test]
fn a_host_that_acknowledges_before_its_sink_is_found_with_the_component() {
    let subject = Subject { defect: Some(HostDefect::AcknowledgesBeforeTheSink), ..COMPONENT };
    let summary = Soak { subject, stop_at_first: true, ..Soak::of(0, SEEDS) }.run(|_| {});
    let found = summary.found.first().unwrap_or_else(|| panic!("it is not found in {SEEDS} worlds"));
    assert_eq!(run_one(found.seed, Realm::Honest, COMPONENT).violation, None, "world {}", found.seed);
}
