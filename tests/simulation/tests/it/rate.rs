//! A busy organization: 200 events a second and stream, one in ten of them listed late, by up to the overlap.

use cisco_webex_plugin::stream::Stream;
use webex_simulation::rate::{LATENCY, RAMP, Rate};

/// Events a second.
const BUSY: u32 = 200;

/// What is read again costs at most so many single readings, in requests, in items and in bytes.
const MOST_AGAIN: f64 = 3.0;

/// In ms. Audits come on pages of 200 at most: 60 a minute and as many twice more, one after the other.
const QUICK: (i64, i64) = (50, 200);

#[track_caller]
fn check(streams: &[Stream], minutes: u32, latency: (i64, i64)) {
    let figures = Rate { per_second: BUSY, streams: streams.to_vec(), minutes, latency }.run();
    println!("{figures}");
    assert_eq!(figures.violation, None);
    assert_eq!(figures.amiss, 0, "not each once");
    assert_eq!(figures.costs.len(), streams.len());
    for cost in &figures.costs {
        assert!(cost.read.events > u64::from(BUSY * 60 * (minutes - 2)), "it does not keep up: {cost:?}");
        let again = [cost.requests() - 1.0, cost.listed() - 1.0, cost.bytes() - 1.0];
        assert!(again.iter().all(|again| (0.0..=MOST_AGAIN).contains(again)), "{again:?}: {cost:?}");
    }
}

#[test]
fn late_events_of_a_busy_stream_cost_at_most_three_readings_more() {
    check(&[Stream::Events], 30 - RAMP, LATENCY);
}

#[test]
#[ignore = "takes minutes, and a gigabyte"]
fn so_do_those_of_all_streams_for_an_hour() {
    check(&Stream::ALL, 60, QUICK);
}
