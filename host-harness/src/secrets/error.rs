//! Why secrets cannot be read or written. No variant can hold a value or a key.

use std::path::PathBuf;

use super::key::{KeyId, KeySource};
use crate::durable::DurableError;

/// Why a secret cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// The store cannot be used now.
    #[error("the store of secrets cannot be used: {0}")]
    Unavailable(#[from] StoreError),
    /// A name that the plugin may not use, or not write.
    #[error("the plugin may not use this secret in this way")]
    Denied,
    /// Another call has written in between.
    #[error("the secret has changed in between")]
    Conflict,
}

/// Why the store, or its key, cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system, or another process.
    #[error(transparent)]
    File(#[from] DurableError),
    /// Secrets are sealed and their key is not where it should be.
    #[error(
        "{file} is sealed, and there is no key in {source}; put the key back or name its place as `secrets.key`; if it is lost, \
         move {file} away and sign in again",
        file = file.display(), source = place
    )]
    NoKey {
        /// The sealed file.
        file: PathBuf,
        /// Where its key should be.
        place: KeySource,
    },
    /// Nothing is sealed yet, and the variable that should hold the key is not set.
    #[error("the environment variable {0} is not set; set it to {KEY_IN_WORDS}")]
    Unset(String),
    /// Other accounts may read the key.
    #[error(
        "the key file {path} can be read by other accounts; run `chmod 600 {path}`, and `webex-collector secrets rekey` if one \
         of them may have read it",
        path = .0.display()
    )]
    Exposed(PathBuf),
    /// What stands there is no key.
    #[error("{0} does not hold a key; a key is {KEY_IN_WORDS}")]
    NotAKey(KeySource),
    /// It is a key, of something else.
    #[error(
        "{file} is sealed with the key {sealed_with}, which is not in {place}; name the place of that key as `secrets.key`, or \
         run `webex-collector secrets rekey --from PLACE` with it",
        file = file.display()
    )]
    WrongKey {
        /// The sealed file.
        file: PathBuf,
        /// Where the key was looked for.
        place: KeySource,
        /// The key that opens it.
        sealed_with: String,
    },
    /// The file is not what was written.
    #[error("{path} is damaged ({fault}); restore it, or move it away and sign in again", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: Fault,
    },
    /// A newer program wrote it.
    #[error(
        "{path} has the form {format}, this program knows {known}; use the newer program that wrote it",
        path = path.display(), known = super::sealed::FORMAT
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its form.
        format: u64,
    },
    /// The key is in a variable, which this program cannot change.
    #[error(
        "the key is in the environment variable {0}, which only you can change: put the old key into another variable and a new \
         one, {KEY_IN_WORDS}, into {0}; then run `webex-collector secrets rekey --from env:OTHER`"
    )]
    RekeyByHand(String),
    /// Other tenants' secrets are sealed with the key, too.
    #[error(
        "all tenants share the key in {0}: name another place as `secrets.key` (a new file is made at first use), then run \
         `webex-collector secrets rekey --tenant all --from PLACE` with the place of the old one"
    )]
    SharedKey(KeySource),
    /// The desktop keyring refuses.
    #[error("the desktop keyring cannot be used: {0}; unlock it, or name a file or a variable as `secrets.key`")]
    Keyring(String),
    /// A key in the keyring and a program without one.
    #[error(
        "this build of the program knows no desktop keyring; build it with `--features keyring`, or name a file or a variable as \
         `secrets.key`"
    )]
    NoKeyring,
    /// The system's source of random bytes.
    #[error("the system gives no random bytes: {0}")]
    Random(String),
    /// A store that somebody else brought, in its words.
    #[error("{0}")]
    Given(String),
    /// The program is ending.
    #[error("the work was given up: {0}")]
    GivenUp(String),
}

/// What a person has to supply as a key.
const KEY_IN_WORDS: &str = "32 random bytes in base64, as `openssl rand -base64 32` gives them";

/// What is wrong with a stored text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not text of any form, as after a torn write.
    #[error("it is cut off or not of this form")]
    Form,
    /// It is sealed in another way than its form says.
    #[error("its cipher is unknown")]
    Cipher,
    /// It was changed, or was sealed for another purpose.
    #[error("it was changed after it was sealed with the key {0}")]
    Changed(KeyId),
}

impl StoreError {
    /// Whether a person has to change settings or the key, rather than the disk.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::NoKey { .. }
            | Self::Unset(_)
            | Self::Exposed(_)
            | Self::NotAKey(_)
            | Self::WrongKey { .. }
            | Self::RekeyByHand(_)
            | Self::SharedKey(_)
            | Self::NoKeyring => true,
            Self::File(_)
            | Self::Damaged { .. }
            | Self::Newer { .. }
            | Self::Keyring(_)
            | Self::Random(_)
            | Self::Given(_)
            | Self::GivenUp(_) => false,
        }
    }
}
