//! The events that the tenant has, per stream, each with its raw text and the moment from which it is listed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::value::RawValue;

use super::clock::parse_iso;
use super::stream::Stream;

/// An event as the tenant's own list shows it, for comparing with what was collected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedEvent {
    /// Its `id`, if the item has one that is text.
    pub id: Option<String>,
    /// When it happened, by which it is found and ordered.
    pub created_ms: i64,
    /// From when on the list endpoints show it.
    pub listed_at_ms: i64,
    /// The item's own text, byte for byte as it is sent.
    pub raw: Arc<str>,
}

/// What cannot be loaded as events.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The text is no JSON, or neither an array nor an object with `items`.
    #[error("events are neither a JSON array nor an object with `items`, give one of the two")]
    NotAList(#[source] serde_json::Error),
}

/// An event on its way into the store.
#[derive(Clone, Debug)]
pub(super) struct NewEvent {
    pub(super) created_ms: i64,
    pub(super) listed_at_ms: i64,
    pub(super) raw: String,
    pub(super) facets: Facets,
}

/// What the endpoints filter by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facets {
    pub(super) id: Option<String>,
    pub(super) actor_id: Option<String>,
    /// `data.eventCategory` of an audit.
    pub(super) category: Option<String>,
    /// `resource` of an event.
    pub(super) resource: Option<String>,
    /// `type` of an event.
    pub(super) kind: Option<String>,
}

impl Facets {
    /// Reads them from an item; whatever is missing or has another type is none.
    pub(super) fn of(raw: &str) -> Self {
        Self::from_members(&members(raw))
    }

    fn from_members(item: &Members<'_>) -> Self {
        let data = item.get("data").map_or_else(Members::new, |data| members(data.get()));
        Self {
            id: text(item, "id"),
            actor_id: text(item, "actorId"),
            category: text(&data, "eventCategory"),
            resource: text(item, "resource"),
            kind: text(item, "type"),
        }
    }
}

/// The members of an object, each as it stands: one that no parser takes, such as half a surrogate pair, spoils no other.
type Members<'a> = BTreeMap<String, &'a RawValue>;

fn members(raw: &str) -> Members<'_> {
    serde_json::from_str(raw).unwrap_or_default()
}

fn text(members: &Members<'_>, key: &str) -> Option<String> {
    serde_json::from_str(members.get(key)?.get()).ok()
}

/// A stored event. `(created_ms, number)` is its place: equal times keep the order in which they came.
#[derive(Debug)]
pub(super) struct StoredEvent {
    pub(super) created_ms: i64,
    pub(super) number: u64,
    pub(super) listed_at_ms: i64,
    pub(super) raw: Arc<str>,
    pub(super) facets: Facets,
}

impl StoredEvent {
    pub(super) fn place(&self) -> (i64, u64) {
        (self.created_ms, self.number)
    }

    fn listed(&self) -> ListedEvent {
        ListedEvent {
            id: self.facets.id.clone(),
            created_ms: self.created_ms,
            listed_at_ms: self.listed_at_ms,
            raw: Arc::clone(&self.raw),
        }
    }
}

/// All streams, each in the order of its places.
#[derive(Debug, Default)]
pub(super) struct EventStore {
    last_number: u64,
    admin_audits: Vec<Arc<StoredEvent>>,
    security_audits: Vec<Arc<StoredEvent>>,
    events: Vec<Arc<StoredEvent>>,
    /// `/v1/events/{id}` looks here.
    by_id: HashMap<String, Arc<StoredEvent>>,
    /// Texts that replace the listed ones where an event is asked for by id.
    mended: HashMap<String, String>,
}

impl EventStore {
    pub(super) fn add(&mut self, stream: Stream, new: NewEvent) {
        let event = self.numbered(stream, new);
        let events = self.stream_mut(stream);
        // Almost every event is the newest; the others find their place.
        let at = match events.last() {
            Some(last) if last.place() > event.place() => events.partition_point(|other| other.place() < event.place()),
            _ => events.len(),
        };
        events.insert(at, event);
    }

    pub(super) fn add_all(&mut self, stream: Stream, new: Vec<NewEvent>) {
        let mut numbered = Vec::with_capacity(new.len());
        for event in new {
            numbered.push(self.numbered(stream, event));
        }
        let events = self.stream_mut(stream);
        events.extend(numbered);
        events.sort_by_key(|event| event.place());
    }

    /// Adds the items of a page or an array with their text kept as it is. An item without a readable `created` takes `now_ms`.
    pub(super) fn load(&mut self, stream: Stream, text: &str, now_ms: i64) -> Result<usize, LoadError> {
        #[derive(serde::Deserialize)]
        struct Page<'a> {
            #[serde(borrow)]
            items: Vec<&'a RawValue>,
        }
        let items = match serde_json::from_str::<Vec<&RawValue>>(text) {
            Ok(items) => items,
            Err(_) => serde_json::from_str::<Page<'_>>(text).map_err(LoadError::NotAList)?.items,
        };
        let new: Vec<_> = items.into_iter().map(|item| Self::read(item.get(), now_ms)).collect();
        let count = new.len();
        self.add_all(stream, new);
        Ok(count)
    }

    fn read(raw: &str, now_ms: i64) -> NewEvent {
        let item = members(raw);
        let created_ms = text(&item, "created").and_then(|created| parse_iso(&created)).unwrap_or(now_ms);
        let facets = Facets::from_members(&item);
        NewEvent { created_ms, listed_at_ms: created_ms, raw: raw.to_owned(), facets }
    }

    /// From now on `/v1/events/{id}` answers this text.
    pub(super) fn mend(&mut self, id: String, raw: String) {
        self.mended.insert(id, raw);
    }

    /// The text that `/v1/events/{id}` answers, of an event that is listed by now.
    pub(super) fn by_id(&self, id: &str, now_ms: i64) -> Option<&str> {
        let event = self.by_id.get(id).filter(|event| event.listed_at_ms <= now_ms)?;
        Some(self.mended.get(id).map_or(&*event.raw, String::as_str))
    }

    pub(super) fn stream(&self, stream: Stream) -> &[Arc<StoredEvent>] {
        match stream {
            Stream::AdminAudits => &self.admin_audits,
            Stream::SecurityAudits => &self.security_audits,
            Stream::Events => &self.events,
        }
    }

    /// Oldest first: what is listed at `now_ms`, or everything.
    pub(super) fn listed(&self, stream: Stream, now_ms: Option<i64>) -> Vec<ListedEvent> {
        self.stream(stream)
            .iter()
            .filter(|event| now_ms.is_none_or(|now| event.listed_at_ms <= now))
            .map(|event| event.listed())
            .collect()
    }

    fn numbered(&mut self, stream: Stream, new: NewEvent) -> Arc<StoredEvent> {
        self.last_number += 1;
        let event = Arc::new(StoredEvent {
            created_ms: new.created_ms,
            number: self.last_number,
            listed_at_ms: new.listed_at_ms,
            raw: new.raw.into(),
            facets: new.facets,
        });
        if let (Stream::Events, Some(id)) = (stream, &event.facets.id) {
            self.by_id.insert(id.clone(), Arc::clone(&event));
        }
        event
    }

    fn stream_mut(&mut self, stream: Stream) -> &mut Vec<Arc<StoredEvent>> {
        match stream {
            Stream::AdminAudits => &mut self.admin_audits,
            Stream::SecurityAudits => &mut self.security_audits,
            Stream::Events => &mut self.events,
        }
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
    use super::*;

    fn event(created_ms: i64, listed_at_ms: i64, raw: &str) -> NewEvent {
        NewEvent { created_ms, listed_at_ms, raw: raw.to_owned(), facets: Facets::of(raw) }
    }

    fn raws(store: &EventStore, now_ms: Option<i64>) -> Vec<String> {
        store.listed(Stream::Events, now_ms).iter().map(|event| event.raw.to_string()).collect()
    }

    #[test]
    fn events_are_kept_by_time_and_ties_by_arrival() {
        let mut store = EventStore::default();
        store.add(Stream::Events, event(20, 20, "1"));
        store.add_all(Stream::Events, vec![event(30, 30, "2"), event(20, 20, "3"), event(10, 10, "4")]);
        store.add(Stream::Events, event(20, 20, "5"));
        assert_eq!(raws(&store, None), ["4", "1", "3", "5", "2"]);
        assert!(store.listed(Stream::AdminAudits, None).is_empty());
    }

    #[test]
    fn an_event_is_listed_from_its_moment_on() {
        let mut store = EventStore::default();
        store.add(Stream::Events, event(10, 500, r#"{"id":"a"}"#));
        assert!(raws(&store, Some(499)).is_empty());
        assert_eq!(store.by_id("a", 499), None);
        assert_eq!(raws(&store, Some(500)).len(), 1);
        assert_eq!(store.by_id("a", 500), Some(r#"{"id":"a"}"#));
    }

    #[test]
    fn a_mended_event_differs_by_id_only() {
        let mut store = EventStore::default();
        store.add(Stream::Events, event(1, 1, r#"{"id":"a"}"#));
        store.mend("a".into(), r#"{"id":"a","text":"now readable"}"#.into());
        assert_eq!(store.by_id("a", 1), Some(r#"{"id":"a","text":"now readable"}"#));
        assert_eq!(raws(&store, None), [r#"{"id":"a"}"#]);
    }

    #[test]
    fn a_page_is_loaded_with_its_text_as_it_is() {
        let page = "{\"items\": [\n  {\"id\": \"a\",\n   \"created\": \"1970-01-01T00:00:01.5Z\"},\n {\"id\":7, \"id\":8}, null ]}";
        let mut store = EventStore::default();
        assert_eq!(store.load(Stream::Events, page, 9_000).unwrap(), 3);
        let listed = store.listed(Stream::Events, None);
        assert_eq!((listed[0].id.as_deref(), listed[0].created_ms), (Some("a"), 1_500));
        assert_eq!(&*listed[0].raw, "{\"id\": \"a\",\n   \"created\": \"1970-01-01T00:00:01.5Z\"}");
        assert_eq!(
            (listed[1].id.as_deref(), listed[1].created_ms, &*listed[1].raw),
            (None, 9_000, "{\"id\":7, \"id\":8}")
        );
        assert_eq!(&*listed[2].raw, "null");
    }

    #[test]
    fn an_array_is_loaded_too_and_anything_else_is_refused() {
        let mut store = EventStore::default();
        assert_eq!(store.load(Stream::AdminAudits, "[{},{}]", 0).unwrap(), 2);
        for bad in ["", "{}", "7", "[1,"] {
            assert!(store.load(Stream::AdminAudits, bad, 0).is_err(), "{bad}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_spoils_no_other_member() {
        let facets = Facets::of(r#"{"text":"\ud800","id":"a","data":{"t":"\udfff","eventCategory":"LOGINS"}}"#);
        assert_eq!((facets.id.as_deref(), facets.category.as_deref()), (Some("a"), Some("LOGINS")));
    }

    #[test]
    fn facets_tolerate_any_type() {
        let facets =
            Facets::of(r#"{"id":"x","actorId":null,"type":3,"resource":"rooms","data":{"eventCategory":"LOGINS"}}"#);
        assert_eq!(
            facets,
            Facets {
                id: Some("x".into()),
                actor_id: None,
                category: Some("LOGINS".into()),
                resource: Some("rooms".into()),
                kind: None
            }
        );
        assert_eq!(Facets::of("null"), Facets::default());
    }
}
