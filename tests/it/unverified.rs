//! What nobody knows about Webex's lists is a setting of the simulated tenant. Whatever it is, each event comes once.

use host_harness::runtime::Next;
use host_harness::simulator::{
    Bound, GeneratorSettings, LastPage, LinkWindow, ListingDelay, Order, Paging, Stream, StreamSettings, TenantSettings,
};

use crate::simulated::{Difference, Simulated};
use crate::support::whatever;

/// Events of each stream in the first run, in milliseconds of seven; with pages of fifty it is several pages and calls.
const EVENTS: usize = 140;
/// Events that come later.
const LATER: usize = 21;

const BOUNDS: [Bound; 2] = [Bound::Inclusive, Bound::Exclusive];
const LINK_WINDOWS: [LinkWindow; 3] = [LinkWindow::Whole, LinkWindow::WithoutEnd, LinkWindow::Remembered];
const LAST_PAGES: [LastPage; 3] = [LastPage::LinkWhenMore, LastPage::LinkWhenFull, LastPage::TrailingEmptyPage];
/// At once, or after up to four minutes, under the overlap of ten.
const DELAYS: [ListingDelay; 2] = [ListingDelay { min_ms: 0, max_ms: 0 }, ListingDelay { min_ms: 0, max_ms: 240_000 }];

/// Every way to list that an order and a paging leave open: bounds, what a link says of the window, when there is one, and
/// how late an event is listed.
fn ways(order: Order, paging: Paging) -> Vec<StreamSettings> {
    let mut ways = Vec::new();
    for from in BOUNDS {
        for to in BOUNDS {
            for link_window in LINK_WINDOWS {
                for last_page in LAST_PAGES {
                    for listing_delay in DELAYS {
                        let way = StreamSettings {
                            order,
                            paging,
                            from,
                            to,
                            link_window,
                            last_page,
                            listing_delay,
                            ..StreamSettings::newest_first()
                        };
                        ways.push(way);
                    }
                }
            }
        }
    }
    ways
}

/// One tenant whose three streams list in three ways.
async fn check([admin_audits, security_audits, events]: [StreamSettings; 3]) {
    let told = format!("{admin_audits:?}\n{security_audits:?}\n{events:?}");
    let generator = GeneratorSettings { body_bytes: 300, same_ms: 7, odd_one_in: 0 };
    let settings = TenantSettings { admin_audits, security_audits, events, generator, ..TenantSettings::default() };
    let mut tenant = Simulated::with(settings, &[("max_fetch", "50")]).await;
    let exact = |tenant: &Simulated, what: &str| {
        assert_eq!(tenant.difference(), Difference::default(), "{what}, of\n{told}");
    };

    // Twenty minutes that end one minute ago: what is listed late is late against the overlap's end, too.
    let end = tenant.now() - 60_000;
    for stream in Stream::ALL {
        tenant.webex.backlog(stream, EVENTS, end - 1_200_000, end);
    }
    // While it goes on, late ones appear between two pages and shift what is behind them.
    for call in 0.. {
        assert!(call < 500, "the first run does not end, of\n{told}");
        let batch = tenant.host.fetch(&whatever()).await.unwrap();
        if batch.next == Next::Idle {
            break;
        }
        tenant.advance(400);
    }
    let Difference { invented, repeated, .. } = tenant.difference();
    assert_eq!((invented, repeated), (0, 0), "the first run, of\n{told}");

    // A cycle later: in a shorter one the overlap would not be read again as a whole.
    tenant.advance(60_000);
    let listed: usize = Stream::ALL.iter().map(|stream| tenant.webex.listed(*stream).len()).sum();
    let (_, reports) = tenant.collect().await;
    assert!(reports.iter().all(|report| report.failure.is_none()), "{reports:?}");
    exact(&tenant, "a second run adds what is listed by now, and nothing else");
    assert_eq!(tenant.host.events.len(), listed);

    // Everything that was late is listed in the end, and new events have come.
    tenant.advance(300_000);
    for stream in Stream::ALL {
        tenant.webex.backlog(stream, LATER, tenant.now() - 240_000, tenant.now() - 3_000);
    }
    tenant.collect().await;
    exact(&tenant, "a run after new events adds just those");
    tenant.advance(300_000);
    tenant.collect().await;
    exact(&tenant, "the run that meets the last late ones");
    assert_eq!(tenant.host.events.len(), 3 * (EVENTS + LATER), "of\n{told}");
    assert_eq!(tenant.webex.leaks(), []);
    tenant.webex.stop().await;
}

/// Every way of an order and a paging, three at a time: one in each stream, another in each.
async fn check_all(order: Order, paging: Paging) {
    let ways = ways(order, paging);
    let third = ways.len() / 3;
    for index in 0..third {
        let way = |turn: usize| ways[(index + turn * third) % ways.len()].clone();
        // Which stream meets which third changes from way to way.
        check([way(index % 3), way((index + 1) % 3), way((index + 2) % 3)]).await;
    }
}

#[tokio::test]
async fn newest_first_by_offset() {
    check_all(Order::NewestFirst, Paging::Offset).await;
}

#[tokio::test]
async fn oldest_first_by_offset() {
    check_all(Order::OldestFirst, Paging::Offset).await;
}

#[tokio::test]
async fn newest_first_by_a_cursor_that_shifts() {
    check_all(Order::NewestFirst, Paging::ShiftingCursor).await;
}

#[tokio::test]
async fn oldest_first_by_a_cursor_that_shifts() {
    check_all(Order::OldestFirst, Paging::ShiftingCursor).await;
}

#[tokio::test]
async fn newest_first_by_an_anchored_cursor() {
    check_all(Order::NewestFirst, Paging::AnchoredCursor).await;
}

#[tokio::test]
async fn oldest_first_by_an_anchored_cursor() {
    check_all(Order::OldestFirst, Paging::AnchoredCursor).await;
}

#[tokio::test]
async fn newest_first_by_a_cursor_of_a_snapshot() {
    check_all(Order::NewestFirst, Paging::SnapshotCursor).await;
}

#[tokio::test]
async fn oldest_first_by_a_cursor_of_a_snapshot() {
    check_all(Order::OldestFirst, Paging::SnapshotCursor).await;
}
