//! A body is the item with nothing changed but white space between tokens, and the two members that are added.

use std::sync::Arc;

use wiremock::matchers::{method, path, path_regex};
use wiremock::{Mock, Request, Respond, ResponseTemplate};

use crate::support::{LOG_TYPES, PATHS, STREAMS, Scripted, answer, json};
use crate::tokens::{items, member, texts};

/// A sample file, as it is.
pub(crate) fn sample(stream: &str) -> String {
    let path = format!("{}/tests/samples/{stream}.json", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// A list that comes in these pages, each with a link to the next.
struct Pages {
    /// Address of the list.
    at: String,
    pages: Arc<[String]>,
}

impl Respond for Pages {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let cursor = request.url.query_pairs().find(|(name, _)| name == "cursor");
        let number = cursor.map_or(0, |(_, number)| number.parse::<usize>().unwrap());
        let page = json(&self.pages[number]);
        if number + 1 == self.pages.len() {
            return page;
        }
        let query: Vec<&str> =
            request.url.query().unwrap().split('&').filter(|pair| !pair.starts_with("cursor=")).collect();
        let next = format!("<{}?{}&cursor={}>; rel=\"next\"", self.at, query.join("&"), number + 1);
        page.insert_header("link", next.as_str())
    }
}

async fn serve(webex: &Scripted, stream: usize, pages: Vec<String>) {
    webex
        .serve(PATHS[stream], Pages { at: format!("{}{}", webex.server.uri(), PATHS[stream]), pages: pages.into() })
        .await;
}

/// Pages of so many items, each item as it stands in the file, white space and all.
fn pages_of(file: &str, size: usize) -> Vec<String> {
    items(file).chunks(size).map(|items| format!("{{\n \"items\": [\n  {}\n ]\n}}\n", items.join(",\n  "))).collect()
}

/// The tokens that the body of an item must have.
fn expected(item: &str, stream: usize) -> Vec<String> {
    let mut tokens: Vec<&str> = texts(item);
    assert_eq!(tokens.pop(), Some("}"), "an object");
    let created = member(item, "created").filter(|created| *created != ["null"]);
    if let Some(created) = created {
        tokens.extend([",", "\"_time\"", ":"]);
        tokens.extend(created);
    }
    let log_type = format!("\"{}\"", LOG_TYPES[stream]);
    tokens.extend([",", "\"source_log_type\"", ":", &log_type, "}"]);
    tokens.into_iter().map(str::to_owned).collect()
}

/// Collects what is scripted, and compares every body with its item.
async fn check_samples(webex: Scripted, files: &[String; 3]) {
    Mock::given(method("GET")).and(path_regex("^/v1/events/.+")).respond_with(answer(404)).mount(&webex.server).await;
    let (events, reports) = webex.setup().set("first_fetch", "1h").open().await.collect().await;
    assert!(reports.iter().all(|report| report.failure.is_none()), "{reports:?}");
    let mut count = 0;
    for (stream, file) in files.iter().enumerate() {
        let mut want: Vec<Vec<String>> = items(file).into_iter().map(|item| expected(item, stream)).collect();
        let of_stream = || events.iter().filter(|event| event.stream == STREAMS[stream]);
        let owned = |body| texts(body).into_iter().map(str::to_owned).collect();
        let mut found: Vec<Vec<String>> = of_stream().map(|event| owned(event.body.as_str())).collect();
        assert!(of_stream().all(|event| !event.body.contains(['\n', '\r'])), "each body is one line");
        want.sort();
        found.sort();
        assert_eq!(found, want, "{}", STREAMS[stream]);
        count += found.len();
    }
    assert_eq!(count, events.len());
    let ids: std::collections::BTreeSet<&str> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids.len(), events.len(), "ids are unique over streams");
    assert!(events.iter().all(|event| event.created.is_some()));
    for event in &events {
        assert!(event.id.len() <= 400 && event.id.bytes().all(|byte| byte.is_ascii_graphic()), "{}", event.id);
    }
}

#[tokio::test]
async fn the_sample_files_come_out_unchanged_but_for_the_two_members() {
    let files = STREAMS.map(sample);
    let webex = Scripted::start().await;
    for (stream, file) in files.iter().enumerate() {
        assert!(file.contains("\n    \""), "the file is pretty-printed");
        serve(&webex, stream, vec![file.clone()]).await;
    }
    check_samples(webex, &files).await;
}

#[tokio::test]
async fn the_sample_files_come_out_unchanged_in_pages_of_any_size() {
    let files = STREAMS.map(sample);
    for size in [4, 2, 1] {
        let webex = Scripted::start().await;
        for (stream, file) in files.iter().enumerate() {
            serve(&webex, stream, pages_of(file, size)).await;
        }
        check_samples(webex, &files).await;
    }
}

/// What stands in a page, and the body that comes of it.
#[track_caller]
fn check_tokens(body: &str, want: &str) {
    assert_eq!(texts(body), texts(want));
    assert!(!body.contains(['\n', '\r']), "{body}");
}

#[tokio::test]
async fn odd_items_come_out_as_they_are() {
    let cases = [
        // Numbers as they are written, white space of every kind, names that only look like ours.
        (
            "{\r\n\t\"id\" : \"a1\",\n\"created\":\"2026-02-11T10:00:00Z\", \"n\":[1.0,1e400,-0,12345678901234567890123],\"data\":{\"_time\":1}}",
            "{\"id\":\"a1\",\"created\":\"2026-02-11T10:00:00Z\",\"n\":[1.0,1e400,-0,12345678901234567890123],\"data\":{\"_time\":1},\"_time\":\"2026-02-11T10:00:00Z\",\"source_log_type\":\"Events\"}",
        ),
        // Keys that stand twice, lone surrogates, escapes that need not be.
        (
            r#"{"id":"a2","x":1,"x":2,"created":"2026-02-11T10:00:00Z","t":"\ud83d \u0041\/"}"#,
            r#"{"id":"a2","x":1,"x":2,"created":"2026-02-11T10:00:00Z","t":"\ud83d \u0041\/","_time":"2026-02-11T10:00:00Z","source_log_type":"Events"}"#,
        ),
        // Members that the plugin adds are replaced.
        (
            r#"{"_time":"old","id":"a3","source_log_type":{"a":[1]},"created":"2026-02-11T10:00:00Z"}"#,
            r#"{"id":"a3","created":"2026-02-11T10:00:00Z","_time":"2026-02-11T10:00:00Z","source_log_type":"Events"}"#,
        ),
        // No time at all, and none that can be read.
        (r#"{"id":"a4"}"#, r#"{"id":"a4","source_log_type":"Events"}"#),
        (r#"{"id":"a5","created":null}"#, r#"{"id":"a5","created":null,"source_log_type":"Events"}"#),
        (r#"{"id":7,"created":12}"#, r#"{"id":7,"created":12,"_time":12,"source_log_type":"Events"}"#),
        // No object.
        ("{}", r#"{"source_log_type":"Events"}"#),
        ("null", r#"{"_raw":null,"source_log_type":"Events"}"#),
        ("[1,\n2]", r#"{"_raw":[1,2],"source_log_type":"Events"}"#),
        (r#""text""#, r#"{"_raw":"text","source_log_type":"Events"}"#),
    ];
    let webex = Scripted::start().await;
    let page = format!("{{\"items\":[{}]}}", cases.map(|(item, _)| item).join(",\r\n"));
    webex.serve("/v1/events", json(&page)).await;
    webex.serve_nothing(&PATHS[..2]).await;
    let (events, reports) = webex.host().await.collect().await;
    assert_eq!(events.len(), cases.len());
    for (event, (_, want)) in events.iter().zip(cases) {
        check_tokens(&event.body, want);
    }
    let report = reports.iter().find(|report| report.stream == "events").unwrap();
    assert_eq!((report.delivered, report.odd, report.failure.clone()), (10, 7, None));
    assert!(report.warnings.iter().any(|warning| warning.code == "field-replaced"), "{:?}", report.warnings);
}

#[tokio::test]
async fn an_event_that_webex_could_not_decrypt_is_fetched_again_by_id_once() {
    let webex = Scripted::start().await;
    let failed = |id: &str| {
        format!(
            r#"{{"id":"{id}","created":"2026-02-11T10:00:00Z","data":{{"text":"x"}},"errors":{{"text":{{"code":"kms_failure","reason":"Key management server failed to respond"}}}}}}"#
        )
    };
    let better = r#"{"id":"k1","created":"2026-02-11T10:00:00Z","data":{"text":"hello"}}"#;
    webex.serve("/v1/events", json(&format!(r#"{{"items":[{},{}]}}"#, failed("k1"), failed("k2")))).await;
    webex.serve_nothing(&PATHS[..2]).await;
    Mock::given(method("GET"))
        .and(path("/v1/events/k1"))
        .respond_with(json(better))
        .expect(1)
        .mount(&webex.server)
        .await;
    Mock::given(method("GET"))
        .and(path("/v1/events/k2"))
        .respond_with(answer(404))
        .expect(1)
        .mount(&webex.server)
        .await;
    let (events, reports) = webex.host().await.collect().await;
    assert_eq!(events.len(), 2);
    let want: Vec<String> = expected(better, 2);
    assert_eq!(texts(&events[0].body), want);
    assert_eq!(texts(&events[1].body), expected(&failed("k2"), 2));
    let report = reports.iter().find(|report| report.stream == "events").unwrap();
    assert!(report.warnings.iter().any(|warning| warning.code == "kms-failure"), "{:?}", report.warnings);
}

#[tokio::test]
async fn message_text_is_kept_or_dropped_or_hashed_as_set() {
    let item = r#"{"id":"m1","resource":"messages","created":"2026-02-11T10:00:00Z","data":{"text":"hello","markdown":"**hello**","html":"<b>hello</b>","roomId":"r"}}"#;
    let end = r#""_time":"2026-02-11T10:00:00Z","source_log_type":"Events"}"#;
    for (value, want) in [
        ("keep", format!("{},{end}", item.strip_suffix('}').unwrap())),
        (
            "drop",
            format!(
                r#"{{"id":"m1","resource":"messages","created":"2026-02-11T10:00:00Z","data":{{"roomId":"r"}},{end}"#
            ),
        ),
        (
            "hash",
            format!(
                r#"{{"id":"m1","resource":"messages","created":"2026-02-11T10:00:00Z","data":{{"text":"{}","markdown":"{}","html":"{}","roomId":"r"}},{end}"#,
                sha256("hello"),
                sha256("**hello**"),
                sha256("<b>hello</b>")
            ),
        ),
    ] {
        let webex = Scripted::start().await;
        webex.serve("/v1/events", json(&format!(r#"{{"items":[{item}]}}"#))).await;
        webex.serve_nothing(&PATHS[..2]).await;
        let (events, _) = webex.setup().set("message_text", value).open().await.collect().await;
        assert_eq!(events.len(), 1);
        check_tokens(&events[0].body, &want);
    }
}

fn sha256(text: &str) -> String {
    use sha2::Digest as _;
    let digest: String = sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digest}")
}
