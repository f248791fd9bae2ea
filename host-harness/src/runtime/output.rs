//! What a plugin prints, as lines of the log.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};

use crate::log::{Level, Log};

/// Bytes of one line that are kept; the rest of the line is dropped.
const MAX_LINE_BYTES: usize = 4 * 1024;

/// Standard output or standard error of one call. A plugin has no reason to print: what arrives here is mostly its last
/// words before a trap.
#[derive(Clone)]
pub(super) struct Output {
    name: &'static str,
    log: Log,
    text: Arc<Mutex<Text>>,
}

#[derive(Default)]
struct Text {
    line: Vec<u8>,
    last: Option<String>,
}

impl Text {
    /// As much of it as a line may have.
    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_LINE_BYTES.saturating_sub(self.line.len()).min(bytes.len());
        self.line.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }
}

impl Output {
    pub(super) fn new(name: &'static str, log: Log) -> Self {
        Self { name, log, text: Arc::default() }
    }

    /// The last line that was not empty: the message of a panic, if there was one.
    pub(super) fn last_line(&self) -> Option<String> {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        self.end_line(&mut text);
        text.last.clone()
    }

    fn take(&self, bytes: &[u8]) {
        let mut text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            text.keep(line);
            self.end_line(&mut text);
            rest = after.get(1..).unwrap_or_default();
        }
        text.keep(rest);
    }

    fn end_line(&self, text: &mut Text) {
        if text.line.is_empty() {
            return;
        }
        let line = String::from_utf8_lossy(&text.line).into_owned();
        text.line.clear();
        self.log.write(Level::Debug, self.name, &line, &[]);
        // After a panic the standard library adds how to get a backtrace, which a stripped component does not have.
        if !line.starts_with("note: ") {
            text.last = Some(line);
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Output {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_and_bounded() {
        let log = Log::memory();
        let output = Output::new("plugin-stderr", log.clone());
        output.take(b"panicked at ");
        output.take(b"x.rs\n\n");
        output.take(&[b'a'; 10_000]);
        assert_eq!(output.last_line().map(|line| line.len()), Some(MAX_LINE_BYTES));
        assert_eq!(log.lines()[0].text, "panicked at x.rs");
    }
}
