//! Keys that seal the store, and the places where they are kept.
//!
//! A place holds one key, a line of base64. While the key is changed it holds two, so that no crash can come between what is
//! sealed and what opens it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::secret::random;
use super::{StoreError, keyring};
use crate::durable::{self, DurableError};

/// Bytes of a key.
pub(super) const KEY_BYTES: usize = 32;
/// Keys that a place may hold: the one in use and, while it is changed, the other one.
const MAX_KEYS: usize = 2;

/// 256 random bits that seal and open the store; wiped when dropped.
pub(super) struct Key(Zeroizing<[u8; KEY_BYTES]>);

/// Tells keys apart without telling a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; 8]);

impl Key {
    pub(super) fn fresh() -> Result<Arc<Self>, StoreError> {
        let mut key = Self(Zeroizing::new([0; KEY_BYTES]));
        random(key.0.as_mut_slice())?;
        Ok(Arc::new(key))
    }

    fn parse(line: &str) -> Option<Arc<Self>> {
        let mut key = Self(Zeroizing::new([0; KEY_BYTES]));
        let length = STANDARD.decode_slice(line, key.0.as_mut_slice()).ok()?;
        (length == KEY_BYTES).then(|| Arc::new(key))
    }

    pub(super) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// A key has 256 random bits, so what is told of its hash helps no guess.
    pub(super) fn id(&self) -> KeyId {
        let mut hash = Sha256::new();
        hash.update("webex-collector, name of a key of secrets");
        hash.update(self.0.as_slice());
        let mut id = [0; 8];
        id.iter_mut().zip(hash.finalize()).for_each(|(id, byte)| *id = byte);
        KeyId(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// The keys of a text: none if it is not one or two lines of a key each.
fn parse(text: &str) -> Option<Vec<Arc<Key>>> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let keys: Option<Vec<Arc<Key>>> = lines.into_iter().map(Key::parse).collect();
    keys.filter(|keys| (1..=MAX_KEYS).contains(&keys.len()))
}

/// The text of keys.
fn text(keys: &[Arc<Key>]) -> Zeroizing<String> {
    // Room for all, so that no shorter copy is left behind.
    let mut text = Zeroizing::new(String::with_capacity(keys.len() * (KEY_BYTES * 2)));
    for key in keys {
        STANDARD.encode_string(key.0.as_slice(), &mut text);
        text.push('\n');
    }
    text
}

/// Where the key of a store is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A file that is closed to other accounts.
    File(PathBuf),
    /// An environment variable.
    Env(String),
    /// The keyring of the desktop, under the path of the store.
    Keyring,
}

impl KeySource {
    /// The file beside a state folder, so that a copy of the folder is worth nothing by itself.
    pub fn beside(folder: &Path) -> Self {
        // A folder such as `.` has its name only when it is written out.
        let named = folder.file_name().is_some().then(|| folder.to_owned());
        let whole = named.or_else(|| std::path::absolute(folder).ok());
        let name = whole.as_deref().and_then(Path::file_name).map(|name| {
            let mut name = name.to_owned();
            name.push(".key");
            name
        });
        Self::File(match (whole, name) {
            (Some(whole), Some(name)) => whole.with_file_name(name),
            _ => folder.join("secrets.key"),
        })
    }

    /// The keys that are there now; none if there is nothing. `store` is the file that they seal.
    pub(super) fn load(&self, store: &Path) -> Result<Vec<Arc<Key>>, StoreError> {
        let text = match self {
            Self::File(path) => match durable::read(path)? {
                Some(bytes) => {
                    let bytes = Zeroizing::new(bytes);
                    closed(path)?;
                    let text = std::str::from_utf8(&bytes).map_err(|_| StoreError::NotAKey(self.clone()))?;
                    Some(Zeroizing::new(text.to_owned()))
                }
                None => None,
            },
            Self::Env(name) => match std::env::var(name) {
                Ok(text) => Some(Zeroizing::new(text)),
                Err(std::env::VarError::NotPresent) => None,
                Err(std::env::VarError::NotUnicode(_)) => return Err(StoreError::NotAKey(self.clone())),
            },
            Self::Keyring => keyring::load(store)?,
        };
        match text {
            Some(text) => parse(&text).ok_or_else(|| StoreError::NotAKey(self.clone())),
            None => Ok(Vec::new()),
        }
    }

    /// Puts a first key there, and gives what is there then: another process may have been quicker.
    pub(super) fn create(&self, store: &Path) -> Result<Vec<Arc<Key>>, StoreError> {
        let key = Key::fresh()?;
        match self {
            Self::File(path) => {
                if !durable::create(path, text(std::slice::from_ref(&key)).as_bytes())? {
                    return self.load(store);
                }
            }
            Self::Env(name) => return Err(StoreError::Unset(name.clone())),
            Self::Keyring => keyring::save(store, &text(std::slice::from_ref(&key)))?,
        }
        Ok(vec![key])
    }

    /// Puts `keys` in place of what is there; kept when it returns.
    pub(super) fn save(&self, store: &Path, keys: &[Arc<Key>]) -> Result<(), StoreError> {
        match self {
            Self::File(path) => Ok(durable::replace(path, text(keys).as_bytes())?),
            Self::Env(name) => Err(StoreError::RekeyByHand(name.clone())),
            Self::Keyring => keyring::save(store, &text(keys)),
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::Keyring => f.write_str("the desktop keyring"),
        }
    }
}

/// A text that is no place of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a place of a key is written as file:PATH, env:NAME or keyring")]
pub struct NotAPlace;

impl FromStr for KeySource {
    type Err = NotAPlace;

    fn from_str(text: &str) -> Result<Self, NotAPlace> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            None if text == "keyring" => Ok(Self::Keyring),
            Some(_) | None => Err(NotAPlace),
        }
    }
}

/// Refuses a key that other accounts may read.
fn closed(path: &Path) -> Result<(), StoreError> {
    match durable::is_closed(path) {
        Ok(true) => Ok(()),
        Ok(false) => Err(StoreError::Exposed(path.to_owned())),
        Err(error) => Err(DurableError::io("read", path)(error).into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_of_base64_on_a_line_and_two_while_it_is_changed() {
        let [one, two] = [Key::fresh().unwrap(), Key::fresh().unwrap()];
        for keys in [vec![Arc::clone(&one)], vec![Arc::clone(&one), two]] {
            let written = text(&keys);
            let read = parse(&format!("\n {}\r\n", written.as_str())).unwrap();
            let ids = |keys: &[Arc<Key>]| keys.iter().map(|key| key.id()).collect::<Vec<_>>();
            assert_eq!(ids(&read), ids(&keys));
        }
        let line = text(&[one]);
        let line = line.trim();
        let short = STANDARD.encode([7; 31]);
        let long = STANDARD.encode([7; 33]);
        for no_key in
            ["", "\n", "a passphrase", &short, &long, line.trim_end_matches('='), &format!("{line}\n{line}\n{line}")]
        {
            assert!(parse(no_key).is_none(), "{no_key}");
        }
    }

    #[test]
    fn the_name_of_a_key_tells_keys_apart() {
        let [one, two] = [Key::fresh().unwrap(), Key::fresh().unwrap()];
        assert_ne!(one.id(), two.id());
        assert_eq!(parse(&text(std::slice::from_ref(&one))).unwrap().first().unwrap().id(), one.id());
        assert_eq!(one.id().to_string().len(), 16);
    }

    #[test]
    fn a_key_lies_beside_the_state_folder_and_not_inside() {
        let of = |folder: &str| KeySource::beside(Path::new(folder));
        let file = |path: &str| KeySource::File(path.into());
        assert_eq!(of("/srv/webex-state"), file("/srv/webex-state.key"));
        assert_eq!(of("webex-state/"), file("webex-state.key"));
        assert_eq!(of("/srv/my.state"), file("/srv/my.state.key"));
        let own = std::env::current_dir().unwrap();
        let beside = own.with_file_name(format!("{}.key", own.file_name().unwrap().to_str().unwrap()));
        assert_eq!(of("."), KeySource::File(beside));
    }

    #[test]
    fn a_place_is_written_with_its_kind() {
        assert_eq!("file:/a:b".parse(), Ok(KeySource::File("/a:b".into())));
        assert_eq!("env:KEY".parse(), Ok(KeySource::Env("KEY".into())));
        assert_eq!("keyring".parse(), Ok(KeySource::Keyring));
        for text in ["", "KEY", "file:", "env:", "keyring:", "keyutils", "/path"] {
            assert_eq!(text.parse::<KeySource>(), Err(NotAPlace), "{text}");
        }
    }

    #[test]
    fn of_two_that_make_a_first_key_both_get_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let place = KeySource::File(folder.path().join("key"));
        let made = place.create(Path::new("store")).unwrap();
        let found = place.create(Path::new("store")).unwrap();
        assert_eq!(made.first().unwrap().id(), found.first().unwrap().id());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_file_is_closed_and_one_that_others_can_read_is_refused_with_the_command_that_closes_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let place = KeySource::File(path.clone());
        place.create(Path::new("store")).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        for open in [0o640, 0o604, 0o620, 0o602, 0o644, 0o777] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(open)).unwrap();
            let error = place.load(Path::new("store")).err().unwrap();
            assert!(matches!(error, StoreError::Exposed(_)), "{open:o}");
            assert!(error.to_string().contains(&format!("chmod 600 {}", path.display())), "{error}");
        }
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o400)).unwrap();
        assert_eq!(place.load(Path::new("store")).unwrap().len(), 1);
    }
}
