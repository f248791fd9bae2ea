//! The one table of what `webex.toml` may hold, and where each key goes. The reader, the template of `init` and the README
//! are made from it.

/// Where a key's value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A setting of the plugin.
    Setting(&'static str),
    /// A secret of the plugin.
    Secret(&'static str),
    /// The host's own.
    Host,
}

/// What may stand behind a key. What it means is checked by whom it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A text such as `10m`.
    Duration,
    /// An array of texts, or one text with commas.
    List,
    /// A text that nobody may see; it is wiped when it is dropped, and a file that holds it is closed to others.
    Secret,
    /// Where the key of the stored secrets is.
    KeySource,
}

impl Kind {
    /// What is expected, with an example.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Text | Self::Secret => "a text in quotes",
            Self::Integer => "a whole number such as 2000",
            Self::Boolean => "true or false",
            Self::Duration => "a length of time in quotes such as \"10m\"",
            Self::List => "an array of texts such as [\"messages\", \"memberships\"]",
            Self::KeySource => "{ file = \"PATH\" }, { env = \"NAME\" } or \"keyring\"",
        }
    }
}

/// Where a value may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// In the file, in the environment, in another file; a secret of the plugin also in the store.
    Anywhere,
    /// In the file, where whoever reads it sees it.
    Here,
    /// Not in the file, which more people read than may know it.
    Elsewhere,
}

/// How the template shows a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// As a line to fill in, with this value.
    Open(&'static str),
    /// As a comment with this value; `None`: the plugin's default.
    Optional(Option<&'static str>),
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Table and name, as `admin.client_id`.
    pub path: &'static str,
    /// Where its value goes.
    pub target: Target,
    /// What may stand behind it.
    pub kind: Kind,
    /// Where its value may stand.
    pub given: Given,
    /// Whether it must be there once its table is.
    pub needed: bool,
    /// Where there are many tenants: whether it holds for the whole program, and not for a tenant.
    pub of_program: bool,
    /// The name in the Cortex collector, where that has one.
    pub cortex: Option<&'static str>,
    /// How the template shows it.
    pub shown: Shown,
    /// One sentence, where the plugin has none or a person of this host needs another.
    pub help: Option<&'static str>,
}

/// What `base_url` is in the table, for the host's own check of it.
pub const BASE_URL: &str = "base_url";
/// The setting of the plugin by which the operator names the origin.
pub const ORIGIN_SETTING: &str = "base_url";
/// The folder of state and secrets.
pub const STATE_DIR: &str = "state_dir";
/// Where the key of the stored secrets is.
pub const SECRETS_KEY: &str = "secrets.key";
/// The pause between two rounds of `collect --follow`.
pub const INTERVAL: &str = "collect.interval";
/// What is read again, and how often.
pub const REAUDIT: &str = "collect.reaudit";
/// How long a stream may list nothing.
pub const QUIET_AFTER: &str = "collect.quiet_after";
/// Where `serve` listens.
pub const SERVE_LISTEN: &str = "serve.listen";
/// What whoever asks it must know.
pub const SERVE_TOKEN: &str = "serve.token";
/// By what names it is reached.
pub const SERVE_HOSTS: &str = "serve.hosts";
/// How many events its page shows.
pub const SERVE_RECENT: &str = "serve.recent_events";
/// Authorities to believe besides the system's.
pub const CA_FILE: &str = "network.ca_file";
/// The proxy.
pub const PROXY: &str = "network.proxy";
/// Who signs in to it.
pub const PROXY_USER: &str = "network.proxy_user";
/// With what.
pub const PROXY_PASSWORD: &str = "network.proxy_password";
/// Who is reached without it.
pub const NO_PROXY: &str = "network.no_proxy";
/// Whether certificates are not checked.
pub const ACCEPT_INVALID_CERTS: &str = "network.danger_accept_invalid_certs";
/// How much may wait in the spool.
pub const SPOOL_MAX_BYTES: &str = "spool.max_bytes";

/// The folder of the tenants' files.
pub const TENANTS_DIR: &str = "tenants.dir";
/// How many tenants have a turn at a time.
pub const SIDE_BY_SIDE: &str = "tenants.side_by_side";

const fn setting(path: &'static str, name: &'static str, kind: Kind) -> Key {
    let shown = Shown::Optional(None);
    let target = Target::Setting(name);
    Key {
        path,
        target,
        kind,
        given: Given::Anywhere,
        needed: false,
        of_program: false,
        cortex: None,
        shown,
        help: None,
    }
}

const fn secret(path: &'static str, name: &'static str) -> Key {
    Key { target: Target::Secret(name), ..setting(path, name, Kind::Secret) }
}

const fn host(path: &'static str, kind: Kind, shown: Shown, help: &'static str) -> Key {
    let (target, given) = (Target::Host, Given::Anywhere);
    Key { path, target, kind, given, needed: false, of_program: false, cortex: None, shown, help: Some(help) }
}

impl Key {
    const fn in_cortex(self, name: &'static str) -> Self {
        Self { cortex: Some(name), ..self }
    }

    const fn open(self, value: &'static str) -> Self {
        Self { shown: Shown::Open(value), ..self }
    }

    const fn needed(self, value: &'static str) -> Self {
        Self { needed: true, ..self.open(value) }
    }

    const fn of_program(self) -> Self {
        Self { of_program: true, ..self }
    }

    const fn example(self, value: &'static str) -> Self {
        Self { shown: Shown::Optional(Some(value)), ..self }
    }

    const fn given(self, given: Given) -> Self {
        Self { given, ..self }
    }

    const fn help(self, text: &'static str) -> Self {
        Self { help: Some(text), ..self }
    }

    /// The table's name, or empty, and the key's own.
    pub fn parts(&self) -> (&'static str, &'static str) {
        self.path.split_once('.').unwrap_or(("", self.path))
    }
}

/// Where an integration of Webex sends the browser after the sign-in; nothing listens there, the address bar shows the code.
const REDIRECT: &str = "\"http://127.0.0.1:8765/callback\"";

/// Every key but those of `[[sink]]`, in the order of the template.
pub const KEYS: &[Key] = &[
    setting(BASE_URL, ORIGIN_SETTING, Kind::Text).in_cortex("base_url").open("\"https://webexapis.com\""),
    host(
        STATE_DIR,
        Kind::Text,
        Shown::Open("\"webex-state\""),
        "Folder of state and tokens, beside this file if relative; closed to other accounts.",
    )
    .of_program(),
    setting("admin.client_id", "admin_credentials", Kind::Text)
        .in_cortex("admin_credentials (identifier)")
        .needed("\"\"")
        .help("Client ID of the integration that a full administrator signs in to."),
    secret("admin.client_secret", "admin_credentials")
        .in_cortex("admin_credentials (password)")
        .needed("{ env = \"WEBEX_ADMIN_CLIENT_SECRET\" }")
        .help("Its client secret."),
    setting("admin.redirect_uri", "admin_app_redirect_uri", Kind::Text)
        .in_cortex("admin_app_redirect_uri")
        .open(REDIRECT),
    setting("admin.org_id", "admin_org_id", Kind::List).in_cortex("admin_org_id").open("\"\""),
    setting("admin.scopes", "admin_scopes", Kind::Text),
    secret("admin.refresh_token", "admin_refresh_token")
        .example("{ file = \"admin.refresh-token\" }")
        .help("Refresh token of a Service App, in place of the sign-in."),
    setting("compliance_officer.client_id", "compliance_officer_credentials", Kind::Text)
        .in_cortex("compliance_officer_credentials (identifier)")
        .needed("\"\"")
        .help("Client ID of the integration that a compliance officer signs in to."),
    secret("compliance_officer.client_secret", "compliance_officer_credentials")
        .in_cortex("compliance_officer_credentials (password)")
        .needed("{ env = \"WEBEX_COMPLIANCE_OFFICER_CLIENT_SECRET\" }")
        .help("Its client secret."),
    setting("compliance_officer.redirect_uri", "compliance_officer_redirect_uri", Kind::Text)
        .in_cortex("compliance_officer_redirect_uri")
        .open(REDIRECT),
    setting("compliance_officer.scopes", "compliance_officer_scopes", Kind::Text),
    secret("compliance_officer.refresh_token", "compliance_officer_refresh_token")
        .example("{ file = \"compliance-officer.refresh-token\" }")
        .help("Refresh token of a Service App, in place of the sign-in."),
    setting("collect.security_audits", "fetch_security_audit_events", Kind::Boolean)
        .in_cortex("fetch_security_audit_events")
        .open("false"),
    setting("collect.first_fetch", "first_fetch", Kind::Duration),
    setting("collect.max_fetch", "max_fetch", Kind::Integer).in_cortex("max_fetch"),
    host(INTERVAL, Kind::Duration, Shown::Optional(Some("\"60s\"")), "Pause between two rounds of `collect --follow`."),
    setting("collect.max_requests", "max_requests", Kind::Integer),
    setting("collect.overlap", "overlap", Kind::Duration),
    setting("collect.lag", "lag", Kind::Duration),
    setting("collect.remember", "remember", Kind::Duration),
    host(
        REAUDIT,
        Kind::Text,
        Shown::Optional(Some("\"24h every 6h\"")),
        "Read so much of the past again so often, and deliver what was listed too late for `overlap`. Absent: never.",
    ),
    host(
        QUIET_AFTER,
        Kind::List,
        Shown::Optional(Some("[\"4 days\", \"security_audits=14 days\"]")),
        "How long a stream may list nothing until `serve` and its metrics warn of it; a stream may have a time of its own. At least 24h.",
    ),
    setting("collect.events_resources", "events_resources", Kind::List).example("[\"messages\", \"memberships\"]"),
    setting("collect.events_types", "events_types", Kind::List).example("[\"created\", \"deleted\"]"),
    setting("collect.admin_categories", "admin_categories", Kind::List).example("[\"USERS\", \"LOGINS\"]"),
    setting("collect.security_categories", "security_categories", Kind::List).example("[\"LOGINS\"]"),
    setting("privacy.message_text", "message_text", Kind::Text),
    host(
        SPOOL_MAX_BYTES,
        Kind::Text,
        Shown::Optional(Some("\"1GiB\"")),
        "How much may wait on the disk for sinks, 64MiB or more. Where it is full, nothing more is collected until a sink has taken \
         some of it. Of each tenant. A single NDJSON file needs no spool.",
    ),
    host(
        SECRETS_KEY,
        Kind::KeySource,
        Shown::Optional(Some("{ file = \"webex-state.key\" }")),
        "Where the key is that seals stored tokens and secrets: a file, an environment variable or \"keyring\". Absent: a file beside \
         `state_dir`, named like it and ending in .key. A file is made at first use.",
    )
    .of_program(),
    host(
        CA_FILE,
        Kind::Text,
        Shown::Optional(Some("\"\"")),
        "PEM file of certificate authorities to believe besides this machine's, beside this file if relative.",
    ),
    host(
        PROXY,
        Kind::Text,
        Shown::Optional(Some("\"\"")),
        "Proxy to reach Webex through, as http://proxy.example.com:3128. The variable HTTPS_PROXY is not read by itself; \
         { env = \"HTTPS_PROXY\" } reads it.",
    ),
    host(PROXY_USER, Kind::Text, Shown::Optional(Some("\"\"")), "Name for the proxy."),
    host(
        PROXY_PASSWORD,
        Kind::Secret,
        Shown::Optional(Some("{ env = \"WEBEX_PROXY_PASSWORD\" }")),
        "Its password; only { env = \"NAME\" } or { file = \"PATH\" }.",
    )
    .given(Given::Elsewhere),
    host(
        NO_PROXY,
        Kind::List,
        Shown::Optional(Some("[]")),
        "Who is reached without the proxy: host names with all below them, addresses, networks such as 10.0.0.0/8.",
    ),
    host(
        ACCEPT_INVALID_CERTS,
        Kind::Boolean,
        Shown::Optional(Some("false")),
        "Believe every certificate: tokens and events can then be read and changed on the way. Each start warns of it.",
    )
    .given(Given::Here),
    host(
        SERVE_LISTEN,
        Kind::Text,
        Shown::Optional(Some("\"127.0.0.1:8765\"")),
        "Address and port of the page, health, metrics and commands of `serve`. Another address than one of this machine alone needs \
         `serve.token`.",
    )
    .of_program(),
    host(
        SERVE_TOKEN,
        Kind::Secret,
        Shown::Optional(Some("{ file = \"serve.token\" }")),
        "What whoever asks `serve` must send as bearer token, or in a browser as password with any name; 16 letters or more. Health needs none.",
    )
    .given(Given::Elsewhere)
    .of_program(),
    host(
        SERVE_HOSTS,
        Kind::List,
        Shown::Optional(Some("[]")),
        "Names by which `serve` is reached, as of a reverse proxy; besides addresses and localhost.",
    )
    .of_program(),
    host(
        SERVE_RECENT,
        Kind::Integer,
        Shown::Optional(Some("20")),
        "How many of the latest events the page shows, as they were delivered; 0 to 200.",
    )
    .of_program(),
    host(
        TENANTS_DIR,
        Kind::Text,
        Shown::Optional(Some("\"tenants.d\"")),
        "Folder with a file NAME.toml for each of many tenants, beside this file if relative. Used if it is there.",
    )
    .given(Given::Here)
    .of_program(),
    host(
        SIDE_BY_SIDE,
        Kind::Integer,
        Shown::Optional(Some("4")),
        "How many tenants may be collected from at the same moment; 1 to 64.",
    )
    .of_program(),
];

/// What `init` asks for beside the users and the sink: nobody guesses it for another.
pub const ASKED: &[&str] = &["collect.security_audits", "privacy.message_text"];

/// The key that gives a setting of the plugin.
pub fn of_setting(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| matches!(key.target, Target::Setting(known) if known == name))
}

/// The key that gives a secret of the plugin.
pub fn of_secret(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| matches!(key.target, Target::Secret(known) if known == name))
}

/// The key with this path.
pub fn of_path(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_path_and_every_target_stands_once() {
        let paths: BTreeSet<_> = KEYS.iter().map(|key| key.path).collect();
        assert_eq!(paths.len(), KEYS.len());
        let targets: BTreeSet<_> =
            KEYS.iter().filter(|key| key.target != Target::Host).map(|key| format!("{:?}", key.target)).collect();
        assert_eq!(targets.len(), KEYS.iter().filter(|key| key.target != Target::Host).count());
    }
}
