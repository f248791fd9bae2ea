//! One page of a list.

use std::sync::Arc;

use super::super::event_store::StoredEvent;
use super::StreamSettings;
use super::filter::Filter;
use super::window::{Bound, Window};

/// Which end of the window comes first. Equal times follow the same rule by order of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The newest event is on the first page.
    NewestFirst,
    /// The oldest event is on the first page.
    OldestFirst,
}

/// What a next link holds to find its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// `offset`: how many items to skip. Events that appear or vanish meanwhile shift the rest.
    Offset,
    /// A cursor that is an offset inside: opaque, and shifts all the same.
    ShiftingCursor,
    /// A cursor to the last item that was listed. Events that appear behind it are met, those before it are not.
    AnchoredCursor,
    /// A cursor that lists what was listed at the first request, and nothing that appeared later.
    SnapshotCursor,
}

/// When there is a next link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastPage {
    /// Only when another item follows.
    LinkWhenMore,
    /// Whenever the page is full: where the last page is full, an empty one follows.
    LinkWhenFull,
    /// On every page with items: the last page is always empty.
    TrailingEmptyPage,
}

/// Where a page starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Position {
    /// Behind so many items.
    Offset(usize),
    /// Behind the event at this place (time and number).
    After(i64, u64),
}

/// The items of a page, and where the next one starts if there is a link to it.
#[derive(Debug)]
pub(in super::super) struct Page {
    pub(in super::super) items: Vec<Arc<StoredEvent>>,
    pub(in super::super) next: Option<Position>,
}

/// What a page is cut from.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct List<'a> {
    pub(in super::super) events: &'a [Arc<StoredEvent>],
    pub(in super::super) settings: &'a StreamSettings,
    pub(in super::super) window: Window,
    pub(in super::super) filter: &'a Filter,
    /// Events that are listed later than this do not exist yet.
    pub(in super::super) horizon_ms: i64,
    pub(in super::super) now_ms: i64,
}

impl<'a> List<'a> {
    pub(in super::super) fn page(&self, position: Position, max: usize) -> Page {
        let in_window = self.in_window();
        let (skip, rest) = match position {
            Position::Offset(offset) => (offset, in_window),
            Position::After(created_ms, number) => (0, self.behind(in_window, (created_ms, number))),
        };
        let (mut oldest_first, mut newest_first);
        let ordered: &mut dyn Iterator<Item = &'a Arc<StoredEvent>> = match self.settings.order {
            Order::OldestFirst => {
                oldest_first = rest.iter();
                &mut oldest_first
            }
            Order::NewestFirst => {
                newest_first = rest.iter().rev();
                &mut newest_first
            }
        };
        let mut listed = ordered.filter(|event| self.lists(event)).skip(skip);
        let items: Vec<_> = listed.by_ref().take(max).cloned().collect();
        let linked = match self.settings.last_page {
            LastPage::LinkWhenMore => listed.next().is_some(),
            LastPage::LinkWhenFull => items.len() == max,
            LastPage::TrailingEmptyPage => !items.is_empty(),
        };
        let next = linked.then(|| self.behind_page(position, &items));
        Page { items, next }
    }

    /// How many events lie in the window.
    pub(in super::super) fn count(&self) -> usize {
        self.in_window().iter().filter(|event| self.lists(event)).count()
    }

    /// The start of the page that follows `items`.
    fn behind_page(&self, position: Position, items: &[Arc<StoredEvent>]) -> Position {
        match (self.settings.paging, position, items.last()) {
            (Paging::Offset | Paging::ShiftingCursor, Position::Offset(offset), _) => {
                Position::Offset(offset.saturating_add(items.len()))
            }
            (_, _, Some(last)) => Position::After(last.created_ms, last.number),
            (_, position, None) => position,
        }
    }

    fn in_window(&self) -> &'a [Arc<StoredEvent>] {
        let start = self.events.partition_point(|event| match self.settings.from {
            Bound::Inclusive => event.created_ms < self.window.from_ms,
            Bound::Exclusive => event.created_ms <= self.window.from_ms,
        });
        let end = self.events.partition_point(|event| match self.settings.to {
            Bound::Inclusive => event.created_ms <= self.window.to_ms,
            Bound::Exclusive => event.created_ms < self.window.to_ms,
        });
        self.events.get(start..end).unwrap_or_default()
    }

    /// The part that comes behind a place, in the order of the list.
    fn behind(&self, events: &'a [Arc<StoredEvent>], place: (i64, u64)) -> &'a [Arc<StoredEvent>] {
        match self.settings.order {
            Order::OldestFirst => {
                let start = events.partition_point(|event| event.place() <= place);
                events.get(start..).unwrap_or_default()
            }
            Order::NewestFirst => {
                let end = events.partition_point(|event| event.place() < place);
                events.get(..end).unwrap_or_default()
            }
        }
    }

    fn lists(&self, event: &StoredEvent) -> bool {
        event.listed_at_ms <= self.horizon_ms
            && self.settings.retention_ms.is_none_or(|kept| event.created_ms >= self.now_ms.saturating_sub(kept))
            && self.filter.takes(&event.facets)
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::super::super::event_store::{EventStore, Facets, NewEvent};
    use super::super::super::stream::Stream;
    use super::*;

    fn store(created: &[i64]) -> EventStore {
        let mut store = EventStore::default();
        for (index, &created_ms) in created.iter().enumerate() {
            add(&mut store, created_ms, 0, &index.to_string());
        }
        store
    }

    fn add(store: &mut EventStore, created_ms: i64, listed_at_ms: i64, raw: &str) {
        store.add(Stream::Events, NewEvent { created_ms, listed_at_ms, raw: raw.into(), facets: Facets::default() });
    }

    fn list<'a>(
        store: &'a EventStore,
        settings: &'a StreamSettings,
        filter: &'a Filter,
        window: (i64, i64),
    ) -> List<'a> {
        List {
            events: store.stream(Stream::Events),
            settings,
            window: Window { from_ms: window.0, to_ms: window.1 },
            filter,
            horizon_ms: 1_000,
            now_ms: 1_000,
        }
    }

    fn raws(page: &Page) -> Vec<&str> {
        page.items.iter().map(|event| &*event.raw).collect()
    }

    #[test]
    fn each_bound_is_as_set() {
        let store = store(&[10, 20, 20, 30]);
        let filter = Filter::default();
        for (from, to, want) in [
            (Bound::Inclusive, Bound::Inclusive, &["0", "1", "2", "3"][..]),
            (Bound::Inclusive, Bound::Exclusive, &["0", "1", "2"]),
            (Bound::Exclusive, Bound::Inclusive, &["1", "2", "3"]),
            (Bound::Exclusive, Bound::Exclusive, &["1", "2"]),
        ] {
            let settings = StreamSettings { from, to, ..StreamSettings::oldest_first() };
            let page = list(&store, &settings, &filter, (10, 30)).page(Position::Offset(0), 100);
            assert_eq!(raws(&page), want, "from {from:?} to {to:?}");
        }
    }

    #[test]
    fn the_last_page_links_as_set() {
        let store = store(&[1, 2, 3, 4]);
        let filter = Filter::default();
        for (last_page, max, sizes) in [
            (LastPage::LinkWhenMore, 2, &[2, 2][..]),
            (LastPage::LinkWhenMore, 3, &[3, 1]),
            (LastPage::LinkWhenFull, 2, &[2, 2, 0]),
            (LastPage::LinkWhenFull, 3, &[3, 1]),
            (LastPage::TrailingEmptyPage, 3, &[3, 1, 0]),
        ] {
            let settings = StreamSettings { last_page, ..StreamSettings::newest_first() };
            let list = list(&store, &settings, &filter, (0, 10));
            let (mut met, mut position) = (Vec::new(), Some(Position::Offset(0)));
            while let Some(at) = position {
                let page = list.page(at, max);
                met.push(page.items.len());
                position = page.next;
                assert!(met.len() < 10, "{last_page:?} does not end");
            }
            assert_eq!(met, sizes, "{last_page:?} by {max}");
        }
    }

    #[test]
    fn an_insertion_shifts_offsets_and_leaves_anchors_alone() {
        for (paging, want) in [(Paging::Offset, &["2", "1"][..]), (Paging::AnchoredCursor, &["1", "0"])] {
            let mut store = store(&[1, 2, 3, 4]);
            let settings = StreamSettings { paging, ..StreamSettings::newest_first() };
            let filter = Filter::default();
            let first = list(&store, &settings, &filter, (0, 10)).page(Position::Offset(0), 2);
            assert_eq!(raws(&first), ["3", "2"]);
            add(&mut store, 5, 0, "new");
            let second = list(&store, &settings, &filter, (0, 10)).page(first.next.unwrap(), 2);
            assert_eq!(raws(&second), want, "{paging:?}");
        }
    }

    #[test]
    fn what_is_listed_later_or_kept_no_more_is_not_there() {
        let mut store = store(&[1, 500]);
        add(&mut store, 600, 1_001, "later");
        let filter = Filter::default();
        let settings = StreamSettings { retention_ms: Some(600), ..StreamSettings::oldest_first() };
        assert_eq!(raws(&list(&store, &settings, &filter, (0, 2_000)).page(Position::Offset(0), 10)), ["1"]);
    }
}
