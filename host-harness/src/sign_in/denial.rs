//! What an authorization server says in place of a code (RFC 6749 section 4.1.2.1).

/// Why there is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denial {
    /// `access_denied`: the person has declined, or the organization does not allow the integration.
    Declined,
    /// `invalid_scope`: the integration is not registered with all scopes that are asked for.
    Scope,
    /// `invalid_request`: something in the link is wrong; mostly the redirect URI.
    Request,
    /// `unauthorized_client` or `unsupported_response_type`: the client is no integration that signs people in.
    Client,
    /// `server_error` or `temporarily_unavailable`: it may work later.
    Unavailable,
    /// Another word.
    Other,
}

impl Denial {
    /// By the value of `error`.
    pub fn of(error: &str) -> Self {
        match error {
            "access_denied" => Self::Declined,
            "invalid_scope" => Self::Scope,
            "invalid_request" => Self::Request,
            "unauthorized_client" | "unsupported_response_type" => Self::Client,
            "server_error" | "temporarily_unavailable" => Self::Unavailable,
            _ => Self::Other,
        }
    }

    /// What happened, for the head of a page.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Declined => "the sign-in was declined",
            Self::Scope => "the integration may not ask for one of the scopes",
            Self::Request => "the link was not accepted",
            Self::Client => "the integration may not sign people in",
            Self::Unavailable => "the sign-in is not available at the moment",
            Self::Other => "the sign-in was refused",
        }
    }

    /// What a person does.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Declined => {
                "sign in again and accept; if nobody has declined, an administrator has to allow the integration in the \
                 organization first"
            }
            Self::Scope => {
                "register the integration with each of the scopes that the settings name, or take from the settings what it \
                 does not have; then sign in again"
            }
            Self::Request => {
                "see that client ID and redirect URI of the settings are those of the integration, letter by letter; then sign \
                 in again"
            }
            Self::Client => "see that the client ID of the settings is that of an integration; then sign in again",
            Self::Unavailable => "sign in again in some minutes",
            Self::Other => "see what the message says; then sign in again",
        }
    }
}
