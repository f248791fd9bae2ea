//! Where collecting stands: the state that a host stores between two calls and never looks into.
//!
//! `form` writes and reads it, `cortex` takes over that of the Cortex collector. A part that no call needs passes by its name.

mod cortex;
mod form;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::budget::Spent;
use crate::defect::{self, Defect};
use crate::failure::{Code, Failure, Retry};
use crate::orgs::{Listed, MOST_ORGS, Orgs};
use crate::seen::{Seen, SeenKey, may_list};
use crate::settings::{Lane, Settings};
use crate::stream::{Stream, User};
use crate::time::{Span, Timestamp};
use crate::window::{EDGE, Gap, Window};

/// What a host stores (`wit/types.wit`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Small, another one after each call.
    pub head: String,
    /// Name and text; a part never changes under its name. No text: it stays where it is `kept`.
    pub parts: Vec<(String, Option<String>)>,
    /// Where texts are that did not come along.
    pub kept: Kept,
}

/// Finds the texts of parts by their names. The name is derived from the text, so it does not matter when it is looked up.
#[derive(Clone)]
pub struct Kept(Arc<Find>);

type Find = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Kept {
    /// Asks this.
    pub fn by(find: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(find))
    }

    /// The text of a part.
    pub fn text(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }
}

impl Default for Kept {
    /// Nothing is kept: all texts came along.
    fn default() -> Self {
        Self::by(|_| None)
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept(..)")
    }
}

impl PartialEq for Kept {
    /// What is stored is the same wherever its texts are.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Kept {}

/// A tenant's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    /// Of which API the ids and links are.
    pub origin: String,
    /// The organization that was configured alone, first; none: there was never one, or there were several from the beginning.
    /// Its queries and hashes do not name it.
    pub org: Option<String>,
    /// All organizations that the admin sees, where they are what is read.
    pub listed: Option<Listed>,
    /// When collecting began for the first stream.
    pub began: Timestamp,
    /// Of the seen sets.
    pub key: SeenKey,
    /// What each user has to obey.
    pub users: BTreeMap<User, UserState>,
    /// Of each stream that was ever collected.
    pub streams: BTreeMap<Stream, StreamState>,
}

/// What holds for all requests of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserState {
    /// Webex has asked to wait until then.
    pub not_before: Option<Timestamp>,
    /// Of the budget of requests.
    pub spent: Spent,
}

/// A stream's state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamState {
    /// One for each query.
    pub lanes: Vec<LaneState>,
    /// Of organizations that are not asked for now. If they are again, they go on where they stood.
    pub resting: Vec<LaneState>,
    /// What was delivered.
    pub seen: Seen,
    /// What is listed from here on is all in `seen`; none: nothing was ever forgotten.
    pub remembered: Option<Timestamp>,
    /// Faults in a row.
    pub faults: u32,
    /// Not before this, after a fault.
    pub not_before: Option<Timestamp>,
    /// The last call ended before it came to the backlog.
    pub is_starved: bool,
}

/// A query's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneState {
    /// Which query.
    pub lane: Lane,
    /// What it has collected.
    pub window: Window,
    /// A stretch that is being read again by request.
    pub re_read: Option<Window>,
}

/// Why a stored state is not taken.
#[derive(Debug, thiserror::Error)]
pub enum LastRunError {
    /// No JSON, or a field is missing or impossible.
    #[error("the stored last-run is damaged: {0}")]
    Corrupt(String),
    /// Written by a newer plugin.
    #[error("the stored last-run has form {found}, and this plugin reads forms up to {known}")]
    Newer {
        /// Its form.
        found: u64,
        /// The newest that is read.
        known: u64,
    },
    /// Of another API.
    #[error("the stored last-run is of {found}, and `base_url` is {configured}")]
    ForeignOrigin {
        /// Its origin.
        found: String,
        /// The settings' origin.
        configured: String,
    },
    /// Of another organization.
    #[error("the stored last-run is of organization {found}, and `admin_org_id` is {configured}")]
    ForeignOrg {
        /// Its organization.
        found: String,
        /// The settings' organization.
        configured: String,
    },
}

impl From<LastRunError> for Failure {
    fn from(error: LastRunError) -> Self {
        let (code, remedy) = match &error {
            LastRunError::Corrupt(_) => (
                Code::CorruptLastRun,
                "restore an older copy of the last-run, or remove it to begin anew with `first_fetch`",
            ),
            LastRunError::Newer { .. } => {
                (Code::CorruptLastRun, "use the newer plugin again, or restore an older copy")
            }
            LastRunError::ForeignOrigin { .. } | LastRunError::ForeignOrg { .. } => {
                (Code::ForeignLastRun, "put the setting back, or give the other tenant a state of its own")
            }
        };
        Self { retry: Retry::AfterAChange, ..Self::new(code, &error, remedy) }
    }
}

impl LastRun {
    /// Nothing collected yet. `key` is random.
    pub fn begin(settings: &Settings, now: Timestamp, key: [u8; 16]) -> Self {
        Self {
            origin: settings.api.origin(),
            org: settings.orgs.only().map(str::to_owned),
            listed: None,
            began: now,
            key: SeenKey(key),
            users: BTreeMap::new(),
            streams: BTreeMap::new(),
        }
    }

    /// Reads what was stored, in any form that was ever written, or that of the Cortex collector. None: begins.
    pub fn read(
        stored: Option<Stored>,
        settings: &Settings,
        now: Timestamp,
        key: [u8; 16],
    ) -> Result<Self, LastRunError> {
        let Some(stored) = stored else { return Ok(Self::begin(settings, now, key)) };
        if let Some(positions) = cortex::read(&stored.head)? {
            let mut last_run = Self::begin(settings, now, key);
            for (stream, since) in positions {
                // An event from the future has moved it there; what happens until then is not to be missed.
                let since = since.min(now);
                last_run.began = last_run.began.min(since);
                let lanes = last_run.lanes(stream, settings);
                let lanes =
                    lanes.into_iter().map(|lane| LaneState { lane, window: Window::begin_at(since), re_read: None });
                let state = StreamState { lanes: lanes.collect(), ..StreamState::default() };
                last_run.streams.insert(stream, state);
            }
            return Ok(last_run);
        }
        let mut last_run = form::read(stored)?;
        let origin = settings.api.origin();
        if last_run.origin != origin {
            return Err(LastRunError::ForeignOrigin { found: last_run.origin, configured: origin });
        }
        last_run.belongs_to(settings.orgs.ids(&[]))?;
        if let Some(org) = settings.orgs.only().filter(|_| last_run.known_orgs().next().is_none()) {
            last_run.org = Some(org.to_owned());
        }
        Ok(last_run)
    }

    /// Organizations of which something was read.
    fn known_orgs(&self) -> impl Iterator<Item = &str> {
        let lanes = self.streams.values().flat_map(|state| state.lanes.iter().chain(&state.resting));
        self.org.iter().chain(lanes.filter_map(|lane| lane.lane.org.as_ref())).map(String::as_str)
    }

    /// Whether it is of one of these organizations at least, or of none yet.
    fn belongs_to(&self, orgs: &[String]) -> Result<(), LastRunError> {
        let Some(found) = self.known_orgs().next() else { return Ok(()) };
        match orgs.first() {
            Some(configured) if !self.known_orgs().any(|known| orgs.iter().any(|org| org == known)) => {
                Err(LastRunError::ForeignOrg { found: found.to_owned(), configured: configured.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Takes the organizations that Webex lists for the admin.
    pub fn take_listed(&mut self, ids: Vec<String>, now: Timestamp) -> Result<(), LastRunError> {
        self.belongs_to(&ids)?;
        self.listed = Some(Listed { ids, at: now });
        Ok(())
    }

    /// The queries that cover a stream: of audits those of each organization.
    fn lanes(&self, stream: Stream, settings: &Settings) -> Vec<Lane> {
        let lanes = settings.lanes(stream);
        if !stream.needs_org() || settings.orgs == Orgs::None {
            return lanes;
        }
        let ids = settings.orgs.ids(self.listed.as_ref().map_or(&[], |listed| &listed.ids));
        let of = |org: &String| {
            let org = Some(org).filter(|_| self.org.as_ref() != Some(org)).cloned();
            lanes.iter().map(move |lane| Lane { org: org.clone(), ..lane.clone() }).collect::<Vec<_>>()
        };
        ids.iter().flat_map(of).collect()
    }

    /// Whose events a query lists; none: nobody has said.
    pub fn org_of<'a>(&'a self, lane: &'a Lane, settings: &'a Settings) -> Option<&'a str> {
        match &settings.orgs {
            Orgs::None => None,
            Orgs::One(org) => Some(org),
            Orgs::Several(_) | Orgs::All => lane.org.as_deref().or(self.org.as_deref()),
        }
    }

    /// The same with all that it holds looked at: for a person, who asks whether it is sound.
    pub fn checked(mut self) -> Result<Self, LastRunError> {
        for state in self.streams.values_mut() {
            state.seen.open(|_, _| true)?;
        }
        Ok(self)
    }

    /// The current form, to be stored.
    pub fn write(self) -> Stored {
        form::write(self)
    }

    /// The user's state, made if there is none.
    pub fn user(&mut self, user: User) -> &mut UserState {
        self.users.entry(user).or_default()
    }

    /// Makes the stream's lanes those of the settings; a stream that is new begins `first_fetch` before now. Returns the
    /// gaps that this leaves: a stream that is turned on late, or a first fetch beyond what Webex keeps.
    pub fn prepare(&mut self, stream: Stream, settings: &Settings, now: Timestamp) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let began = self.began;
        let lanes = self.lanes(stream, settings);
        let state = self.streams.entry(stream).or_default();
        let mut old = std::mem::take(&mut state.lanes);
        old.append(&mut state.resting);
        let asked = now - settings.first_fetch;
        let start = stream.reach().map_or(asked, |reach| asked.max(now - reach));
        let skipped = [(asked, "longer ago than Webex serves"), (began, "the stream was turned on late")];
        let skipped = skipped.into_iter().filter(|(from, _)| *from < start);
        let skipped: Vec<_> = skipped.map(|(from, why)| Gap { from, to: start, reason: why.to_owned() }).collect();
        let begin = || {
            let mut window = Window::begin(start);
            window.note_gaps(&skipped);
            window
        };
        if old.iter().all(|known| known.window.is_fresh()) {
            // Nothing was collected yet. If the clock that said where to begin was set back since, it was ahead, and what it
            // left out is collected.
            for known in old.iter_mut().filter(|known| start < known.window.start()) {
                known.window = begin();
            }
        }
        let mut is_new = false;
        for lane in lanes {
            if let Some(known) = old.iter().find(|known| known.lane == lane) {
                state.lanes.push(known.clone());
                continue;
            }
            // The same organization by another query. A new one begins with itself.
            let alike = old.iter().filter(|known| known.lane.org == lane.org).map(|known| &known.window);
            let inherited = Window::merged(alike);
            is_new |= inherited.is_none();
            let mut window = inherited.clone().unwrap_or_else(begin);
            if inherited.is_some()
                && !old.iter().any(|known| known.lane.holds(&lane))
                && window.start() < window.frontier()
            {
                let reason = format!("{} were not asked for", lane.name().unwrap_or_else(|| "all others".to_owned()));
                let gap = Gap { from: window.start(), to: window.frontier(), reason };
                window.note_gaps(std::slice::from_ref(&gap));
                gaps.push(gap);
            }
            state.lanes.push(LaneState { lane, window, re_read: None });
        }
        if is_new {
            // Once, though there may be several lanes.
            gaps.splice(0..0, skipped);
        }
        let is_asked = |org: &Option<String>| state.lanes.iter().any(|lane| lane.lane.org == *org);
        let rest = old.into_iter().filter(|known| !is_asked(&known.lane.org) && !known.window.is_fresh());
        let rest: Vec<_> = rest.take(MOST_ORGS).map(|known| LaneState { re_read: None, ..known }).collect();
        state.resting = rest;
        gaps
    }

    /// Collects the stream from `since` on again; the gaps are what that skips.
    pub fn reset(&mut self, stream: Stream, settings: &Settings, since: Timestamp, now: Timestamp) -> Vec<Gap> {
        let mut gaps = self.prepare(stream, settings, now);
        self.began = self.began.min(since);
        let Some(state) = self.streams.get_mut(&stream) else { return gaps };
        state.not_before = None;
        state.faults = 0;
        gaps.extend(state.lanes.iter_mut().flat_map(|lane| lane.window.reset(since)));
        gaps
    }
}

impl StreamState {
    /// The lowest watermark of its lanes; none: nothing was taken up yet.
    pub fn watermark(&self) -> Option<Timestamp> {
        self.begun().map(|window| window.watermark()).min()
    }

    /// The lowest frontier of its lanes; none: nothing was taken up yet.
    pub fn frontier(&self) -> Option<Timestamp> {
        self.begun().map(|window| window.frontier()).min()
    }

    /// All windows; none as long as only this machine's clock has said where each begins.
    fn begun(&self) -> impl Iterator<Item = &Window> {
        let is_begun = self.lanes.iter().any(|lane| !lane.window.is_fresh());
        self.lanes.iter().filter(move |_| is_begun).map(|lane| &lane.window)
    }

    /// Intervals that are not drained.
    pub fn pending(&self) -> usize {
        self.lanes.iter().map(|lane| lane.window.pending().len()).sum()
    }

    /// Forgets ids that are older than `remember` and that no request can list again: those outside open slices, their edges
    /// and the overlap.
    pub fn forget(&mut self, overlap: Span, remember: Span) {
        let Some(frontier) = self.frontier() else { return };
        let since = self.seen.evict(frontier - remember.max(overlap), listable(&self.lanes, overlap));
        self.remembered = self.remembered.max(Some(since));
    }

    /// Makes the ids ready that requests can list.
    pub fn open(&mut self, overlap: Span) -> Result<(), LastRunError> {
        Ok(self.seen.open(listable(&self.lanes, overlap))?)
    }
}

/// Whether a request of these lanes can list something of a stretch, now or later.
fn listable(lanes: &[LaneState], overlap: Span) -> impl Fn(Timestamp, Timestamp) -> bool {
    move |from, to| {
        lanes.iter().any(|lane| {
            let windows = std::iter::once(&lane.window).chain(&lane.re_read);
            let pending = windows.flat_map(Window::pending).any(|interval| may_list(interval, from, to));
            (pending && !defect::is(Defect::SeenForgetsBacklog))
                || to >= lane.window.rereads_from(overlap) - EDGE.times(2)
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail by panicking")]
mod tests;
