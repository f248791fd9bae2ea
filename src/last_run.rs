//! Where collecting stands: the state that a host stores between two calls and never looks into.
//!
//! `form` writes and reads it, `cortex` takes over that of the Cortex collector.

mod cortex;
mod form;

use std::collections::BTreeMap;

use crate::budget::Spent;
use crate::defect::{self, Defect};
use crate::failure::{Code, Failure, Retry};
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
    /// Name and body; a part never changes under its name.
    pub parts: Vec<(String, String)>,
}

/// A tenant's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastRun {
    /// Of which API the ids and links are.
    pub origin: String,
    /// Of which organization; none: never configured.
    pub org: Option<String>,
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
            org: settings.org.clone(),
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
                let lanes = settings.lanes(stream);
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
        match (&last_run.org, &settings.org) {
            (Some(found), Some(configured)) if found != configured => {
                return Err(LastRunError::ForeignOrg { found: found.clone(), configured: configured.clone() });
            }
            (None, Some(_)) => last_run.org.clone_from(&settings.org),
            _ => {}
        }
        Ok(last_run)
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
        let state = self.streams.entry(stream).or_default();
        let mut old = std::mem::take(&mut state.lanes);
        let asked = now - settings.first_fetch;
        let start = stream.reach().map_or(asked, |reach| asked.max(now - reach));
        if old.iter().all(|known| known.window.is_fresh()) {
            // Nothing was collected yet. If the clock that said where to begin was set back since, it was ahead, and what it
            // left out is collected.
            for known in old.iter_mut().filter(|known| start < known.window.start()) {
                known.window = Window::begin(start);
            }
        }
        let inherited = Window::merged(old.iter().map(|lane| &lane.window));
        for lane in settings.lanes(stream) {
            if let Some(known) = old.iter().find(|known| known.lane == lane) {
                state.lanes.push(known.clone());
                continue;
            }
            if let Some(window) = &inherited
                && !old.iter().any(|known| known.lane.holds(&lane))
                && window.start() < window.frontier()
            {
                let reason = format!("{} were not asked for", lane.name().unwrap_or_else(|| "all others".to_owned()));
                gaps.push(Gap { from: window.start(), to: window.frontier(), reason });
            }
            let window = inherited.clone().unwrap_or_else(|| {
                let mut window = Window::begin(start);
                // Once, though there may be several lanes.
                let mut gap = |from: Timestamp, to: Timestamp, reason: &str| {
                    let gap = Gap { from, to, reason: reason.to_owned() };
                    if from < to && !gaps.contains(&gap) {
                        gaps.push(gap);
                    }
                };
                gap(asked, start, "longer ago than Webex serves");
                gap(began, start, "the stream was turned on late");
                window.note_gaps(&gaps);
                window
            });
            state.lanes.push(LaneState { lane, window, re_read: None });
        }
        gaps
    }

    /// Collects the stream from `since` on again; the gaps are what that skips.
    pub fn reset(&mut self, stream: Stream, settings: &Settings, since: Timestamp, now: Timestamp) -> Vec<Gap> {
        self.prepare(stream, settings, now);
        self.began = self.began.min(since);
        let Some(state) = self.streams.get_mut(&stream) else { return Vec::new() };
        state.not_before = None;
        state.faults = 0;
        state.lanes.iter_mut().flat_map(|lane| lane.window.reset(since)).collect()
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
mod tests {
    use super::*;
    use crate::item::Identity;

    pub(super) const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    pub(super) fn settings(more: &[(&str, &str)]) -> Settings {
        let base = [("admin_credentials", "C1"), ("compliance_officer_credentials", "C2"), ("admin_org_id", "org-1")];
        let pairs = base.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::parse(pairs).unwrap()
    }

    fn begins(last_run: &LastRun, stream: Stream) -> Timestamp {
        last_run.streams[&stream].lanes.iter().map(|lane| lane.window.watermark()).min().unwrap()
    }

    fn window(from: i64, to: i64) -> Window {
        Window::over(NOW + Span::secs(from), NOW + Span::secs(to))
    }

    /// A state in which every field says something.
    pub(super) fn full() -> LastRun {
        let mut last_run = LastRun::begin(&settings(&[]), NOW, [9; 16]);
        let lumps = [crate::budget::Lump::of(NOW, 3)].into();
        let told = Some(crate::budget::Told::of(NOW + Span::secs(60), 2));
        let spent = Spent { rate: Some(250), learned: Some(NOW - Span::secs(5)), lumps, told };
        *last_run.user(User::Admin) = UserState { not_before: Some(NOW + Span::secs(60)), spent };
        for stream in Stream::ALL {
            last_run.prepare(stream, &settings(&[("fetch_security_audit_events", "true")]), NOW);
            let state = last_run.streams.get_mut(&stream).unwrap();
            state.faults = 2;
            state.not_before = Some(NOW + Span::secs(4));
            let lane = &mut state.lanes[0];
            // As long as they were at first when the golden files were written.
            lane.window = lane.window.clone().with_slices_of(Span::days(1));
            lane.window.take_up(NOW, lane.window.frontier());
            lane.window.prove(None);
            let newest = lane.window.cut_newest(0);
            let cursor = crate::window::Cursor {
                link: "https://webexapis.com/v1/events?cursor=abc".to_owned(),
                asked: (NOW, NOW + Span::secs(1)),
                visited: vec![1, u64::MAX],
                empty: 3,
                after_short: false,
            };
            lane.window.advance(newest, cursor);
            lane.window.quarantine(0, NOW, "not-understood");
            lane.window.ask_for_less(0);
            lane.window.note_full_page(200);
            lane.re_read = Some(window(-1_000, -500).with_slices_of(Span::days(1)));
            let interval = lane.window.interval(newest).unwrap().clone();
            let count = if stream == Stream::Events { 5_000_u64 } else { 3 };
            for id in 0..count {
                let id = last_run.key.id(stream, &Identity::Text(id.to_string().into()));
                state.seen.insert(id, None, &interval, None);
            }
        }
        last_run
    }

    fn read(stored: &Stored, more: &[(&str, &str)]) -> Result<LastRun, LastRunError> {
        LastRun::read(Some(stored.clone()), &settings(more), NOW, [0; 16])?.checked()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let last_run = full();
        let stored = last_run.clone().write();
        assert_eq!(read(&stored, &[]).unwrap(), last_run);
        assert!(stored.head.len() < 8_192, "{}", stored.head.len());
        assert!(stored.parts.iter().all(|(name, body)| name.len() <= 64 && body.len() <= 65_536));
    }

    #[test]
    fn a_part_is_named_by_its_content_and_an_unchanged_one_stays() {
        let mut last_run = full();
        let before = last_run.clone().write();
        let state = last_run.streams.get_mut(&Stream::Events).unwrap();
        let interval = state.lanes[0].window.interval(1).unwrap().clone();
        state.seen.insert(crate::seen::SeenId(42), None, &interval, None);
        let after = last_run.write();
        let kept = after.parts.iter().filter(|part| before.parts.contains(part)).count();
        assert_eq!((before.parts.len(), after.parts.len(), kept), (2, 2, 1));
    }

    #[test]
    fn ids_that_nobody_looks_at_pass_through_a_call_without_a_copy() {
        let stored = full().write();
        let texts = |stored: &Stored| {
            let part = |(name, body): &(String, String)| (name.clone(), body.as_ptr() as usize);
            stored.parts.iter().map(part).collect::<BTreeMap<_, _>>()
        };
        let before = texts(&stored);
        let after = LastRun::read(Some(stored), &settings(&[]), NOW, [0; 16]).unwrap().write();
        assert_eq!(texts(&after), before);
    }

    #[test]
    fn a_part_that_stands_in_two_stretches_is_read_for_both() {
        let mut stored = full().write();
        let mut head: serde_json::Value = serde_json::from_str(&stored.head).unwrap();
        let seen = head["streams"]["events"]["seen"].as_array_mut().unwrap();
        let again = seen.iter().find(|segment| segment.get("part").is_some()).unwrap().clone();
        seen.push(again);
        stored.head = head.to_string();
        let (once, twice) = (full(), read(&stored, &[]).unwrap());
        let count = |last_run: &LastRun| last_run.streams[&Stream::Events].seen.segments().len();
        assert_eq!(count(&twice), count(&once) + 1);
    }

    fn error(stored: &Stored, more: &[(&str, &str)]) -> Failure {
        read(stored, more).unwrap_err().into()
    }

    #[test]
    fn ids_that_cannot_be_listed_pass_through_unread_and_few_stay_few() {
        let (overlap, remember) = (Span::secs(600), Span::days(1));
        let mut last_run = LastRun::begin(&settings(&[("first_fetch", "0s")]), NOW, [9; 16]);
        last_run.prepare(Stream::Events, &settings(&[("first_fetch", "0s")]), NOW);
        let mut id = 0;
        for minute in 1..=1_500 {
            let state = last_run.streams.get_mut(&Stream::Events).unwrap();
            state.open(overlap).unwrap();
            let window = &mut state.lanes[0].window;
            let again = window.overlap_begins(overlap, None);
            let from = window.take_up(NOW + Span::secs(60 * minute), again).unwrap();
            window.prove(None);
            window.settle(overlap, from);
            let interval = window.interval(0).unwrap().clone();
            window.drained(0, true);
            for _ in 0..40 {
                id += 1;
                state.seen.insert(crate::seen::SeenId(id), None, &interval, Some(overlap));
            }
            state.forget(overlap, remember);
            let stored = last_run.write();
            assert!(
                stored.head.len() < 16_384 && stored.parts.len() < 64,
                "{} {}",
                stored.head.len(),
                stored.parts.len()
            );
            last_run = LastRun::read(Some(stored), &settings(&[]), NOW, [0; 16]).unwrap();
        }
        let state = last_run.streams.get_mut(&Stream::Events).unwrap();
        state.open(overlap).unwrap();
        assert!((57_600..61_000).contains(&state.seen.len()), "a day and an hour at most: {}", state.seen.len());
        let now = NOW + Span::secs(60 * 1_500);
        assert_eq!(state.remembered, Some(now - remember));
        assert!(!state.seen.contains(crate::seen::SeenId(30_000)), "nothing of that time can be listed");
        assert!(state.seen.contains(crate::seen::SeenId(id - 400)));
        state.lanes[0].re_read = Some(Window::over(now - remember, now));
        state.open(overlap).unwrap();
        assert!(state.seen.contains(crate::seen::SeenId(30_000)), "now it can");
    }

    #[test]
    fn a_state_of_another_origin_or_organization_is_refused() {
        let stored = full().write();
        assert_eq!(error(&stored, &[("base_url", "https://api-usgov.webex.com")]).code, Code::ForeignLastRun);
        assert_eq!(error(&stored, &[("admin_org_id", "org-2")]).code, Code::ForeignLastRun);
    }

    #[test]
    fn a_damaged_or_newer_state_is_refused_and_never_begins_anew() {
        let stored = full().write();
        let mut damaged = vec![String::new(), "{}".to_owned(), "null".to_owned(), "[]".to_owned()];
        damaged.push(stored.head[..stored.head.len() / 2].to_owned());
        damaged.push(stored.head.replace("\"form\":2", "\"form\":99"));
        damaged.push(stored.head.replace("\"frontier\"", "\"Frontier\""));
        for head in damaged {
            let failure = error(&Stored { head: head.clone(), parts: stored.parts.clone() }, &[]);
            assert_eq!(failure.code, Code::CorruptLastRun, "{head}");
        }
        let mut missing = stored.clone();
        missing.parts.pop();
        assert_eq!(error(&missing, &[]).code, Code::CorruptLastRun);
        let mut changed = stored;
        changed.parts[0].1 = changed.parts[0].1.replacen('A', "B", 1);
        assert_eq!(error(&changed, &[]).code, Code::CorruptLastRun);
    }

    #[test]
    fn a_first_fetch_begins_where_the_settings_say() {
        let mut last_run = LastRun::begin(&settings(&[]), NOW, [0; 16]);
        let gaps = last_run.prepare(Stream::AdminAudits, &settings(&[("first_fetch", "2 days")]), NOW);
        assert_eq!(begins(&last_run, Stream::AdminAudits), NOW - Span::days(2));
        assert!(gaps.is_empty());
    }

    #[test]
    fn a_clock_that_was_ahead_before_anything_was_collected_leaves_nothing_out() {
        let more = [("first_fetch", "2 days"), ("events_resources", "messages,rooms")];
        let mut last_run = LastRun::begin(&settings(&[]), NOW + Span::secs(300), [0; 16]);
        last_run.prepare(Stream::Events, &settings(&more), NOW + Span::secs(300));
        last_run.prepare(Stream::Events, &settings(&more), NOW);
        let begun = |last_run: &LastRun| {
            last_run.streams[&Stream::Events].lanes.iter().map(|lane| lane.window.start()).collect::<Vec<_>>()
        };
        assert_eq!(begun(&last_run), [NOW - Span::days(2); 2]);
        last_run.prepare(Stream::Events, &settings(&more), NOW + Span::secs(60));
        assert_eq!(begun(&last_run), [NOW - Span::days(2); 2], "and never begins later than it once did");
        let window = &mut last_run.streams.get_mut(&Stream::Events).unwrap().lanes[0].window;
        window.take_up(NOW, NOW);
        last_run.prepare(Stream::Events, &settings(&more), NOW - Span::days(1));
        assert_eq!(begun(&last_run), [NOW - Span::days(2); 2], "what was begun stays");
    }

    #[test]
    fn a_first_fetch_beyond_what_webex_serves_is_a_gap() {
        let mut last_run = LastRun::begin(&settings(&[]), NOW, [0; 16]);
        let gaps = last_run.prepare(Stream::AdminAudits, &settings(&[("first_fetch", "400 days")]), NOW);
        assert_eq!((gaps[0].from, gaps[0].to), (NOW - Span::days(400), NOW - Span::days(364)));
    }

    #[test]
    fn a_stream_that_is_turned_on_late_is_a_gap() {
        let mut last_run = LastRun::begin(&settings(&[]), NOW - Span::days(30), [0; 16]);
        let gaps = last_run.prepare(Stream::SecurityAudits, &settings(&[]), NOW);
        assert_eq!((gaps[0].from, gaps[0].to), (NOW - Span::days(30), NOW - Span::days(7)));
    }

    #[test]
    fn a_resource_that_was_not_asked_for_before_is_a_gap() {
        let mut last_run = LastRun::begin(&settings(&[]), NOW, [0; 16]);
        let mut gaps = |resources: &str, now| {
            let gaps = last_run.prepare(Stream::Events, &settings(&[("events_resources", resources)]), now);
            let window = &mut last_run.streams.get_mut(&Stream::Events).unwrap().lanes[0].window;
            window.take_up(now, window.frontier());
            window.prove(None);
            gaps.len()
        };
        assert_eq!(gaps("messages", NOW), 0);
        assert_eq!(gaps("messages,rooms", NOW + Span::days(1)), 1);
        assert_eq!(gaps("messages,rooms", NOW + Span::days(2)), 0);
        assert_eq!(gaps("", NOW + Span::days(3)), 1);
        assert_eq!(gaps("tabs", NOW + Span::days(4)), 0);
    }

    #[test]
    fn a_position_of_the_cortex_collector_in_the_future_is_now() {
        let head = r#"{"admin_audits":{"since_datetime":"2099-01-01T00:00:00Z"}}"#;
        let stored = Stored { head: head.to_owned(), parts: Vec::new() };
        let last_run = LastRun::read(Some(stored), &settings(&[]), NOW, [0; 16]).unwrap();
        assert_eq!(begins(&last_run, Stream::AdminAudits), NOW);
    }

    #[test]
    fn a_changed_list_of_resources_goes_on_where_the_old_one_stood() {
        let mut last_run = LastRun::begin(&settings(&[]), NOW, [0; 16]);
        last_run.prepare(Stream::Events, &settings(&[]), NOW);
        let before = begins(&last_run, Stream::Events);
        let later = NOW + Span::days(10);
        last_run.prepare(Stream::Events, &settings(&[("events_resources", "messages,rooms")]), later);
        assert_eq!(last_run.streams[&Stream::Events].lanes.len(), 2);
        assert_eq!(begins(&last_run, Stream::Events), before);
        last_run.prepare(Stream::Events, &settings(&[]), later);
        assert_eq!(begins(&last_run, Stream::Events), before);
    }
}
