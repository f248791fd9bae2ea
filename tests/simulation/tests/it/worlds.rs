//! What is promised holds in every world that is drawn.

use webex_simulation::scenario::{Realm, Scenario};
use webex_simulation::shrink::shrink;
use webex_simulation::soak::Soak;
use webex_simulation::trace::Detail;
use webex_simulation::world::{self, Subject};

use crate::SEEDS;

#[test]
fn every_promise_holds_in_every_world() {
    let summary = Soak::of(0, SEEDS).run(|_| {});
    assert_eq!(summary.worlds, SEEDS);
    let Some(first) = summary.found.first() else { return };
    let small = shrink(&Scenario::draw(first.seed, Realm::Honest), &first.violation, Subject::default());
    let all: Vec<String> =
        summary.found.iter().map(|found| format!("seed {}: {}", found.seed, found.violation)).collect();
    panic!(
        "{} of {SEEDS} worlds are broken:\n{}\n\nThe first one, made small: {:#?}\n{}\n\nTo see it: cargo run -p webex-simulation -- replay {}",
        all.len(),
        all.join("\n"),
        small.scenario,
        small.violation,
        first.seed,
    );
}

#[test]
fn worlds_are_busy_enough_to_say_something() {
    let done = Soak::of(0, 200).run(|_| {}).done;
    assert!(done.calls > 2_000 && done.requests > 8_000 && done.events > 8_000 && done.crashes > 50, "{done:?}");
}

#[test]
fn a_seed_is_a_world_and_a_world_is_a_trace() {
    for seed in 0..40 {
        let digest =
            || world::run(&Scenario::draw(seed, Realm::Honest), Detail::Digest, Subject::default()).trace.digest();
        assert_eq!(digest(), digest(), "seed {seed}");
    }
    let other =
        |seed| world::run(&Scenario::draw(seed, Realm::Honest), Detail::Digest, Subject::default()).trace.digest();
    assert_ne!(other(1), other(2));
}
