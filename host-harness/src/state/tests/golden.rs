//! Forms that were ever written stand in `tests/golden`, one folder each. They are read for ever: a change of form is a new
//! folder with an upgrade, and the old ones stay as they are.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::*;
use super::last_run;

fn golden(form: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(form)
}

/// What each form holds.
fn content() -> [LastRun; 2] {
    let parts = [("seen-0b", "AQIDBAUGBwg"), ("seen-1c", "CAcGBQQDAgE")];
    [last_run(r#"{"form":1,"began":0}"#, &parts[..1]), last_run("{\"form\":1,\"began\":\"\u{e9}\\n\"}", &parts)]
}

fn begun() -> Begun {
    Begun::from([("/var/log/webex/events.ndjson".to_owned(), 1_234_567), ("/srv/\"copy\".ndjson".to_owned(), 0)])
}

#[test]
fn form_1_is_read() {
    let root = tempfile::tempdir().unwrap();
    let state = State::at(root.path());
    durable::folder(&root.path().join("last-run/parts")).unwrap();
    for name in [HEAD, PREVIOUS, DELIVERY, "parts/seen-0b", "parts/seen-1c"] {
        fs::copy(golden("last-run-1").join(name), root.path().join("last-run").join(name)).unwrap();
    }
    let [before, last] = content();
    assert_eq!(state.load().unwrap(), Some(last.clone()));
    assert_eq!(State::load_file(&root.path().join("last-run").join(PREVIOUS)).unwrap(), Some(before));
    let mut writer = state.writer().unwrap();
    assert_eq!(writer.load().unwrap(), Some(last.without_texts()));
    assert_eq!(writer.unrecorded(), Some(begun()));
}

#[test]
fn what_is_written_is_the_newest_form() {
    let root = tempfile::tempdir().unwrap();
    let mut writer = State::at(root.path()).writer().unwrap();
    let [before, last] = content();
    writer.store(&before).unwrap();
    writer.store(&last).unwrap();
    writer.delivering(&before, begun(), true).unwrap();
    for name in [HEAD, PREVIOUS, DELIVERY, "parts/seen-0b", "parts/seen-1c"] {
        let written = fs::read_to_string(root.path().join("last-run").join(name)).unwrap();
        let golden = fs::read_to_string(golden("last-run-1").join(name)).unwrap_or_default();
        assert_eq!(written, golden, "{name}: a new form is a new folder beside this one");
    }
}
