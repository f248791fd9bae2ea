//! What must not be printed: secrets that a person has configured, and those that are kept in a store.
//!
//! [`Secrets`] is the view of one tenant: it knows which names the plugin may use and which it may write. Behind it a
//! [`Store`] keeps what was written, sealed in a file; the configured ones are an overlay that is only read.
//!
//! Values live in [`Secret`] and keys in `Key`, which are wiped when they are dropped, and pass through buffers that are wiped too.
//! What cannot be wiped is not this room's: the copy that the engine takes of a value on its way to the plugin, the plugin's memory
//! (given back with the instance after each call), headers, forms and TLS buffers of a request, and the environment.

mod content;
mod error;
mod file;
mod key;
mod keyring;
mod memory;
mod sealed;
mod secret;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use crate::durable::DurableError;
use crate::redaction;
pub use error::{Fault, SecretsError, StoreError};
pub(crate) use file::now;
pub use file::{Condition, Listed, Rekeyed, SealedFile};
pub use key::{KeyId, KeySource, NotAPlace};
use memory::MemoryStore;
pub use sealed::{Attestation, NotAnAttestation};
pub use secret::{Revision, Secret, Versioned};

/// Where written secrets are kept. Clones share it.
#[derive(Clone)]
pub struct Store(Kind);

#[derive(Clone)]
enum Kind {
    Memory(Arc<MemoryStore>),
    File(Arc<SealedFile>),
    Given(Arc<dyn GivenStore>),
}

impl From<Arc<SealedFile>> for Store {
    fn from(file: Arc<SealedFile>) -> Self {
        Self(Kind::File(file))
    }
}

/// A store that somebody else brings, such as a test whose store fails.
pub trait GivenStore: Send + Sync {
    /// The value, or none.
    fn get(&self, name: &str) -> Pending<Option<Versioned>>;

    /// Writes a value, or deletes with none, if the present revision is `expected` (none: no such secret). Durable when it
    /// is done, with a revision that the name never had.
    fn write(&self, name: &str, expected: Option<Revision>, value: Option<Secret>) -> Pending<Revision>;
}

/// What a store is about to say.
pub type Pending<T> = Pin<Box<dyn Future<Output = Result<T, SecretsError>> + Send>>;

impl Store {
    /// Gone with the process; for tests.
    pub fn memory() -> Self {
        Self(Kind::Memory(Arc::default()))
    }

    /// `secrets.json` in `folder`, which is made if need be, sealed with the key that is in `key`.
    ///
    /// # Errors
    /// The folder cannot be made, or others may write to it.
    pub fn file(folder: &Path, key: KeySource) -> Result<Self, DurableError> {
        Ok(Arc::new(SealedFile::open(folder, key)?).into())
    }

    /// What `store` keeps.
    pub fn given(store: Arc<dyn GivenStore>) -> Self {
        Self(Kind::Given(store))
    }

    async fn get(&self, name: &str) -> Result<Option<Versioned>, SecretsError> {
        let name = name.to_owned();
        match self.0.clone() {
            Kind::Memory(store) => Ok(store.get(&name)),
            Kind::File(store) => Ok(blocking(&store, move |store| store.get(&name)).await?),
            Kind::Given(store) => store.get(&name).await,
        }
    }

    async fn write(&self, name: &str, expected: Expected, value: Option<Secret>) -> Result<Revision, SecretsError> {
        let name = name.to_owned();
        match self.0.clone() {
            Kind::Memory(store) => store.write(&name, &expected, value),
            Kind::File(store) => blocking(&store, move |store| store.write(&name, &expected, value)).await,
            Kind::Given(store) => store.write(&name, expected, value).await,
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Memory(_) => "Store(memory)",
            Kind::File(_) => "Store(file)",
            Kind::Given(_) => "Store(given)",
        })
    }
}

/// Bytes of a value that a plugin may write: tokens are some kilobytes.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// What a compare-and-set expects to find; none: no such secret.
type Expected = Option<Revision>;

/// What a store keeps, by name.
type Contents = BTreeMap<String, Kept>;

/// What is kept under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    value: Secret,
    revision: Revision,
    /// Milliseconds since the epoch; none: it was written before times were kept.
    written: Option<i64>,
}

/// Compares what is kept under `name` with `expected` and changes it: a value, or none to delete.
fn compare_and_set(
    kept: &mut Contents,
    name: &str,
    expected: &Expected,
    value: Option<Secret>,
    now: i64,
) -> Result<Revision, SecretsError> {
    if kept.get(name).map(|kept| &kept.revision) != expected.as_ref() {
        return Err(SecretsError::Conflict);
    }
    let revision = Revision::fresh()?;
    match value {
        Some(value) => kept.insert(name.to_owned(), Kept { value, revision: revision.clone(), written: Some(now) }),
        None => kept.remove(name),
    };
    Ok(revision)
}

/// How a person has supplied a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Supplied {
    /// This value.
    Value(Secret),
    /// What a person has put into the store under its name, if anything.
    InStore,
}

impl From<Secret> for Supplied {
    fn from(value: Secret) -> Self {
        Self::Value(value)
    }
}

/// One tenant's secrets, as its plugin may use them. Clones share the store.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Names that the plugin may read, and whether it may write them.
    uses: Arc<BTreeMap<String, bool>>,
    supplied: Arc<BTreeMap<String, Supplied>>,
    store: Store,
}

impl Secrets {
    /// `uses`: names and whether the plugin writes them; `supplied`: what a person has set.
    pub fn new(
        uses: impl IntoIterator<Item = (String, bool)>,
        supplied: BTreeMap<String, Supplied>,
        store: Store,
    ) -> Self {
        for supplied in supplied.values() {
            if let Supplied::Value(value) = supplied {
                redaction::learn(value);
            }
        }
        Self { uses: Arc::new(uses.into_iter().collect()), supplied: Arc::new(supplied), store }
    }

    /// The value, or none.
    ///
    /// # Errors
    /// The name is not the plugin's, or the store cannot be read.
    pub async fn get(&self, name: &str) -> Result<Option<Versioned>, SecretsError> {
        let is_written = *self.uses.get(name).ok_or(SecretsError::Denied)?;
        match self.supplied.get(name) {
            // What a person has set counts as long as it is set.
            Some(Supplied::Value(value)) => {
                return Ok(Some(Versioned { value: value.clone(), revision: Revision::of_configured(name, value) }));
            }
            Some(Supplied::InStore) => {}
            // What a person has put into the store counts only where the settings say so.
            None if is_written => {}
            None => return Ok(None),
        }
        let found = self.store.get(name).await?;
        found.iter().for_each(|found| redaction::learn(&found.value));
        Ok(found)
    }

    /// Writes if the present revision is `expected`; on the disk when it returns.
    ///
    /// # Errors
    /// The name is not one that the plugin writes, or the value is larger than [`MAX_VALUE_BYTES`]; another write came first;
    /// the store cannot be written.
    pub async fn replace(
        &self,
        name: &str,
        expected: Option<Revision>,
        value: Secret,
    ) -> Result<Revision, SecretsError> {
        self.write(name, expected, Some(value)).await
    }

    /// Deletes if the present revision is `expected`.
    ///
    /// # Errors
    /// As [`replace`](Self::replace).
    pub async fn delete(&self, name: &str, expected: Revision) -> Result<(), SecretsError> {
        self.write(name, Some(expected), None).await.map(|_| ())
    }

    async fn write(&self, name: &str, expected: Expected, value: Option<Secret>) -> Result<Revision, SecretsError> {
        let is_too_large = value.as_ref().is_some_and(|value| value.expose().len() > MAX_VALUE_BYTES);
        if self.uses.get(name) != Some(&true) || self.supplied.contains_key(name) || is_too_large {
            return Err(SecretsError::Denied);
        }
        value.iter().for_each(redaction::learn);
        self.store.write(name, expected, value).await
    }
}

/// Off the threads that drive connections: work with the file waits for the disk, for other processes and perhaps for a person
/// who unlocks the keyring.
///
/// # Errors
/// Those of the work; or it was given up.
pub(crate) async fn blocking<T, E>(
    store: &Arc<SealedFile>,
    work: impl FnOnce(&SealedFile) -> Result<T, E> + Send + 'static,
) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    let store = Arc::clone(store);
    match tokio::task::spawn_blocking(move || work(&store)).await {
        Ok(answer) => answer,
        Err(error) => Err(StoreError::GivenUp(error.to_string()).into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn secrets(store: Store) -> Secrets {
        let uses = [("tokens".to_owned(), true), ("password".to_owned(), false)];
        let password = Supplied::Value("fake-password".into());
        Secrets::new(uses, BTreeMap::from([("password".to_owned(), password)]), store)
    }

    async fn check_compare_and_set(store: Store) {
        let secrets = secrets(store);
        assert_eq!(secrets.get("tokens").await.unwrap(), None);
        let first = secrets.replace("tokens", None, "one".into()).await.unwrap();
        assert!(matches!(secrets.replace("tokens", None, "x".into()).await, Err(SecretsError::Conflict)));
        let second = secrets.replace("tokens", Some(first.clone()), "two".into()).await.unwrap();
        assert_ne!(first, second);
        assert!(matches!(secrets.replace("tokens", Some(first), "x".into()).await, Err(SecretsError::Conflict)));
        let kept = secrets.get("tokens").await.unwrap().unwrap();
        assert_eq!((kept.value.expose(), &kept.revision), ("two", &second));
        secrets.delete("tokens", second.clone()).await.unwrap();
        assert_eq!(secrets.get("tokens").await.unwrap(), None);
        assert!(matches!(secrets.delete("tokens", second).await, Err(SecretsError::Conflict)));
    }

    #[tokio::test]
    async fn a_write_with_another_revision_is_a_conflict_in_memory() {
        check_compare_and_set(Store::memory()).await;
    }

    #[tokio::test]
    async fn a_write_with_another_revision_is_a_conflict_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        check_compare_and_set(Store::file(&state, KeySource::beside(&state)).unwrap()).await;
    }

    #[tokio::test]
    async fn a_plugin_uses_its_own_names_only_and_writes_what_it_said() {
        let secrets = secrets(Store::memory());
        assert!(matches!(secrets.get("other").await, Err(SecretsError::Denied)));
        assert!(matches!(secrets.replace("other", None, "x".into()).await, Err(SecretsError::Denied)));
        let password = secrets.get("password").await.unwrap().unwrap();
        assert_eq!(password.value.expose(), "fake-password");
        let write = secrets.replace("password", Some(password.revision), "x".into()).await;
        assert!(matches!(write, Err(SecretsError::Denied)));
    }

    #[tokio::test]
    async fn of_many_writers_with_one_expectation_one_wins() {
        let folder = tempfile::tempdir().unwrap();
        let mut writers = Vec::new();
        for number in 0..8 {
            // A store each, as in a process each.
            let state = folder.path().join("state");
            let secrets = secrets(Store::file(&state, KeySource::beside(&state)).unwrap());
            writers.push(tokio::spawn(async move {
                secrets.replace("tokens", None, number.to_string().into()).await.is_ok()
            }));
        }
        let mut won = 0;
        for writer in writers {
            won += usize::from(writer.await.unwrap());
        }
        assert_eq!(won, 1);
    }

    #[tokio::test]
    async fn what_a_person_put_into_the_store_counts_only_where_the_settings_say_so() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let file = Arc::new(SealedFile::open(&state, KeySource::beside(&state)).unwrap());
        file.set("password", "fake-stored".into()).unwrap();
        let of = |supplied: &[(&str, Supplied)]| {
            let supplied = supplied.iter().map(|(name, supplied)| ((*name).to_owned(), supplied.clone()));
            Secrets::new([("password".to_owned(), false)], supplied.collect(), Arc::clone(&file).into())
        };
        assert_eq!(of(&[]).get("password").await.unwrap(), None);
        let stored = of(&[("password", Supplied::InStore)]);
        let password = stored.get("password").await.unwrap().unwrap();
        assert_eq!(password.value.expose(), "fake-stored");
        let write = stored.replace("password", Some(password.revision), "x".into()).await;
        assert!(matches!(write, Err(SecretsError::Denied)), "the plugin still only reads it");
        let set = of(&[("password", Supplied::Value("fake-set".into()))]);
        assert_eq!(set.get("password").await.unwrap().unwrap().value.expose(), "fake-set");
        file.delete("password").unwrap();
        assert_eq!(stored.get("password").await.unwrap(), None);
    }

    #[test]
    fn the_secrets_of_a_tenant_cannot_be_printed() {
        assert!(!format!("{:?}", secrets(Store::memory())).contains("fake-password"));
    }
}
