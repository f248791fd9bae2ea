//! What went wrong where: a stream may fail only for a reason of its own or of its user's.

use cisco_webex_plugin::stream::{Stream, User};
use host_harness::simulator::{Endpoint, RequestRecord};

use crate::scenario::{DAY, collected, place_of};

/// How long something that went wrong may be felt: a wait of a day, and one of six hours behind it.
const FELT: i64 = 2 * DAY;

/// What went wrong so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Causes {
    /// When something last went wrong with the stream's own requests.
    streams: [Option<i64>; 3],
    /// When something last went wrong with the user's tokens, or with all of its requests.
    users: [Option<i64>; 2],
    /// Tokens that may be dead by what happened outside.
    may_die: [bool; 2],
    /// Nothing went wrong in this call.
    quiet: bool,
}

const fn index(user: User) -> usize {
    match user {
        User::Admin => 0,
        User::ComplianceOfficer => 1,
    }
}

impl Causes {
    pub(super) fn begin_call(&mut self) {
        self.quiet = true;
    }

    /// The call is cut short.
    pub(super) fn disturbed(&mut self) {
        self.quiet = false;
    }

    /// Whether nothing went wrong since the call began.
    pub(super) fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// A request was answered so; `is_whole`: and the answer arrived.
    pub(super) fn heard(&mut self, record: &RequestRecord, is_whole: bool, now: i64) {
        let is_good = is_whole && record.fault.is_none() && record.status == Some(200);
        if is_good {
            return;
        }
        self.quiet = false;
        let stream = record.endpoint.stream().map(collected);
        match (stream, record.status) {
            // Of the user as a whole: tokens and budget.
            (Some(stream), Some(401)) => {
                // A 401 that has no reason looks like any other.
                if record.fault.is_some() {
                    self.tokens_may_die(stream.user());
                }
                self.of_user(stream.user(), now);
            }
            (Some(stream), Some(423 | 429)) => self.of_user(stream.user(), now),
            (Some(stream), _) => {
                if let Some(at) = self.streams.get_mut(place_of(stream)) {
                    *at = Some(now);
                }
            }
            (None, _) => {
                // Whose token request it was is not recorded; by-id requests are the officer's.
                let all = record.endpoint == Endpoint::AccessToken;
                for user in User::ALL {
                    if all || user == User::ComplianceOfficer || record.status == Some(429) {
                        self.of_user(user, now);
                    }
                    if all {
                        self.tokens_may_die(user);
                    }
                }
            }
        }
    }

    pub(super) fn secrets_failed(&mut self, now: i64) {
        self.quiet = false;
        for user in User::ALL {
            self.of_user(user, now);
            self.tokens_may_die(user);
        }
    }

    pub(super) fn tokens_may_die(&mut self, user: User) {
        if let Some(may) = self.may_die.get_mut(index(user)) {
            *may = true;
        }
    }

    /// Whether the user's tokens may be dead by what happened.
    pub(super) fn may_be_dead(&self, user: User) -> bool {
        self.may_die.get(index(user)).copied().unwrap_or_default()
    }

    fn of_user(&mut self, user: User, now: i64) {
        if let Some(at) = self.users.get_mut(index(user)) {
            *at = Some(now);
        }
    }

    /// Whether the stream may fail now.
    pub(super) fn explain(&self, stream: Stream, now: i64) -> bool {
        let felt = |at: Option<&Option<i64>>| at.copied().flatten().is_some_and(|at| now - at <= FELT);
        felt(self.streams.get(place_of(stream))) || felt(self.users.get(index(stream.user())))
    }
}
