//! The addresses of list requests.

use url::Url;

use crate::settings::{Lane, Settings};
use crate::stream::Stream;
use crate::time::Timestamp;

/// What to list.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Where.
    pub settings: &'a Settings,
    /// Of which organization; none: of none that is known.
    pub org: Option<&'a str>,
    /// Which stream.
    pub stream: Stream,
    /// Which part of it.
    pub lane: &'a Lane,
    /// From when on; whether that is inclusive nobody says.
    pub from: Timestamp,
    /// Until when; whether that is inclusive nobody says.
    pub to: Timestamp,
}

impl Query<'_> {
    /// The address of the first page, of at most `max` items.
    pub fn first_page(&self, max: u32) -> Url {
        let mut url = self.settings.api.endpoint(self.stream.path());
        {
            let mut query = url.query_pairs_mut();
            query.extend_pairs(self.required()).append_pair("max", &max.min(self.stream.page_size()).to_string());
            if let Some(resource) = &self.lane.resource {
                query.append_pair("resource", resource);
                if resource == "convergedRecordings" {
                    // Mandatory for this resource, with this one value (`webex-api` 1.4).
                    query.append_pair("serviceType", "calling");
                }
            }
            if let Some(filter) = &self.lane.filter {
                query.append_pair(self.stream.filter(), filter);
            }
        }
        url
    }

    /// The parameters that the endpoint requires, which a next link may lack.
    pub fn required(&self) -> Vec<(&'static str, String)> {
        let (start, end) = self.stream.bounds();
        let org = self.org.filter(|_| self.stream.needs_org()).map(|org| ("orgId", org.to_owned()));
        org.into_iter().chain([(start, self.from.to_string()), (end, self.to.to_string())]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{START, settings};
    use crate::time::Span;

    #[track_caller]
    fn check(stream: Stream, lane: &Lane, max: u32, want: &str) {
        let settings = settings(&[]);
        let (from, to) = (START, START + Span::secs(1));
        let query = Query { settings: &settings, org: Some("org-1"), stream, lane, from, to };
        assert_eq!(query.first_page(max).as_str(), format!("https://webexapis.com/v1/{want}"));
    }

    #[test]
    fn every_stream_has_its_own_parameters() {
        let all = Lane::default();
        let some = Lane { filter: Some("USERS,LOGINS".to_owned()), ..Lane::default() };
        let recordings = Lane {
            resource: Some("convergedRecordings".to_owned()),
            filter: Some("created".to_owned()),
            ..Lane::default()
        };
        let (from, to) = ("2026-01-02T00%3A00%3A00.000Z", "2026-01-02T00%3A00%3A01.000Z");
        check(Stream::AdminAudits, &all, 1_000, &format!("adminAudit/events?orgId=org-1&from={from}&to={to}&max=200"));
        check(
            Stream::SecurityAudits,
            &some,
            5,
            &format!(
                "admin/securityAudit/events?orgId=org-1&startTime={from}&endTime={to}&max=5&eventCategories=USERS%2CLOGINS"
            ),
        );
        check(
            Stream::Events,
            &recordings,
            2_000,
            &format!(
                "events?from={from}&to={to}&max=1000&resource=convergedRecordings&serviceType=calling&type=created"
            ),
        );
    }
}
