//! A secret from standard input: it stands in no process list and in no history of a shell.

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::CliError;
use crate::redaction;
use crate::secrets::Secret;

/// Bytes that are read; a code or a client secret is some hundred characters, a redirected URL some thousand.
const MAX_INPUT: usize = 64 * 1024;

/// Reads the value of `name`: what is typed at a terminal, unseen, or all that is piped.
pub(super) fn secret(name: &str) -> Result<Secret, CliError> {
    let cannot = |source| CliError::File { action: "read", path: PathBuf::from("standard input"), source };
    let value = if io::stdin().is_terminal() {
        rpassword::prompt_password(format!("{name}: ")).map_err(cannot)?.into()
    } else {
        piped(unbuffered().map_err(cannot)?).map_err(cannot)?
    };
    let value: Secret = value.trimmed();
    if value.expose().is_empty() {
        return Err(CliError::Usage(format!("standard input holds no value for `{name}`")));
    }
    redaction::learn(&value);
    Ok(value)
}

/// Everything, in one buffer that is wiped.
fn piped(input: impl Read) -> io::Result<Secret> {
    let most = u64::try_from(MAX_INPUT).unwrap_or(u64::MAX);
    // One byte more tells an input that is too long, and the room keeps the buffer where it is.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_INPUT + 1));
    input.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_INPUT {
        return Err(io::Error::other("it is longer than 64 KiB"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| io::Error::other("it is not text"))?;
    Ok(text.into())
}

/// The standard library's own buffer would keep a copy for as long as the program runs.
#[cfg(unix)]
fn unbuffered() -> io::Result<impl Read> {
    use std::os::fd::AsFd;
    Ok(std::fs::File::from(io::stdin().as_fd().try_clone_to_owned()?))
}

#[cfg(not(unix))]
fn unbuffered() -> io::Result<impl Read> {
    Ok(io::stdin().lock())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_taken_whole_or_refused() {
        assert_eq!(piped(&b"fake-secret\n"[..]).unwrap().expose(), "fake-secret\n");
        assert_eq!(piped(&vec![b'x'; MAX_INPUT][..]).unwrap().expose().len(), MAX_INPUT);
        assert!(piped(&vec![b'x'; MAX_INPUT + 1][..]).unwrap_err().to_string().contains("64 KiB"));
        assert!(piped(&b"\xff"[..]).is_err());
    }
}
