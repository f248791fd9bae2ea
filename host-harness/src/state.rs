//! Where collecting stands: one tenant's last-run, replaced atomically, checksummed, with the one before it kept.
//!
//! ```text
//! <state_dir>/last-run/head.json            the last-run: its head, and names and checksums of its parts
//!                      head.previous.json   the one before
//!                      head.damaged.json    one that was stored over though it was not whole
//!                      parts/<name>         texts that they refer to; never changed, deleted when none names them
//!                      delivery.json        while a batch is on its way to the sinks: where it begins in each file
//!             collector.lock                held by the one process that collects
//! ```
//!
//! New parts are on the disk before the head that names them, and old ones go after it, so a crash leaves the last-run of
//! before or the new one. What does not match its checksum is never used, and never taken for "no state yet".

mod delivery;
mod envelope;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::durable::{self, DurableError, Lock};
use crate::runtime::{LastRun, LastRunPart, Parts, is_part_name};
pub use delivery::Begun;
use delivery::Mark;
use envelope::Envelope;
pub use envelope::Fault;
pub(crate) use envelope::checksum;

const HEAD: &str = "head.json";
const PREVIOUS: &str = "head.previous.json";
const DAMAGED: &str = "head.damaged.json";
const PARTS: &str = "parts";
const DELIVERY: &str = "delivery.json";
const LOCK: &str = "collector.lock";
/// How often a reader looks before it calls the state damaged: a collection stores some times a second at most.
const LOOKS: u32 = 3;

/// Why the state cannot be used. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system, or another process.
    #[error(transparent)]
    File(#[from] DurableError),
    /// The text is not what was stored.
    #[error(
        "the state in {path} is damaged ({fault}); {remedy}",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: Fault,
        /// What to do.
        remedy: String,
    },
    /// A newer program wrote it.
    #[error(
        "the state in {path} has the form {format}, this program knows {known}; use the newer program that wrote it, or another `state_dir`",
        path = path.display(), known = envelope::FORMAT
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its form.
        format: u64,
    },
    /// The plugin breaks the contract.
    #[error(
        "the plugin gave a part of last-run a name that the contract does not allow; nothing was stored, report it to those who made the plugin"
    )]
    PartName,
    /// The plugin breaks the contract.
    #[error(
        "the plugin gave part {0} of last-run without its text, and it is not stored; nothing was stored, report it to those who made the plugin"
    )]
    PartText(String),
}

/// The state of one tenant, read only. For looking at it while another process collects.
#[derive(Clone, Debug)]
pub struct State {
    folder: PathBuf,
}

/// The state of one tenant, to be written. One at a time on one machine.
#[derive(Debug)]
pub struct Writer {
    state: State,
    /// Parts that are known to be on the disk as they should, by name, with their checksums.
    known: BTreeMap<String, String>,
    /// By which a mark of a delivery knows the stored head.
    head: String,
    lock: Lock,
}

impl State {
    /// The state below `state_dir`; nothing is read or made yet.
    pub fn at(state_dir: &Path) -> Self {
        Self { folder: state_dir.join("last-run") }
    }

    /// The stored last-run, or none where nothing was ever stored.
    ///
    /// # Errors
    /// It is damaged, or a newer program wrote it.
    pub fn load(&self) -> Result<Option<LastRun>, StateError> {
        // A writer may sweep a part between our look at the head and our look at the part; the newer head does not name it.
        for _ in 1..LOOKS {
            if let Ok(read) = self.read(Texts::All) {
                return Ok(read.map(|(last_run, _)| last_run));
            }
        }
        Ok(self.read(Texts::All)?.map(|(last_run, _)| last_run))
    }

    /// Takes the state for writing. Makes the folder, closed to others, if need be.
    ///
    /// # Errors
    /// Another process has taken it; the folder cannot be made, or others may write to it.
    pub fn writer(&self) -> Result<Writer, StateError> {
        if let Some(state_dir) = self.folder.parent() {
            durable::folder(state_dir)?;
        }
        let lock = Lock::try_take(&self.folder.with_file_name(LOCK))?;
        durable::folder(&self.folder.join(PARTS))?;
        durable::folder(&self.folder)?;
        [&self.folder, &self.folder.join(PARTS)].into_iter().for_each(|folder| durable::sweep(folder));
        Ok(Writer { state: self.clone(), known: BTreeMap::new(), head: String::new(), lock })
    }

    /// A last-run that stands in a file of this form, with its parts beside it: the previous one, or a copy of the folder.
    ///
    /// # Errors
    /// It is damaged, or a newer program wrote it.
    pub fn load_file(path: &Path) -> Result<Option<LastRun>, StateError> {
        let remedy = || "take another copy".to_owned();
        match durable::read(path)? {
            Some(text) => Ok(Some(restore(path, &text, Texts::All, remedy)?.0)),
            None => Ok(None),
        }
    }

    fn read(&self, texts: Texts) -> Result<Option<(LastRun, Envelope)>, StateError> {
        let head = self.folder.join(HEAD);
        match durable::read(&head)? {
            Some(text) => restore(&head, &text, texts, || self.remedy()).map(Some),
            None if self.folder.join(PREVIOUS).exists() => {
                Err(StateError::Damaged { path: head, fault: Fault::Missing, remedy: self.remedy() })
            }
            None => Ok(None),
        }
    }

    fn remedy(&self) -> String {
        let previous = self.folder.join(PREVIOUS);
        if matches!(Self::load_file(&previous), Ok(Some(_))) {
            let path = previous.display();
            format!(
                "run `webex-collector last-run import {path}` to go on from the copy before it (its one batch comes again)"
            )
        } else {
            let stream = "`webex-collector last-run reset --since TIME`";
            format!("move {} away and run {stream} to say where to go on", self.folder.display())
        }
    }
}

impl Writer {
    /// The stored last-run; see [`State::load`]. The texts of its parts were looked at, and stay on the disk: a call gets them
    /// from [`parts`](Self::parts).
    ///
    /// # Errors
    /// As [`State::load`].
    pub fn load(&mut self) -> Result<Option<LastRun>, StateError> {
        let Some((last_run, envelope)) = self.state.read(Texts::Looked)? else { return Ok(None) };
        self.known = envelope.parts().clone();
        self.head = delivery::name(Some(&envelope));
        Ok(Some(last_run))
    }

    /// The texts of parts, wherever they are named.
    pub fn parts(&self) -> Arc<dyn Parts> {
        Arc::new(self.state.clone())
    }

    /// By which a batch in the spool knows the last-run that is stored; empty: there is none.
    pub fn stored(&self) -> &str {
        &self.head
    }

    /// Keeps only the lock, until the next [`load`](Self::load).
    pub fn rest(&mut self) {
        self.known = BTreeMap::new();
        self.head = String::new();
    }

    /// The pid of the process that held the state before, if it ended without letting go.
    pub fn cut_off(&self) -> Option<&str> {
        self.lock.cut_off()
    }

    /// Where the batch begins that the last run was delivering when it ended, if that is not recorded. A mark that cannot be
    /// read says nothing.
    pub fn unrecorded(&self) -> Option<Begun> {
        let text = durable::read(&self.state.folder.join(DELIVERY)).ok()??;
        let head = match durable::read(&self.state.folder.join(HEAD)).ok()? {
            Some(text) => Some(Envelope::parse(&text).ok()?),
            None => None,
        };
        Mark::parse(&text).ok()?.with(&delivery::name(head.as_ref()))
    }

    /// Notes, on the disk when it returns, that a batch goes to the sinks whose last-run is `next`. `lasting`: the note holds also
    /// once `next` is stored, because lines that an earlier run has left are still expected to come again.
    ///
    /// # Errors
    /// The disk refuses; nothing is to be delivered then.
    pub fn delivering(&mut self, next: &LastRun, begun: Begun, lasting: bool) -> Result<(), StateError> {
        let mut heads = vec![self.head.clone()];
        if lasting {
            heads.push(delivery::name(Some(&self.envelope(next)?)));
        }
        let mark = Mark::new(heads, begun);
        Ok(durable::replace(&self.state.folder.join(DELIVERY), &mark.text())?)
    }

    fn envelope(&self, last_run: &LastRun) -> Result<Envelope, StateError> {
        Envelope::of(last_run, &self.known).map_err(StateError::PartText)
    }

    /// Drops the note of [`delivering`](Self::delivering), after the batch is recorded. One that stays is bound to the
    /// last-run before and says nothing any more.
    pub fn delivered(&mut self) {
        let _ = std::fs::remove_file(self.state.folder.join(DELIVERY));
    }

    /// Stores `last_run`; on the disk when it returns. What was stored before is kept if it is whole, as
    /// `head.previous.json`, and set aside as `head.damaged.json` if it is not: the file is returned, none where there was
    /// nothing before.
    ///
    /// # Errors
    /// The disk refuses, or a newer program has written there; what was stored before stands.
    pub fn store(&mut self, last_run: &LastRun) -> Result<Option<PathBuf>, StateError> {
        let envelope = self.envelope(last_run)?;
        if !envelope.parts().keys().all(|name| is_part_name(name)) {
            return Err(StateError::PartName);
        }
        let head = self.state.folder.join(HEAD);
        let before = durable::read(&head)?;
        let whole = match before.as_deref().map(Envelope::parse) {
            Some(Err(Fault::Newer(format))) => return Err(StateError::Newer { path: head, format }),
            // What this process has read or stored is whole; anything else has to show that it is, with its parts.
            Some(Ok(stored)) if delivery::name(Some(&stored)) == self.head => Some(stored),
            Some(Ok(stored)) => before
                .as_deref()
                .filter(|text| restore(&head, text, Texts::Looked, String::new).is_ok())
                .map(|_| stored),
            Some(Err(_)) | None => None,
        };
        self.write_parts(last_run, &envelope)?;

        let kept = before.as_ref().map(|_| self.state.folder.join(if whole.is_some() { PREVIOUS } else { DAMAGED }));
        if let (Some(kept), Some(text)) = (&kept, &before) {
            durable::replace(kept, text)?;
        }
        durable::replace(&head, &envelope.text())?;
        self.head = delivery::name(Some(&envelope));
        self.known = envelope.parts().clone();
        self.known.extend(whole.iter().flat_map(|stored| stored.parts().clone()));
        self.sweep();
        Ok(kept)
    }

    /// Writes the parts that are not on the disk yet.
    fn write_parts(&self, last_run: &LastRun, envelope: &Envelope) -> Result<(), StateError> {
        let parts = self.state.folder.join(PARTS);
        for LastRunPart { name, body } in &last_run.parts {
            if let Some(body) = body
                && self.known.get(name) != envelope.parts().get(name)
            {
                durable::replace(&parts.join(name), body.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Deletes parts that no kept head names. A part that stays is only a bit of disk.
    fn sweep(&self) {
        let mut named = self.known.clone();
        for kept in [PREVIOUS, DAMAGED] {
            let text = durable::read(&self.state.folder.join(kept)).ok().flatten();
            if let Some(Ok(kept)) = text.as_deref().map(Envelope::parse) {
                named.extend(kept.parts().clone());
            }
        }
        let Ok(entries) = self.state.folder.join(PARTS).read_dir() else { return };
        for entry in entries.flatten() {
            if !entry.file_name().to_str().is_some_and(|name| named.contains_key(name)) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

impl Parts for State {
    fn text(&self, name: &str) -> Option<String> {
        String::from_utf8(durable::read(&self.folder.join(PARTS).join(name)).ok()??).ok()
    }
}

/// What becomes of the texts of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Texts {
    /// They come along.
    All,
    /// They are looked at, one by one.
    Looked,
}

/// The last-run of an envelope, with the parts that stand beside it.
fn restore(
    path: &Path,
    text: &[u8],
    texts: Texts,
    remedy: impl Fn() -> String,
) -> Result<(LastRun, Envelope), StateError> {
    let damaged = |path: &Path, fault| StateError::Damaged { path: path.to_owned(), fault, remedy: remedy() };
    let envelope = match Envelope::parse(text) {
        Ok(envelope) => envelope,
        Err(Fault::Newer(format)) => return Err(StateError::Newer { path: path.to_owned(), format }),
        Err(fault) => return Err(damaged(path, fault)),
    };
    let folder = path.with_file_name(PARTS);
    let mut parts = Vec::with_capacity(envelope.parts().len());
    for (name, checksum) in envelope.parts() {
        let file = folder.join(name);
        if !is_part_name(name) {
            return Err(damaged(path, Fault::Form));
        }
        let Some(body) = durable::read(&file)? else { return Err(damaged(&file, Fault::Missing)) };
        if &envelope::checksum(&body) != checksum {
            return Err(damaged(&file, Fault::Checksum));
        }
        let body = String::from_utf8(body).map_err(|_| damaged(&file, Fault::Form))?;
        parts.push(LastRunPart { name: name.clone(), body: (texts == Texts::All).then_some(body) });
    }
    Ok((LastRun { head: envelope.head().to_owned(), parts }, envelope))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests;
