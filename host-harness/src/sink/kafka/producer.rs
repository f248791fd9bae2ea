//! Sends, each as many records, whose reports are all awaited.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::Producer;
use rdkafka::producer::future_producer::{DeliveryFuture, FutureProducer, FutureRecord};
use rdkafka::util::Timeout;
use tokio::time::Instant;

use super::failure::{self, Failure, in_words};
use super::plan::KafkaPlan;
use crate::sink::{Event, Receipt, Refused, SendError, Sink};

/// How long a probe waits for an answer.
const PROBE: Duration = Duration::from_secs(10);
/// Between two looks whether a full queue has room.
const FULL: Duration = Duration::from_millis(20);

/// librdkafka's producer.
pub(super) struct Client {
    producer: FutureProducer<Context>,
    trouble: Arc<Trouble>,
}

/// What the client last had to say of the brokers.
type Trouble = Mutex<Option<(Code, String)>>;

impl Client {
    pub(super) fn new(config: &ClientConfig) -> Result<Self, KafkaError> {
        let trouble = Arc::<Trouble>::default();
        let context = Context { trouble: Arc::clone(&trouble) };
        Ok(Self { producer: FutureProducer::from_config_and_context(config, context)?, trouble })
    }

    /// What it last said, once records wait in vain.
    fn trouble(&self) -> Option<Failure> {
        let trouble = lock(&self.trouble);
        let (code, reason) = trouble.as_ref()?;
        let reason = reason.clone();
        Some(match failure::remedy(*code) {
            Some(remedy) => Failure::Closed { reason, remedy },
            None => Failure::Later(reason),
        })
    }

    fn clear_trouble(&self) {
        *lock(&self.trouble) = None;
    }
}

/// Hears what the client says beside the reports.
struct Context {
    trouble: Arc<Trouble>,
}

impl ClientContext for Context {
    /// What matters of it comes as an error, too.
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        let mut trouble = lock(&self.trouble);
        // That all brokers are down is what follows from a wrong password, too, and says less.
        let is_less = code == Code::AllBrokersDown
            && trouble.as_ref().is_some_and(|(known, _)| failure::remedy(*known).is_some());
        if !is_less {
            *trouble = Some((code, reason.to_owned()));
        }
    }
}

pub(in crate::sink) struct KafkaSink {
    plan: KafkaPlan,
    /// None: it failed for good, and the next send makes another.
    client: Mutex<Option<Arc<Client>>>,
}

/// What came of a send.
#[derive(Debug, Default)]
struct Outcome {
    delivered: usize,
    refused: Vec<Refused>,
    failed: Vec<(usize, Failure)>,
}

impl KafkaSink {
    pub(super) fn new(plan: KafkaPlan, client: Client) -> Self {
        Self { plan, client: Mutex::new(Some(Arc::new(client))) }
    }

    fn client(&self) -> Result<Arc<Client>, SendError> {
        let mut slot = lock(&self.client);
        if let Some(client) = &*slot {
            return Ok(Arc::clone(client));
        }
        let made = self.plan.client().map(Arc::new).map_err(|error| SendError::later(in_words(&error)))?;
        *slot = Some(Arc::clone(&made));
        Ok(made)
    }

    /// A client that cannot go on is let go, and one that was refused something: it would remember that for minutes.
    async fn let_go_if_useless(&self, client: Arc<Client>, failed: &[(usize, Failure)]) {
        let is_refused = failed.iter().any(|(_, failure)| matches!(failure, Failure::Closed { .. }));
        if !is_refused && client.producer.client().fatal_error().is_none() {
            return;
        }
        let kept = lock(&self.client).take_if(|kept| Arc::ptr_eq(kept, &client));
        // Its thread is waited for.
        let _ = tokio::task::spawn_blocking(move || drop((kept, client))).await;
    }

    async fn deliver(&self, client: &Client, events: &[Event]) -> Result<Outcome, SendError> {
        let mut outcome = Outcome::default();
        let mut reports: Vec<(usize, DeliveryFuture)> = Vec::with_capacity(events.len());
        let until = Instant::now() + self.plan.timeout;
        let topics: Vec<&str> = events.iter().map(|event| self.topic(event)).collect::<Result<_, _>>()?;
        for (index, (event, topic)) in events.iter().zip(topics).enumerate() {
            match enqueue(client, event, topic, until).await {
                Ok(report) => reports.push((index, report)),
                Err(error) if error.rdkafka_error_code() == Some(Code::MessageSizeTooLarge) => {
                    let most = self.plan.max_message_bytes;
                    let reason = format!("its {} bytes are more than `max_message_bytes` ({most})", event.body.len());
                    outcome.refused.push(Refused { index, reason });
                }
                Err(error) => {
                    // Those behind it keep their place.
                    let failure = Failure::of(&error);
                    outcome.failed.extend((index..events.len()).map(|index| (index, failure.clone())));
                    break;
                }
            }
        }
        for (index, report) in reports {
            match report.await {
                Ok(Ok(_)) => outcome.delivered += 1,
                Ok(Err((error, _))) => {
                    let is_late = error.rdkafka_error_code() == Some(Code::MessageTimedOut);
                    let trouble = if is_late { client.trouble() } else { None };
                    outcome.failed.push((index, trouble.unwrap_or_else(|| Failure::of(&error))));
                }
                Err(_) => outcome.failed.push((index, Failure::of(&KafkaError::Canceled))),
            }
        }
        outcome.failed.sort_by_key(|(index, _)| *index);
        Ok(outcome)
    }

    fn topic(&self, event: &Event) -> Result<&str, SendError> {
        let stream = &event.stream;
        self.plan.topics.of(stream).ok_or_else(|| {
            let remedy = "name one in `topic`, or leave the stream out with `streams`";
            SendError::closed(format!("there is no topic for the stream {stream}"), remedy)
        })
    }

    async fn metadata(&self, client: Arc<Client>, topic: String) -> Result<usize, SendError> {
        let asked = tokio::task::spawn_blocking(move || {
            let found = client.producer.client().fetch_metadata(Some(&topic), Timeout::After(PROBE));
            let failure = match found {
                Ok(found) => match found.topics().first() {
                    Some(found) => match found.error() {
                        None => return Ok(found.partitions().len()),
                        Some(error) => Failure::of(&KafkaError::MetadataFetch(error.into())),
                    },
                    None => Failure::of(&KafkaError::MetadataFetch(Code::UnknownTopicOrPartition)),
                },
                Err(error) => client.trouble().unwrap_or_else(|| Failure::of(&error)),
            };
            Err(failure.about(&topic))
        });
        let asked = asked.await.map_err(|_| SendError::later("a defect of the program; please report it"))?;
        asked.map_err(Failure::into_error)
    }
}

impl Failure {
    fn about(self, topic: &str) -> Self {
        match self {
            Self::Later(reason) => Self::Later(format!("{topic}: {reason}")),
            Self::Unfit(reason) => Self::Unfit(format!("{topic}: {reason}")),
            Self::Closed { reason, remedy } => Self::Closed { reason: format!("{topic}: {reason}"), remedy },
        }
    }

    fn into_error(self) -> SendError {
        match self {
            Self::Later(reason) => SendError::later(reason),
            Self::Unfit(reason) => SendError::unfit(reason),
            Self::Closed { reason, remedy } => SendError::closed(reason, remedy),
        }
    }
}

impl Outcome {
    /// What was delivered counts, whatever became of the rest; an error is for a send of which nothing came.
    fn answer(self) -> Result<Receipt, SendError> {
        let Self { delivered, refused, failed } = self;
        if delivered == 0 && refused.is_empty() && !failed.is_empty() {
            let worst = failed.iter().map(|(_, failure)| failure).min_by_key(|failure| match failure {
                Failure::Closed { .. } => 0,
                Failure::Later(_) => 1,
                // A broker refuses a request for one record: the courier looks for it.
                Failure::Unfit(_) => 2,
            });
            return worst.map_or_else(|| Ok(Receipt::default()), |failure| Err(failure.clone().into_error()));
        }
        let again = failed.into_iter().map(|(index, _)| index).collect();
        Ok(Receipt { refused, again, ..Receipt::default() })
    }
}

/// Hands a record to the client, which sends it on its own; waits while the client holds as much as it may.
async fn enqueue(client: &Client, event: &Event, topic: &str, until: Instant) -> Result<DeliveryFuture, KafkaError> {
    let key = format!("{}/{}", event.stream, event.org);
    let [id, stream, org] = [("id", &event.id), ("stream", &event.stream), ("org", &event.org)]
        .map(|(key, value)| Header { key, value: Some(value.as_str()) });
    let headers = OwnedHeaders::new_with_capacity(3).insert(id).insert(stream).insert(org);
    let mut record = FutureRecord::to(topic).key(&key).payload(&event.body).headers(headers);
    // A time before 1970 has no form there.
    record.timestamp = event.created.filter(|created| *created > 0);
    loop {
        match client.producer.send_result(record) {
            Ok(report) => return Ok(report),
            Err((error, back)) => {
                if error.rdkafka_error_code() != Some(Code::QueueFull) || Instant::now() >= until {
                    return Err(error);
                }
                record = back;
                tokio::time::sleep(FULL).await;
            }
        }
    }
}

impl Sink for KafkaSink {
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let client = self.client()?;
            let outcome = self.deliver(&client, events).await?;
            if outcome.delivered > 0 {
                client.clear_trouble();
            }
            if !outcome.failed.is_empty() {
                self.let_go_if_useless(client, &outcome.failed).await;
            }
            outcome.answer()
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<String, SendError>> {
        Box::pin(async {
            let topics: BTreeSet<String> = self.plan.topics.texts().map(str::to_owned).collect();
            let mut found = Vec::new();
            for topic in topics {
                let partitions = self.metadata(self.client()?, topic.clone()).await?;
                found.push(format!("the topic {topic} has {partitions} partitions"));
            }
            Ok(found.join(", "))
        })
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn later() -> Failure {
        Failure::Later("late".into())
    }

    fn unfit() -> Failure {
        Failure::Unfit("large".into())
    }

    fn closed() -> Failure {
        Failure::Closed { reason: "no right".into(), remedy: "give it" }
    }

    fn failed(failures: impl IntoIterator<Item = Failure>) -> Vec<(usize, Failure)> {
        failures.into_iter().enumerate().collect()
    }

    #[test]
    fn what_was_delivered_counts_and_the_rest_is_sent_again() {
        let outcome = Outcome { delivered: 1, refused: Vec::new(), failed: failed([closed(), unfit()]) };
        assert_eq!(outcome.answer().unwrap().again, [0, 1]);
    }

    #[test]
    fn where_nothing_was_delivered_the_worst_is_told() {
        let answer = |failures| Outcome { failed: failed(failures), ..Outcome::default() }.answer().unwrap_err();
        assert!(matches!(answer(vec![unfit(), later(), closed()]), SendError::Closed { .. }));
        assert!(matches!(answer(vec![unfit(), later()]), SendError::Later { .. }));
        assert!(matches!(answer(vec![unfit(), unfit()]), SendError::Unfit { .. }));
    }

    #[test]
    fn a_refusal_of_the_clients_own_is_about_one_record() {
        let refused = vec![Refused { index: 1, reason: "large".into() }];
        let outcome = Outcome { delivered: 0, refused: refused.clone(), failed: failed([later()]) };
        assert_eq!(outcome.answer().unwrap(), Receipt { refused, again: vec![0], ..Receipt::default() });
    }
}
