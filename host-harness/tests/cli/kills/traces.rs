//! What a run leaves on the disk, read as the next start reads it, but by other code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use host_harness::simulator::ListedEvent;
use serde_json::Value;

use crate::support::Place;

/// The note of a batch on its way.
pub(super) const MARK: &str = "webex-state/last-run/delivery.json";
const HEAD: &str = "webex-state/last-run/head.json";

/// Stream and id of an event.
pub(super) type Key = (String, String);

pub(super) fn key(line: &str) -> Key {
    let body: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    (text("source_log_type"), text("id"))
}

/// The disk after a run. The file is only appended to, so a look reads what is new.
#[derive(Default)]
pub(super) struct Traces {
    /// The whole lines of the file.
    pub(super) lines: Vec<(Key, String)>,
    /// Their bytes.
    whole: usize,
    /// Bytes behind the last whole line.
    pub(super) torn: usize,
    /// Who holds the state, or held it when it was killed.
    pub(super) holder: Option<String>,
    /// Where the batch begins that was announced and not recorded, in bytes.
    begun: Option<usize>,
}

impl Traces {
    /// Looks again.
    pub(super) fn look(&mut self, place: &Place) {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(place.path("events.ndjson")) {
            assert!(file.metadata().unwrap().len() >= self.whole as u64, "whole lines have gone");
            file.seek(SeekFrom::Start(self.whole as u64)).unwrap();
            file.read_to_end(&mut bytes).unwrap();
        }
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        self.torn = bytes.len() - whole;
        self.whole += whole;
        let text = std::str::from_utf8(&bytes[..whole]).unwrap();
        self.lines.extend(text.lines().map(|line| (key(line), line.to_owned())));

        let holder = place.read("webex-state/collector.lock").trim().to_owned();
        self.holder = Some(holder).filter(|pid| !pid.is_empty());
        let mark = json(place, MARK).filter(|mark| {
            let head = json(place, HEAD).map(|head| head["checksum"].clone()).unwrap_or_else(|| "".into());
            mark["heads"].as_array().unwrap().contains(&head)
        });
        self.begun = mark.map(|mark| {
            let files = mark["files"].as_object().unwrap();
            assert_eq!(files.len(), 1);
            usize::try_from(files.values().next().unwrap().as_u64().unwrap()).unwrap()
        });
    }

    /// Whether a batch was announced and not recorded.
    pub(super) fn marked(&self) -> bool {
        self.begun.is_some()
    }

    /// The lines of that batch.
    pub(super) fn in_hand(&self) -> &[(Key, String)] {
        let Some(begun) = self.begun else { return &[] };
        let (mut start, mut index) = (self.whole, self.lines.len());
        while index > 0 && start > begun {
            index -= 1;
            start -= self.lines[index].1.len() + 1;
        }
        &self.lines[index..]
    }

    /// What the next start has to say.
    pub(super) fn sentence(&self) -> Option<String> {
        let mut found = Vec::new();
        let in_hand = self.in_hand().len();
        if in_hand > 0 {
            found.push(format!(
                "{in_hand} events in events.ndjson are of a batch that was not recorded, and are not written again"
            ));
        }
        if self.torn > 0 {
            found
                .push(format!("cut {} bytes of a torn last line of events.ndjson, whose event comes again", self.torn));
        }
        if let Some(pid) = &self.holder {
            if found.is_empty() {
                found.push("all that it delivered is recorded".to_owned());
            }
            found.insert(0, format!("the last run (pid {pid}) was cut off"));
        }
        (!found.is_empty()).then(|| found.join("; "))
    }
}

/// Whether a line on standard error is about a run before.
pub(super) fn is_about_the_past(line: &str) -> bool {
    ["was cut off", "was not recorded", "torn last line"].iter().any(|words| line.contains(words))
}

/// Lets the half minute pass in which nobody else may refresh. True: somebody had claimed it.
pub(super) fn end_claims(place: &Place) -> bool {
    let mut claimed = false;
    for (name, secret) in place.secrets() {
        let Ok(mut tokens) = serde_json::from_str::<Value>(secret.expose()) else { continue };
        if tokens
            .as_object_mut()
            .and_then(|tokens| tokens.remove("refreshing_until"))
            .is_some_and(|until| !until.is_null())
        {
            claimed = true;
            place.store().set(&name, tokens.to_string().into()).unwrap();
        }
    }
    claimed
}

/// Each event is what the tenant lists, but for the two fields that the plugin adds.
pub(super) fn as_listed(file: &BTreeMap<Key, String>, listed: &[ListedEvent]) {
    let listed: BTreeMap<&str, &str> =
        listed.iter().filter_map(|event| Some((event.id.as_deref()?, &*event.raw))).collect();
    let mut met = BTreeSet::new();
    for ((_, id), line) in file {
        let plain = |text: &str| {
            let mut item: Value = serde_json::from_str(text).unwrap();
            for added in ["_time", "source_log_type"] {
                item.as_object_mut().unwrap().remove(added);
            }
            item
        };
        let (mut delivered, mut listed) = (plain(line), plain(listed[id.as_str()]));
        // What the key service could not decrypt when it was listed was asked for once more, by its id.
        if listed["data"]["errors"].is_object() {
            [&mut delivered, &mut listed].into_iter().for_each(|item| item["data"] = Value::Null);
        }
        assert_eq!(delivered, listed, "{id}");
        met.insert(id.as_str());
    }
    assert_eq!(met.len(), listed.len());
}

/// A file of JSON; none where there is none.
fn json(place: &Place, name: &str) -> Option<Value> {
    let text = place.read(name);
    (!text.is_empty()).then(|| serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}")))
}
