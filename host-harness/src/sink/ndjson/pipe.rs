//! A named pipe, which somebody else reads.
//!
//! Events count when the pipe has taken them all. What the pipe holds when its reader goes away is lost with it, and nobody can
//! say how much of it was read: so a send that was not taken whole is made again, and what is lost of one that was is lost.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use futures::future::BoxFuture;
use rustix::io::Errno;
use tokio::net::unix::pipe::{OpenOptions, Sender};
use tokio::sync::Mutex;

use crate::sink::{Event, Receipt, SendError, Sink};

/// How long a reader may read nothing before it is said that it does not.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the system says of a pipe that nobody reads.
const NO_READER: Errno = Errno::NXIO;

pub(super) struct PipeSink {
    path: PathBuf,
    open: Mutex<Option<Open>>,
}

struct Open {
    sender: Sender,
    /// The rest of a line whose beginning the reader has: it comes before all else.
    rest: Vec<u8>,
}

/// Why not all of it was taken.
enum Stopped {
    Gone(io::Error),
    /// Bytes that were.
    Full(usize),
}

impl PipeSink {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: Mutex::new(None) }
    }

    fn later(&self, what: &str) -> SendError {
        SendError::later(format!("{}: {what}", self.path.display()))
    }

    fn open(&self) -> Result<Open, SendError> {
        let sender = OpenOptions::new().open_sender(&self.path).map_err(|error| match error {
            error if error.raw_os_error() == Some(NO_READER.raw_os_error()) => self.later("nobody reads the pipe"),
            error if error.kind() == io::ErrorKind::InvalidInput => SendError::closed(
                format!("{} is no pipe any more", self.path.display()),
                "make it one again with `mkfifo`, or start the program again to write a file",
            ),
            error => self.later(&error.to_string()),
        })?;
        Ok(Open { sender, rest: Vec::new() })
    }
}

impl Open {
    /// Waits for the reader as long as it reads something now and then.
    async fn write(&self, bytes: &[u8]) -> Result<(), Stopped> {
        let mut taken = 0;
        while let Some(rest) = bytes.get(taken..).filter(|rest| !rest.is_empty()) {
            match tokio::time::timeout(PATIENCE, self.sender.writable()).await {
                Ok(ready) => ready.map_err(Stopped::Gone)?,
                Err(_) => return Err(Stopped::Full(taken)),
            }
            match self.sender.try_write(rest) {
                Ok(count) => taken += count,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(Stopped::Gone(error)),
            }
        }
        Ok(())
    }
}

impl Sink for PipeSink {
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let mut slot = self.open.lock().await;
            // Taken out: a send that is given up on the way leaves no pipe whose state nobody knows.
            let mut open = match slot.take() {
                Some(open) => open,
                None => self.open()?,
            };
            let mut lines = std::mem::take(&mut open.rest);
            let begun = lines.len();
            lines.extend_from_slice(super::lines(events).as_bytes());
            match open.write(&lines).await {
                Ok(()) => {
                    *slot = Some(open);
                    Ok(Receipt::default())
                }
                Err(Stopped::Gone(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                    Err(self.later("the reader of the pipe has gone"))
                }
                Err(Stopped::Gone(error)) => Err(self.later(&error.to_string())),
                Err(Stopped::Full(taken)) => {
                    open.rest = rest_of_line(&lines, begun, taken).to_vec();
                    *slot = Some(open);
                    Err(self.later("the reader of the pipe reads nothing"))
                }
            }
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<String, SendError>> {
        // To open it would let its reader see an end.
        Box::pin(async {
            Ok("it is a named pipe; whether somebody reads it is seen when something is sent".to_owned())
        })
    }
}

/// What is left of the line that byte `taken` is in; nothing, where a line begins there. Up to byte `begun` they are the rest of a
/// line already.
fn rest_of_line(lines: &[u8], begun: usize, taken: usize) -> &[u8] {
    if let Some(rest) = lines.get(taken..begun) {
        return rest;
    }
    let (before, rest) = lines.split_at_checked(taken).unwrap_or((lines, &[]));
    if before.last().is_none_or(|byte| *byte == b'\n') {
        return &[];
    }
    let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
    rest.get(..end).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use std::io::{BufRead, BufReader, Read};

    use super::*;

    fn pipe() -> (tempfile::TempDir, PipeSink) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        (folder, PipeSink::new(path))
    }

    /// A reader that is there at once.
    fn reader(sink: &PipeSink) -> std::fs::File {
        use std::os::unix::fs::OpenOptionsExt;
        let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap();
        std::fs::OpenOptions::new().read(true).custom_flags(nonblocking).open(&sink.path).unwrap()
    }

    fn events(count: usize, size: usize) -> Vec<Event> {
        let body = |number| format!("{{\"n\":{number},\"x\":\"{}\"}}", "x".repeat(size));
        let event = |number| Event {
            id: String::new(),
            org: String::new(),
            stream: String::new(),
            created: None,
            body: body(number),
        };
        (0..count).map(event).collect()
    }

    #[tokio::test]
    async fn without_a_reader_nothing_waits_and_nothing_counts() {
        let (_folder, sink) = pipe();
        let error = sink.send(&events(1, 1)).await.unwrap_err();
        assert!(matches!(&error, SendError::Later { reason, .. } if reason.contains("nobody reads")), "{error:?}");
        let mut reader = reader(&sink);
        sink.send(&events(1, 1)).await.unwrap();
        drop(sink);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "{\"n\":0,\"x\":\"x\"}\n");
    }

    #[tokio::test]
    async fn a_reader_that_goes_away_in_the_middle_gets_nothing_acknowledged_and_the_next_one_all() {
        let (_folder, sink) = pipe();
        let gone = reader(&sink);
        let many = events(100, 10_000);
        let (answer, ()) = tokio::join!(sink.send(&many), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(gone);
        });
        let error = answer.unwrap_err();
        assert!(matches!(&error, SendError::Later { reason, .. } if reason.contains("has gone")), "{error:?}");
        let path = sink.path.clone();
        let all = tokio::task::spawn_blocking(move || {
            BufReader::new(std::fs::File::open(path).unwrap()).lines().map(Result::unwrap).collect::<Vec<_>>()
        });
        while sink.send(&many).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(sink);
        let bodies: Vec<String> = many.into_iter().map(|event| event.body).collect();
        assert_eq!(all.await.unwrap(), bodies);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_reading_finds_whole_lines_when_it_goes_on() {
        let (_folder, sink) = pipe();
        let reader = reader(&sink);
        let many = events(100, 10_000);
        let error = sink.send(&many).await.unwrap_err();
        assert!(matches!(&error, SendError::Later { reason, .. } if reason.contains("reads nothing")), "{error:?}");
        let path = sink.path.clone();
        let second = std::thread::spawn(move || {
            // A blocking one; the first keeps the pipe alive meanwhile.
            BufReader::new(std::fs::File::open(path).unwrap()).lines().map(Result::unwrap).collect::<Vec<_>>()
        });
        while sink.send(&many).await.is_err() {}
        drop(sink);
        let lines = second.join().unwrap();
        drop(reader);
        assert!(lines.len() > 100, "what was taken before comes again");
        for line in &lines {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
    }

    #[test]
    fn the_rest_of_a_line_ends_with_its_break() {
        for (taken, rest) in [(0, ""), (1, "b\n"), (2, "\n"), (3, ""), (4, "d\n"), (6, "")] {
            assert_eq!(rest_of_line(b"ab\ncd\n", 0, taken), rest.as_bytes(), "{taken}");
        }
        for (taken, rest) in [(0, "b\n"), (1, "\n"), (2, ""), (3, "d\n")] {
            assert_eq!(rest_of_line(b"b\ncd\n", 2, taken), rest.as_bytes(), "{taken}, of a line that was begun before");
        }
    }
}
