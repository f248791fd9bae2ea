//! Whatever the host, the clocks, the settings and the server do between two calls and within them, each event comes once.

use proptest::prelude::*;

use super::{
    ALL, BTreeMap, Fault, FetchRequest, HttpError, Next, Sent, Span, Stream, Tenant, Timestamp, World, again, answer,
    settings, with_header,
};
use crate::fake::START;

/// What happens around one call.
#[derive(Clone, Debug)]
enum Turn {
    /// Time passes.
    Wait(i64),
    /// This machine's clock is set by so many seconds; the world goes on.
    Step(i64),
    /// The operator has changed `overlap`, `lag` and the resources.
    Change(usize, usize, usize),
    /// A call whose batch is lost with the process.
    Crash,
    /// The host asks to stop after so many requests.
    Stop(usize),
    /// A stretch is read again, so many seconds ago and long.
    ReRead(i64, i64),
}

const OVERLAPS: [&str; 4] = ["2m", "5m", "10m", "30m"];
/// The last of them, in seconds.
const LONGEST_OVERLAP: i64 = 1_800;
const LAGS: [&str; 3] = ["0s", "5s", "1m"];
const RESOURCES: [&str; 2] = ["", "messages,rooms"];

/// Every event is listed this soon: the shortest overlap.
const LATEST: i64 = 120;

/// How long the live part of the world is.
const LIVE: i64 = 3_000;

fn a_turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        6 => (1..400_i64).prop_map(Turn::Wait),
        1 => prop_oneof![Just(3_600_i64), Just(-3_600), -100..100_i64].prop_map(Turn::Step),
        2 => (0..OVERLAPS.len(), 0..LAGS.len(), 0..RESOURCES.len()).prop_map(|(a, b, c)| Turn::Change(a, b, c)),
        1 => Just(Turn::Crash),
        1 => (1..6_usize).prop_map(Turn::Stop),
        1 => (1..100_000_i64, 1..5_000_i64).prop_map(|(ago, length)| Turn::ReRead(ago, length)),
    ]
}

fn a_world() -> impl Strategy<Value = World> {
    let created = prop_oneof![-200_000..LIVE, 0..LIVE];
    let late = prop_oneof![Just(0_i64), 0..=LATEST];
    let events = proptest::collection::vec((0..3_usize, created, late), 0..300);
    let life = prop_oneof![Just(None), (1..120_i64).prop_map(Some)];
    (events, any::<[bool; 5]>(), 1..40_usize, prop_oneof![1..30_i64, 1..100_000_i64], life).prop_map(
        |(events, flags, page, granularity, life)| {
            let mut world = World {
                newest_first: flags[0],
                from_inclusive: flags[1],
                to_inclusive: flags[2],
                offset: flags[3],
                link_has_end: flags[4],
                page,
                link_life: life.map(Span::secs),
                ..World::new()
            };
            for (stream, at, late) in events {
                let created = START + Span::secs(at.div_euclid(granularity) * granularity);
                world.add(Stream::ALL[stream], created, created + Span::secs(late));
            }
            world
        },
    )
}

/// A tenant that lives through it.
struct Life {
    tenant: Tenant,
    watermarks: BTreeMap<Stream, Timestamp>,
    chosen: (usize, usize, usize),
}

impl Life {
    fn settings(chosen: (usize, usize, usize)) -> crate::settings::Settings {
        settings(&[("overlap", OVERLAPS[chosen.0]), ("lag", LAGS[chosen.1]), ("events_resources", RESOURCES[chosen.2])])
    }

    fn call(&mut self, request: &FetchRequest) -> Next {
        let next = self.tenant.call(request);
        let origin = self.tenant.host.now() - self.tenant.world.borrow().behind;
        for report in &self.tenant.reports {
            let (Some(watermark), Some(frontier)) = (report.watermark, report.frontier) else { continue };
            assert!(watermark <= frontier, "the watermark passed the frontier");
            assert!(frontier <= origin, "{}: {frontier} is after the origin's {origin}", report.stream);
            let before = self.watermarks.insert(report.stream, watermark);
            assert!(before.is_none_or(|before| before <= watermark), "the watermark went back");
            assert!(report.pending <= 300, "{} intervals", report.pending);
        }
        let stored = self.tenant.stored.as_ref().unwrap();
        assert!(stored.head.len() < 300_000, "the head has {} bytes", stored.head.len());
        next
    }

    fn turn(&mut self, turn: &Turn, request: &FetchRequest) {
        match *turn {
            Turn::Wait(seconds) => self.tenant.host.advance(Span::secs(seconds)),
            Turn::Step(seconds) => {
                self.tenant.host.advance(Span::secs(seconds));
                let behind = &mut self.tenant.world.borrow_mut().behind;
                *behind = *behind + Span::secs(seconds);
            }
            Turn::Change(overlap, lag, resources) => {
                self.chosen = (overlap, lag, resources);
                self.tenant.settings = Self::settings(self.chosen);
            }
            Turn::Crash => {
                let kept = (self.tenant.stored.clone(), self.tenant.delivered.clone());
                self.tenant.call(request);
                (self.tenant.stored, self.tenant.delivered) = kept;
            }
            Turn::Stop(requests) => {
                self.tenant.host.stop_after(Some(requests));
                self.call(request);
                self.tenant.host.stop_after(None);
            }
            Turn::ReRead(ago, length) => {
                let from = self.tenant.host.now() - Span::secs(ago);
                let to = (from + Span::secs(length)).min(self.tenant.host.now());
                let request = FetchRequest { re_read: Some(again(from, to)), ..request.clone() };
                let before = self.tenant.delivered.clone();
                self.call(&request);
                // What is not remembered as delivered comes again, by the operator's wish.
                for (id, count) in &mut self.tenant.delivered {
                    *count = (*count).min(before.get(id).copied().unwrap_or(1));
                }
            }
        }
        self.call(request);
    }
}

fn live(
    world: World,
    turns: &[Turn],
    request: &FetchRequest,
    fault: Fault,
    end_faults: &std::rc::Rc<std::cell::Cell<bool>>,
) {
    let mut tenant = Tenant::faulty(world, &[], fault);
    let chosen = (2, 1, 0);
    tenant.settings = Life::settings(chosen);
    let mut life = Life { tenant, watermarks: BTreeMap::new(), chosen };
    for turn in turns {
        life.turn(turn, request);
    }
    // Everything is listed at last, all is well, and collecting comes to an end. Where a cycle reads only what is near again,
    // what was late comes when it is as old as the overlap.
    end_faults.set(true);
    let end = START + Span::secs(LIVE + LATEST + 60 + LONGEST_OVERLAP);
    let mut rounds = 0;
    loop {
        rounds += 1;
        assert!(rounds < 6_000, "it does not end: {:?}", life.tenant.reports);
        let origin = life.tenant.host.now() - life.tenant.world.borrow().behind;
        match life.call(request) {
            Next::Now => {}
            Next::NotBefore(time) => {
                let wait = (time - life.tenant.host.now()).max(Span::ZERO);
                assert!(wait <= Span::secs(6 * 3_600), "it waits {wait}");
                life.tenant.host.advance(wait);
            }
            Next::Idle => {
                // Whatever clock steps were, F has to be passed by this machine's clock for everything to be read.
                let reached =
                    life.tenant.state().streams.values().all(|s| s.watermark().is_some_and(|time| time > end));
                if origin > end && reached {
                    break;
                }
                life.tenant.host.advance(Span::secs(120));
            }
        }
    }
    life.tenant.check_each_once();
}

proptest! {
    // As many cases as PROPTEST_CASES says, 256 without it.
    #![proptest_config(ProptestConfig { max_shrink_iters: 3_000, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_between_calls_and_within_each_event_comes_once(
        world in a_world(),
        turns in proptest::collection::vec(a_turn(), 0..40),
        max_events in 1..120_u32,
        max_bytes in prop_oneof![Just(None), (1..5_000_u64).prop_map(Some)],
        budget in prop_oneof![Just(None), (450..2_000_u32).prop_map(Some)],
        fault_every in 0..12_u32,
    ) {
        let ended = std::rc::Rc::new(std::cell::Cell::new(false));
        let is_over = std::rc::Rc::clone(&ended);
        let mut n = 0;
        let fault = move |sent: &Sent| {
            n += 1;
            let is_due = !is_over.get() && fault_every > 2 && n % fault_every == 0 && !sent.is_for_tokens();
            is_due.then(|| match n / fault_every % 7 {
                0 => answer(500, ""),
                1 => Err(HttpError::Broken("reset".to_owned())),
                2 => answer(200, r#"{"items":["#),
                3 => answer(504, ""),
                4 => with_header(answer(429, "<html>"), "retry-after", "20"),
                5 => Err(HttpError::TooLarge),
                _ => answer(200, r#"{"message":"failed","errors":[]}"#),
            })
        };
        let budget = budget.map(|millis| Span::millis(i64::from(millis)));
        let request = FetchRequest { max_events: Some(max_events), max_bytes, budget, ..ALL };
        live(world, &turns, &request, Box::new(fault), &ended);
    }
}
