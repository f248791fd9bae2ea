//! For whom a token stands, and what the tenant makes of it.

use std::collections::BTreeSet;

use super::super::record::BearerState;

/// For whom a code or token stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Subject {
    pub(in super::super) account: String,
    pub(in super::super) client_id: String,
    pub(in super::super) scopes: BTreeSet<String>,
}

/// What the tenant makes of a bearer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Bearer {
    None,
    Unknown,
    Expired(Subject),
    Revoked(Subject),
    Valid(Subject),
}

impl Bearer {
    pub(in super::super) fn subject(&self) -> Option<&Subject> {
        match self {
            Self::None | Self::Unknown => None,
            Self::Expired(subject) | Self::Revoked(subject) | Self::Valid(subject) => Some(subject),
        }
    }

    pub(in super::super) fn state(&self) -> BearerState {
        match self {
            Self::None => BearerState::None,
            Self::Unknown => BearerState::Unknown,
            Self::Expired(_) => BearerState::Expired,
            Self::Revoked(_) => BearerState::Revoked,
            Self::Valid(_) => BearerState::Valid,
        }
    }
}
