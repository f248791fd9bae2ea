//! A file behind a spool, which may be packed, and put away under another name when it is large or old.
//!
//! Each send is written as a whole to one file and acknowledged when it is there. What a killed process left of a line or of a
//! member is cut at the next start; whole lines stay, and are not written again ([`Expected`]). A file is put away when it is
//! on the disk as a whole, under a name that nothing has, and is never touched again but to be deleted, if that is asked for.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::again::next_line;
use super::expected::{Expected, Note, Stretch};
use super::names::{Names, rename_new};
use super::packing::{Ending, Packing};
use super::{end_of_last_line, sync};
use crate::sink::SinkError;

/// How far back files are looked into at a start, in bytes as they are on the disk: more than the largest send.
const LOOK_BACK: u64 = 128 << 20;
/// Names that are tried for a file that is put away.
const TRIES: usize = 100;

/// What becomes of the file.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) path: PathBuf,
    pub(super) names: Names,
    pub(super) packing: Option<Packing>,
    /// Put away before it would become larger.
    pub(super) rotate_bytes: Option<u64>,
    /// Put away at whole multiples of this.
    pub(super) rotate_every: Option<Duration>,
    /// Files that were put away and are kept; none: all.
    pub(super) keep: Option<usize>,
    /// Whether each send is forced to the disk.
    pub(super) is_synced: bool,
}

/// The file that is written, and those that were put away.
#[derive(Debug)]
pub(super) struct Series {
    shape: Shape,
    active: Option<Active>,
    /// The last name under which a file was put away; empty: none.
    last: String,
    expected: Expected,
}

#[derive(Debug)]
struct Active {
    file: File,
    /// No device.
    is_regular: bool,
    /// Length after the last send that was acknowledged.
    end: u64,
    /// When something was written to it, where it holds something.
    since: SystemTime,
}

impl Series {
    /// Opens the file, and cuts what a killed process left of a send.
    ///
    /// # Errors
    /// It cannot be opened, or another process has it.
    pub(super) fn open(shape: Shape) -> Result<Self, SinkError> {
        let mut series = Self { shape, active: None, last: String::new(), expected: Expected::default() };
        series.last = match series.rotates() {
            true => series.names().all().map_err(|error| series.refused(error))?.pop().unwrap_or_default(),
            false => String::new(),
        };
        series.open_active()?;
        Ok(series)
    }

    /// Where the next send begins; lines that may come again count until they have come.
    pub(super) fn begin(&self) -> String {
        let end = self.active.as_ref().map_or(0, |active| active.end);
        let now = || Note { after: self.last.clone(), at: end };
        self.expected.from().cloned().unwrap_or_else(now).text()
    }

    /// Lines behind this place may be sent again, and are not written again then. Returns how many there are.
    ///
    /// # Errors
    /// A file cannot be read.
    pub(super) fn recall(&mut self, note: &str) -> Result<usize, SinkError> {
        let Some(note) = Note::parse(note) else { return Ok(0) };
        self.look_back(note).map_err(|error| self.refused(error))
    }

    /// Writes these lines, whole or not at all.
    ///
    /// # Errors
    /// The disk is full, or the file cannot be written any more.
    pub(super) fn write(&mut self, mut lines: Vec<u8>, now: SystemTime) -> Result<(), SinkError> {
        let sent = lines.len();
        let taken = self.expected.take(&mut lines);
        match self.append(&lines, now) {
            Ok(()) => {
                self.expected.sent(sent);
                Ok(())
            }
            Err(error) => {
                self.expected.put_back(taken);
                Err(error)
            }
        }
    }

    /// Puts the file away if it is from before the last mark.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub(super) fn rotate_if_old(&mut self, now: SystemTime) -> Result<(), SinkError> {
        if self.active.as_ref().is_some_and(|active| self.is_old(active, now)) { self.rotate(now) } else { Ok(()) }
    }

    /// How long it is until the file has to be put away; none where that is not asked for, or it is empty.
    pub(super) fn rotates_in(&self, now: SystemTime) -> Option<Duration> {
        let every = self.shape.rotate_every?;
        self.active.as_ref().filter(|active| active.end > 0)?;
        let passed = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_nanos() % every.as_nanos().max(1);
        Some(every.saturating_sub(Duration::from_nanos(u64::try_from(passed).ok()?)))
    }

    fn append(&mut self, lines: &[u8], now: SystemTime) -> Result<(), SinkError> {
        let packed = match self.shape.packing {
            Some(packing) if !lines.is_empty() => Some(packing.pack(lines).map_err(|error| self.refused(error))?),
            Some(_) | None => None,
        };
        let bytes = packed.as_deref().unwrap_or(lines);
        self.open_active()?;
        let is_due = self.active.as_ref().is_some_and(|active| self.is_full(active, bytes) || self.is_old(active, now));
        if is_due {
            self.rotate(now)?;
        }
        let Some(active) = &mut self.active else { return Ok(()) };
        let written = active.file.write_all(bytes).and_then(|()| {
            // What stands there already is perhaps not on the disk yet: it is forced there with the rest.
            if self.shape.is_synced { sync(&active.file) } else { Ok(()) }
        });
        match written {
            Ok(()) => {
                if active.end == 0 {
                    active.since = now;
                }
                if active.is_regular {
                    active.end += u64::try_from(bytes.len()).unwrap_or(0);
                }
                Ok(())
            }
            Err(error) => {
                let cut = if active.is_regular { active.file.set_len(active.end) } else { Ok(()) };
                if cut.and_then(|()| sync(&active.file)).is_err() {
                    // It is opened again before the next send, and what is torn is cut then.
                    self.active = None;
                }
                Err(self.refused(error))
            }
        }
    }

    fn is_full(&self, active: &Active, more: &[u8]) -> bool {
        let length = active.end.saturating_add(u64::try_from(more.len()).unwrap_or(u64::MAX));
        active.end > 0 && self.shape.rotate_bytes.is_some_and(|most| length > most)
    }

    fn is_old(&self, active: &Active, now: SystemTime) -> bool {
        let nanos = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mark = |time, every: Duration| nanos(time) / every.as_nanos().max(1);
        active.end > 0 && self.shape.rotate_every.is_some_and(|every| mark(active.since, every) < mark(now, every))
    }

    /// Puts the file away, and begins a new one.
    fn rotate(&mut self, now: SystemTime) -> Result<(), SinkError> {
        let Some(active) = self.active.take() else { return Ok(()) };
        if !active.is_regular {
            self.active = Some(active);
            return Ok(());
        }
        active.file.sync_all().and_then(|()| self.put_away(now)).map_err(|error| self.refused(error))?;
        drop(active);
        self.open_active()?;
        self.delete_old();
        Ok(())
    }

    fn put_away(&mut self, now: SystemTime) -> io::Result<()> {
        for _ in 0..TRIES {
            let name = self.names().next(now.into(), &self.last);
            let renamed = rename_new(&self.shape.path, &self.names().path(&name));
            match renamed {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => self.last = name,
                Ok(()) => {
                    self.last = name;
                    return sync_folder(self.names().folder());
                }
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    /// What cannot be deleted is tried again when the next one is put away.
    fn delete_old(&self) {
        let Some(keep) = self.shape.keep else { return };
        let names = self.names().all().unwrap_or_default();
        for name in names.iter().take(names.len().saturating_sub(keep)) {
            let _ = fs::remove_file(self.names().path(name));
        }
    }

    fn open_active(&mut self) -> Result<(), SinkError> {
        if self.active.is_none() {
            let active = match self.mended()? {
                Some(active) => active,
                // What stands there is none of ours, and not ours to cut.
                None => {
                    self.put_away(SystemTime::now()).map_err(|error| self.refused(error))?;
                    self.mended()?.ok_or_else(|| self.refused(ErrorKind::InvalidData.into()))?
                }
            };
            self.active = Some(active);
        }
        Ok(())
    }

    /// The file, its torn end cut. None: it holds something else.
    fn mended(&self) -> Result<Option<Active>, SinkError> {
        let refused = |error| self.refused(error);
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let is_new = !self.shape.path.exists();
        let mut file = options.open(&self.shape.path).map_err(refused)?;
        match file.try_lock() {
            // A device, or a file system without locks.
            Ok(()) | Err(TryLockError::Error(_)) => {}
            Err(TryLockError::WouldBlock) => return Err(SinkError::InUse { path: self.shape.path.clone() }),
        }
        if is_new {
            sync_folder(self.names().folder()).map_err(refused)?;
        }
        let metadata = file.metadata().map_err(refused)?;
        let (is_regular, length) = (metadata.is_file(), metadata.len());
        let mut end = if is_regular { length } else { 0 };
        if is_regular && length > 0 {
            end = match self.shape.packing {
                None => end_of_last_line(&mut file, length).map_err(refused)?,
                Some(packing) => match packing.ending(&mut file, length).map_err(refused)? {
                    Ending::Whole => length,
                    Ending::Torn(at) => at,
                    Ending::Foreign => return Ok(None),
                },
            };
            if end < length {
                file.set_len(end).and_then(|()| file.sync_all()).map_err(refused)?;
            }
        }
        let since = metadata.modified().unwrap_or_else(|_| SystemTime::now());
        Ok(Some(Active { file, is_regular, end, since }))
    }

    fn look_back(&mut self, note: Note) -> io::Result<usize> {
        let away = if self.rotates() { self.names().all()? } else { Vec::new() };
        let mut paths: Vec<PathBuf> =
            away.into_iter().filter(|name| *name > note.after).map(|name| self.names().path(&name)).collect();
        paths.push(self.shape.path.clone());
        // The note is about the oldest of them; what lies too far back is not looked at.
        let mut files = Vec::new();
        let mut bytes = 0;
        for (index, path) in paths.iter().enumerate().rev() {
            let from = if index == 0 { note.at } else { 0 };
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_file() && bytes < LOOK_BACK {
                bytes += metadata.len().saturating_sub(from);
                files.push((file, from));
            }
        }
        let mut stretch = Stretch::default();
        for (mut file, from) in files.into_iter().rev() {
            match self.shape.packing {
                Some(packing) => packing.lines(&mut file, from, |line| stretch.push(line))?,
                None => {
                    let end = file.metadata()?.len();
                    file.seek(SeekFrom::Start(from.max(end.saturating_sub(LOOK_BACK))))?;
                    let mut text = BufReader::new(file.take(end.saturating_sub(from)));
                    while let Some(line) = next_line(&mut text)? {
                        stretch.push(line);
                    }
                }
            }
        }
        Ok(self.expected.add(note, stretch))
    }

    /// Whether files are put away, or may have been.
    fn rotates(&self) -> bool {
        let Shape { packing, rotate_bytes, rotate_every, .. } = &self.shape;
        packing.is_some() || rotate_bytes.is_some() || rotate_every.is_some()
    }

    fn names(&self) -> &Names {
        &self.shape.names
    }

    fn refused(&self, source: io::Error) -> SinkError {
        SinkError::Refused { name: self.shape.path.display().to_string(), source }
    }
}

/// Forces the names of a folder to the disk.
fn sync_folder(path: &Path) -> io::Result<()> {
    crate::durable::sync_folder(path).map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
