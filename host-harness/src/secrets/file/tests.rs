//! What is kept is read; what is refused, and what is told. Crashes and copies in memory have files of their own.

mod crashes;
#[cfg(target_os = "linux")]
mod wiped;

use std::fs;

use super::*;

/// A state folder with its key beside it.
struct Folder {
    root: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        Self { root: tempfile::tempdir().unwrap() }
    }

    fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }

    fn file(&self) -> PathBuf {
        self.state().join(FILE)
    }

    fn key(&self) -> PathBuf {
        self.root.path().join("state.key")
    }

    fn place(&self, name: &str) -> KeySource {
        KeySource::File(self.root.path().join(name))
    }

    /// As a process of its own opens it.
    fn open(&self) -> SealedFile {
        self.with(self.place("state.key"))
    }

    fn with(&self, place: KeySource) -> SealedFile {
        SealedFile::open(&self.state(), place).unwrap()
    }

    /// With one secret, `a`.
    fn in_use() -> Self {
        let folder = Self::new();
        folder.open().set("a", "fake-token".into()).unwrap();
        folder
    }
}

fn value(store: &SealedFile, name: &str) -> Option<String> {
    store.get(name).unwrap().map(|kept| kept.value.expose().to_owned())
}

fn golden(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)).unwrap()
}

/// What the golden files hold; times are kept since form 2.
fn golden_contents(written: Option<i64>) -> Contents {
    let kept = |value: &str, revision: &str| content::kept(value, revision, written);
    Contents::from([
        (
            "admin_tokens".to_owned(),
            kept("{\"version\":1,\"access\":\"fake \\u00e9\"}", "00112233445566778899aabbccddeeff"),
        ),
        ("pending".to_owned(), kept("", "ffeeddccbbaa99887766554433221100")),
    ])
}

#[test]
fn what_one_process_writes_the_next_one_reads_and_the_disk_does_not_show() {
    let folder = Folder::new();
    let before = now();
    let revision = folder.open().write("a", &None, Some("fake-token".into())).unwrap();
    let next = folder.open();
    assert_eq!(next.get("a").unwrap().unwrap(), Versioned { value: "fake-token".into(), revision });
    let listed = next.list().unwrap();
    assert_eq!(listed.len(), 1);
    assert!((before..=now()).contains(&listed[0].written.unwrap()), "{listed:?}");
    assert!(!format!("{listed:?}").contains("fake-token"));
    for file in [folder.file(), folder.key()] {
        let text = fs::read_to_string(file).unwrap();
        assert!(!text.contains("fake-token") && !text.contains("\"a\""), "{text}");
    }
}

#[test]
fn a_first_secret_makes_a_key_and_looking_makes_none() {
    let folder = Folder::new();
    assert_eq!(folder.open().ready().unwrap(), Condition::Empty);
    assert_eq!(folder.open().list().unwrap(), []);
    assert!(!folder.open().delete("a").unwrap());
    assert!(!folder.key().exists());
    folder.open().set("a", "fake-token".into()).unwrap();
    let key = fs::read(folder.key()).unwrap();
    folder.open().set("b", "fake-other".into()).unwrap();
    assert_eq!(fs::read(folder.key()).unwrap(), key, "and the key stays");
    assert!(matches!(folder.open().ready().unwrap(), Condition::Sealed(_)));
}

#[cfg(unix)]
#[test]
fn file_and_key_are_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::in_use();
    for file in [folder.file(), folder.key(), folder.state().join(LOCK)] {
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn what_is_set_is_a_new_write_and_what_is_deleted_is_gone() {
    let folder = Folder::in_use();
    let store = folder.open();
    let first = store.get("a").unwrap().unwrap();
    store.set("a", "fake-other".into()).unwrap();
    let second = store.get("a").unwrap().unwrap();
    assert_eq!(second.value.expose(), "fake-other");
    assert_ne!(first.revision, second.revision);
    let late = store.write("a", &Some(first.revision), Some("x".into()));
    assert!(matches!(late, Err(SecretsError::Conflict)), "who has read the one before learns of it");
    assert!(store.delete("a").unwrap());
    assert!(!store.delete("a").unwrap());
    assert_eq!(value(&folder.open(), "a"), None);
}

/// Asks in every way; nothing is changed.
#[track_caller]
fn check_refused(folder: &Folder, store: &SealedFile, want: &[&str], is: impl Fn(&StoreError) -> bool) {
    let disk = || [folder.file(), folder.key()].map(|path| fs::read(path).ok());
    let before = disk();
    let answers = [
        store.ready().err(),
        store.get("a").err(),
        store.list().err(),
        store.set("a", "x".into()).err(),
        store.delete("a").err(),
        store.rekey(None).err(),
    ];
    for (call, error) in answers.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("call {call} is answered"));
        let text = format!("{error} {error:?}");
        assert!(is(&error), "call {call}: {text}");
        want.iter().for_each(|want| assert!(text.contains(want), "call {call}: {text}\nwant: {want}"));
        assert!(!text.contains("fake-token") && !text.contains('\n'), "{text}");
    }
    assert_eq!(disk(), before, "nothing is written");
}

#[test]
fn another_key_is_told_with_its_place_and_the_way_to_the_right_one() {
    let folder = Folder::in_use();
    let Condition::Sealed(right) = folder.open().ready().unwrap() else { panic!() };
    let other = folder.place("other.key");
    other.create(&folder.file()).unwrap();
    let want = [&right.to_string(), "other.key", "`secrets.key`", "rekey --from"];
    check_refused(&folder, &folder.with(other), &want, |error| matches!(error, StoreError::WrongKey { .. }));
    assert_eq!(value(&folder.open(), "a").unwrap(), "fake-token");
}

#[test]
fn a_key_that_is_gone_is_told_and_no_other_takes_its_place() {
    let folder = Folder::in_use();
    let key = fs::read(folder.key()).unwrap();
    fs::remove_file(folder.key()).unwrap();
    let want = ["state.key", "put the key back", "move", "sign in again"];
    check_refused(&folder, &folder.open(), &want, |error| matches!(error, StoreError::NoKey { .. }));
    // Both remedies work.
    durable::replace(&folder.key(), &key).unwrap();
    assert_eq!(value(&folder.open(), "a").unwrap(), "fake-token");
    fs::remove_file(folder.key()).unwrap();
    fs::rename(folder.file(), folder.root.path().join("away")).unwrap();
    folder.open().set("a", "fake-other".into()).unwrap();
    assert_eq!(value(&folder.open(), "a").unwrap(), "fake-other");
}

#[test]
fn a_variable_without_a_key_is_told_before_anything_is_kept() {
    let folder = Folder::new();
    let store = folder.with(KeySource::Env("WEBEX_COLLECTOR_TEST_UNSET".into()));
    for error in [store.ready().err(), store.set("a", "fake-token".into()).err()] {
        let error = error.unwrap();
        assert!(matches!(error, StoreError::Unset(_)), "{error}");
        assert!(error.to_string().contains("WEBEX_COLLECTOR_TEST_UNSET"), "{error}");
        assert!(error.to_string().contains("openssl rand -base64 32"), "{error}");
    }
    assert!(!folder.file().exists());
    assert!(matches!(store.rekey(None), Err(StoreError::RekeyByHand(_))));
}

#[test]
fn a_text_that_is_no_key_is_told_without_the_text() {
    let folder = Folder::in_use();
    for text in ["", "fake-token", "AAAA\n", "\u{0}"] {
        durable::replace(&folder.key(), text.as_bytes()).unwrap();
        let want = ["state.key", "32 random bytes in base64"];
        check_refused(&folder, &folder.open(), &want, |error| matches!(error, StoreError::NotAKey(_)));
    }
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_refused_with_the_command_that_closes_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::in_use();
    fs::set_permissions(folder.key(), fs::Permissions::from_mode(0o644)).unwrap();
    let command = format!("chmod 600 {}", folder.key().display());
    check_refused(&folder, &folder.open(), &[&command], |error| matches!(error, StoreError::Exposed(_)));
    fs::set_permissions(folder.key(), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(value(&folder.open(), "a").unwrap(), "fake-token");
}

#[test]
fn a_file_torn_at_any_byte_is_refused_and_moving_it_away_is_a_way_on() {
    let folder = Folder::in_use();
    let whole = fs::read(folder.file()).unwrap();
    let store = folder.open();
    // Without its line break it is whole.
    for length in 0..whole.len() - 1 {
        let mut zeros = whole[..length].to_vec();
        zeros.resize(whole.len(), 0);
        for text in [&whole[..length], &zeros] {
            fs::write(folder.file(), text).unwrap();
            let error = store.get("a").unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{length}: {error}");
            assert!(error.to_string().contains("move it away"), "{error}");
        }
    }
    fs::rename(folder.file(), folder.root.path().join("away")).unwrap();
    assert_eq!(value(&store, "a"), None);
    store.set("a", "fake-other".into()).unwrap();
}

#[test]
fn a_flipped_bit_is_damage_or_another_key_and_never_another_value() {
    let folder = Folder::in_use();
    let whole = fs::read(folder.file()).unwrap();
    for place in 0..whole.len() - 1 {
        for bit in [0x01, 0x04, 0x20] {
            let mut flipped = whole.clone();
            flipped[place] ^= bit;
            fs::write(folder.file(), &flipped).unwrap();
            match folder.open().get("a") {
                Err(StoreError::Damaged { .. } | StoreError::WrongKey { .. } | StoreError::Newer { .. }) => {}
                // White space between tokens.
                Ok(Some(kept)) => {
                    assert_eq!(kept.value.expose(), "fake-token");
                    assert!(whole[place].is_ascii_whitespace(), "byte {place}");
                }
                other => panic!("byte {place}: {other:?}"),
            }
        }
    }
}

#[test]
fn damage_is_told_with_the_file_and_never_written_over() {
    let folder = Folder::in_use();
    let whole = fs::read_to_string(folder.file()).unwrap();
    let sealed = whole.split('"').rev().nth(1).unwrap().to_owned();
    let mut changed = sealed.clone().into_bytes();
    changed[0] = if changed[0] == b'A' { b'B' } else { b'A' };
    let changed = whole.replace(&sealed, std::str::from_utf8(&changed).unwrap());
    for text in ["", "{", "[]", "{\"format\":1,\"secrets\":{\"a\":\"fake-token\"}}", &changed] {
        fs::write(folder.file(), text).unwrap();
        let file = folder.file().display().to_string();
        check_refused(&folder, &folder.open(), &[&file, "restore it", "move it away"], |error| {
            matches!(error, StoreError::Damaged { .. })
        });
    }
}

#[test]
fn a_newer_form_is_refused_and_not_called_damaged() {
    let folder = Folder::in_use();
    fs::write(folder.file(), "{\"format\":3,\"sealed\":\"\"}").unwrap();
    check_refused(&folder, &folder.open(), &["newer program"], |error| {
        matches!(error, StoreError::Newer { format: 3, .. })
    });
}

/// Forms that were ever written stand in `tests/golden`, and are read for ever.
#[test]
fn form_1_is_read_and_sealed_at_the_next_start_or_write() {
    for by_write in [false, true] {
        let folder = Folder::new();
        durable::folder(&folder.state()).unwrap();
        fs::write(folder.file(), golden("secrets-1.json")).unwrap();
        let store = folder.open();
        assert_eq!(store.read().unwrap().into_contents(), golden_contents(None));
        if by_write {
            store.set("b", "fake".into()).unwrap();
            store.delete("b").unwrap();
        } else {
            store.ready().unwrap();
        }
        let text = fs::read_to_string(folder.file()).unwrap();
        assert!(text.contains("\"format\": 2") && !text.contains("admin_tokens"), "{text}");
        assert!(
            matches!(folder.open().read().unwrap(), Found::Sealed(contents, _) if contents == golden_contents(None))
        );
        let left: Vec<_> = fs::read_dir(folder.state()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "no copy of the open one is left: {left:?}");
    }
}

#[test]
fn form_2_is_read() {
    let folder = Folder::new();
    durable::folder(&folder.state()).unwrap();
    fs::write(folder.file(), golden("secrets-2.json")).unwrap();
    durable::replace(&folder.key(), &golden("secrets-2.key")).unwrap();
    let written = Some(1_790_000_000_000);
    assert!(
        matches!(folder.open().read().unwrap(), Found::Sealed(contents, _) if contents == golden_contents(written))
    );
}

#[test]
fn what_is_written_is_the_newest_form() {
    let key = golden("secrets-2.key");
    let folder = Folder::new();
    durable::replace(&folder.key(), &key).unwrap();
    let key = folder.place("state.key").load(&folder.file()).unwrap().remove(0);
    let content = content::text(&golden_contents(Some(1_790_000_000_000))).unwrap();
    let nonce = std::array::from_fn(|index| u8::try_from(index).unwrap());
    let written = Sealed::with_nonce(content, &key, &Purpose::of_the_only_one(), nonce).unwrap().text().unwrap();
    let text = String::from_utf8(written).unwrap();
    assert_eq!(text, String::from_utf8(golden("secrets-2.json")).unwrap(), "a new form is a new file beside this one");
}

#[test]
fn after_a_change_of_key_the_new_one_opens_everything_and_the_old_one_nothing() {
    let folder = Folder::in_use();
    let old = fs::read(folder.key()).unwrap();
    let running = folder.open();
    let revision = running.get("a").unwrap().unwrap().revision;
    let rekeyed = folder.open().rekey(None).unwrap();
    assert_eq!(rekeyed.secrets, 1);
    assert_eq!(folder.open().ready().unwrap(), Condition::Sealed(rekeyed.key));
    assert_ne!(fs::read(folder.key()).unwrap(), old);
    assert_eq!(fs::read_to_string(folder.key()).unwrap().lines().count(), 1);
    // A process that has read the old one goes on, and its compare-and-set too.
    assert_eq!(value(&running, "a").unwrap(), "fake-token");
    running.write("a", &Some(revision), Some("fake-other".into())).unwrap();
    assert_eq!(value(&folder.open(), "a").unwrap(), "fake-other");

    durable::replace(&folder.key(), &old).unwrap();
    assert!(matches!(folder.open().get("a"), Err(StoreError::WrongKey { .. })));
}

#[test]
fn a_key_is_moved_to_another_place_by_naming_the_old_one() {
    let folder = Folder::in_use();
    let (old, new) = (folder.place("state.key"), folder.place("new.key"));
    assert!(matches!(folder.with(new.clone()).rekey(None), Err(StoreError::NoKey { .. })), "not by accident");
    let rekeyed = folder.with(new.clone()).rekey(Some(&old)).unwrap();
    assert_eq!(folder.with(new.clone()).ready().unwrap(), Condition::Sealed(rekeyed.key));
    assert_eq!(value(&folder.with(new.clone()), "a").unwrap(), "fake-token");
    assert!(matches!(folder.with(old.clone()).get("a"), Err(StoreError::WrongKey { .. })));
    // Back to a key that is there.
    let back = folder.with(old.clone()).rekey(Some(&new)).unwrap();
    assert_ne!(back.key, rekeyed.key);
    assert_eq!(value(&folder.open(), "a").unwrap(), "fake-token");
    assert!(matches!(folder.open().rekey(Some(&new)), Err(StoreError::WrongKey { .. })), "and only once");
}

#[test]
fn writers_that_race_with_changes_of_key_lose_nothing() {
    const WRITES: usize = 20;
    let folder = Folder::in_use();
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let store = folder.open();
            scope.spawn(move || {
                for number in 0..WRITES {
                    store.write(&format!("{writer}-{number}"), &None, Some("fake".into())).unwrap();
                    assert_eq!(value(&store, "a").unwrap(), "fake-token");
                }
            });
        }
        let store = folder.open();
        scope.spawn(move || (0..WRITES).for_each(|_| assert!(store.rekey(None).is_ok())));
    });
    assert_eq!(folder.open().list().unwrap().len(), 1 + 3 * WRITES);
    assert_eq!(fs::read_to_string(folder.key()).unwrap().lines().count(), 1);
}

/// Two of many tenants with one key; and the place where the next key will be.
fn two_tenants() -> (Folder, impl Fn(&str, &str) -> SealedFile) {
    let folder = Folder::new();
    let root = folder.root.path().to_owned();
    let open = move |tenant: &str, key: &str| {
        let key = KeySource::File(root.join(key));
        SealedFile::of_tenant(&root.join("state/tenants").join(tenant), key, tenant).unwrap()
    };
    for tenant in ["one", "two"] {
        open(tenant, "old.key").set("a", format!("fake-{tenant}").into()).unwrap();
    }
    (folder, open)
}

#[test]
fn many_tenants_share_a_key_and_none_opens_what_is_anothers() {
    let (folder, open) = two_tenants();
    assert!(folder.root.path().join("old.key").is_file());
    let [one, two] = ["one", "two"].map(|tenant| folder.state().join("tenants").join(tenant).join(FILE));
    fs::copy(&one, &two).unwrap();
    assert!(matches!(open("two", "old.key").get("a"), Err(StoreError::Damaged { fault: Fault::Changed(_), .. })));
    assert_eq!(value(&open("one", "old.key"), "a").as_deref(), Some("fake-one"));
}

#[test]
fn a_key_that_many_tenants_share_is_not_changed_for_one_of_them() {
    let (_folder, open) = two_tenants();
    let error = open("one", "old.key").rekey(None).unwrap_err();
    assert!(matches!(error, StoreError::SharedKey(_)), "{error}");
    assert_eq!(value(&open("two", "old.key"), "a").as_deref(), Some("fake-two"));
}

#[test]
fn many_tenants_move_to_a_new_key_one_after_the_other_and_may_be_interrupted() {
    let (folder, open) = two_tenants();
    let from = folder.place("old.key");
    open("one", "new.key").rekey(Some(&from)).unwrap();
    // The program was cut off here: all of it again.
    for tenant in ["one", "two"] {
        open(tenant, "new.key").rekey(Some(&from)).unwrap();
    }
    fs::remove_file(folder.root.path().join("old.key")).unwrap();
    for tenant in ["one", "two"] {
        assert_eq!(value(&open(tenant, "new.key"), "a"), Some(format!("fake-{tenant}")));
    }
}

#[test]
fn a_place_with_two_keys_keeps_both_while_tenants_share_it() {
    let (folder, open) = two_tenants();
    open("three", "other.key").set("a", "fake-three".into()).unwrap();
    let both = ["old.key", "other.key"].map(|key| fs::read_to_string(folder.root.path().join(key)).unwrap()).concat();
    crate::durable::replace(&folder.root.path().join("old.key"), both.as_bytes()).unwrap();
    for tenant in ["one", "two", "three"] {
        open(tenant, "old.key").ready().unwrap();
    }
    for tenant in ["one", "two", "three"] {
        assert_eq!(value(&open(tenant, "old.key"), "a"), Some(format!("fake-{tenant}")));
    }
}
