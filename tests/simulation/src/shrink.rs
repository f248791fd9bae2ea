//! From a world in which something is wrong to a small one in which the same is wrong.

use host_harness::simulator::{StreamSettings, TokenSettings};

use crate::oracle::Violation;
use crate::scenario::{CallSpec, Scenario, Sink, Step, Store};
use crate::trace::Detail;
use crate::world::{self, Subject};

/// Worlds that are tried at most: a minute or so.
const MOST_TRIALS: u32 = 3_000;

/// A small world, and what is wrong in it.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The world.
    pub scenario: Scenario,
    /// What.
    pub violation: Violation,
}

/// Makes the world smaller as long as it breaks the same invariant; always the same way.
pub fn shrink(scenario: &Scenario, violation: &Violation, subject: Subject) -> Shrunk {
    let mut search =
        Search { best: Shrunk { scenario: scenario.clone(), violation: violation.clone() }, subject, trials: 0 };
    for _ in 0..4 {
        let before = search.size();
        search.drop_parts(|scenario| &mut scenario.steps);
        search.drop_parts(|scenario| &mut scenario.items);
        search.simplify_calls();
        search.simplify_nature();
        if search.size() == before {
            break;
        }
    }
    search.best
}

struct Search {
    best: Shrunk,
    subject: Subject,
    trials: u32,
}

impl Search {
    fn size(&self) -> usize {
        format!("{:?}", self.best.scenario).len()
    }

    /// Keeps the change if the same invariant breaks.
    fn attempt(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        if self.trials >= MOST_TRIALS {
            return false;
        }
        self.trials += 1;
        let mut scenario = self.best.scenario.clone();
        change(&mut scenario);
        match world::run(&scenario, Detail::None, self.subject).violation {
            Some(violation) if violation.invariant == self.best.violation.invariant => {
                self.best = Shrunk { scenario, violation };
                true
            }
            _ => false,
        }
    }

    /// Drops halves, quarters, and so on down to single ones.
    fn drop_parts<T>(&mut self, list: impl Fn(&mut Scenario) -> &mut Vec<T>) {
        let mut length = list(&mut self.best.scenario).len().div_ceil(2);
        while length > 0 {
            let mut at = 0;
            while at < list(&mut self.best.scenario).len() {
                let dropped = self.attempt(|scenario| {
                    let list = list(scenario);
                    let end = (at + length).min(list.len());
                    list.drain(at..end);
                });
                if !dropped {
                    at += length;
                }
            }
            length /= 2;
        }
    }

    fn simplify_calls(&mut self) {
        let changes: [fn(&mut CallSpec); 9] = [
            |call| call.crash = None,
            |call| call.beside = None,
            |call| call.meanwhile.clear(),
            |call| (call.sink, call.store) = (Sink::Takes, Store::Replaces),
            |call| call.streams.clear(),
            |call| call.max_events = None,
            |call| call.max_bytes = None,
            |call| call.budget = None,
            |call| call.interval = crate::scenario::MINUTE,
        ];
        for index in 0..self.best.scenario.steps.len() {
            for change in changes {
                self.attempt(|scenario| {
                    if let Some(Step::Call(call) | Step::Follow(_, call) | Step::ReRead { call, .. }) =
                        scenario.steps.get_mut(index)
                    {
                        change(call);
                    }
                });
            }
        }
        for change in changes {
            self.attempt(|scenario| change(&mut scenario.settled));
        }
    }

    fn simplify_nature(&mut self) {
        let changes: [fn(&mut Scenario); 11] = [
            |scenario| scenario.nature.latency = (0, 0),
            |scenario| scenario.nature.rate_limit = None,
            |scenario| scenario.nature.body_cap = None,
            |scenario| scenario.nature.tokens = TokenSettings::default(),
            |scenario| scenario.nature.ahead = 0,
            |scenario| scenario.nature.service_app = true,
            |scenario| scenario.nature.pro_pack = true,
            |scenario| scenario.nature.dates = true,
            |scenario| scenario.knobs.resources.clear(),
            |scenario| scenario.knobs.types.clear(),
            |scenario| scenario.knobs.max_fetch = 2_000,
        ];
        for change in changes {
            self.attempt(change);
        }
        let plain = StreamSettings::newest_first();
        let lists: [fn(&mut StreamSettings, &StreamSettings); 9] = [
            |list, plain| list.clone_from(plain),
            |list, plain| list.page_items = plain.page_items,
            |list, plain| list.paging = plain.paging,
            |list, plain| list.last_page = plain.last_page,
            |list, plain| (list.link_window, list.link_style) = (plain.link_window, plain.link_style),
            |list, plain| list.link_life = plain.link_life,
            |list, plain| list.slow_above_listed = plain.slow_above_listed,
            |list, plain| (list.order, list.from, list.to) = (plain.order, plain.from, plain.to),
            |list, plain| list.empty_page = plain.empty_page,
        ];
        for index in 0..self.best.scenario.nature.lists.len() {
            for change in lists {
                self.attempt(|scenario| {
                    if let Some(list) = scenario.nature.lists.get_mut(index) {
                        change(list, &plain);
                    }
                });
            }
        }
    }
}
