//! Whether each event arrived, once, whole, and under the name of its tenant.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::num::NonZeroU16;
use std::path::Path;

use cisco_webex_plugin::stream::Stream;
use memchr::memmem;

use crate::subject::collector::{TENANT_FIELD, name_of};
use crate::tenant::{Known, Reader, Template};

/// Every line so often is read as JSON, which takes longer than all else here.
const PARSED_ONE_IN: u64 = 1_000;
/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// Looks at the lines of a file: `expected` events of each stream, in any order. Of each of many `tenants` as many, each line with
/// the member that says whose it is.
///
/// # Errors
/// What is wrong, in words.
pub fn check(path: &Path, expected: [u64; 3], tenants: Option<NonZeroU16>) -> Result<(), String> {
    let file = File::open(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let mut lines = BufReader::with_capacity(PIECE, file);
    let mut arrived = Arrived::new(expected, tenants);
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
    /// Whether each line says whose it is.
    is_marked: bool,
    lines: u64,
}

struct OneStream {
    stream: Stream,
    line_len: usize,
    marker: memmem::Finder<'static>,
    /// Of each tenant.
    expected: u64,
    tenants: Vec<OfTenant>,
}

struct OfTenant {
    arrived: u64,
    /// A bit for each event.
    seen: Vec<u64>,
}

impl Arrived {
    fn new(expected: [u64; 3], tenants: Option<NonZeroU16>) -> Self {
        let count = tenants.map_or(1, NonZeroU16::get);
        let [admin, security, events] = Stream::ALL;
        let [of_admin, of_security, of_events] = expected;
        let streams = [(admin, of_admin), (security, of_security), (events, of_events)];
        Self {
            reader: Reader::default(),
            streams: streams.map(|(stream, expected)| OneStream::new(stream, expected, count)),
            is_marked: tenants.is_some(),
            lines: 0,
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        self.lines += 1;
        let wrong = |what: &str| format!("{what}: {}", String::from_utf8_lossy(line.get(..200).unwrap_or(line)));
        let line = line.strip_suffix(b"\n").ok_or_else(|| wrong("the last line is torn"))?;
        let Some(Known { tenant, stream, number }) = self.reader.read(line) else {
            return Err(wrong("a line is of no event of this tenant"));
        };
        let Some(of) = self.streams.get_mut(stream) else { return Err(wrong("a line is of no stream")) };
        let end = if self.is_marked { mark(tenant) } else { "}".to_owned() };
        if !line.ends_with(end.as_bytes()) {
            return Err(wrong("a line does not say whose it is"));
        }
        if line.len() + 1 != of.line_len + end.len() || of.marker.find(line).is_none() {
            return Err(wrong("a line is not its item with the two fields"));
        }
        if self.lines % PARSED_ONE_IN == 1 && serde_json::from_slice::<serde_json::Value>(line).is_err() {
            return Err(wrong("a line is no JSON"));
        }
        of.take(tenant, number)
    }

    fn end(&self) -> Result<(), String> {
        for OneStream { stream, expected, tenants, .. } in &self.streams {
            for (tenant, OfTenant { arrived, .. }) in (0..).zip(tenants) {
                if arrived != expected {
                    let whose = if self.is_marked { format!(" of {}", name_of(tenant)) } else { String::new() };
                    return Err(format!("{arrived} of {expected} events of {stream}{whose} arrived"));
                }
            }
        }
        Ok(())
    }
}

/// How the line of a tenant's event ends.
fn mark(tenant: u16) -> String {
    format!(r#","{TENANT_FIELD}":"{}"}}"#, name_of(tenant))
}

impl OneStream {
    fn new(stream: Stream, expected: u64, tenants: u16) -> Self {
        let marker = format!(r#""source_log_type":"{}""#, stream.source_log_type());
        let words = usize::try_from(expected.div_ceil(64)).unwrap_or(0);
        Self {
            stream,
            line_len: Template::of(stream).delivered_len(),
            marker: memmem::Finder::new(marker.as_bytes()).into_owned(),
            expected,
            tenants: (0..tenants).map(|_| OfTenant { arrived: 0, seen: vec![0; words] }).collect(),
        }
    }

    fn take(&mut self, tenant: u16, number: u64) -> Result<(), String> {
        let Some(of) = self.tenants.get_mut(usize::from(tenant)) else {
            return Err(format!("there is no tenant {tenant}"));
        };
        let word = usize::try_from(number / 64).ok().filter(|_| number < self.expected);
        let word = word.and_then(|word| of.seen.get_mut(word));
        let Some(word) = word else { return Err(format!("{} has no event {number}", self.stream)) };
        let bit = 1 << (number % 64);
        if *word & bit != 0 {
            return Err(format!("event {number} of {} arrived twice", self.stream));
        }
        *word |= bit;
        of.arrived += 1;
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
        line_of(0, stream, number, "}")
    }

    fn line_of(tenant: u16, stream: Stream, number: u64, end: &str) -> Vec<u8> {
        let mut stamp = Stamp::default();
        stamp.set(1_769_904_000_000);
        let mut line = Vec::new();
        Template::of(stream).write(tenant, number, &stamp, &mut line);
        line.pop();
        let log_type = stream.source_log_type();
        let rest = format!(r#","_time":"2026-02-01T00:00:00.000Z","source_log_type":"{log_type}"{end}"#);
        line.extend_from_slice(rest.as_bytes());
        line.push(b'\n');
        line
    }

    #[track_caller]
    fn judge(lines: &[Vec<u8>], expected: [u64; 3]) -> Result<(), String> {
        judge_of(lines, expected, None)
    }

    #[track_caller]
    fn judge_of(lines: &[Vec<u8>], expected: [u64; 3], tenants: Option<NonZeroU16>) -> Result<(), String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), lines.concat()).unwrap();
        check(file.path(), expected, tenants)
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

    #[test]
    fn of_many_tenants_each_has_its_own_under_its_own_name() {
        let of = |tenant, number| line_of(tenant, Stream::Events, number, &mark(tenant));
        let all = [of(0, 0), of(1, 1), of(0, 1), of(1, 0)];
        let judge = |lines: &[Vec<u8>]| judge_of(lines, [0, 0, 2], NonZeroU16::new(2));
        assert_eq!(judge(&all), Ok(()));
        let said = |lines: &[Vec<u8>]| judge(lines).unwrap_err();
        assert!(said(all.get(..3).unwrap()).contains("1 of 2 events of events of t00001 arrived"));
        assert!(said(&[of(0, 0), of(1, 0), of(0, 0)]).contains("arrived twice"));
        assert!(said(&[of(2, 0)]).contains("there is no tenant 2"));
        let others = line_of(0, Stream::Events, 0, &mark(1));
        assert!(said(&[others]).contains("does not say whose it is"), "an event under another's name");
        assert!(said(&[line(Stream::Events, 0)]).contains("does not say whose it is"));
    }
}
