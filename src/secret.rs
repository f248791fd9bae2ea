//! Values that must not be seen, and the names under which the host keeps them.

use std::fmt;

use crate::stream::User;

/// A value that cannot be printed by accident.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value, for the one header, form or store that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The host's name for one state of a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision(pub String);

/// A secret as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned {
    /// What it is.
    pub value: Secret,
    /// Which state of it.
    pub revision: Revision,
}

/// Every secret that the plugin uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretName {
    /// The client secret of the user's integration; put there by the operator.
    Credentials(User),
    /// A Service App's refresh token; put there by the operator, instead of a sign-in.
    RefreshToken(User),
    /// The user's tokens; written by the plugin.
    Tokens(User),
    /// The user's sign-ins that have begun; written by the plugin.
    SignIns(User),
}

impl SecretName {
    /// All, as `describe` lists them.
    pub fn all() -> impl Iterator<Item = Self> {
        User::ALL.into_iter().flat_map(|user| {
            [Self::Credentials(user), Self::RefreshToken(user), Self::Tokens(user), Self::SignIns(user)]
        })
    }

    /// The name in the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credentials(User::Admin) => "admin_credentials",
            Self::Credentials(User::ComplianceOfficer) => "compliance_officer_credentials",
            Self::RefreshToken(User::Admin) => "admin_refresh_token",
            Self::RefreshToken(User::ComplianceOfficer) => "compliance_officer_refresh_token",
            Self::Tokens(User::Admin) => "admin_tokens",
            Self::Tokens(User::ComplianceOfficer) => "compliance_officer_tokens",
            Self::SignIns(User::Admin) => "admin_sign_ins",
            Self::SignIns(User::ComplianceOfficer) => "compliance_officer_sign_ins",
        }
    }

    /// Whether the plugin writes it.
    pub const fn is_written(self) -> bool {
        matches!(self, Self::Tokens(_) | Self::SignIns(_))
    }

    /// For a form.
    pub fn help(self) -> String {
        let (Self::Credentials(user) | Self::RefreshToken(user) | Self::Tokens(user) | Self::SignIns(user)) = self;
        let user = user.title();
        match self {
            Self::Credentials(_) => format!("Client secret of the {user}'s integration."),
            Self::RefreshToken(_) => {
                format!("Refresh token of a Service App, instead of signing the {user} in. Leave it out otherwise.")
            }
            Self::Tokens(_) => format!("Access and refresh token of the {user}."),
            Self::SignIns(_) => format!("Sign-ins of the {user} that have begun, at most three, for an hour."),
        }
    }
}
