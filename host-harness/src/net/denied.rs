//! Why a request of a plugin was not sent.

use http::HeaderName;
use wasmtime_wasi_http::Error;

/// The rule that a request broke. Holds nothing of the request but the name of a header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No scheme or no host.
    #[error("its address is not absolute")]
    NotAbsolute,
    /// A name or password before the host.
    #[error("its address holds a user name or password")]
    UserInformation,
    /// The allowed origin, written so that another program might read another one.
    #[error("it writes the allowed origin in another way than the settings give it")]
    Spelling,
    /// Any other scheme, host or port.
    #[error("its origin is not allowed")]
    Origin,
    /// `*`, or what else is no path.
    #[error("its path does not begin with /")]
    Path,
    /// Neither GET nor POST.
    #[error("its method is neither GET nor POST")]
    Method,
    /// A header that speaks of the connection, which is the host's.
    #[error("it sets the header `{0}`, which is the host's")]
    Header(HeaderName),
    /// A length that several readers could take for several lengths, or one of a GET.
    #[error("its content-length fits no request that may be made")]
    Length,
    /// Too many requests are open.
    #[error("as many requests as a plugin may have are open")]
    TooMany,
}

impl Denied {
    /// The stable name, for the log.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::NotAbsolute => "not-absolute",
            Self::UserInformation => "user-information",
            Self::Spelling => "spelling",
            Self::Origin => "origin",
            Self::Path => "path",
            Self::Method => "method",
            Self::Header(_) => "header",
            Self::Length => "length",
            Self::TooMany => "too-many",
        }
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Method => Self::HttpRequestMethodInvalid,
            Denied::Path | Denied::NotAbsolute => Self::HttpRequestUriInvalid,
            Denied::TooMany => Self::ConnectionLimitReached,
            _ => Self::HttpRequestDenied,
        }
    }
}
