//! The three streams, the two users that read them, and what Webex fixes for each.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// A Webex account that the plugin acts as; each has an integration of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum User {
    /// A full administrator; reads both audit streams.
    Admin,
    /// A compliance officer; reads events.
    ComplianceOfficer,
}

/// One kind of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// `GET /adminAudit/events`
    AdminAudits,
    /// `GET /admin/securityAudit/events`
    SecurityAudits,
    /// `GET /events`
    Events,
}

/// A text that names no user or stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not one of {known}")]
pub struct UnknownName {
    text: String,
    known: &'static str,
}

impl User {
    /// Both, in the order in which people meet them.
    pub const ALL: [Self; 2] = [Self::Admin, Self::ComplianceOfficer];

    /// The name in arguments, settings and failures.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::ComplianceOfficer => "compliance_officer",
        }
    }

    /// The name in sentences.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::ComplianceOfficer => "compliance officer",
        }
    }

    /// The streams that this user reads.
    pub fn streams(self) -> impl Iterator<Item = Stream> {
        Stream::ALL.into_iter().filter(move |stream| stream.user() == self)
    }
}

impl Stream {
    /// All, in the order of reports.
    pub const ALL: [Self; 3] = [Self::AdminAudits, Self::SecurityAudits, Self::Events];

    /// The name in requests, events and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AdminAudits => "admin_audits",
            Self::SecurityAudits => "security_audits",
            Self::Events => "events",
        }
    }

    /// What every event carries as `source_log_type`; the words of the Cortex collector, whose users have rules on them.
    pub const fn source_log_type(self) -> &'static str {
        match self {
            Self::AdminAudits => "Admin Audit Events",
            Self::SecurityAudits => "Security Audit Events",
            Self::Events => "Events",
        }
    }

    /// Who reads it.
    pub const fn user(self) -> User {
        match self {
            Self::AdminAudits | Self::SecurityAudits => User::Admin,
            Self::Events => User::ComplianceOfficer,
        }
    }

    /// Below the API's root (`webex-api` 1.1, 1.3, 1.4).
    pub const fn path(self) -> &'static str {
        match self {
            Self::AdminAudits => "adminAudit/events",
            Self::SecurityAudits => "admin/securityAudit/events",
            Self::Events => "events",
        }
    }

    /// The parameters that bound a request in time, `(start, end)`.
    pub const fn bounds(self) -> (&'static str, &'static str) {
        match self {
            Self::AdminAudits | Self::Events => ("from", "to"),
            Self::SecurityAudits => ("startTime", "endTime"),
        }
    }

    /// The parameter that filters at the server.
    pub const fn filter(self) -> &'static str {
        match self {
            Self::AdminAudits | Self::SecurityAudits => "eventCategories",
            Self::Events => "type",
        }
    }

    /// Whether a request names the organization.
    pub const fn needs_org(self) -> bool {
        matches!(self, Self::AdminAudits | Self::SecurityAudits)
    }

    /// Items a page at most: the endpoint's own maximum; more may be refused (`webex-api` 3.3).
    pub const fn page_size(self) -> u32 {
        match self {
            Self::AdminAudits => 200,
            Self::SecurityAudits | Self::Events => 1_000,
        }
    }

    /// How far back a request may start: audits are kept and served a year (`webex-api` 0 row 7), a day is left for
    /// leap years and clocks. Events have the limit of `EVENTS_WITHOUT_PRO_PACK`, if Webex says so.
    pub const fn reach(self) -> Option<Span> {
        match self {
            Self::AdminAudits | Self::SecurityAudits => Some(Span::days(364)),
            Self::Events => None,
        }
    }
}

/// How far back `/events` goes without Pro Pack: 90 days (`webex-api` 0 row 5) less one for clocks.
pub const EVENTS_WITHOUT_PRO_PACK: Span = Span::days(89);

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for User {
    type Err = UnknownName;

    /// Takes `compliance officer` and other spellings with a space or hyphen, in any case.
    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let name = text.trim().to_ascii_lowercase().replace([' ', '-'], "_");
        let unknown = || UnknownName { text: text.to_owned(), known: "`admin`, `compliance_officer`" };
        Self::ALL.into_iter().find(|user| user.name() == name).ok_or_else(unknown)
    }
}

impl FromStr for Stream {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let unknown = || UnknownName { text: text.to_owned(), known: "`admin_audits`, `security_audits`, `events`" };
        Self::ALL.into_iter().find(|stream| stream.name() == text.trim()).ok_or_else(unknown)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_user_may_be_written_as_people_write_it() {
        for text in ["compliance_officer", "compliance officer", "Compliance Officer", "compliance-officer "] {
            assert_eq!(text.parse(), Ok(User::ComplianceOfficer), "{text}");
        }
        assert_eq!("admin".parse(), Ok(User::Admin));
        let error = "root".parse::<User>().unwrap_err();
        assert_eq!(error.to_string(), "`root` is not one of `admin`, `compliance_officer`");
    }

    #[test]
    fn names_read_back() {
        for stream in Stream::ALL {
            assert_eq!(stream.name().parse(), Ok(stream));
        }
        for user in User::ALL {
            assert_eq!(user.name().parse(), Ok(user));
        }
    }
}
