//! Elasticsearch: against a strict stand-in.

mod stand_in;

use std::time::Duration;

use host_harness::courier::Condition;
use host_harness::sink::Event;
use host_harness::stop::Stop;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::conformance::{Arrived, EVENTS, Fault, Place, Receiver, conforms, event, judge};
use crate::http_receiver::HttpReceiver;
use stand_in::{Cluster, KEY};

type Elastic = HttpReceiver<Cluster>;

async fn start() -> Elastic {
    HttpReceiver::start(Cluster::default()).await
}

impl Receiver for Elastic {
    fn table(&self) -> String {
        table(self, "")
    }

    fn misbehave(&self, fault: Fault, requests: usize) -> bool {
        let can = fault != Fault::Late;
        if can {
            Elastic::misbehave(self, fault, requests);
        }
        can
    }

    fn refuse(&self, id: &str) -> bool {
        self.protocol.inner.lock().unwrap().refused.insert(id.to_owned())
    }

    fn arrived(&self) -> Vec<Arrived> {
        self.protocol.arrived()
    }

    fn knows_ids(&self) -> bool {
        true
    }
}

fn table(receiver: &Elastic, more: &str) -> String {
    format!("type = \"elasticsearch\"\nurl = \"{}\"\napi_key = \"{KEY}\"\n{more}", receiver.url())
}

/// Stores events with these bodies; their ids are their places.
fn store(place: &Place, bodies: &[&str]) {
    let event = |(number, body): (usize, &&str)| Event {
        id: number.to_string(),
        org: String::new(),
        stream: "events".into(),
        created: Some(1_764_300_000_000),
        body: (*body).to_owned(),
    };
    let events: Vec<Event> = bodies.iter().enumerate().map(event).collect();
    place.put(&events);
}

/// What the sink says when it takes nothing.
async fn closed(place: &Place) -> String {
    let couriers = place.start();
    let left = couriers.drained(Duration::from_secs(30), &Stop::new()).await.unwrap_err();
    couriers.end().await;
    match &left.0[0].condition {
        Condition::Closed { reason, .. } => reason.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn elasticsearch_conforms() {
    conforms(start).await;
}

/// For each rule of the stand-in a client that breaks it.
#[tokio::test(flavor = "multi_thread")]
async fn the_stand_in_refuses_what_the_real_one_refuses() {
    let ndjson = ("content-type", "application/x-ndjson");
    let good = "{\"create\":{\"_index\":\"logs-webex.a-default\",\"_id\":\"1\"}}\n{\"@timestamp\":\"2025-01-01T00:00:00Z\",\"data\":{}}\n";
    let with = |from: &str, to: &str| {
        assert!(good.contains(from));
        good.replacen(from, to, 1)
    };
    let long = "x".repeat(513);
    let deep = format!("{}1{}", "{\"a\":".repeat(102), "}".repeat(102));
    let immense = format!("{{\"{}\":\"a\"}}", "k".repeat(32_766));
    for (what, body, header, query, says) in [
        ("no newline at the end", good.trim_end().to_owned(), ndjson, "", "terminated by a newline"),
        ("another content type", good.to_owned(), ("content-type", "text/plain"), "", "is not supported"),
        ("no content type", good.to_owned(), ("x-none", ""), "", "is not supported"),
        ("no action", with("\"create\"", "\"add\""), ndjson, "", "Malformed action"),
        ("a blank line", format!("\n{good}"), ndjson, "", "Malformed action"),
        ("an odd member of the action", with("\"_id\"", "\"id\":1,\"_id\""), ndjson, "", "unknown parameter"),
        ("an odd parameter", good.to_owned(), ndjson, "?colour=red", "unrecognized parameter"),
        ("an id that is too long", with("\"1\"", &format!("\"{long}\"")), ndjson, "", "512 bytes"),
        ("an empty id", with("\"1\"", "\"\""), ndjson, "", "512 bytes"),
        ("index into a data stream", with("create", "index"), ndjson, "", "op_type of create"),
        ("no time", with("@timestamp", "timestamp"), ndjson, "", "[@timestamp] is missing"),
        ("a time that is none", with("2025-01-01T00:00:00Z", "+10000-01-01"), ndjson, "", "[@timestamp] is missing"),
        ("a member twice", with("{}", "{\"b\":{\"a\":1,\"a\":2}}"), ndjson, "", "Duplicate field"),
        ("no object in the flattened field", with("{}", "[1]"), ndjson, "", "BEGIN_OBJECT"),
        ("too deep", with("{}", &deep), ndjson, "", "depth limit"),
        ("an immense term", with("{}", &immense), ndjson, "", "immense"),
        ("an index name that is none", with("logs-webex.a-default", "Logs"), ndjson, "", "invalid_index_name"),
        ("an index that is not there", with("logs-webex.a-default", "logs"), ndjson, "", "index_not_found"),
        ("a pipeline that is not there", good.to_owned(), ndjson, "?pipeline=none", "does not exist"),
    ] {
        let receiver = start().await;
        let (_, answer) = post(&receiver, &format!("/_bulk{query}"), header, Some(KEY), body).await;
        assert!(answer.contains(says), "{what}: {answer}");
        assert!(receiver.arrived().is_empty(), "{what}");
    }
    let receiver = start().await;
    let (status, _) = post(&receiver, "/_bulk", ndjson, Some("other"), good.to_owned()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    receiver.protocol.inner.lock().unwrap().max_content_length = good.len();
    assert_eq!(post(&receiver, "/_bulk", ndjson, Some(KEY), good.repeat(2)).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let (_, answer) = post(&receiver, "/_bulk", ndjson, Some(KEY), good.to_owned()).await;
    assert!(answer.contains("201"), "{answer}");
    let (_, answer) = post(&receiver, "/_bulk", ndjson, Some(KEY), good.to_owned()).await;
    assert!(answer.contains("409"), "the same id: {answer}");
}

async fn post(
    receiver: &Elastic,
    path: &str,
    (name, value): (&str, &str),
    key: Option<&str>,
    body: String,
) -> (StatusCode, String) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
    let mut request = Request::post(format!("{}{path}", receiver.url())).header(name, value);
    if let Some(key) = key {
        request = request.header("authorization", format!("ApiKey {key}"));
    }
    let answer = client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn items_that_are_rejected_in_an_answer_of_success_are_sent_again() {
    let receiver = start().await;
    receiver.protocol.inner.lock().unwrap().rejections = 1_234;
    let place = Place::new(&receiver);
    place.store(0..EVENTS);
    place.deliver().await;
    judge(&receiver, 0..EVENTS, &[], "rejected items");
    assert_eq!(place.dead_letters(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_goes_out_as_it_came_or_becomes_a_dead_letter_with_the_reason() {
    let receiver = start().await;
    let place = Place::with(&table(&receiver, ""));
    let deep = format!("{}1{}", "{\"a\":".repeat(102), "}".repeat(102));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1 << 20));
    let bodies = [
        r#"{"n":1e400,"m":12345678901234567890123, "s":"\ud800"}"#,
        r#"["no", {"object":1}]"#,
        r#"{"a":{"secret":1,"secret":2}}"#,
        &deep,
        &long,
    ];
    store(&place, &bodies);
    place.deliver().await;
    let arrived: Vec<(String, String)> = receiver.arrived().into_iter().map(|event| (event.id, event.body)).collect();
    let want = [("0", bodies[0]), ("1", "{\"value\":[\"no\", {\"object\":1}]}"), ("4", &long)];
    assert_eq!(arrived, want.map(|(id, body)| (id.to_owned(), body.to_owned())));
    let letters = place.dead_letters();
    assert_eq!(letters.len(), 2);
    assert_eq!(letters[0].0, "2");
    assert!(letters[0].1.ends_with("a name comes twice in an object of the item"), "{letters:?}");
    assert!(letters[1].1.contains("nested deeper"), "{letters:?}");
    assert!(!format!("{letters:?}").contains("secret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_too_large_is_halved_and_an_event_that_is_goes_to_the_dead_letters() {
    let receiver = start().await;
    receiver.protocol.inner.lock().unwrap().max_content_length = 20_000;
    let place = Place::with(&table(&receiver, ""));
    let (small, large) = ("{\"a\":\"12345678901234567890\"}", format!("{{\"a\":\"{}\"}}", "x".repeat(20_000)));
    let mut bodies = vec![small; 200];
    bodies[77] = &large;
    store(&place, &bodies);
    place.deliver().await;
    assert_eq!(receiver.arrived().len(), 199);
    let letters = place.dead_letters();
    assert!(letters.len() == 1 && letters[0].0 == "77" && letters[0].1.starts_with("413"), "{letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_does_not_hold_or_an_index_that_is_not_there_stops_the_sink_and_loses_nothing() {
    let receiver = start().await;
    let url = receiver.url();
    for (table, says) in [
        (format!("type = \"elasticsearch\"\nurl = \"{url}\"\napi_key = \"wrong\""), "`api_key`"),
        (table(&receiver, "index = \"nowhere\""), "make the index or data stream"),
        (table(&receiver, "pipeline = \"none\""), "mend `pipeline`"),
    ] {
        let place = Place::with(&table);
        place.store(0..10);
        let reason = closed(&place).await;
        assert!(reason.contains(says), "{reason}");
        assert!(place.dead_letters().is_empty() && receiver.arrived().is_empty());
    }
}

/// What the page in the documentation says of rollover.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_recognised_until_the_data_stream_rolls_over() {
    let receiver = start().await;
    for times in 1..=2 {
        let place = Place::new(&receiver);
        place.store(0..3);
        place.deliver().await;
        assert_eq!(receiver.arrived().len(), 3, "delivered {times} times");
    }
    receiver.protocol.inner.lock().unwrap().rollovers.insert("logs-webex.events-default".into(), 1);
    let place = Place::new(&receiver);
    place.store(0..3);
    place.deliver().await;
    assert_eq!(receiver.arrived().len(), 4, "the one of the stream that rolled over");
    assert_eq!(event(2).stream, "events");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_and_an_index_of_a_stream_are_named_in_the_request() {
    let receiver = start().await;
    receiver.protocol.inner.lock().unwrap().pipelines.insert("geo".into());
    let place = Place::with(&table(&receiver, "pipeline = \"geo\"\nindex = { events = \"logs-mine-1\" }"));
    place.store(0..3);
    place.deliver().await;
    let inner = receiver.protocol.inner.lock().unwrap();
    let names: Vec<&str> = inner.documents.keys().map(|(index, ..)| index.as_str()).collect();
    assert_eq!(names, ["logs-mine-1", "logs-webex.admin_audits-default", "logs-webex.security_audits-default"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_asks_for_the_rights_and_leaves_nothing() {
    let receiver = start().await;
    let config = |table: &str| {
        let text = format!("[[sink]]\n{table}\n");
        host_harness::config::Config::parse(&text, std::path::Path::new("/tmp/webex.toml")).unwrap()
    };
    let sink = config(&table(&receiver, "")).sinks[0].plan.open().unwrap();
    assert_eq!(sink.probe().await.unwrap(), "Elasticsearch 9.1.0 answers and takes events");
    receiver.protocol.inner.lock().unwrap().has_create_doc = false;
    let refused = sink.probe().await.unwrap_err().to_string();
    assert!(refused.contains("lacks the privilege `create_doc` on logs-webex.*-*"), "{refused}");
    assert!(receiver.arrived().is_empty() && receiver.protocol.inner.lock().unwrap().requests == 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn init_prints_a_template_or_installs_it_once() {
    let receiver = start().await;
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("webex.toml");
    let run = async |arguments: &[&str]| {
        let program = env!("CARGO_BIN_EXE_webex-collector");
        let mut command = tokio::process::Command::new(program);
        let done = command.arg("--config").arg(&settings).args(["elasticsearch", "init"]).args(arguments).output();
        let output = done.await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, printed, _) = run(&["--opensearch"]).await;
    let template: serde_json::Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(code, 0);
    assert_eq!(template["template"]["mappings"]["properties"]["data"]["type"], "flat_object");
    std::fs::write(&settings, format!("[[sink]]\n{}\n", table(&receiver, "index = { events = \"logs-mine-1\" }")))
        .unwrap();
    let (code, _, words) = run(&["--install"]).await;
    assert_eq!(code, 0, "{words}");
    {
        let inner = receiver.protocol.inner.lock().unwrap();
        let template = &inner.templates["webex-elasticsearch"];
        assert_eq!(template["index_patterns"], serde_json::json!(["logs-mine-1", "logs-webex.*-*"]));
        assert_eq!(template["template"]["mappings"]["properties"]["data"]["type"], "flattened");
    }
    let (code, _, words) = run(&["--install"]).await;
    assert!(code == 2 && words.contains("exists already"), "{words}");
    assert_eq!(run(&["--install", "--force"]).await.0, 0);
    let (code, _, words) = run(&["--install", "--sink", "other"]).await;
    assert!(code == 2 && words.contains("there is no sink `other`"), "{words}");
}
