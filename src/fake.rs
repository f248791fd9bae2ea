//! A host for tests: Webex as a closure, secrets in memory with compare-and-set, and a clock that moves by what is waited
//! for. It drives one run or several side by side, always in the same order.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::effect::{
    Answer, Effect, HttpError, Io, LogLine, Moment, Request, Response, Run, SecretsError, Ticket, Turn,
};
use crate::secret::{Revision, Secret, SecretName, Versioned};
use crate::time::{Span, Timestamp};

/// When every test begins: 2026-01-02T00:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_767_312_000_000);

/// No test asks for more than this before something is wrong.
const MOST_EFFECTS: usize = 20_000;

/// A request as Webex sees it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) at: Timestamp,
    pub(crate) url: url::Url,
    pub(crate) bearer: Option<String>,
    pub(crate) form: BTreeMap<String, String>,
}

impl Sent {
    fn of(at: Timestamp, request: &Request) -> Self {
        let form = request.form.as_ref().map_or("", Secret::expose);
        Self {
            at,
            url: request.url.clone(),
            bearer: request.bearer.as_ref().map(|bearer| bearer.expose().to_owned()),
            form: url::form_urlencoded::parse(form.as_bytes()).into_owned().collect(),
        }
    }

    pub(crate) fn is_for_tokens(&self) -> bool {
        self.url.path().ends_with("/access_token")
    }

    pub(crate) fn form(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    pub(crate) fn query(&self, name: &str) -> Option<String> {
        self.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

type Webex = Box<dyn FnMut(&Sent) -> Result<Response, HttpError>>;
type SecretFault = Box<dyn FnMut(&Effect) -> Option<SecretsError>>;
type CrashAt = Box<dyn Fn(&Effect) -> bool>;

pub(crate) struct Host {
    now: Cell<Timestamp>,
    latency: Cell<Span>,
    stopping: Cell<bool>,
    /// Requests that are still sent before the host asks to stop.
    requests_left: Cell<Option<usize>>,
    seed: Cell<u64>,
    secrets: RefCell<BTreeMap<SecretName, (String, u64)>>,
    revisions: Cell<u64>,
    webex: RefCell<Webex>,
    secret_fault: RefCell<SecretFault>,
    sent: RefCell<Vec<Sent>>,
    log: RefCell<Vec<LogLine>>,
}

impl Host {
    pub(crate) fn new(webex: impl FnMut(&Sent) -> Result<Response, HttpError> + 'static) -> Self {
        Self {
            now: Cell::new(START),
            latency: Cell::new(Span::millis(100)),
            stopping: Cell::new(false),
            requests_left: Cell::new(None),
            seed: Cell::new(0),
            secrets: RefCell::default(),
            revisions: Cell::new(0),
            webex: RefCell::new(Box::new(webex)),
            secret_fault: RefCell::new(Box::new(|_| None)),
            sent: RefCell::default(),
            log: RefCell::default(),
        }
    }

    pub(crate) fn webex(&self, webex: impl FnMut(&Sent) -> Result<Response, HttpError> + 'static) {
        *self.webex.borrow_mut() = Box::new(webex);
    }

    pub(crate) fn secret_fault(&self, fault: impl FnMut(&Effect) -> Option<SecretsError> + 'static) {
        *self.secret_fault.borrow_mut() = Box::new(fault);
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now.get()
    }

    pub(crate) fn advance(&self, span: Span) {
        self.now.set(self.now.get() + span);
    }

    pub(crate) fn latency(&self, span: Span) {
        self.latency.set(span);
    }

    pub(crate) fn stop(&self) {
        self.stopping.set(true);
    }

    /// Asks to stop after this many more requests; none: does not ask any more.
    pub(crate) fn stop_after(&self, requests: Option<usize>) {
        self.requests_left.set(requests);
        self.stopping.set(false);
    }

    pub(crate) fn put(&self, name: SecretName, value: &str) {
        self.revisions.set(self.revisions.get() + 1);
        self.secrets.borrow_mut().insert(name, (value.to_owned(), self.revisions.get()));
    }

    pub(crate) fn secret(&self, name: SecretName) -> Option<String> {
        self.secrets.borrow().get(&name).map(|(value, _)| value.clone())
    }

    /// Everything sent so far.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.sent.borrow().clone()
    }

    pub(crate) fn token_requests(&self) -> usize {
        self.sent.borrow().iter().filter(|sent| sent.is_for_tokens()).count()
    }

    /// Everything logged so far, as one text.
    pub(crate) fn log(&self) -> String {
        format!("{:?}", self.log.borrow())
    }

    /// Runs to the end.
    pub(crate) fn run<'a, T: 'a, F: Future<Output = T> + 'a>(&self, begin: impl FnOnce(Io) -> F) -> T {
        let run = self.begin(begin);
        self.drive(vec![(run, Box::new(|_| false))]).pop().flatten().unwrap()
    }

    /// Runs two side by side.
    pub(crate) fn race<'a, T: 'a, F: Future<Output = T> + 'a, G: Future<Output = T> + 'a>(
        &self,
        one: impl FnOnce(Io) -> F,
        other: impl FnOnce(Io) -> G,
    ) -> (T, T) {
        let runs: Vec<(Run<'a, T>, CrashAt)> =
            vec![(self.begin(one), Box::new(|_| false)), (self.begin(other), Box::new(|_| false))];
        let mut results = self.drive(runs).into_iter().flatten();
        (results.next().unwrap(), results.next().unwrap())
    }

    /// Runs until it asks for such an effect, which is not carried out any more.
    pub(crate) fn crash<'a, T: 'a, F: Future<Output = T> + 'a>(
        &self,
        at: impl Fn(&Effect) -> bool + 'static,
        begin: impl FnOnce(Io) -> F,
    ) {
        let run = self.begin(begin);
        assert!(self.drive(vec![(run, Box::new(at))]).pop().flatten().is_none(), "it ended before the crash");
    }

    fn begin<'a, T, F: Future<Output = T> + 'a>(&self, begin: impl FnOnce(Io) -> F) -> Run<'a, T> {
        // Another seed for each run: states of sign-ins must differ.
        let seed = self.seed.get() + 1;
        self.seed.set(seed);
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        Run::new(bytes, self.moment(self.now()), begin)
    }

    fn moment(&self, begun: Timestamp) -> Moment {
        Moment { now: self.now(), elapsed: self.now() - begun, stopping: self.stopping.get() }
    }

    fn drive<T>(&self, runs: Vec<(Run<'_, T>, CrashAt)>) -> Vec<Option<T>> {
        let begun = self.now();
        let mut results: Vec<Option<T>> = runs.iter().map(|_| None).collect();
        let mut runs: Vec<Option<(Run<'_, T>, CrashAt)>> = runs.into_iter().map(Some).collect();
        // Under way: when it is over, then in the order of asking.
        let mut under_way: BTreeMap<(Timestamp, usize), (usize, Ticket, Effect)> = BTreeMap::new();
        let mut asked = 0;
        let mut turn: Vec<usize> = (0..runs.len()).collect();
        loop {
            for at in turn.drain(..) {
                let Some((run, crash_at)) = runs[at].as_mut() else { continue };
                let outcome = run.turn(self.moment(begun));
                self.log.borrow_mut().extend(run.take_log());
                match outcome {
                    Turn::Done(result) => {
                        results[at] = Some(result);
                        runs[at] = None;
                    }
                    Turn::Waiting(effects) if effects.iter().any(|(_, effect)| crash_at(effect)) => runs[at] = None,
                    Turn::Waiting(effects) => {
                        for (ticket, effect) in effects {
                            let due = self.now() + self.duration(&effect);
                            under_way.insert((due, asked), (at, ticket, effect));
                            asked += 1;
                        }
                    }
                }
            }
            assert!(asked < MOST_EFFECTS, "it does not end");
            let Some(((due, _), (at, ticket, effect))) = under_way.pop_first() else { break };
            self.now.set(self.now().max(due));
            let answer = self.carry_out(effect);
            if let Some((run, _)) = runs[at].as_mut() {
                run.answer(ticket, answer);
                turn.push(at);
            }
        }
        assert!(runs.iter().all(Option::is_none), "a run waits for nothing");
        results
    }

    fn duration(&self, effect: &Effect) -> Span {
        match effect {
            Effect::Http(_) => self.latency.get(),
            Effect::ReadSecret(_) | Effect::ReplaceSecret { .. } => Span::millis(1),
            Effect::Sleep(span) => *span,
        }
    }

    fn carry_out(&self, effect: Effect) -> Answer {
        let fault = (self.secret_fault.borrow_mut())(&effect);
        match (effect, fault) {
            (Effect::Http(request), _) => {
                if let Some(left) = self.requests_left.get() {
                    self.requests_left.set(Some(left.saturating_sub(1)));
                    if left <= 1 {
                        self.stop();
                    }
                }
                let sent = Sent::of(self.now(), &request);
                self.sent.borrow_mut().push(sent.clone());
                Answer::Http((self.webex.borrow_mut())(&sent))
            }
            (Effect::ReadSecret(_), Some(fault)) => Answer::Read(Err(fault)),
            (Effect::ReadSecret(name), None) => {
                Answer::Read(Ok(self.secrets.borrow().get(&name).map(|(value, revision)| Versioned {
                    value: Secret::new(value.clone()),
                    revision: Revision(revision.to_string()),
                })))
            }
            (Effect::ReplaceSecret { .. }, Some(fault)) => Answer::Replaced(Err(fault)),
            (Effect::ReplaceSecret { name, expected, value }, None) => {
                let present = self.secrets.borrow().get(&name).map(|(_, revision)| Revision(revision.to_string()));
                assert!(name.is_written(), "{} is not the plugin's to write", name.name());
                if present != expected {
                    return Answer::Replaced(Err(SecretsError::Conflict));
                }
                self.put(name, value.expose());
                Answer::Replaced(Ok(Revision(self.revisions.get().to_string())))
            }
            (Effect::Sleep(_), _) => Answer::Slept,
        }
    }
}

/// An answer.
pub(crate) fn answer(status: u16, body: &str) -> Result<Response, HttpError> {
    Ok(Response { status, headers: Vec::new(), body: body.as_bytes().to_vec() })
}

/// The same with a header.
pub(crate) fn with_header(answer: Result<Response, HttpError>, name: &str, value: &str) -> Result<Response, HttpError> {
    answer.map(|mut response| {
        response.headers.push((name.to_owned(), value.to_owned()));
        response
    })
}

/// Tokens as Webex gives them: of two weeks, and of ninety days.
pub(crate) fn tokens(access: &str, refresh: &str) -> Result<Response, HttpError> {
    let body = serde_json::json!({
        "access_token": access, "expires_in": 1_209_599, "refresh_token": refresh,
        "refresh_token_expires_in": 7_775_999, "token_type": "Bearer",
    });
    answer(200, &body.to_string())
}

/// Settings of both users.
pub(crate) fn settings(more: &[(&str, &str)]) -> crate::settings::Settings {
    let pairs = [
        ("admin_credentials", "admin-client"),
        ("admin_app_redirect_uri", "http://127.0.0.1:8765/callback"),
        ("admin_org_id", "org-1"),
        ("compliance_officer_credentials", "officer-client"),
        ("compliance_officer_redirect_uri", "http://127.0.0.1:8765/callback"),
        ("fetch_security_audit_events", "true"),
    ];
    let pairs = pairs.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    crate::settings::Settings::parse(pairs).unwrap()
}
