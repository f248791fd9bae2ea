//! What must not be printed: secrets that a person has configured, and those that the plugin writes.
//!
//! [`Secrets`] is the view of one tenant: it knows which names the plugin may use and which it may write. Behind it a
//! [`Store`] keeps what was written; the configured ones are an overlay that is only read. An encrypted store is one more
//! case of [`Store`].

mod file;
mod memory;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

use crate::durable::DurableError;
use file::FileStore;
use memory::MemoryStore;

/// A value that cannot be printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self(value)
    }
}

impl From<&str> for Secret {
    fn from(value: &str) -> Self {
        Self(value.to_owned())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Which write of a name this is; opaque, and never used for two values of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision(String);

impl Revision {
    /// A new one: 128 random bits, so that two processes, or a name that was deleted between, never give the same.
    fn fresh() -> Result<Self, SecretsError> {
        let mut bytes = [0; 16];
        OsRng.try_fill_bytes(&mut bytes).map_err(|error| SecretsError::Unavailable(error.to_string()))?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bytes))))
    }

    /// The one of a configured value: the same in every process as long as the value is.
    fn of_configured(name: &str, value: &Secret) -> Self {
        let mut hash = Sha256::new();
        for part in ["configured secret", name, value.expose()] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
        // 64 bits tell changes apart and are too few to be a check on a guessed value worth having.
        let short: String = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self(format!("configured-{short}"))
    }

    /// As the plugin sees it.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl From<String> for Revision {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// A value and which write of it this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// The value.
    pub value: Secret,
    /// Which write.
    pub revision: Revision,
}

/// Why a secret cannot be read or written. Never holds a value.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The store cannot be used now.
    #[error("the store of secrets cannot be used: {0}")]
    Unavailable(String),
    /// A name that the plugin may not use, or not write.
    #[error("the plugin may not use this secret in this way")]
    Denied,
    /// Another call has written in between.
    #[error("the secret has changed in between")]
    Conflict,
}

impl From<DurableError> for SecretsError {
    fn from(error: DurableError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// Where written secrets are kept. Clones share it.
#[derive(Clone)]
pub struct Store(Kind);

#[derive(Clone)]
enum Kind {
    Memory(Arc<MemoryStore>),
    File(Arc<FileStore>),
    Given(Arc<dyn GivenStore>),
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

    /// `secrets.json` in `folder`, which is made if need be; readable by this account alone.
    ///
    /// # Errors
    /// The folder cannot be made, or others may write to it.
    pub fn file(folder: &Path) -> Result<Self, DurableError> {
        Ok(Self(Kind::File(Arc::new(FileStore::open(folder)?))))
    }

    /// What `store` keeps.
    pub fn given(store: Arc<dyn GivenStore>) -> Self {
        Self(Kind::Given(store))
    }

    async fn get(&self, name: &str) -> Result<Option<Versioned>, SecretsError> {
        let name = name.to_owned();
        match self.0.clone() {
            Kind::Memory(store) => Ok(store.get(&name)),
            Kind::File(store) => blocking(move || store.get(&name)).await,
            Kind::Given(store) => store.get(&name).await,
        }
    }

    async fn write(&self, name: &str, expected: Expected, value: Option<Secret>) -> Result<Revision, SecretsError> {
        let name = name.to_owned();
        match self.0.clone() {
            Kind::Memory(store) => store.write(&name, &expected, value),
            Kind::File(store) => blocking(move || store.write(&name, &expected, value)).await,
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

/// What a compare-and-set expects to find; none: no such secret.
type Expected = Option<Revision>;

/// Compares what is kept under `name` with `expected` and changes it: a value, or none to delete.
fn compare_and_set(
    kept: &mut BTreeMap<String, Versioned>,
    name: &str,
    expected: &Expected,
    value: Option<Secret>,
) -> Result<Revision, SecretsError> {
    if kept.get(name).map(|kept| &kept.revision) != expected.as_ref() {
        return Err(SecretsError::Conflict);
    }
    let revision = Revision::fresh()?;
    match value {
        Some(value) => kept.insert(name.to_owned(), Versioned { value, revision: revision.clone() }),
        None => kept.remove(name),
    };
    Ok(revision)
}

/// One tenant's secrets, as its plugin may use them. Clones share the store.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// Names that the plugin may read, and whether it may write them.
    uses: Arc<BTreeMap<String, bool>>,
    configured: Arc<BTreeMap<String, Secret>>,
    store: Store,
}

impl Secrets {
    /// `uses`: names and whether the plugin writes them; `configured`: values that a person has set.
    pub fn new(
        uses: impl IntoIterator<Item = (String, bool)>,
        configured: BTreeMap<String, Secret>,
        store: Store,
    ) -> Self {
        Self { uses: Arc::new(uses.into_iter().collect()), configured: Arc::new(configured), store }
    }

    /// The value, or none.
    ///
    /// # Errors
    /// The name is not the plugin's, or the store cannot be read.
    pub async fn get(&self, name: &str) -> Result<Option<Versioned>, SecretsError> {
        self.uses.get(name).ok_or(SecretsError::Denied)?;
        // What a person has set counts as long as it is set.
        if let Some(value) = self.configured.get(name) {
            return Ok(Some(Versioned { value: value.clone(), revision: Revision::of_configured(name, value) }));
        }
        self.store.get(name).await
    }

    /// Writes if the present revision is `expected`; on the disk when it returns.
    ///
    /// # Errors
    /// The name is not one that the plugin writes; another write came first; the store cannot be written.
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
        if self.uses.get(name) != Some(&true) || self.configured.contains_key(name) {
            return Err(SecretsError::Denied);
        }
        self.store.write(name, expected, value).await
    }
}

/// Off the threads that drive connections: a write waits for the disk and for other processes.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SecretsError> + Send + 'static,
) -> Result<T, SecretsError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(error) => Err(SecretsError::Unavailable(error.to_string())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn secrets(store: Store) -> Secrets {
        let uses = [("tokens".to_owned(), true), ("password".to_owned(), false)];
        Secrets::new(uses, BTreeMap::from([("password".to_owned(), "fake-password".into())]), store)
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
        check_compare_and_set(Store::file(&folder.path().join("state")).unwrap()).await;
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
            let secrets = secrets(Store::file(folder.path()).unwrap());
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

    #[test]
    fn a_secret_cannot_be_printed() {
        let versioned = Versioned { value: "fake-token".into(), revision: Revision::fresh().unwrap() };
        assert!(!format!("{versioned:?}").contains("fake-token"));
        assert!(!format!("{:?}", secrets(Store::memory())).contains("fake-password"));
    }

    #[test]
    fn a_configured_value_keeps_its_revision_until_it_changes() {
        let of = |value: &str| Revision::of_configured("password", &value.into());
        assert_eq!(of("one"), of("one"));
        assert_ne!(of("one"), of("two"));
    }
}
