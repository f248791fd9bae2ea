//! One courier: what is under way, and what comes after an answer.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::Utc;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use tokio::sync::watch;
use tokio::time::Instant;

use super::dead_letters::{DeadLetter, DeadLetters};
use super::gate::Gate;
use super::part::Part;
use super::{Condition, HEALTH_STREAM, OpenSink, Standing};
use crate::durable::DurableError;
use crate::log::{Level, Log};
use crate::sink::{Batching, Event, Mark, Receipt, SendError};
use crate::spool::{Piece, Position, Spool, SpoolError};
use crate::stop::Stop;

/// The pause after the disk has refused what a courier needs of it.
const DISK_PAUSE: Duration = Duration::from_secs(5);

/// What brings the spool to one sink.
pub(super) struct Courier {
    open: OpenSink,
    tenant: Option<Mark>,
    spool: Arc<Spool>,
    /// What tells places of this spool from those of others, where the sink keeps places.
    spool_id: Option<String>,
    dead_letters: DeadLetters,
    gate: Gate,
    /// Events in a row that were refused, none taken in between.
    refused: AtomicUsize,
    standing: watch::Sender<Standing>,
    stop: Stop,
    log: Log,
}

/// What is there to be sent.
enum Found {
    Piece(Piece),
    /// Some events, which may wait for others until then.
    Early(Instant),
    Nothing,
}

/// A piece that is done with.
struct Done {
    end: Position,
    acknowledged: u64,
    known: u64,
    passed: u64,
}

impl Courier {
    pub(super) fn new(
        open: OpenSink,
        tenant: Option<Mark>,
        spool: Arc<Spool>,
        dead_letters: DeadLetters,
        stop: Stop,
        log: Log,
    ) -> Result<(Self, watch::Receiver<Standing>), DurableError> {
        let position = spool.enter(&open.table.name);
        let (name, place) = (open.table.name.clone(), open.table.plan.place());
        let standing = watch::Sender::new(Standing::begun(name, place, dead_letters.count()?, position));
        let watched = standing.subscribe();
        let (gate, refused) = (Gate::default(), AtomicUsize::new(0));
        let spool_id = if open.sink.keeps_places() { Some(spool.id()?) } else { None };
        Ok((Self { open, tenant, spool, spool_id, dead_letters, gate, refused, standing, stop, log }, watched))
    }

    /// Goes on until it is asked to end; what is under way then comes to its end.
    pub(super) async fn run(self) {
        let courier = Arc::new(self);
        let mut next = courier.look_back().await;
        let mut under_way: FuturesOrdered<BoxFuture<'static, Option<Done>>> = FuturesOrdered::new();
        loop {
            let mut wait = None;
            while under_way.len() < courier.batching().side_by_side && !courier.stop.is_requested() {
                match courier.find(&next).await {
                    Found::Piece(piece) => {
                        let from = std::mem::replace(&mut next, piece.end.clone());
                        under_way.push_back(Box::pin(Arc::clone(&courier).deliver(from, piece)));
                    }
                    Found::Early(until) => {
                        wait = Some(until);
                        break;
                    }
                    Found::Nothing => break,
                }
            }
            if under_way.is_empty() && courier.stop.is_requested() {
                return;
            }
            let has_room = under_way.len() < courier.batching().side_by_side && !courier.stop.is_requested();
            tokio::select! {
                Some(done) = under_way.next() => match done {
                    Some(done) => courier.passed(done).await,
                    // Asked to end before the receiver took it.
                    None => return,
                },
                () = courier.spool.stored_behind(&next), if has_room && wait.is_none() => {}
                () = tokio::time::sleep_until(wait.unwrap_or_else(Instant::now)), if wait.is_some() => {}
                () = courier.stop.requested(), if has_room => {}
            }
        }
    }

    fn batching(&self) -> Batching {
        self.open.table.batching
    }

    /// Where to go on; what the last run may have left with the receiver is looked at.
    async fn look_back(&self) -> Position {
        let position = self.standing.borrow().position.clone();
        match &position.begun {
            Some(begun) if self.can_recall() => match self.open.sink.recall(begun).await {
                Ok(0) => {}
                Ok(count) => {
                    let text = format!("{count} events are at the sink {} already and are not sent again", self.name());
                    self.tell(Level::Info, "sink-recalled", &text);
                }
                Err(error) => self.tell(Level::Warn, "sink-failing", &format!("{}: {error}", self.name())),
            },
            Some(_) => {}
            None => {
                let position = Position { begun: self.open.sink.begin(), ..position.clone() };
                self.keep(position).await;
            }
        }
        position
    }

    /// In a place that many tenants share, only lines that say whose they are can be told apart.
    fn can_recall(&self) -> bool {
        !self.open.is_shared || self.tenant.is_some()
    }

    async fn find(self: &Arc<Self>, from: &Position) -> Found {
        loop {
            if self.stop.is_requested() || self.spool.is_passed(from) {
                return Found::Nothing;
            }
            let (courier, place) = (Arc::clone(self), from.clone());
            let read = tokio::task::spawn_blocking(move || courier.read(&place)).await;
            match read {
                Ok(Ok(Some(piece))) => {
                    let max_age = self.batching().max_age;
                    let due = piece.since.filter(|_| !piece.is_full && !max_age.is_zero()).map(|since| since + max_age);
                    return match due {
                        Some(due) if due > Instant::now() => Found::Early(due),
                        _ => Found::Piece(piece),
                    };
                }
                Ok(Ok(None)) => return Found::Nothing,
                Ok(Err(error)) => {
                    self.condition(Condition::Closed { reason: error.to_string(), since: now() });
                    self.stop.sleep(DISK_PAUSE).await;
                }
                // It ended by a panic, which was told.
                Err(_) => drop(self.stop.sleep(DISK_PAUSE).await),
            }
        }
    }

    fn read(&self, from: &Position) -> Result<Option<Piece>, SpoolError> {
        let Batching { max_bytes, max_events, .. } = self.batching();
        let table = &self.open.table;
        let takes = |stream: &str| if stream == HEALTH_STREAM { table.health_events } else { table.takes(stream) };
        self.spool.read(&table.name, from, takes, max_bytes, max_events)
    }

    /// Sends a piece until nothing of it is left to be sent. None: it was asked to end before.
    async fn deliver(self: Arc<Self>, from: Position, piece: Piece) -> Option<Done> {
        let Piece { events, damaged, end, .. } = piece;
        let passed = u64::try_from(events.len() + damaged.len()).unwrap_or(u64::MAX);
        let mut done = Done { end, acknowledged: 0, known: 0, passed };
        let damaged: Vec<DeadLetter> = damaged
            .into_iter()
            .map(|damaged| {
                let event = Event {
                    id: String::new(),
                    org: String::new(),
                    stream: String::new(),
                    created: None,
                    body: damaged.text,
                };
                DeadLetter::of(event, now(), "damaged in the spool".to_owned())
            })
            .collect();
        self.bury(damaged).await?;
        let mut open: VecDeque<(Part, Vec<Event>)> = VecDeque::new();
        let mut parts = 0..;
        let mut part = || parts.next().map(Part).unwrap_or_default();
        if !events.is_empty() {
            open.push_back((part(), self.marked(events)));
        }
        while let Some((of, events)) = open.pop_front() {
            let turn = self.gate.pass(&self.stop).await?;
            let answer = match &self.spool_id {
                Some(spool) => self.open.sink.send_at(&of.place(spool, self.name(), &from), &events).await,
                None => self.open.sink.send(&events).await,
            };
            drop(turn);
            match answer {
                Ok(receipt) => {
                    if let Some(again) = self.acknowledged(events, receipt, &mut done).await? {
                        open.push_front((part(), again));
                    }
                }
                Err(SendError::Unfit { reason }) if events.len() > 1 => {
                    self.tell(Level::Debug, "sink-unfit", &format!("{}: {reason}; sent in halves", self.name()));
                    let mut first = events;
                    let second = first.split_off(first.len() / 2);
                    open.push_front((part(), second));
                    open.push_front((part(), first));
                }
                Err(SendError::Unfit { reason }) => {
                    let is_believed = self.refused.fetch_add(1, Ordering::Relaxed) < self.batching().max_refused;
                    if is_believed {
                        let letters = events.into_iter().map(|event| self.letter(event, reason.clone())).collect();
                        self.bury(letters).await?;
                        // It answers, and what it had against this event is no trouble of its own.
                        self.gate.open();
                        self.condition(Condition::Fine);
                    } else {
                        self.close(&format!(
                            "it refuses everything, the last {} events one by one ({reason}); mend its settings, or raise \
                             `max_refused`",
                            self.batching().max_refused
                        ));
                        open.push_front((of, events));
                    }
                }
                Err(SendError::Later { reason, after }) => {
                    self.gate.failed(after);
                    self.failing(&reason);
                    open.push_front((of, events));
                }
                Err(error @ SendError::Closed { .. }) => {
                    self.close(&error.to_string());
                    open.push_front((of, events));
                }
            }
        }
        Some(done)
    }

    /// The receiver has answered. Returns what is to be sent again.
    async fn acknowledged(&self, events: Vec<Event>, receipt: Receipt, done: &mut Done) -> Option<Option<Vec<Event>>> {
        let Receipt { refused, is_in_doubt, again, after, known } = receipt;
        let count = events.len();
        let taken = count.saturating_sub(refused.len() + again.len());
        if taken > 0 || is_in_doubt {
            self.refused.store(0, Ordering::Relaxed);
        }
        if taken == 0 && !refused.is_empty() && !is_in_doubt {
            let before = self.refused.fetch_add(refused.len(), Ordering::Relaxed);
            if before + refused.len() > self.batching().max_refused {
                let reason = refused.first().map(|refused| refused.reason.clone()).unwrap_or_default();
                self.close(&format!("it refuses everything ({reason}); mend its settings, or raise `max_refused`"));
                return Some(Some(events));
            }
        }
        done.acknowledged += u64::try_from(taken).unwrap_or(u64::MAX);
        done.known += u64::try_from(known).unwrap_or(u64::MAX);
        let mut letters = Vec::new();
        let mut left = Vec::new();
        let mut events: Vec<Option<Event>> = events.into_iter().map(Some).collect();
        for refused in refused {
            if let Some(event) = events.get_mut(refused.index).and_then(Option::take) {
                letters.push(self.letter(event, refused.reason));
            }
        }
        for index in again {
            left.extend(events.get_mut(index).and_then(Option::take));
        }
        self.bury(letters).await?;
        if left.is_empty() {
            self.gate.open();
            self.condition(Condition::Fine);
            return Some(None);
        }
        self.gate.failed(after);
        self.failing(&format!("{} of {count} events are to be sent again", left.len()));
        Some(Some(left))
    }

    /// Keeps what was refused. None: it was asked to end before the disk took it.
    async fn bury(&self, letters: Vec<DeadLetter>) -> Option<()> {
        let count = u64::try_from(letters.len()).unwrap_or(u64::MAX);
        if count == 0 {
            return Some(());
        }
        let first = letters.first().map(|letter| letter.reason.clone()).unwrap_or_default();
        let letters = Arc::new(letters);
        loop {
            let (place, letters) = (self.dead_letters.clone(), Arc::clone(&letters));
            let added = tokio::task::spawn_blocking(move || place.add(&letters)).await;
            match added {
                Ok(Ok(())) => break,
                Ok(Err(error)) => self.condition(Condition::Closed { reason: error.to_string(), since: now() }),
                Err(_) => {}
            }
            if !self.stop.sleep(DISK_PAUSE).await {
                return None;
            }
        }
        self.standing.send_modify(|standing| {
            standing.refused += count;
            standing.dead_letters += count;
        });
        let text = format!(
            "the sink {} has refused {count} events, the first because: {first}; they are kept, see `webex-collector deadletter list`",
            self.name()
        );
        self.tell(Level::Warn, "sink-refused", &text);
        Some(())
    }

    async fn passed(self: &Arc<Self>, done: Done) {
        let position = Position { begun: self.open.sink.begin(), ..done.end };
        self.keep(position.clone()).await;
        self.standing.send_modify(|standing| {
            standing.acknowledged += done.acknowledged;
            standing.known += done.known;
            standing.passed += done.passed;
            standing.position = position;
            if done.acknowledged > 0 {
                standing.last_acknowledged = Some(now());
            }
        });
    }

    /// Notes the place. Where the disk refuses the next note holds for this one, too.
    async fn keep(&self, position: Position) {
        let (spool, name) = (Arc::clone(&self.spool), self.open.table.name.clone());
        let kept = tokio::task::spawn_blocking(move || spool.passed(&name, position)).await;
        if let Ok(Err(error)) = kept {
            self.tell(Level::Error, "spool", &format!("{}: {error}", self.name()));
        }
    }

    /// With what the operator wants in each body.
    fn marked(&self, mut events: Vec<Event>) -> Vec<Event> {
        for event in &mut events {
            let marks = self.marks(event);
            if !marks.is_empty() {
                let mut body = std::mem::take(&mut event.body).into_bytes();
                marks.iter().for_each(|mark| mark.put(&mut body, 0));
                // Marks are texts, and go between two members.
                event.body = String::from_utf8(body).unwrap_or_default();
            }
        }
        events
    }

    /// As it was collected, for it may be marked again.
    fn letter(&self, mut event: Event, reason: String) -> DeadLetter {
        let mut body = std::mem::take(&mut event.body).into_bytes();
        self.marks(&event).iter().rev().for_each(|mark| mark.take(&mut body));
        event.body = String::from_utf8(body).unwrap_or_default();
        DeadLetter::of(event, now(), reason)
    }

    fn marks(&self, event: &Event) -> Vec<Cow<'_, Mark>> {
        let org = self.open.table.org_field.as_deref().map(|name| Cow::Owned(Mark::new(name, &event.org)));
        self.tenant.iter().map(Cow::Borrowed).chain(org).collect()
    }

    fn failing(&self, reason: &str) {
        let since = match &self.standing.borrow().condition {
            Condition::Fine => {
                self.tell(Level::Warn, "sink-failing", &format!("the sink {} is tried again: {reason}", self.name()));
                now()
            }
            Condition::Failing { since, .. } | Condition::Closed { since, .. } => *since,
        };
        self.condition(Condition::Failing { reason: reason.to_owned(), since });
    }

    fn close(&self, reason: &str) {
        self.gate.closed();
        let since = match &self.standing.borrow().condition {
            Condition::Closed { since, .. } => *since,
            Condition::Fine | Condition::Failing { .. } => {
                self.tell(Level::Error, "sink-closed", &format!("the sink {} takes nothing: {reason}", self.name()));
                now()
            }
        };
        self.condition(Condition::Closed { reason: reason.to_owned(), since });
    }

    fn condition(&self, condition: Condition) {
        self.standing.send_if_modified(|standing| {
            let is_new = standing.condition != condition;
            if is_new {
                standing.condition = condition;
            }
            is_new
        });
    }

    fn name(&self) -> &str {
        self.open.table.name.as_str()
    }

    fn tell(&self, level: Level, code: &str, text: &str) {
        self.log.write(level, code, text, &[("sink".to_owned(), self.name().to_owned())]);
    }
}

fn now() -> i64 {
    Utc::now().timestamp_millis()
}
