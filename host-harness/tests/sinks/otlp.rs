//! A receiver of OTLP over HTTP, which reads messages with the official types. Its rules, by their numbers in [`Otlp::records`], are
//! from
//!
//! - A: <https://opentelemetry.io/docs/specs/otlp/#otlphttp> ("Binary Protobuf Encoding", "JSON Protobuf Encoding", "OTLP/HTTP
//!   Request", "OTLP/HTTP Response")
//! - B: `logs.proto` and `common.proto` of open-telemetry/opentelemetry-proto

use std::collections::BTreeSet;
use std::sync::Mutex;

use bytes::Bytes;
use host_harness::sink::Event;
use host_harness::sink::SendError;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use prost::Message;
use serde_json::json;

use crate::conformance::{Arrived, Fault, Place, Receiver, conforms, event};
use crate::http_receiver::{Asked, HttpReceiver, Protocol, Take, status};
use crate::plain_client::{ask, but};

const TOKEN: &str = "fake-token-of-the-otlp-sink";
const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const LARGEST_REQUEST: usize = 20 << 20;

#[derive(Default)]
struct Otlp {
    /// Refuses a request with one of these.
    refused: Mutex<BTreeSet<String>>,
    /// Takes a request without these, and does not name them.
    left_out: Mutex<BTreeSet<String>>,
    arrived: Mutex<Vec<Arrived>>,
    requests: Mutex<Vec<ExportLogsServiceRequest>>,
    /// What it says of each request that it takes.
    warning: Mutex<String>,
    /// Its answer to each request, whatever it holds.
    always: Mutex<Option<StatusCode>>,
}

/// `google.rpc.Status` in the encoding of the request (A, "Failures").
fn error(code: StatusCode, content_type: &str, message: &str) -> Response<Full<Bytes>> {
    #[derive(Clone, PartialEq, Message)]
    struct Status {
        #[prost(string, tag = "2")]
        message: String,
    }
    let body = match content_type {
        JSON => json!({ "message": message }).to_string().into_bytes(),
        _ => Status { message: message.to_owned() }.encode_to_vec(),
    };
    answer(code, content_type, body)
}

fn answer(code: StatusCode, content_type: &str, body: Vec<u8>) -> Response<Full<Bytes>> {
    Response::builder().status(code).header("content-type", content_type).body(Full::new(body.into())).unwrap()
}

fn text<'a>(attributes: &'a [KeyValue], key: &str) -> &'a str {
    let found = attributes.iter().find(|attribute| attribute.key == key);
    let Some(AnyValue { value: Some(Value::StringValue(text)) }) = found.and_then(|found| found.value.as_ref()) else {
        panic!("{key} is no text of {attributes:?}")
    };
    text
}

fn uid(record: &LogRecord) -> &str {
    text(&record.attributes, "log.record.uid")
}

fn body(record: &LogRecord) -> &str {
    let Some(AnyValue { value: Some(Value::StringValue(text)) }) = &record.body else { panic!("{record:?}") };
    text
}

fn records_of(request: &ExportLogsServiceRequest) -> Vec<LogRecord> {
    let scopes = request.resource_logs.iter().flat_map(|logs| &logs.scope_logs);
    scopes.flat_map(|logs| logs.log_records.clone()).collect()
}

/// Whether numbers of 64 bits are texts, and enumerations are numbers, as A has it.
fn is_written_right(text: &[u8]) -> bool {
    let read: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
    fn each<'a>(value: &'a serde_json::Value, key: &str) -> &'a [serde_json::Value] {
        value[key].as_array().map_or(&[], Vec::as_slice)
    }
    let scopes = each(&read, "resourceLogs").iter().flat_map(|logs| each(logs, "scopeLogs"));
    scopes.flat_map(|logs| each(logs, "logRecords")).all(|record| {
        let is_text = |key: &str| record.get(key).is_none_or(serde_json::Value::is_string);
        let is_number = |key: &str| record.get(key).is_none_or(serde_json::Value::is_number);
        is_text("timeUnixNano") && is_text("observedTimeUnixNano") && is_number("severityNumber")
    })
}

impl Otlp {
    /// The request, in the encoding that it says.
    fn records(&self, asked: &Asked) -> Result<ExportLogsServiceRequest, Response<Full<Bytes>>> {
        let header = |name: &str| asked.headers.get(name).map_or("", |value| value.to_str().unwrap());
        let content_type = header("content-type");
        let refuse = |code: u16, what: &str| Err(error(StatusCode::from_u16(code).unwrap(), content_type, what));
        // 1 (A): POST to /v1/logs.
        if asked.uri.path() != "/v1/logs" {
            return refuse(404, "no such path");
        }
        if asked.method != Method::POST {
            return refuse(405, "POST");
        }
        if header("authorization") != format!("Bearer {TOKEN}") {
            return refuse(401, "no such token");
        }
        // 2 (A): 20 MiB at the most, unpacked.
        if asked.body.len() > LARGEST_REQUEST {
            return refuse(413, "too large");
        }
        // 3 (A): the content type is one of two, and the body is of it.
        let read = match content_type {
            PROTOBUF => ExportLogsServiceRequest::decode(&*asked.body).ok(),
            // 4 (A): 64 bits are a text, an enumeration is a number.
            JSON if is_written_right(&asked.body) => serde_json::from_slice(&asked.body).ok(),
            JSON => None,
            _ => return refuse(415, "unknown content type"),
        };
        let Some(read): Option<ExportLogsServiceRequest> = read else { return refuse(400, "it cannot be decoded") };
        for record in records_of(&read) {
            // 5 (B): the time at which it was observed must be set.
            if record.observed_time_unix_nano == 0 {
                return refuse(400, "observed_time_unix_nano");
            }
            // 6 (B): keys of attributes are unique.
            let keys: BTreeSet<&String> = record.attributes.iter().map(|attribute| &attribute.key).collect();
            if keys.len() != record.attributes.len() {
                return refuse(400, "attributes");
            }
            // 7 (B): ids of traces have 16 bytes or none.
            if !matches!(record.trace_id.len(), 0 | 16) || !matches!(record.span_id.len(), 0 | 8) {
                return refuse(400, "trace_id");
            }
        }
        Ok(read)
    }
}

impl Protocol for Otlp {
    fn delivers(&self, _: &Asked) -> bool {
        true
    }

    fn answer(&self, asked: &Asked, take: Take) -> Response<Full<Bytes>> {
        let content_type = asked.headers.get("content-type").map_or("", |value| value.to_str().unwrap()).to_owned();
        let request = match self.records(asked) {
            Ok(request) => request,
            Err(answer) => return answer,
        };
        self.requests.lock().unwrap().push(request.clone());
        if let Some(code) = *self.always.lock().unwrap() {
            return error(code, &content_type, "always");
        }
        let records = records_of(&request);
        let refused = self.refused.lock().unwrap();
        if records.iter().any(|record| refused.contains(uid(record))) {
            return error(StatusCode::BAD_REQUEST, &content_type, "a record is refused");
        }
        let left_out = self.left_out.lock().unwrap();
        let (out, taken): (Vec<_>, Vec<_>) = records.into_iter().partition(|record| left_out.contains(uid(record)));
        let count = if take == Take::Half { taken.len() / 2 } else { taken.len() };
        let arrived = taken.into_iter().take(count).map(|record| Arrived {
            id: uid(&record).to_owned(),
            body: body(&record).to_owned(),
            acknowledged: take == Take::All,
        });
        self.arrived.lock().unwrap().extend(arrived);
        let warning = self.warning.lock().unwrap().clone();
        let partial_success = (!out.is_empty() || !warning.is_empty()).then(|| ExportLogsPartialSuccess {
            rejected_log_records: i64::try_from(out.len()).unwrap(),
            error_message: if out.is_empty() { warning } else { "older than this receiver likes".to_owned() },
        });
        let response = ExportLogsServiceResponse { partial_success };
        // 64 bits are a text in JSON, which the official types do not write.
        let written = match (&*content_type, &response.partial_success) {
            (JSON, None) => b"{}".to_vec(),
            (JSON, Some(partial)) => json!({ "partialSuccess": {
                "rejectedLogRecords": partial.rejected_log_records.to_string(),
                "errorMessage": partial.error_message,
            }})
            .to_string()
            .into_bytes(),
            _ => response.encode_to_vec(),
        };
        answer(StatusCode::OK, &content_type, written)
    }

    /// A, "OTLP/HTTP Throttling".
    fn failing(&self) -> Response<Full<Bytes>> {
        status(StatusCode::SERVICE_UNAVAILABLE, &[("retry-after", "1")], "")
    }
}

struct Collector {
    server: HttpReceiver<Otlp>,
    encoding: &'static str,
}

impl Collector {
    async fn start(encoding: &'static str) -> Self {
        Self { server: HttpReceiver::start(Otlp::default()).await, encoding }
    }

    fn otlp(&self) -> &Otlp {
        &self.server.protocol
    }

    fn requests(&self) -> usize {
        self.otlp().requests.lock().unwrap().len()
    }
}

impl Receiver for Collector {
    fn table(&self) -> String {
        let (url, encoding) = (self.server.url(), self.encoding);
        format!("type = \"otlp\"\nurl = \"{url}\"\ntoken = \"{TOKEN}\"\nencoding = \"{encoding}\"")
    }

    fn misbehave(&self, fault: Fault, requests: usize) -> bool {
        self.server.misbehave(fault, requests);
        true
    }

    fn refuse(&self, id: &str) -> bool {
        self.otlp().refused.lock().unwrap().insert(id.to_owned())
    }

    fn arrived(&self) -> Vec<Arrived> {
        self.otlp().arrived.lock().unwrap().clone()
    }

    fn knows_ids(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn otlp_in_protobuf_conforms() {
    conforms(async || Collector::start("protobuf").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn otlp_in_json_conforms() {
    conforms(async || Collector::start("json").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_says_whose_it_is_and_holds_the_item_byte_for_byte() {
    for encoding in ["protobuf", "json"] {
        let receiver = Collector::start(encoding).await;
        let place = Place::new(&receiver);
        let odd = r#"{"a":1,"a":2,"h":"\ud800","n":1e999, "s" : "J\u00f6rg"}"#;
        place.put(&[Event { body: odd.into(), ..event(0) }, Event { created: None, ..event(1) }]);
        place.deliver().await;
        let requests = receiver.otlp().requests.lock().unwrap();
        let logs = &requests[0].resource_logs[0];
        let resource = &logs.resource.as_ref().unwrap().attributes;
        assert_eq!(text(resource, "service.name"), "webex-collector");
        assert!(!text(resource, "service.version").is_empty());
        assert_eq!(logs.scope_logs[0].scope.as_ref().unwrap().name, "webex-collector");
        let [first, second] = &logs.scope_logs[0].log_records[..] else { panic!("{requests:?}") };
        assert_eq!(body(first), odd, "{encoding}");
        assert_eq!(first.time_unix_nano, 1_764_300_000_000_000_000);
        assert_eq!(second.time_unix_nano, 0, "unknown");
        assert!(first.observed_time_unix_nano > 1_764_300_000_000_000_000);
        assert_eq!(first.severity_number, 9);
        assert_eq!(text(&first.attributes, "log.record.uid"), "event-00000");
        assert_eq!(text(&first.attributes, "cisco.webex.org_id"), "org-1");
        assert_eq!(text(&first.attributes, "cisco.webex.stream"), "admin_audits");
        assert_eq!(second.event_name, "cisco.webex.security_audits");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_which_nobody_says_what_was_refused_is_kept_whole_and_not_sent_again() {
    for encoding in ["protobuf", "json"] {
        let receiver = Collector::start(encoding).await;
        receiver.otlp().left_out.lock().unwrap().insert(event(3).id);
        // More in one request than may be refused in a row: it is not believed to be the receiver's settings.
        let place = Place::with(&format!("{}\nmax_events = 500\nmax_refused = 10", receiver.table()));
        place.store(0..1_000);
        place.deliver().await;
        assert_eq!(receiver.requests(), 2, "neither again nor in parts");
        let letters = place.dead_letters();
        assert_eq!(letters.len(), 500, "lost is none: the refused one is among them");
        assert!(letters.iter().any(|(id, _)| *id == event(3).id));
        assert!(letters[0].1.contains("1 of 500") && letters[0].1.contains("older"), "{}", letters[0].1);
        let arrived: BTreeSet<String> = receiver.arrived().into_iter().map(|arrived| arrived.id).collect();
        assert_eq!(arrived.len(), 999);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_warning_is_success() {
    let receiver = Collector::start("json").await;
    *receiver.otlp().warning.lock().unwrap() = "use protobuf".to_owned();
    let place = Place::new(&receiver);
    place.store(0..10);
    place.deliver().await;
    assert_eq!((receiver.arrived().len(), place.dead_letters().len()), (10, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_20_mib_is_not_sent() {
    let receiver = Collector::start("protobuf").await;
    let place = Place::with(&format!("{}\nmax_bytes = \"60MiB\"", receiver.table()));
    let large = |number: usize, bytes: usize| Event { body: format!("\"{}\"", "x".repeat(bytes)), ..event(number) };
    place.put(&[large(0, 11 << 20), large(1, 11 << 20), large(2, 21 << 20), event(3)]);
    place.deliver().await;
    let arrived: Vec<String> = receiver.arrived().into_iter().map(|arrived| arrived.id).collect();
    assert_eq!(arrived, ["event-00000", "event-00001", "event-00003"]);
    let letters = place.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].0, "event-00002");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_tried_again_waits_for_somebody_and_nothing_is_put_away() {
    let receiver = Collector::start("protobuf").await;
    *receiver.otlp().always.lock().unwrap() = Some(StatusCode::INTERNAL_SERVER_ERROR);
    let place = Place::new(&receiver);
    place.store(0..10);
    let couriers = place.start();
    let left = couriers.drained(std::time::Duration::from_secs(60), &host_harness::stop::Stop::new()).await;
    couriers.end().await;
    assert!(left.unwrap_err().to_string().contains("500 Internal Server Error: always"));
    assert_eq!((receiver.requests(), place.dead_letters().len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_sends_no_record() {
    for encoding in ["protobuf", "json"] {
        let receiver = Collector::start(encoding).await;
        let table = receiver.table();
        assert!(Place::with(&table).sink().probe().await.is_ok());
        assert_eq!(receiver.requests(), 1);
        let wrong = Place::with(&table.replace(TOKEN, "fake-other-token")).sink().probe().await;
        let Err(error @ SendError::Closed { .. }) = wrong else { panic!("{wrong:?}") };
        assert!(error.to_string().contains("no such token") && !error.to_string().contains("fake-"), "{error}");
        assert!(receiver.arrived().is_empty());
        // With the path, too.
        let url = receiver.server.url();
        assert!(Place::with(&table.replace(&url, &format!("{url}/v1/logs"))).sink().probe().await.is_ok());
    }
}

#[tokio::test]
async fn the_receiver_refuses_what_the_specification_has_it_refuse() {
    let receiver = Collector::start("json").await;
    let url = format!("{}/v1/logs", receiver.server.url());
    let token = format!("Bearer {TOKEN}");
    let right = [("authorization", &*token), ("content-type", JSON)];
    let request = |record: &str| format!("{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{record}]}}]}}]}}");
    let uid = r#""attributes":[{"key":"log.record.uid","value":{"stringValue":"a"}}],"body":{"stringValue":"{}"}"#;
    let post = async |url: &str, headers: &[(&str, &str)], body: String| {
        ask(Method::POST, url, headers, body).await.0.as_u16()
    };
    let good = format!("{{\"observedTimeUnixNano\":\"1\",\"severityNumber\":9,\"unknown\":1,{uid}}}");
    assert_eq!(post(&url, &right, request(&good)).await, 200);
    // 1
    assert_eq!(post(&url.replace("logs", "traces"), &right, request(&good)).await, 404);
    assert_eq!(ask(Method::PUT, &url, &right, request(&good)).await.0, 405);
    assert_eq!(post(&url, &but(&right, "authorization", None), request(&good)).await, 401);
    // 2
    assert_eq!(post(&url, &right, " ".repeat(LARGEST_REQUEST + 1)).await, 413);
    // 3
    assert_eq!(post(&url, &but(&right, "content-type", Some("text/plain")), request(&good)).await, 415);
    assert_eq!(post(&url, &but(&right, "content-type", Some(PROTOBUF)), request(&good)).await, 400);
    assert_eq!(post(&url, &right, "{".to_owned()).await, 400);
    // 4
    for wrong in [
        good.replace("\"1\"", "1"),
        good.replace('9', "\"SEVERITY_NUMBER_INFO\""),
        // 5
        good.replace("\"observedTimeUnixNano\":\"1\",", ""),
        good.replace("observedTimeUnixNano", "observed_time_unix_nano"),
        // 6
        good.replace("\"attributes\":[", r#""attributes":[{"key":"log.record.uid","value":{"stringValue":"b"}},"#),
        // 7
        good.replace("\"severityNumber\"", "\"traceId\":\"abcd\",\"severityNumber\""),
    ] {
        assert_eq!(post(&url, &right, request(&wrong)).await, 400, "{wrong}");
    }
    // Refusals are messages, in the encoding of the request.
    let (_, told) = ask(Method::POST, &url, &right, "{").await;
    assert_eq!(told, r#"{"message":"it cannot be decoded"}"#);
}
