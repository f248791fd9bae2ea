//! Sinks: what each has got, and what waits for it.

use maud::{Markup, html};

use super::stream::told_as;
use super::{graph, light, tenant, words};
use crate::board::view::{Light, SinkView, SpoolView, TenantView};
use crate::courier::Standing;

pub(super) fn section(of: &TenantView, now: i64, is_alone: bool) -> Markup {
    html! {
        section data-key="sinks" {
            (tenant::head(is_alone, "Sinks"))
            @if of.sinks.is_empty() { p.empty { "None is open yet." } }
            div.cards { @for sink in &of.sinks { (card(of, sink, now, is_alone)) } }
            @if let Some(spool) = of.spool { (show_spool(spool)) }
        }
    }
}

fn card(of: &TenantView, sink: &SinkView, now: i64, is_alone: bool) -> Markup {
    match sink {
        SinkView::Direct { name, place, delivered, last } => {
            let facts = html! {
                div { dt { "Written" } dd { (words::number(*delivered)) } }
                div { dt { "Last written" } dd { (when(*last, now)) } }
            };
            framed(of, (name, place, Light::Ok), is_alone, &facts, None)
        }
        SinkView::Spooled { light, standing } => {
            let facts = spooled(standing, now);
            framed(of, (standing.name.as_str(), &standing.place, *light), is_alone, &facts, standing.trouble())
        }
    }
}

fn framed(
    of: &TenantView,
    (name, place, light): (&str, &str, Light),
    is_alone: bool,
    facts: &Markup,
    trouble: Option<&str>,
) -> Markup {
    let key = words::key(&["sink", of.name.as_deref().unwrap_or_default(), name]);
    html! {
        article class={ "card " (light::class(light)) } data-key=(key) {
            header { (tenant::card_head(is_alone, &words::clean(name))) (light::light(light, &told_as(of, &format!("sink {name}")))) }
            p.dim { @if place == "-" { "standard output" } @else { (words::clean(place)) } }
            @if let Some(trouble) = trouble { div.trouble { p { strong { "Error: " } (words::sentence(trouble)) } } }
            dl.facts { (facts) }
        }
    }
}

fn spooled(standing: &Standing, now: i64) -> Markup {
    html! {
        div {
            dt { "Acknowledged" }
            dd {
                (words::number(standing.acknowledged))
                @if standing.known > 0 { span.dim { ", " (words::number(standing.known)) " of them known already" } }
            }
        }
        div { dt { "Waiting in the spool" } dd { (words::number(standing.waiting)) } }
        div { dt { "Refused" } dd { (words::number(standing.refused)) } }
        div class=[(standing.dead_letters > 0).then_some("warn")] { dt { "Dead letters" } dd { (words::number(standing.dead_letters)) } }
        div { dt { "Last acknowledged" } dd { (when(standing.last_acknowledged, now)) } }
    }
}

fn when(at: Option<i64>, now: i64) -> Markup {
    html! { @match at { Some(at) => (words::time(now, at)), None => span.dim { "nothing yet" } } }
}

fn show_spool(spool: SpoolView) -> Markup {
    html! {
        div.life.spool {
            (graph::share(graph::part(spool.bytes, spool.limit), if spool.is_full { "full short" } else { "full" }))
            p {
                "Spool: " (words::bytes(spool.bytes)) " of " (words::bytes(spool.limit))
                @if spool.is_full { strong { ", full: collecting pauses" } }
            }
        }
    }
}
