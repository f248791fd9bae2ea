#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use bytes::Bytes;
use http::StatusCode;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use prost::Message;
use serde_json::json;

use super::answer::judge;
use super::*;
use crate::sink::client::Answer;

fn event(body: &str) -> Event {
    Event {
        id: "id-1".into(),
        org: "org-1".into(),
        stream: "admin_audits".into(),
        created: Some(1_764_300_000_123),
        body: body.into(),
    }
}

fn answer(status: u16, body: impl Into<Bytes>) -> Answer {
    Answer { status: StatusCode::from_u16(status).unwrap(), retry_after: None, body: body.into() }
}

#[test]
fn a_record_in_json_is_written_as_the_specification_has_it() {
    let request = Source::new("collector-1").request(&[event(r#"{"a":"\ud800"}"#)], 5);
    let written: serde_json::Value = serde_json::from_slice(&Encoding::Json.write(&request).unwrap()).unwrap();
    let logs = &written["resourceLogs"][0];
    assert_eq!(
        logs["resource"]["attributes"][0],
        json!({"key": "service.name", "value": {"stringValue": "collector-1"}})
    );
    assert_eq!(logs["scopeLogs"][0]["scope"]["name"], "webex-collector");
    let record = &logs["scopeLogs"][0]["logRecords"][0];
    assert_eq!(record["timeUnixNano"], "1764300000123000000", "64 bits are a text");
    assert_eq!(record["observedTimeUnixNano"], "5");
    assert_eq!(record["severityNumber"], 9, "an enumeration is a number");
    assert_eq!(record["body"], json!({"stringValue": r#"{"a":"\ud800"}"#}));
    assert_eq!(record["attributes"][0], json!({"key": "log.record.uid", "value": {"stringValue": "id-1"}}));
    assert_eq!(record["eventName"], "cisco.webex.admin_audits");
}

#[test]
fn both_encodings_say_the_same() {
    let request = Source::new("x").request(&[event("{}"), Event { created: None, ..event("1") }], 7);
    let binary = Encoding::Protobuf.write(&request).unwrap();
    assert_eq!(ExportLogsServiceRequest::decode(&*binary).unwrap(), request);
    let text = Encoding::Json.write(&request).unwrap();
    assert_eq!(serde_json::from_slice::<ExportLogsServiceRequest>(&text).unwrap(), request);
}

#[test]
fn a_status_means_what_the_specification_says() {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let judge = |status| judge(encoding, &answer(status, "")).err();
        for status in [200, 202, 204] {
            assert_eq!(judge(status), None, "{status}");
        }
        for status in [429, 502, 503, 504] {
            assert!(matches!(judge(status), Some(SendError::Later { .. })), "{status}");
        }
        for status in [400, 413, 422] {
            assert!(matches!(judge(status), Some(SendError::Unfit { .. })), "{status}");
        }
        for status in [301, 401, 403, 404, 405, 408, 415, 500, 501] {
            assert!(matches!(judge(status), Some(SendError::Closed { .. })), "{status}");
        }
    }
}

#[test]
fn a_page_with_200_is_no_acknowledgement_and_a_message_in_either_form_is() {
    for encoding in [Encoding::Protobuf, Encoding::Json] {
        let page = judge(encoding, &answer(200, "<html>welcome</html>"));
        assert!(matches!(page, Err(SendError::Later { .. })), "{page:?}");
        assert_eq!(judge(encoding, &answer(200, "{}")), Ok(None));
        // A warning only.
        assert_eq!(judge(encoding, &answer(200, r#"{"partialSuccess":{"errorMessage":"slow down"}}"#)), Ok(None));
    }
}

#[test]
fn records_that_are_refused_without_names_are_all_kept() {
    let partial = ExportLogsPartialSuccess { rejected_log_records: 1, error_message: "too old".into() };
    let response = ExportLogsServiceResponse { partial_success: Some(partial) };
    for (encoding, body) in [
        (Encoding::Protobuf, response.encode_to_vec()),
        (Encoding::Json, br#"{"partialSuccess":{"rejectedLogRecords":"1","errorMessage":"too old"}}"#.to_vec()),
    ] {
        let partly = judge(encoding, &answer(200, body)).unwrap().unwrap();
        let receipt = partly.clone().receipt(3);
        assert!(receipt.is_in_doubt);
        assert_eq!(receipt.refused.len(), 3);
        assert!(receipt.refused[2].reason.contains("1 of 3") && receipt.refused[2].reason.contains("too old"));
        let receipt = partly.receipt(1);
        assert!(!receipt.is_in_doubt, "there is one, and that is it");
        assert_eq!(receipt.refused.len(), 1);
    }
}

#[test]
fn the_receivers_words_are_read_from_its_message() {
    // google.rpc.Status: code 3, message "bad record".
    let binary = Bytes::from_static(b"\x08\x03\x12\x0abad record");
    for (encoding, body) in
        [(Encoding::Protobuf, binary), (Encoding::Json, r#"{"code":3,"message":"bad record"}"#.into())]
    {
        let error = judge(encoding, &answer(400, body)).unwrap_err();
        assert_eq!(error.to_string(), "400 Bad Request: bad record");
    }
}
