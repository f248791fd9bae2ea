//! Which component runs, and whether it is the one that is meant.

use std::fmt;
use std::fs;
use std::str::FromStr;

use super::{CliError, Global};
use crate::runtime::Source;

/// A SHA-256 that a person names, as `sha256sum` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checksum(String);

/// A text that is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a SHA-256 is 64 hexadecimal digits")]
pub(super) struct NotAChecksum;

impl FromStr for Checksum {
    type Err = NotAChecksum;

    fn from_str(text: &str) -> Result<Self, NotAChecksum> {
        let is_one = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_one { Ok(Self(text.to_ascii_lowercase())) } else { Err(NotAChecksum) }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The component of `--component`, or the one built in. Read once: what was checked is what runs.
///
/// # Errors
/// It cannot be read, or is not the one with the checksum of `--component-sha256`.
pub(super) fn read(global: &Global) -> Result<Source, CliError> {
    let Some(path) = &global.component else { return Ok(Source::built_in()) };
    let bytes =
        fs::read(path).map_err(|source| CliError::File { action: "read the component", path: path.clone(), source })?;
    let source = Source::of(bytes);
    match &global.component_sha256 {
        Some(expected) if expected.0 != source.checksum() => Err(CliError::OtherComponent {
            path: path.clone(),
            expected: expected.to_string(),
            found: source.checksum().to_owned(),
        }),
        _ => Ok(source),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_what_sha256sum_prints() {
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let abc = Source::of(b"abc".to_vec());
        assert_eq!(abc.checksum(), text);
        assert_eq!(text.parse(), Ok(Checksum(text.to_owned())));
        assert_eq!(text.to_uppercase().parse(), Ok(Checksum(text.to_owned())));
        for other in ["", "ba78", &text[1..], &format!("{text}0"), &format!("+{}", &text[1..]), &text.replace('b', "ä")]
        {
            assert_eq!(other.parse::<Checksum>(), Err(NotAChecksum), "{other}");
        }
    }
}
