//! The mark of a batch that is on its way to the sinks.
//!
//! It is on the disk before a sink is given the batch, and goes when the batch is recorded. So a start that finds one knows
//! that the run before ended in between, and where in each file that batch begins. It is bound to the last-run that was
//! stored then: once another one is stored, a mark that was left says nothing.
//!
//! Nothing depends on it for being right: without it the batch comes again, as everywhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::envelope::{Envelope, Fault, fingerprint};

/// The form that this program writes. It reads all forms up to this one.
pub(super) const FORMAT: u64 = 1;

/// Where in each file a batch begins, in bytes; by the file's path.
pub type Begun = BTreeMap<String, u64>;

/// The stored form.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    format: u64,
    checksum: String,
    /// Checksums of the heads with which the mark holds; empty text: nothing is stored yet.
    heads: Vec<String>,
    files: Begun,
}

/// The one field that every form has.
#[derive(Deserialize)]
struct Form {
    format: u64,
}

impl Mark {
    pub(super) fn new(heads: Vec<String>, files: Begun) -> Self {
        let mut mark = Self { format: FORMAT, checksum: String::new(), heads, files };
        mark.checksum = mark.sum();
        mark
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, Fault> {
        let Form { format } = serde_json::from_slice(text).map_err(|_| Fault::Form)?;
        if format > FORMAT {
            return Err(Fault::Newer(format));
        }
        let mark: Self = serde_json::from_slice(text).map_err(|_| Fault::Form)?;
        if mark.sum() == mark.checksum { Ok(mark) } else { Err(Fault::Checksum) }
    }

    pub(super) fn text(&self) -> Vec<u8> {
        // Texts and numbers always have a JSON form.
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        text
    }

    /// Where the batch begins, if the mark holds with this head.
    pub(super) fn with(self, head: &str) -> Option<Begun> {
        self.heads.iter().any(|with| with == head).then_some(self.files)
    }

    fn sum(&self) -> String {
        let heads = std::iter::once(self.heads.len().to_string()).chain(self.heads.iter().cloned());
        let files = self.files.iter().flat_map(|(path, from)| [path.clone(), from.to_string()]);
        fingerprint(heads.chain(files))
    }
}

/// By which a mark knows a head; empty: there is none.
pub(super) fn name(head: Option<&Envelope>) -> String {
    head.map(|envelope| envelope.checksum().to_owned()).unwrap_or_default()
}
