//! Sends requests, counts them, and tries once more what may work a moment later.

use std::cell::Cell;
use std::rc::Rc;

use crate::answer::{Verdict, judge};
use crate::budget::Budget;
use crate::effect::{Io, Level, Request, Response};
use crate::failure::{Code, Failure};
use crate::origin_clock::OriginClock;
use crate::redaction::redact_verdict;
use crate::secret::Secret;
use crate::stream::User;
use crate::time::Span;

/// The longest pause before a fault is tried again, of which a random part is taken ("full jitter"): most faults of one
/// server among many are over by then, and a call has 60 s for everything.
const FAULT_PAUSE: Span = Span::secs(1);

/// The longest wait that Webex may ask for and is waited within a call; a longer one ends the call, whose budget is better
/// used by asking again later: a twelfth of the default budget.
pub const SHORT_WAIT: Span = Span::secs(5);

/// The way to Webex within one call of the plugin.
#[derive(Debug)]
pub struct Wire {
    io: Io,
    deadline: Span,
    budget: Rc<Budget>,
    origin: OriginClock,
    requests: Cell<u64>,
    retries: Cell<u64>,
    waited: Cell<Span>,
}

impl Wire {
    /// `deadline` is of [`Io::elapsed`]; from then on nothing is tried again. `budget` is that of the user.
    pub fn new(io: Io, deadline: Span, budget: Rc<Budget>) -> Self {
        Self {
            io,
            deadline,
            budget,
            origin: OriginClock::default(),
            requests: Cell::new(0),
            retries: Cell::new(0),
            waited: Cell::new(Span::ZERO),
        }
    }

    /// The same deadline, nothing counted yet.
    pub fn fork(&self) -> Self {
        Self::new(self.io.clone(), self.deadline, Rc::clone(&self.budget))
    }

    /// Sends it, and once more after a fault or a short wait. Anything but 2xx is an error, whose texts hold none of these
    /// secrets.
    pub async fn send(&self, secrets: &[&Secret], request: impl Fn() -> Request) -> Result<Response, Verdict> {
        match self.send_once(secrets, request()).await {
            Ok(response) => Ok(response),
            Err(verdict) => match self.pause(&verdict) {
                None => Err(verdict),
                Some(pause) => {
                    self.wait(pause).await;
                    self.send_once(secrets, request()).await
                }
            },
        }
    }

    /// Sends it, once.
    pub async fn send_once(&self, secrets: &[&Secret], request: Request) -> Result<Response, Verdict> {
        self.requests.set(self.requests.get() + 1);
        let (sent_at, sent) = (self.io.now(), self.io.elapsed());
        self.budget.spend(sent_at);
        let answer = self.io.http(request).await;
        if let Ok(response) = &answer {
            self.origin.observe(response, sent, self.io.elapsed());
        }
        let now = self.io.now();
        let verdict = match judge(&answer, now) {
            Verdict::Wait(span, problem) => Verdict::Wait(self.budget.told(span, sent_at, now), problem),
            other => other,
        };
        // A short wait is about a burst; a long one says that the minute's worth was too much.
        if matches!(&verdict, Verdict::Wait(span, problem) if *span > SHORT_WAIT && problem.status == Some(429)) {
            self.budget.learn(now);
        }
        match answer {
            Ok(response) if verdict == Verdict::Ok => {
                self.budget.answered(sent_at);
                Ok(response)
            }
            _ => Err(redact_verdict(verdict, secrets)),
        }
    }

    /// Waits before a repetition, and counts it.
    pub async fn wait(&self, pause: Span) {
        self.io.log(Level::Info, "retry", format!("a request is sent again in {pause}"));
        self.io.sleep(pause).await;
        self.waited.set(self.waited.get() + pause);
        self.retries.set(self.retries.get() + 1);
    }

    /// How long to wait before sending once more after this answer; none: not in this call.
    pub fn pause(&self, verdict: &Verdict) -> Option<Span> {
        let pause = match verdict {
            Verdict::Fault(_) => {
                let random = u64::from_le_bytes(self.io.random()) % (FAULT_PAUSE.as_millis().unsigned_abs() + 1);
                Span::millis(i64::try_from(random).unwrap_or_default())
            }
            Verdict::Wait(span, _) if *span <= SHORT_WAIT => *span,
            Verdict::Ok
            | Verdict::Wait(..)
            | Verdict::Unauthorized(_)
            | Verdict::TooMuch(_)
            | Verdict::Refused(_)
            | Verdict::Redirected(_)
            | Verdict::Denied(_)
            | Verdict::Rejected(_) => return None,
        };
        self.time_for(pause).then_some(pause)
    }

    /// Waits until the user's budget allows another request. The failure: it does not in this call.
    pub async fn in_budget(&self, user: User) -> Result<(), Failure> {
        // A clock that stands still or is set back meanwhile does not make the wait longer.
        let (begun, before) = (self.io.now(), self.io.elapsed());
        loop {
            let now = self.io.now().max(begun + (self.io.elapsed() - before));
            let wait = self.budget.wait(now);
            if wait == Span::ZERO {
                return Ok(());
            }
            if !self.budget.waits_for(wait) || !self.time_for(wait) {
                let message =
                    format!("the {} requests a minute of the {} are used up", self.budget.rate(now), user.title());
                return Err(Failure::new(Code::Deadline, message, "").of_user(user).at(now + wait));
            }
            self.io.sleep(wait).await;
            self.waited.set(self.waited.get() + wait);
        }
    }

    /// Requests a minute that the user may send now.
    pub fn rate(&self) -> u32 {
        self.budget.rate(self.io.now())
    }

    /// Whether there is this much time and more before the deadline, and the host does not ask to stop.
    pub fn time_for(&self, span: Span) -> bool {
        !self.io.stopping() && self.io.elapsed() + span < self.deadline
    }

    /// The failure of having no time left, if so.
    pub fn out_of_time(&self, user: User) -> Option<Failure> {
        let failure = if self.io.stopping() {
            Failure::new(Code::Stopped, "the host asked to stop", "")
        } else if self.io.elapsed() >= self.deadline {
            Failure::new(Code::Deadline, "the time budget of the call ended", "")
        } else {
            return None;
        };
        Some(failure.of_user(user).at(self.io.now()))
    }

    /// What time it is at Webex, by its answers so far, errors included.
    pub const fn origin(&self) -> &OriginClock {
        &self.origin
    }

    /// Requests sent so far, repetitions included.
    pub fn requests(&self) -> u64 {
        self.requests.get()
    }

    /// Repetitions so far.
    pub fn retries(&self) -> u64 {
        self.retries.get()
    }

    /// Time that requests waited so far.
    pub fn waited(&self) -> Span {
        self.waited.get()
    }
}
