//! The `last_run` of the Cortex collector, so that a customer moves without a gap.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::LastRunError;
use crate::stream::Stream;
use crate::time::Timestamp;

#[derive(Deserialize)]
struct Position {
    since_datetime: Option<String>,
    next_url: Option<String>,
}

/// The Cortex collector's names.
const NAMES: [(&str, Stream); 3] = [
    ("admin_audits", Stream::AdminAudits),
    ("security_audits", Stream::SecurityAudits),
    ("compliance_officer_events", Stream::Events),
];

/// Where each stream goes on: at the earlier of its `since_datetime` and the start that its link names, since the pages
/// behind the link may be older than what was read of it. None: it is no last-run of that collector.
pub(super) fn read(head: &str) -> Result<Option<BTreeMap<Stream, Timestamp>>, LastRunError> {
    let Ok(Value::Object(object)) = serde_json::from_str::<Value>(head) else { return Ok(None) };
    if object.contains_key("form") || !NAMES.iter().any(|(name, _)| object.contains_key(*name)) {
        return Ok(None);
    }
    let mut positions = BTreeMap::new();
    for (name, stream) in NAMES {
        let Some(value) = object.get(name).filter(|value| !value.is_null()) else { continue };
        let corrupt = |what: &str| LastRunError::Corrupt(format!("`{name}` of the Cortex last_run {what}"));
        let position = Position::deserialize(value).map_err(|error| corrupt(&error.to_string()))?;
        let since = position.since_datetime.filter(|text| !text.is_empty());
        let since = since
            .map(|text| Timestamp::parse_lenient(&text).ok_or_else(|| corrupt("has an unreadable `since_datetime`")))
            .transpose()?;
        let link = position.next_url.filter(|text| !text.is_empty());
        let link = link.map(|text| link_start(&text, stream).ok_or_else(|| corrupt("has an unreadable `next_url`")));
        let link = link.transpose()?.flatten();
        // A link that names no start says nothing; with neither there is nothing to go on from.
        let Some(start) = since.into_iter().chain(link).min() else {
            return Err(corrupt("says no time to go on from"));
        };
        positions.insert(stream, start);
    }
    Ok(Some(positions))
}

/// The start that a link names, if it names one; none: it is no link, or the start cannot be read.
fn link_start(link: &str, stream: Stream) -> Option<Option<Timestamp>> {
    let url = Url::parse(link).ok()?;
    let (start, _) = stream.bounds();
    match url.query_pairs().find(|(name, _)| name == start) {
        Some((_, text)) => Timestamp::parse_lenient(&text).map(Some),
        None => Some(None),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, want: &[(Stream, &str)]) {
        let got: Vec<_> =
            read(head).unwrap().unwrap().into_iter().map(|(stream, at)| (stream, at.to_string())).collect();
        let want: Vec<_> = want.iter().map(|(stream, at)| (*stream, (*at).to_owned())).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn each_stream_goes_on_at_the_earlier_of_its_time_and_its_links_start() {
        check(
            r#"{"admin_audits":{"since_datetime":"2026-01-02T00:00:00.001Z","next_url":""},
                "security_audits":{"since_datetime":"2026-01-02T00:00:00.000Z",
                    "next_url":"https://webexapis.com/v1/admin/securityAudit/events?startTime=2026-01-01T00:00:00.000Z&cursor=x"},
                "compliance_officer_events":{"since_datetime":"2026-01-01T00:00:00.000Z",
                    "next_url":"https://webexapis.com/v1/events?from=2026-01-03T00%3A00%3A00.000Z"}}"#,
            &[
                (Stream::AdminAudits, "2026-01-02T00:00:00.001Z"),
                (Stream::SecurityAudits, "2026-01-01T00:00:00.000Z"),
                (Stream::Events, "2026-01-01T00:00:00.000Z"),
            ],
        );
    }

    #[test]
    fn a_stream_that_it_did_not_collect_begins_anew() {
        check(
            r#"{"admin_audits":{"since_datetime":"2026-01-02T00:00:00Z"},"security_audits":null}"#,
            &[(Stream::AdminAudits, "2026-01-02T00:00:00.000Z")],
        );
    }

    #[test]
    fn one_that_cannot_be_read_is_an_error_and_no_silent_start() {
        for head in [
            r#"{"admin_audits":{"since_datetime":"soon"}}"#,
            r#"{"admin_audits":{"since_datetime":"2026-01-02T00:00:00Z","next_url":"::"}}"#,
            r#"{"admin_audits":{}}"#,
            r#"{"admin_audits":7}"#,
        ] {
            assert!(read(head).is_err(), "{head}");
        }
    }

    #[test]
    fn anything_else_is_none_of_it() {
        for head in ["", "{}", "[]", r#"{"form":1,"admin_audits":{}}"#] {
            assert!(matches!(read(head), Ok(None)), "{head}");
        }
    }
}
