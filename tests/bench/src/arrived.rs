//! Whether each event arrived, once, and whole.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use cisco_webex_plugin::stream::Stream;
use memchr::memmem;

use crate::tenant::{Known, Reader, Template};

/// Every line so often is read as JSON, which takes longer than all else here.
const PARSED_ONE_IN: u64 = 1_000;
/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// Looks at the lines of a file: `expected` events of each stream, in any order.
///
/// # Errors
/// What is wrong, in words.
pub fn check(path: &Path, expected: [u64; 3]) -> Result<(), String> {
    let file = File::open(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let mut lines = BufReader::with_capacity(PIECE, file);
    let mut arrived = Arrived::new(expected);
    let mut line = Vec::with_capacity(4 * 1024);
    loop {
        line.clear();
        let read = lines.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
        if read == 0 {
            return arrived.end();
        }
        arrived.line(&line)?;
    }
}

struct Arrived {
    reader: Reader,
    streams: [OneStream; 3],
    lines: u64,
}

struct OneStream {
    stream: Stream,
    line_len: usize,
    marker: memmem::Finder<'static>,
    expected: u64,
    arrived: u64,
    /// A bit for each event.
    seen: Vec<u64>,
}

impl Arrived {
    fn new(expected: [u64; 3]) -> Self {
        let [admin, security, events] = Stream::ALL;
        let [of_admin, of_security, of_events] = expected;
        let streams = [(admin, of_admin), (security, of_security), (events, of_events)];
        Self {
            reader: Reader::default(),
            streams: streams.map(|(stream, expected)| OneStream::new(stream, expected)),
            lines: 0,
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        self.lines += 1;
        let wrong = |what: &str| format!("{what}: {}", String::from_utf8_lossy(line.get(..200).unwrap_or(line)));
        let line = line.strip_suffix(b"\n").ok_or_else(|| wrong("the last line is torn"))?;
        let Some(Known { stream, number }) = self.reader.read(line) else {
            return Err(wrong("a line is of no event of this tenant"));
        };
        let Some(of) = self.streams.get_mut(stream) else { return Err(wrong("a line is of no stream")) };
        if line.len() != of.line_len || of.marker.find(line).is_none() {
            return Err(wrong("a line is not its item with the two fields"));
        }
        if self.lines % PARSED_ONE_IN == 1 && serde_json::from_slice::<serde_json::Value>(line).is_err() {
            return Err(wrong("a line is no JSON"));
        }
        of.take(number)
    }

    fn end(&self) -> Result<(), String> {
        match self.streams.iter().find(|of| of.arrived != of.expected) {
            Some(of) => Err(format!("{} of {} events of {} arrived", of.arrived, of.expected, of.stream)),
            None => Ok(()),
        }
    }
}

impl OneStream {
    fn new(stream: Stream, expected: u64) -> Self {
        let marker = format!(r#""source_log_type":"{}""#, stream.source_log_type());
        let words = usize::try_from(expected.div_ceil(64)).unwrap_or(0);
        Self {
            stream,
            line_len: Template::of(stream).delivered_len(),
            marker: memmem::Finder::new(marker.as_bytes()).into_owned(),
            expected,
            arrived: 0,
            seen: vec![0; words],
        }
    }

    fn take(&mut self, number: u64) -> Result<(), String> {
        let word = usize::try_from(number / 64).ok().filter(|_| number < self.expected);
        let word = word.and_then(|word| self.seen.get_mut(word));
        let Some(word) = word else { return Err(format!("{} has no event {number}", self.stream)) };
        let bit = 1 << (number % 64);
        if *word & bit != 0 {
            return Err(format!("event {number} of {} arrived twice", self.stream));
        }
        *word |= bit;
        self.arrived += 1;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::tenant::Stamp;

    /// The line of an event as it is delivered.
    fn line(stream: Stream, number: u64) -> Vec<u8> {
        let mut stamp = Stamp::default();
        stamp.set(1_769_904_000_000);
        let mut line = Vec::new();
        Template::of(stream).write(number, &stamp, &mut line);
        line.pop();
        let log_type = stream.source_log_type();
        let rest = format!(r#","_time":"2026-02-01T00:00:00.000Z","source_log_type":"{log_type}"}}"#);
        line.extend_from_slice(rest.as_bytes());
        line.push(b'\n');
        line
    }

    #[track_caller]
    fn judge(lines: &[Vec<u8>], expected: [u64; 3]) -> Result<(), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), lines.concat()).unwrap();
        check(file.path(), expected)
    }

    #[test]
    fn each_event_has_to_be_there_once_and_whole() {
        let all: Vec<_> =
            [(Stream::Events, 1), (Stream::AdminAudits, 0), (Stream::Events, 0), (Stream::SecurityAudits, 0)]
                .into_iter()
                .map(|(stream, number)| line(stream, number))
                .collect();
        assert_eq!(judge(&all, [1, 1, 2]), Ok(()));
        let said = |lines: &[Vec<u8>]| judge(lines, [1, 1, 2]).unwrap_err();
        assert!(said(all.get(1..).unwrap()).contains("1 of 2 events of events arrived"));
        assert!(said(&[all.clone(), vec![line(Stream::Events, 0)]].concat()).contains("arrived twice"));
        assert!(said(&[line(Stream::Events, 2)]).contains("has no event 2"));
        assert!(said(&[line(Stream::Events, 0).into_iter().take(500).collect()]).contains("torn"));
        assert!(said(&[b"{}\n".to_vec()]).contains("no event of this tenant"));
        let mut shorter = line(Stream::Events, 0);
        shorter.remove(shorter.len() - 3);
        assert!(said(&[shorter]).contains("not its item"));
    }
}
