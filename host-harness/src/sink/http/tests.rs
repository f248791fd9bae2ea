#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;

use super::*;
use crate::sink::Value;

fn given(values: &[(&'static str, &str)]) -> Given {
    let mut table: BTreeMap<_, _> = values.iter().map(|(key, text)| (*key, Value::Text((*text).into()))).collect();
    table.entry(URL).or_insert_with(|| Value::Text("https://siem.example.com/in".into()));
    Given::new(table, PathBuf::new())
}

fn events(bodies: &[&str]) -> Vec<Event> {
    let event = |body: &&str| Event {
        id: "id".into(),
        org: "org".into(),
        stream: "events".into(),
        created: None,
        body: (*body).into(),
    };
    bodies.iter().map(event).collect()
}

#[test]
fn items_go_out_byte_for_byte() {
    let events = events(&[r#"{"a":1,"a":"\ud800"}"#, "[1e999]", " 2"]);
    assert_eq!(Format::Ndjson.body(&events), b"{\"a\":1,\"a\":\"\\ud800\"}\n[1e999]\n 2\n");
    assert_eq!(Format::JsonArray.body(&events), b"[{\"a\":1,\"a\":\"\\ud800\"},[1e999], 2]");
}

#[test]
fn the_address_is_asked_as_it_was_written_and_shown_without_its_query() {
    for (url, path, place) in [
        ("https://siem.example.com", "/", "https://siem.example.com/"),
        ("https://siem.example.com/in/", "/in/", "https://siem.example.com/in/"),
        ("https://siem.example.com:8443/in?key=fake", "/in?key=fake", "https://siem.example.com:8443/in"),
    ] {
        let plan = HttpPlan::of(&given(&[(URL, url)])).unwrap();
        assert_eq!((plan.path.as_str(), plan.place().as_str()), (path, place));
    }
    for url in ["ftp://siem.example.com", "https://a:b@siem.example.com/", "https://siem.example.com/#x", "siem"] {
        assert_eq!(HttpPlan::of(&given(&[(URL, url)])).unwrap_err().key, URL);
    }
}

#[test]
fn statuses_are_numbers_and_ranges_that_do_not_meet() {
    let read = |text| HttpPlan::of(&given(&[(ACKNOWLEDGED, text)])).map(|plan| plan.acknowledged.0);
    assert_eq!(read("200, 202-204,409").unwrap(), [200..=200, 202..=204, 409..=409]);
    for text in ["", "ok", "99", "600", "204-200", "200-", "200-299-300", "400", "300-499"] {
        assert!(read(text).is_err() || text.is_empty(), "{text}");
    }
}

#[test]
fn an_answer_means_what_the_settings_say() {
    let plan = HttpPlan::of(&given(&[(ACKNOWLEDGED, "202"), (REFUSED, "422")])).unwrap();
    let sink = HttpSink {
        client: plan.endpoint.open([]),
        path: plan.path,
        format: plan.format,
        way: plan.way,
        acknowledged: plan.acknowledged,
        refused: plan.refused,
    };
    let judge = |status: u16| {
        let status = StatusCode::from_u16(status).unwrap();
        sink.judge(&Answer { status, retry_after: None, body: Bytes::new() })
    };
    assert_eq!(judge(202), Ok(Receipt::default()));
    assert!(matches!(judge(422), Err(SendError::Unfit { .. })));
    for status in [429, 500, 502, 503, 504, 408] {
        assert!(matches!(judge(status), Err(SendError::Later { .. })), "{status}");
    }
    // None of these may put events away, or take them for delivered.
    for status in [200, 204, 301, 400, 401, 403, 404, 405, 409, 413, 415] {
        assert!(matches!(judge(status), Err(SendError::Closed { .. })), "{status}");
    }
}

#[test]
fn secrets_are_in_no_debug_text_and_the_sinks_own_headers_cannot_be_set() {
    let with = |name: &str| {
        let headers = BTreeMap::from([(name.to_owned(), Value::Secret("fake-header-value".into()))]);
        let url = Value::Text("https://siem.example.com/in".into());
        let token = Value::Secret("fake-token-of-http".into());
        HttpPlan::of(&Given::new(
            BTreeMap::from([(URL, url), (HEADERS, Value::Table(headers)), (TOKEN, token)]),
            PathBuf::new(),
        ))
    };
    let shown = format!("{:?}", with("X-Key").unwrap());
    assert!(!shown.contains("fake-"), "{shown}");
    for name in ["content-type", "Content-Length", "host"] {
        assert_eq!(with(name).unwrap_err().key, HEADERS);
    }
    assert_eq!(with("authorization").unwrap_err().key, TOKEN);
}
