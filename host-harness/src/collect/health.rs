//! Events of the collector's own, for sinks with `health_events`: what a person should know, as a SIEM can alert on it.
//!
//! They are the one thing that a sink gets which no answer of the product has held, so they are a stream of their own
//! ([`HEALTH_STREAM`]) and say so in `source_log_type`. A condition is told when it arises and when it is over, a gap each time,
//! and once a day what the day came to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::RoundEnd;
use crate::courier::HEALTH_STREAM;
use crate::durable::{self, DurableError};
use crate::runtime::{Report, in_words, time};
use crate::sink::Event;

/// The file in a tenant's state that keeps what the day came to so far.
const FILE: &str = "health.json";
/// What the events carry as `source_log_type`.
const SOURCE_LOG_TYPE: &str = "Collector Health";
/// A watermark that is further behind than this is told, in milliseconds: an hour is more than any overlap by default, and less
/// than a shift.
const STALLED_MS: u64 = 60 * 60 * 1_000;
/// A day in milliseconds.
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Events that wait to be told; more would be a defect elsewhere.
const MOST: usize = 1_000;

/// What is told, and what the day came to.
#[derive(Debug)]
pub(super) struct Health {
    path: PathBuf,
    day: Day,
    is_new: bool,
    /// Conditions that hold, by kind and stream, with their text.
    conditions: BTreeMap<(String, String), String>,
    events: Vec<Event>,
}

/// What is kept over restarts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Day {
    /// Since when; milliseconds since the epoch.
    since: i64,
    streams: BTreeMap<String, Counts>,
}

/// One stream's day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
    listed: u64,
    delivered: u64,
    repeated: u64,
    late: u64,
    gaps: u64,
}

/// One event before it has an id.
struct Told<'a> {
    kind: &'a str,
    code: &'a str,
    severity: &'a str,
    stream: &'a str,
    text: String,
    remedy: &'a str,
    more: Value,
}

impl Health {
    /// Goes on with what is kept below `state_dir`. What cannot be read begins anew: it is a count, not an event.
    pub(super) fn load(state_dir: &Path, now: i64) -> Self {
        let path = state_dir.join(FILE);
        let kept = durable::read(&path).ok().flatten().and_then(|text| serde_json::from_slice(&text).ok());
        let day = kept.unwrap_or(Day { since: now, streams: BTreeMap::new() });
        Self { path, day, is_new: false, conditions: BTreeMap::new(), events: Vec::new() }
    }

    /// Takes note of a batch that is recorded.
    pub(super) fn note(&mut self, reports: &[Report], now: i64) {
        for report in reports {
            let counts = self.day.streams.entry(report.stream.clone()).or_default();
            counts.listed += report.listed;
            counts.delivered += report.delivered;
            counts.repeated += report.repeated;
            counts.late += report.late;
            counts.gaps += u64::try_from(report.gaps.len()).unwrap_or(u64::MAX);
            self.is_new = true;
            for gap in &report.gaps {
                let text =
                    format!("{} to {} was not and will not be collected: {}", time(gap.from), time(gap.to), gap.reason);
                let more = json!({"from": time(gap.from), "to": time(gap.to)});
                let told = Told {
                    kind: "gap",
                    code: "gap",
                    severity: "error",
                    stream: &report.stream,
                    text,
                    remedy: "",
                    more,
                };
                self.tell(&told, now);
            }
            for warning in &report.warnings {
                let key = ("warning".to_owned(), format!("{} {}", warning.code, report.stream));
                if self.conditions.insert(key, warning.text.clone()).is_none() {
                    let told = Told {
                        kind: "warning",
                        code: &warning.code,
                        severity: "warning",
                        stream: &report.stream,
                        text: warning.text.clone(),
                        remedy: &warning.remedy,
                        more: Value::Null,
                    };
                    self.tell(&told, now);
                }
            }
            match &report.failure {
                Some(failure) => {
                    self.arises(
                        "stream-failing",
                        &failure.code,
                        &report.stream,
                        in_words(failure),
                        &failure.remedy,
                        now,
                    );
                }
                None => self.ends("stream-failing", &report.stream, now),
            }
            match report.lag_ms {
                Some(lag) if lag > STALLED_MS => {
                    let watermark = report.watermark.map_or_else(|| "no time".to_owned(), time);
                    let text = format!("complete only up to {watermark}");
                    let remedy =
                        "a backlog that is being read comes to its end by itself; else see the stream's failures";
                    self.arises("watermark-stalled", "watermark-stalled", &report.stream, text, remedy, now);
                }
                Some(_) => self.ends("watermark-stalled", &report.stream, now),
                None => {}
            }
        }
    }

    /// Takes note of how a round ended.
    pub(super) fn note_end(&mut self, end: &RoundEnd, now: i64) {
        match end {
            RoundEnd::Failed { code, text } => self.arises("collection-failing", code, "", text.clone(), "", now),
            RoundEnd::Ended(_) => self.ends("collection-failing", "", now),
        }
    }

    /// What is to be told after a round; at the first one of a day also what the day before came to.
    pub(super) fn take(&mut self, now: i64) -> Vec<Event> {
        if now.div_euclid(DAY_MS) > self.day.since.div_euclid(DAY_MS) {
            let day = std::mem::replace(&mut self.day, Day { since: now, streams: BTreeMap::new() });
            self.is_new = true;
            for (stream, counts) in &day.streams {
                let Counts { listed, delivered, repeated, late, gaps } = *counts;
                let text = format!(
                    "{delivered} events of {listed} listed items, {repeated} seen before, {late} late, {gaps} gaps"
                );
                let more = json!({
                    "since": time(day.since), "until": time(now), "listed": listed, "delivered": delivered,
                    "repeated": repeated, "late": late, "gaps": gaps,
                });
                let told = Told {
                    kind: "reconciliation",
                    code: "reconciliation",
                    severity: "info",
                    stream,
                    text,
                    remedy: "",
                    more,
                };
                self.tell(&told, now);
            }
        }
        std::mem::take(&mut self.events)
    }

    /// Keeps what the day came to so far.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn keep(&mut self) -> Result<(), DurableError> {
        if std::mem::take(&mut self.is_new) {
            // Numbers and names always have a JSON form.
            durable::replace(&self.path, &serde_json::to_vec(&self.day).unwrap_or_default())?;
        }
        Ok(())
    }

    fn arises(&mut self, kind: &str, code: &str, stream: &str, text: String, remedy: &str, now: i64) {
        let before = self.conditions.insert((kind.to_owned(), stream.to_owned()), code.to_owned());
        if before.as_deref() != Some(code) {
            self.tell(&Told { kind, code, severity: "error", stream, text, remedy, more: Value::Null }, now);
        }
    }

    fn ends(&mut self, kind: &str, stream: &str, now: i64) {
        if let Some(code) = self.conditions.remove(&(kind.to_owned(), stream.to_owned())) {
            let text = "it is over".to_owned();
            let more = json!({"over": true});
            self.tell(&Told { kind, code: &code, severity: "info", stream, text, remedy: "", more }, now);
        }
    }

    fn tell(&mut self, told: &Told<'_>, now: i64) {
        if self.events.len() >= MOST {
            return;
        }
        let Told { kind, code, severity, stream, text, remedy, more } = told;
        let name = format!("{kind}\0{code}\0{stream}\0{now}\0{text}");
        let hash = Sha256::digest(name.as_bytes());
        let id: String = std::iter::once("health-".to_owned())
            .chain(hash.iter().take(16).map(|byte| format!("{byte:02x}")))
            .collect();
        let mut body = Map::new();
        let members = [
            ("id", id.as_str()),
            ("kind", kind),
            ("code", code),
            ("severity", severity),
            ("stream", stream),
            ("text", text),
            ("remedy", remedy),
        ];
        for (name, value) in members.into_iter().filter(|(_, value)| !value.is_empty()) {
            body.insert(name.to_owned(), value.into());
        }
        if let Value::Object(more) = more {
            body.extend(more.clone());
        }
        body.insert("source_log_type".to_owned(), SOURCE_LOG_TYPE.into());
        body.insert("_time".to_owned(), time(now).into());
        let body = Value::Object(body).to_string();
        self.events.push(Event { id, org: String::new(), stream: HEALTH_STREAM.to_owned(), created: Some(now), body });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::collect::totals::sample;
    use crate::runtime::{Gap, Warning};

    fn bodies(events: &[Event]) -> Vec<Value> {
        events.iter().map(|event| serde_json::from_str(&event.body).unwrap()).collect()
    }

    fn kinds(events: &[Event]) -> Vec<(String, bool)> {
        let kind = |body: &Value| (body["kind"].as_str().unwrap().to_owned(), body["over"] == true);
        bodies(events).iter().map(kind).collect()
    }

    #[test]
    fn a_condition_is_told_when_it_arises_and_when_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let mut health = Health::load(folder.path(), 0);
        let failing = || Report { failure: Some(sample::failure("refused")), ..sample::report() };
        let stalled = || Report { lag_ms: Some(STALLED_MS + 1), ..sample::report() };
        let fine = || Report { lag_ms: Some(1), ..sample::report() };
        for report in [failing(), failing(), fine(), fine(), stalled(), stalled(), fine()] {
            health.note(&[report], 1);
        }
        let told = health.take(2);
        let want = [
            ("stream-failing", false),
            ("stream-failing", true),
            ("watermark-stalled", false),
            ("watermark-stalled", true),
        ];
        assert_eq!(kinds(&told), want.map(|(kind, over)| (kind.to_owned(), over)));
        assert!(told.iter().all(|event| event.stream == HEALTH_STREAM));
        assert_eq!(bodies(&told)[0]["source_log_type"], SOURCE_LOG_TYPE);
        assert!(health.take(3).is_empty(), "each once");
    }

    #[test]
    fn a_gap_is_told_each_time_and_a_warning_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut health = Health::load(folder.path(), 0);
        let report = || Report {
            gaps: vec![Gap { from: 0, to: 1_000, reason: "out of reach".into() }],
            warnings: vec![Warning { code: "token-expires".into(), text: "soon".into(), remedy: "sign in".into() }],
            ..sample::report()
        };
        health.note(&[report()], 1);
        health.note(&[report()], 2);
        let told = health.take(3);
        assert_eq!(kinds(&told).iter().map(|(kind, _)| kind.as_str()).collect::<Vec<_>>(), ["gap", "warning", "gap"]);
        let ids: std::collections::BTreeSet<&str> = told.iter().map(|event| event.id.as_str()).collect();
        assert_eq!(ids.len(), 3);
    }

    #[test]
    fn a_round_that_fails_as_a_whole_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut health = Health::load(folder.path(), 0);
        let failed = RoundEnd::Failed { code: "sign-in-needed".into(), text: "sign in".into() };
        for end in [&failed, &failed, &RoundEnd::Ended(crate::collect::End::Idle)] {
            health.note_end(end, 1);
        }
        let told = health.take(2);
        assert_eq!(kinds(&told), [("collection-failing".to_owned(), false), ("collection-failing".to_owned(), true)]);
        assert_eq!(bodies(&told)[0]["code"], "sign-in-needed");
    }

    #[test]
    fn once_a_day_the_counts_are_told_also_over_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut health = Health::load(folder.path(), 0);
        health.note(&[Report { listed: 5, delivered: 3, repeated: 2, ..sample::report() }], 1);
        assert!(health.take(DAY_MS - 1).is_empty());
        health.keep().unwrap();
        let mut health = Health::load(folder.path(), DAY_MS - 1);
        health.note(&[Report { listed: 1, delivered: 1, ..sample::report() }], DAY_MS - 1);
        let told = bodies(&health.take(DAY_MS));
        let [body] = told.as_slice() else { unreachable!("{told:?}") };
        assert_eq!((&body["listed"], &body["delivered"], &body["repeated"]), (&json!(6), &json!(4), &json!(2)));
        assert!(health.take(DAY_MS + 1).is_empty());
    }
}
