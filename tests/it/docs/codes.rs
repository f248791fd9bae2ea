//! Every code that stands in the sources stands in one of the tables that docs/errors.md is made from.

use std::collections::BTreeSet;
use std::path::Path;

use cisco_webex_plugin::failure::Code;
use cisco_webex_plugin::warning;
use host_harness::codes::CODES;

use super::page::{ROOT, walk};

/// Behind these, whatever blanks are in between, a text is a code.
const BEFORE_A_CODE: [&str; 6] =
    ["code:\"", "\"code\":\"", "BROKE_OFF:&str=\"", "Output::new(\"", ".program(\"", ".arises(\""];
/// Behind these a text with a `-` is one.
const BEFORE_A_NAME: [&str; 3] = [".failed(\"", "Some((\"", "kind:\""];
/// Behind a variant of these and a comma, likewise.
const BEFORE_A_VARIANT: [&str; 3] = ["Level::", "Severity::", "StatusCode::"];
/// Of these calls the first text with a `-` in it is one.
const CALLS: [&str; 3] = ["fail(", "warn(", "finding("];
/// What stands at such a place and is none.
const NO_CODES: [&str; 4] = ["ok", "off", "warn", "fail"];

/// The source without its tests and without blanks.
fn dense(source: &str) -> String {
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| line.chars().filter(|c| !c.is_whitespace())).collect()
}

fn literal(text: &str) -> Option<&str> {
    let text = &text[..text.find('"')?];
    let is_code = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    is_code.then_some(text)
}

fn codes_in(source: &str) -> BTreeSet<String> {
    let source = dense(source);
    let mut found = BTreeSet::new();
    let after = |mark: &'static str| source.match_indices(mark).map(|(at, mark)| &source[at + mark.len()..]);
    for rest in BEFORE_A_CODE.into_iter().flat_map(after) {
        found.extend(literal(rest));
    }
    // Here other words stand, too.
    for rest in BEFORE_A_NAME.into_iter().flat_map(after) {
        found.extend(literal(rest).filter(|name| name.contains('-')));
    }
    for rest in BEFORE_A_VARIANT.into_iter().flat_map(after) {
        let rest = rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
        found.extend(rest.strip_prefix(",\"").and_then(literal));
    }
    for rest in CALLS.into_iter().flat_map(after) {
        let arguments = rest.split(");").next().unwrap_or_default();
        let texts = arguments.split('"').skip(1).step_by(2).take(2);
        found.extend(texts.filter(|text| text.contains('-')).find(|text| literal(&format!("{text}\"")).is_some()));
    }
    found.into_iter().filter(|code| !NO_CODES.contains(code)).map(str::to_owned).collect()
}

fn sources(folder: &str) -> Vec<String> {
    let mut texts = Vec::new();
    walk(Path::new(folder), &mut |path| {
        let is_other = path.components().any(|part| {
            let part = part.as_os_str().to_string_lossy();
            matches!(part.as_ref(), "tests" | "tests.rs" | "simulator" | "codes.rs" | "openapi.rs")
        });
        if path.extension().is_some_and(|extension| extension == "rs") && !is_other {
            texts.push(std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap());
        }
    });
    texts
}

#[test]
fn every_code_of_the_sources_is_explained_and_every_explained_code_is_said() {
    let failures = Code::ALL.iter().map(|code| code.name());
    let known: BTreeSet<&str> = failures
        .chain(warning::KNOWN.iter().map(|known| known.code))
        .chain(CODES.iter().map(|code| code.name))
        .collect();
    let all: Vec<String> = ["src", "host-harness/src"].into_iter().flat_map(sources).collect();
    let unknown: BTreeSet<String> =
        all.iter().flat_map(|source| codes_in(source)).filter(|code| !known.contains(code.as_str())).collect();
    assert!(
        unknown.is_empty(),
        "no table explains {unknown:?}: add them to host-harness/src/codes.rs, or of the plugin to src/warning.rs"
    );
    let is_said = |code: &&&str| all.iter().any(|source| source.contains(&format!("\"{code}\"")));
    let unsaid: Vec<&&str> = known.iter().filter(|code| !is_said(code)).collect();
    assert!(unsaid.is_empty(), "nobody says {unsaid:?} any more");
}
