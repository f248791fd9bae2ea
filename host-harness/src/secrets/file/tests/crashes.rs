//! A crash at every step of a write, of the sealing of form 1 and of a change of key: what is read is what was kept, by the old key
//! or the new one, and the next start leaves no trace of the crash.

use std::collections::BTreeMap;
use std::fs;

use super::*;

/// Paths below the root, and their bytes.
type Disk = BTreeMap<String, Vec<u8>>;

const KEY: &str = "state.key";
const NEW_KEY: &str = "new.key";
const SEALED: &str = "state/secrets.json";

impl Folder {
    fn disk(&self) -> Disk {
        let names = [KEY, NEW_KEY, SEALED];
        let read = |name: &str| Some((name.to_owned(), fs::read(self.root.path().join(name)).ok()?));
        names.into_iter().filter_map(read).collect()
    }

    /// Makes the disk hold this and nothing else.
    fn lay(&self, disk: &Disk) {
        for folder in [self.root.path().to_owned(), self.state()] {
            for entry in fs::read_dir(folder).unwrap().flatten().filter(|entry| entry.path().is_file()) {
                fs::remove_file(entry.path()).unwrap();
            }
        }
        // Texts stand as they would after `durable::replace`, closed to others.
        for (name, bytes) in disk {
            let path = self.root.path().join(name);
            fs::write(&path, bytes).unwrap();
            #[cfg(unix)]
            fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
    }

    fn staged(&self) -> usize {
        durable::staged(self.root.path()).chain(durable::staged(&self.state())).count()
    }
}

/// Goes through the files that are replaced in this order, each with every length of the text on its way. `look` reads after each;
/// `check` goes on from there, at the ends and in the middle of a text.
fn crash_at_each_step(
    folder: &Folder,
    before: Disk,
    steps: &[(&str, Vec<u8>)],
    look: impl Fn(&str),
    check: impl Fn(&str),
) {
    let mut disk = before;
    folder.lay(&disk);
    look("nothing is done");
    for (name, text) in steps {
        let (at, file) = name.rsplit_once('/').map_or(("", *name), |(at, file)| (at, file));
        let staged = format!("{at}/.staged-{file}-a1b2c3").trim_start_matches('/').to_owned();
        for length in 0..=text.len() {
            disk.insert(staged.clone(), text[..length].to_vec());
            folder.lay(&disk);
            let step = format!("{length} bytes of {name} are on their way");
            look(&step);
            if [0, text.len() / 2, text.len()].contains(&length) {
                check(&step);
            }
        }
        disk.remove(&staged);
        disk.insert((*name).to_owned(), text.clone());
        folder.lay(&disk);
        let step = format!("{name} is replaced");
        look(&step);
        check(&step);
    }
}

/// A start finds what was kept, sweeps, and leaves one key.
fn check_start(folder: &Folder, place: &KeySource, want: &str, step: &str) {
    let store = folder.with(place.clone());
    assert_eq!(value(&store, "a").unwrap(), want, "{step}");
    assert!(matches!(store.ready().unwrap(), Condition::Sealed(_)), "{step}");
    assert_eq!(folder.staged(), 0, "{step}");
    let KeySource::File(key) = place else { panic!("keys are files here") };
    assert_eq!(fs::read_to_string(key).unwrap().lines().count(), 1, "{step}");
    assert_eq!(value(&folder.with(place.clone()), "a").unwrap(), want, "{step}");
}

#[test]
fn a_crash_in_a_write_leaves_the_old_value_or_the_new_one() {
    let folder = Folder::in_use();
    let before = folder.disk();
    folder.open().set("a", "fake-other".into()).unwrap();
    let after = folder.disk();
    assert_eq!(before[KEY], after[KEY], "a write leaves the key alone");
    let steps = [(SEALED, after[SEALED].clone())];
    let want = |step: &str| if step.ends_with("is replaced") { "fake-other" } else { "fake-token" };
    let look = |step: &str| assert_eq!(value(&folder.open(), "a").unwrap(), want(step), "{step}");
    crash_at_each_step(&folder, before, &steps, look, |step| {
        check_start(&folder, &folder.place(KEY), want(step), step);
    });
}

#[test]
fn a_crash_while_a_first_secret_is_kept_leaves_nothing_or_the_secret() {
    let folder = Folder::in_use();
    let after = folder.disk();
    let steps = [(KEY, after[KEY].clone()), (SEALED, after[SEALED].clone())];
    let look = |step: &str| {
        let found = value(&folder.open(), "a");
        assert_eq!(found.is_some(), step.ends_with("secrets.json is replaced"), "{step}");
        assert_eq!(folder.staged(), 0, "{step}");
    };
    crash_at_each_step(&folder, Disk::new(), &steps, look, |step| {
        folder.open().set("a", "fake-token".into()).unwrap();
        check_start(&folder, &folder.place(KEY), "fake-token", step);
    });
}

#[test]
fn a_crash_while_form_1_is_sealed_leaves_it_readable() {
    let folder = Folder::in_use();
    let open = br#"{"format":1,"secrets":{"a":{"value":"fake-token","revision":"r"}}}"#;
    let before = Disk::from([(SEALED.to_owned(), open.to_vec())]);
    folder.lay(&before);
    folder.open().ready().unwrap();
    let after = folder.disk();
    let steps = [(KEY, after[KEY].clone()), (SEALED, after[SEALED].clone())];
    let look = |step: &str| assert_eq!(value(&folder.open(), "a").unwrap(), "fake-token", "{step}");
    crash_at_each_step(&folder, before, &steps, look, |step| {
        check_start(&folder, &folder.place(KEY), "fake-token", step);
        assert!(!String::from_utf8_lossy(&folder.disk()[SEALED]).contains("fake-token"), "{step}");
    });
}

#[test]
fn a_crash_at_any_step_of_a_change_of_key_loses_nothing_and_is_mended_by_the_next_start() {
    let folder = Folder::in_use();
    let before = folder.disk();
    folder.open().rekey(None).unwrap();
    let after = folder.disk();
    let both = [before[KEY].clone(), after[KEY].clone()].concat();
    let steps = [(KEY, both), (SEALED, after[SEALED].clone()), (KEY, after[KEY].clone())];
    // Who only reads needs no mending before it.
    let look = |step: &str| assert_eq!(value(&folder.open(), "a").unwrap(), "fake-token", "{step}");
    crash_at_each_step(&folder, before, &steps, look, |step| {
        check_start(&folder, &folder.place(KEY), "fake-token", step);
        // And the change can be made again.
        folder.open().rekey(None).unwrap();
        check_start(&folder, &folder.place(KEY), "fake-token", step);
    });
    assert_eq!(folder.disk().keys().collect::<Vec<_>>(), [KEY, SEALED]);
}

#[test]
fn a_crash_at_any_step_of_a_move_of_the_key_can_be_made_again() {
    let folder = Folder::in_use();
    let before = folder.disk();
    let (old, new) = (folder.place(KEY), folder.place(NEW_KEY));
    folder.with(new.clone()).rekey(Some(&old)).unwrap();
    let after = folder.disk();
    assert_eq!(after[KEY], before[KEY], "the old place is left alone");
    let steps = [(NEW_KEY, after[NEW_KEY].clone()), (SEALED, after[SEALED].clone())];
    let moved = |step: &str| step.ends_with("secrets.json is replaced");
    let look = |step: &str| {
        // By the old key until it is moved, and by the new one from then on.
        let (opens, refuses) = if moved(step) { (&new, &old) } else { (&old, &new) };
        assert_eq!(value(&folder.with(opens.clone()), "a").unwrap(), "fake-token", "{step}");
        let refused = folder.with(refuses.clone()).get("a");
        assert!(matches!(refused, Err(StoreError::NoKey { .. } | StoreError::WrongKey { .. })), "{step}: {refused:?}");
    };
    crash_at_each_step(&folder, before, &steps, look, |step| {
        if !moved(step) {
            folder.with(new.clone()).rekey(Some(&old)).unwrap();
        }
        check_start(&folder, &new, "fake-token", step);
    });
}

#[test]
fn what_a_crash_left_on_its_way_is_not_swept_under_another_writer() {
    let folder = Folder::in_use();
    let left =
        [folder.state().join(".staged-secrets.json-a1b2c3"), folder.root.path().join(".staged-state.key-a1b2c3")];
    let foreign = folder.root.path().join(".staged-webex.toml-a1b2c3");
    left.iter().chain([&foreign]).for_each(|path| fs::write(path, "x").unwrap());
    let other = Lock::try_take(&folder.state().join(LOCK)).unwrap();
    folder.open();
    assert!(left.iter().all(|path| path.exists()), "they may be the other's");
    drop(other);
    folder.open();
    assert!(left.iter().all(|path| !path.exists()));
    assert!(foreign.exists(), "beside the key lie other files than ours");
}
