//! What the file holds, sealed or, in form 1, in the open: names, values, revisions, times of writing.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Contents, Fault, Kept, Secret, sealed};

/// Form 1: the whole file. It says nothing of times.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Open {
    #[serde(rename = "format")]
    _format: u64,
    secrets: BTreeMap<String, OpenSecret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OpenSecret {
    value: String,
    revision: String,
}

/// Form 2: what is sealed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inner<'a> {
    #[serde(borrow)]
    secrets: BTreeMap<String, InnerSecret<'a>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InnerSecret<'a> {
    /// Base64: a text with escapes would be unescaped in memory that nobody wipes.
    #[serde(borrow)]
    value: &'a str,
    revision: String,
    /// Milliseconds since the epoch; none: it was taken over from form 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<i64>,
}

/// Bytes of one secret in the text beside its name, value and revision: quotes, names of fields, a time.
const AROUND: usize = 128;

/// Reads the whole text of form 1.
pub(super) fn read_form_1(text: &[u8]) -> Result<Contents, Fault> {
    let open: Open = serde_json::from_slice(text).map_err(|_| Fault::Form)?;
    let kept =
        |secret: OpenSecret| Kept { value: secret.value.into(), revision: secret.revision.into(), written: None };
    Ok(open.secrets.into_iter().map(|(name, secret)| (name, kept(secret))).collect())
}

/// Reads what form 2 seals.
pub(super) fn read(text: &[u8]) -> Result<Contents, Fault> {
    let inner: Inner<'_> = serde_json::from_slice(text).map_err(|_| Fault::Form)?;
    let kept = |secret: InnerSecret<'_>| {
        let bytes = Zeroizing::new(STANDARD.decode(secret.value).map_err(|_| Fault::Form)?);
        let value = std::str::from_utf8(&bytes).map_err(|_| Fault::Form)?;
        Ok(Kept { value: Secret::from(value), revision: secret.revision.into(), written: secret.written })
    };
    inner.secrets.into_iter().map(|(name, secret)| Ok((name, kept(secret)?))).collect()
}

/// The text that form 2 seals, with room for what sealing adds.
pub(super) fn text(contents: &Contents) -> Result<Zeroizing<Vec<u8>>, serde_json::Error> {
    let values: Vec<Zeroizing<String>> = contents.values().map(|kept| encoded(&kept.value)).collect();
    let secrets = contents.iter().zip(&values).map(|((name, kept), value)| {
        (name.clone(), InnerSecret { value, revision: kept.revision.text().to_owned(), written: kept.written })
    });
    let inner = Inner { secrets: secrets.collect() };
    let length = |(name, secret): (&String, &InnerSecret<'_>)| {
        // A character may take six bytes as an escape.
        AROUND + 6 * (name.len() + secret.revision.len()) + secret.value.len()
    };
    let room = AROUND + inner.secrets.iter().map(length).sum::<usize>();
    let mut text = Zeroizing::new(Vec::with_capacity(sealed::room(room)));
    serde_json::to_writer(&mut *text, &inner)?;
    Ok(text)
}

fn encoded(value: &Secret) -> Zeroizing<String> {
    let bytes = value.expose().as_bytes();
    let mut text = Zeroizing::new(String::with_capacity(bytes.len().div_ceil(3) * 4));
    STANDARD.encode_string(bytes, &mut text);
    text
}

impl From<Kept> for super::Versioned {
    fn from(kept: Kept) -> Self {
        Self { value: kept.value, revision: kept.revision }
    }
}

/// A kept value of a test.
#[cfg(test)]
pub(super) fn kept(value: &str, revision: &str, written: Option<i64>) -> Kept {
    Kept { value: value.into(), revision: revision.to_owned().into(), written }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn any_name_and_value_is_read_as_it_was_written_and_never_outgrows_its_room() {
        let contents = Contents::from([
            ("a".to_owned(), kept("", "r", None)),
            ("\"\u{1}\u{e9}\\".to_owned(), kept("{\"a\":\"\u{e9}\\\"\n\"}", "\u{1}\"", Some(-1))),
            ("\u{1}".repeat(300), kept(&"\"".repeat(5_000), &"\u{1}".repeat(300), Some(i64::MIN))),
        ]);
        let text = text(&contents).unwrap();
        assert_eq!(read(&text).unwrap(), contents);
        let length = text.len();
        let mut moved = text;
        let before = moved.as_ptr();
        moved.extend_from_slice(&[0; 16]);
        assert_eq!((moved.as_ptr(), moved.len()), (before, length + 16), "sealing moves nothing");
    }
}
