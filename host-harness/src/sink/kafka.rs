//! Kafka, by librdkafka's client.
//!
//! The client is built from C, so it is behind the cargo feature `kafka`. The kind is known without it, too: a settings file that
//! names it is told how to get it.

#[cfg(feature = "kafka")]
mod failure;
#[cfg(feature = "kafka")]
mod plan;
#[cfg(feature = "kafka")]
mod producer;

use super::{Kind, Promise, SinkKey, ValueKind};

const BROKERS: &str = "brokers";
const TOPIC: &str = "topic";
const TLS: &str = "tls";
const CA_FILE: &str = "ca_file";
const CERT_FILE: &str = "cert_file";
const PRIVATE_KEY: &str = "private_key";
const PRIVATE_KEY_PASSWORD: &str = "private_key_password";
const SASL: &str = "sasl";
const USER: &str = "user";
const PASSWORD: &str = "password";
const COMPRESSION: &str = "compression";
const MAX_MESSAGE_BYTES: &str = "max_message_bytes";
const TIMEOUT: &str = "timeout";

const MECHANISMS: &[&str] = &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
const COMPRESSIONS: &[&str] = &["none", "lz4", "snappy", "zstd"];

/// One record an event.
pub(super) const KIND: Kind = Kind {
    name: "kafka",
    about: "One record an event, to topics of Kafka or of what speaks its protocol. In builds with the cargo feature `kafka`.",
    keys: &[&[
        SinkKey::needed(BROKERS, ValueKind::List, "Brokers to begin with, as `kafka1.example.com:9093`."),
        SinkKey::needed(
            TOPIC,
            ValueKind::PerStream,
            "The topic, which must be there: one for all streams, or one for each.",
        ),
        SinkKey::new(TLS, ValueKind::Boolean, "true", "Speak TLS to the brokers."),
        SinkKey::new(CA_FILE, ValueKind::Path, "", "PEM file of authorities to believe instead of this machine's."),
        SinkKey::new(
            CERT_FILE,
            ValueKind::Path,
            "",
            "PEM file of this client's certificate, where brokers ask for one.",
        ),
        SinkKey::new(PRIVATE_KEY, ValueKind::Secret, "", "The private key of that certificate, as PEM."),
        SinkKey::new(PRIVATE_KEY_PASSWORD, ValueKind::Secret, "", "The password of that key, if it has one."),
        SinkKey::new(
            SASL,
            ValueKind::Choice(MECHANISMS),
            "",
            "How to sign in with `user` and `password`. Absent: not at all.",
        ),
        SinkKey::new(USER, ValueKind::Text, "", "Name to sign in with."),
        SinkKey::new(PASSWORD, ValueKind::Secret, "", "Password to sign in with."),
        SinkKey::new(COMPRESSION, ValueKind::Choice(COMPRESSIONS), "\"lz4\"", "How records are packed."),
        SinkKey::new(
            MAX_MESSAGE_BYTES,
            ValueKind::Size,
            "\"1MB\"",
            "The largest record, as the brokers' `message.max.bytes`; a larger event goes to the dead letters.",
        ),
        SinkKey::new(TIMEOUT, ValueKind::Duration, "\"60s\"", "How long the brokers may take to acknowledge a record."),
    ]],
    promise: Promise {
        acknowledged: "each record by all replicas that are in sync (`acks=all`)",
        repeats: "records that were under way when the program was killed, or when `timeout` was over; within a run the brokers know \
                  repeats (idempotent producer)",
        order: "as collected for each stream and organization, which is the key; after `timeout` was over, records may come later",
        limits: "an event over `max_message_bytes`, or over what the topic takes, goes to the dead letters",
    },
    example: "brokers = [\"kafka1.example.com:9093\", \"kafka2.example.com:9093\"]\n\
              topic = { admin_audits = \"webex-admin-audits\", security_audits = \"webex-security-audits\", events = \"webex-events\" }\n\
              sasl = \"SCRAM-SHA-512\"\nuser = \"webex\"\npassword = { env = \"KAFKA_PASSWORD\" }",
    #[cfg(feature = "kafka")]
    plan: |given| Ok(std::sync::Arc::new(plan::KafkaPlan::of(given)?)),
    #[cfg(not(feature = "kafka"))]
    plan: |_| {
        let problem =
            "this build has no Kafka; get one with `cargo build --release -p webex-collector --features kafka`";
        Err(super::SetupError::of(super::keys::TYPE, problem))
    },
};

#[cfg(all(test, not(feature = "kafka")))]
mod tests {
    use std::collections::BTreeMap;

    use crate::sink::Given;

    #[test]
    fn a_build_without_kafka_says_how_to_get_one_with_it() {
        let given = Given::new(BTreeMap::new(), "/".into());
        let told = (super::KIND.plan)(&given).err().map(|error| error.to_string());
        assert!(told.is_some_and(|told| told.contains("--features kafka")));
    }
}
