//! Everything about one tenant.

use maud::{Markup, html};

use super::{recent, sink, stream, user, words};
use crate::board::view::TenantView;

/// A head of a section on a page of one tenant, or within one of many.
pub(super) fn head(is_alone: bool, text: &str) -> Markup {
    html! { @if is_alone { h2 { (text) } } @else { h3 { (text) } } }
}

/// A head of a card in such a section.
pub(super) fn card_head(is_alone: bool, text: &str) -> Markup {
    html! { @if is_alone { h3 { (text) } } @else { h4 { (text) } } }
}

/// `is_alone`: the page is about nothing else.
pub(super) fn show(tenant: &TenantView, now: i64, is_alone: bool) -> Markup {
    let is_first_start = user::nobody_has_signed_in(tenant);
    html! {
        // Streams of which nothing is known would say less than the buttons, and take the place of them.
        @if is_first_start { (user::welcome(tenant, is_alone)) } @else { (stream::section(tenant, now, is_alone)) }
        div.pair data-key="pair" {
            @if !is_first_start { (user::section(tenant, now, is_alone)) }
            (sink::section(tenant, now, is_alone))
        }
        @if is_alone { (recent::section(tenant, now)) }
        (rounds(tenant, now))
    }
}

fn rounds(tenant: &TenantView, now: i64) -> Markup {
    let rounds = tenant.rounds;
    html! {
        p.rounds.dim {
            (words::count(rounds.done, "round")) " done, " (words::number(rounds.failed)) " failed"
            @if let Some(last) = rounds.last { ", the last one ended " (words::seen_from(now, last)) }
            "; one begins every " (words::length(u64::try_from(tenant.interval.as_millis()).unwrap_or(u64::MAX))) "."
        }
    }
}
