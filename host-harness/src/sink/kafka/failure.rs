//! What is done about an error of the client or of a broker.

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// Why a record was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Not now.
    Later(String),
    /// The record, or another of its request.
    Unfit(String),
    /// Until somebody changes something.
    Closed { reason: String, remedy: &'static str },
}

impl Failure {
    pub(super) fn of(error: &KafkaError) -> Self {
        let reason = in_words(error);
        match error.rdkafka_error_code() {
            Some(
                Code::MessageSizeTooLarge
                | Code::InvalidMessageSize
                | Code::InvalidRecord
                | Code::InvalidTimestamp
                | Code::MessageBatchTooLarge,
            ) => Self::Unfit(reason),
            Some(code) => remedy(code).map_or(Self::Later(reason.clone()), |remedy| Self::Closed { reason, remedy }),
            None => Self::Later(reason),
        }
    }
}

/// What to change, where nothing else helps.
pub(super) fn remedy(code: Code) -> Option<&'static str> {
    Some(match code {
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::InvalidTopic | Code::UnknownPartition => {
            "make the topic, or mend `topic`"
        }
        Code::TopicAuthorizationFailed => {
            "allow this user to write to the topic (`--operation Write --operation Describe`)"
        }
        Code::ClusterAuthorizationFailed => "allow this user `IdempotentWrite` on the cluster",
        Code::Authentication | Code::SaslAuthenticationFailed => "mend `user`, `password` or `sasl`",
        Code::UnsupportedSASLMechanism | Code::IllegalSASLState => "mend `sasl`: the brokers have no such mechanism",
        Code::SSL => "mend `tls`, `ca_file`, `cert_file` or `private_key`",
        Code::UnsupportedCompressionType => "choose another `compression`",
        Code::PolicyViolation => "mend the topic's settings, or choose another topic",
        _ => return None,
    })
}

/// An error without the value of a setting, which may be a secret.
pub(super) fn in_words(error: &KafkaError) -> String {
    match error {
        KafkaError::ClientConfig(_, problem, key, _) => format!("{problem} ({key})"),
        error => error.rdkafka_error_code().map_or_else(|| error.to_string(), |code| code.to_string()),
    }
}

#[cfg(test)]
#[allow(clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn of(code: Code) -> Failure {
        Failure::of(&KafkaError::MessageProduction(code))
    }

    #[test]
    fn errors_that_pass_are_tried_again() {
        for code in [
            Code::MessageTimedOut,
            Code::AllBrokersDown,
            Code::NotEnoughReplicas,
            Code::NotLeaderForPartition,
            Code::BrokerTransportFailure,
            Code::PurgeQueue,
            Code::Fatal,
        ] {
            assert!(matches!(of(code), Failure::Later(_)), "{code:?}");
        }
        assert!(matches!(Failure::of(&KafkaError::Canceled), Failure::Later(_)));
    }

    #[test]
    fn what_is_about_records_is_for_the_dead_letters_and_what_is_about_rights_waits_for_somebody() {
        assert!(matches!(of(Code::MessageSizeTooLarge), Failure::Unfit(_)));
        assert!(matches!(of(Code::InvalidRecord), Failure::Unfit(_)));
        for code in [Code::TopicAuthorizationFailed, Code::UnknownTopicOrPartition, Code::SaslAuthenticationFailed] {
            let Failure::Closed { reason, remedy } = of(code) else { panic!("{code:?}") };
            assert!(!reason.is_empty() && !remedy.is_empty());
        }
    }

    #[test]
    fn the_value_of_a_setting_is_not_told() {
        let problem = || "no such mechanism".to_owned();
        let result = rdkafka::types::RDKafkaConfRes::RD_KAFKA_CONF_INVALID;
        let error = KafkaError::ClientConfig(result, problem(), "sasl.password".to_owned(), "hunter2".to_owned());
        assert_eq!(in_words(&error), "no such mechanism (sasl.password)");
    }
}
