//! Events as log records, and both ways to write a message.

use chrono::Utc;
use http::HeaderValue;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use crate::sink::{Event, SendError, names};

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// In binary.
    Protobuf,
    /// As the specification has it: numbers of 64 bits are texts, enumerations are numbers.
    Json,
}

impl Encoding {
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }

    /// The message's bytes.
    pub(super) fn write(self, request: &ExportLogsServiceRequest) -> Result<Vec<u8>, SendError> {
        match self {
            Self::Protobuf => Ok(request.encode_to_vec()),
            Self::Json => serde_json::to_vec(request).map_err(|error| SendError::unfit(error.to_string())),
        }
    }
}

/// Who sends the records.
#[derive(Clone, Debug)]
pub(super) struct Source {
    resource: Resource,
    scope: InstrumentationScope,
}

impl Source {
    pub(super) fn new(service: &str) -> Self {
        let attributes = vec![text("service.name", service), text("service.version", env!("CARGO_PKG_VERSION"))];
        Self {
            resource: Resource { attributes, ..Resource::default() },
            scope: InstrumentationScope {
                name: env!("CARGO_PKG_NAME").to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..InstrumentationScope::default()
            },
        }
    }

    /// The events as one message. `now`: nanoseconds since 1970.
    pub(super) fn request(&self, events: &[Event], now: u64) -> ExportLogsServiceRequest {
        let scope_logs = ScopeLogs {
            scope: Some(self.scope.clone()),
            log_records: events.iter().map(|event| record(event, now)).collect(),
            ..ScopeLogs::default()
        };
        let resource_logs = ResourceLogs {
            resource: Some(self.resource.clone()),
            scope_logs: vec![scope_logs],
            ..ResourceLogs::default()
        };
        ExportLogsServiceRequest { resource_logs: vec![resource_logs] }
    }
}

/// A message without records.
pub(super) fn nothing() -> ExportLogsServiceRequest {
    ExportLogsServiceRequest::default()
}

/// Nanoseconds since 1970.
pub(super) fn now() -> u64 {
    nanos(Utc::now().timestamp_millis())
}

fn nanos(millis: i64) -> u64 {
    u64::try_from(millis).unwrap_or_default().saturating_mul(1_000_000)
}

/// The body is the item's text, as it is. A map would lose of it what OTLP has no form for: keys that come twice, numbers beyond 64
/// bits, halves of surrogates.
fn record(event: &Event, now: u64) -> LogRecord {
    LogRecord {
        // 0 is unknown; then receivers take the time at which it was observed.
        time_unix_nano: event.created.map(nanos).unwrap_or_default(),
        observed_time_unix_nano: now,
        severity_number: SeverityNumber::Info.into(),
        severity_text: "INFO".to_owned(),
        body: Some(any(&event.body)),
        attributes: vec![
            // The one that semantic conventions have for an id by which a repeat is known.
            text("log.record.uid", &event.id),
            text(&format!("{}.org_id", names::OTEL_NAMESPACE), &event.org),
            text(&format!("{}.stream", names::OTEL_NAMESPACE), &event.stream),
        ],
        event_name: format!("{}.{}", names::OTEL_NAMESPACE, event.stream),
        ..LogRecord::default()
    }
}

fn any(text: &str) -> AnyValue {
    AnyValue { value: Some(Value::StringValue(text.to_owned())) }
}

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any(value)), ..KeyValue::default() }
}
