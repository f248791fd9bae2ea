//! What a request of a list finds, and how it leads to the next page.

use std::ops::Range;

use cisco_webex_plugin::stream::Stream;
use cisco_webex_plugin::time::Timestamp;
use url::form_urlencoded::{Serializer, parse};

use super::series::Series;

/// `max` where the request has none.
const DEFAULT_MAX: u64 = 100;
/// The parameter of a next link that says behind which event its page begins.
const CURSOR: &str = "cursor";

/// A page.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// Its events; the newest comes first.
    pub(super) numbers: Range<u64>,
    /// The query of the next page, if there is one.
    pub(super) next: Option<String>,
}

/// The page that a query asks for; or why it is refused.
pub(super) fn page(stream: Stream, query: &str, series: &Series, now_ms: i64) -> Result<Page, String> {
    let get = |name: &str| parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value);
    let (from_key, to_key) = stream.bounds();
    let time = |key: &str| {
        let text = get(key).ok_or_else(|| format!("Required request parameter '{key}' is not present"))?;
        Timestamp::parse_rfc3339(&text).map(Timestamp::as_millis).ok_or_else(|| format!("Invalid value for '{key}'"))
    };
    let (from, to) = (time(from_key)?, time(to_key)?);
    if from >= to {
        return Err(format!("'{from_key}' must be before '{to_key}'."));
    }
    let cap = u64::from(stream.page_size());
    let max = get("max").map_or(Ok(DEFAULT_MAX), |text| text.parse()).ok().filter(|max| (1..=cap).contains(max));
    let max = max.ok_or_else(|| format!("'max' must be between 1 and {cap}, inclusive."))?;
    let mut listed = series.within(from, to, now_ms);
    if let Some(cursor) = get(CURSOR) {
        let behind: u64 = cursor.parse().map_err(|_| "Invalid cursor".to_owned())?;
        listed.end = listed.end.min(behind).max(listed.start);
    }
    let start = listed.end.saturating_sub(max).max(listed.start);
    let next = (start > listed.start).then(|| {
        let kept = parse(query.as_bytes()).filter(|(key, _)| key != CURSOR);
        Serializer::new(String::new()).extend_pairs(kept).append_pair(CURSOR, &start.to_string()).finish()
    });
    Ok(Page { numbers: start..listed.end, next })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::super::series::Supply;
    use super::*;

    /// 2026-02-01T00:00:00Z
    const NOW: i64 = 1_769_904_000_000;

    #[test]
    fn the_pages_of_a_window_are_its_events_once_newest_first() {
        for events in [0, 1, 199, 200, 201, 1_234] {
            let series = Series::starting(Supply::Backlog(events), NOW);
            let mut query = "from=2026-01-01T00:00:00.000Z&to=2026-02-01T00:00:00.000Z&max=200&orgId=o".to_owned();
            let (mut found, mut pages) = (Vec::new(), 0);
            loop {
                let page = page(Stream::AdminAudits, &query, &series, NOW).unwrap();
                found.extend(page.numbers.rev());
                pages += 1;
                let Some(next) = page.next else { break };
                query = next;
            }
            assert_eq!(found, (0..events).rev().collect::<Vec<_>>());
            assert_eq!(pages, events.div_ceil(200).max(1));
        }
    }

    #[test]
    fn what_webex_refuses_is_refused() {
        let series = Series::starting(Supply::Backlog(5), NOW);
        let times = "from=2026-01-01T00:00:00.000Z&to=2026-02-01T00:00:00.000Z";
        for wrong in [
            "",
            "from=2026-01-01T00:00:00.000Z",
            "from=soon&to=2026-02-01T00:00:00.000Z",
            "from=2026-02-01T00:00:00.000Z&to=2026-02-01T00:00:00.000Z",
            &format!("{times}&max=0"),
            &format!("{times}&max=201"),
            &format!("{times}&cursor=x"),
        ] {
            assert!(page(Stream::AdminAudits, wrong, &series, NOW).is_err(), "{wrong}");
        }
        assert!(page(Stream::AdminAudits, times, &series, NOW).is_ok());
        assert!(page(Stream::SecurityAudits, times, &series, NOW).is_err(), "its bounds have other names");
    }
}
