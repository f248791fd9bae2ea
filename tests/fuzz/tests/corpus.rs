//! What fuzzing has found interesting stays right, on every toolchain; and so do the largest inputs that may come.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use fuzz_targets::{TARGETS, run};

/// The largest items that were seen have 6 MB.
const LARGE: usize = 6 << 20;
/// An end to patience: what takes a second here, unoptimised and on a busy machine, would take hours if it grew by the square.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn the_corpus_is_met_by_its_targets() {
    for target in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
        let mut count = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            (target.run)(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count >= 5, "{}: {count}", target.name);
    }
}

fn takes_no_age(name: &str, what: &str, bytes: &[u8]) {
    let began = Instant::now();
    run(name, bytes);
    assert!(began.elapsed() < PATIENCE, "{name}, {what}: {:?}", began.elapsed());
}

/// So many times, between two ends.
fn of(before: &str, again: &str, after: &str, bytes: usize) -> Vec<u8> {
    [before, &again.repeat(bytes / again.len()), after].concat().into_bytes()
}

#[test]
fn large_pages_take_no_age() {
    for (what, before, again, after) in [
        ("nested arrays", "{\"items\":[", "[", "]}"),
        ("nested objects", "{\"items\":[", "{\"a\":", "]}"),
        ("escapes", "{\"items\":[{\"id\":\"a\",\"data\":{\"text\":\"", "\\u00e4\\n", "\"}}]}"),
        ("surrogates", "{\"items\":[{\"id\":\"a\",\"data\":{\"text\":\"", "\\ud83d\\ude00", "\"}}]}"),
        ("one text", "{\"items\":[{\"id\":\"a\",\"data\":{\"text\":\"", "x", "\"}}]}"),
        ("a long id", "{\"items\":[{\"id\":\"", "\\u0000", "\"}]}"),
        ("a number", "{\"items\":[{\"id\":", "1", "}]}"),
        ("members", "{\"items\":[{\"id\":\"a\"", ",\"id\":\"b\"", "}]}"),
        ("our members", "{\"items\":[{\"id\":\"a\"", ",\"_time\":1", "}]}"),
        ("items", "{\"items\":[1", ",{}", "]}"),
        ("white space", "{\"items\":[{", " \n", "}]}"),
        ("names", "{\"items\":[{\"", "\\\"", "\":1}]}"),
        ("half a text", "{\"items\":[{\"id\":\"", "\\\\", ""),
    ] {
        takes_no_age("page", what, &of(before, again, after, LARGE));
    }
}

#[test]
fn large_headers_and_bodies_take_no_age() {
    let link = 1 << 20;
    for (what, before, again, after) in [
        ("one link", "<https://webexapis.com/v1/events?cursor=", "x", ">; rel=\"next\""),
        ("links", "", "<https://webexapis.com/v1/a>; rel=\"prev\",", "<https://webexapis.com/v1/b>; rel=next"),
        ("parameters", "<https://webexapis.com/v1/a>", "; x=\"\\\\\"", "; rel=next"),
        ("open brackets", "", "<", ""),
        ("open quotes", "<a>;x=\"", "\\\"", ""),
        ("commas", "", ",;", ""),
        ("dots", "<https://webexapis.com/v1/", "../a/", ">; rel=next"),
        ("lines", "", "x\n", ""),
    ] {
        takes_no_age("link", what, &of(before, again, after, link));
    }
    for (what, again) in [("digits", "9"), ("points", "."), ("spaces", " "), ("commas", ", ")] {
        takes_no_age("retry_after", what, &of("", again, "", link));
    }
    // 400, then the body.
    for (what, before, again, after) in [
        ("one message", ",\u{1}{\"message\":\"", "x", "\"}"),
        ("different errors", ",\u{1}{\"errors\":[", "{\"description\":\"x\"},", "{}]}"),
        ("nested", ",\u{1}", "[", ""),
    ] {
        takes_no_age("error_body", what, &of(before, again, after, LARGE));
    }
    let mut errors = b",\x01{\"errors\":[".to_vec();
    for number in 0..200_000 {
        errors.extend_from_slice(format!("{{\"description\":\"{number}\"}},").as_bytes());
    }
    errors.extend_from_slice(b"{}]}");
    takes_no_age("error_body", "as many errors", &errors);
    takes_no_age("token", "scopes", &of("{\"access_token\":\"a\",\"scope\":\"", "a ", "\"}", LARGE));
    takes_no_age("token", "nested", &of("", "[", "", LARGE));
}

#[test]
fn large_states_files_and_arguments_take_no_age() {
    let head = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/last_run/form_2")).unwrap();
    takes_no_age("last_run", "many parts", &[&head[..], &of("", "\0a\0b", "", LARGE)].concat());
    takes_no_age("last_run", "nested", &of("", "[", "", LARGE));
    takes_no_age("last_run", "a long link", &of("{\"form\":2,\"origin\":\"", "x", "\"}", LARGE));
    let toml = 1 << 20;
    for (what, before, again, after) in [
        ("tables", "", "[a]\n", ""),
        ("dots", "", "a.", "a = 1"),
        ("nested", "a = ", "[", ""),
        ("an unknown key", "", "x", " = 1"),
        ("a text", "org_id = \"", "\\u00e4", "\""),
    ] {
        takes_no_age("webex_toml", what, &of(before, again, after, toml));
    }
    for (what, before, again, after) in [
        ("a long name", "", "x", ""),
        ("arguments", "cisco-webex-get-events", "\nlimit\n1", ""),
        ("a long argument", "cisco-webex-get-events\n", "x", "\n1"),
        ("a long time", "cisco-webex-get-events\nsince_datetime\n", "1h ", ""),
        ("a long number", "cisco-webex-get-events\nlimit\n", "9", ""),
    ] {
        takes_no_age("arguments", what, &of(before, again, after, toml));
    }
    for (what, before, again, after) in [
        ("a code", "", "x", ""),
        ("pairs", "?", "code=a&", ""),
        ("escapes", "?error=", "%1b", ""),
        ("fragments", "", "#", ""),
    ] {
        takes_no_age("redirected", what, &of(before, again, after, toml));
    }
}
