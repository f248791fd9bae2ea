//! Kafka, against librdkafka's own mock cluster: brokers that speak the protocol on loopback, with topics, partitions and the idempotent
//! producer's handshake. What it does not do as a real broker does: it takes a record again that a producer repeats with the same
//! sequence number. So answers that get lost on the way are not played here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use host_harness::config::Config;
use host_harness::sink::Event;
use host_harness::sink::{Receipt, SendError, Sink};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::conformance::{Arrived, EVENTS, Fault, Place, Receiver, conforms, event, judge};

const BROKERS: i32 = 3;
const PARTITIONS: i32 = 2;
const TOPICS: [&str; 3] = ["webex-admin-audits", "webex-security-audits", "webex-events"];
/// A look that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);

type Mock = MockCluster<'static, DefaultProducerContext>;
type Work = Box<dyn FnOnce(&Mock) + Send>;

/// The cluster, which lives on a thread of its own, and somebody who reads all of it.
struct Cluster {
    // First, for it goes while the cluster is still there.
    reader: Mutex<Reader>,
    work: mpsc::Sender<Work>,
    brokers: String,
}

struct Reader {
    consumer: BaseConsumer,
    read: Vec<OwnedMessage>,
}

impl Cluster {
    fn start() -> Self {
        let (work, todo) = mpsc::channel::<Work>();
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            let mock = MockCluster::new(BROKERS).unwrap();
            TOPICS.iter().for_each(|topic| mock.create_topic(topic, PARTITIONS, BROKERS).unwrap());
            tell.send(mock.bootstrap_servers()).unwrap();
            todo.into_iter().for_each(|work| work(&mock));
        });
        let brokers = told.recv().unwrap();
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &brokers)
            .set("group.id", "test")
            .set("enable.auto.commit", "false")
            .set("fetch.wait.max.ms", "10")
            .create()
            .unwrap();
        let mut all = TopicPartitionList::new();
        for topic in TOPICS {
            for partition in 0..PARTITIONS {
                all.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
            }
        }
        consumer.assign(&all).unwrap();
        Self { work, brokers, reader: Mutex::new(Reader { consumer, read: Vec::new() }) }
    }

    /// Does something with the cluster.
    fn with(&self, work: impl FnOnce(&Mock) + Send + 'static) {
        let (tell, told) = mpsc::channel();
        let work = move |mock: &Mock| {
            work(mock);
            tell.send(()).unwrap();
        };
        self.work.send(Box::new(work)).unwrap();
        told.recv().unwrap();
    }

    fn fail(&self, request: RDKafkaApiKey, errors: &[RDKafkaRespErr]) {
        let errors = errors.to_vec();
        self.with(move |mock| mock.request_errors(request, &errors));
    }

    fn all_brokers(&self, each: fn(&Mock, i32)) {
        self.with(move |mock| (1..=BROKERS).for_each(|broker| each(mock, broker)));
    }

    fn sink(&self, settings: &str) -> Arc<dyn Sink> {
        sink(&format!("brokers = [\"{}\"]\ntls = false\n{settings}", self.brokers.replace(',', "\", \"")))
    }

    /// All records that are there by now.
    fn records(&self) -> Vec<OwnedMessage> {
        let mut reader = self.reader.lock().unwrap();
        let Reader { consumer, read } = &mut *reader;
        let until = Instant::now() + PATIENCE;
        for topic in TOPICS {
            for partition in 0..PARTITIONS {
                let there = loop {
                    match consumer.fetch_watermarks(topic, partition, Duration::from_secs(5)) {
                        Ok((_, high)) => break high,
                        Err(error) => assert!(Instant::now() < until, "{error}"),
                    }
                };
                let is_of = |record: &&OwnedMessage| record.topic() == topic && record.partition() == partition;
                while read.iter().rev().find(is_of).map_or(0, |record| record.offset() + 1) < there {
                    assert!(Instant::now() < until, "the reader hangs");
                    // An error of the connection passes.
                    read.extend(
                        consumer.poll(Duration::from_millis(100)).and_then(Result::ok).map(|record| record.detach()),
                    );
                }
            }
        }
        read.clone()
    }
}

fn sink(settings: &str) -> Arc<dyn Sink> {
    let text = format!("[[sink]]\ntype = \"kafka\"\n{settings}\n");
    let config = Config::parse(&text, std::path::Path::new("/webex.toml")).unwrap();
    config.sinks[0].plan.open().unwrap()
}

fn id(record: &OwnedMessage) -> String {
    let header = record.headers().unwrap().iter().find(|header| header.key == "id").unwrap();
    String::from_utf8(header.value.unwrap().to_vec()).unwrap()
}

fn body(record: &OwnedMessage) -> String {
    String::from_utf8(record.payload().unwrap().to_vec()).unwrap()
}

impl Receiver for Cluster {
    fn table(&self) -> String {
        format!(
            "type = \"kafka\"\nbrokers = [\"{}\"]\ntls = false\ntimeout = \"20s\"\nmax_bytes = \"128KiB\"\n\
             topic = {{ admin_audits = \"{}\", security_audits = \"{}\", events = \"{}\" }}",
            self.brokers.replace(',', "\", \""),
            TOPICS[0],
            TOPICS[1],
            TOPICS[2]
        )
    }

    fn misbehave(&self, fault: Fault, requests: usize) -> bool {
        use RDKafkaRespErr::{
            RD_KAFKA_RESP_ERR__TRANSPORT as CUT, RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR as FAILING,
            RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS as BUSY,
        };
        let fail = |error| self.fail(RDKafkaApiKey::Produce, &vec![error; requests]);
        match fault {
            Fault::Slow | Fault::Late => {
                self.all_brokers(|mock, broker| {
                    mock.broker_round_trip_time(broker, Duration::from_millis(100)).unwrap()
                });
            }
            Fault::Down => {
                self.all_brokers(|mock, broker| mock.broker_down(broker).unwrap());
                let work = self.work.clone();
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(500));
                    let up = |mock: &Mock| (1..=BROKERS).for_each(|broker| mock.broker_up(broker).unwrap());
                    let _ = work.send(Box::new(up));
                });
            }
            Fault::Busy => fail(BUSY),
            Fault::Failing => fail(FAILING),
            // The mock takes nothing of such a request.
            Fault::Half => fail(CUT),
            Fault::CutAfter => return false,
        }
        true
    }

    fn refuse(&self, _: &str) -> bool {
        // By its size only: see below.
        false
    }

    fn arrived(&self) -> Vec<Arrived> {
        let records = self.records();
        // A record that came again was not acknowledged before: a producer that was killed does not learn of it.
        let last: BTreeMap<String, usize> = records.iter().enumerate().map(|(at, record)| (id(record), at)).collect();
        let arrived = |(at, record): (usize, &OwnedMessage)| {
            let id = id(record);
            let acknowledged = last[&id] == at;
            Arrived { id, body: body(record), acknowledged }
        };
        records.iter().enumerate().map(arrived).collect()
    }

    fn knows_ids(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn kafka_conforms() {
    conforms(async || Cluster::start()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_brokers_do_wrong_alone_makes_no_record_come_twice_and_keeps_their_order() {
    for fault in [Fault::Down, Fault::Busy, Fault::Failing, Fault::Half] {
        let cluster = Cluster::start();
        cluster.misbehave(fault, 3);
        let place = Place::new(&cluster);
        place.store(0..EVENTS);
        place.deliver().await;
        judge(&cluster, 0..EVENTS, &[], &format!("{fault:?}"));
        let records = cluster.records();
        assert_eq!(records.len(), EVENTS, "{fault:?}");
        for topic in TOPICS {
            let ids: Vec<String> = records.iter().filter(|record| record.topic() == topic).map(id).collect();
            assert!(ids.is_sorted(), "{fault:?} {topic}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_the_event_byte_for_byte_with_its_key_time_and_headers() {
    let cluster = Cluster::start();
    let sink = cluster.sink(&format!("topic = \"{}\"\ncompression = \"zstd\"", TOPICS[2]));
    let bodies = ["{\"a\":1,\"a\":2}", "{\"lone\":\"\\ud800\"}", "1e400", "\"J\u{f6}rg\""];
    let events: Vec<Event> = bodies
        .iter()
        .enumerate()
        .map(|(number, body)| Event {
            org: format!("org-{}", number % 2),
            created: (number > 0).then_some(1_764_300_000_000),
            body: (*body).into(),
            ..event(number)
        })
        .collect();
    assert_eq!(sink.send(&events).await, Ok(Receipt::default()));
    let records = cluster.records();
    assert_eq!(records.len(), events.len());
    for event in &events {
        let record = records.iter().find(|record| id(record) == event.id).unwrap();
        assert_eq!(body(record), event.body);
        assert_eq!(record.key().unwrap(), format!("{}/{}", event.stream, event.org).as_bytes());
        let headers: Vec<(&str, &[u8])> =
            record.headers().unwrap().iter().map(|header| (header.key, header.value.unwrap())).collect();
        let expected = [("id", &event.id), ("stream", &event.stream), ("org", &event.org)];
        assert_eq!(headers, expected.map(|(key, value)| (key, value.as_bytes())));
        let time = record.timestamp().to_millis();
        assert!(event.created.is_none_or(|created| time == Some(created)), "{time:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_one_key_stay_in_one_partition() {
    let cluster = Cluster::start();
    let sink = cluster.sink(&format!("topic = \"{}\"", TOPICS[2]));
    let of = |number: usize| Event { org: format!("org-{}", number % 10), ..event(number) };
    sink.send(&(0..200).map(of).collect::<Vec<_>>()).await.unwrap();
    let places: BTreeSet<(Vec<u8>, i32)> =
        cluster.records().iter().map(|record| (record.key().unwrap().to_vec(), record.partition())).collect();
    let keys: BTreeSet<&[u8]> = places.iter().map(|(key, _)| &key[..]).collect();
    assert_eq!(places.len(), keys.len());
    assert!(places.iter().any(|(_, partition)| *partition == 0) && places.iter().any(|(_, partition)| *partition == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_too_large_is_a_dead_letter_and_the_others_arrive() {
    let cluster = Cluster::start();
    let large = Event { body: format!("\"{}\"", "x".repeat(20_000)), ..event(1) };
    let sink = cluster.sink(&format!("topic = \"{}\"\nmax_message_bytes = \"10KB\"", TOPICS[0]));
    let receipt = sink.send(&[event(0), large, event(2)]).await.unwrap();
    assert!(receipt.again.is_empty());
    assert_eq!(receipt.refused.len(), 1);
    assert_eq!(receipt.refused[0].index, 1);
    assert!(receipt.refused[0].reason.contains("20002 bytes"), "{}", receipt.refused[0].reason);
    let ids: BTreeSet<String> = cluster.records().iter().map(id).collect();
    assert_eq!(ids, BTreeSet::from([event(0).id, event(2).id]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_a_topic_finds_too_large_is_cut_in_halves_by_the_courier() {
    let cluster = Cluster::start();
    let sink = cluster.sink(&format!("topic = \"{}\"", TOPICS[0]));
    let events: Vec<Event> = (0..10).map(|number| Event { stream: "events".into(), ..event(number) }).collect();
    cluster.fail(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE]);
    let error = sink.send(&events).await.unwrap_err();
    assert!(matches!(error, SendError::Unfit { .. }), "{error:?}");
    assert_eq!(cluster.records().len(), 0);
    sink.send(&events).await.unwrap();
    assert_eq!(cluster.records().len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_person_can_mend_is_said_and_waits() {
    let cluster = Cluster::start();
    let missing = cluster.sink("topic = \"webex-evnets\"\ntimeout = \"30s\"");
    for error in [missing.probe().await.unwrap_err(), missing.send(&[event(0)]).await.unwrap_err()] {
        let SendError::Closed { remedy, .. } = &error else { panic!("{error:?}") };
        assert!(remedy.contains("make the topic"), "{error:?}");
    }
    let sink = cluster.sink(&format!("topic = \"{}\"", TOPICS[0]));
    cluster.fail(RDKafkaApiKey::Produce, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED]);
    let error = sink.send(&[event(0)]).await.unwrap_err();
    assert!(matches!(&error, SendError::Closed { remedy, .. } if remedy.contains("Write")), "{error:?}");
    assert_eq!(sink.send(&[event(0)]).await, Ok(Receipt::default()));

    let unnamed = cluster.sink(&format!("topic = {{ events = \"{}\" }}", TOPICS[2]));
    let error = unnamed.send(&[event(0), event(2)]).await.unwrap_err();
    assert!(matches!(&error, SendError::Closed { reason, .. } if reason.contains("admin_audits")), "{error:?}");
    assert_eq!(cluster.records().len(), 1, "nothing is sent of what cannot be sent whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_are_down_longer_than_the_timeout_get_it_later() {
    let cluster = Cluster::start();
    let sink = cluster.sink(&format!("topic = \"{}\"\ntimeout = \"1s\"", TOPICS[0]));
    cluster.all_brokers(|mock, broker| mock.broker_down(broker).unwrap());
    let error = sink.send(&[event(0)]).await.unwrap_err();
    assert!(matches!(error, SendError::Later { .. }), "{error:?}");
    cluster.all_brokers(|mock, broker| mock.broker_up(broker).unwrap());
    let until = Instant::now() + PATIENCE;
    while sink.send(&[event(0)]).await.is_err() {
        assert!(Instant::now() < until);
    }
    assert_eq!(cluster.records().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_cannot_go_on_is_made_anew() {
    let cluster = Cluster::start();
    let sink = cluster.sink(&format!("topic = \"{}\"\ntimeout = \"10s\"", TOPICS[0]));
    cluster.fail(RDKafkaApiKey::InitProducerId, &[RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED]);
    sink.send(&[event(0)]).await.unwrap_err();
    assert_eq!(sink.send(&[event(0)]).await, Ok(Receipt::default()));
    assert_eq!(cluster.records().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_says_what_is_there_and_leaves_nothing() {
    let cluster = Cluster::start();
    let sink = cluster.sink(&format!("topic = {{ events = \"{}\", admin_audits = \"{}\" }}", TOPICS[2], TOPICS[0]));
    let found = sink.probe().await.unwrap();
    assert_eq!(found, "the topic webex-admin-audits has 2 partitions, the topic webex-events has 2 partitions");
    assert_eq!(cluster.records().len(), 0);
    let nobody = sink_of_nobody();
    assert!(matches!(nobody.probe().await, Err(SendError::Later { .. })));
}

fn sink_of_nobody() -> Arc<dyn Sink> {
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    sink(&format!("brokers = [\"127.0.0.1:{port}\"]\ntls = false\ntopic = \"t\""))
}
