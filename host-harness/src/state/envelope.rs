//! The text of a stored last-run: its form, its checksum, its head, and which parts it has.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::runtime::{LastRun, LastRunPart};

/// The form that this program writes. It reads all forms up to this one.
pub(super) const FORMAT: u64 = 1;

/// What is wrong with a stored text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is none where there must be one.
    #[error("it is missing")]
    Missing,
    /// It is not text of this form, as after a torn write.
    #[error("it is cut off or not of this form")]
    Form,
    /// It is of this form and was changed.
    #[error("its checksum does not match")]
    Checksum,
    /// It is of a newer form.
    #[error("its form {0} is newer")]
    Newer(u64),
}

/// A head and the names and checksums of its parts, with a checksum over both.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope {
    format: u64,
    checksum: String,
    parts: BTreeMap<String, String>,
    head: String,
}

/// The one field that every form has.
#[derive(Deserialize)]
struct Form {
    format: u64,
}

impl Envelope {
    /// `known`: names and checksums of parts that came without their texts; the error is the name of one that is not.
    pub(super) fn of(last_run: &LastRun, known: &BTreeMap<String, String>) -> Result<Self, String> {
        let mut parts = BTreeMap::new();
        for LastRunPart { name, body } in &last_run.parts {
            let sum = body.as_ref().map(|body| checksum(body.as_bytes()));
            parts.insert(name.clone(), sum.or_else(|| known.get(name).cloned()).ok_or_else(|| name.clone())?);
        }
        let checksum = whole(&last_run.head, &parts);
        Ok(Self { format: FORMAT, checksum, parts, head: last_run.head.clone() })
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        let Form { format } = serde_json::from_slice(text).map_err(|_| Fault::Form)?;
        if format > FORMAT {
            return Err(Fault::Newer(format));
        }
        let envelope: Self = serde_json::from_slice(text).map_err(|_| Fault::Form)?;
        if whole(&envelope.head, &envelope.parts) == envelope.checksum { Ok(envelope) } else { Err(Fault::Checksum) }
    }

    pub(super) fn text(&self) -> Vec<u8> {
        // A map of texts always has a JSON form.
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        text
    }

    pub(super) fn head(&self) -> &str {
        &self.head
    }

    /// Over all of it.
    pub(super) fn checksum(&self) -> &str {
        &self.checksum
    }

    /// Names and checksums.
    pub(super) fn parts(&self) -> &BTreeMap<String, String> {
        &self.parts
    }
}

/// SHA-256 in hexadecimal, as `sha256sum` prints it.
pub(crate) fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Over the head and the list of parts.
fn whole(head: &str, parts: &BTreeMap<String, String>) -> String {
    fingerprint(parts.iter().flat_map(|(name, checksum)| [name.as_str(), checksum.as_str()]).chain([head]))
}

/// SHA-256 over texts, each with its length, so that no two lists of them give the same bytes.
pub(super) fn fingerprint<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let mut hash = Sha256::new();
    for text in texts {
        let text = text.as_ref();
        hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
