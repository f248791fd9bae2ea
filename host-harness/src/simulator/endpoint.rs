//! What the tenant serves, named once.

use http::Method;

use super::stream::Stream;

/// A route of the tenant; what is counted, and where faults are aimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// `GET /v1/adminAudit/events`
    AdminAudits,
    /// `GET /v1/admin/securityAudit/events`
    SecurityAudits,
    /// `GET /v1/events`
    Events,
    /// `GET /v1/events/{id}`
    EventById,
    /// `GET /v1/adminAudit/eventCategories`
    EventCategories,
    /// `GET /v1/organizations`
    Organizations,
    /// `GET /v1/people/me`
    PeopleMe,
    /// `GET /v1/authorize`; `POST`: what the person at its page decides
    Authorize,
    /// `POST /v1/access_token`
    AccessToken,
    /// Anything else: 404.
    Other,
}

impl Endpoint {
    /// The endpoint of a path, and whether it takes the method.
    pub(super) fn of(method: &Method, path: &str) -> (Self, bool) {
        let endpoint = match path {
            "/v1/adminAudit/eventCategories" => Self::EventCategories,
            "/v1/organizations" => Self::Organizations,
            "/v1/people/me" => Self::PeopleMe,
            "/v1/authorize" => Self::Authorize,
            "/v1/access_token" => Self::AccessToken,
            _ => Stream::ALL.into_iter().find(|stream| stream.path() == path).map_or_else(
                || match path.strip_prefix("/v1/events/") {
                    Some(id) if !id.is_empty() && !id.contains('/') => Self::EventById,
                    _ => Self::Other,
                },
                Self::from,
            ),
        };
        let is_right = match endpoint {
            Self::AccessToken => *method == Method::POST,
            Self::Authorize => *method == Method::GET || *method == Method::POST,
            _ => *method == Method::GET,
        };
        (endpoint, is_right)
    }

    /// The stream that this endpoint lists, if it is one of the three.
    #[must_use]
    pub fn stream(self) -> Option<Stream> {
        match self {
            Self::AdminAudits => Some(Stream::AdminAudits),
            Self::SecurityAudits => Some(Stream::SecurityAudits),
            Self::Events => Some(Stream::Events),
            Self::EventById
            | Self::EventCategories
            | Self::Organizations
            | Self::PeopleMe
            | Self::Authorize
            | Self::AccessToken
            | Self::Other => None,
        }
    }
}

impl From<Stream> for Endpoint {
    fn from(stream: Stream) -> Self {
        match stream {
            Stream::AdminAudits => Self::AdminAudits,
            Stream::SecurityAudits => Self::SecurityAudits,
            Stream::Events => Self::Events,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &Method, path: &str, want: (Endpoint, bool)) {
        assert_eq!(Endpoint::of(method, path), want, "{method} {path}");
    }

    #[test]
    fn every_path_has_one_endpoint_and_one_method() {
        check(&Method::GET, "/v1/adminAudit/events", (Endpoint::AdminAudits, true));
        check(&Method::GET, "/v1/admin/securityAudit/events", (Endpoint::SecurityAudits, true));
        check(&Method::GET, "/v1/events", (Endpoint::Events, true));
        check(&Method::POST, "/v1/events", (Endpoint::Events, false));
        check(&Method::GET, "/v1/events/abc", (Endpoint::EventById, true));
        check(&Method::GET, "/v1/events/", (Endpoint::Other, true));
        check(&Method::GET, "/v1/events/a/b", (Endpoint::Other, true));
        check(&Method::POST, "/v1/access_token", (Endpoint::AccessToken, true));
        check(&Method::GET, "/v1/access_token", (Endpoint::AccessToken, false));
        check(&Method::POST, "/v1/authorize", (Endpoint::Authorize, true));
        check(&Method::PUT, "/v1/authorize", (Endpoint::Authorize, false));
        check(&Method::GET, "/events", (Endpoint::Other, true));
    }
}
