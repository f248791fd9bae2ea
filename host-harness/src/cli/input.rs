//! A secret from standard input: it stands in no process list and in no history of a shell.

use std::io::{self, IsTerminal, Read};
use std::path::PathBuf;

use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::CliError;
use crate::redaction;
use crate::secrets::Secret;

/// Bytes that are read; a code or a client secret is some hundred characters, a redirected URL some thousand.
const MAX_INPUT: usize = 64 * 1024;

/// Reads the value of `name`: what is typed at a terminal, unseen, or all that is piped.
pub(super) fn secret(name: &str) -> Result<Secret, CliError> {
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

/// Lines of standard input as they come, while the program waits for something else, too. Only one such reader may be at work.
pub(super) struct Lines(mpsc::Receiver<io::Result<Secret>>);

impl Lines {
    /// Begins to read. A line that nobody waits for any more ends with the program.
    pub(super) fn of_stdin() -> Self {
        let (to_waiting, lines) = mpsc::channel(1);
        // A thread of its own: it may wait for as long as the program runs, and must not hold up its end.
        std::thread::spawn(move || {
            let mut input = match unbuffered() {
                Ok(input) => input,
                Err(error) => return drop(to_waiting.blocking_send(Err(error))),
            };
            while let Some(line) = line(&mut input).transpose() {
                let is_over = line.is_err();
                if to_waiting.blocking_send(line).is_err() || is_over {
                    break;
                }
            }
        });
        Self(lines)
    }

    /// The next line that is not empty; none: the input has ended.
    pub(super) async fn next(&mut self) -> Result<Option<Secret>, CliError> {
        while let Some(line) = self.0.recv().await {
            let line = line.map_err(cannot)?.trimmed();
            if !line.expose().is_empty() {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// The next line as it is, of an answer to a question; empty where the input has ended.
    pub(super) async fn answer(&mut self) -> Result<String, CliError> {
        let line = self.0.recv().await.transpose().map_err(cannot)?;
        Ok(line.map(|line| line.trimmed().expose().to_owned()).unwrap_or_default())
    }
}

fn cannot(source: io::Error) -> CliError {
    CliError::File { action: "read", path: PathBuf::from("standard input"), source }
}

/// One line without its end, in a buffer that is wiped; none at the end of the input.
fn line(input: &mut impl Read) -> io::Result<Option<Secret>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_INPUT));
    let mut byte = [0];
    loop {
        match input.read(&mut byte) {
            Ok(0) if bytes.is_empty() => return Ok(None),
            Ok(0) => break,
            Ok(_) if byte == *b"\n" => break,
            Ok(_) if bytes.len() == MAX_INPUT => return Err(io::Error::other("a line is longer than 64 KiB")),
            Ok(_) => bytes.extend_from_slice(&byte),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| io::Error::other("it is not text"))?;
    Ok(Some(text.into()))
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

    #[test]
    fn lines_come_one_by_one_and_the_last_needs_no_end() {
        let mut input = &b"fake-one\r\n\nfake-two"[..];
        let mut next = || line(&mut input).unwrap().map(|line| line.trimmed().expose().to_owned());
        assert_eq!(
            [next(), next(), next(), next()],
            [Some("fake-one".into()), Some(String::new()), Some("fake-two".into()), None]
        );
        assert!(line(&mut &vec![b'x'; MAX_INPUT + 1][..]).unwrap_err().to_string().contains("64 KiB"));
        assert!(line(&mut &b"\xff\n"[..]).is_err());
    }
}
