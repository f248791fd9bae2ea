//! The settings, and what they are in librdkafka's words.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::error::KafkaError;

use super::failure::in_words;
use super::producer::{Client, KafkaSink};
use super::{
    BROKERS, CA_FILE, CERT_FILE, COMPRESSION, COMPRESSIONS, MAX_MESSAGE_BYTES, MECHANISMS, PASSWORD, PRIVATE_KEY,
    PRIVATE_KEY_PASSWORD, SASL, TIMEOUT, TLS, TOPIC, USER,
};
use crate::secrets::Secret;
use crate::sink::{Given, PerStream, Plan, SetupError, Sink, SinkError, Traffic};

/// What a record may have, if nothing is said: as brokers have it, too.
const USUAL_BYTES: u64 = 1_000_000;
const BYTES: std::ops::RangeInclusive<u64> = 1_000..=1_000_000_000;
const USUAL_TIMEOUT: Duration = Duration::from_secs(60);
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);
/// KiB of records that wait in the client's memory, of all tenants that share it: as much as the largest send has.
const QUEUE_KBYTES: u64 = 64 << 10;

/// Where records go.
#[derive(Clone, Debug)]
pub(in crate::sink) struct KafkaPlan {
    brokers: String,
    pub(super) topics: PerStream,
    tls: Option<Tls>,
    sasl: Option<Sasl>,
    compression: &'static str,
    pub(super) max_message_bytes: u64,
    pub(super) timeout: Duration,
}

#[derive(Clone, Debug)]
struct Tls {
    ca_file: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    key: Option<Secret>,
    key_password: Option<Secret>,
}

#[derive(Clone, Debug)]
struct Sasl {
    mechanism: &'static str,
    user: String,
    password: Secret,
}

impl KafkaPlan {
    pub(in crate::sink) fn of(given: &Given) -> Result<Self, SetupError> {
        let brokers: Vec<&str> = given.list(BROKERS).collect();
        if brokers.is_empty() {
            return Err(SetupError::of(BROKERS, "it names no broker"));
        }
        let topics = given.per_stream(TOPIC);
        if topics.texts().any(|topic| !is_topic(topic)) {
            return Err(SetupError::of(TOPIC, "a topic's name has 1 to 249 of a-z, A-Z, 0-9, `.`, `_` and `-`"));
        }
        let tls = if given.is_on(TLS, true)? { Some(Tls::of(given)?) } else { None };
        if tls.is_none()
            && let Some(key) = [CA_FILE, CERT_FILE, PRIVATE_KEY].into_iter().find(|key| given.has(key))
        {
            return Err(SetupError::of(key, "it is for TLS, and `tls` is off"));
        }
        let sasl = Sasl::of(given)?;
        if tls.is_none() && sasl.as_ref().is_some_and(|sasl| sasl.mechanism == "PLAIN") {
            return Err(SetupError::of(
                SASL,
                "without TLS everybody on the way reads the password; use SCRAM, or `tls`",
            ));
        }
        Ok(Self {
            brokers: brokers.join(","),
            topics,
            tls,
            sasl,
            compression: choice(given, COMPRESSION, COMPRESSIONS)?.unwrap_or("lz4"),
            max_message_bytes: given.size(MAX_MESSAGE_BYTES, BYTES)?.unwrap_or(USUAL_BYTES),
            timeout: given.time(TIMEOUT, TIMEOUTS)?.unwrap_or(USUAL_TIMEOUT),
        })
    }

    /// A client with these settings. It connects on its own when it is needed.
    pub(super) fn client(&self) -> Result<Client, KafkaError> {
        let mut config = ClientConfig::new();
        let most = self.max_message_bytes.to_string();
        // Two of the largest fit, whatever is asked for.
        let queue = QUEUE_KBYTES.max(self.max_message_bytes >> 9);
        for (name, value) in [
            ("client.id", "webex-collector"),
            ("bootstrap.servers", &self.brokers),
            ("enable.idempotence", "true"),
            ("acks", "all"),
            // As the clients in Java choose a partition for a key.
            ("partitioner", "murmur2_random"),
            ("compression.type", self.compression),
            ("message.max.bytes", &most),
            ("batch.size", &most),
            ("message.timeout.ms", &self.timeout.as_millis().to_string()),
            ("queue.buffering.max.kbytes", &queue.to_string()),
            // A slip in a name would make a topic that nobody reads.
            ("allow.auto.create.topics", "false"),
            ("topic.metadata.propagation.max.ms", "5000"),
        ] {
            config.set(name, value);
        }
        let protocol = match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        };
        config.set("security.protocol", protocol);
        if let Some(Tls { ca_file, cert_file, key, key_password }) = &self.tls {
            for (name, path) in [("ssl.ca.location", ca_file), ("ssl.certificate.location", cert_file)] {
                if let Some(path) = path {
                    config.set(name, path.to_string_lossy());
                }
            }
            for (name, secret) in [("ssl.key.pem", key), ("ssl.key.password", key_password)] {
                if let Some(secret) = secret {
                    config.set(name, secret.expose());
                }
            }
        }
        if let Some(Sasl { mechanism, user, password }) = &self.sasl {
            config.set("sasl.mechanism", *mechanism).set("sasl.username", user).set("sasl.password", password.expose());
        }
        Client::new(&config)
    }
}

impl Tls {
    fn of(given: &Given) -> Result<Self, SetupError> {
        let tls = Self {
            ca_file: given.path(CA_FILE),
            cert_file: given.path(CERT_FILE),
            key: given.secret(PRIVATE_KEY).cloned(),
            key_password: given.secret(PRIVATE_KEY_PASSWORD).cloned(),
        };
        match (&tls.cert_file, &tls.key) {
            (Some(_), None) => Err(SetupError::of(PRIVATE_KEY, "a certificate needs its key")),
            (None, Some(_)) => Err(SetupError::of(CERT_FILE, "a key needs its certificate")),
            (Some(_), Some(_)) | (None, None) => Ok(tls),
        }
    }
}

impl Sasl {
    fn of(given: &Given) -> Result<Option<Self>, SetupError> {
        let Some(mechanism) = choice(given, SASL, MECHANISMS)? else {
            let left = [USER, PASSWORD].into_iter().find(|key| given.has(key));
            return left.map_or(Ok(None), |key| Err(SetupError::of(key, "`sasl` does not say how to sign in with it")));
        };
        let (user, password) = (given.needed(USER)?.to_owned(), given.needed_secret(PASSWORD)?.clone());
        Ok(Some(Self { mechanism, user, password }))
    }
}

impl Plan for KafkaPlan {
    fn open(&self) -> Result<Arc<dyn Sink>, SinkError> {
        let client =
            self.client().map_err(|error| SinkError::Setup { name: self.place(), reason: in_words(&error) })?;
        Ok(Arc::new(KafkaSink::new(self.clone(), client)))
    }

    fn place(&self) -> String {
        let topics: Vec<&str> = self.topics.texts().collect();
        format!("kafka {} ({})", self.brokers, topics.join(", "))
    }

    fn traffic(&self) -> Traffic {
        // The client makes requests of it as the brokers like them; a send ends when all are acknowledged.
        Traffic { max_bytes: 8 << 20, max_events: 20_000, side_by_side: 1 }
    }
}

fn choice(given: &Given, key: &'static str, names: &[&'static str]) -> Result<Option<&'static str>, SetupError> {
    let choices: Vec<_> = names.iter().map(|name| (*name, Some(*name))).collect();
    given.choice(key, &choices, None)
}

/// As brokers have it: `org.apache.kafka.common.internals.Topic`.
fn is_topic(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=249).contains(&name.len()) && name.chars().all(is_letter) && name != "." && name != ".."
}
