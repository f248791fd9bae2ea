//! What waits on the disk for the sinks: batches in the order in which they were collected, each whole or not there.
//!
//! ```text
//! <state_dir>/spool/00000000000000000042.batch   a batch: its last-run, then its events (spool/entry.rs)
//!                   <sink>.position.json          up to where a sink has acknowledged (spool/position.rs)
//!                   id                            what tells it from other spools, where a sink needs that
//! ```
//!
//! A batch that is here counts as stored: its last-run is in it, so a start after a crash that came between the two takes it up
//! from here, and nothing is collected twice. A batch goes when every sink has passed it. Who stands in the way is named: a sink
//! that is not configured any more keeps what it has not got until it comes back or is [forgotten](Spool::forget).
//!
//! One file a batch, because all that is asked of it is what files do: appear whole (written aside, forced to the disk, renamed),
//! be read in order, and give their room back when they go. What holds the tenant's state locked is the one that writes here.

mod entry;
mod position;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::durable::{self, DurableError};
use crate::runtime::{self, LastRun};
use crate::sink::{Event, SinkName};
use entry::Shape;
pub use entry::{Damaged, Recorded};
pub use position::Position;

/// The folder in a tenant's state.
const FOLDER: &str = "spool";
/// What tells it from other spools.
const ID: &str = "id";
/// How the name of a batch ends.
const BATCH: &str = "batch";

/// Why the spool cannot be used. Nothing is lost by it.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The system refuses.
    #[error(transparent)]
    File(#[from] DurableError),
    /// A batch that is not what was written.
    #[error("{path} in the spool is damaged ({fault}); move it away, and `webex-collector last-run reset --since TIME` collects it again", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// A newer program wrote it.
    #[error("{path} in the spool has the form {format}, this program knows {known}; use the newer program that wrote it", path = path.display(), known = entry::FORMAT)]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its form.
        format: u64,
    },
}

/// The spool of one tenant.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    max_bytes: u64,
    inner: Mutex<Inner>,
    /// The number of the next batch, for those who wait for one.
    stored: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: BTreeMap<u64, Stored>,
    next: u64,
    positions: BTreeMap<SinkName, Position>,
}

/// A batch that is here.
#[derive(Clone, Debug)]
struct Stored {
    shape: Shape,
    since: Instant,
}

/// Some events for a sink, in their order.
#[derive(Debug, Default)]
pub struct Piece {
    /// Those that it takes.
    pub events: Vec<Event>,
    /// Events that are not as they were written.
    pub damaged: Vec<Damaged>,
    /// Where to go on.
    pub end: Position,
    /// Nothing more would have fitted.
    pub is_full: bool,
    /// Since when the first of its batches is here.
    pub since: Option<Instant>,
}

impl Spool {
    /// Opens the spool below `state_dir`. Only for who holds the tenant's state.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(state_dir: &Path, max_bytes: u64) -> Result<Self, SpoolError> {
        let folder = state_dir.join(FOLDER);
        durable::folder(&folder)?;
        durable::sweep(&folder);
        Self::read_folder(folder, max_bytes)
    }

    /// Looks at the spool below `state_dir`, which another process may be writing; none where there is none.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn look(state_dir: &Path) -> Result<Option<Self>, SpoolError> {
        let folder = state_dir.join(FOLDER);
        if folder.is_dir() { Self::read_folder(folder, u64::MAX).map(Some) } else { Ok(None) }
    }

    fn read_folder(folder: PathBuf, max_bytes: u64) -> Result<Self, SpoolError> {
        let mut inner = Inner::default();
        for (number, path) in batches(&folder)? {
            inner.entries.insert(number, Stored { shape: entry::shape(&path)?, since: Instant::now() });
            inner.next = number + 1;
        }
        for (name, position) in position::all(&folder)? {
            inner.next = inner.next.max(position.entry);
            inner.positions.insert(name, position);
        }
        let stored = watch::Sender::new(inner.next);
        Ok(Self { folder, max_bytes, inner: Mutex::new(inner), stored })
    }

    /// A text of 16 letters that no other spool has; made when it is asked for first.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn id(&self) -> Result<String, DurableError> {
        let path = self.folder.join(ID);
        match fs::read_to_string(&path) {
            Ok(id) if is_id(&id) => return Ok(id),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(DurableError::io("read", &path)(error)),
        }
        let id = format!("{:016x}", SmallRng::from_os_rng().random::<u64>());
        durable::replace(&path, id.as_bytes())?;
        Ok(id)
    }

    /// Whether something waits in the spool below `state_dir`, by a look at the folder.
    pub fn holds_something(state_dir: &Path) -> bool {
        batches(&state_dir.join(FOLDER)).is_ok_and(|batches| !batches.is_empty())
    }

    /// Stores a batch; on the disk when it returns. `only`: it is for this sink alone.
    ///
    /// # Errors
    /// The disk refuses; nothing is stored then.
    pub fn put(
        &self,
        events: &[runtime::Event<'_>],
        recorded: Option<&Recorded<'_>>,
        only: Option<&SinkName>,
    ) -> Result<(), SpoolError> {
        let number = self.inner().next;
        let path = self.path(number);
        let shape = entry::write(&path, events, recorded, only)?;
        let mut inner = self.inner();
        inner.entries.insert(number, Stored { shape, since: Instant::now() });
        inner.next = number + 1;
        drop(inner);
        self.stored.send_replace(number + 1);
        Ok(())
    }

    /// The last-run of the newest batch, if the state was `before` when that was stored: then it is what comes next, and was
    /// perhaps not recorded.
    ///
    /// # Errors
    /// The batch cannot be read.
    pub fn follows(&self, before: &str) -> Result<Option<LastRun>, SpoolError> {
        let Some(newest) = self.inner().entries.keys().next_back().copied() else { return Ok(None) };
        Ok(entry::last_run(&self.path(newest))?
            .filter(|last_run| last_run.before == before)
            .map(entry::StoredLastRun::into_last_run))
    }

    /// Where a sink goes on; one that is new begins with the oldest batch that is here. From now on no batch behind that place goes
    /// before the sink has passed it.
    pub fn enter(&self, sink: &SinkName) -> Position {
        let mut inner = self.inner();
        let oldest = inner.entries.keys().next().copied().unwrap_or(inner.next);
        let beginning = Position { entry: oldest, ..Position::default() };
        inner.positions.entry(sink.clone()).or_insert(beginning).clone()
    }

    /// A sink has everything before this place; on the disk when it returns. Batches that all have passed are deleted.
    ///
    /// # Errors
    /// The disk refuses; after a crash the sink would get some events again.
    pub fn passed(&self, sink: &SinkName, position: Position) -> Result<(), SpoolError> {
        position::write(&self.folder, sink, &position)?;
        self.inner().positions.insert(sink.clone(), position);
        self.release();
        Ok(())
    }

    /// Lets go of what waits for a sink that does not come back.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn forget(&self, sink: &SinkName) -> Result<(), SpoolError> {
        position::delete(&self.folder, sink)?;
        self.inner().positions.remove(sink);
        self.release();
        Ok(())
    }

    /// Sinks that have a place here, and how many events wait for each.
    pub fn waiting(&self) -> Vec<(SinkName, u64)> {
        let inner = self.inner();
        inner.positions.iter().map(|(name, position)| (name.clone(), inner.behind(position))).collect()
    }

    /// How many events wait behind this place, counted by whole batches.
    pub fn behind(&self, position: &Position) -> u64 {
        self.inner().behind(position)
    }

    /// Whether nothing is left behind this place.
    pub fn is_passed(&self, position: &Position) -> bool {
        position.entry >= self.inner().next
    }

    /// Bytes that are here.
    pub fn bytes(&self) -> u64 {
        self.inner().entries.values().map(|stored| stored.shape.bytes).sum()
    }

    /// How many there may be.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Whether there is no room for another batch.
    pub fn is_full(&self) -> bool {
        self.bytes() >= self.max_bytes
    }

    /// The next events behind `from` that `takes` wants: `max_bytes` of bodies and `max_events` at most, one at least. None where
    /// nothing is there.
    ///
    /// # Errors
    /// A batch cannot be read.
    pub fn read(
        &self,
        sink: &SinkName,
        from: &Position,
        takes: impl Fn(&str) -> bool,
        max_bytes: usize,
        max_events: usize,
    ) -> Result<Option<Piece>, SpoolError> {
        let start = Position { begun: None, ..from.clone() };
        let mut piece = Piece { end: start.clone(), ..Piece::default() };
        let mut bytes = 0;
        loop {
            let (next, stored) = {
                let inner = self.inner();
                (inner.next, inner.entries.get(&piece.end.entry).cloned())
            };
            if piece.end.entry >= next || piece.is_full {
                break;
            }
            // A batch that somebody has moved away.
            let Some(stored) = stored else {
                piece.end = piece.end.in_next_batch();
                continue;
            };
            piece.since.get_or_insert(stored.since);
            if stored.shape.only.as_ref().is_some_and(|only| only != sink.as_str()) {
                piece.end = piece.end.in_next_batch();
                continue;
            }
            let at = piece.end.offset.max(stored.shape.first);
            let mut reader = entry::Reader::open(&self.path(piece.end.entry), at)?;
            loop {
                if piece.events.len() >= max_events || bytes >= max_bytes {
                    piece.is_full = true;
                    break;
                }
                match reader.next(&takes, max_bytes - bytes, piece.events.is_empty())? {
                    entry::Next::Event(event) => {
                        bytes += event.body.len();
                        piece.events.push(event);
                    }
                    entry::Next::Passed => {}
                    entry::Next::Damaged(damaged) => piece.damaged.push(damaged),
                    entry::Next::TooLarge => {
                        piece.is_full = true;
                        break;
                    }
                    entry::Next::End => break,
                }
                piece.end.offset = reader.offset();
            }
            if !piece.is_full {
                piece.end = piece.end.in_next_batch();
            }
        }
        Ok((piece.end != start).then_some(piece))
    }

    /// Returns once a batch is here that stands behind this place.
    pub async fn stored_behind(&self, position: &Position) {
        let mut next = self.stored.subscribe();
        // The sender lives in `self`.
        let _ = next.wait_for(|next| *next > position.entry).await;
    }

    fn release(&self) {
        let mut inner = self.inner();
        let Some(least) = inner.positions.values().map(|position| position.entry).min() else { return };
        let kept = inner.entries.split_off(&least);
        for (number, _) in std::mem::replace(&mut inner.entries, kept) {
            // One that stays is read again by nobody, and goes at the next start.
            let _ = fs::remove_file(self.path(number));
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.{BATCH}"))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether it can be a part of a name.
fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Inner {
    fn behind(&self, position: &Position) -> u64 {
        self.entries.range(position.entry..).map(|(_, stored)| stored.shape.events).sum()
    }
}

/// The batches of a folder, by number.
fn batches(folder: &Path) -> Result<BTreeMap<u64, PathBuf>, SpoolError> {
    let mut found = BTreeMap::new();
    for entry in folder.read_dir().map_err(DurableError::io("read", folder))? {
        let path = entry.map_err(DurableError::io("read", folder))?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|extension| extension == BATCH)) {
            found.insert(number, path);
        }
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests;
