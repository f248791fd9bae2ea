//! Users: who is signed in, for how long, and the button that signs in.

use maud::{Markup, html};

use super::problem::capital;
use super::stream::told_as;
use super::{graph, light, tenant, words};
use crate::board::view::{Light, TenantView, TokenLife, UserView};

/// Whether this is a first start: users are configured, none has signed in, and nothing was ever delivered.
pub(super) fn nobody_has_signed_in(of: &TenantView) -> bool {
    let mut configured = of.users.iter().filter(|user| user.configured).peekable();
    let nothing_came = of.streams.iter().all(|stream| stream.last_event.is_none() && stream.counts.delivered == 0);
    configured.peek().is_some() && nothing_came && configured.all(|user| !user.signed_in && !user.service_app)
}

/// Whether a button makes sense.
pub(super) fn can_sign_in(user: &UserView) -> bool {
    user.configured && !user.service_app
}

/// The button: Webex asks the person, and leads back here.
pub(super) fn sign_in(tenant: Option<&str>, user: &UserView) -> Markup {
    let again = if user.signed_in { "Sign in again" } else { "Sign in" };
    html! {
        form method="post" action="/sign-in" data-key="sign-in" {
            input type="hidden" name="tenant" value=(tenant.unwrap_or_default());
            input type="hidden" name="user" value=(user.name);
            button class=[(!user.signed_in).then_some("main")] { (again) " as " (words::clean(&user.title)) }
        }
    }
}

/// The first steps.
pub(super) fn welcome(of: &TenantView, is_alone: bool) -> Markup {
    html! {
        section.welcome data-key="welcome" {
            (tenant::head(is_alone, "Sign in"))
            p {
                "Webex asks for your account and leads back here. Sign each user in with its own account: where another one is signed \
                 in already, open this page in a private window."
            }
            div.cards {
                @for user in of.users.iter().filter(|user| user.configured) {
                    article.card data-key=(words::key(&["welcome", &user.name])) {
                        (tenant::card_head(is_alone, &capital(&words::clean(&user.title))))
                        p { (reads(user)) }
                        (sign_in(of.name.as_deref(), user))
                    }
                }
            }
        }
    }
}

fn reads(user: &UserView) -> String {
    match user.streams.as_slice() {
        [] => "No stream that it reads is on.".to_owned(),
        streams => format!("Reads {}.", words::clean(&words::list(streams))),
    }
}

pub(super) fn section(of: &TenantView, now: i64, is_alone: bool) -> Markup {
    html! {
        section data-key="users" {
            (tenant::head(is_alone, "Users"))
            @if of.users.is_empty() { p.empty { "None is known." } }
            div.cards { @for user in &of.users { (card(of, user, now, is_alone)) } }
        }
    }
}

fn card(of: &TenantView, user: &UserView, now: i64, is_alone: bool) -> Markup {
    let key = words::key(&["user", of.name.as_deref().unwrap_or_default(), &user.name]);
    html! {
        article class={ "card " (light::class(user.light)) } data-key=(key) {
            header {
                (tenant::card_head(is_alone, &capital(&words::clean(&user.title))))
                (light::light(user.light, &told_as(of, &user.title)))
            }
            p.dim { (reads(user)) }
            @match user.light {
                Light::Waiting => p.dim { "Whether it has signed in is not known yet." },
                Light::Off => p.dim { "Not configured: what it reads is not collected." },
                _ => (standing(user, now)),
            }
            @if can_sign_in(user) { (sign_in(of.name.as_deref(), user)) }
        }
    }
}

fn standing(user: &UserView, now: i64) -> Markup {
    let problem = words::sentence(&user.problem);
    // Of whoever has not signed in the button below does it.
    let remedy = if user.signed_in || !can_sign_in(user) { words::sentence(&user.remedy) } else { String::new() };
    let budget = graph::part(user.requests_last_minute, user.request_limit);
    html! {
        @if !problem.is_empty() { p { (problem) } }
        @if !remedy.is_empty() { p { strong { "What to do: " } (words::marked(&remedy)) } }
        @if user.service_app { p.dim { "Its tokens come from a Service App: nobody signs in." } }
        @if let Some(life) = user.refresh { (token("Refresh token", life, "then somebody has to sign in", now)) }
        @if let Some(life) = user.access { (token("Access token", life, "renewed by itself before", now)) }
        @if user.request_limit > 0 {
            div.life {
                (graph::share(budget, "requests"))
                p {
                    "Requests in the last minute: " (words::number(user.requests_last_minute)) " of "
                    (words::number(user.request_limit))
                }
            }
        }
    }
}

fn token(what: &str, life: TokenLife, then: &str, now: i64) -> Markup {
    let left = words::between(now, life.expires);
    let of_all = life.issued.map(|issued| graph::part(left, words::between(issued, life.expires)));
    let class = if of_all.is_some_and(|share| share < 0.1) { "token short" } else { "token" };
    html! {
        div.life {
            @if let Some(share) = of_all { (graph::share(share, class)) }
            p {
                (what) ": " @if left > 0 { (words::length(left)) " left" } @else { "over" }
                span.dim { ", until " (words::stamp(now, life.expires)) "; " (then) }
            }
        }
    }
}
