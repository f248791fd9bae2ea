//! Which requests Splunk has indexed: it gives each a number, and says of a number that is asked for whether its events are
//! indexed. It says "yes" once and forgets the number.
//!
//! One of those that wait asks for all of them. Numbers belong to a channel, whose name is made anew for each opened sink.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde::Deserialize;
use tokio::sync::{Mutex as Turn, RwLock, RwLockReadGuard, oneshot};
use tokio::time::Instant;

use super::{ACK_PATH, codes};
use crate::sink::SendError;
use crate::sink::client::{Answer, Client};

/// The header that names the channel.
const CHANNEL: HeaderName = HeaderName::from_static("x-splunk-request-channel");
/// The pause before numbers are asked for, doubled as long as none is indexed,
const PAUSE: Duration = Duration::from_millis(50);
/// up to this; Splunk's manual speaks of 10 s.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Numbers that are remembered to notice that Splunk counts from 0 again.
const REMEMBERED: u64 = 64;

/// What became of a request.
type Outcome = Result<(), SendError>;

/// The channel, and the numbers that are waited for.
pub(super) struct Acks {
    asking: Arc<Asking>,
    /// Whoever has it asks for all.
    turn: Turn<()>,
}

struct Asking {
    client: Arc<Client>,
    channel: HeaderValue,
    numbers: Mutex<Numbers>,
    /// Read by every request that is under way and may be given a number.
    posting: RwLock<()>,
}

#[derive(Default)]
struct Numbers {
    waiting: BTreeMap<u64, oneshot::Sender<Outcome>>,
    /// The last that were given.
    given: BTreeSet<u64>,
    /// How often they began at 0 again.
    beginnings: u64,
    /// What went wrong when they were asked for last.
    trouble: Option<String>,
}

#[derive(Deserialize)]
struct Indexed {
    acks: BTreeMap<String, bool>,
}

/// A number that was given to a request.
pub(super) struct Number {
    id: u64,
    indexed: oneshot::Receiver<Outcome>,
}

impl Acks {
    pub(super) fn new(client: Arc<Client>) -> Self {
        let channel = HeaderValue::from_str(&uuid()).unwrap_or_else(|_| HeaderValue::from_static(""));
        let asking = Asking { client, channel, numbers: Mutex::default(), posting: RwLock::default() };
        Self { asking: Arc::new(asking), turn: Turn::default() }
    }

    /// What goes with each request.
    pub(super) fn header(&self) -> (HeaderName, HeaderValue) {
        self.asking.header()
    }

    /// Whether the token acknowledges: asks for a number that nobody has.
    pub(super) async fn check(&self) -> Result<(), SendError> {
        let answer = self.asking.ask(&[0]).await?;
        if answer.status.is_success() && serde_json::from_slice::<Indexed>(&answer.body).is_ok() {
            return Ok(());
        }
        Err(codes::error(&answer))
    }

    /// Held from before a request is made until its number is [registered](Self::register).
    pub(super) async fn posting(&self) -> RwLockReadGuard<'_, ()> {
        self.asking.posting.read().await
    }

    /// From now on this number is asked for.
    pub(super) fn register(&self, id: u64) -> Number {
        let (sender, indexed) = oneshot::channel();
        let mut numbers = self.asking.numbers();
        if numbers.is_over_again(id) {
            // What an indexer had in memory when it was started again may be lost, and its old numbers name other requests now.
            for (_, waiting) in std::mem::take(&mut numbers.waiting) {
                let _ = waiting.send(Err(SendError::later(
                    "Splunk counts its acknowledgments from 0 again: it was started again, or a load balancer without sticky \
                     sessions stands before several indexers",
                )));
            }
            numbers.given.clear();
            numbers.beginnings += 1;
        }
        numbers.given.insert(id);
        if u64::try_from(numbers.given.len()).unwrap_or(u64::MAX) > REMEMBERED {
            numbers.given.pop_first();
        }
        numbers.waiting.insert(id, sender);
        Number { id, indexed }
    }

    /// Returns when the events of this request are indexed, or are not by then.
    pub(super) async fn indexed(&self, number: Number, within: Duration) -> Outcome {
        let Number { id, mut indexed } = number;
        let outcome = tokio::time::timeout_at(Instant::now() + within, async {
            tokio::select! {
                biased;
                outcome = &mut indexed => outcome,
                _turn = self.turn.lock() => self.ask_until(&mut indexed).await,
            }
        });
        match outcome.await {
            Ok(outcome) => outcome.unwrap_or_else(|_| Err(SendError::later("the acknowledgment was lost"))),
            Err(_) => {
                let mut numbers = self.asking.numbers();
                numbers.waiting.remove(&id);
                let why = numbers.trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
                let within = humantime::format_duration(within);
                Err(SendError::later(format!("not acknowledged by Splunk's indexers within {within}{why}")))
            }
        }
    }

    async fn ask_until(&self, indexed: &mut oneshot::Receiver<Outcome>) -> Result<Outcome, oneshot::error::RecvError> {
        let mut pause = PAUSE;
        loop {
            tokio::select! {
                biased;
                outcome = &mut *indexed => return outcome,
                () = tokio::time::sleep(pause) => {}
            }
            let asking = Arc::clone(&self.asking);
            // An answer is said once, so it is heard to its end, whoever stops waiting.
            let is_any = tokio::spawn(async move { asking.ask_for_all().await }).await.unwrap_or(false);
            pause = if is_any { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        }
    }
}

impl Asking {
    fn header(&self) -> (HeaderName, HeaderValue) {
        (CHANNEL, self.channel.clone())
    }

    async fn ask(&self, ids: &[u64]) -> Result<Answer, SendError> {
        let body = serde_json::json!({ "acks": ids }).to_string();
        self.client.request(Method::POST, ACK_PATH, &[self.header()], Bytes::from(body)).await
    }

    /// Asks for all numbers; whether one is indexed that was not before.
    async fn ask_for_all(&self) -> bool {
        let (ids, beginnings) = {
            let numbers = self.numbers();
            (numbers.waiting.keys().copied().collect::<Vec<_>>(), numbers.beginnings)
        };
        if ids.is_empty() {
            return false;
        }
        let error = match self.ask(&ids).await {
            Ok(answer) if answer.status.is_success() => match serde_json::from_slice::<Indexed>(&answer.body) {
                Ok(indexed) => {
                    // If Splunk was started again, a number may be that of a request whose answer is still on its way.
                    drop(self.posting.write().await);
                    let mut numbers = self.numbers();
                    return numbers.beginnings == beginnings && numbers.are_indexed(&indexed);
                }
                Err(_) => codes::error(&answer),
            },
            Ok(answer) => codes::error(&answer),
            Err(error) => error,
        };
        let mut numbers = self.numbers();
        match error {
            // Nobody will be told anything any more.
            error @ SendError::Closed { .. } => {
                for (_, waiting) in std::mem::take(&mut numbers.waiting) {
                    let _ = waiting.send(Err(error.clone()));
                }
            }
            error => numbers.trouble = Some(error.to_string()),
        }
        false
    }

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Numbers {
    /// Numbers go up, if not in the order in which answers come.
    fn is_over_again(&self, id: u64) -> bool {
        let lowest = self.given.last().map_or(0, |highest| highest.saturating_sub(REMEMBERED));
        self.given.contains(&id) || id < lowest
    }

    fn are_indexed(&mut self, indexed: &Indexed) -> bool {
        self.trouble = None;
        let ids =
            indexed.acks.iter().filter(|(_, is_indexed)| **is_indexed).filter_map(|(id, _)| id.parse::<u64>().ok());
        let told: Vec<_> = ids.filter_map(|id| self.waiting.remove(&id)).collect();
        let is_any = !told.is_empty();
        told.into_iter().for_each(|waiting| drop(waiting.send(Ok(()))));
        is_any
    }
}

/// A random UUID (RFC 9562, version 4).
fn uuid() -> String {
    let random: u128 = SmallRng::from_os_rng().random();
    let bits = (random & !(0xf << 76) & !(0b11 << 62)) | (0x4 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_named_by_a_random_uuid() {
        let name = uuid();
        assert_eq!(name.len(), 36);
        assert_eq!(name.as_bytes().get(14), Some(&b'4'), "{name}");
        assert!(matches!(name.as_bytes().get(19), Some(b'8' | b'9' | b'a' | b'b')), "{name}");
        assert_ne!(name, uuid());
    }

    #[test]
    fn an_indexer_that_counts_from_0_again_is_noticed() {
        let numbers = |given: &[u64]| Numbers { given: given.iter().copied().collect(), ..Numbers::default() };
        assert!(!numbers(&[]).is_over_again(0));
        assert!(!numbers(&[0, 1, 3]).is_over_again(2), "answers overtake each other");
        assert!(numbers(&[0, 1, 3]).is_over_again(1));
        assert!(numbers(&[1_000]).is_over_again(5));
        assert!(!numbers(&[1_000]).is_over_again(990));
    }
}
