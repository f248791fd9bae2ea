//! The latest events, for a person who wants to see that something comes.

use std::collections::VecDeque;

use super::view::RecentEvent;
use crate::runtime::Bundle;

/// Letters of a body that are shown.
const MOST_LETTERS: usize = 2_000;

/// Looks at the ends of what a batch holds: what is in the middle of it nobody would see.
pub(super) fn preview(bundles: &[Bundle], most: usize, delivered: i64) -> Vec<RecentEvent> {
    let mut events = Vec::new();
    for bundle in bundles {
        let lines = bundle.lines.trim_end_matches('\n').rsplit('\n');
        for (event, line) in bundle.events.iter().rev().zip(lines).take(most) {
            let body: String = line.chars().take(MOST_LETTERS).collect();
            events.push(RecentEvent {
                id: event.id.clone(),
                stream: bundle.stream.clone(),
                created: event.created,
                delivered,
                is_cut: body.len() < line.len(),
                body,
            });
        }
    }
    // By the product's time, the latest first; those without one last.
    events.sort_by_key(|event| std::cmp::Reverse(event.created));
    events.truncate(most);
    events
}

/// Puts new ones before those that are there.
pub(super) fn add(recent: &mut VecDeque<RecentEvent>, new: Vec<RecentEvent>, most: usize) {
    for event in new.into_iter().rev() {
        recent.push_front(event);
    }
    recent.truncate(most);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::EventHead;

    fn bundle(stream: &str, events: &[(&str, i64, &str)]) -> Bundle {
        Bundle {
            stream: stream.to_owned(),
            org: String::new(),
            events: events.iter().map(|(id, at, _)| EventHead { id: (*id).to_owned(), created: Some(*at) }).collect(),
            lines: events.iter().map(|(_, _, body)| format!("{body}\n")).collect(),
        }
    }

    #[test]
    fn the_latest_of_a_batch_are_kept_with_their_own_bodies() {
        let batch = [
            bundle("events", &[("a", 1, "{\"n\":1}"), ("b", 5, "{\"n\":2}"), ("c", 3, "{\"n\":3}")]),
            bundle("admin_audits", &[("d", 4, "{\"n\":4}")]),
        ];
        let mut recent = VecDeque::new();
        add(&mut recent, preview(&batch, 2, 10), 3);
        let shown = |recent: &VecDeque<RecentEvent>| {
            recent.iter().map(|event| (event.id.clone(), event.body.clone())).collect::<Vec<_>>()
        };
        let of = |id: &str, body: &str| (id.to_owned(), body.to_owned());
        assert_eq!(shown(&recent), [of("b", "{\"n\":2}"), of("d", "{\"n\":4}")]);
        add(&mut recent, preview(&[bundle("events", &[("e", 9, "{}"), ("f", 8, "{}")])], 2, 11), 3);
        assert_eq!(shown(&recent), [of("e", "{}"), of("f", "{}"), of("b", "{\"n\":2}")]);
    }

    #[test]
    fn a_long_body_is_cut_between_letters() {
        let long = format!("{{\"text\":\"{}\"}}", "é".repeat(3_000));
        let [event] =
            preview(&[bundle("events", &[("a", 1, &long)])], 5, 0).try_into().unwrap_or_else(|_| unreachable!());
        assert!(event.is_cut);
        assert_eq!(event.body.chars().count(), MOST_LETTERS);
    }
}
