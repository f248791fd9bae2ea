//! Every command: its arguments, outputs and effects. What is listed is what is read.

use crate::stream::Stream;

/// Which command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented in the table")]
pub enum Verb {
    OauthStart,
    OauthComplete,
    OauthTest,
    GetEvents(Stream),
    ListOrganizations,
    ListEventCategories,
    GetEvent,
    Status,
    TestModule,
}

/// What an argument's text is (`wit/commands.wit`, `argument-kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented in the contract")]
pub enum ArgumentKind {
    Text,
    Integer,
    Boolean,
    Timestamp,
    Choice(&'static [&'static str]),
}

/// One argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The name.
    pub name: &'static str,
    /// What its text is.
    pub kind: ArgumentKind,
    /// Whether it must be there.
    pub required: bool,
    /// What holds where it is absent; read like a typed value.
    pub default: Option<&'static str>,
    /// Whether the value must not be logged or kept.
    pub secret: bool,
    /// One or two sentences.
    pub help: &'static str,
}

/// What an output is (`wit/commands.wit`, `output-kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "documented in the contract")]
pub enum OutputKind {
    Text,
    Integer,
    Boolean,
    Timestamp,
    Json,
}

/// One field of the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    /// Dotted; lists on the way are not written.
    pub path: &'static str,
    /// What it is.
    pub kind: OutputKind,
    /// One sentence.
    pub help: &'static str,
}

/// What a command does but read. That tokens are refreshed where they are due is no effect of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Writes secrets.
    WritesSecrets,
    /// May return events to deliver.
    Delivers,
}

/// One command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Which.
    pub verb: Verb,
    /// The name; those of the Cortex collector are kept.
    pub name: &'static str,
    /// One or two sentences.
    pub help: &'static str,
    /// In the order of a form.
    pub arguments: &'static [Argument],
    /// What its outputs hold.
    pub outputs: &'static [Output],
    /// None: it only reads.
    pub effects: &'static [Effect],
    /// As a person types it.
    pub example: &'static str,
}

/// How many events one command lists at most: what fits into one answer to a person or playbook.
pub const MOST_EVENTS: u32 = 10_000;

const USER: Argument = Argument {
    name: "user",
    kind: ArgumentKind::Choice(&["admin", "compliance_officer"]),
    required: true,
    default: None,
    secret: false,
    help: "Whose integration. `compliance officer` is taken, too.",
};

const CODE: Argument = Argument {
    name: "code",
    kind: ArgumentKind::Text,
    required: true,
    default: None,
    secret: true,
    help: "The whole address to which Webex led after the sign-in, or only the code in it.",
};

const EVENT_ID: Argument = Argument {
    name: "id",
    kind: ArgumentKind::Text,
    required: true,
    default: None,
    secret: false,
    help: "The id of the event, as listed.",
};

const LISTING: &[Argument] = &[
    Argument {
        name: "should_push_events",
        kind: ArgumentKind::Boolean,
        required: false,
        default: Some("false"),
        secret: false,
        help: "Whether the events are also delivered. Collecting does not know of it and may bring them once more.",
    },
    Argument {
        name: "limit",
        kind: ArgumentKind::Integer,
        required: false,
        default: Some("5"),
        secret: false,
        help: "How many events at most, 1 to 10000.",
    },
    Argument {
        name: "since_datetime",
        kind: ArgumentKind::Timestamp,
        required: false,
        default: Some("3 hours ago"),
        secret: false,
        help: "From when on, as 2026-01-31T10:00:00Z or `3 hours ago`.",
    },
];

const fn output(path: &'static str, kind: OutputKind, help: &'static str) -> Output {
    Output { path, kind, help }
}

const CHECKS: &[Output] = &[
    output("CiscoWebex.Check.subject", OutputKind::Text, "What was looked at."),
    output("CiscoWebex.Check.verdict", OutputKind::Text, "`ok` or `warn`."),
    output("CiscoWebex.Check.code", OutputKind::Text, "`ok`, `off`, or the code of the warning."),
    output("CiscoWebex.Check.text", OutputKind::Text, "What was found."),
    output("CiscoWebex.Check.remedy", OutputKind::Text, "What to do; empty if nothing."),
];

const DELIVERS: &[Effect] = &[Effect::Delivers];
const WRITES_SECRETS: &[Effect] = &[Effect::WritesSecrets];

macro_rules! event_outputs {
    ($($name:literal: $kind:ident, $help:literal;)*) => {
        &[$(output(concat!("CiscoWebex.", $name), OutputKind::$kind, $help)),*]
    };
}

/// Every command, in the order in which people meet them.
pub const TABLE: &[Spec] = &[
    Spec {
        verb: Verb::OauthStart,
        name: "cisco-webex-oauth-start",
        help: "Gives the link that signs a user in. Tokens that work stay in use until the sign-in is complete.",
        arguments: &[USER],
        outputs: &[
            output("CiscoWebex.SignIn.user", OutputKind::Text, "Who signs in."),
            output("CiscoWebex.SignIn.url", OutputKind::Text, "The link to open in a browser."),
            output("CiscoWebex.SignIn.redirect_uri", OutputKind::Text, "Where Webex leads after."),
            output("CiscoWebex.SignIn.until", OutputKind::Timestamp, "Until when the sign-in can be completed."),
        ],
        effects: WRITES_SECRETS,
        example: "cisco-webex-oauth-start user=admin",
    },
    Spec {
        verb: Verb::OauthComplete,
        name: "cisco-webex-oauth-complete",
        help: "Completes the sign-in of a user with what Webex gave for it.",
        arguments: &[USER, CODE],
        outputs: &[
            output("CiscoWebex.SignIn.user", OutputKind::Text, "Who has signed in."),
            output(
                "CiscoWebex.SignIn.account",
                OutputKind::Text,
                "As which account; only with the scope spark:people_read.",
            ),
            output("CiscoWebex.SignIn.org_id", OutputKind::Text, "Of which organization it is, likewise."),
            output("CiscoWebex.SignIn.scopes", OutputKind::Json, "What the tokens are good for."),
            output(
                "CiscoWebex.SignIn.access_expires",
                OutputKind::Timestamp,
                "When the access token ends; it is renewed before.",
            ),
            output(
                "CiscoWebex.SignIn.refresh_expires",
                OutputKind::Timestamp,
                "When the refresh token ends, as far as Webex says.",
            ),
        ],
        effects: WRITES_SECRETS,
        example: "cisco-webex-oauth-complete user=admin code=CODE",
    },
    Spec {
        verb: Verb::OauthTest,
        name: "cisco-webex-oauth-test",
        help: "Sees whether a user's tokens work: one small page of each of its streams that is on.",
        arguments: &[USER],
        outputs: CHECKS,
        effects: &[],
        example: "cisco-webex-oauth-test user=admin",
    },
    Spec {
        verb: Verb::GetEvents(Stream::AdminAudits),
        name: "cisco-webex-get-admin-audit-events",
        help: "Lists admin audit events: the first ones since a time, in the order in which Webex lists them.",
        arguments: LISTING,
        outputs: event_outputs! {
            "AdminAuditEvents.id": Text, "Of the event.";
            "AdminAuditEvents.created": Timestamp, "When it happened.";
            "AdminAuditEvents.actorId": Text, "Who did it.";
            "AdminAuditEvents.data": Json, "What Webex says about it.";
            "AdminAuditEvents.source_log_type": Text, "`Admin Audit Events`.";
        },
        effects: DELIVERS,
        example: "cisco-webex-get-admin-audit-events limit=10",
    },
    Spec {
        verb: Verb::GetEvents(Stream::SecurityAudits),
        name: "cisco-webex-get-security-audit-events",
        help: "Lists security audit events (sign-ins and sign-outs): the first ones since a time, in the order in which Webex lists them.",
        arguments: LISTING,
        outputs: event_outputs! {
            "SecurityAuditEvents.id": Text, "Of the event.";
            "SecurityAuditEvents.created": Timestamp, "When it happened.";
            "SecurityAuditEvents.actorId": Text, "Who did it.";
            "SecurityAuditEvents.data": Json, "What Webex says about it.";
            "SecurityAuditEvents.source_log_type": Text, "`Security Audit Events`.";
        },
        effects: DELIVERS,
        example: "cisco-webex-get-security-audit-events limit=10",
    },
    Spec {
        verb: Verb::GetEvents(Stream::Events),
        name: "cisco-webex-get-compliance-officer-events",
        help: "Lists events of messages, spaces, meetings and more: the first ones since a time, in the order in which Webex lists them.",
        arguments: LISTING,
        outputs: event_outputs! {
            "ComplianceOfficerEvents.id": Text, "Of the event.";
            "ComplianceOfficerEvents.created": Timestamp, "When it happened.";
            "ComplianceOfficerEvents.resource": Text, "What it happened to, as `messages`.";
            "ComplianceOfficerEvents.type": Text, "What happened, as `created`.";
            "ComplianceOfficerEvents.actorId": Text, "Who did it.";
            "ComplianceOfficerEvents.data": Json, "What Webex says about it.";
            "ComplianceOfficerEvents.source_log_type": Text, "`Events`.";
        },
        effects: DELIVERS,
        example: "cisco-webex-get-compliance-officer-events since_datetime=2026-01-31T10:00:00Z limit=100",
    },
    Spec {
        verb: Verb::GetEvent,
        name: "cisco-webex-get-event",
        help: "Gets one event of the compliance officer by its id. Webex does not answer for every event that it lists.",
        arguments: &[EVENT_ID],
        outputs: event_outputs! {
            "Event.id": Text, "Of the event.";
            "Event.created": Timestamp, "When it happened.";
            "Event.resource": Text, "What it happened to, as `messages`.";
            "Event.type": Text, "What happened, as `created`.";
            "Event.actorId": Text, "Who did it.";
            "Event.data": Json, "What Webex says about it.";
        },
        effects: &[],
        example: "cisco-webex-get-event id=EVENT_ID",
    },
    Spec {
        verb: Verb::ListOrganizations,
        name: "cisco-webex-list-organizations",
        help: "Lists the organizations that the admin sees, to find `admin_org_id`. Needs the scope spark-admin:organizations_read.",
        arguments: &[],
        outputs: &[
            output("CiscoWebex.Organization.id", OutputKind::Text, "For `admin_org_id`."),
            output("CiscoWebex.Organization.displayName", OutputKind::Text, "Its name."),
            output("CiscoWebex.Organization.created", OutputKind::Timestamp, "Since when it exists."),
        ],
        effects: &[],
        example: "cisco-webex-list-organizations",
    },
    Spec {
        verb: Verb::ListEventCategories,
        name: "cisco-webex-list-event-categories",
        help: "Lists the categories of admin audit events, for `admin_categories`.",
        arguments: &[],
        outputs: &[output("CiscoWebex.EventCategory.name", OutputKind::Text, "For `admin_categories`.")],
        effects: &[],
        example: "cisco-webex-list-event-categories",
    },
    Spec {
        verb: Verb::Status,
        name: "cisco-webex-status",
        help: "Says how users, tokens and streams stand. Asks Webex nothing.",
        arguments: &[],
        outputs: &[
            output("CiscoWebex.User.name", OutputKind::Text, "The user."),
            output("CiscoWebex.User.configured", OutputKind::Boolean, "Whether it has an integration."),
            output("CiscoWebex.User.signed_in", OutputKind::Boolean, "Whether there are tokens that serve."),
            output("CiscoWebex.User.service_app", OutputKind::Boolean, "Whether its tokens come from a Service App."),
            output("CiscoWebex.User.problem", OutputKind::Text, "What a person has to know; empty if nothing."),
            output("CiscoWebex.User.remedy", OutputKind::Text, "What to do about it."),
            output("CiscoWebex.User.access_issued", OutputKind::Timestamp, "When the access token was asked for."),
            output("CiscoWebex.User.access_expires", OutputKind::Timestamp, "When the access token ends."),
            output("CiscoWebex.User.refresh_expires", OutputKind::Timestamp, "When the refresh token ends."),
            output("CiscoWebex.User.scopes", OutputKind::Json, "What the tokens are good for."),
            output(
                "CiscoWebex.User.refreshing_until",
                OutputKind::Timestamp,
                "Until when a call has the refresh to itself.",
            ),
            output("CiscoWebex.User.pending_sign_ins", OutputKind::Integer, "Sign-ins that wait for their code."),
            output("CiscoWebex.Stream.name", OutputKind::Text, "The stream."),
            output("CiscoWebex.Stream.user", OutputKind::Text, "Who reads it."),
            output("CiscoWebex.Stream.on", OutputKind::Boolean, "Whether it is collected."),
        ],
        effects: &[],
        example: "cisco-webex-status",
    },
    Spec {
        verb: Verb::TestModule,
        name: "test-module",
        help: "Checks settings, clock, tokens and streams; fails if one of them fails.",
        arguments: &[],
        outputs: CHECKS,
        effects: &[],
        example: "test-module",
    },
];
