//! Many tenants: one line each, the worst first. The first ones open in place, and each has a page of its own.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::problem::{self, Told};
use super::{graph, light, tenant, user, words};
use crate::board::view::{Light, SinkView, TenantView, View};

/// So many open in place: a page of everything about a thousand tenants would be of no use.
const OPEN_IN_PLACE: usize = 25;

/// The page of a tenant.
pub(super) fn address(name: &str) -> String {
    let name: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("/?tenant={name}")
}

pub(super) fn show(view: &View) -> Markup {
    let mut tenants: Vec<&TenantView> = view.tenants.iter().collect();
    tenants.sort_by_key(|tenant| (Reverse(tenant.light), tenant.name.clone()));
    let is_whole = tenants.len() <= OPEN_IN_PLACE;
    html! {
        (problem::list(view.problems.iter().skip(1).map(|problem| Told { problem, tenant: None }), "Also"))
        @if !tenants.is_empty() {
            section data-key="tenants" {
                h2 { "Tenants" }
                (sums(view))
                @if !is_whole { p.dim { "The first " (OPEN_IN_PLACE) " open here, the others on a page of their own." } }
                ul.tenants {
                    @for (at, tenant) in tenants.into_iter().enumerate() {
                        (row(tenant, view.now, at < OPEN_IN_PLACE))
                    }
                }
            }
        }
    }
}

fn sums(view: &View) -> Markup {
    let so = |light: Light| view.tenants.iter().filter(|tenant| tenant.light == light).count();
    html! {
        ul.sums {
            @for light in [Light::Fail, Light::Warn, Light::Waiting, Light::Ok, Light::Off] {
                @if so(light) > 0 { li { (light::shape(light)) (so(light)) " " (light::said(light)) } }
            }
        }
    }
}

fn row(of: &TenantView, now: i64, opens: bool) -> Markup {
    let name = of.name.as_deref().unwrap_or_default();
    let key = words::key(&["tenant", name]);
    html! {
        li class=(light::class(of.light)) data-key=(key) {
            @if opens {
                details data-key=(key) {
                    summary { (line(of)) }
                    div.inside {
                        p { a href=(address(name)) { "The page of " (name) } ", with its recent events" }
                        ul.told {
                            @for told in problem::of(of, &[]) { li { (light::shape(told.light())) div { (told.show(false)) } } }
                        }
                        (tenant::show(of, now, false))
                    }
                }
            } @else {
                a.row href=(address(name)) { (line(of)) }
            }
        }
    }
}

fn line(of: &TenantView) -> Markup {
    let name = of.name.as_deref().unwrap_or_default();
    let told = problem::of(of, &[]);
    let on = || of.streams.iter().filter(|stream| stream.light != Light::Off);
    let why = match told.as_slice() {
        [] if user::nobody_has_signed_in(of) => "nobody has signed in yet".to_owned(),
        [] if of.light == Light::Waiting => "the first round is under way".to_owned(),
        [] if on().any(|stream| stream.backlog.is_some()) => "data flows; a backlog is being read".to_owned(),
        [] => "data flows".to_owned(),
        [only] => only.line(),
        [first, others @ ..] => format!("{} (and {} more)", first.line(), others.len()),
    };
    let lag = on().filter_map(|stream| stream.lag_ms).max();
    let a_minute: u64 = on().map(|stream| graph::last_minute(&stream.per_minute)).sum();
    let waiting: u64 = of.sinks.iter().map(waits).sum();
    html! {
        (light::light(of.light, name)) " "
        strong.name { (name) } " "
        span.why { (problem::capital(&why)) } " "
        span.numbers {
            span {
                span.dim { "lag " }
                @match lag { Some(lag) => (words::length(lag)), None => "\u{2013}" }
            }
            " "
            span { (words::number(a_minute)) span.dim { " a minute" } }
            " "
            span { (words::number(waiting)) span.dim { " waiting" } }
        }
    }
}

fn waits(sink: &SinkView) -> u64 {
    match sink {
        SinkView::Direct { .. } => 0,
        SinkView::Spooled { standing, .. } => standing.waiting,
    }
}
