//! Streams: how each stands and why, how far it is, what came.

use maud::{Markup, html};

use super::problem::capital;
use super::{graph, light, tenant, words};
use crate::board::SIGN_IN_NEEDED;
use crate::board::view::{Backlog, Counts, Light, StreamView, TenantView, Trouble};

pub(super) fn section(of: &TenantView, now: i64, is_alone: bool) -> Markup {
    html! {
        section data-key="streams" {
            (tenant::head(is_alone, "Streams"))
            @if of.streams.is_empty() { p.empty { "None is known: the settings of this tenant could not be read." } }
            div.cards.streams { @for stream in &of.streams { (card(of, stream, now, is_alone)) } }
        }
    }
}

fn card(of: &TenantView, stream: &StreamView, now: i64, is_alone: bool) -> Markup {
    let is_off = stream.light == Light::Off;
    let name = of.name.as_deref().unwrap_or_default();
    html! {
        article class={ "card " (light::class(stream.light)) } data-key=(words::key(&["stream", name, &stream.name])) {
            header {
                (tenant::card_head(is_alone, &words::clean(&stream.title)))
                (light::light(stream.light, &told_as(of, &stream.title)))
            }
            p.reason { (capital(&words::clean(&stream.reason))) }
            @if !is_off {
                (graph::per_minute(&stream.per_minute))
                p.rate {
                    strong { (words::number(graph::last_minute(&stream.per_minute))) } " a minute"
                    span.dim { ", " (words::number(stream.per_minute.iter().sum())) " in the last hour" }
                }
                @if let Some(backlog) = stream.backlog { (show_backlog(backlog, now)) }
                (facts(stream, now))
                (troubles(stream, now))
            }
        }
    }
}

/// What a change of a light is told of.
pub(super) fn told_as(of: &TenantView, title: &str) -> String {
    let title = words::clean(title);
    of.name.as_ref().map_or_else(|| title.clone(), |name| format!("{name}, {title}"))
}

fn show_backlog(backlog: Backlog, now: i64) -> Markup {
    html! {
        div.backlog {
            (graph::share(backlog.done, "backlog"))
            p {
                "Backlog: " (graph::percent(backlog.done)) "\u{202f}% read, "
                (words::count(backlog.intervals.into(), "interval")) " left"
                @match backlog.ends {
                    Some(end) => { ", done in about " (words::length(words::between(now, end))) }
                    None => { ", its end is not known yet" }
                }
            }
        }
    }
}

fn facts(stream: &StreamView, now: i64) -> Markup {
    let Counts { delivered, repeated, late, odd, gaps, requests, retries, .. } = &stream.counts;
    let unknown = || html! { span.dim { "not known yet" } };
    html! {
        dl.facts {
            div { dt { "Lag" } dd { @match stream.lag_ms { Some(lag) => (words::length(lag)), None => (unknown()) } } }
            div {
                dt { "Watermark" }
                dd { @match stream.watermark { Some(at) => (words::stamp(now, at)), None => (unknown()) } }
            }
            div {
                dt { "Last event" }
                dd {
                    @match stream.last_event { Some(at) => (words::time(now, at)), None => span.dim { "none yet" } }
                }
            }
            div { dt { "Delivered" } dd { (words::number(*delivered)) } }
            div { dt { "Repeated" } dd { (words::number(*repeated)) } }
            div { dt { "Late" } dd { (words::number(*late)) } }
            div {
                dt { "Requests" }
                dd {
                    (words::number(*requests))
                    @if *retries > 0 { span.dim { ", " (words::number(*retries)) " retried" } }
                }
            }
            @if *odd > 0 { div { dt { "Not as documented" } dd { (words::number(*odd)) } } }
            @if *gaps > 0 { div.warn { dt { "Gaps" } dd { (words::number(*gaps)) } } }
        }
    }
}

fn troubles(stream: &StreamView, now: i64) -> Markup {
    html! {
        // That somebody has to sign in is said with the user, where the button is.
        @if let Some(failure) = stream.failure.as_ref().filter(|failure| failure.code != SIGN_IN_NEEDED) {
            (trouble(stream, if failure.holds { "Error" } else { "Last error, which is over" }, failure, now))
        }
        @for warning in &stream.warnings { (trouble(stream, "Warning", warning, now)) }
    }
}

fn trouble(of: &StreamView, what: &str, trouble: &Trouble, now: i64) -> Markup {
    let remedy = words::sentence(&trouble.remedy);
    // It stands above as the reason of the light.
    let is_said = trouble.text == of.reason;
    html! {
        div class=(if trouble.holds { "trouble" } else { "trouble over" }) {
            p {
                strong { (what) } " " span.dim { (words::seen_from(now, trouble.at)) }
                @if !is_said { ": " (words::marked(&words::sentence(&trouble.text))) }
                " " code { (words::clean(&trouble.code)) }
            }
            @if trouble.holds && !remedy.is_empty() { p { strong { "What to do: " } (words::marked(&remedy)) } }
        }
    }
}
