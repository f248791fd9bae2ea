//! The lines of a bulk request: for each event an action and a document.

use crate::sink::Event;
use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, SecondsFormat, Utc};
use sha2::{Digest, Sha256};

use super::names;

/// Bytes of an id that the receiver takes: `DocWriteRequest.validateDocIdLength`.
const LONGEST_ID: usize = 512;
/// Bytes around a body, about.
const AROUND: usize = 300;

/// The lines for these events; the item is in them as it is.
pub(super) fn lines(events: &[Event], index: impl Fn(&str) -> String) -> Vec<u8> {
    let now = Utc::now();
    let bodies: usize = events.iter().map(|event| event.body.len()).sum();
    let mut lines = Vec::with_capacity(bodies + events.len() * AROUND);
    // What is the same for all events of a stream.
    let mut heads: BTreeMap<&str, (Vec<u8>, Vec<u8>)> = BTreeMap::new();
    for event in events {
        let (action, dataset) = heads.entry(&event.stream).or_insert_with(|| {
            let (mut action, mut dataset) = (b"{\"create\":{\"_index\":".to_vec(), b",\"dataset\":".to_vec());
            put(&mut action, &index(&event.stream));
            action.extend_from_slice(b",\"_id\":");
            put(&mut dataset, &names::dataset(&event.stream));
            (action, dataset)
        });
        lines.extend_from_slice(action);
        put(&mut lines, &id(event));
        lines.extend_from_slice(b"}}\n{\"@timestamp\":\"");
        lines.extend_from_slice(time(event, now).as_bytes());
        lines.extend_from_slice(b"\",\"event\":{\"id\":");
        put(&mut lines, &event.id);
        lines.extend_from_slice(dataset);
        lines.push(b'}');
        if !event.org.is_empty() {
            lines.extend_from_slice(b",\"organization\":{\"id\":");
            put(&mut lines, &event.org);
            lines.push(b'}');
        }
        // A flattened field takes objects only.
        if event.body.trim_ascii_start().starts_with('{') {
            lines.extend_from_slice(b",\"data\":");
            lines.extend_from_slice(event.body.as_bytes());
            lines.extend_from_slice(b"}\n");
        } else {
            lines.extend_from_slice(b",\"data\":{\"value\":");
            lines.extend_from_slice(event.body.as_bytes());
            lines.extend_from_slice(b"}}\n");
        }
    }
    lines
}

/// The event's id, or what stands for it where the receiver does not take that: a function of the event all the same.
fn id(event: &Event) -> Cow<'_, str> {
    let of = match &*event.id {
        "" => &event.body,
        id if id.len() > LONGEST_ID => &event.id,
        id => return Cow::Borrowed(id),
    };
    Cow::Owned(format!("sha256-{}", Sha256::digest(of).iter().map(|byte| format!("{byte:02x}")).collect::<String>()))
}

/// When it happened; the time of the send where it does not say so in a way that the receiver reads.
fn time(event: &Event, now: DateTime<Utc>) -> String {
    let created =
        event.created.and_then(DateTime::from_timestamp_millis).filter(|time| (0..=9_999).contains(&time.year()));
    created.unwrap_or(now).to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn put(lines: &mut Vec<u8>, text: &str) {
    // A text is always JSON, and memory does not refuse.
    let _ = serde_json::to_writer(lines, text);
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn event(id: &str, body: &str) -> Event {
        Event {
            id: id.into(),
            org: "org-1".into(),
            stream: "events".into(),
            created: Some(1_764_300_000_123),
            body: body.into(),
        }
    }

    fn one(event: Event) -> String {
        String::from_utf8(lines(&[event], |stream| format!("webex-{stream}"))).unwrap()
    }

    #[test]
    fn an_action_and_a_document_a_line_each_with_the_item_as_it_is() {
        let body = r#"{"a" : 1e400, "a":2,"b":"\ud800"}"#;
        assert_eq!(
            one(event("events:o:1", body)),
            format!(
                "{{\"create\":{{\"_index\":\"webex-events\",\"_id\":\"events:o:1\"}}}}\n\
                 {{\"@timestamp\":\"2025-11-28T03:20:00.123Z\",\"event\":{{\"id\":\"events:o:1\",\"dataset\":\"webex.events\"}},\
                 \"organization\":{{\"id\":\"org-1\"}},\"data\":{body}}}\n"
            )
        );
    }

    #[test]
    fn what_is_no_object_stands_in_one() {
        for body in ["[1,2]", "null", "\"{\"", "1"] {
            assert!(one(event("1", body)).ends_with(&format!(",\"data\":{{\"value\":{body}}}}}\n")), "{body}");
        }
    }

    #[test]
    fn an_id_that_is_too_long_or_empty_is_a_hash_and_the_same_each_time() {
        let fits = "x".repeat(512);
        assert_eq!(id(&event(&fits, "{}")), fits);
        let long = event(&"x".repeat(513), "{}");
        assert!(id(&long).starts_with("sha256-") && id(&long).len() == 71, "{}", id(&long));
        assert_eq!(id(&long), id(&long.clone()));
        assert_ne!(id(&event("", "{}")), id(&event("", "{ }")));
    }

    #[test]
    fn an_event_without_a_readable_time_gets_the_time_of_the_send() {
        let now = DateTime::from_timestamp_millis(0).unwrap();
        for created in [None, Some(i64::MAX), Some(253_402_300_800_000)] {
            assert_eq!(time(&Event { created, ..event("1", "{}") }, now), "1970-01-01T00:00:00.000Z");
        }
        assert_eq!(time(&Event { created: Some(-1), ..event("1", "{}") }, now), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn an_event_of_no_organization_names_none() {
        assert!(!one(Event { org: String::new(), ..event("1", "{}") }).contains("organization"));
    }
}
