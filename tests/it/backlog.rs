//! Three times five thousand events of about 1 KB into a file, seven to a millisecond: each once, run after run.

use host_harness::collect::{Collector, Delivery, End, Mode};
use host_harness::simulator::{Bound, GeneratorSettings, Stream, StreamSettings, TenantSettings};
use host_harness::sink::Sinks;
use host_harness::state::State;
use host_harness::stop::Stop;

use crate::simulated::{Difference, Simulated, difference};

/// Of each stream.
const EVENTS: usize = 5_000;
/// Of each stream, after the first two runs.
const LATER: usize = 10;

/// One run of the host's own cycle: state and file are opened and closed, as by a process of its own.
async fn collect(tenant: &Simulated, folder: &std::path::Path) -> Vec<String> {
    let state = State::at(&folder.join("state")).writer().unwrap();
    let file = folder.join("events.ndjson");
    let (sinks, mended) = Sinks::open([&file]).unwrap();
    assert!(mended.is_empty(), "{mended:?}");
    let mut delivery = Delivery::to(sinks, state);
    let mut collector = Collector::new(&tenant.host.tenant, &mut delivery, Stop::new());
    assert_eq!(collector.run(Mode::Once, |_| ()).await.unwrap(), End::Idle);
    assert!(collector.totals.failed().next().is_none());
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

async fn check(listing: StreamSettings, bound: Bound, lag: &str) {
    let generator = GeneratorSettings { same_ms: 7, ..GeneratorSettings::default() };
    let listing = StreamSettings { from: bound, to: bound, ..listing };
    let settings = TenantSettings { generator, ..TenantSettings::default() }.with_streams(&listing);
    let tenant = Simulated::with(settings, &[("lag", lag)]).await;
    tenant.backlog(EVENTS, 1);
    let folder = tempfile::tempdir().unwrap();
    let exact = |lines: &[String]| {
        let found = difference(&tenant.webex, lines.iter().map(String::as_str));
        assert_eq!(found, Difference::default());
    };

    let first = collect(&tenant, folder.path()).await;
    assert_eq!(first.len(), 3 * EVENTS);
    exact(&first);

    tenant.advance(1_000);
    let second = collect(&tenant, folder.path()).await;
    assert_eq!(second.len(), 3 * EVENTS, "a second run adds none");

    tenant.advance(20_000);
    for stream in Stream::ALL {
        // All at one millisecond, which is a run's last one.
        tenant.webex.burst(stream, LATER, tenant.now() - 1_001);
    }
    let third = collect(&tenant, folder.path()).await;
    assert_eq!(third.len(), 3 * (EVENTS + LATER), "a run after new events adds just those");
    assert_eq!(third[..first.len()], first, "nothing that was written is touched");
    exact(&third);
    assert_eq!(tenant.webex.leaks(), []);
}

#[tokio::test]
async fn newest_first_with_inclusive_bounds_and_no_lag() {
    check(StreamSettings::newest_first(), Bound::Inclusive, "0s").await;
}

#[tokio::test]
async fn newest_first_with_exclusive_bounds_and_a_lag_of_a_second() {
    check(StreamSettings::newest_first(), Bound::Exclusive, "1s").await;
}

#[tokio::test]
async fn oldest_first_with_inclusive_bounds_and_a_lag_of_a_second() {
    check(StreamSettings::oldest_first(), Bound::Inclusive, "1s").await;
}

#[tokio::test]
async fn oldest_first_with_exclusive_bounds_and_no_lag() {
    check(StreamSettings::oldest_first(), Bound::Exclusive, "0s").await;
}
