//! What is stored is read; flipped bytes, other programs. Crashes and golden files have files of their own.

mod crashes;
mod golden;

use std::fs;

use super::*;

fn last_run(head: &str, parts: &[(&str, &str)]) -> LastRun {
    let parts = parts.iter().map(|(name, body)| LastRunPart { name: (*name).into(), body: Some((*body).into()) });
    LastRun { head: head.into(), parts: parts.collect() }
}

struct Folder {
    _root: tempfile::TempDir,
    state: State,
}

impl Folder {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let state = State::at(&root.path().join("state"));
        Self { _root: root, state }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.state.folder.join(name)
    }

    fn parts(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.path(PARTS))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn nothing_stored_is_none() {
    assert_eq!(Folder::new().state.load().unwrap(), None);
}

#[test]
fn what_one_process_stores_the_next_one_reads() {
    let folder = Folder::new();
    let stored = last_run("head", &[("a-1", "body a"), ("b-2", "body b")]);
    folder.state.writer().unwrap().store(&stored).unwrap();
    assert_eq!(folder.state.load().unwrap(), Some(stored.clone()));
    let mut writer = folder.state.writer().unwrap();
    assert_eq!(writer.load().unwrap(), Some(stored.without_texts()));
    let texts = ["a-1", "b-2", "c"].map(|name| writer.parts().text(name));
    assert_eq!(texts, [Some("body a".to_owned()), Some("body b".to_owned()), None]);
}

#[test]
fn a_part_that_is_stored_needs_no_text_and_one_that_is_not_does() {
    let folder = Folder::new();
    let mut writer = folder.state.writer().unwrap();
    writer.store(&last_run("1", &[("a", "a"), ("b", "b")])).unwrap();
    let mut next = last_run("2", &[("b", ""), ("c", "c")]);
    next.parts[0].body = None;
    writer.store(&next).unwrap();
    assert_eq!(folder.state.load().unwrap(), Some(last_run("2", &[("b", "b"), ("c", "c")])));
    next.parts[0].name = "d".into();
    assert!(matches!(writer.store(&next), Err(StateError::PartText(name)) if name == "d"));
    assert_eq!(folder.state.load().unwrap(), Some(last_run("2", &[("b", "b"), ("c", "c")])));
}

#[test]
fn parts_are_written_once_and_deleted_when_neither_copy_names_them() {
    let folder = Folder::new();
    let mut writer = folder.state.writer().unwrap();
    writer.store(&last_run("1", &[("a", "a"), ("b", "b")])).unwrap();
    let written = fs::metadata(folder.path("parts/b")).unwrap().modified().unwrap();
    writer.store(&last_run("2", &[("b", "b"), ("c", "c")])).unwrap();
    assert_eq!(folder.parts(), ["a", "b", "c"], "the previous one still names a");
    assert_eq!(fs::metadata(folder.path("parts/b")).unwrap().modified().unwrap(), written);
    writer.store(&last_run("3", &[("c", "c")])).unwrap();
    assert_eq!(folder.parts(), ["b", "c"]);
}

#[test]
fn a_second_writer_is_refused_and_a_reader_is_not() {
    let folder = Folder::new();
    let mut writer = folder.state.writer().unwrap();
    writer.store(&last_run("1", &[])).unwrap();
    let message = folder.state.writer().unwrap_err().to_string();
    assert!(message.contains("collector.lock") && message.contains("pid"), "{message}");
    assert!(folder.state.load().unwrap().is_some());
}

#[test]
fn a_flipped_byte_anywhere_is_damage_that_names_its_file_and_a_remedy() {
    let folder = Folder::new();
    let mut writer = folder.state.writer().unwrap();
    writer.store(&last_run("previous", &[("a", "body")])).unwrap();
    writer.store(&last_run("head", &[("a", "body")])).unwrap();
    for name in [HEAD, "parts/a"] {
        let path = folder.path(name);
        let whole = fs::read(&path).unwrap();
        for place in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[place] ^= 0x04;
            fs::write(&path, &flipped).unwrap();
            match folder.state.load() {
                Err(error @ (StateError::Damaged { .. } | StateError::Newer { .. })) => {
                    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
                }
                // White space at the end is not part of the text.
                Ok(Some(_)) if place + 1 == whole.len() => {}
                other => panic!("byte {place} of {name}: {other:?}"),
            }
        }
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_torn_or_empty_head_is_damage_and_never_a_fresh_start() {
    let folder = Folder::new();
    let mut writer = folder.state.writer().unwrap();
    writer.store(&last_run("previous", &[])).unwrap();
    writer.store(&last_run("head", &[])).unwrap();
    let whole = fs::read(folder.path(HEAD)).unwrap();
    for length in 0..whole.len() - 1 {
        fs::write(folder.path(HEAD), &whole[..length]).unwrap();
        assert!(matches!(folder.state.load(), Err(StateError::Damaged { .. })), "{length} bytes");
    }
    fs::remove_file(folder.path(HEAD)).unwrap();
    assert!(matches!(folder.state.load(), Err(StateError::Damaged { fault: Fault::Missing, .. })));
}

#[test]
fn the_remedy_is_a_command_that_works() {
    let folder = Folder::new();
    let mut writer = folder.state.writer().unwrap();
    writer.store(&last_run("previous", &[("a", "body")])).unwrap();
    writer.store(&last_run("head", &[("a", "body")])).unwrap();
    fs::write(folder.path(HEAD), "{").unwrap();
    let message = folder.state.load().unwrap_err().to_string();
    let previous = folder.path(PREVIOUS);
    assert!(message.contains(&format!("last-run import {}", previous.display())), "{message}");

    let copy = State::load_file(&previous).unwrap().unwrap();
    assert_eq!(copy, last_run("previous", &[("a", "body")]));
    writer.store(&copy).unwrap();
    assert_eq!(folder.state.load().unwrap(), Some(copy));
    assert_eq!(fs::read(folder.path(DAMAGED)).unwrap(), b"{", "what was damaged is kept for whoever looks into it");
    assert!(State::load_file(&previous).unwrap().is_some(), "and does not replace the good copy");
}

#[test]
fn a_newer_form_is_refused_and_not_called_damaged() {
    let folder = Folder::new();
    let mut writer = folder.state.writer().unwrap();
    writer.store(&last_run("head", &[])).unwrap();
    fs::write(folder.path(HEAD), r#"{"format":2,"sealed":"x"}"#).unwrap();
    assert!(matches!(folder.state.load(), Err(StateError::Newer { format: 2, .. })));
}

#[test]
fn a_part_name_cannot_leave_the_folder() {
    let folder = Folder::new();
    let mut writer = folder.state.writer().unwrap();
    for name in ["../x", "", "A", "a/b", "a.b", &"a".repeat(65)] {
        assert!(matches!(writer.store(&last_run("h", &[(name, "x")])), Err(StateError::PartName)), "{name}");
    }
    assert_eq!(folder.state.load().unwrap(), None);
}

#[cfg(unix)]
#[test]
fn the_files_are_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.state.writer().unwrap().store(&last_run("h", &[("a", "a")])).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path(HEAD)), 0o600);
    assert_eq!(mode(&folder.path("parts/a")), 0o600);
    assert_eq!(mode(&folder.path(PARTS)), 0o700);
    assert_eq!(mode(&folder.state.folder), 0o700);
}
