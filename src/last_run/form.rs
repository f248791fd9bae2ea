//! The stored form, version 1. It is read for ever: a change is a new version, and an upgrade beside it.
//!
//! The head is JSON. A seen segment with few ids stands in it; a larger one is a part of its own, named by its content, so
//! that what does not change is not written again.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{LaneState, LastRun, LastRunError, Stored, StreamState, UserState};
use crate::item::hex;
use crate::seen::{Seen, SeenKey, Segment};
use crate::settings::Lane;
use crate::stream::{Stream, User};
use crate::time::Timestamp;
use crate::window::Window;

/// The form that is written.
const FORM: u64 = 1;

/// From this many ids on a segment is a part of its own: 4 KiB; below it a file for it would cost more.
const OWN_PART: usize = 512;

#[derive(Deserialize)]
struct AnyHead {
    form: u64,
}

#[derive(Serialize, Deserialize)]
struct Head {
    form: u64,
    origin: String,
    org: Option<String>,
    began: Timestamp,
    key: String,
    users: BTreeMap<User, UserForm>,
    streams: BTreeMap<Stream, StreamForm>,
}

#[derive(Serialize, Deserialize)]
struct UserForm {
    not_before: Option<Timestamp>,
    rate: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct StreamForm {
    lanes: Vec<LaneForm>,
    seen: Vec<SegmentForm>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remembered: Option<Timestamp>,
    forgotten: u64,
    faults: u32,
    not_before: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
struct LaneForm {
    resource: Option<String>,
    filter: Option<String>,
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
}

/// Reads version 1.
pub(super) fn read(stored: &Stored) -> Result<LastRun, LastRunError> {
    let corrupt = |error: serde_json::Error| LastRunError::Corrupt(error.to_string());
    let AnyHead { form } = serde_json::from_str(&stored.head).map_err(corrupt)?;
    if form > FORM {
        return Err(LastRunError::Newer { found: form, known: FORM });
    }
    let head: Head = serde_json::from_str(&stored.head).map_err(corrupt)?;
    let users =
        head.users.into_iter().map(|(user, form)| (user, UserState { not_before: form.not_before, rate: form.rate }));
    let mut streams = BTreeMap::new();
    for (stream, form) in head.streams {
        streams.insert(stream, read_stream(form, stored)?);
    }
    Ok(LastRun {
        origin: head.origin,
        org: head.org,
        began: head.began,
        key: SeenKey(read_key(&head.key)?),
        users: users.collect(),
        streams,
    })
}

fn read_stream(form: StreamForm, stored: &Stored) -> Result<StreamState, LastRunError> {
    let mut segments = Vec::new();
    for segment in form.seen {
        let SegmentForm { from, to, .. } = segment;
        let body = match (&segment.ids, &segment.part) {
            (Some(ids), None) => ids,
            (None, Some(part)) => part_body(part, stored)?,
            _ => return Err(LastRunError::Corrupt("a seen segment has neither ids nor a part".to_owned())),
        };
        segments.push(Segment { from, to, ids: read_ids(body)? });
    }
    let mut lanes = Vec::new();
    for lane in form.lanes {
        for window in std::iter::once(&lane.window).chain(&lane.re_read) {
            window.verify().map_err(|error| LastRunError::Corrupt(error.to_string()))?;
        }
        lanes.push(LaneState {
            lane: Lane { resource: lane.resource, filter: lane.filter },
            window: lane.window,
            re_read: lane.re_read,
        });
    }
    Ok(StreamState {
        lanes,
        seen: Seen::from_segments(segments, form.forgotten),
        remembered: form.remembered,
        faults: form.faults,
        not_before: form.not_before,
    })
}

/// The part's body, if it is what its name says.
fn part_body<'a>(name: &str, stored: &'a Stored) -> Result<&'a String, LastRunError> {
    let (_, body) = stored
        .parts
        .iter()
        .find(|(part, _)| part == name)
        .ok_or_else(|| LastRunError::Corrupt(format!("part {name} is missing")))?;
    if part_name(body) == name { Ok(body) } else { Err(LastRunError::Corrupt(format!("part {name} has changed"))) }
}

/// Writes the current version.
pub(super) fn write(last_run: &LastRun) -> Stored {
    let mut parts = BTreeMap::new();
    let users =
        last_run.users.iter().map(|(user, state)| (*user, UserForm { not_before: state.not_before, rate: state.rate }));
    let streams = last_run.streams.iter().map(|(stream, state)| (*stream, write_stream(state, &mut parts)));
    let head = Head {
        form: FORM,
        origin: last_run.origin.clone(),
        org: last_run.org.clone(),
        began: last_run.began,
        key: hex(&last_run.key.0),
        users: users.collect(),
        streams: streams.collect(),
    };
    // Writing fails only for maps with keys that are no text, and there are none; an empty head reads as corrupt.
    let head = serde_json::to_string(&head).unwrap_or_default();
    Stored { head, parts: parts.into_iter().collect() }
}

fn write_stream(state: &StreamState, parts: &mut BTreeMap<String, String>) -> StreamForm {
    let lanes = state.lanes.iter().map(|lane| LaneForm {
        resource: lane.lane.resource.clone(),
        filter: lane.lane.filter.clone(),
        window: lane.window.clone(),
        re_read: lane.re_read.clone(),
    });
    let seen = state.seen.segments().iter().map(|segment| {
        let body = write_ids(&segment.ids);
        let form = SegmentForm { from: segment.from, to: segment.to, ids: None, part: None };
        if segment.ids.len() < OWN_PART {
            return SegmentForm { ids: Some(body), ..form };
        }
        let name = part_name(&body);
        parts.insert(name.clone(), body);
        SegmentForm { part: Some(name), ..form }
    });
    StreamForm {
        lanes: lanes.collect(),
        seen: seen.collect(),
        remembered: state.remembered,
        forgotten: state.seen.forgotten(),
        faults: state.faults,
        not_before: state.not_before,
    }
}

fn part_name(body: &str) -> String {
    let mut name = format!("seen-{}", hex(&Sha256::digest(body)));
    // 128 bits name a part of one tenant well enough.
    name.truncate("seen-".len() + 32);
    name
}

fn write_ids(ids: &[u64]) -> String {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    BASE64.encode(bytes)
}

fn read_ids(text: &str) -> Result<Vec<u64>, LastRunError> {
    let bytes = BASE64.decode(text).map_err(|error| LastRunError::Corrupt(error.to_string()))?;
    let (ids, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(LastRunError::Corrupt("a seen segment ends within an id".to_owned()));
    }
    Ok(ids.iter().map(|id| u64::from_le_bytes(*id)).collect())
}

fn read_key(text: &str) -> Result<[u8; 16], LastRunError> {
    let corrupt = || LastRunError::Corrupt("the key is not 32 hexadecimal digits".to_owned());
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(corrupt());
    }
    u128::from_str_radix(text, 16).map(u128::to_be_bytes).map_err(|_| corrupt())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::super::LastRun;
    use super::super::tests::{NOW, full, settings};
    use super::Stored;

    /// A state of version 1 as a release wrote it. It never changes.
    const GOLDEN_HEAD: &str = include_str!("../../tests/golden/last-run-1.json");
    const GOLDEN_PARTS: &str = include_str!("../../tests/golden/last-run-1.parts.json");

    #[test]
    fn version_1_is_read_for_ever() {
        let parts: Vec<(String, String)> = serde_json::from_str(GOLDEN_PARTS).unwrap();
        let stored = Stored { head: GOLDEN_HEAD.trim_end().to_owned(), parts };
        assert_eq!(LastRun::read(Some(&stored), &settings(&[]), NOW, [0; 16]).unwrap(), full());
    }

    #[test]
    fn version_1_is_what_is_written() {
        assert_eq!(full().write().head, GOLDEN_HEAD.trim_end());
    }
}
