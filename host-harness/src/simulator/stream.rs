//! The three event streams, and what differs between their list endpoints.

use std::fmt;

/// A stream of the tenant, each with a list endpoint of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// What administrators did: `GET /v1/adminAudit/events`.
    AdminAudits,
    /// Who signed in and out: `GET /v1/admin/securityAudit/events`.
    SecurityAudits,
    /// Messages, memberships, meetings and so on, for compliance officers: `GET /v1/events`.
    Events,
}

impl Stream {
    /// Every stream.
    pub const ALL: [Self; 3] = [Self::AdminAudits, Self::SecurityAudits, Self::Events];

    /// The path of its list endpoint.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::AdminAudits => "/v1/adminAudit/events",
            Self::SecurityAudits => "/v1/admin/securityAudit/events",
            Self::Events => "/v1/events",
        }
    }

    /// Names of the query parameters that begin and end the window.
    pub(super) fn window_keys(self) -> (&'static str, &'static str) {
        match self {
            Self::AdminAudits | Self::Events => ("from", "to"),
            Self::SecurityAudits => ("startTime", "endTime"),
        }
    }

    /// The largest `max` that the endpoint takes.
    #[must_use]
    pub fn max_cap(self) -> usize {
        match self {
            Self::AdminAudits => 200,
            Self::SecurityAudits | Self::Events => 1000,
        }
    }

    /// Whether a request must name the organization and both ends of its window.
    pub(super) fn is_audit(self) -> bool {
        match self {
            Self::AdminAudits | Self::SecurityAudits => true,
            Self::Events => false,
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdminAudits => "admin audits",
            Self::SecurityAudits => "security audits",
            Self::Events => "events",
        })
    }
}
