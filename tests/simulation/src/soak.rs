//! Many worlds, on several threads.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use cisco_webex_plugin::defect::{self, Defect};

use crate::oracle::{Invariant, Violation};
use crate::scenario::{Realm, Scenario};
use crate::trace::Detail;
use crate::world::{self, Done, Outcome, Subject};

/// One world in so many is run twice, and must leave the same trace.
const TWICE_ONE_IN: u64 = 16;

/// Which worlds, with which mistakes made on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Soak {
    /// The first.
    pub from: u64,
    /// How many.
    pub seeds: u64,
    /// Side by side.
    pub jobs: usize,
    /// What servers do in them.
    pub realm: Realm,
    /// Of the core.
    pub defect: Option<Defect>,
    /// What is tried.
    pub subject: Subject,
    /// Whether to stop at the first.
    pub stop_at_first: bool,
}

/// A world in which something was wrong.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its seed.
    pub seed: u64,
    /// What.
    pub violation: Violation,
}

/// What many worlds came to.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Worlds that ran.
    pub worlds: u64,
    /// By seed.
    pub found: Vec<Found>,
    /// In all of them.
    pub done: Done,
}

/// Runs one world, once or twice.
pub fn run_one(seed: u64, realm: Realm, subject: Subject) -> Outcome {
    let scenario = Scenario::draw(seed, realm);
    if !seed.is_multiple_of(TWICE_ONE_IN) {
        return world::run(&scenario, Detail::None, subject);
    }
    let mut outcome = world::run(&scenario, Detail::Digest, subject);
    let again = world::run(&scenario, Detail::Digest, subject);
    if outcome.violation.is_none() && outcome.trace.digest() != again.trace.digest() {
        outcome.violation = Some(Violation::new(Invariant::I9, "two runs of this world differ"));
    }
    outcome
}

impl Soak {
    /// These worlds, without mistakes, on all cores.
    pub fn of(from: u64, seeds: u64) -> Self {
        let jobs = thread::available_parallelism().map_or(1, Into::into);
        Self {
            from,
            seeds,
            jobs,
            realm: Realm::Honest,
            defect: None,
            subject: Subject::default(),
            stop_at_first: false,
        }
    }

    /// Runs them.
    pub fn run(&self, observe: impl Fn(&Found) + Sync) -> Summary {
        let next = AtomicU64::new(self.from);
        let end = AtomicU64::new(self.from.saturating_add(self.seeds));
        let summary = Mutex::new(Summary::default());
        thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(|| {
                    defect::set(self.defect);
                    loop {
                        let seed = next.fetch_add(1, Ordering::SeqCst);
                        if seed >= end.load(Ordering::SeqCst) {
                            break;
                        }
                        let outcome = run_one(seed, self.realm, self.subject);
                        let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
                        summary.worlds += 1;
                        summary.done.add(outcome.done);
                        if let Some(violation) = outcome.violation {
                            let found = Found { seed, violation };
                            observe(&found);
                            summary.found.push(found);
                            if self.stop_at_first {
                                end.store(0, Ordering::SeqCst);
                            }
                        }
                    }
                    defect::set(None);
                });
            }
        });
        let mut summary = summary.into_inner().unwrap_or_else(PoisonError::into_inner);
        summary.found.sort_by_key(|found| found.seed);
        summary
    }
}

impl Done {
    fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.requests += other.requests;
        self.events += other.events;
        self.crashes += other.crashes;
        for (read, other) in self.read.iter_mut().zip(other.read) {
            read.requests += other.requests;
            read.listed += other.listed;
            read.bytes += other.bytes;
            read.events += other.events;
        }
    }
}
