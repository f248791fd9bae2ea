//! What the operator has set: one table of names, kinds and defaults, and the checked form that the rest works with.

use std::collections::BTreeMap;

use crate::api::{Api, DEFAULT_BASE_URL};
use crate::failure::Failure;
use crate::orgs::Orgs;
use crate::stream::{Stream, User};
use crate::time::Span;

/// What a setting's text is (`wit/collector.wit`, `setting-kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented in the contract")]
pub enum Kind {
    Text,
    Integer,
    Boolean,
    Duration,
    Url,
    Choice(&'static [&'static str]),
    TextList,
    Credentials,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The name; those of the Cortex collector are kept.
    pub name: &'static str,
    /// What its text is.
    pub kind: Kind,
    /// Whether collecting needs it, for a user that is configured.
    pub required: bool,
    /// What holds where it is absent.
    pub default: Option<&'static str>,
    /// For a form.
    pub title: &'static str,
    /// For a form.
    pub help: &'static str,
}

const fn row(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    title: &'static str,
    help: &'static str,
) -> Row {
    Row { name, kind, required: false, default, title, help }
}

const fn required(row: Row) -> Row {
    Row { required: true, ..row }
}

/// Every setting, in the order of a form.
pub const TABLE: &[Row] = &[
    row(
        "base_url",
        Kind::Url,
        Some(DEFAULT_BASE_URL),
        "API address",
        "With or without /v1. FedRAMP: https://api-usgov.webex.com.",
    ),
    required(row(
        "admin_credentials",
        Kind::Credentials,
        None,
        "Admin integration: client ID and secret",
        "Of the integration that the full administrator authorizes. Leave both out if only events are collected.",
    )),
    required(row(
        "admin_app_redirect_uri",
        Kind::Url,
        None,
        "Admin integration: redirect URI",
        "Exactly as registered with the integration.",
    )),
    required(row(
        "admin_org_id",
        Kind::TextList,
        None,
        "Organization ID",
        "The organization whose audit events are read; `cisco-webex-list-organizations` finds it. Of a partner's admin also several, or `all` that the admin sees.",
    )),
    row(
        "admin_scopes",
        Kind::Text,
        Some("audit:events_read spark:kms"),
        "Admin scopes",
        "Separated by spaces; each must be registered with the integration.",
    ),
    required(row(
        "compliance_officer_credentials",
        Kind::Credentials,
        None,
        "Compliance officer integration: client ID and secret",
        "Of the integration that the compliance officer authorizes. Leave both out if only audits are collected.",
    )),
    required(row(
        "compliance_officer_redirect_uri",
        Kind::Url,
        None,
        "Compliance officer integration: redirect URI",
        "Exactly as registered with the integration.",
    )),
    row(
        "compliance_officer_scopes",
        Kind::Text,
        Some("spark-compliance:events_read spark:kms"),
        "Compliance officer scopes",
        "Separated by spaces; each must be registered with the integration.",
    ),
    row(
        "fetch_security_audit_events",
        Kind::Boolean,
        Some("false"),
        "Collect security audit events",
        "Sign-ins and sign-outs. Needs Pro Pack and the Control Hub setting `Allow user authentication data`.",
    ),
    row("max_fetch", Kind::Integer, Some("2000"), "Events a stream and call", "1 to 100000."),
    row(
        "max_requests",
        Kind::Integer,
        Some("300"),
        "Requests a minute and user",
        "What Webex allows for most APIs; 30 to 100000. Less where other programs use the same account.",
    ),
    row(
        "first_fetch",
        Kind::Duration,
        Some("7 days"),
        "First fetch",
        "How far back the first call goes; at most 364 days, for events 89 without Pro Pack.",
    ),
    row(
        "overlap",
        Kind::Duration,
        Some("10m"),
        "Overlap",
        "How long after its time an event may be listed and still be found; 1 s to 7 days. This stretch is read again.",
    ),
    row(
        "remember",
        Kind::Duration,
        Some("24h"),
        "Remember",
        "How long ids of delivered events are remembered for reading a stretch again; up to 7 days, and up to 400,000 ids a stream.",
    ),
    row("lag", Kind::Duration, Some("5s"), "Lag", "How far behind the clock collecting stays; up to 1 h."),
    row(
        "events_resources",
        Kind::TextList,
        None,
        "Event resources",
        "As messages,memberships: one query for each. Absent: one query for all.",
    ),
    row(
        "admin_categories",
        Kind::TextList,
        None,
        "Admin audit categories",
        "Collect only these, filtered by Webex; `cisco-webex-list-event-categories` lists them.",
    ),
    row(
        "security_categories",
        Kind::TextList,
        None,
        "Security audit categories",
        "Collect only these, filtered by Webex.",
    ),
    row(
        "events_types",
        Kind::TextList,
        None,
        "Event types",
        "As created,deleted: collect only these, filtered by Webex, one query for each.",
    ),
    row(
        "message_text",
        Kind::Choice(&["keep", "drop", "hash"]),
        Some("keep"),
        "Message text",
        "What leaves the plugin of the text, markdown and html of messages: all, nothing, or a SHA-256 of each.",
    ),
];

/// What happens to the text of messages before it leaves the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageText {
    /// Nothing.
    Keep,
    /// The fields are left out.
    Drop,
    /// Each is replaced by `sha256:` and the hex digest of its text.
    Hash,
}

/// A user's OAuth integration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integration {
    /// Whose.
    pub user: User,
    /// Not a secret.
    pub client_id: String,
    /// As registered; none: only what needs no sign-in works (a Service App).
    pub redirect_uri: Option<String>,
    /// What the sign-in asks for.
    pub scopes: Vec<String>,
}

/// The settings, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where Webex is.
    pub api: Api,
    /// Whose audits.
    pub orgs: Orgs,
    /// Events a stream and call.
    pub max_fetch: u32,
    /// Requests a minute and user.
    pub max_requests: u32,
    /// How far back a first call goes.
    pub first_fetch: Span,
    /// How late a listing may be.
    pub overlap: Span,
    /// How long ids are remembered, beyond what reading needs.
    pub remember: Span,
    /// How far behind the clock to stay.
    pub lag: Span,
    /// What happens to message text.
    pub message_text: MessageText,
    security_audits: bool,
    admin: Option<Integration>,
    compliance_officer: Option<Integration>,
    resources: Vec<String>,
    admin_categories: Vec<String>,
    security_categories: Vec<String>,
    events_types: Vec<String>,
}

impl Settings {
    /// Checks a snapshot of names and values. An empty value counts as absent.
    pub fn parse(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, Failure> {
        let texts = Texts::new(pairs)?;
        let api = Api::parse(texts.get_or_default("base_url"))?;
        let admin = texts.integration(User::Admin, "admin_app_redirect_uri", "admin_scopes")?;
        let compliance_officer = texts.integration(
            User::ComplianceOfficer,
            "compliance_officer_redirect_uri",
            "compliance_officer_scopes",
        )?;
        if admin.is_none() && compliance_officer.is_none() {
            return Err(Failure::setting(
                "admin_credentials",
                "is missing, and so is `compliance_officer_credentials`",
                "set the client id and secret of at least one user's integration",
            ));
        }
        let security_audits = texts.boolean("fetch_security_audit_events")?;
        if security_audits && admin.is_none() {
            return Err(Failure::setting(
                "fetch_security_audit_events",
                "is on, but there is no admin to read them",
                "set `admin_credentials`, or turn it off",
            ));
        }
        Ok(Self {
            api,
            orgs: Orgs::parse(texts.get_or_default("admin_org_id"))?,
            max_fetch: texts.integer("max_fetch", 1, 100_000)?,
            max_requests: texts.integer("max_requests", 30, 100_000)?,
            first_fetch: texts.duration("first_fetch", Span::ZERO, Span::days(3_650))?,
            overlap: texts.duration("overlap", Span::secs(1), Span::days(7))?,
            remember: texts.duration("remember", Span::ZERO, Span::days(7))?,
            lag: texts.duration("lag", Span::ZERO, Span::secs(3_600))?,
            message_text: texts.message_text()?,
            security_audits,
            admin,
            compliance_officer,
            resources: texts.list("events_resources")?,
            admin_categories: texts.list("admin_categories")?,
            security_categories: texts.list("security_categories")?,
            events_types: texts.list("events_types")?,
        })
    }

    /// The user's integration; none: the user is not configured.
    pub fn integration(&self, user: User) -> Option<&Integration> {
        match user {
            User::Admin => self.admin.as_ref(),
            User::ComplianceOfficer => self.compliance_officer.as_ref(),
        }
    }

    /// The user's integration, or a failure that says how to configure it.
    pub fn required_integration(&self, user: User) -> Result<&Integration, Failure> {
        self.integration(user).ok_or_else(|| {
            let name = credentials_name(user);
            let remedy = format!("set the client id and secret of the {}'s integration", user.title());
            Failure::setting(name, "is missing", remedy).of_user(user)
        })
    }

    /// The users that are configured.
    pub fn users(&self) -> impl Iterator<Item = User> {
        User::ALL.into_iter().filter(|user| self.integration(*user).is_some())
    }

    /// The streams that are turned on.
    pub fn streams(&self) -> Vec<Stream> {
        let on = |stream: &Stream| {
            self.integration(stream.user()).is_some() && (*stream != Stream::SecurityAudits || self.security_audits)
        };
        Stream::ALL.into_iter().filter(on).collect()
    }

    /// The queries that cover a stream, of audits that of one organization: each `(resource, type)` of events by itself, one for
    /// audits.
    pub fn lanes(&self, stream: Stream) -> Vec<Lane> {
        let one =
            |list: &[String]| vec![Lane { filter: (!list.is_empty()).then(|| list.join(",")), ..Lane::default() }];
        match stream {
            Stream::AdminAudits => one(&self.admin_categories),
            Stream::SecurityAudits => one(&self.security_categories),
            Stream::Events => {
                let some_or_none = |list: &[String]| -> Vec<Option<String>> {
                    if list.is_empty() { vec![None] } else { list.iter().cloned().map(Some).collect() }
                };
                let types = some_or_none(&self.events_types);
                let resources = some_or_none(&self.resources);
                resources
                    .into_iter()
                    .flat_map(|resource| {
                        types.iter().map(move |filter| Lane {
                            resource: resource.clone(),
                            filter: filter.clone(),
                            org: None,
                        })
                    })
                    .collect()
            }
        }
    }
}

/// One query of a stream; it has a window of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    /// Of `/events`: the resource; none: all.
    pub resource: Option<String>,
    /// Categories of audits, joined by commas; the type of events; none: all.
    pub filter: Option<String>,
    /// Whose audits, where there are several organizations; none: those of [`LastRun::org`](crate::last_run::LastRun::org), or
    /// no audits.
    pub org: Option<String>,
}

impl Lane {
    /// Whether everything of the other one is in this one too.
    pub fn holds(&self, other: &Self) -> bool {
        let all = |mine: &Option<String>, its: &Option<String>| {
            mine.as_deref().is_none_or(|mine| {
                let mine: Vec<_> = mine.split(',').collect();
                its.as_deref().is_some_and(|its| its.split(',').all(|name| mine.contains(&name)))
            })
        };
        self.org == other.org && all(&self.resource, &other.resource) && all(&self.filter, &other.filter)
    }

    /// As people read it, without its organization; none: it is the whole stream.
    pub fn name(&self) -> Option<String> {
        let parts: Vec<&str> = [&self.resource, &self.filter].into_iter().flatten().map(String::as_str).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }
}

fn credentials_name(user: User) -> &'static str {
    match user {
        User::Admin => "admin_credentials",
        User::ComplianceOfficer => "compliance_officer_credentials",
    }
}

/// The raw snapshot, known names only.
struct Texts(BTreeMap<&'static str, String>);

impl Texts {
    fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, Failure> {
        let mut texts = BTreeMap::new();
        for (name, value) in pairs {
            let Some(row) = TABLE.iter().find(|row| row.name == name) else {
                let names: Vec<_> = TABLE.iter().map(|row| row.name).collect();
                return Err(Failure::setting(&name, "is not known", format!("known settings: {}", names.join(", "))));
            };
            let value = value.trim();
            if !value.is_empty() {
                texts.insert(row.name, value.to_owned());
            }
        }
        Ok(Self(texts))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn get_or_default(&self, name: &str) -> &str {
        let default = || TABLE.iter().find(|row| row.name == name).and_then(|row| row.default);
        self.get(name).or_else(default).unwrap_or_default()
    }

    fn integration(
        &self,
        user: User,
        redirect_uri: &'static str,
        scopes: &'static str,
    ) -> Result<Option<Integration>, Failure> {
        let credentials = credentials_name(user);
        let Some(client_id) = self.get(credentials) else {
            if let Some(other) = [redirect_uri, scopes].into_iter().find(|name| self.get(name).is_some()) {
                let problem = format!("is missing, though `{other}` is set");
                let remedy = format!(
                    "set the client id of the {}'s integration, or remove `{other}` if there is none",
                    user.title()
                );
                return Err(Failure::setting(credentials, problem, remedy).of_user(user));
            }
            return Ok(None);
        };
        let redirect_uri = match self.get(redirect_uri) {
            Some(text) if url::Url::parse(text).is_err() => {
                return Err(Failure::setting(redirect_uri, "is no URL", "write it as registered with the integration"));
            }
            other => other.map(str::to_owned),
        };
        let scopes = self.get_or_default(scopes).split_whitespace().map(str::to_owned).collect();
        Ok(Some(Integration { user, client_id: client_id.to_owned(), redirect_uri, scopes }))
    }

    fn boolean(&self, name: &str) -> Result<bool, Failure> {
        match self.get_or_default(name).to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(true),
            "false" | "no" | "0" => Ok(false),
            _ => Err(Failure::setting(name, "is neither true nor false", "write true or false")),
        }
    }

    fn integer(&self, name: &str, min: u32, max: u32) -> Result<u32, Failure> {
        let number = self.get_or_default(name).parse::<u32>().ok().filter(|n| (min..=max).contains(n));
        number.ok_or_else(|| Failure::setting(name, format!("is no number from {min} to {max}"), "write one, as 2000"))
    }

    fn duration(&self, name: &str, min: Span, max: Span) -> Result<Span, Failure> {
        let span = Span::parse(self.get_or_default(name)).filter(|span| (min..=max).contains(span));
        span.ok_or_else(|| {
            Failure::setting(name, format!("is no length of time from {min} to {max}"), "write one, as 10m or 7 days")
        })
    }

    fn message_text(&self) -> Result<MessageText, Failure> {
        match self.get_or_default("message_text") {
            "keep" => Ok(MessageText::Keep),
            "drop" => Ok(MessageText::Drop),
            "hash" => Ok(MessageText::Hash),
            _ => Err(Failure::setting("message_text", "is not one of keep, drop, hash", "write one of them")),
        }
    }

    fn list(&self, name: &str) -> Result<Vec<String>, Failure> {
        /// Each is a query or goes into one; more than this many is a mistake.
        const MOST: usize = 64;
        let mut list: Vec<String> = Vec::new();
        for part in self.get(name).unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if !part.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:".contains(c)) {
                return Err(Failure::setting(
                    name,
                    format!("holds `{part}`, which is no name"),
                    "write names separated by commas",
                ));
            }
            if !list.iter().any(|known| known == part) {
                list.push(part.to_owned());
            }
        }
        if list.len() > MOST {
            return Err(Failure::setting(name, format!("holds more than {MOST} names"), "name fewer, or none for all"));
        }
        Ok(list)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Settings, Failure> {
        Settings::parse(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
    }

    #[track_caller]
    fn check_wrong(pairs: &[(&str, &str)], message: &str) {
        assert_eq!(parse(pairs).unwrap_err().message, message);
    }

    const ADMIN: (&str, &str) = ("admin_credentials", "C1");
    const OFFICER: (&str, &str) = ("compliance_officer_credentials", "C2");

    #[test]
    fn every_part_is_optional_but_one_user() {
        let settings = parse(&[ADMIN]).unwrap();
        assert_eq!(settings.streams(), [Stream::AdminAudits]);
        assert_eq!(settings.overlap, Span::secs(600));
        assert_eq!(parse(&[OFFICER]).unwrap().streams(), [Stream::Events]);
        let settings = parse(&[ADMIN, OFFICER, ("fetch_security_audit_events", "true")]).unwrap();
        assert_eq!(settings.streams(), Stream::ALL);
        check_wrong(&[], "setting `admin_credentials` is missing, and so is `compliance_officer_credentials`");
    }

    #[test]
    fn what_is_wrong_is_named() {
        check_wrong(&[ADMIN, ("max_fetch", "0")], "setting `max_fetch` is no number from 1 to 100000");
        check_wrong(&[ADMIN, ("overlap", "0s")], "setting `overlap` is no length of time from 1s to 7days");
        check_wrong(&[ADMIN, ("lag", "soon")], "setting `lag` is no length of time from 0s to 1h");
        check_wrong(&[ADMIN, ("insecure", "true")], "setting `insecure` is not known");
        check_wrong(
            &[OFFICER, ("fetch_security_audit_events", "true")],
            "setting `fetch_security_audit_events` is on, but there is no admin to read them",
        );
        check_wrong(
            &[OFFICER, ("admin_app_redirect_uri", "https://a.example")],
            "setting `admin_credentials` is missing, though `admin_app_redirect_uri` is set",
        );
        check_wrong(&[ADMIN, ("message_text", "maybe")], "setting `message_text` is not one of keep, drop, hash");
    }

    #[test]
    fn an_empty_value_counts_as_absent() {
        let settings = parse(&[ADMIN, ("admin_org_id", " "), ("max_fetch", "")]).unwrap();
        assert_eq!((settings.orgs, settings.max_fetch), (Orgs::None, 2_000));
    }

    #[test]
    fn each_resource_and_type_of_events_is_a_query_of_its_own() {
        let settings =
            parse(&[OFFICER, ("events_resources", "messages, memberships"), ("events_types", "created,deleted")]);
        assert_eq!(settings.unwrap().lanes(Stream::Events).len(), 4);
        let lanes = parse(&[ADMIN, ("admin_categories", "USERS,LOGINS")]).unwrap().lanes(Stream::AdminAudits);
        assert_eq!(lanes, [Lane { filter: Some("USERS,LOGINS".to_owned()), ..Lane::default() }]);
    }

    #[test]
    fn every_default_is_valid() {
        assert!(parse(&[ADMIN]).is_ok());
        for row in TABLE {
            if let Some(default) = row.default {
                assert!(parse(&[ADMIN, OFFICER, (row.name, default)]).is_ok(), "{}", row.name);
            }
        }
    }
}
