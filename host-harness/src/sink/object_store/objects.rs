//! Which events are in which object, and its bytes.

use crate::sink::Event;
use std::collections::BTreeMap;
use std::io;

use ::object_store::path::Path;
use chrono::{DateTime, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;

/// What Hive, and with it most that reads such folders, takes for "no value".
const NONE: &str = "__HIVE_DEFAULT_PARTITION__";
const HOUR_MS: i64 = 3_600_000;

/// The events of one send, stream and hour. The hour is that in which they happened, and not that of the send, so that a repeat
/// has the same.
pub(super) struct Object<'a> {
    stream: &'a str,
    hour: Option<DateTime<Utc>>,
    events: Vec<&'a Event>,
}

/// The objects of a send.
pub(super) fn of(events: &[Event]) -> Vec<Object<'_>> {
    let mut objects: BTreeMap<(&str, Option<DateTime<Utc>>), Vec<&Event>> = BTreeMap::new();
    for event in events {
        let hour = event.created.map(|at| at.div_euclid(HOUR_MS) * HOUR_MS).and_then(DateTime::from_timestamp_millis);
        objects.entry((&event.stream, hour)).or_default().push(event);
    }
    objects.into_iter().map(|((stream, hour), events)| Object { stream, hour, events }).collect()
}

impl Object<'_> {
    /// Where it is stored.
    pub(super) fn path(&self, prefix: &Path, place: &str, gzip: bool) -> Path {
        let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '_' };
        let stream: String = self.stream.chars().map(plain).collect();
        let time = |form: &str| self.hour.map_or_else(|| NONE.to_owned(), |hour| hour.format(form).to_string());
        let end = if gzip { "ndjson.gz" } else { "ndjson" };
        let own = [
            format!("stream={stream}"),
            format!("date={}", time("%Y-%m-%d")),
            format!("hour={}", time("%H")),
            format!("{place}.{end}"),
        ];
        let below = prefix.parts().map(|part| part.as_ref().to_owned()).chain(own);
        Path::from_iter(below)
    }

    /// A line for each event.
    pub(super) fn bytes(&self, gzip: bool) -> io::Result<Vec<u8>> {
        let length: usize = self.events.iter().map(|event| event.body.len() + 1).sum();
        if !gzip {
            let mut lines = Vec::with_capacity(length);
            self.lines(&mut lines)?;
            return Ok(lines);
        }
        let mut packed = GzEncoder::new(Vec::with_capacity(length / 4), Compression::new(1));
        self.lines(&mut packed)?;
        packed.finish()
    }

    fn lines(&self, to: &mut impl io::Write) -> io::Result<()> {
        self.events.iter().try_for_each(|event| {
            to.write_all(event.body.as_bytes())?;
            to.write_all(b"\n")
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn event(stream: &str, created: Option<i64>, body: &str) -> Event {
        Event { id: body.into(), org: String::new(), stream: stream.into(), created, body: body.into() }
    }

    #[test]
    fn a_send_is_an_object_for_each_stream_and_hour_in_the_order_of_the_events() {
        let at = 1_764_300_000_000; // 2025-11-28T03:20:00Z
        let events = [
            event("events", Some(at), "2"),
            event("events", Some(at + HOUR_MS), "{}"),
            event("events", Some(at + 1), "1"),
            event("admin_audits", Some(-1), "{}"),
            event("a/../b", None, "{}"),
        ];
        let objects = of(&events);
        let paths: Vec<String> =
            objects.iter().map(|object| object.path(&Path::from("a/b"), "p", true).to_string()).collect();
        assert_eq!(
            paths,
            [
                format!("a/b/stream=a_.._b/date={NONE}/hour={NONE}/p.ndjson.gz"),
                "a/b/stream=admin_audits/date=1969-12-31/hour=23/p.ndjson.gz".to_owned(),
                "a/b/stream=events/date=2025-11-28/hour=03/p.ndjson.gz".to_owned(),
                "a/b/stream=events/date=2025-11-28/hour=04/p.ndjson.gz".to_owned(),
            ]
        );
        assert_eq!(objects[2].bytes(false).unwrap(), b"2\n1\n");
        assert_eq!(
            objects[2].path(&Path::default(), "p", false).as_ref(),
            "stream=events/date=2025-11-28/hour=03/p.ndjson"
        );
    }
}
