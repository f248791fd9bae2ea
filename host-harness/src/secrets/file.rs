//! A store in one file, shared by processes.
//!
//! The file is readable by its account alone and is replaced as a whole, so a reader needs no lock. Writers take turns by a
//! lock file. The text is what an encrypted form would seal.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{Expected, Revision, Secret, SecretsError, Versioned, compare_and_set};
use crate::durable::{self, DurableError, Lock};

const FILE: &str = "secrets.json";
const LOCK: &str = "secrets.lock";
/// The form of the file; another one was written by a newer program.
const FORMAT: u32 = 1;
/// How long a writer waits for its turn. A write takes milliseconds, on a slow disk a second.
const TURN: Duration = Duration::from_secs(10);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);

pub(super) struct FileStore {
    file: PathBuf,
    lock: PathBuf,
    /// Threads of this process take turns here, before the lock between processes.
    turn: Mutex<()>,
}

/// The one field that every form has.
#[derive(Deserialize)]
struct Form {
    format: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: u32,
    secrets: BTreeMap<String, KeptSecret>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptSecret {
    value: String,
    revision: String,
}

impl FileStore {
    pub(super) fn open(folder: &Path) -> Result<Self, DurableError> {
        durable::folder(folder)?;
        let lock = folder.join(LOCK);
        // What a crash left on its way holds secrets. If another process writes just now, the next start sweeps.
        if durable::staged(folder).next().is_some()
            && let Ok(_lock) = Lock::try_take(&lock)
        {
            durable::sweep(folder);
        }
        Ok(Self { file: folder.join(FILE), lock, turn: Mutex::new(()) })
    }

    pub(super) fn get(&self, name: &str) -> Result<Option<Versioned>, SecretsError> {
        Ok(self.read()?.remove(name))
    }

    pub(super) fn write(
        &self,
        name: &str,
        expected: &Expected,
        value: Option<Secret>,
    ) -> Result<Revision, SecretsError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let _lock = self.lock()?;
        let mut kept = self.read()?;
        let revision = compare_and_set(&mut kept, name, expected, value)?;
        durable::replace(&self.file, &text(kept)?)?;
        Ok(revision)
    }

    fn lock(&self) -> Result<Lock, SecretsError> {
        let asked = Instant::now();
        loop {
            match Lock::try_take(&self.lock) {
                Err(DurableError::Held { .. }) if asked.elapsed() < TURN => std::thread::sleep(LOOK),
                taken => return Ok(taken?),
            }
        }
    }

    fn read(&self) -> Result<BTreeMap<String, Versioned>, SecretsError> {
        let Some(text) = durable::read(&self.file)? else { return Ok(BTreeMap::new()) };
        // serde's message may quote the text around the fault, which is a secret: only the place is told.
        let damaged = |error: serde_json::Error| {
            SecretsError::Unavailable(format!(
                "{} is damaged at line {}; restore it, or move it away and sign in again",
                self.file.display(),
                error.line()
            ))
        };
        let Form { format } = serde_json::from_slice(&text).map_err(damaged)?;
        if format > FORMAT {
            return Err(SecretsError::Unavailable(format!(
                "{} has the form {format}, this program knows {FORMAT}; use the newer program that wrote it",
                self.file.display(),
            )));
        }
        let kept: Kept = serde_json::from_slice(&text).map_err(damaged)?;
        let versioned = |kept: KeptSecret| Versioned { value: kept.value.into(), revision: kept.revision.into() };
        Ok(kept.secrets.into_iter().map(|(name, kept)| (name, versioned(kept))).collect())
    }
}

/// The file's text.
fn text(secrets: BTreeMap<String, Versioned>) -> Result<Vec<u8>, SecretsError> {
    let secrets = secrets.into_iter().map(|(name, kept)| {
        (name, KeptSecret { value: kept.value.expose().to_owned(), revision: kept.revision.into_text() })
    });
    serde_json::to_vec_pretty(&Kept { format: FORMAT, secrets: secrets.collect() })
        .map_err(|error| SecretsError::Unavailable(error.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn what_one_process_writes_the_next_one_reads() {
        let folder = tempfile::tempdir().unwrap();
        let revision = FileStore::open(folder.path()).unwrap().write("a", &None, Some("fake".into())).unwrap();
        let kept = FileStore::open(folder.path()).unwrap().get("a").unwrap().unwrap();
        assert_eq!(kept, Versioned { value: "fake".into(), revision });
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_closed_to_others() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open(folder.path()).unwrap();
        store.write("a", &None, Some("fake".into())).unwrap();
        for file in [FILE, LOCK] {
            let mode = std::fs::metadata(folder.path().join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
    }

    #[test]
    fn a_damaged_file_is_refused_without_its_text() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open(folder.path()).unwrap();
        std::fs::write(folder.path().join(FILE), br#"{"format":1,"secrets":{"a":"fake-token"}}"#).unwrap();
        let message = store.get("a").unwrap_err().to_string();
        assert!(message.contains(FILE) && !message.contains("fake-token"), "{message}");
        assert!(store.write("a", &None, Some("x".into())).is_err(), "nothing is written over it");
    }

    /// The form that was ever written stands in `tests/golden`, and is read for ever.
    #[test]
    fn form_1_is_read_and_is_what_is_written() {
        let golden = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/secrets-1.json")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open(folder.path()).unwrap();
        std::fs::write(folder.path().join(FILE), &golden).unwrap();
        let kept = store.read().unwrap();
        let expected = [
            ("admin_tokens", "{\"version\":1,\"access\":\"fake \\u00e9\"}", "00112233445566778899aabbccddeeff"),
            ("pending", "", "ffeeddccbbaa99887766554433221100"),
        ];
        let expected = expected.map(|(name, value, revision)| {
            (name.to_owned(), Versioned { value: value.into(), revision: revision.to_owned().into() })
        });
        assert_eq!(kept, BTreeMap::from(expected));
        assert_eq!(text(kept).unwrap(), golden, "a new form is a new file beside this one");
    }

    #[test]
    fn a_file_torn_at_any_byte_is_refused_and_moving_it_away_is_a_way_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open(folder.path()).unwrap();
        store.write("a", &None, Some("fake-token".into())).unwrap();
        let file = folder.path().join(FILE);
        let whole = std::fs::read(&file).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&file, &whole[..length]).unwrap();
            let message = store.get("a").unwrap_err().to_string();
            assert!(message.contains("move it away") && !message.contains("fake-token"), "{length}: {message}");
        }
        std::fs::rename(&file, folder.path().join("away")).unwrap();
        assert_eq!(store.get("a").unwrap(), None);
        store.write("a", &None, Some("fake".into())).unwrap();
    }

    #[test]
    fn secrets_that_a_crash_left_on_their_way_are_swept_but_not_under_another_writer() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open(folder.path()).unwrap();
        store.write("a", &None, Some("fake".into())).unwrap();
        let whole = std::fs::read(folder.path().join(FILE)).unwrap();
        let staged = folder.path().join(".staged-a1b2c3");
        for length in 0..=whole.len() {
            std::fs::write(&staged, &whole[..length]).unwrap();
            assert_eq!(store.get("a").unwrap().unwrap().value, "fake".into());
        }
        let other = Lock::try_take(&folder.path().join(LOCK)).unwrap();
        FileStore::open(folder.path()).unwrap();
        assert!(staged.exists(), "it may be the other's");
        drop(other);
        FileStore::open(folder.path()).unwrap();
        assert!(!staged.exists());
    }

    #[test]
    fn a_newer_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = FileStore::open(folder.path()).unwrap();
        std::fs::write(folder.path().join(FILE), br#"{"format":2,"sealed":""}"#).unwrap();
        assert!(store.get("a").unwrap_err().to_string().contains("newer"));
    }
}
