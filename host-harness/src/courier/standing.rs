//! How a sink stands, for people and for health.

use crate::sink::SinkName;
use crate::spool::{Position, Spool};

/// Whether a receiver takes events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// It does, as far as is known.
    #[default]
    Fine,
    /// It cannot now, and is tried again.
    Failing {
        /// What it said last.
        reason: String,
        /// Since when; milliseconds since the epoch.
        since: i64,
    },
    /// It takes nothing until somebody changes something; it is tried again now and then.
    Closed {
        /// What it said, and what to change.
        reason: String,
        /// Since when; milliseconds since the epoch.
        since: i64,
    },
}

/// One sink of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub name: SinkName,
    /// Where it sends to.
    pub place: String,
    /// Whether it takes events.
    pub condition: Condition,
    /// Events that it has acknowledged since the start.
    pub acknowledged: u64,
    /// Of these, events that it had already.
    pub known: u64,
    /// Events of the spool that are done with since the start, acknowledged or refused.
    pub passed: u64,
    /// Events that wait for it, by whole batches.
    pub waiting: u64,
    /// Events that it has refused since the start.
    pub refused: u64,
    /// Dead letters on the disk.
    pub dead_letters: u64,
    /// When it has acknowledged last; milliseconds since the epoch.
    pub last_acknowledged: Option<i64>,
    pub(super) position: Position,
}

impl Standing {
    /// Of a sink that has done nothing since the start.
    pub(crate) fn begun(name: SinkName, place: String, dead_letters: u64, position: Position) -> Self {
        Self {
            name,
            place,
            condition: Condition::Fine,
            acknowledged: 0,
            known: 0,
            passed: 0,
            waiting: 0,
            refused: 0,
            dead_letters,
            last_acknowledged: None,
            position,
        }
    }

    /// Whether it has everything that is in the spool.
    pub(super) fn is_drained(&self, spool: &Spool) -> bool {
        spool.is_passed(&self.position)
    }

    /// What it has not got, and why.
    pub(super) fn left_in_words(&self) -> String {
        let why = self.trouble().map(|trouble| format!(": {trouble}")).unwrap_or_default();
        format!("{} events wait in the spool for the sink {}{why}", self.waiting, self.name)
    }

    /// What is wrong with it; none where nothing is.
    pub fn trouble(&self) -> Option<&str> {
        match &self.condition {
            Condition::Fine => None,
            Condition::Failing { reason, .. } | Condition::Closed { reason, .. } => Some(reason),
        }
    }
}
