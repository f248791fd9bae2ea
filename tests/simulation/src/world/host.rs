//! The host by the contract: call, deliver durably, store the last-run, obey `next`.

use std::rc::Rc;

use cisco_webex_plugin::fetch::{FetchRequest, Next, ReRead};
use cisco_webex_plugin::last_run::LastRun;
use cisco_webex_plugin::stream::Stream;
use cisco_webex_plugin::time::{Span, Timestamp};

use super::task::{Outcome, Plan, Task};
use super::{HostDefect, World};
use crate::oracle::{CallFacts, Invariant, Violation};
use crate::scenario::{Beside, CallSpec, Knobs, START, Sink, Store};

/// Calls in a row that may change nothing though the plugin says that there is more: one may be an accident.
const MOST_BARREN: u32 = 3;

/// Calls that one re-read is given.
const MOST_RE_READS: u32 = 12;

/// What the host knows after a call.
#[derive(Clone, Debug)]
pub(super) enum After {
    /// The plugin, the sink or the store failed; the host tries again at its interval.
    Failed,
    /// The batch is recorded, and the plugin says when to come again.
    Recorded(Next),
}

impl World<'_> {
    pub(super) fn call_and_wait(&mut self, spec: &CallSpec) -> Result<After, Violation> {
        let after = self.call(spec, None)?;
        let wait = match &after {
            After::Recorded(Next::Now) => 0,
            After::Recorded(Next::NotBefore(time)) => (time.as_millis() - self.local_now()).clamp(0, spec.interval),
            After::Recorded(Next::Idle) | After::Failed => spec.interval,
        };
        self.pass(wait);
        Ok(after)
    }

    pub(super) fn follow(&mut self, ms: i64, spec: &CallSpec) -> Result<(), Violation> {
        let end = self.now + ms;
        while self.now < end {
            self.call_and_wait(spec)?;
        }
        Ok(())
    }

    pub(super) fn re_read(
        &mut self,
        from: i64,
        to: i64,
        allow_repeats: bool,
        spec: &CallSpec,
    ) -> Result<(), Violation> {
        let now = self.local_now();
        let range =
            ReRead { from: Timestamp::from_millis(now - from), to: Timestamp::from_millis(now - to), allow_repeats };
        for _ in 0..MOST_RE_READS {
            // A clock that was set back since would make it a stretch of the future.
            if range.to.as_millis() > self.local_now() || self.stored.is_none() {
                return Ok(());
            }
            if let After::Recorded(Next::Idle) = self.call(spec, Some(range))? {
                return Ok(());
            }
            self.pass(spec.interval.min(super::HTTP_TIMEOUT));
        }
        Ok(())
    }

    /// One call, and what becomes of its batch.
    pub(super) fn call(&mut self, spec: &CallSpec, re_read: Option<ReRead>) -> Result<After, Violation> {
        let mut streams: Vec<Stream> = self.settings.streams();
        let named: Vec<Stream> = spec.streams.iter().copied().filter(|stream| self.knobs.is_on(*stream)).collect();
        if !named.is_empty() {
            streams.clone_from(&named);
        }
        let request = FetchRequest {
            streams: named,
            max_events: spec.max_events,
            max_bytes: spec.max_bytes,
            budget: spec.budget.map(Span::millis),
            re_read,
        };
        self.trace.line(|| format!("{:>8} CALL {request:?}", self.now - START));
        let begun = self.now;
        let facts = CallFacts {
            begun,
            ended: begun,
            ahead: self.ahead.max(0),
            streams,
            max_events: spec.max_events.unwrap_or(self.knobs.max_fetch),
            max_bytes: spec.max_bytes.unwrap_or(cisco_webex_plugin::fetch::DEFAULT_MAX_BYTES),
            budget: spec.budget.unwrap_or(cisco_webex_plugin::fetch::DEFAULT_BUDGET.as_millis()),
            re_read,
            dates: self.scenario.nature.dates,
        };
        self.ledger.begin_call();
        let mut plans = vec![Plan { start: 0, task: Task::Fetch(request), crash: spec.crash }];
        if let Some((start, beside)) = spec.beside {
            let task = match beside {
                Beside::Test(user) => Task::Test(user),
                Beside::Check => Task::Check,
                Beside::SignIn(user) => Task::SignIn(user),
            };
            plans.push(Plan { start, task, crash: None });
        }
        let ended = self.drive(plans, &spec.meanwhile)?;
        self.stopping = false;
        self.ledger.done.calls += 1;
        let Some(fetch) = ended.into_iter().next() else { return Ok(After::Failed) };
        let facts = CallFacts { ended: fetch.at, ahead: facts.ahead.max(self.ahead), ..facts };
        match fetch.outcome {
            Some(Outcome::Fetched(Ok(batch))) => self.take(spec, &facts, batch),
            Some(Outcome::Fetched(Err(failure))) => {
                let what = format!("the whole call fails with {}: {failure}", failure.code.name());
                Err(Violation::new(Invariant::I5, what))
            }
            _ => Ok(After::Failed),
        }
    }

    /// Delivers a batch, then remembers where it stands; in this order only.
    fn take(
        &mut self,
        spec: &CallSpec,
        facts: &CallFacts,
        batch: cisco_webex_plugin::fetch::Batch,
    ) -> Result<After, Violation> {
        self.trace.line(|| {
            let count = batch.events.len();
            format!("{:>8} BATCH {count} events, next {:?}", self.now - START, batch.next)
        });
        for report in &batch.reports {
            self.trace.line(|| format!("         {report:?}"));
        }
        for event in batch.events.iter() {
            self.trace.line(|| format!("         {} {:?}", event.id, event.created));
            self.trace.bytes(event.body.as_bytes());
        }
        self.trace.bytes(batch.last_run.head.as_bytes());
        for (name, body) in &batch.last_run.parts {
            self.trace.bytes(name.as_bytes());
            self.trace.bytes(body.as_deref().unwrap_or_default().as_bytes());
        }
        let state = self.read_back(&batch.last_run)?;
        self.ledger.judge(facts, &batch, &state)?;
        self.spins(facts, &batch)?;

        let count = batch.events.len();
        let durable = match spec.sink {
            Sink::Takes | Sink::Late(_) => count,
            Sink::Fails => 0,
            Sink::Part(percent) => count * percent as usize / 100,
        };
        let takes_all = matches!(spec.sink, Sink::Takes | Sink::Late(_));
        if self.defect == Some(HostDefect::AcknowledgesBeforeTheSink) {
            self.stored = Some(self.texts.store(batch.last_run.clone()));
        }
        self.ledger.durable(facts, durable)?;
        if let Sink::Late(ms) = spec.sink {
            self.pass(ms);
        }
        if !takes_all || spec.store == Store::Fails {
            self.trace.line(|| format!("         {durable} durable, not recorded"));
            return Ok(After::Failed);
        }
        self.stored = Some(self.texts.store(batch.last_run.clone()));
        self.ledger.recorded(facts, &batch, &state)?;
        Ok(After::Recorded(batch.next))
    }

    /// What was written is what is read.
    fn read_back(&self, stored: &cisco_webex_plugin::last_run::Stored) -> Result<LastRun, Violation> {
        let now = Timestamp::from_millis(self.local_now());
        let with_texts = cisco_webex_plugin::last_run::Stored { kept: self.texts.kept(), ..stored.clone() };
        let state = LastRun::read(Some(with_texts), &self.settings, now, [0; 16])
            .map_err(|error| Violation::new(Invariant::I10, format!("a last-run is not read back: {error}")))?;
        if state.clone().write() != *stored {
            return Err(Violation::new(Invariant::I10, "a last-run is read back as another one"));
        }
        Ok(state)
    }

    /// Told to call again at once, over and over, while nothing changes.
    fn spins(&mut self, facts: &CallFacts, batch: &cisco_webex_plugin::fetch::Batch) -> Result<(), Violation> {
        let at_once = match batch.next {
            Next::Now => true,
            Next::NotBefore(time) => time.as_millis() <= self.local_now(),
            Next::Idle => false,
        };
        let had_time = facts.budget > super::HTTP_TIMEOUT && self.ledger.was_quiet();
        let changed = !batch.events.is_empty() || self.stored.as_ref() != Some(&batch.last_run);
        self.barren = if changed || !at_once || !had_time { 0 } else { self.barren + 1 };
        if self.barren > MOST_BARREN {
            return Err(Violation::new(Invariant::I8, "calls go on at once and change nothing"));
        }
        Ok(())
    }

    pub(super) fn set_knobs(&mut self, knobs: &Knobs) -> Result<(), Violation> {
        self.trace.line(|| format!("knobs   {knobs:?}"));
        let settings = knobs.settings().map_err(|message| Violation::new(Invariant::Host, message))?;
        self.settings = Rc::new(settings);
        self.knobs = knobs.clone();
        self.ledger.apply(knobs);
        Ok(())
    }

    /// The operator's `change-last-run`, as the guest does it.
    pub(super) fn reset(&mut self, stream: Option<Stream>, back: i64) -> Result<(), Violation> {
        let now = Timestamp::from_millis(self.local_now());
        let since = Timestamp::from_millis(self.local_now() - back);
        let streams = stream.map_or_else(|| self.settings.streams(), |stream| vec![stream]);
        let streams: Vec<_> = streams.into_iter().filter(|stream| self.knobs.is_on(*stream)).collect();
        let mut state = LastRun::read(self.stored.clone(), &self.settings, now, [7; 16])
            .map_err(|error| Violation::new(Invariant::I10, error.to_string()))?;
        for stream in streams.iter().copied() {
            self.trace.line(|| format!("RESET   {stream} to {since}"));
            let remembered = state.streams.get(&stream).map(|state| state.remembered);
            let gaps = state.reset(stream, &self.settings, since, now);
            self.ledger.reset(stream, since.as_millis(), remembered, &gaps);
        }
        let stored = match self.machine.as_ref().filter(|_| !streams.is_empty()) {
            None => state.write(),
            Some(machine) => machine.reset(&self.knobs, self.stored.clone(), &streams, since, now)?,
        };
        self.read_back(&stored)?;
        self.stored = Some(self.texts.store(stored));
        Ok(())
    }
}
