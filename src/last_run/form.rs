//! The stored form, version 2, or 3 where there are several organizations. Each version is read for ever: a change is a new one, and an upgrade beside it.
//!
//! Version 1 had no budget of requests, did not say what is settled, and forgot ids sooner; what it lacks is as it was then.
//! Version 2 did not count the ids of its parts at first; they are counted when it is read.
//!
//! The head is JSON. A seen segment with few ids stands in it; a larger one is a part of its own, named by its content, so
//! that what does not change is not written again.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::{Kept, LaneState, LastRun, LastRunError, Stored, StreamState, UserState};
use crate::budget::{Lump, Spent, Told};
use crate::item::hex;
use crate::orgs::Listed;
use crate::seen::packed::{self, NotPacked, Packed};
use crate::seen::{Seen, SeenKey, Segment};
use crate::settings::Lane;
use crate::stream::{Stream, User};
use crate::time::Timestamp;
use crate::window::Window;

/// The form that is written, and the one where there are several organizations: an older plugin would take all for one.
const FORM: u64 = 2;
const FORM_OF_ORGS: u64 = 3;

/// From this many ids on a segment is a part of its own: 1.4 KB; below it a file for it would cost more.
const OWN_PART: usize = 128;

/// Texts of parts by their names, as far as they came along.
type Parts = BTreeMap<String, Option<String>>;

#[derive(Deserialize)]
struct AnyHead {
    form: u64,
}

#[derive(Serialize, Deserialize)]
struct Head {
    form: u64,
    origin: String,
    org: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    listed: Option<(Timestamp, Vec<String>)>,
    began: Timestamp,
    key: String,
    users: BTreeMap<User, UserForm>,
    streams: BTreeMap<Stream, StreamForm>,
}

#[derive(Serialize, Deserialize)]
struct UserForm {
    not_before: Option<Timestamp>,
    rate: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    learned: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "VecDeque::is_empty")]
    lumps: VecDeque<Lump>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told: Option<Told>,
}

#[derive(Serialize, Deserialize)]
struct StreamForm {
    lanes: Vec<LaneForm>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    resting: Vec<LaneForm>,
    seen: Vec<SegmentForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remembered: Option<Timestamp>,
    forgotten: u64,
    faults: u32,
    not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_starved: bool,
}

#[derive(Serialize, Deserialize)]
struct LaneForm {
    resource: Option<String>,
    filter: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    org: Option<String>,
    window: Window,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    re_read: Option<Window>,
}

#[derive(Serialize, Deserialize)]
struct SegmentForm {
    from: Timestamp,
    to: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ids: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<String>,
    /// Ids of the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    count: Option<usize>,
}

/// Reads versions 1 to 3.
pub(super) fn read(stored: Stored) -> Result<LastRun, LastRunError> {
    let corrupt = |error: serde_json::Error| LastRunError::Corrupt(error.to_string());
    let AnyHead { form } = serde_json::from_str(&stored.head).map_err(corrupt)?;
    if form > FORM_OF_ORGS {
        return Err(LastRunError::Newer { found: form, known: FORM_OF_ORGS });
    }
    let head: Head = serde_json::from_str(&stored.head).map_err(corrupt)?;
    // Maps are filled one by one: collecting sorts first, and each sort is some kilobytes of the component.
    let mut parts = Parts::new();
    for (name, text) in stored.parts {
        parts.insert(name, text);
    }
    let mut users = BTreeMap::new();
    for (user, form) in head.users {
        let spent = Spent { rate: form.rate, learned: form.learned, lumps: form.lumps, told: form.told };
        users.insert(user, UserState { not_before: form.not_before, spent });
    }
    let mut streams = BTreeMap::new();
    for (stream, form) in head.streams {
        streams.insert(stream, read_stream(form, &mut parts, &stored.kept)?);
    }
    Ok(LastRun {
        origin: head.origin,
        org: head.org,
        listed: head.listed.map(|(at, ids)| Listed { ids, at }),
        began: head.began,
        key: SeenKey(read_key(&head.key)?),
        users,
        streams,
    })
}

/// Takes the stream's `parts` out of them: a day of ids is some megabytes, of which a call needs no copy.
fn read_stream(form: StreamForm, parts: &mut Parts, kept: &Kept) -> Result<StreamState, LastRunError> {
    let mut segments = Vec::with_capacity(form.seen.len());
    for segment in form.seen {
        let SegmentForm { from, to, .. } = segment;
        segments.push(match (segment.ids, segment.part) {
            (Some(ids), None) => Segment::open(from, to, packed::read(&ids)?),
            (None, Some(part)) => Segment::packed(from, to, take(part, segment.count, parts, &segments, kept)?),
            _ => return Err(LastRunError::Corrupt("a seen segment has neither ids nor a part".to_owned())),
        });
    }
    Ok(StreamState {
        lanes: read_lanes(form.lanes)?,
        resting: read_lanes(form.resting)?,
        seen: Seen::from_segments(segments, form.forgotten, kept.clone()),
        remembered: form.remembered,
        faults: form.faults,
        not_before: form.not_before,
        is_starved: form.is_starved,
    })
}

fn read_lanes(forms: Vec<LaneForm>) -> Result<Vec<LaneState>, LastRunError> {
    let mut lanes = Vec::with_capacity(forms.len());
    for LaneForm { resource, filter, org, window, re_read } in forms {
        for window in std::iter::once(&window).chain(&re_read) {
            window.verify().map_err(|error| LastRunError::Corrupt(error.to_string()))?;
        }
        lanes.push(LaneState { lane: Lane { resource, filter, org }, window, re_read });
    }
    Ok(lanes)
}

/// The part, as it is: what it holds is looked at when it is needed. One that stands in two stretches was `taken` for the first.
fn take(
    name: String,
    count: Option<usize>,
    parts: &mut Parts,
    taken: &[Segment],
    kept: &Kept,
) -> Result<Packed, NotPacked> {
    let again = || taken.iter().filter_map(Segment::as_packed).find(|packed| packed.name == name).cloned();
    match parts.remove(&name) {
        Some(text) => Packed::stored(name, count, text, kept),
        None => again().ok_or(NotPacked::Missing(name)),
    }
}

impl From<NotPacked> for LastRunError {
    fn from(error: NotPacked) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// Writes the current version.
pub(super) fn write(last_run: LastRun) -> Stored {
    let mut parts = Parts::new();
    let has_orgs = last_run.listed.is_some()
        || last_run
            .streams
            .values()
            .flat_map(|state| state.lanes.iter().chain(&state.resting))
            .any(|l| l.lane.org.is_some());
    let (mut users, mut streams) = (BTreeMap::new(), BTreeMap::new());
    for (user, UserState { not_before, spent: Spent { rate, learned, lumps, told } }) in last_run.users {
        users.insert(user, UserForm { not_before, rate, learned, lumps, told });
    }
    for (stream, state) in last_run.streams {
        streams.insert(stream, write_stream(state, &mut parts));
    }
    let head = Head {
        form: if has_orgs { FORM_OF_ORGS } else { FORM },
        origin: last_run.origin,
        org: last_run.org,
        listed: last_run.listed.map(|Listed { ids, at }| (at, ids)),
        began: last_run.began,
        key: hex(&last_run.key.0),
        users,
        streams,
    };
    // Writing fails only for maps with keys that are no text, and there are none; an empty head reads as corrupt.
    let head = serde_json::to_string(&head).unwrap_or_default();
    Stored { head, parts: parts.into_iter().collect(), kept: Kept::default() }
}

fn write_stream(state: StreamState, parts: &mut Parts) -> StreamForm {
    let forgotten = state.seen.forgotten();
    let seen = state.seen.into_segments().into_iter().map(|segment| {
        let form = SegmentForm { from: segment.from, to: segment.to, ids: None, part: None, count: None };
        if let Some(ids) = segment.ids().filter(|ids| ids.len() < OWN_PART) {
            return SegmentForm { ids: Some(packed::write(ids)), ..form };
        }
        let Packed { name, count, body } = segment.into_packed();
        let text = parts.entry(name.clone()).or_default();
        *text = text.take().or(body);
        SegmentForm { part: Some(name), count: Some(count), ..form }
    });
    StreamForm {
        lanes: write_lanes(state.lanes),
        resting: write_lanes(state.resting),
        seen: seen.collect(),
        remembered: state.remembered,
        forgotten,
        faults: state.faults,
        not_before: state.not_before,
        is_starved: state.is_starved,
    }
}

/// Called twice, and large where it is put into both places.
#[inline(never)]
fn write_lanes(lanes: Vec<LaneState>) -> Vec<LaneForm> {
    let mut forms = Vec::with_capacity(lanes.len());
    for LaneState { lane: Lane { resource, filter, org }, window, re_read } in lanes {
        forms.push(LaneForm { resource, filter, org, window, re_read });
    }
    forms
}

fn read_key(text: &str) -> Result<[u8; 16], LastRunError> {
    let corrupt = || LastRunError::Corrupt("the key is not 32 hexadecimal digits".to_owned());
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(corrupt());
    }
    u128::from_str_radix(text, 16).map(u128::to_be_bytes).map_err(|_| corrupt())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use super::super::tests::{NOW, full, settings};
    use super::*;

    /// A state of each version as a release wrote it. They never change.
    const GOLDEN: [(&str, &str); 3] = [
        (include_str!("../../tests/golden/last-run-1.json"), include_str!("../../tests/golden/last-run-1.parts.json")),
        (include_str!("../../tests/golden/last-run-2.json"), include_str!("../../tests/golden/last-run-2.parts.json")),
        (
            include_str!("../../tests/golden/last-run-2.counted.json"),
            include_str!("../../tests/golden/last-run-2.parts.json"),
        ),
    ];
    const COUNTED: usize = 3;

    fn golden(state: usize) -> Stored {
        let (head, parts) = GOLDEN[state - 1];
        let parts = serde_json::from_str(parts).unwrap();
        Stored { head: head.trim_end().to_owned(), parts, kept: Kept::default() }
    }

    fn read(state: usize) -> LastRun {
        LastRun::read(Some(golden(state)), &settings(&[]), NOW, [0; 16]).unwrap().checked().unwrap()
    }

    #[test]
    fn version_1_is_read_for_ever() {
        let mut want = full();
        for user in want.users.values_mut() {
            user.spent = Spent { rate: user.spent.rate, ..Spent::default() };
        }
        for lane in want.streams.values_mut().flat_map(|state| &mut state.lanes) {
            lane.window.forget_what_version_1_did_not_say();
            lane.re_read.iter_mut().for_each(Window::forget_what_version_1_did_not_say);
        }
        assert_eq!(read(1), want);
    }

    #[test]
    fn version_2_is_read_for_ever() {
        assert_eq!(read(2), full());
        assert_eq!(read(COUNTED), full());
    }

    #[test]
    fn version_2_is_what_is_written() {
        assert_eq!(full().write(), golden(COUNTED));
    }

    #[test]
    fn what_version_1_lacks_is_as_it_was_then() {
        let last_run = read(1);
        let window = &last_run.streams[&Stream::Events].lanes[0].window;
        let overlap = crate::time::Span::secs(600);
        assert_eq!(window.overlap_begins(overlap, None), window.frontier() - overlap);
        assert_eq!(window.rereads_from(overlap), window.frontier() - overlap);
    }
}
