//! Every code that the host itself says: in its log, in findings of `check`, in health events, on the page and in `/readyz`.
//! docs/errors.md is made from this table, and a test finds a code that is missing here. Codes of the plugin pass through as
//! they are, and stand in the plugin.

/// A code of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its name.
    pub name: &'static str,
    /// What it means.
    pub means: &'static str,
    /// What a person does; empty if nothing.
    pub remedy: &'static str,
}

const fn code(name: &'static str, means: &'static str, remedy: &'static str) -> Code {
    Code { name, means, remedy }
}

/// All of them: collecting, sinks, network, secrets, tenants, `serve`, the plugin's sandbox.
pub const CODES: &[Code] = &[
    // Collecting.
    code(
        "gap",
        "a stretch of time was not and will not be collected, since Webex does not give it any more",
        "nothing can be done about it; the next one is avoided by collecting more often, or by Pro Pack",
    ),
    code("starting", "the first round is under way, so nothing is known yet", "wait for its end"),
    code(
        "not-moving",
        "nothing new is taken up for two intervals, or the first round does not come to its end",
        "see whether rounds end and clocks go on, and the log",
    ),
    code(
        "watermark-stalled",
        "intervals are not drained: on the page and in `/readyz` for 15 minutes or ten intervals, as a health event once the \
         stream is an hour behind",
        "see the stream's failure; `webex-collector last-run show` names the interval. A backlog that is being read comes to its \
         end by itself",
    ),
    code(
        "quiet",
        "Webex answers, and has listed nothing for longer than `collect.quiet_after`",
        "if that is usual, raise it; else see role, scope and settings of the user",
    ),
    code("stream-failing", "health event: a stream cannot be read; `code` says why", "by that code"),
    code("collection-failing", "health event: a round failed as a whole; `code` says why", "by that code"),
    code("reconciliation", "health event: what a day came to, stream by stream", ""),
    code(
        "call-broke-off",
        "a call of the plugin trapped, or took too long or too much; nothing of it is taken, and it is made again",
        "if it comes again, report it with the lines before it",
    ),
    code("collecting-ended", "collecting broke off and begins again", "see the message"),
    code(
        "re-audit-record",
        "the record of re-audits is damaged, so the next one begins now",
        "see what else happened to the disk",
    ),
    code(
        "clock-stopped",
        "this machine's time of day does not move",
        "set this machine's clock going; times and tokens go by it",
    ),
    // Sinks.
    code(
        "sink-failing",
        "a sink takes nothing; it is tried again, with a pause up to a minute",
        "see that the receiver runs and can be reached; nothing is lost meanwhile",
    ),
    code(
        "sink-closed",
        "a sink says that it never will take anything as it is set up, as with a wrong token",
        "mend what it says, at the receiver or in the settings, which are read at the next start; nothing is lost meanwhile",
    ),
    code(
        "sink-refused",
        "a receiver refused events for themselves; they are kept as dead letters",
        "`webex-collector deadletter list`; then mend the receiver and `replay`, or `drop`",
    ),
    code("dead-letters", "refused events are kept", "as `sink-refused`"),
    code("sink-unfit", "a send was refused as a whole and goes in halves", ""),
    code("sink-recalled", "a receiver had events of a send that was cut off; they are not sent again", ""),
    code(
        "sink-missing",
        "events wait for a sink that is not configured any more",
        "configure it again, or `webex-collector spool forget NAME`",
    ),
    code(
        "spool-full",
        "the spool holds `spool.max_bytes`, so nothing more is collected",
        "mend the sinks for which events wait, or raise `spool.max_bytes`",
    ),
    code(
        "spool",
        "the disk refused the note of how far a sink has come; the next note holds for this one, too",
        "see the rights and the space of the state folder",
    ),
    code(
        "not-writable",
        "a folder or file cannot be written",
        "mend its rights, or name another as `state_dir` or as `path` of the sink",
    ),
    // The way to Webex.
    code(
        "request-denied",
        "the plugin made a request that is not allowed; nothing was sent. `reason` says which rule it broke",
        "see `base_url`; with a component of somebody else, do not run it",
    ),
    code(
        "address-denied",
        "a name leads to an address that no plugin may reach; nothing was sent",
        "mend what the name resolves to; for a proxy set `network.proxy`; for that very machine write its address in `base_url`",
    ),
    code("proxy-failed", "the proxy does not serve", "mend `network.proxy` or the proxy, as the line says"),
    code(
        "certificates-not-checked",
        "`network.danger_accept_invalid_certs` is set",
        "take it out; for an authority of your own use `network.ca_file`",
    ),
    // Secrets and users.
    code(
        "token-expires",
        "a refresh token ends within two days",
        "sign that user in again; collecting stops when it ends",
    ),
    code(
        "token",
        "something is wrong with a user's tokens that does not stop them from serving; of an answer over HTTP: `serve.token` is \
         missing or another one",
        "see the message; over HTTP send `Authorization: Bearer TOKEN`, or in a browser the token as password",
    ),
    code(
        "sign-in-failed",
        "a sign-in on the page could not be completed for a reason of this program",
        "see the message; begin it anew",
    ),
    code(
        "key-beside-secrets",
        "the key of the secrets lies in the state folder, so that a copy of the folder opens them",
        "name a place outside of it as `secrets.key`",
    ),
    code(
        "exposed",
        "a settings file holds a secret and can be read by other accounts",
        "`chmod 600` it, or keep the secret in the store",
    ),
    code("secret-denied", "the plugin asked for a secret that it may not use in this way", "report it"),
    // Many tenants, and what is asked over HTTP.
    code("tenant-failed", "a tenant could not have its turn; it is tried again, the others go on", "see the message"),
    code("tenant-refused", "a tenant's file is not taken as it is", "mend what the message names"),
    code(
        "tenants-unlisted",
        "the folder of the tenants cannot be read",
        "see that it is there and can be read; those that are known go on",
    ),
    code("host", "`serve` is asked by a name that is not its own", "add the name to `serve.hosts`"),
    code(
        "origin",
        "a page of somebody else asks `serve` in a browser's name",
        "ask from the page itself, or not from a browser",
    ),
    code("tenant-needed", "a command over HTTP must say whose it is", "add `?tenant=NAME`"),
    code("unknown-tenant", "there is no tenant of that name", "see the page, or `tenants.d`"),
    code("tenant-unusable", "that tenant cannot be asked as it is", "see the message"),
    code("unknown-command", "the plugin has no command of that name", "`GET /commands` lists them"),
    code("not-json", "the body is no JSON object, or is not said to be one", "send `Content-Type: application/json`"),
    code("not-collecting", "nobody collects at this moment who could deliver events", "try again after `Retry-After`"),
    code("undelivered", "events of a command could not be delivered to the sinks", "see the message"),
    // What a plugin causes.
    code("lines-left-out", "a call of the plugin caused more lines than are shown", ""),
    code("plugin-stdout", "a line that the plugin printed", ""),
    code("plugin-stderr", "a line that the plugin printed as an error", ""),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_stands_once_and_says_what_it_means() {
        let names: BTreeSet<_> = CODES.iter().map(|code| code.name).collect();
        assert_eq!(names.len(), CODES.len());
        for Code { name, means, .. } in CODES {
            assert!(!means.is_empty(), "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
        }
    }
}
