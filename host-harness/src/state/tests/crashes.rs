//! A crash at every step of a store, and texts torn at every byte: what is read is the last-run of before, the new one, or a
//! refusal with a remedy that works; never another one, and never nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::super::*;
use super::{Folder, last_run};

/// Paths below the state's folder, and their bytes.
type Disk = BTreeMap<String, Vec<u8>>;

fn read_disk(folder: &Path) -> Disk {
    let mut disk = Disk::new();
    for (folder, prefix) in [(folder.to_owned(), ""), (folder.join(PARTS), "parts/")] {
        for entry in fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_file()) {
            let name = entry.file_name().into_string().unwrap();
            disk.insert(format!("{prefix}{name}"), fs::read(entry.path()).unwrap());
        }
    }
    disk
}

fn write_disk(folder: &Path, disk: &Disk) {
    let _ = fs::remove_dir_all(folder);
    durable::folder(&folder.join(PARTS)).unwrap();
    disk.iter().for_each(|(name, bytes)| fs::write(folder.join(name), bytes).unwrap());
}

/// A state after some stores, as a batch stores them: each has a part of its own and one in common with the one before.
fn stored(times: usize) -> (Folder, LastRun) {
    let folder = Folder::new();
    let mut writer = folder.state.writer().unwrap();
    let mut last = numbered(1);
    writer.store(&last).unwrap();
    for number in 2..=times {
        last = numbered(number);
        writer.store(&last).unwrap();
    }
    (folder, last)
}

fn numbered(number: usize) -> LastRun {
    let part = |number: usize| (format!("seen-{number}"), format!("body of {number}"));
    let ((a, a_body), (b, b_body)) = (part(number), part(number + 1));
    last_run(&format!("head {number}"), &[(&a, &a_body), (&b, &b_body)])
}

/// One step of a store on the disk.
enum Step {
    /// Text beside its place, forced to the disk, then renamed.
    Replace(String, Vec<u8>),
    Delete(String),
}

/// The steps of the store that leads from `before` to `after`, in the order that `Writer::store` promises.
fn steps(before: &Disk, after: &Disk) -> Vec<Step> {
    let changed = |name: &&String| before.get(*name) != after.get(*name);
    let (parts, heads): (Vec<_>, Vec<_>) = after.keys().filter(changed).partition(|name| name.starts_with(PARTS));
    assert!(heads.iter().all(|name| [HEAD, PREVIOUS].contains(&name.as_str())), "{heads:?}");
    let order = parts.into_iter().chain(heads.iter().filter(|name| **name == PREVIOUS).copied());
    let order = order.chain(heads.iter().filter(|name| **name == HEAD).copied());
    let replaced = order.map(|name| Step::Replace(name.clone(), after[name].clone()));
    let deleted = before.keys().filter(|name| !after.contains_key(*name)).map(|name| Step::Delete(name.clone()));
    replaced.chain(deleted).collect()
}

/// What a start finds is one of the two, and it goes on from there without a trace of the crash.
fn check_start(folder: &Folder, disk: &Disk, old: Option<&LastRun>, new: &LastRun) {
    let found = folder.state.load().unwrap();
    assert!(found.as_ref() == old || found.as_ref() == Some(new), "{found:?} in {:?}", disk.keys());
    let mut writer = folder.state.writer().unwrap();
    assert_eq!(writer.load().unwrap(), found.as_ref().map(LastRun::without_texts));
    assert!(!read_disk(&folder.state.folder).keys().any(|name| name.contains(".staged-")), "swept");
    let next = numbered(50);
    writer.store(&next).unwrap();
    assert_eq!(folder.state.load().unwrap(), Some(next));
    let previous = State::load_file(&folder.path(PREVIOUS));
    assert_eq!(previous.ok().flatten(), found, "and what was found is the copy before it");
}

#[test]
fn a_crash_at_any_step_of_a_store_leaves_the_old_last_run_or_the_new_one() {
    for times in 1..=4 {
        let (folder, old) = match times {
            1 => (Folder::new(), None),
            times => {
                let (folder, last) = stored(times - 1);
                (folder, Some(last))
            }
        };
        let new = numbered(times);
        drop(folder.state.writer().unwrap());
        let before = read_disk(&folder.state.folder);
        {
            let mut writer = folder.state.writer().unwrap();
            writer.load().unwrap();
            writer.store(&new).unwrap();
        }
        let after = read_disk(&folder.state.folder);

        let mut disk = before.clone();
        for step in steps(&before, &after) {
            match step {
                Step::Replace(name, text) => {
                    let staged = match name.strip_prefix("parts/") {
                        Some(_) => "parts/.staged-a1b2c3",
                        None => ".staged-a1b2c3",
                    };
                    for length in 0..=text.len() {
                        disk.insert(staged.to_owned(), text[..length].to_vec());
                        // Reading is quick; going on from there is tried at the ends and in the middle.
                        write_disk(&folder.state.folder, &disk);
                        assert_eq!(folder.state.load().unwrap(), old, "{length} bytes of {name} are on their way");
                        if [0, text.len() / 2, text.len()].contains(&length) {
                            check_start(&folder, &disk, old.as_ref(), &new);
                        }
                    }
                    disk.remove(staged);
                    disk.insert(name, text);
                }
                Step::Delete(name) => drop(disk.remove(&name)),
            }
            write_disk(&folder.state.folder, &disk);
            check_start(&folder, &disk, old.as_ref(), &new);
        }
        assert_eq!(disk, after, "these are the steps");
    }
}

/// Each way in which a disk may lose the end of a file: it is cut, or its rest is zeros.
fn torn(whole: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..whole.len()).flat_map(|length| {
        let cut = whole[..length].to_vec();
        let mut zeros = cut.clone();
        zeros.resize(whole.len(), 0);
        [cut, zeros]
    })
}

/// Does what the message tells a person to do, with the last-run that `reset` would begin.
fn follow_the_remedy(folder: &Folder, message: &str) -> LastRun {
    let command = message.split('`').nth(1).unwrap();
    let mended = match command.strip_prefix("webex-collector last-run import ") {
        Some(file) => State::load_file(Path::new(file)).unwrap().unwrap(),
        None => {
            assert!(command.starts_with("webex-collector last-run reset --since"), "{message}");
            let moved = folder.state.folder.with_file_name("moved");
            assert!(message.contains(&format!("move {} away", folder.state.folder.display())), "{message}");
            let _ = fs::remove_dir_all(&moved);
            fs::rename(&folder.state.folder, moved).unwrap();
            last_run("since", &[])
        }
    };
    let mut writer = folder.state.writer().unwrap();
    writer.store(&mended).unwrap();
    drop(writer);
    assert_eq!(folder.state.load().unwrap().as_ref(), Some(&mended));
    mended
}

#[test]
fn a_text_torn_at_any_byte_is_refused_with_a_remedy_that_works() {
    let (folder, last) = stored(3);
    let disk = read_disk(&folder.state.folder);
    let (before, common, own) = (numbered(2), "parts/seen-3", "parts/seen-4");
    for (name, remedy) in [(HEAD, Some(&before)), (own, Some(&before)), (common, None)] {
        for text in torn(&disk[name]) {
            // White space at its end is not part of the text.
            if name == HEAD && text == disk[HEAD][..disk[HEAD].len() - 1] {
                continue;
            }
            write_disk(&folder.state.folder, &disk);
            fs::write(folder.path(name), &text).unwrap();
            let error = folder.state.load().unwrap_err();
            assert!(matches!(error, StateError::Damaged { .. }), "{name}: {error}");
            let mended = follow_the_remedy(&folder, &error.to_string());
            assert_eq!(Some(&mended), remedy.or(Some(&last_run("since", &[]))), "{name}");
        }
    }
    // A copy that nobody reads now may be torn: the next store replaces it.
    for text in torn(&disk[PREVIOUS]) {
        write_disk(&folder.state.folder, &disk);
        fs::write(folder.path(PREVIOUS), &text).unwrap();
        assert_eq!(folder.state.load().unwrap().as_ref(), Some(&last));
    }
    check_start(&folder, &disk, None, &last);
}

#[test]
fn where_head_and_copy_are_torn_the_remedy_is_to_say_where_to_go_on() {
    let (folder, _) = stored(3);
    let disk = read_disk(&folder.state.folder);
    for text in torn(&disk[PREVIOUS]).step_by(7) {
        // The same bytes without their line break are the copy, whole.
        if text == disk[PREVIOUS][..disk[PREVIOUS].len() - 1] {
            continue;
        }
        write_disk(&folder.state.folder, &disk);
        fs::write(folder.path(PREVIOUS), &text).unwrap();
        for head in [Some("{"), None] {
            match head {
                Some(head) => fs::write(folder.path(HEAD), head).unwrap(),
                None => fs::remove_file(folder.path(HEAD)).unwrap(),
            }
            let error = folder.state.load().unwrap_err();
            assert!(matches!(error, StateError::Damaged { .. }), "{error}");
        }
        let message = folder.state.load().unwrap_err().to_string();
        assert_eq!(follow_the_remedy(&folder, &message), last_run("since", &[]));
    }
}

#[test]
fn a_damaged_last_run_that_is_stored_over_never_takes_the_place_of_the_good_copy() {
    let (folder, _) = stored(3);
    let own = folder.path("parts/seen-4");
    fs::write(&own, "other").unwrap();
    // Another last-run than the copy is imported.
    folder.state.writer().unwrap().store(&last_run("other", &[])).unwrap();
    assert_eq!(State::load_file(&folder.path(PREVIOUS)).unwrap(), Some(numbered(2)), "with its parts");
    assert!(folder.path(DAMAGED).exists() && own.exists(), "for whoever looks into it, with its parts too");
}

#[test]
fn a_newer_programs_last_run_is_not_stored_over() {
    let (folder, _) = stored(2);
    let newer = r#"{"format":2,"sealed":"x"}"#;
    fs::write(folder.path(HEAD), newer).unwrap();
    let disk = read_disk(&folder.state.folder);
    let refused = folder.state.writer().unwrap().store(&numbered(9));
    assert!(matches!(refused, Err(StateError::Newer { format: 2, .. })), "{refused:?}");
    assert_eq!(read_disk(&folder.state.folder), disk, "nothing has changed");
}

#[test]
fn the_note_of_a_delivery_holds_until_its_batch_is_recorded() {
    let (folder, _) = stored(2);
    let begun = Begun::from([("/events.ndjson".to_owned(), 4_096)]);
    let mut writer = folder.state.writer().unwrap();
    writer.load().unwrap();
    assert_eq!(writer.unrecorded(), None);
    writer.delivering(&numbered(3), begun.clone(), false).unwrap();
    assert_eq!(writer.unrecorded(), Some(begun.clone()));
    writer.store(&numbered(3)).unwrap();
    assert_eq!(writer.unrecorded(), None, "also where a crash keeps it from being removed");
    writer.delivering(&numbered(4), begun.clone(), true).unwrap();
    writer.store(&numbered(4)).unwrap();
    assert_eq!(writer.unrecorded(), Some(begun), "lines before it are still expected");
    writer.store(&numbered(5)).unwrap();
    assert_eq!(writer.unrecorded(), None);
    writer.delivered();
    assert!(!folder.path(DELIVERY).exists());
}

#[test]
fn the_note_holds_for_a_first_batch_too() {
    let folder = Folder::new();
    let begun = Begun::from([("/events.ndjson".to_owned(), 0)]);
    let mut writer = folder.state.writer().unwrap();
    writer.load().unwrap();
    writer.delivering(&numbered(1), begun.clone(), false).unwrap();
    assert_eq!(writer.unrecorded(), Some(begun));
    assert_eq!(folder.state.load().unwrap(), None, "and is no state");
}

#[test]
fn a_note_that_is_torn_or_changed_says_nothing_and_stops_nothing() {
    let (folder, last) = stored(2);
    let mut writer = folder.state.writer().unwrap();
    writer.load().unwrap();
    writer.delivering(&numbered(3), Begun::from([("/events.ndjson".to_owned(), 4_096)]), false).unwrap();
    let whole = fs::read(folder.path(DELIVERY)).unwrap();
    let flipped = (0..whole.len() - 1).map(|place| {
        let mut flipped = whole.clone();
        flipped[place] ^= 0x04;
        flipped
    });
    for text in torn(&whole).filter(|text| *text != whole[..whole.len() - 1]).chain(flipped) {
        fs::write(folder.path(DELIVERY), &text).unwrap();
        assert_eq!(writer.unrecorded(), None, "{}", String::from_utf8_lossy(&text));
    }
    assert_eq!(folder.state.load().unwrap(), Some(last));
}
