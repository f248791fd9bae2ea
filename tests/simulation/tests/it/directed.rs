//! Faults that do not end: all events arrive, once, and collecting comes to an end by itself.

use cisco_webex_plugin::stream::Stream;
use host_harness::simulator::{Fault, RandomFault, RateLimit, RetryAfter, ScriptedFault, StreamSettings};
use webex_simulation::scenario::{CallSpec, DAY, HOUR, Item, Kind, Knobs, Nature, START, Scenario, Step, Weather};
use webex_simulation::trace::Detail;
use webex_simulation::world::{self, Subject};

/// Items of each stream.
const EACH: u32 = 400;

/// Three streams with days of backlog on pages of 20, seven items a millisecond.
fn scenario(weather: Weather, rate_limit: Option<RateLimit>) -> Scenario {
    let list = StreamSettings { page_items: Some(20), ..StreamSettings::newest_first() };
    let oldest = StreamSettings { page_items: Some(20), ..StreamSettings::oldest_first() };
    let items = Stream::ALL.into_iter().flat_map(|stream| (0..EACH).map(move |n| (stream, n)));
    let items = items.zip(0..).map(|((stream, n), number)| Item {
        number,
        stream,
        created: START - HOUR - i64::from(n / 7) * 2 * HOUR,
        delay: 0,
        kind: Kind::Plain,
        resource: "messages",
        of_type: "created",
    });
    Scenario {
        seed: 1,
        nature: Nature { rate_limit, ..Nature::plain([list.clone(), list, oldest]) },
        knobs: Knobs { first_fetch: 10 * DAY / 1_000, ..Knobs::plain() },
        items: items.collect(),
        steps: vec![Step::Weather(weather)],
        settled: CallSpec::plain(),
        weather_stays: true,
    }
}

#[track_caller]
fn check(weather: Weather, rate_limit: Option<RateLimit>) {
    for seed in 0..8 {
        let scenario = Scenario { seed, ..scenario(weather.clone(), rate_limit.clone()) };
        let outcome = world::run(&scenario, Detail::None, Subject::default());
        assert_eq!(outcome.violation, None, "seed {seed}");
        assert_eq!(outcome.done.events, u64::from(EACH) * 3, "seed {seed}: not each once");
    }
}

#[test]
fn one_request_in_ten_fails_by_chance() {
    let faults = vec![
        Fault::TooManyRequests(RetryAfter::Seconds(2)),
        Fault::TooManyRequests(RetryAfter::Absent),
        Fault::Status(500),
        Fault::Status(502),
        Fault::Status(503),
        Fault::ResetBeforeAnswer,
        Fault::ResetInBody,
    ];
    let random = vec![RandomFault { endpoint: None, rate: 0.1, faults }];
    check(Weather { random, ..Weather::calm() }, None);
}

#[test]
fn each_tenth_request_fails() {
    for fault in [Fault::Status(503), Fault::ResetBeforeAnswer, Fault::TooManyRequests(RetryAfter::Absent)] {
        let bursts = vec![ScriptedFault::anywhere(fault).every(10)];
        check(Weather { bursts, ..Weather::calm() }, None);
    }
}

#[test]
fn five_calls_a_second_are_allowed() {
    for retry_after in [None, Some(RetryAfter::Absent), Some(RetryAfter::Text("soon".to_owned()))] {
        check(Weather::calm(), Some(RateLimit { requests: 5, per_ms: 1_000, retry_after }));
    }
}
