//! The latest events, as they were delivered.

use maud::{Markup, html};

use super::words;
use crate::board::view::{RecentEvent, TenantView};

/// Letters of a body that stand in its line.
const LINE_LETTERS: usize = 200;

pub(super) fn section(of: &TenantView, now: i64) -> Markup {
    let delivered: u64 = of.streams.iter().map(|stream| stream.counts.delivered).sum();
    html! {
        section data-key="recent" {
            h2 { "Recent events" }
            @if !of.recent.is_empty() {
                p.dim { "As they were delivered, the latest first. Open one to see it whole." }
                ol.events { @for event in &of.recent { (show(of, event, now)) } }
            } @else if delivered > 0 {
                p.empty { "No event is kept for this page." }
            } @else {
                p.empty { "No event was delivered since the start." }
            }
        }
    }
}

fn show(of: &TenantView, event: &RecentEvent, now: i64) -> Markup {
    let title = of.streams.iter().find(|stream| stream.name == event.stream).map(|stream| stream.title.as_str());
    let title = title.unwrap_or(&event.stream);
    let key = words::key(&["event", &event.stream, &event.id]);
    let line: String = event.body.chars().take(LINE_LETTERS).collect();
    html! {
        li data-key=(key) {
            details data-key=(key) {
                summary {
                    span.when { (words::stamp(now, event.created.unwrap_or(event.delivered))) }
                    span.of { (words::clean(title)) }
                    code.body { (line) }
                }
                p.dim {
                    "Delivered " (words::time(now, event.delivered)) @if event.is_cut { ". Only its beginning is shown." }
                }
                pre { (event.body) @if event.is_cut { "\u{2026}" } }
            }
        }
    }
}
