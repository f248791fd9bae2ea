//! When each stream had an event last, over restarts: a quiet weekend must not begin anew with each of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::clock::Moment;
use crate::durable;

/// The file in a tenant's state.
const FILE: &str = "last-events.json";
/// How often it is written at most.
const PAUSE: Duration = Duration::from_secs(60);

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    streams: BTreeMap<String, Heard>,
}

/// Of one stream; milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Heard {
    /// Since when it is read.
    since: i64,
    /// When an event was delivered last.
    pub(super) last: Option<i64>,
}

impl Heard {
    /// Since when nothing was delivered.
    pub(super) fn silent_since(self) -> i64 {
        self.last.unwrap_or(self.since)
    }
}

/// The file and what is in it.
#[derive(Debug)]
pub(super) struct Memory {
    /// None: nothing is kept.
    path: Option<PathBuf>,
    kept: Kept,
    is_new: bool,
    written: Option<Duration>,
}

impl Memory {
    /// What cannot be read begins anew.
    pub(super) fn load(state_dir: Option<&Path>) -> Self {
        let path = state_dir.map(|folder| folder.join(FILE));
        let text = path.as_ref().and_then(|path| durable::read(path).ok().flatten());
        let kept = text.and_then(|text| serde_json::from_slice(&text).ok());
        Self { path, kept: kept.unwrap_or_default(), is_new: false, written: None }
    }

    /// What is known of a stream.
    pub(super) fn of(&self, stream: &str) -> Option<Heard> {
        self.kept.streams.get(stream).copied()
    }

    /// A stream was read; `delivered`: it had events.
    pub(super) fn note(&mut self, stream: &str, delivered: bool, now: Moment) {
        let last = delivered.then_some(now.wall);
        match self.kept.streams.get_mut(stream) {
            Some(heard) if delivered => heard.last = last,
            Some(_) => return,
            None => drop(self.kept.streams.insert(stream.to_owned(), Heard { since: now.wall, last })),
        }
        self.is_new = true;
    }

    /// Writes it now and then. A disk that refuses is told by what needs it more: the state.
    pub(super) fn keep(&mut self, now: Moment) {
        let Some(path) = &self.path else { return };
        if self.is_new && self.written.is_none_or(|written| now.since >= written + PAUSE) {
            self.is_new = false;
            self.written = Some(now.since);
            // Texts and numbers always have a JSON form.
            let _ = durable::replace(path, &serde_json::to_vec(&self.kept).unwrap_or_default());
        }
    }
}
