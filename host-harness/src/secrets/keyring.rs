//! The keyring of the desktop: Secret Service on Linux and the BSDs, Keychain on macOS, Credential Manager on Windows. Never the
//! kernel's keyutils, which forget at a reboot.
//!
//! Behind the feature `keyring`: the Secret Service is spoken to over D-Bus, which brings some sixty packages that a server has
//! no use for.

use std::path::Path;

use zeroize::Zeroizing;

use super::StoreError;

#[cfg(not(feature = "keyring"))]
pub(super) fn load(_store: &Path) -> Result<Option<Zeroizing<String>>, StoreError> {
    Err(StoreError::NoKeyring)
}

#[cfg(not(feature = "keyring"))]
pub(super) fn save(_store: &Path, _text: &str) -> Result<(), StoreError> {
    Err(StoreError::NoKeyring)
}

#[cfg(feature = "keyring")]
pub(super) use with::{load, save};

#[cfg(feature = "keyring")]
mod with {
    use std::sync::Arc;

    use keyring_core::{CredentialStore, Entry, Error};

    use super::{Path, StoreError, Zeroizing};

    /// Under which program the keyring lists a key.
    const SERVICE: &str = "webex-collector";

    pub(in super::super) fn load(store: &Path) -> Result<Option<Zeroizing<String>>, StoreError> {
        read(&entry(&open()?, store)?)
    }

    pub(in super::super) fn save(store: &Path, text: &str) -> Result<(), StoreError> {
        write(&entry(&open()?, store)?, text)
    }

    /// The keyring of this desktop.
    fn open() -> Result<Arc<CredentialStore>, StoreError> {
        #[cfg(target_os = "macos")]
        let store = apple_native_keyring_store::keychain::Store::new().map_err(refused)?;
        #[cfg(windows)]
        let store = windows_native_keyring_store::Store::new().map_err(refused)?;
        #[cfg(all(unix, not(target_os = "macos")))]
        let store = zbus_secret_service_keyring_store::Store::new().map_err(refused)?;
        Ok(store)
    }

    /// The one of a store, which is named by where it is.
    fn entry(keyring: &Arc<CredentialStore>, store: &Path) -> Result<Entry, StoreError> {
        let whole = std::path::absolute(store).unwrap_or_else(|_| store.to_owned());
        keyring.build(SERVICE, &whole.to_string_lossy(), None).map_err(refused)
    }

    fn read(entry: &Entry) -> Result<Option<Zeroizing<String>>, StoreError> {
        match entry.get_password() {
            Ok(text) => Ok(Some(Zeroizing::new(text))),
            Err(Error::NoEntry) => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }

    fn write(entry: &Entry, text: &str) -> Result<(), StoreError> {
        entry.set_password(text).map_err(refused)
    }

    /// Only kinds of errors are told whose text cannot hold what was stored.
    fn refused(error: Error) -> StoreError {
        StoreError::Keyring(match error {
            Error::BadEncoding(_) | Error::BadDataFormat(..) => "what it holds is not text".to_owned(),
            error => error.to_string(),
        })
    }

    #[cfg(test)]
    #[allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
    mod tests {
        use keyring_core::mock;

        use super::*;

        fn keyring() -> Arc<CredentialStore> {
            mock::Store::new().unwrap()
        }

        #[test]
        fn what_is_kept_is_read_again_and_nothing_is_none() {
            let keyring = keyring();
            let kept = entry(&keyring, Path::new("/srv/state/secrets.json")).unwrap();
            assert!(read(&kept).unwrap().is_none());
            write(&kept, "one\n").unwrap();
            write(&kept, "one\ntwo\n").unwrap();
            assert_eq!(read(&kept).unwrap().unwrap().as_str(), "one\ntwo\n");
        }

        #[test]
        fn each_store_has_a_key_of_its_own_named_by_its_whole_path() {
            let keyring = keyring();
            write(&entry(&keyring, Path::new("a/secrets.json")).unwrap(), "of a").unwrap();
            let whole = std::env::current_dir().unwrap().join("a/secrets.json");
            assert_eq!(read(&entry(&keyring, &whole).unwrap()).unwrap().unwrap().as_str(), "of a");
            assert!(read(&entry(&keyring, Path::new("b/secrets.json")).unwrap()).unwrap().is_none());
        }

        /// `cargo test -p webex-collector --lib --features keyring keyring -- --ignored`, where a keyring is there and unlocked.
        #[test]
        #[ignore = "asks the keyring of this desktop"]
        fn the_keyring_of_this_desktop_keeps_a_key() {
            let folder = tempfile::tempdir().unwrap();
            let store = folder.path().join("secrets.json");
            assert!(load(&store).unwrap().is_none());
            save(&store, "one\n").unwrap();
            save(&store, "one\ntwo\n").unwrap();
            assert_eq!(load(&store).unwrap().unwrap().as_str(), "one\ntwo\n");
            entry(&open().unwrap(), &store).unwrap().delete_credential().unwrap();
            assert!(load(&store).unwrap().is_none());
        }

        #[test]
        fn a_keyring_that_refuses_is_told_with_a_way_on_and_without_what_it_holds() {
            let keyring = keyring();
            let kept = entry(&keyring, Path::new("/srv/state/secrets.json")).unwrap();
            write(&kept, "fake-key").unwrap();
            let credential = kept.as_any().downcast_ref::<mock::Cred>().unwrap();
            for error in [
                Error::NoStorageAccess("it is locked".into()),
                Error::BadEncoding(b"fake-key".to_vec()),
                Error::NoDefaultStore,
            ] {
                credential.set_error(error);
                let told = read(&kept).err().unwrap();
                let text = format!("{told} {told:?}");
                assert!(text.contains("keyring") && text.contains("`secrets.key`"), "{text}");
                assert!(!text.contains("fake-key"), "{text}");
            }
        }
    }
}
