//! What goes wrong on purpose: scripted on the n-th matching request, or at a seeded random rate.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::answer::{Answer, Delivery, Refusal, gateway_page};
use super::clock::http_date;
use super::endpoint::Endpoint;

/// Something that goes wrong with one request.
///
/// Faults that answer in place of the tenant (429, 423, a status, a redirect, an HTML page, no answer) leave no effect: a token is not
/// spent by them. Faults of delivery (resets, cuts) come after the effect: a refresh may have happened though its answer is lost.
/// Faults of a page touch the answers of the list endpoints only and leave others whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// 429 with a `text/html` body, as documented.
    TooManyRequests(RetryAfter),
    /// 423 in the Webex shape.
    Locked(RetryAfter),
    /// This status in the Webex shape; 502 to 504 come as the page of a gateway.
    Status(u16),
    /// 200 with a page of HTML.
    HtmlPage,
    /// 302 to this URL.
    Redirect(String),
    /// No answer until the client gives up.
    NoAnswer,
    /// The request works, but the connection is reset before the first byte of the answer.
    ResetBeforeAnswer,
    /// The request works, but the connection is reset in the middle of the body.
    ResetInBody,
    /// Half of the body arrives.
    CutBody(CutLength),
    /// A body that is not JSON at its end, complete by its length.
    InvalidJson,
    /// A page without `items`.
    ItemsMissing,
    /// A page whose `items` is `null`.
    ItemsNull,
    /// An empty page in place of this one, whose next link leads to this one.
    EmptyPageWithNext,
    /// The page, whose next link leads to it once more.
    SamePageNext,
    /// 200 with the body of an error, and no items.
    ErrorAsSuccess,
    /// The page with another next link.
    NextLink(WrongLink),
    /// The answer comes this many milliseconds later.
    Slow(u64),
}

impl Fault {
    /// The answer that takes the place of the tenant's, if the fault is of that kind.
    pub(super) fn instead(&self, now_ms: i64, tracking_id: &str) -> Option<Answer> {
        let waiting = |answer: Answer, retry_after: &RetryAfter| match retry_after.header(now_ms) {
            Some(value) => answer.header("retry-after", value),
            None => answer,
        };
        Some(match self {
            Self::TooManyRequests(retry_after) => waiting(too_many_requests(), retry_after),
            Self::Locked(retry_after) => {
                let refusal = Refusal::new(StatusCode::LOCKED, "The requested resource is temporarily unavailable.");
                waiting(refusal.answer(tracking_id), retry_after)
            }
            Self::Status(code) => {
                let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let reason = status.canonical_reason().unwrap_or("Error");
                match code {
                    502..=504 => Answer::html(status, gateway_page(reason)),
                    _ => Refusal::new(status, reason).answer(tracking_id),
                }
            }
            Self::HtmlPage => Answer::html(StatusCode::OK, gateway_page("Scheduled maintenance")),
            Self::ErrorAsSuccess => {
                Refusal { status: StatusCode::OK, ..Refusal::new(StatusCode::OK, "The backend failed.") }
                    .answer(tracking_id)
            }
            Self::Redirect(location) => Answer::redirect(location),
            Self::NoAnswer => Answer::json(StatusCode::OK, Bytes::new()).delivered(Delivery::Never),
            Self::ResetBeforeAnswer
            | Self::ResetInBody
            | Self::CutBody(_)
            | Self::InvalidJson
            | Self::ItemsMissing
            | Self::ItemsNull
            | Self::EmptyPageWithNext
            | Self::SamePageNext
            | Self::NextLink(_)
            | Self::Slow(_) => return None,
        })
    }

    /// The tenant's own answer, as it reaches the client.
    pub(super) fn deliver(&self, mut answer: Answer) -> Answer {
        match self {
            Self::ResetBeforeAnswer => answer.delivered(Delivery::ResetBefore),
            Self::ResetInBody => answer.delivered(Delivery::ResetInside),
            Self::CutBody(CutLength::OfTheWhole) => answer.delivered(Delivery::CutShort),
            Self::CutBody(CutLength::OfThePart) => {
                answer.body.truncate(answer.body.len() / 2);
                answer
            }
            Self::InvalidJson => {
                let mut body = answer.body.to_vec();
                body.pop();
                body.extend_from_slice(b",,");
                answer.body = body.into();
                answer
            }
            _ => answer,
        }
    }
}

/// 429 with the HTML body that the documentation shows.
pub(super) fn too_many_requests() -> Answer {
    Answer::html(StatusCode::TOO_MANY_REQUESTS, gateway_page("Too Many Requests"))
}

/// What a `Content-Length` says about a body that was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutLength {
    /// The length of the half that comes: the JSON ends too early, the HTTP message does not.
    OfThePart,
    /// The length of the whole: the connection is closed before it is reached.
    OfTheWhole,
}

/// A next link that must not be followed, or leads nowhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WrongLink {
    /// This target, such as the URL of a foreign origin.
    Target(String),
    /// The right target, with `https` for `http`.
    OtherScheme,
    /// The page itself.
    Loop,
    /// A header that holds no link at all.
    Garbage,
}

/// The `Retry-After` header of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// Whole seconds.
    Seconds(u64),
    /// The date this many seconds from now, by the tenant's clock.
    DateIn(i64),
    /// This text, whatever it is.
    Text(String),
    /// No such header.
    Absent,
}

impl RetryAfter {
    pub(super) fn header(&self, now_ms: i64) -> Option<String> {
        match self {
            Self::Seconds(seconds) => Some(seconds.to_string()),
            Self::DateIn(seconds) => Some(http_date(now_ms.saturating_add(seconds.saturating_mul(1_000)))),
            Self::Text(text) => Some(text.clone()),
            Self::Absent => None,
        }
    }
}

/// A fault for the requests that match, from the n-th on.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptedFault {
    fault: Fault,
    endpoint: Option<Endpoint>,
    account: Option<String>,
    nth: u32,
    times: u32,
    /// Of the matching requests one in so many.
    every: u32,
    met: u32,
}

impl ScriptedFault {
    /// For the first matching request, once.
    #[must_use]
    pub fn on(endpoint: Endpoint, fault: Fault) -> Self {
        Self { endpoint: Some(endpoint), ..Self::anywhere(fault) }
    }

    /// For the first request to any endpoint, once.
    #[must_use]
    pub fn anywhere(fault: Fault) -> Self {
        Self { fault, endpoint: None, account: None, nth: 1, times: 1, every: 1, met: 0 }
    }

    /// Only requests with a token of this account match.
    #[must_use]
    pub fn by(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// Starts at the `nth` matching request, counted from 1 after the script was set.
    #[must_use]
    pub fn nth(mut self, nth: u32) -> Self {
        self.nth = nth;
        self
    }

    /// Lasts for this many matching requests in a row; `u32::MAX` for ever.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// For ever, on each `n`-th matching request.
    #[must_use]
    pub fn every(mut self, n: u32) -> Self {
        self.every = n.max(1);
        self.nth = self.every;
        self.times = u32::MAX;
        self
    }

    /// Counts a request; whether the fault is due.
    fn meet(&mut self, endpoint: Endpoint, account: Option<&str>) -> bool {
        let matches = self.endpoint.is_none_or(|wanted| wanted == endpoint)
            && self.account.as_deref().is_none_or(|wanted| account == Some(wanted));
        if !matches {
            return false;
        }
        self.met = self.met.saturating_add(1);
        self.met >= self.nth && (self.met - self.nth) < self.times && (self.met - self.nth).is_multiple_of(self.every)
    }
}

/// Faults at a seeded random rate.
#[derive(Clone, Debug, PartialEq)]
pub struct RandomFault {
    /// Only here; none means everywhere.
    pub endpoint: Option<Endpoint>,
    /// Share of the requests that fail, 0 to 1.
    pub rate: f64,
    /// One of these is taken, each as likely as the other.
    pub faults: Vec<Fault>,
}

/// Time that every answer takes, drawn between the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// At least, in milliseconds.
    pub min_ms: u64,
    /// At most, in milliseconds.
    pub max_ms: u64,
}

/// What is due, and the dice.
#[derive(Debug)]
pub(super) struct FaultPlan {
    scripts: Vec<ScriptedFault>,
    dice: SmallRng,
}

impl FaultPlan {
    pub(super) fn new(seed: u64) -> Self {
        Self { scripts: Vec::new(), dice: SmallRng::seed_from_u64(seed) }
    }

    pub(super) fn script(&mut self, fault: ScriptedFault) {
        self.scripts.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.scripts.clear();
    }

    /// The fault of this request: the first script that is due, else by the dice. Every matching script counts it.
    pub(super) fn next(&mut self, endpoint: Endpoint, account: Option<&str>, random: &[RandomFault]) -> Option<Fault> {
        let mut due = None;
        for script in &mut self.scripts {
            if script.meet(endpoint, account) && due.is_none() {
                due = Some(script.fault.clone());
            }
        }
        for random in random {
            if random.endpoint.is_some_and(|wanted| wanted != endpoint) || random.faults.is_empty() {
                continue;
            }
            let strikes = self.dice.random_bool(random.rate.clamp(0.0, 1.0));
            let which = self.dice.random_range(0..random.faults.len());
            if strikes && due.is_none() {
                due = random.faults.get(which).cloned();
            }
        }
        due
    }

    pub(super) fn delay(&mut self, latency: Latency, fault: Option<&Fault>) -> Duration {
        let drawn = if latency.max_ms > latency.min_ms {
            self.dice.random_range(latency.min_ms..=latency.max_ms)
        } else {
            latency.min_ms
        };
        let slow = if let Some(Fault::Slow(ms)) = fault { *ms } else { 0 };
        Duration::from_millis(drawn.saturating_add(slow))
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn a_script_strikes_from_the_nth_matching_request_on() {
        let mut plan = FaultPlan::new(1);
        plan.script(ScriptedFault::on(Endpoint::Events, Fault::Status(503)).by("officer").nth(2).times(2));
        let mut met = |endpoint, account| plan.next(endpoint, account, &[]).is_some();
        assert!(!met(Endpoint::Events, Some("officer")), "first");
        assert!(!met(Endpoint::AdminAudits, Some("officer")), "another endpoint is not counted");
        assert!(!met(Endpoint::Events, Some("admin")), "another account is not counted");
        assert!(met(Endpoint::Events, Some("officer")), "second");
        assert!(met(Endpoint::Events, Some("officer")), "third");
        assert!(!met(Endpoint::Events, Some("officer")), "over");
    }

    #[test]
    fn the_same_seed_strikes_the_same_requests() {
        let random = [RandomFault { endpoint: None, rate: 0.3, faults: vec![Fault::HtmlPage, Fault::ItemsNull] }];
        let run = |seed| {
            let mut plan = FaultPlan::new(seed);
            (0..200).map(|_| plan.next(Endpoint::Events, None, &random)).collect::<Vec<_>>()
        };
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
        let struck = run(7).iter().flatten().count();
        assert!((30..90).contains(&struck), "{struck} of 200 at a rate of 0.3");
    }

    #[test]
    fn retry_after_has_every_form() {
        assert_eq!(RetryAfter::Seconds(3_600).header(0).as_deref(), Some("3600"));
        assert_eq!(RetryAfter::DateIn(2).header(1_000).as_deref(), Some("Thu, 01 Jan 1970 00:00:03 GMT"));
        assert_eq!(RetryAfter::Text("rand(30),add(30)".into()).header(0).as_deref(), Some("rand(30),add(30)"));
        assert_eq!(RetryAfter::Absent.header(0), None);
    }
}
