//! What the core asks of the outside, and how it is driven.
//!
//! The core does no I/O and reads no clock. It is written as futures over an [`Io`]: each `await` puts an [`Effect`] on the
//! desk. Whoever drives it (the wasm shell, a test, a simulation) owns a [`Run`], takes the effects of each turn, carries
//! them out in any order, side by side if it likes, and gives the answers back. The same answers in the same order with the
//! same clock and random seed give the same result, byte for byte.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use sha2::{Digest, Sha256};
use url::Url;

use crate::secret::{Revision, Secret, SecretName, Versioned};
use crate::time::{Span, Timestamp};

/// One thing to be done outside.
#[derive(Debug)]
pub enum Effect {
    /// Send this; answer with [`Answer::Http`].
    Http(Request),
    /// Read a secret; answer with [`Answer::Read`].
    ReadSecret(SecretName),
    /// Compare-and-set a secret; answer with [`Answer::Replaced`].
    ReplaceSecret {
        /// Which.
        name: SecretName,
        /// The revision it must have; none: it must not exist.
        expected: Option<Revision>,
        /// What to store.
        value: Secret,
    },
    /// Let this time pass; answer with [`Answer::Slept`].
    Sleep(Span),
}

/// What came of an effect.
#[derive(Debug)]
pub enum Answer {
    /// Of [`Effect::Http`].
    Http(Result<Response, HttpError>),
    /// Of [`Effect::ReadSecret`].
    Read(Result<Option<Versioned>, SecretsError>),
    /// Of [`Effect::ReplaceSecret`]: the new revision.
    Replaced(Result<Revision, SecretsError>),
    /// Of [`Effect::Sleep`].
    Slept,
}

/// A request to Webex. The bearer and the form are the only places where secrets go.
#[derive(Debug)]
pub struct Request {
    /// Absolute; never holds a secret.
    pub url: Url,
    /// Sent as `Authorization: Bearer`.
    pub bearer: Option<Secret>,
    /// Sent as a `POST` of `application/x-www-form-urlencoded`; none: a `GET`.
    pub form: Option<Secret>,
}

/// A whole answer.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case, values as text; what is no text in them is replaced by U+FFFD.
    pub headers: Vec<(String, String)>,
    /// Decoded body.
    pub body: Vec<u8>,
}

/// Why there is no whole answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The host's policy; the text names the rule.
    #[error("denied by the host: {0}")]
    Denied(String),
    /// No answer, or not all of it, in time.
    #[error("no answer in time")]
    Timeout,
    /// The body is larger than [`MAX_BODY`] or the host's own cap.
    #[error("the answer is larger than this collector reads")]
    TooLarge,
    /// The connection could not be made, or broke.
    #[error("connection failed: {0}")]
    Broken(String),
}

/// Largest body that is read, in bytes: a page of the largest items seen (6 MB, ten of them) and an end to memory.
pub const MAX_BODY: usize = 64 * 1024 * 1024;

/// Why a secret could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// The store does not work now.
    #[error("the host's secret store is unavailable: {0}")]
    Unavailable(String),
    /// The host does not let this plugin use the name.
    #[error("the host denies this secret")]
    Denied,
    /// Somebody has written in between.
    #[error("the secret was changed in between")]
    Conflict,
}

/// How loud a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For developers.
    Debug,
    /// What was done.
    Info,
    /// Somebody should look.
    Warn,
    /// Somebody must act.
    Error,
}

/// A line for the host's log; never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How loud.
    pub level: Level,
    /// Stable, for programs.
    pub code: &'static str,
    /// For people.
    pub text: String,
}

/// What the driver's clocks and the host say at a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Wall clock.
    pub now: Timestamp,
    /// Time since the run began, by a clock that never goes back.
    pub elapsed: Span,
    /// Whether the host asks to stop.
    pub stopping: bool,
}

/// Names an effect until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

struct Desk {
    moment: Moment,
    next: u64,
    asked: Vec<(Ticket, Effect)>,
    under_way: Vec<UnderWay>,
    log: Vec<LogLine>,
    random: Random,
}

/// An effect that was asked for, and who waits for it or what came of it. There are some at a time, not hundreds.
struct UnderWay {
    ticket: Ticket,
    waker: Option<Waker>,
    answer: Option<Answer>,
}

impl Desk {
    fn find(&mut self, ticket: Ticket) -> Option<&mut UnderWay> {
        self.under_way.iter_mut().find(|one| one.ticket == ticket)
    }
}

/// The core's end of the desk; cheap to clone.
#[derive(Clone)]
pub struct Io(Rc<RefCell<Desk>>);

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Io(..)")
    }
}

impl Io {
    async fn ask(&self, effect: Effect) -> Answer {
        let ticket = {
            let mut desk = self.0.borrow_mut();
            let ticket = Ticket(desk.next);
            desk.next += 1;
            desk.asked.push((ticket, effect));
            desk.under_way.push(UnderWay { ticket, waker: None, answer: None });
            ticket
        };
        poll_fn(move |context| {
            let mut desk = self.0.borrow_mut();
            let Some(one) = desk.find(ticket) else { return Poll::Pending };
            let Some(answer) = one.answer.take() else {
                one.waker = Some(context.waker().clone());
                return Poll::Pending;
            };
            desk.under_way.retain(|one| one.ticket != ticket);
            Poll::Ready(answer)
        })
        .await
    }

    /// Sends a request.
    pub async fn http(&self, request: Request) -> Result<Response, HttpError> {
        match self.ask(Effect::Http(request)).await {
            Answer::Http(result) => result,
            other => Err(HttpError::Broken(mismatch(&other))),
        }
    }

    /// Reads a secret; none if there is none.
    pub async fn read_secret(&self, name: SecretName) -> Result<Option<Versioned>, SecretsError> {
        match self.ask(Effect::ReadSecret(name)).await {
            Answer::Read(result) => result,
            other => Err(SecretsError::Unavailable(mismatch(&other))),
        }
    }

    /// Writes a secret if its revision is still `expected`.
    pub async fn replace_secret(
        &self,
        name: SecretName,
        expected: Option<Revision>,
        value: Secret,
    ) -> Result<Revision, SecretsError> {
        match self.ask(Effect::ReplaceSecret { name, expected, value }).await {
            Answer::Replaced(result) => result,
            other => Err(SecretsError::Unavailable(mismatch(&other))),
        }
    }

    /// Waits.
    pub async fn sleep(&self, span: Span) {
        self.ask(Effect::Sleep(span)).await;
    }

    /// The wall clock at the last turn.
    pub fn now(&self) -> Timestamp {
        self.0.borrow().moment.now
    }

    /// Time since the run began, at the last turn.
    pub fn elapsed(&self) -> Span {
        self.0.borrow().moment.elapsed
    }

    /// Whether the host asked to stop.
    pub fn stopping(&self) -> bool {
        self.0.borrow().moment.stopping
    }

    /// The next bytes of the run's random stream.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.borrow_mut().random.fill(&mut bytes);
        bytes
    }

    /// Writes a line to the host's log.
    pub fn log(&self, level: Level, code: &'static str, text: impl Into<String>) {
        self.0.borrow_mut().log.push(LogLine { level, code, text: text.into() });
    }
}

/// An answer of another kind than the question: a driver's mistake, met as a failed effect.
fn mismatch(answer: &Answer) -> String {
    let kind = match answer {
        Answer::Http(_) => "http",
        Answer::Read(_) => "read",
        Answer::Replaced(_) => "replaced",
        Answer::Slept => "slept",
    };
    format!("the driver answered with another kind: {kind}")
}

/// A running piece of the core.
pub struct Run<'a, T> {
    io: Io,
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
}

/// How far a turn came.
#[derive(Debug)]
pub enum Turn<T> {
    /// It is done.
    Done(T),
    /// These are new; it goes on when one that is under way is answered.
    Waiting(Vec<(Ticket, Effect)>),
}

impl<'a, T> Run<'a, T> {
    /// Begins. `seed` must come from a cryptographic source where tokens are concerned: sign-in verifiers come from it.
    pub fn new<F: Future<Output = T> + 'a>(seed: [u8; 32], moment: Moment, begin: impl FnOnce(Io) -> F) -> Self {
        let io = Io(Rc::new(RefCell::new(Desk {
            moment,
            next: 0,
            asked: Vec::new(),
            under_way: Vec::new(),
            log: Vec::new(),
            random: Random { seed, counter: 0 },
        })));
        let future = Box::pin(begin(io.clone()));
        Self { io, future }
    }

    /// Goes on as far as it can.
    pub fn turn(&mut self, moment: Moment) -> Turn<T> {
        self.io.0.borrow_mut().moment = moment;
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        loop {
            if let Poll::Ready(result) = self.future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Turn::Done(result);
            }
            // A future may wake itself without an effect, for example to let another one go first.
            if !woken.0.swap(false, Ordering::Relaxed) {
                return Turn::Waiting(std::mem::take(&mut self.io.0.borrow_mut().asked));
            }
        }
    }

    /// Answers an effect; takes it up at the next turn.
    pub fn answer(&mut self, ticket: Ticket, answer: Answer) {
        let waker = {
            let mut desk = self.io.0.borrow_mut();
            let one = desk.find(ticket);
            one.and_then(|one| {
                one.answer = Some(answer);
                one.waker.take()
            })
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Lines logged since the last call of this.
    pub fn take_log(&mut self) -> Vec<LogLine> {
        std::mem::take(&mut self.io.0.borrow_mut().log)
    }
}

/// Whether a future has asked to be polled again.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A random stream from a seed: SHA-256 in counter mode.
struct Random {
    seed: [u8; 32],
    counter: u64,
}

impl Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let block = Sha256::new().chain_update(self.seed).chain_update(self.counter.to_le_bytes()).finalize();
            self.counter += 1;
            for (byte, random) in chunk.iter_mut().zip(block) {
                *byte = random;
            }
        }
    }
}

impl Response {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers_named(name).next()
    }

    /// Every header of this (lower-case) name, in order.
    pub fn headers_named(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
#[allow(clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    const MOMENT: Moment = Moment { now: Timestamp::MIN, elapsed: Span::ZERO, stopping: false };

    #[test]
    fn a_future_that_wakes_itself_goes_on_in_the_same_turn() {
        let mut run = Run::new([0; 32], MOMENT, |_| {
            let mut polls = 0;
            poll_fn(move |context| {
                polls += 1;
                context.waker().wake_by_ref();
                if polls < 5 { Poll::Pending } else { Poll::Ready(polls) }
            })
        });
        assert!(matches!(run.turn(MOMENT), Turn::Done(5)));
    }

    #[test]
    fn effects_side_by_side_are_asked_in_one_turn_and_answered_in_any_order() {
        let mut run = Run::new([0; 32], MOMENT, |io| async move {
            let (one, two) = (io.sleep(Span::secs(1)), io.sleep(Span::secs(2)));
            futures_util::future::join(one, two).await;
        });
        let Turn::Waiting(asked) = run.turn(MOMENT) else { panic!("it is done") };
        assert_eq!(asked.len(), 2);
        for (ticket, _) in asked.into_iter().rev() {
            assert!(matches!(run.turn(MOMENT), Turn::Waiting(_)));
            run.answer(ticket, Answer::Slept);
        }
        assert!(matches!(run.turn(MOMENT), Turn::Done(())));
    }

    #[test]
    fn the_random_stream_is_that_of_its_seed() {
        let draw = |seed| {
            let mut random = Random { seed: [seed; 32], counter: 0 };
            let (mut one, mut two) = ([0; 40], [0; 40]);
            random.fill(&mut one);
            random.fill(&mut two);
            (one, two)
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_ne!(draw(1).0, draw(1).1);
    }
}
