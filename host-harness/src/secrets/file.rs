//! A store in one sealed file, shared by processes.
//!
//! The file is replaced as a whole, so a reader needs no lock. Writers take turns by a lock file. A write seals with the key that
//! the file is sealed with; only [`rekey`](SealedFile::rekey) changes that, under the same lock. The steps of a change of key, of
//! which a crash may leave any first ones:
//!
//! 1. the key's place holds the old key and the new one;
//! 2. the file is sealed with the new one;
//! 3. the place holds the new one.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use zeroize::Zeroizing;

use super::key::{Key, KeyId, KeySource};
use super::sealed::{Attestation, FORMAT, Purpose, Sealed};
use super::{
    Contents, Expected, Fault, Kept, Revision, Secret, SecretsError, StoreError, Versioned, compare_and_set, content,
};
use crate::durable::{self, DurableError, Lock};

const FILE: &str = "secrets.json";
const LOCK: &str = "secrets.lock";
/// How long a writer waits for its turn. A write takes milliseconds, on a slow disk a second.
const TURN: Duration = Duration::from_secs(10);
/// How often it looks.
const LOOK: Duration = Duration::from_millis(20);
/// How often a reader looks before it calls a key wrong: another process may be changing it.
const LOOKS: u32 = 3;

/// The file and where its key is.
pub struct SealedFile {
    file: PathBuf,
    lock: PathBuf,
    place: KeySource,
    purpose: Purpose,
    /// Whether other stores are sealed with the same key, which is then not changed for this one alone.
    shares_key: bool,
    /// Threads of this process take turns here, before the lock between processes.
    turn: Mutex<()>,
    /// The keys as they were read last: a place need not be there for ever, and a keyring is slow.
    keys: Mutex<Vec<Arc<Key>>>,
}

/// How the store stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Nothing is kept yet.
    Empty,
    /// Sealed with this key, which is there.
    Sealed(KeyId),
}

/// What is kept under a name, without the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The name.
    pub name: String,
    /// When it was written, in milliseconds since the epoch; none: before times were kept.
    pub written: Option<i64>,
}

/// What a change of key came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rekeyed {
    /// Secrets that are sealed with the new key.
    pub secrets: usize,
    /// The new key.
    pub key: KeyId,
}

/// The one field that every form has.
#[derive(Deserialize)]
struct Form {
    format: u64,
}

/// What stands in the file.
enum Found {
    Nothing,
    /// Form 1.
    Open(Contents),
    Sealed(Contents, Arc<Key>),
}

impl Found {
    fn into_contents(self) -> Contents {
        match self {
            Self::Nothing => Contents::new(),
            Self::Open(contents) | Self::Sealed(contents, _) => contents,
        }
    }
}

impl SealedFile {
    /// The store in `folder`, which is made if need be. Its key is read when it is needed.
    ///
    /// # Errors
    /// The folder cannot be made, or others may write to it.
    pub fn open(folder: &Path, key: KeySource) -> Result<Self, DurableError> {
        Self::with(folder, key, Purpose::of_the_only_one(), false)
    }

    /// The same of one of many tenants, whose stores are sealed with the same key.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn of_tenant(folder: &Path, key: KeySource, tenant: &str) -> Result<Self, DurableError> {
        Self::with(folder, key, Purpose::of(tenant), true)
    }

    fn with(folder: &Path, key: KeySource, purpose: Purpose, shares_key: bool) -> Result<Self, DurableError> {
        durable::folder(folder)?;
        let (file, lock) = (folder.join(FILE), folder.join(LOCK));
        // What a crash left on its way. If another process writes just now, the next start sweeps.
        let keys = match &key {
            KeySource::File(path) => durable::staged_for(path).collect(),
            KeySource::Env(_) | KeySource::Keyring => Vec::new(),
        };
        if (!keys.is_empty() || durable::staged(folder).next().is_some())
            && let Ok(_lock) = Lock::try_take(&lock)
        {
            durable::sweep(folder);
            keys.iter().for_each(|path| drop(std::fs::remove_file(path)));
        }
        Ok(Self { file, lock, place: key, purpose, shares_key, turn: Mutex::default(), keys: Mutex::default() })
    }

    /// Where its key is.
    pub fn place(&self) -> &KeySource {
        &self.place
    }

    /// The file itself.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Sees that what is kept can be read, or that a first secret could be sealed. Seals a file of form 1, and finishes or takes
    /// back a change of key that was cut off.
    ///
    /// # Errors
    /// The key is missing, wrong, open to others or none; the file is damaged or newer; the disk refuses.
    pub fn ready(&self) -> Result<Condition, StoreError> {
        let key = match self.look()? {
            Found::Sealed(_, key) if self.known().len() == 1 => key,
            Found::Nothing => {
                let keys = self.place.load(&self.file)?;
                return match &self.place {
                    KeySource::Env(name) if keys.is_empty() => Err(StoreError::Unset(name.clone())),
                    _ => Ok(Condition::Empty),
                };
            }
            Found::Open(_) | Found::Sealed(..) => {
                let _turn = self.turn()?;
                match self.read()? {
                    Found::Sealed(_, key) => {
                        self.keep_only(&key)?;
                        key
                    }
                    found => self.seal(&found.into_contents(), None)?,
                }
            }
        };
        Ok(Condition::Sealed(key.id()))
    }

    /// What is kept under `name`.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn get(&self, name: &str) -> Result<Option<Versioned>, StoreError> {
        Ok(self.look()?.into_contents().remove(name).map(Versioned::from))
    }

    pub(super) fn write(
        &self,
        name: &str,
        expected: &Expected,
        value: Option<Secret>,
    ) -> Result<Revision, SecretsError> {
        self.change(|contents| compare_and_set(contents, name, expected, value, now()))
    }

    /// Names and ages of what is kept.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn list(&self) -> Result<Vec<Listed>, StoreError> {
        let contents = self.look()?.into_contents();
        Ok(contents.into_iter().map(|(name, kept)| Listed { name, written: kept.written }).collect())
    }

    /// Keeps `value` under `name`, whatever was there; on the disk when it returns.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn set(&self, name: &str, value: Secret) -> Result<(), StoreError> {
        self.change(|contents| {
            let kept = Kept { value, revision: Revision::fresh()?, written: Some(now()) };
            contents.insert(name.to_owned(), kept);
            Ok(())
        })
    }

    /// Deletes what is kept under `name`; false if nothing was.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub fn delete(&self, name: &str) -> Result<bool, StoreError> {
        // A deletion of nothing writes nothing, so that it also works where nothing can be written.
        if !self.look()?.into_contents().contains_key(name) {
            return Ok(false);
        }
        self.change(|contents| Ok(contents.remove(name).is_some()))
    }

    /// Seals everything with a new key: one that is made and put in the key's place, or, if `from` names where the old key is, the
    /// one that is in the key's place already.
    ///
    /// # Errors
    /// As [`ready`](Self::ready); the place is a variable and `from` names none. What was sealed before stays readable.
    pub fn rekey(&self, from: Option<&KeySource>) -> Result<Rekeyed, StoreError> {
        let _turn = self.turn()?;
        if let (KeySource::Env(name), None) = (&self.place, from) {
            return Err(StoreError::RekeyByHand(name.clone()));
        }
        if from.is_none() && self.shares_key {
            return Err(StoreError::SharedKey(self.place.clone()));
        }
        let found = match self.read_with(from.unwrap_or(&self.place)) {
            // Of stores that share a key, some may have been moved by a run that did not come to its end.
            Err(StoreError::WrongKey { .. } | StoreError::NoKey { .. }) if self.shares_key => self.read()?,
            found => found?,
        };
        let old = match &found {
            Found::Sealed(_, key) => Some(Arc::clone(key)),
            Found::Nothing | Found::Open(_) => None,
        };
        let new = match from {
            Some(_) => self.first_key()?,
            None => {
                let new = Key::fresh()?;
                let both: Vec<Arc<Key>> = old.into_iter().chain([Arc::clone(&new)]).collect();
                self.place.save(&self.file, &both)?;
                new
            }
        };
        let contents = found.into_contents();
        self.seal(&contents, Some(Arc::clone(&new)))?;
        self.keep_only(&new)?;
        Ok(Rekeyed { secrets: contents.len(), key: new.id() })
    }

    /// Attests that `subject` is this account's own, for [`has_attested`](Self::has_attested). None: there is no key yet.
    ///
    /// # Errors
    /// The key is wrong, open to others or none, or its place cannot be read.
    pub fn attest(&self, subject: &[u8]) -> Result<Option<Attestation>, StoreError> {
        self.keys()?.first().map(|key| Attestation::of(subject, key)).transpose()
    }

    /// Whether `subject` was attested so, with the key that is there now.
    ///
    /// # Errors
    /// As [`attest`](Self::attest).
    pub fn has_attested(&self, attestation: &Attestation, subject: &[u8]) -> Result<bool, StoreError> {
        Ok(self.keys()?.iter().any(|key| attestation.holds(subject, key)))
    }

    /// The keys as they are known, or as they stand in their place now.
    fn keys(&self) -> Result<Vec<Arc<Key>>, StoreError> {
        let mut known = self.known();
        if known.is_empty() {
            *known = self.place.load(&self.file)?;
        }
        Ok(known.clone())
    }

    /// The turn among the threads of this process and among processes.
    fn turn(&self) -> Result<(std::sync::MutexGuard<'_, ()>, Lock), StoreError> {
        let turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = Instant::now();
        loop {
            match Lock::try_take(&self.lock) {
                Err(DurableError::Held { .. }) if asked.elapsed() < TURN => std::thread::sleep(LOOK),
                taken => return Ok((turn, taken?)),
            }
        }
    }

    fn change<T, E: From<StoreError>>(&self, change: impl FnOnce(&mut Contents) -> Result<T, E>) -> Result<T, E> {
        let _turn = self.turn()?;
        let (mut contents, key) = match self.read()? {
            Found::Sealed(contents, key) => (contents, Some(key)),
            found => (found.into_contents(), None),
        };
        let changed = change(&mut contents)?;
        self.seal(&contents, key)?;
        Ok(changed)
    }

    /// Writes the file. Without a key: with the one in the key's place, which is made if there is none.
    fn seal(&self, contents: &Contents, key: Option<Arc<Key>>) -> Result<Arc<Key>, StoreError> {
        let key = match key {
            Some(key) => key,
            None => self.first_key()?,
        };
        let content = content::text(contents).map_err(|error| StoreError::GivenUp(error.to_string()))?;
        durable::replace(&self.file, &Sealed::seal(content, &key, &self.purpose)?.text()?)?;
        Ok(key)
    }

    /// The key in the key's place, which is made if there is none.
    fn first_key(&self) -> Result<Arc<Key>, StoreError> {
        let mut keys = self.place.load(&self.file)?;
        if keys.is_empty() {
            keys = self.place.create(&self.file)?;
        }
        let first = keys.first().map(Arc::clone);
        *self.known() = keys;
        first.ok_or_else(|| StoreError::NotAKey(self.place.clone()))
    }

    /// Ends a change of key: the place holds the key that the file is sealed with, and no other.
    fn keep_only(&self, key: &Arc<Key>) -> Result<(), StoreError> {
        let keys = self.place.load(&self.file)?;
        if keys.len() > 1 && !self.shares_key {
            self.place.save(&self.file, std::slice::from_ref(key))?;
        }
        *self.known() = vec![Arc::clone(key)];
        Ok(())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Key>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads without a turn, while another process may change file and key.
    fn look(&self) -> Result<Found, StoreError> {
        for _ in 1..LOOKS {
            match self.read() {
                Err(StoreError::WrongKey { .. } | StoreError::NoKey { .. }) => {}
                read => return read,
            }
        }
        self.read()
    }

    fn read(&self) -> Result<Found, StoreError> {
        self.read_with(&self.place)
    }

    fn read_with(&self, place: &KeySource) -> Result<Found, StoreError> {
        let Some(text) = durable::read(&self.file)?.map(Zeroizing::new) else { return Ok(Found::Nothing) };
        let damaged = |fault| StoreError::Damaged { path: self.file.clone(), fault };
        let Form { format } = serde_json::from_slice(&text).map_err(|_| damaged(Fault::Form))?;
        match format {
            1 => Ok(Found::Open(content::read_form_1(&text).map_err(damaged)?)),
            FORMAT => {
                let sealed = Sealed::parse(&text).map_err(damaged)?;
                let key = self.key_of(&sealed, place)?;
                let content = sealed.open(&key, &self.purpose).map_err(damaged)?;
                Ok(Found::Sealed(content::read(&content).map_err(damaged)?, key))
            }
            format => Err(StoreError::Newer { path: self.file.clone(), format }),
        }
    }

    /// The key that has sealed it, as it is known or as it stands in its place now.
    fn key_of(&self, sealed: &Sealed, place: &KeySource) -> Result<Arc<Key>, StoreError> {
        let by = |keys: &[Arc<Key>]| keys.iter().find(|key| sealed.is_by(key.id())).map(Arc::clone);
        if place == &self.place
            && let Some(key) = by(&self.known())
        {
            return Ok(key);
        }
        let keys = place.load(&self.file)?;
        let (key, none) = (by(&keys), keys.is_empty());
        if place == &self.place {
            *self.known() = keys;
        }
        key.ok_or_else(|| match none {
            true => StoreError::NoKey { file: self.file.clone(), place: place.clone() },
            false => StoreError::WrongKey { file: self.file.clone(), place: place.clone(), sealed_with: sealed.key() },
        })
    }
}

/// Milliseconds since the epoch, for people: nothing depends on it.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests;
