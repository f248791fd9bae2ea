//! Every command, with good arguments and with bad ones, from the table below. A command without a case fails the test.

use std::collections::{BTreeMap, BTreeSet};

use host_harness::runtime::{Bundle, Command, Effect, OutputKind};
use host_harness::simulator::{Endpoint, OFFICER, Stream, TenantSettings};
use serde_json::Value;

use crate::program::Place;
use crate::simulated::Simulated;
use crate::support::{Event, LOG_TYPES, STREAMS, plugin};

/// Stands for a code that Webex has just given to the compliance officer.
const CODE: &str = "{code}";
/// Stands for the id of an event of `/events`.
const EVENT_ID: &str = "{event id}";

type Arguments = &'static [(&'static str, &'static str)];

struct Case {
    command: &'static str,
    good: &'static [Arguments],
    /// Arguments, and what the failure names.
    bad: &'static [(Arguments, &'static str)],
}

const USERS: &[(Arguments, &str)] = &[
    (&[], "`user`"),
    (&[("user", "")], "`user`"),
    (&[("user", "root")], "`user`"),
    (&[("user", "admin"), ("usr", "admin")], "`usr`"),
    (&[("user", "admin"), ("user", "admin")], "`user`"),
];

const LISTING_GOOD: &[Arguments] = &[
    &[],
    &[("limit", "1")],
    &[("limit", " 10000 "), ("since_datetime", "2026-02-11T16:00:00.000Z"), ("should_push_events", "false")],
    &[("limit", "7"), ("since_datetime", "2026-02-11T17:00:00+01:00"), ("should_push_events", "TRUE")],
    &[("since_datetime", "2026-02-11T16:00:00"), ("should_push_events", "True")],
    &[("since_datetime", "2026-02-11"), ("should_push_events", "")],
    &[("since_datetime", "20 hours ago"), ("should_push_events", "no")],
];

const LISTING_BAD: &[(Arguments, &str)] = &[
    (&[("limit", "0")], "`limit`"),
    (&[("limit", "10001")], "`limit`"),
    (&[("limit", "-1")], "`limit`"),
    (&[("limit", "five")], "`limit`"),
    (&[("since_datetime", "soon")], "`since_datetime`"),
    (&[("since_datetime", "2026-02-30T00:00:00Z")], "`since_datetime`"),
    (&[("since_datetime", "2027-01-01T00:00:00Z")], "`since_datetime`"),
    (&[("should_push_events", "maybe")], "`should_push_events`"),
    (&[("limits", "5")], "`limits`"),
    (&[("limit", "5"), ("limit", "6")], "`limit`"),
];

const CASES: &[Case] = &[
    Case {
        command: "cisco-webex-oauth-start",
        good: &[&[("user", "admin")], &[("user", "compliance_officer")], &[("user", "compliance officer")]],
        bad: USERS,
    },
    Case {
        command: "cisco-webex-oauth-complete",
        good: &[&[("user", "compliance officer"), ("code", CODE)]],
        bad: &[
            (&[("code", "fake-code")], "`user`"),
            (&[("user", "admin")], "`code`"),
            (&[("user", "admin"), ("code", "")], "`code`"),
            (&[("user", "admin"), ("code", "two words")], "`code`"),
            (&[("user", "admin"), ("code", "https://siem.example/callback?state=x")], "`code`"),
            (&[("user", "root"), ("code", "fake-code")], "`user`"),
            (&[("user", "admin"), ("code", "fake-code"), ("state", "x")], "`state`"),
        ],
    },
    Case {
        command: "cisco-webex-oauth-test",
        good: &[&[("user", "admin")], &[("user", "compliance officer")]],
        bad: USERS,
    },
    Case { command: "cisco-webex-get-admin-audit-events", good: LISTING_GOOD, bad: LISTING_BAD },
    Case { command: "cisco-webex-get-security-audit-events", good: LISTING_GOOD, bad: LISTING_BAD },
    Case { command: "cisco-webex-get-compliance-officer-events", good: LISTING_GOOD, bad: LISTING_BAD },
    Case {
        command: "cisco-webex-get-event",
        good: &[&[("id", EVENT_ID)]],
        bad: &[(&[], "`id`"), (&[("id", " ")], "`id`"), (&[("id", "..")], "`id`"), (&[("event", "x")], "`event`")],
    },
    Case { command: "cisco-webex-list-organizations", good: &[&[]], bad: &[(&[("user", "admin")], "`user`")] },
    Case { command: "cisco-webex-list-event-categories", good: &[&[]], bad: &[(&[("limit", "5")], "`limit`")] },
    Case { command: "cisco-webex-status", good: &[&[]], bad: &[(&[("user", "admin")], "`user`")] },
    Case { command: "test-module", good: &[&[]], bad: &[(&[("user", "admin")], "`user`")] },
];

async fn list() -> Vec<Command> {
    plugin().list_commands().await.unwrap()
}

/// A tenant with sixty events of each stream in the hour before 19:59.
async fn tenant() -> Simulated {
    // With the scope by which the account is named.
    let scopes = "spark-compliance:events_read spark:kms spark:people_read";
    let more = [("compliance_officer_scopes", scopes)];
    let tenant = Simulated::without_sign_in(TenantSettings::default(), &more).await;
    tenant.sign_in().await;
    tenant.backlog(60, 1);
    tenant.webex.forget_requests();
    tenant
}

/// The arguments with what stands for something replaced by it.
async fn filled(tenant: &Simulated, arguments: Arguments) -> Vec<(&'static str, String)> {
    let mut filled = Vec::new();
    for (name, value) in arguments {
        let value = match *value {
            CODE => {
                let link = tenant.sign_in_link("compliance_officer").await;
                tenant.webex.approve(&link, OFFICER).unwrap()
            }
            EVENT_ID => tenant.webex.listed(Stream::Events)[0].id.clone().unwrap(),
            other => other.to_owned(),
        };
        filled.push((*name, value));
    }
    filled
}

#[tokio::test]
async fn every_command_has_cases_here_and_nothing_else_has() {
    let listed: Vec<String> = list().await.into_iter().map(|command| command.name).collect();
    let listed: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    let here: BTreeSet<&str> = CASES.iter().map(|case| case.command).collect();
    assert_eq!(here, listed);
    assert!(CASES.iter().all(|case| !case.good.is_empty() && !case.bad.is_empty()));
}

#[tokio::test]
async fn every_example_is_a_call_as_listed() {
    for command in list().await {
        let mut words = command.example.split(' ');
        assert_eq!(words.next(), Some(command.name.as_str()));
        for word in words {
            let (name, value) = word.split_once('=').unwrap();
            let argument = command.arguments.iter().find(|argument| argument.name == name).expect(word);
            assert!(argument.choices.is_empty() || argument.choices.iter().any(|choice| choice == value), "{word}");
        }
        let required = command.arguments.iter().filter(|argument| argument.required);
        for argument in required {
            assert!(command.example.contains(&format!("{}=", argument.name)), "{}", command.example);
        }
    }
}

/// Everything below an object, by dotted path; lists on the way are not written.
fn leaves<'a>(path: &str, value: &'a Value, found: &mut BTreeMap<String, Vec<&'a Value>>) {
    match value {
        Value::Object(members) if path.matches('.').count() < 2 => {
            for (name, value) in members {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(&path, value, found);
            }
        }
        Value::Array(items) if path.matches('.').count() < 2 => items.iter().for_each(|item| leaves(path, item, found)),
        value => found.entry(path.to_owned()).or_default().push(value),
    }
}

fn is_of(kind: OutputKind, value: &Value) -> bool {
    match kind {
        OutputKind::Text => value.is_string(),
        OutputKind::Integer => value.is_u64(),
        OutputKind::Boolean => value.is_boolean(),
        // An RFC 3339 time, which starts with a date.
        OutputKind::Timestamp => value.as_str().is_some_and(|text| text.len() >= 20 && text.as_bytes()[10] == b'T'),
        OutputKind::Json => value.is_object() || value.is_array(),
    }
}

#[tokio::test]
async fn every_command_takes_good_arguments_and_gives_what_it_declares() {
    let listed = list().await;
    let tenant = tenant().await;
    for case in CASES {
        let command = listed.iter().find(|command| command.name == case.command).unwrap();
        let declared: BTreeMap<&str, OutputKind> =
            command.outputs.iter().map(|output| (output.path.as_str(), output.kind)).collect();
        let mut produced = BTreeSet::new();
        for arguments in case.good {
            let arguments = filled(&tenant, arguments).await;
            let arguments: Vec<(&str, &str)> = arguments.iter().map(|(name, value)| (*name, value.as_str())).collect();
            let told = format!("{} {arguments:?}", case.command);
            let outcome = tenant.host.run(case.command, &arguments).await.unwrap_or_else(|f| panic!("{told}: {f:?}"));
            assert!(!outcome.readable.trim().is_empty(), "{told}");
            let pushed = arguments
                .iter()
                .any(|(name, value)| *name == "should_push_events" && value.eq_ignore_ascii_case("true"));
            assert_eq!(!outcome.events.is_empty(), pushed, "{told}");
            assert!(outcome.events.is_empty() || command.effects.contains(&Effect::Delivers), "{told}");

            let outputs: Value = serde_json::from_str(&outcome.outputs).unwrap();
            let mut found = BTreeMap::new();
            leaves("", &outputs, &mut found);
            for (path, values) in found {
                match declared.get(path.as_str()) {
                    Some(kind) => {
                        let fits = |value: &&Value| value.is_null() || is_of(*kind, value);
                        assert!(values.iter().all(fits), "{told}: {path} is {values:?}");
                    }
                    // An item of Webex is passed on whole.
                    None => assert!(path.contains("Event"), "{told}: {path} is not declared"),
                }
                if values.iter().any(|value| !value.is_null()) {
                    produced.insert(path);
                }
            }
        }
        for path in declared.keys() {
            // Only somebody else's refresh in this moment brings it.
            if *path != "CiscoWebex.User.refreshing_until" {
                assert!(produced.contains(*path), "{}: {path} is declared and never came", case.command);
            }
        }
    }
    assert_eq!(tenant.webex.leaks(), []);
}

#[tokio::test]
async fn a_bad_argument_is_told_by_name_with_what_to_do_and_no_one_is_asked() {
    let tenant = tenant().await;
    for case in CASES {
        for (arguments, names) in case.bad {
            let told = format!("{} {arguments:?}", case.command);
            let failure = tenant.host.run(case.command, arguments).await.expect_err(&told);
            assert_eq!(failure.code, "invalid-argument", "{told}: {failure:?}");
            assert!(failure.message.contains(names), "{told}: {}", failure.message);
            assert!(!failure.remedy.is_empty() && !failure.remedy.contains('\n'), "{told}: {}", failure.remedy);
            assert!(!format!("{failure:?}").contains("fake-code"), "{told}: a secret argument is not quoted");
        }
    }
    assert_eq!(tenant.webex.requests(), []);
}

#[tokio::test]
async fn an_unknown_command_is_told_with_the_nearest_one() {
    let tenant = tenant().await;
    for (name, nearest) in [
        ("cisco-webex-oauth-strat", "`cisco-webex-oauth-start`"),
        ("Cisco-Webex-Status", "`cisco-webex-status`"),
        ("", "cisco-webex-status"),
    ] {
        let failure = tenant.host.run(name, &[]).await.unwrap_err();
        assert_eq!(failure.code, "invalid-argument");
        assert!(failure.remedy.contains(nearest), "{name}: {}", failure.remedy);
    }
}

#[tokio::test]
async fn a_limit_is_honoured_exactly_over_pages() {
    let tenant = Simulated::start(TenantSettings::default()).await;
    // Over the page cap of 200 of the admin audits.
    tenant.backlog(450, 1);
    for (stream, command) in [
        "cisco-webex-get-admin-audit-events",
        "cisco-webex-get-security-audit-events",
        "cisco-webex-get-compliance-officer-events",
    ]
    .into_iter()
    .enumerate()
    {
        for (limit, want) in [("1", 1), ("", 5), ("199", 199), ("200", 200), ("201", 201), ("450", 450), ("10000", 450)]
        {
            let arguments = [("limit", limit), ("should_push_events", "true")];
            let outcome = tenant.host.run(command, &arguments).await.unwrap();
            assert_eq!(Bundle::count(&outcome.events), want, "{command} limit={limit}");
            let outputs: Value = serde_json::from_str(&outcome.outputs).unwrap();
            let items = outputs["CiscoWebex"].as_object().unwrap().values().next().unwrap().as_array().unwrap();
            assert_eq!(items.len(), want);
            let ids: BTreeSet<&str> = Bundle::each_of(&outcome.events).map(|event| event.id).collect();
            assert_eq!(ids.len(), want, "each once");
            assert!(outcome.events.iter().all(|bundle| bundle.stream == STREAMS[stream]));
            assert!(items.iter().all(|item| item["source_log_type"] == LOG_TYPES[stream]));
        }
    }
}

#[tokio::test]
async fn events_are_listed_from_a_time_on() {
    let tenant = tenant().await;
    let listed = tenant.webex.listed(Stream::Events);
    let middle = listed[30].created_ms;
    let since = host_harness::runtime::time(middle);
    let arguments = [("since_datetime", since.as_str()), ("limit", "1000"), ("should_push_events", "true")];
    let outcome = tenant.host.run("cisco-webex-get-compliance-officer-events", &arguments).await.unwrap();
    let want = listed.iter().filter(|event| event.created_ms >= middle).count();
    assert_eq!(Bundle::count(&outcome.events), want);
    assert!(Bundle::each_of(&outcome.events).all(|event| event.created.is_some_and(|created| created >= middle)));
}

#[tokio::test]
async fn a_command_brings_the_same_bodies_and_ids_as_collecting_and_collecting_does_not_know_of_it() {
    let mut tenant = tenant().await;
    let arguments = [("limit", "1000"), ("should_push_events", "true")];
    let pushed = tenant.host.run("cisco-webex-get-admin-audit-events", &arguments).await.unwrap().events;
    let (collected, _) = tenant.collect().await;
    let mut collected: Vec<_> = collected.into_iter().filter(|event| event.stream == "admin_audits").collect();
    let mut pushed: Vec<_> = Event::all_of(&pushed).collect();
    collected.sort_by(|one, other| one.id.cmp(&other.id));
    pushed.sort_by(|one, other| one.id.cmp(&other.id));
    assert_eq!(pushed, collected);
    tenant.delivered_is_exact();
}

#[tokio::test]
async fn a_command_for_a_user_that_is_not_configured_says_what_to_set() {
    let tenant = tenant().await;
    let keys = ["compliance_officer_credentials", "compliance_officer_redirect_uri", "compliance_officer_scopes"];
    let setup = keys.iter().fold(tenant.host.setup.clone(), |setup, key| setup.set(key, ""));
    let host = setup.open().await;
    for (command, arguments) in [
        ("cisco-webex-oauth-start", &[("user", "compliance_officer")][..]),
        ("cisco-webex-oauth-test", &[("user", "compliance_officer")]),
        ("cisco-webex-get-compliance-officer-events", &[]),
    ] {
        let failure = host.run(command, arguments).await.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.user.as_deref()), ("invalid-setting", Some("compliance_officer")));
        assert!(failure.message.contains("`compliance_officer_credentials`"), "{}", failure.message);
    }
    host.run("test-module", &[]).await.expect("a user that is not there is no fault");
}

#[tokio::test]
async fn an_event_that_webex_does_not_give_by_id_is_told_with_another_way() {
    let tenant = tenant().await;
    let failure = tenant.host.run("cisco-webex-get-event", &[("id", "bm9uZQ")]).await.unwrap_err();
    assert!(failure.remedy.contains("cisco-webex-get-compliance-officer-events"), "{}", failure.remedy);
}

#[tokio::test]
async fn listing_organizations_without_the_scope_says_which_one_and_where_else_to_look() {
    let tenant = Simulated::without_sign_in(TenantSettings::default(), &[]).await;
    let grant = tenant.webex.grant(
        host_harness::simulator::ADMIN_CLIENT_ID,
        host_harness::simulator::ADMIN,
        "audit:events_read spark:kms",
    );
    let host = tenant.host.setup.clone().secret("admin_refresh_token", &grant.refresh_token.unwrap()).open().await;
    let failure = host.run("cisco-webex-list-organizations", &[]).await.unwrap_err();
    assert!(failure.remedy.contains("spark-admin:organizations_read"), "{}", failure.remedy);
    assert!(failure.remedy.contains("Control Hub"), "{}", failure.remedy);
}

#[tokio::test]
async fn status_asks_webex_nothing() {
    let tenant = tenant().await;
    let outcome = tenant.host.run("cisco-webex-status", &[]).await.unwrap();
    assert!(outcome.outputs.contains("compliance_officer"), "{}", outcome.outputs);
    assert_eq!(tenant.webex.requests(), []);
}

#[tokio::test]
async fn test_module_is_what_check_finds_and_fails_if_something_does() {
    let tenant = tenant().await;
    let findings = tenant.host.tenant.check().await.unwrap();
    let outcome = tenant.host.run("test-module", &[]).await.unwrap();
    let outputs: Value = serde_json::from_str(&outcome.outputs).unwrap();
    let subjects = |value: &Value| value["subject"].as_str().unwrap().to_owned();
    let found: Vec<String> = outputs["CiscoWebex"]["Check"].as_array().unwrap().iter().map(subjects).collect();
    let want: Vec<String> = findings.into_iter().map(|finding| finding.subject).collect();
    assert_eq!(found, want);

    tenant.webex.change(|settings| settings.pro_pack = false);
    let failure = tenant.host.run("test-module", &[]).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.stream.as_deref()), ("refused", Some("security_audits")));
    assert!(failure.remedy.contains("Pro Pack"), "{}", failure.remedy);
    assert!(tenant.webex.counts()[&Endpoint::SecurityAudits].refused > 0);
}

#[tokio::test]
async fn a_command_that_delivers_moves_nothing_of_what_the_program_has_stored() {
    let place = Place::start(TenantSettings::default()).await;
    place.backlog(20);
    place.run(&["collect"]).await.exits(0);
    let state = place.files("webex-state/last-run");
    let command = ["run", "cisco-webex-get-admin-audit-events", "limit=7", "should_push_events=true"];
    place.run(&command).await.exits(0);
    assert_eq!(place.lines().len(), 67, "exactly the limit is delivered");
    assert_eq!(place.files("webex-state/last-run"), state);
}
