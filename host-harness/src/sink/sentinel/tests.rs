#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use bytes::Bytes;
use serde_json::{Value, json};

use super::*;

fn event(created: Option<i64>, body: &str) -> Event {
    Event { id: "a\"b".into(), org: "org-1".into(), stream: "events".into(), created, body: body.into() }
}

#[test]
fn a_row_holds_the_item_byte_for_byte_and_what_queries_ask_for_first() {
    let now = DateTime::from_timestamp_millis(1_764_400_000_000).unwrap();
    let item = r#"{"a":1,"a":"\ud800","n":1e999}"#;
    let events = [event(Some(1_764_300_000_123), item), event(None, "[]")];
    let text = String::from_utf8(rows(&events.iter().collect::<Vec<_>>(), now)).unwrap();
    assert_eq!(
        text,
        format!(
            r#"[{{"TimeGenerated":"2025-11-28T03:20:00.123Z","Created":"2025-11-28T03:20:00.123Z","EventId":"a\"b","OrgId":"org-1","Stream":"events","Data":{item}}},{{"TimeGenerated":"2025-11-29T07:06:40.000Z","EventId":"a\"b","OrgId":"org-1","Stream":"events","Data":[]}}]"#
        )
    );
    let plain = event(Some(0), "{}");
    let read: Value = serde_json::from_slice(&rows(&[&plain], now)).unwrap();
    assert_eq!(read[0]["Data"], json!({}));
}

#[test]
fn what_stands_beside_the_items_of_a_full_call_fits_into_it() {
    let id = "i".repeat(200);
    let body = format!("\"{}\"", "x".repeat(CALL / ROWS - 2));
    let event = Event { id, ..event(Some(0), &body) };
    let events = vec![&event; ROWS];
    assert!(rows(&events, Utc::now()).len() < LARGEST_CALL);
}

#[test]
fn an_answer_means_what_microsoft_documents() {
    let judge = |status: u16, body: &'static str| {
        let status = StatusCode::from_u16(status).unwrap();
        judge(&Answer { status, retry_after: None, body: Bytes::from_static(body.as_bytes()) })
    };
    assert_eq!(judge(204, ""), Ok(()));
    for status in [200, 202, 429, 500, 503] {
        assert!(matches!(judge(status, ""), Err(SendError::Later { .. })), "{status}");
    }
    assert!(matches!(judge(400, r#"{"error":{"code":"InvalidBody"}}"#), Err(SendError::Unfit { .. })));
    assert!(matches!(judge(413, ""), Err(SendError::Unfit { .. })));
    let stream = judge(400, r#"{"error":{"code":"InvalidStream","message":"x"}}"#);
    assert!(stream.unwrap_err().to_string().contains("`dcr_stream`"));
    assert!(judge(403, "").unwrap_err().to_string().contains("Monitoring Metrics Publisher"));
    assert!(judge(404, "").unwrap_err().to_string().contains("`dcr_id`"));
    assert!(matches!(judge(401, ""), Err(SendError::Closed { .. })));
}
