//! What a person should know though things go on.

/// A warning: stable code, one sentence, what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// For programs.
    pub code: &'static str,
    /// One sentence.
    pub text: String,
    /// What a person does; empty if nothing.
    pub remedy: String,
}

/// A code that is no failure's: of a warning, of a finding of `check`, or of a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The code.
    pub code: &'static str,
    /// What it means.
    pub means: &'static str,
    /// What a person does; empty if nothing.
    pub remedy: &'static str,
}

const fn known(code: &'static str, means: &'static str, remedy: &'static str) -> Known {
    Known { code, means, remedy }
}

/// Every one that this plugin says, as docs/errors.md shows them; a test finds one that is missing.
pub const KNOWN: &[Known] = &[
    known(
        "refresh-token-expires",
        "a refresh token ends within 14 days and was not renewed",
        "sign that user in again before; collecting goes on meanwhile",
    ),
    known(
        "tokens-not-refreshed",
        "tokens could not be renewed; the access token serves until its end",
        "see the message; it is tried again",
    ),
    known(
        "tokens-not-stored",
        "new tokens could not be written to the store of secrets",
        "see the rights and the space of the state folder",
    ),
    known("tokens-refreshed", "tokens were renewed", ""),
    known("claim-not-released", "a note that tokens are being renewed could not be taken back; it ends by itself", ""),
    known("signed-in", "a user has signed in", ""),
    known(
        "sign-in-lost",
        "Webex could not be asked for tokens, and the begun sign-in could not be kept for another try",
        "begin the sign-in anew",
    ),
    known(
        "clock-skew",
        "this machine's clock and Webex's are apart; from five minutes on `check` fails",
        "set this machine's clock, best by NTP",
    ),
    known("clock-unknown", "`check` could not compare the clocks, since Webex was not heard", "see the other findings"),
    known(
        "no-security-audits",
        "Webex answers, but has listed no sign-in for seven days",
        "if anybody has signed in, the organization needs Pro Pack and the Control Hub setting *Allow user authentication data*",
    ),
    known(
        "kms-failure",
        "items could not be decrypted by Webex, also when they were fetched again by id; they are delivered as they are",
        "sign the user in with the scope `spark:kms` if that lasts",
    ),
    known("field-replaced", "items had a field `_time` or `source_log_type` of their own, which was replaced", ""),
    known(
        "organizations-over-budget",
        "there are so many organizations that reading each once takes longer than a minute",
        "set `collect.interval` to no less than the warning says, or let several users read them, each in a tenant of its own",
    ),
    known("organizations-not-listed", "the list of organizations could not be had; the last one is used", ""),
    known(
        "seen-bound",
        "there were more delivered ids than can be remembered; events may come twice",
        "shorten `collect.overlap` or `collect.remember`",
    ),
    known(
        "re-read-shortened",
        "a re-audit began later than asked, since delivered ids of before are not remembered",
        "raise `collect.remember`, or allow repeats",
    ),
    known("retry", "a request is sent again after a fault", ""),
    known(
        "slice-restarted",
        "a slice of time is read again in halves, since its pages could not be read to their end",
        "",
    ),
    known(
        "interval-quarantined",
        "an interval that cannot be cut further cannot be read; it stays owed and is tried again, from 1 min up to every 6 h",
        "if it lasts, give Webex's support the time range; `webex-collector last-run show` has it",
    ),
];
