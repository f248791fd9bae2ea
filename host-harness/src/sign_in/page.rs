//! What the browser shows at the end of a sign-in. A page needs nothing but itself, and shows no code and no state.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::{Completed, SignInError, Why};
use crate::redaction;
use crate::runtime::{Finding, RuntimeError, Verdict};

/// Each pair of colours has a contrast of 4.5 or more in both schemes.
const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#57606a;--paper:#fff;--line:#d0d7de;--link:#0b4f94;\
--ok:#116329;--warn:#7d4e00;--fail:#a40e26}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--dim:#a6aeb8;--paper:#14181d;--line:#3a424c;--link:#8ab8ff;\
--ok:#6fdd8b;--warn:#eac54f;--fail:#ff9a9a}}\
*{box-sizing:border-box}\
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.5 system-ui,sans-serif}\
main{max-width:40rem;margin:0 auto;padding:2rem 1rem;overflow-wrap:anywhere}\
h1{font-size:1.4rem;line-height:1.25;margin:0 0 1rem;border-left:.3rem solid var(--dim);padding-left:.75rem}\
h1.ok{border-color:var(--ok)}h1.warn{border-color:var(--warn)}h1.fail{border-color:var(--fail)}\
dl{margin:1.5rem 0;border-top:1px solid var(--line)}\
dl>div{padding:.6rem 0;border-bottom:1px solid var(--line)}\
dt{font-weight:600}dd{margin:0}.dim{color:var(--dim)}\
b.ok{color:var(--ok)}b.warn{color:var(--warn)}b.fail{color:var(--fail)}\
a{color:var(--link)}a:focus-visible{outline:.2rem solid var(--link);outline-offset:.2rem}\
nav{display:flex;flex-wrap:wrap;gap:1rem;margin-top:1.5rem}";

/// Only the style above, nothing that runs, is loaded, sent or framed.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = STANDARD.encode(Sha256::digest(STYLE));
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
});

/// Where the person can go from a page.
#[derive(Clone, Copy, Debug, Default)]
pub struct Links<'a> {
    /// The status page.
    pub back: Option<&'a str>,
    /// What begins the sign-in again, by GET.
    pub again: Option<&'a str>,
}

/// A whole page with its headers.
#[derive(Clone, Debug)]
pub struct Page {
    status: StatusCode,
    body: String,
}

impl Page {
    /// The sign-in is done.
    pub fn signed_in(completed: &Completed, links: Links<'_>) -> Self {
        let is_whole = completed.is_whole();
        let head = format!("The {} is signed in", completed.title);
        let body = html! {
            @if let Some(account) = &completed.account { p { "It is the account " strong { (clean(account)) } "." } }
            @if is_whole {
                p { "The collector has its tokens and goes on by itself. You can close this window." }
            } @else {
                p { "The collector has its tokens. There is something left to do, which is said below." }
            }
            (findings(&completed.findings))
            @if !is_whole { p { "You can close this window." } }
        };
        let class = if is_whole { "ok" } else { "warn" };
        Self::of(StatusCode::OK, class, &head, &body, Links { again: None, ..links })
    }

    /// The sign-in did not come to its end.
    pub fn not_signed_in(error: &SignInError, links: Links<'_>) -> Self {
        let (status, head, message, remedy, tracking_id) = match error {
            SignInError::Refused(refusal) => {
                let status = match refusal.why {
                    Why::Denied(_) | Why::Account => StatusCode::FORBIDDEN,
                    Why::State | Why::Text | Why::Code => StatusCode::BAD_REQUEST,
                };
                let tracking_id = refusal.tracking_id.as_deref();
                (status, refusal.head(), refusal.message.clone(), refusal.remedy.clone(), tracking_id)
            }
            SignInError::Failed(failure) => {
                let (head, tracking_id) = ("The sign-in failed".to_owned(), failure.tracking_id.as_deref());
                (StatusCode::BAD_GATEWAY, head, failure.message.clone(), failure.remedy.clone(), tracking_id)
            }
            SignInError::Runtime(RuntimeError::Stopped { .. }) => {
                let message = "The collector was asked to end while it completed the sign-in.".to_owned();
                let remedy = "Start it, and sign in again.".to_owned();
                (StatusCode::SERVICE_UNAVAILABLE, "The sign-in was not completed".to_owned(), message, remedy, None)
            }
            SignInError::Runtime(_) | SignInError::Commands { .. } | SignInError::Answer { .. } => {
                let remedy = "The log of the collector says more.".to_owned();
                (StatusCode::INTERNAL_SERVER_ERROR, "The sign-in failed".to_owned(), error.to_string(), remedy, None)
            }
        };
        let body = html! {
            p { (sentence(&message)) }
            @if !remedy.trim().is_empty() { p { strong { "What to do: " } (sentence(&remedy)) } }
            @if let Some(id) = tracking_id { p.dim { "Tracking id " (clean(id)) } }
        };
        Self::of(status, "fail", &head, &body, links)
    }

    /// A request with another state than that of the sign-in that waits, which goes on waiting.
    pub fn of_another_sign_in() -> Self {
        let body = html! {
            p { "This address is not of the sign-in that the collector waits for: it was used already, is too old, or is another's." }
            p { strong { "What to do: " } "Open the newest link that the collector has given. It is still waiting." }
        };
        Self::of(StatusCode::BAD_REQUEST, "fail", "This is not the sign-in that waits", &body, Links::default())
    }

    /// The address of the sign-in that waits, once more.
    pub(super) fn in_progress() -> Self {
        let body = html! {
            p { "The first window in which this address was opened shows how it goes, and so does the collector's own output." }
        };
        Self::of(StatusCode::CONFLICT, "warn", "This sign-in is being completed", &body, Links::default())
    }

    /// The program ended between the address and the answer.
    pub(super) fn unanswered() -> Self {
        let body = html! { p { "The collector's own output says how the sign-in went." } };
        Self::of(StatusCode::SERVICE_UNAVAILABLE, "warn", "The collector has ended", &body, Links::default())
    }

    /// Anything but a redirect of the sign-in.
    pub(super) fn nothing_here(status: StatusCode) -> Self {
        let body = html! { p { "Only the end of a sign-in is answered at this address." } };
        Self::of(status, "warn", "There is nothing here", &body, Links::default())
    }

    fn of(status: StatusCode, class: &str, head: &str, body: &Markup, links: Links<'_>) -> Self {
        let head = clean(head);
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width,initial-scale=1";
                    title { (head) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main {
                        h1 class=(class) { (head) }
                        (body)
                        @if links.back.is_some() || links.again.is_some() {
                            nav aria-label="Where to go" {
                                @if let Some(again) = links.again { a href=(again) { "Sign in again" } }
                                @if let Some(back) = links.back { a href=(back) { "Back to the status page" } }
                            }
                        }
                    }
                }
            }
        };
        Self { status, body: page.into_string() }
    }

    /// With what every such page is answered.
    pub(super) fn headers() -> [(HeaderName, HeaderValue); 5] {
        let policy = HeaderValue::from_str(&POLICY).unwrap_or(HeaderValue::from_static("default-src 'none'"));
        [
            (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (CONTENT_SECURITY_POLICY, policy),
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        ]
    }

    /// As an answer, with a body of any kind.
    pub(crate) fn answer<B: From<Bytes>>(self) -> http::Response<B> {
        let mut answer = http::Response::new(Bytes::from(self.body).into());
        *answer.status_mut() = self.status;
        answer.headers_mut().extend(Self::headers());
        answer
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        self.answer()
    }
}

fn findings(findings: &[Finding]) -> Markup {
    let word = |verdict| match verdict {
        Verdict::Ok => "ok",
        Verdict::Warn => "warn",
        Verdict::Fail => "fail",
    };
    html! {
        @if !findings.is_empty() {
            dl {
                @for finding in findings {
                    div {
                        dt { b class=(word(finding.verdict)) { (word(finding.verdict)) } " " (clean(&finding.subject)) }
                        dd { (sentence(&finding.text)) }
                        @if !finding.remedy.trim().is_empty() { dd.dim { (sentence(&finding.remedy)) } }
                    }
                }
            }
        }
    }
}

/// Without known secrets, and on one line. What it holds else, the template escapes.
fn clean(text: &str) -> String {
    crate::log::plain(&redaction::clean(text))
}

/// The same with a capital and a full stop.
fn sentence(text: &str) -> String {
    let text = clean(text);
    let text = text.trim().trim_end_matches('.');
    let mut letters = text.chars();
    let capital: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    if text.is_empty() { capital } else { format!("{capital}{}.", letters.as_str()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::sign_in::{Denial, Refusal};

    fn refusal(message: &str) -> SignInError {
        SignInError::Refused(Box::new(Refusal {
            why: Why::Denied(Denial::Declined),
            title: "admin".into(),
            message: message.into(),
            remedy: "sign in again and accept".into(),
            tracking_id: None,
        }))
    }

    fn completed(findings: Vec<Finding>) -> Completed {
        let account = Some("officer@tenant.example".to_owned());
        Completed { title: "compliance officer".into(), account, org_id: None, readable: String::new(), findings }
    }

    #[test]
    fn a_page_has_one_head_a_language_a_title_and_its_style_inside() {
        let pages = [
            Page::signed_in(&completed(Vec::new()), Links { back: Some("/"), again: None }),
            Page::not_signed_in(&refusal("no"), Links::default()),
            Page::of_another_sign_in(),
            Page::in_progress(),
            Page::unanswered(),
            Page::nothing_here(StatusCode::NOT_FOUND),
        ];
        for Page { body, .. } in pages {
            assert_eq!(body.matches("<h1").count(), 1, "{body}");
            assert!(body.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{body}");
            assert!(body.contains("<title>") && body.contains(&format!("<style>{STYLE}</style>")), "{body}");
            assert!(!body.contains("<script") && !body.contains("style=") && !body.contains("src="), "{body}");
        }
    }

    #[test]
    fn a_page_is_kept_nowhere_and_loads_nothing() {
        let answer: http::Response<axum::body::Body> = Page::of_another_sign_in().answer();
        let header = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert_eq!((header("cache-control"), header("referrer-policy")), ("no-store".into(), "no-referrer".into()));
        let policy = header("content-security-policy");
        let hash = STANDARD.encode(Sha256::digest(STYLE));
        assert!(policy.starts_with(&format!("default-src 'none'; style-src 'sha256-{hash}'; ")), "{policy}");
    }

    #[test]
    fn what_others_have_written_is_text_and_holds_no_secret() {
        redaction::learn(&"fake-code-of-a-sign-in".into());
        let page = Page::not_signed_in(&refusal("<script>alert(1)</script> fake-code-of-a-sign-in"), Links::default());
        assert!(page.body.contains("&lt;script&gt;alert(1)&lt;/script&gt; ***."), "{}", page.body);
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        let finding = Finding {
            subject: "a\"<b>".into(),
            verdict: Verdict::Fail,
            code: "refused".into(),
            text: "<img src=x>".into(),
            remedy: "mend it".into(),
        };
        let page = Page::signed_in(&completed(vec![finding]), Links::default());
        assert!(!page.body.contains("<img") && !page.body.contains("<b>"), "{}", page.body);
        assert!(page.body.contains("Mend it."), "{}", page.body);
    }

    #[test]
    fn a_refusal_says_what_happened_what_to_do_and_where_to_try_again() {
        let links = Links { back: Some("/status"), again: Some("/sign-in/admin?a=1&b=2") };
        let Page { body, .. } = Page::not_signed_in(&refusal("Webex said no"), links);
        for part in [
            "The admin is not signed in: the sign-in was declined",
            "<p>Webex said no.</p>",
            "<strong>What to do: </strong>Sign in again and accept.",
            "<a href=\"/sign-in/admin?a=1&amp;b=2\">Sign in again</a>",
            "<a href=\"/status\">Back to the status page</a>",
        ] {
            assert!(body.contains(part), "{part} in {body}");
        }
    }

    #[test]
    fn a_success_says_who_and_that_the_window_can_be_closed() {
        let Page { body, status } = Page::signed_in(&completed(Vec::new()), Links { back: None, again: Some("/x") });
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("The compliance officer is signed in"), "{body}");
        assert!(body.contains("It is the account <strong>officer@tenant.example</strong>."), "{body}");
        assert!(body.contains("You can close this window.") && !body.contains("/x"), "{body}");
    }
}
