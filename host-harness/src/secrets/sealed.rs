//! Form 2 of the file: its content sealed with a key.
//!
//! XChaCha20-Poly1305: its nonce of 192 bits may be drawn at random at each write, for ever. What is sealed is bound to its
//! purpose, so that no other text sealed with the key is taken for it. There is no data key between the key and the content: that
//! would outlive a change of the key, and the content is a few kilobytes.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{Key as CipherKey, KeyInit, XChaCha20Poly1305, XNonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::key::{Key, KeyId};
use super::secret::random;
use super::{Fault, StoreError};

/// The form that this program writes. It reads all forms up to this one.
pub(super) const FORMAT: u64 = 2;
const CIPHER: &str = "xchacha20-poly1305";
/// Bytes of a nonce.
const NONCE_BYTES: usize = 24;
/// Bytes by which the cipher makes a text longer.
const TAG_BYTES: usize = 16;
/// What the content is sealed for: program, file, form, and then whose it is.
const PURPOSE: &[u8] = b"webex-collector\0secrets.json\0form 2\0tenant ";

/// Whose secrets a file holds: what is sealed for one is not opened for another, though many share a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Purpose(Vec<u8>);

impl Purpose {
    /// Of the one tenant there is.
    pub(super) fn of_the_only_one() -> Self {
        Self([PURPOSE, b"default"].concat())
    }

    /// Of one of many. No name of a tenant has a slash, so that it never is the other purpose.
    pub(super) fn of(tenant: &str) -> Self {
        Self([PURPOSE, b"tenants/", tenant.as_bytes()].concat())
    }
}

/// What stands in the file. None of it is secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sealed {
    format: u64,
    cipher: String,
    /// The name of the key, to tell a wrong key from a damaged file.
    key: String,
    nonce: String,
    sealed: String,
}

impl Sealed {
    /// Seals `content`, which becomes what is sealed: no copy of it stays.
    pub(super) fn seal(content: Zeroizing<Vec<u8>>, key: &Key, purpose: &Purpose) -> Result<Self, StoreError> {
        let mut nonce = [0; NONCE_BYTES];
        random(&mut nonce)?;
        Self::with_nonce(content, key, purpose, nonce)
    }

    pub(super) fn with_nonce(
        mut content: Zeroizing<Vec<u8>>,
        key: &Key,
        purpose: &Purpose,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<Self, StoreError> {
        cipher(key)
            .encrypt_in_place(&XNonce::from(nonce), &purpose.0, &mut *content)
            .map_err(|_| StoreError::GivenUp("the secrets are too long to be sealed".into()))?;
        Ok(Self {
            format: FORMAT,
            cipher: CIPHER.to_owned(),
            key: key.id().to_string(),
            nonce: STANDARD.encode(nonce),
            sealed: STANDARD.encode(&*content),
        })
    }

    /// The text of the file.
    pub(super) fn text(&self) -> Result<Vec<u8>, StoreError> {
        let mut text = serde_json::to_vec_pretty(self).map_err(|error| StoreError::GivenUp(error.to_string()))?;
        text.push(b'\n');
        Ok(text)
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        let sealed: Self = serde_json::from_slice(text).map_err(|_| Fault::Form)?;
        if sealed.cipher == CIPHER { Ok(sealed) } else { Err(Fault::Cipher) }
    }

    /// Whether this key has sealed it, by its name.
    pub(super) fn is_by(&self, key: KeyId) -> bool {
        self.key == key.to_string()
    }

    /// The name of the key that has sealed it, as it may be shown.
    pub(super) fn key(&self) -> String {
        self.key.chars().filter(char::is_ascii_hexdigit).take(16).collect()
    }

    /// The content.
    pub(super) fn open(&self, key: &Key, purpose: &Purpose) -> Result<Zeroizing<Vec<u8>>, Fault> {
        let mut nonce = [0; NONCE_BYTES];
        match STANDARD.decode_slice(&self.nonce, &mut nonce) {
            Ok(NONCE_BYTES) => {}
            Ok(_) | Err(_) => return Err(Fault::Form),
        }
        let mut content = Zeroizing::new(STANDARD.decode(&self.sealed).map_err(|_| Fault::Form)?);
        let opened = cipher(key).decrypt_in_place(&XNonce::from(nonce), &purpose.0, &mut *content);
        opened.map_err(|_| Fault::Changed(key.id()))?;
        Ok(content)
    }
}

/// What an attestation is made for; what is attested follows.
const ATTESTED: &[u8] = b"webex-collector\0attestation\0form 1\0";

/// The word of the holder of a key that some bytes are its own. Not secret, and worth nothing for other bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attestation {
    key: String,
    nonce: [u8; NONCE_BYTES],
    tag: [u8; TAG_BYTES],
}

impl Attestation {
    pub(super) fn of(subject: &[u8], key: &Key) -> Result<Self, StoreError> {
        let mut nonce = [0; NONCE_BYTES];
        random(&mut nonce)?;
        let mut sealed = Vec::with_capacity(TAG_BYTES);
        cipher(key)
            .encrypt_in_place(&XNonce::from(nonce), &[ATTESTED, subject].concat(), &mut sealed)
            .map_err(|_| StoreError::GivenUp("the cipher refuses".into()))?;
        let tag = sealed.try_into().map_err(|_| StoreError::GivenUp("the cipher gives no tag".into()))?;
        Ok(Self { key: key.id().to_string(), nonce, tag })
    }

    pub(super) fn holds(&self, subject: &[u8], key: &Key) -> bool {
        let mut sealed = self.tag.to_vec();
        let subject = [ATTESTED, subject].concat();
        self.key == key.id().to_string()
            && cipher(key).decrypt_in_place(&XNonce::from(self.nonce), &subject, &mut sealed).is_ok()
    }
}

impl fmt::Display for Attestation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.key, STANDARD.encode(self.nonce), STANDARD.encode(self.tag))
    }
}

/// A text that is no attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no attestation")]
pub struct NotAnAttestation;

impl FromStr for Attestation {
    type Err = NotAnAttestation;

    fn from_str(text: &str) -> Result<Self, NotAnAttestation> {
        let mut words = text.split(' ');
        let mut word = || words.next().ok_or(NotAnAttestation);
        let (key, nonce, tag) = (word()?, word()?, word()?);
        let decode = |word: &str| STANDARD.decode(word).map_err(|_| NotAnAttestation);
        let nonce = decode(nonce)?.try_into().map_err(|_| NotAnAttestation)?;
        let tag = decode(tag)?.try_into().map_err(|_| NotAnAttestation)?;
        Ok(Self { key: key.to_owned(), nonce, tag })
    }
}

/// Room for `content` bytes and what sealing adds, so that nothing is moved and left behind.
pub(super) const fn room(content: usize) -> usize {
    content + TAG_BYTES
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    // The cipher wipes its copy.
    XChaCha20Poly1305::new(<&CipherKey>::from(key.bytes()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn purpose() -> Purpose {
        Purpose::of_the_only_one()
    }

    fn content(text: &str) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(text.as_bytes().to_vec())
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_key_and_not_readable_in_between() {
        let key = Key::fresh().unwrap();
        let sealed = Sealed::seal(content("fake-token"), &key, &purpose()).unwrap();
        let text = sealed.text().unwrap();
        assert!(!String::from_utf8(text.clone()).unwrap().contains("fake-token"));
        assert!(!STANDARD.decode(&sealed.sealed).unwrap().windows(4).any(|bytes| b"fake-token".starts_with(bytes)));
        let read = Sealed::parse(&text).unwrap();
        assert!(read.is_by(key.id()));
        assert_eq!(read.open(&key, &purpose()).unwrap().as_slice(), b"fake-token");
    }

    #[test]
    fn the_same_content_is_never_sealed_to_the_same_text() {
        let key = Key::fresh().unwrap();
        let [one, two] = [(); 2].map(|()| Sealed::seal(content("fake-token"), &key, &purpose()).unwrap());
        assert_ne!(one.nonce, two.nonce);
        assert_ne!(one.sealed, two.sealed);
    }

    #[test]
    fn another_key_opens_nothing_whatever_the_file_says_of_its_key() {
        let [key, other] = [Key::fresh().unwrap(), Key::fresh().unwrap()];
        let mut sealed = Sealed::seal(content("fake-token"), &key, &purpose()).unwrap();
        assert!(!sealed.is_by(other.id()));
        sealed.key = other.id().to_string();
        assert!(matches!(sealed.open(&other, &purpose()), Err(Fault::Changed(_))));
    }

    #[test]
    fn a_bit_changed_anywhere_in_nonce_or_content_is_noticed() {
        let key = Key::fresh().unwrap();
        let whole = Sealed::seal(content("fake-token"), &key, &purpose()).unwrap();
        for field in [0, 1] {
            let text = [&whole.nonce, &whole.sealed][field];
            for place in 0..STANDARD.decode(text).unwrap().len() * 8 {
                let mut bytes = STANDARD.decode(text).unwrap();
                bytes[place / 8] ^= 1 << (place % 8);
                let mut changed = Sealed::parse(&whole.text().unwrap()).unwrap();
                *[&mut changed.nonce, &mut changed.sealed][field] = STANDARD.encode(bytes);
                assert!(
                    matches!(changed.open(&key, &purpose()), Err(Fault::Changed(_))),
                    "bit {place} of field {field}"
                );
            }
        }
    }

    #[test]
    fn what_was_sealed_for_one_tenant_is_not_opened_for_another() {
        let key = Key::fresh().unwrap();
        let purposes = [purpose(), Purpose::of("default"), Purpose::of("one"), Purpose::of("one-more")];
        for (index, of) in purposes.iter().enumerate() {
            let sealed = Sealed::seal(content("fake-token"), &key, of).unwrap();
            for (other, purpose) in purposes.iter().enumerate() {
                assert_eq!(sealed.open(&key, purpose).is_ok(), index == other, "{of:?} {purpose:?}");
            }
        }
    }

    #[test]
    fn what_was_sealed_for_another_purpose_is_refused() {
        let key = Key::fresh().unwrap();
        let nonce = [7; NONCE_BYTES];
        let mut sealed = Sealed::with_nonce(content("fake-token"), &key, &purpose(), nonce).unwrap();
        let mut other = b"fake-token".to_vec();
        cipher(&key).encrypt_in_place(&XNonce::from(nonce), b"another purpose", &mut other).unwrap();
        sealed.sealed = STANDARD.encode(other);
        assert!(matches!(sealed.open(&key, &purpose()), Err(Fault::Changed(_))));
    }

    /// The first vector of XChaCha20-Poly1305 in draft-irtf-cfrg-xchacha, A.3: the cipher is the one that the file names.
    #[test]
    fn the_cipher_is_the_one_that_others_know_by_this_name() {
        let key: [u8; 32] = std::array::from_fn(|index| 0x80 + u8::try_from(index).unwrap());
        let nonce: [u8; 24] = std::array::from_fn(|index| 0x40 + u8::try_from(index).unwrap());
        let mut text = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, \
                         sunscreen would be it."
            .to_vec();
        let data = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        XChaCha20Poly1305::new(<&CipherKey>::from(&key))
            .encrypt_in_place(&XNonce::from(nonce), &data, &mut text)
            .unwrap();
        let tag = &text[text.len() - TAG_BYTES..];
        assert_eq!(text[..4], [0xbd, 0x6d, 0x17, 0x9d]);
        assert_eq!(
            tag,
            [0xc0, 0x87, 0x59, 0x24, 0xc1, 0xc7, 0x98, 0x79, 0x47, 0xde, 0xaf, 0xd8, 0x78, 0x0a, 0xcf, 0x49]
        );
    }
}
