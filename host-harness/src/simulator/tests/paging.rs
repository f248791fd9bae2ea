use super::*;
use url::Url;

/// Every page from a first request on, by following links as a careful client does: a window's end that the link leaves out is added.
async fn drain(
    tenant: &SimulatedTenant,
    client: &Client,
    stream: Stream,
    bearer: &str,
    first: &str,
) -> Vec<Vec<String>> {
    let mut url = Url::parse(&tenant.origin()).unwrap().join(first).unwrap();
    let (_, to_key) = stream.window_keys();
    let to = url.query_pairs().find(|(key, _)| key == to_key).unwrap().1.into_owned();
    let mut pages = Vec::new();
    loop {
        let answer = client.get(url.as_str(), Some(bearer)).await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        pages.push(answer.items());
        assert!(pages.len() <= 50, "the links do not end");
        let Some(link) = answer.next_link() else {
            return pages;
        };
        url = url.join(&link).unwrap();
        if !url.query_pairs().any(|(key, _)| key == to_key) {
            url.query_pairs_mut().append_pair(to_key, &to);
        }
    }
}

/// All that Webex leaves unsaid about a list, in every combination.
fn combinations() -> Vec<StreamSettings> {
    let mut all = vec![StreamSettings::newest_first()];
    all = vary(&all, [Order::NewestFirst, Order::OldestFirst], |listing, order| listing.order = order);
    all = vary(&all, [Bound::Inclusive, Bound::Exclusive], |listing, bound| listing.from = bound);
    all = vary(&all, [Bound::Inclusive, Bound::Exclusive], |listing, bound| listing.to = bound);
    let pagings = [Paging::Offset, Paging::ShiftingCursor, Paging::AnchoredCursor, Paging::SnapshotCursor];
    all = vary(&all, pagings, |listing, paging| listing.paging = paging);
    let last_pages = [LastPage::LinkWhenMore, LastPage::LinkWhenFull, LastPage::TrailingEmptyPage];
    all = vary(&all, last_pages, |listing, last_page| listing.last_page = last_page);
    let link_windows = [LinkWindow::Whole, LinkWindow::WithoutEnd, LinkWindow::Remembered];
    vary(&all, link_windows, |listing, link_window| listing.link_window = link_window)
}

fn vary<T: Copy, const N: usize>(
    all: &[StreamSettings],
    values: [T; N],
    set: impl Fn(&mut StreamSettings, T),
) -> Vec<StreamSettings> {
    let mut varied = Vec::new();
    for listing in all {
        for value in values {
            let mut listing = listing.clone();
            set(&mut listing, value);
            varied.push(listing);
        }
    }
    varied
}

#[tokio::test]
async fn every_combination_of_order_bounds_cursor_and_link_lists_each_event_once() {
    let (tenant, client) = start(settings()).await;
    let (from, to) = (NOW - HOUR, NOW - 1_000);
    let tie = NOW - HOUR / 2;
    let combinations = combinations();
    assert_eq!(combinations.len(), 288);
    for stream in Stream::ALL {
        // Both edges and a tie in the middle, so that bounds and anchors matter.
        for created in [from, from + 1, tie, tie, tie, tie, to - 1, to, to] {
            tenant.add_generated(stream, created);
        }
        let bearer = bearer(&tenant, stream);
        let start = first(&tenant, stream, from, to, 3);
        for listing in &combinations {
            tenant.change(|settings| settings.stream_mut(stream).clone_from(listing));
            let pages = drain(&tenant, &client, stream, &bearer, &start).await;
            let mut want: Vec<String> = tenant
                .listed(stream)
                .into_iter()
                .filter(|event| listing.from == Bound::Inclusive || event.created_ms != from)
                .filter(|event| listing.to == Bound::Inclusive || event.created_ms != to)
                .map(|event| event.raw.to_string())
                .collect();
            if listing.order == Order::NewestFirst {
                want.reverse();
            }
            assert_eq!(pages.concat(), want, "{stream} {listing:?}");
            let trailing = match listing.last_page {
                LastPage::LinkWhenMore => false,
                LastPage::LinkWhenFull => want.len().is_multiple_of(3),
                LastPage::TrailingEmptyPage => true,
            };
            assert_eq!(pages.last().is_some_and(Vec::is_empty), trailing, "{stream} {listing:?}");
        }
    }
    assert!(tenant.leaks().is_empty());
    tenant.stop().await;
}

#[tokio::test]
async fn an_events_link_without_its_end_lists_up_to_now() {
    let (tenant, client) = start(settings()).await;
    tenant.change(|settings| settings.events.link_window = LinkWindow::WithoutEnd);
    tenant.backlog(Stream::Events, 4, NOW - HOUR, NOW - 1_000);
    tenant.add_generated(Stream::Events, NOW - 1);
    let bearer = bearer(&tenant, Stream::Events);
    let one = client.get(&first(&tenant, Stream::Events, NOW - HOUR, NOW - 1_000, 3), Some(&bearer)).await.unwrap();
    let two = client.get(&one.next_link().unwrap(), Some(&bearer)).await.unwrap();
    assert_eq!((one.items().len(), two.items().len()), (3, 2));
    tenant.stop().await;
}

#[tokio::test]
async fn every_link_style_leads_through_every_stream() {
    let (tenant, client) = start(settings()).await;
    for stream in Stream::ALL {
        tenant.backlog(stream, 25, NOW - HOUR, NOW);
        let bearer = bearer(&tenant, stream);
        for link_style in LinkStyle::ALL {
            tenant.change(|settings| settings.stream_mut(stream).link_style = link_style);
            let start = first(&tenant, stream, NOW - HOUR, NOW, 10);
            let pages = drain(&tenant, &client, stream, &bearer, &start).await;
            let sizes: Vec<_> = pages.iter().map(Vec::len).collect();
            assert_eq!(sizes, [10, 10, 5], "{stream} {link_style:?}");
        }
    }
    tenant.stop().await;
}

#[tokio::test]
async fn a_cursor_is_stable_against_late_listings_or_shifts_as_set() {
    for (paging, second_page) in [
        (Paging::Offset, ["b", "a"]),
        (Paging::ShiftingCursor, ["b", "a"]),
        (Paging::AnchoredCursor, ["late", "a"]),
        (Paging::SnapshotCursor, ["a", ""]),
    ] {
        let listing = StreamSettings { paging, ..StreamSettings::newest_first() };
        let (tenant, client) = start(settings().with_streams(&listing)).await;
        for (raw, created) in [("a", 10), ("b", 30), ("c", 40)] {
            tenant.add(Stream::Events, NOW - HOUR + created, NOW - HOUR, format!("{raw:?}"));
        }
        // Listed once the first page was read: one behind the first page, one before it where the offset shifts.
        let late = if matches!(paging, Paging::Offset | Paging::ShiftingCursor) { 50 } else { 20 };
        tenant.add(Stream::Events, NOW - HOUR + late, NOW + 5, "\"late\"");
        let bearer = bearer(&tenant, Stream::Events);
        let one = client.get(&first(&tenant, Stream::Events, NOW - HOUR, NOW, 2), Some(&bearer)).await.unwrap();
        assert_eq!(one.items(), ["\"c\"", "\"b\""]);
        tenant.clock().advance(5);
        let two = client.get(&one.next_link().unwrap(), Some(&bearer)).await.unwrap();
        let want: Vec<_> = second_page.iter().filter(|raw| !raw.is_empty()).map(|raw| format!("{raw:?}")).collect();
        assert_eq!(two.items(), want, "{paging:?}");
        tenant.stop().await;
    }
}

#[tokio::test]
async fn a_link_dies_by_time_or_use_with_the_status_that_is_set() {
    for paging in [Paging::Offset, Paging::AnchoredCursor] {
        let (tenant, client) = start(settings()).await;
        tenant.backlog(Stream::Events, 9, NOW - HOUR, NOW);
        let bearer = bearer(&tenant, Stream::Events);
        let first = first(&tenant, Stream::Events, NOW - HOUR, NOW, 4);
        for (link_life, status) in [(LinkLife::Uses(2), 410), (LinkLife::Millis(1_000), 404)] {
            tenant.change(|settings| {
                let listing = &mut settings.events;
                (listing.paging, listing.link_life, listing.expired_link_status) = (paging, link_life, status);
            });
            let link = client.get(&first, Some(&bearer)).await.unwrap().next_link().unwrap();
            assert_eq!(client.get(&link, Some(&bearer)).await.unwrap().status, 200);
            assert_eq!(client.get(&link, Some(&bearer)).await.unwrap().status, 200);
            tenant.clock().advance(1_001);
            let dead = client.get(&link, Some(&bearer)).await.unwrap();
            assert_eq!(dead.status, status, "{paging:?} {link_life:?}");
            assert!(dead.json()["errors"][0]["description"].as_str().unwrap().contains("expired"));
            // A new first request gives the same place a new life.
            let again = client.get(&first, Some(&bearer)).await.unwrap().next_link().unwrap();
            assert_eq!(client.get(&again, Some(&bearer)).await.unwrap().status, 200);
        }
        tenant.stop().await;
    }
}

#[tokio::test]
async fn an_audit_link_without_its_end_needs_it_added() {
    let (tenant, client) = start(settings()).await;
    tenant.change(|settings| settings.security_audits.link_window = LinkWindow::WithoutEnd);
    tenant.backlog(Stream::SecurityAudits, 5, NOW - HOUR, NOW);
    let bearer = bearer(&tenant, Stream::SecurityAudits);
    let first = first(&tenant, Stream::SecurityAudits, NOW - HOUR, NOW, 3);
    let link = client.get(&first, Some(&bearer)).await.unwrap().next_link().unwrap();
    let refused = client.get(&link, Some(&bearer)).await.unwrap();
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("'endTime'"));
    let whole = client.get(&format!("{link}&endTime={}", iso(NOW)), Some(&bearer)).await.unwrap();
    assert_eq!(whole.items().len(), 2);
    tenant.stop().await;
}

#[tokio::test]
async fn events_appear_after_their_listing_delay() {
    let (tenant, client) = start(settings()).await;
    tenant.change(|settings| settings.events.listing_delay = ListingDelay { min_ms: 60_000, max_ms: 60_000 });
    tenant.add_generated(Stream::Events, NOW - 1_000);
    let bearer = bearer(&tenant, Stream::Events);
    let first = first(&tenant, Stream::Events, NOW - HOUR, NOW, 10);
    assert!(client.get(&first, Some(&bearer)).await.unwrap().items().is_empty());
    assert!(tenant.listed(Stream::Events).is_empty());
    assert_eq!(tenant.added(Stream::Events).len(), 1);
    tenant.clock().advance(59_000);
    assert_eq!(client.get(&first, Some(&bearer)).await.unwrap().items().len(), 1);
    tenant.stop().await;
}

#[tokio::test]
async fn loaded_items_are_sent_as_they_are() {
    let (tenant, client) = start(settings()).await;
    let text = "[{\"created\": \"2026-01-31T23:00:00.5Z\",\n  \"a\" : 1.50, \"a\": 1e3, \"t\": \"\\ud800\"}]";
    assert_eq!(tenant.load(Stream::Events, text).unwrap(), 1);
    let bearer = bearer(&tenant, Stream::Events);
    let page = client.get(&first(&tenant, Stream::Events, NOW - 2 * HOUR, NOW, 10), Some(&bearer)).await.unwrap();
    assert_eq!(page.text(), format!("{{\"items\":{text}}}"));
    tenant.stop().await;
}
