//! What was asked of the tenant: every request, counts, and secrets that turned up where they do not belong.

use std::collections::BTreeMap;

use super::endpoint::Endpoint;

/// One request, as it came in and how it was answered. The bearer's value is never kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// 1 for the first request since the start.
    pub number: u64,
    /// When it came in, by the tenant's clock.
    pub at_ms: i64,
    /// `GET`, `POST` and so on.
    pub method: String,
    /// Path as sent.
    pub path: String,
    /// Query as sent, without the question mark; empty where it held a secret.
    pub query: String,
    /// The query's pairs, decoded; empty where it held a secret.
    pub params: Vec<(String, String)>,
    /// What it was aimed at.
    pub endpoint: Endpoint,
    /// `grant_type` of a token request.
    pub grant_type: Option<String>,
    /// Whose token it carried, if the tenant knows the token.
    pub account: Option<String>,
    /// What the tenant made of its bearer.
    pub bearer: BearerState,
    /// Its headers but `Authorization`, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The status that was sent; none where the connection ended before.
    pub status: Option<u16>,
    /// Items in the answer of a list endpoint.
    pub items: usize,
    /// The fault that it met, as `Debug` shows it.
    pub fault: Option<String>,
}

impl RequestRecord {
    /// The first value of a query parameter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The bearer of a request, without its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerState {
    /// No `Authorization` header, or another scheme.
    None,
    /// A token that works.
    Valid,
    /// A token whose life is over.
    Expired,
    /// A token that was withdrawn.
    Revoked,
    /// A token that this tenant never gave out.
    Unknown,
}

/// How an endpoint was used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointCount {
    /// Requests that came in.
    pub requests: u64,
    /// Answered below 400.
    pub ok: u64,
    /// Answered 400 to 499.
    pub refused: u64,
    /// Answered 500 and above, or cut off before a status.
    pub failed: u64,
    /// Items in its answers.
    pub items: u64,
}

/// A secret that the tenant met where it does not belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leak {
    /// Number of the request; 0 where it was an authorize URL that a person was given.
    pub request: u64,
    /// Which secret and where, without its value.
    pub what: String,
}

/// Everything that was recorded.
#[derive(Debug, Default)]
pub(super) struct Record {
    last_number: u64,
    requests: Vec<RequestRecord>,
    leaks: Vec<Leak>,
}

impl Record {
    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(super) fn request(&mut self, request: RequestRecord) {
        self.requests.push(request);
    }

    /// The latest request, which is not kept any more.
    pub(super) fn take_last(&mut self) -> Option<RequestRecord> {
        self.requests.pop()
    }

    pub(super) fn leak(&mut self, request: u64, what: impl Into<String>) {
        self.leaks.push(Leak { request, what: what.into() });
    }

    pub(super) fn requests(&self) -> &[RequestRecord] {
        &self.requests
    }

    pub(super) fn leaks(&self) -> &[Leak] {
        &self.leaks
    }

    /// Drops the requests, not the leaks.
    pub(super) fn forget_requests(&mut self) {
        self.requests.clear();
    }

    pub(super) fn counts(&self) -> BTreeMap<Endpoint, EndpointCount> {
        let mut counts = BTreeMap::<Endpoint, EndpointCount>::new();
        for request in &self.requests {
            let count = counts.entry(request.endpoint).or_default();
            count.requests += 1;
            count.items += request.items as u64;
            match request.status {
                Some(..400) => count.ok += 1,
                Some(400..500) => count.refused += 1,
                Some(500..) | None => count.failed += 1,
            }
        }
        counts
    }
}
