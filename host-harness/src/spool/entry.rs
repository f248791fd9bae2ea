//! The stored form of a batch.
//!
//! ```text
//! {"format":1,"events":2,"last_run":{"before":"…","head":"…","parts":[…]}}
//! 1c291ca3 ["id","org","events",1764330000000]
//! {"id":"id",…}
//! …
//! ```
//!
//! Two lines an event: its CRC-32 and what the contract says of it, then its body as it is. The check is over both, so that an
//! event which the disk has damaged is noticed alone.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::SpoolError;
use crate::durable::{self, DurableError};
use crate::runtime::{Event, LastRun, LastRunPart};
use crate::sink::SinkName;

/// The form that this program writes. It reads all forms up to this one.
pub(super) const FORMAT: u64 = 1;
/// Bytes that are gathered before they are written or looked at.
const CHUNK: usize = 256 * 1024;

/// The last-run that belongs to a batch.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    /// By which the state knows the last-run before.
    pub before: &'a str,
    /// What comes next.
    pub last_run: &'a LastRun,
}

/// An event that is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    /// What is left of its two lines.
    pub text: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u64,
    events: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    only: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_run: Option<StoredLastRun>,
}

/// What is to be known of a batch to read it.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// Its length.
    pub(super) bytes: u64,
    /// How many events it holds.
    pub(super) events: u64,
    /// Where the first of them begins.
    pub(super) first: u64,
    /// The sink that it is for, if it is for one alone.
    pub(super) only: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoredLastRun {
    pub(super) before: String,
    head: String,
    parts: Vec<StoredPart>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPart {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

/// The one field that every form has.
#[derive(Deserialize)]
struct Form {
    format: u64,
}

/// What stands beside an event's body.
type Meta<'a> = (&'a str, &'a str, &'a str, Option<i64>);
/// The same when it was read.
type MetaRead = (String, String, String, Option<i64>);

impl StoredLastRun {
    fn of(recorded: &Recorded<'_>) -> Self {
        let LastRun { head, parts } = recorded.last_run;
        let part = |part: &LastRunPart| StoredPart { name: part.name.clone(), body: part.body.clone() };
        let parts = parts.iter().map(part).collect();
        Self { before: recorded.before.to_owned(), head: head.clone(), parts }
    }

    pub(super) fn into_last_run(self) -> LastRun {
        let part = |part: StoredPart| LastRunPart { name: part.name, body: part.body };
        LastRun { head: self.head, parts: self.parts.into_iter().map(part).collect() }
    }
}

/// Writes a batch under this path; on the disk when it returns.
pub(super) fn write(
    path: &Path,
    events: &[Event],
    recorded: Option<&Recorded<'_>>,
    only: Option<&SinkName>,
) -> Result<Shape, SpoolError> {
    let header = Header {
        format: FORMAT,
        events: u64::try_from(events.len()).unwrap_or(u64::MAX),
        only: only.map(|only| only.as_str().to_owned()),
        last_run: recorded.map(StoredLastRun::of),
    };
    let mut head =
        serde_json::to_vec(&header).map_err(std::io::Error::from).map_err(DurableError::io("write", path))?;
    head.push(b'\n');
    let mut length = 0;
    durable::replace_with(path, |file| {
        let mut to = BufWriter::with_capacity(CHUNK, file);
        to.write_all(&head)?;
        for event in events {
            let meta: Meta<'_> = (&event.id, &event.org, &event.stream, event.created);
            let meta = serde_json::to_string(&meta)?;
            // There is no line break in a body: the runtime lets none through.
            writeln!(to, "{:08x} {meta}", check(&meta, &event.body))?;
            to.write_all(event.body.as_bytes())?;
            to.write_all(b"\n")?;
        }
        let file = to.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        length = file.metadata()?.len();
        Ok(())
    })?;
    let first = u64::try_from(head.len()).unwrap_or(u64::MAX);
    Ok(Shape { bytes: length, events: header.events, first, only: header.only })
}

fn check(meta: &str, body: &str) -> u32 {
    let mut sum = flate2::Crc::new();
    sum.update(meta.as_bytes());
    sum.update(body.as_bytes());
    sum.sum()
}

/// The first line of a batch, and its length.
fn header(path: &Path) -> Result<(Header, u64), SpoolError> {
    let file = File::open(path).map_err(DurableError::io("read", path))?;
    let mut line = Vec::new();
    BufReader::with_capacity(CHUNK, file).read_until(b'\n', &mut line).map_err(DurableError::io("read", path))?;
    let damaged = |error: serde_json::Error| SpoolError::Damaged { path: path.to_owned(), fault: error.to_string() };
    let Form { format } = serde_json::from_slice(&line).map_err(damaged)?;
    if format > FORMAT {
        return Err(SpoolError::Newer { path: path.to_owned(), format });
    }
    let header = serde_json::from_slice(&line).map_err(damaged)?;
    Ok((header, u64::try_from(line.len()).unwrap_or(u64::MAX)))
}

/// What is to be known of the batch under this path.
pub(super) fn shape(path: &Path) -> Result<Shape, SpoolError> {
    let bytes = std::fs::metadata(path).map_err(DurableError::io("read", path))?.len();
    let (Header { events, only, .. }, first) = header(path)?;
    Ok(Shape { bytes, events, first, only })
}

/// The last-run of the batch under this path.
pub(super) fn last_run(path: &Path) -> Result<Option<StoredLastRun>, SpoolError> {
    Ok(header(path)?.0.last_run)
}

/// What comes next in a batch.
pub(super) enum Next {
    /// An event that is wanted.
    Event(Event),
    /// One that is not.
    Passed,
    /// One that is not as it was written.
    Damaged(Damaged),
    /// One that is wanted and does not fit; it is still to be read.
    TooLarge,
    /// Nothing.
    End,
}

/// Reads a batch from a place on.
pub(super) struct Reader {
    from: BufReader<File>,
    path: PathBuf,
    offset: u64,
    meta: Vec<u8>,
    body: Vec<u8>,
}

impl Reader {
    /// `offset` is one that an earlier reader gave, or where the first event begins.
    pub(super) fn open(path: &Path, offset: u64) -> Result<Self, SpoolError> {
        let mut file = File::open(path).map_err(DurableError::io("read", path))?;
        file.seek(SeekFrom::Start(offset)).map_err(DurableError::io("read", path))?;
        let from = BufReader::with_capacity(CHUNK, file);
        Ok(Self { from, path: path.to_owned(), offset, meta: Vec::new(), body: Vec::new() })
    }

    /// Where the next event begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next event. One of more than `room` bytes is not taken, but if it `may_be_alone`.
    pub(super) fn next(
        &mut self,
        takes: impl Fn(&str) -> bool,
        room: usize,
        may_be_alone: bool,
    ) -> Result<Next, SpoolError> {
        self.meta.clear();
        self.body.clear();
        let mut read = self.from.read_until(b'\n', &mut self.meta);
        read = read.and_then(|meta| Ok(meta + self.from.read_until(b'\n', &mut self.body)?));
        let bytes = read.map_err(DurableError::io("read", &self.path))?;
        if bytes == 0 {
            return Ok(Next::End);
        }
        let Some((id, org, stream, created)) = self.checked() else {
            self.offset += u64::try_from(bytes).unwrap_or(u64::MAX);
            let text = [self.meta.as_slice(), self.body.as_slice()].concat();
            return Ok(Next::Damaged(Damaged { text: String::from_utf8_lossy(&text).into_owned() }));
        };
        let is_wanted = takes(&stream);
        if is_wanted && !may_be_alone && self.body.len() - 1 > room {
            // The next reader begins with it.
            return Ok(Next::TooLarge);
        }
        self.offset += u64::try_from(bytes).unwrap_or(u64::MAX);
        if !is_wanted {
            return Ok(Next::Passed);
        }
        self.body.pop();
        let body = String::from_utf8(self.body.clone()).unwrap_or_default();
        Ok(Next::Event(Event { id, org, stream, created, body }))
    }

    /// What stands beside the body, if both are as they were written.
    fn checked(&self) -> Option<MetaRead> {
        let line = std::str::from_utf8(self.meta.strip_suffix(b"\n")?).ok()?;
        let body = std::str::from_utf8(self.body.strip_suffix(b"\n")?).ok()?;
        let (sum, meta) = line.split_once(' ')?;
        if u32::from_str_radix(sum, 16).ok()? != check(meta, body) {
            return None;
        }
        serde_json::from_str(meta).ok()
    }
}
