//! The status page: whoever carries the pager sees whether data flows, else why not and what to do.
//!
//! Whole without JavaScript, live with it: the script asks for the same page again and takes over what has changed. Nothing comes
//! from elsewhere, and neither style nor script stands in the page itself, so its policy can forbid both.
//!
//! | file | holds |
//! | --- | --- |
//! | `headline` | the first sentence: whether data flows |
//! | `problem` | what is wrong, and what to do about it |
//! | `tenant` | everything about one tenant |
//! | `overview` | many tenants, those with problems first |
//! | `stream`, `user`, `sink`, `recent` | the parts of a tenant |
//! | `light`, `graph`, `words` | shapes; bars; times, numbers and texts of others |
//! | `page.css`, `page.js` | what is served beside the page |

mod graph;
mod headline;
mod light;
mod overview;
mod problem;
mod recent;
mod sink;
mod stream;
mod tenant;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests;
mod user;
mod words;

use maud::{DOCTYPE, Markup, html};

use crate::board::view::{TenantView, View};
use headline::Headline;

/// Of `/assets/page.css`.
pub const CSS: &str = include_str!("page/page.css");
/// Of `/assets/page.js`.
pub const JS: &str = include_str!("page/page.js");

/// A live page asks again after so many seconds,
const REFRESH: u32 = 5;
/// and one of many tenants, which is long, after so many.
const REFRESH_OF_MANY: u32 = 15;
/// From so many tenants on.
const MANY: usize = 100;

/// The page of everything: of the only tenant, or of all.
pub fn status(view: &View) -> Markup {
    match view.tenants.as_slice() {
        [tenant] if tenant.name.is_none() => of_one(view, tenant),
        _ => {
            let headline = Headline::of_all(view);
            let main = html! {
                (headline.show())
                (overview::show(view))
            };
            document(view, &headline, None, &main)
        }
    }
}

/// The page of one of many tenants; none has that name: none.
pub fn tenant(view: &View, name: &str) -> Option<Markup> {
    let tenant = view.tenants.iter().find(|tenant| tenant.name.as_deref() == Some(name))?;
    Some(of_one(view, tenant))
}

fn of_one(view: &View, tenant: &TenantView) -> Markup {
    let headline = Headline::of_one(view, tenant);
    let main = html! {
        @if let Some(name) = &tenant.name {
            p.way { a href="/" { "All tenants" } " / " strong { (name) } }
        }
        (headline.show())
        (problem::others(tenant, &view.problems, &headline))
        (tenant::show(tenant, view.now, true))
    };
    document(view, &headline, tenant.name.as_deref(), &main)
}

fn document(view: &View, headline: &Headline<'_>, tenant: Option<&str>, main: &Markup) -> Markup {
    let own = tenant.map_or_else(|| "/".to_owned(), overview::address);
    let refresh = if view.tenants.len() < MANY || tenant.is_some() { REFRESH } else { REFRESH_OF_MANY };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title {
                    (headline.sentence) " \u{b7} "
                    @if let Some(tenant) = tenant { (tenant) " \u{b7} " }
                    "webex-collector"
                }
                link rel="icon" href=(light::icon(headline.light));
                link rel="stylesheet" href="/assets/page.css";
                script src="/assets/page.js" defer {}
            }
            body data-refresh=(refresh) {
                a.skip href="#main" { "To the content" }
                header.top {
                    p.brand { "webex-collector" }
                    @if view.simulated { p.simulated { "SIMULATED: no real tenant is collected from" } }
                    p.asof {
                        "as of " (words::clock(view.now)) " UTC"
                        span.dim { ", up for " (words::length(words::between(view.started, view.now))) }
                    }
                    noscript { a href=(own) { "Refresh" } }
                }
                p #stale role="alert" hidden {}
                main #main tabindex="-1" { (main) }
                p #told.hidden role="status" {}
                footer.end {
                    (glossary())
                    nav aria-label="For machines" {
                        a href="/readyz" { "readiness" } " " a href="/metrics" { "metrics" } " "
                        a href="/openapi.json" { "commands for playbooks" }
                    }
                    p.dim { "webex-collector " (env!("CARGO_PKG_VERSION")) ", all times in UTC" }
                }
            }
        }
    }
}

fn glossary() -> Markup {
    let words = [
        ("watermark", "every event that Webex lists up to this time is delivered"),
        ("lag", "how far the watermark is behind Webex's clock"),
        ("backlog", "time that is taken up and not read to its end, as after a first start or an outage"),
        ("repeated", "listed again, as expected where the newest time is read twice; not delivered again"),
        ("late", "delivered, though Webex listed it only after its time was read"),
        ("spool", "events on this machine's disk that wait for a sink"),
        ("dead letters", "events that a sink has refused; they are kept"),
    ];
    html! {
        details data-key="words" {
            summary { "What the words mean" }
            dl.words {
                @for (word, meaning) in words { div { dt { (word) } dd { (meaning) } } }
            }
        }
    }
}
