//! The organizations that are read where the settings say all: listed now and then, and remembered.

use crate::client::Client;
use crate::effect::{Io, Level};
use crate::failure::Failure;
use crate::last_run::LastRun;
use crate::orgs::{self, Orgs};
use crate::settings::Settings;
use crate::stream::User;
use crate::time::Span;

/// How long a list holds: a new organization is met this late.
const HOLDS: Span = Span::secs(3_600);

/// When a list that could not be had is asked for again, where an older one is used meanwhile: what keeps Webex from giving one
/// lasts minutes at least, and each call would tell it anew.
const AGAIN: Span = Span::secs(300);

/// Sees that the list is not older than that. Returns why none is known; one that is known is used as long as there is no other.
///
/// # Errors
/// Nothing that is listed was ever read: it is another admin's.
pub(super) async fn look(
    io: &Io,
    settings: &Settings,
    admin: &Client,
    last_run: &mut LastRun,
) -> Result<Option<Failure>, Failure> {
    if settings.orgs != Orgs::All {
        last_run.listed = None;
        return Ok(None);
    }
    let now = io.now();
    let is_fresh = last_run.listed.as_ref().is_some_and(|listed| listed.at <= now && now - listed.at < HOLDS);
    let has_to_wait =
        last_run.users.get(&User::Admin).is_some_and(|user| user.not_before.is_some_and(|time| time > now));
    if is_fresh || (has_to_wait && last_run.listed.is_some()) {
        return Ok(None);
    }
    let failure = match orgs::list_ids(io, settings, admin).await {
        Ok(ids) => {
            last_run.take_listed(ids, now)?;
            return Ok(None);
        }
        Err(failure) => failure,
    };
    let Some(listed) = &mut last_run.listed else { return Ok(Some(failure)) };
    listed.at = now - HOLDS + AGAIN;
    let text = format!("{}; those that were listed before are read", failure.message);
    io.log(Level::Warn, "organizations-not-listed", text);
    Ok(None)
}
