#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;

use super::table::{Effect, OutputKind, TABLE};
use super::*;
use crate::effect::{HttpError, Response};
use crate::failure::{Code, Retry};
use crate::fake::{Host, START, Sent, answer, settings, tokens, with_header};
use crate::secret::SecretName;

const ADMIN_AUDITS: &str = "cisco-webex-get-admin-audit-events";
const EVENTS: &str = "cisco-webex-get-compliance-officer-events";

fn host(webex: impl FnMut(&Sent) -> Result<Response, HttpError> + 'static) -> Host {
    let host = Host::new(webex);
    for (user, client) in [(User::Admin, "admin-client"), (User::ComplianceOfficer, "officer-client")] {
        host.put(SecretName::Credentials(user), "fake-client-secret");
        let stored = json!({
            "version": 1, "origin": "https://webexapis.com", "client_id": client, "issued": START,
            "scopes": ["audit:events_read"],
            "access": {"token": "fake-access-0", "expires": START + Span::days(14)},
            "refresh": {"token": "fake-refresh-0", "expires": START + Span::days(90)},
        });
        host.put(SecretName::Tokens(user), &stored.to_string());
    }
    host
}

fn run(host: &Host, name: &str, args: &[(&str, &str)]) -> Result<Outcome, Failure> {
    run_with(host, &[], name, args)
}

fn run_with(host: &Host, more: &[(&str, &str)], name: &str, args: &[(&str, &str)]) -> Result<Outcome, Failure> {
    let settings = settings(more);
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let result = host.run(|io| super::run(io, &settings, name, args));
    let said = format!("{result:?} {}", host.log());
    assert!(!said.contains("fake"), "{said}");
    result
}

/// An hour before the start, in seconds from there.
fn item(n: usize) -> Value {
    let created = START - Span::secs(3_600) + Span::secs(i64::try_from(n).unwrap());
    json!({
        "id": format!("id-{n}"), "created": created.to_string(), "actorId": "actor", "resource": "messages", "type": "created",
        "data": {"actorEmail": "a@example.com", "actionText": format!("did {n}"), "text": "hello"},
    })
}

fn page(items: &[Value], next: Option<&str>) -> Result<Response, HttpError> {
    let page = answer(200, &json!({ "items": items }).to_string());
    match next {
        Some(next) => with_header(page, "link", &format!("<{next}>; rel=\"next\"")),
        None => page,
    }
}

/// Lists these, two a page at most, by offset.
fn listing(items: Vec<Value>) -> Host {
    host(move |sent| {
        let number = |name| sent.query(name).map_or(0, |text| text.parse::<usize>().unwrap());
        let (offset, max) = (number("offset"), number("max").min(2));
        let end = (offset + max).min(items.len());
        let mut next = sent.url.clone();
        next.query_pairs_mut().clear().extend_pairs(sent.url.query_pairs().filter(|(name, _)| name != "offset"));
        next.query_pairs_mut().append_pair("offset", &end.to_string());
        page(&items[offset..end], (end < items.len()).then_some(next.as_str()))
    })
}

fn ids(outcome: &Outcome, name: &str) -> Vec<String> {
    let items = outcome.outputs[PREFIX][name].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

// ---- the table ----

#[test]
fn the_table_is_whole() {
    let names: BTreeSet<&str> = TABLE.iter().map(|spec| spec.name).collect();
    assert_eq!(names.len(), TABLE.len());
    for spec in TABLE {
        assert!(spec.example == spec.name || spec.example.starts_with(&format!("{} ", spec.name)), "{}", spec.example);
        // The example is read without a complaint.
        let args = spec.example.split(' ').skip(1).map(|word| word.split_once('=').unwrap());
        let args = args.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        arguments::read(spec.name, args, START).unwrap();
        assert!(spec.outputs.iter().all(|output| output.path.starts_with("CiscoWebex.")), "{}", spec.name);
        assert!(!spec.outputs.is_empty() && !spec.help.is_empty());
    }
    for name in
        ["cisco-webex-oauth-start", "cisco-webex-oauth-complete", "cisco-webex-oauth-test", ADMIN_AUDITS, EVENTS]
    {
        assert!(names.contains(name), "{name}");
    }
}

/// Every value at a dotted path; lists on the way stand for their items.
fn at<'a>(value: &'a Value, path: &[&str]) -> Vec<&'a Value> {
    match (value, path) {
        (Value::Array(items), [_, ..]) => items.iter().flat_map(|item| at(item, path)).collect(),
        (value, [first, rest @ ..]) => value.get(first).map(|value| at(value, rest)).unwrap_or_default(),
        (value, []) => vec![value],
    }
}

fn is_of(kind: OutputKind, value: &Value) -> bool {
    match kind {
        OutputKind::Text => value.is_string(),
        OutputKind::Integer => value.is_u64(),
        OutputKind::Boolean => value.is_boolean(),
        OutputKind::Timestamp => value.as_str().is_some_and(|text| Timestamp::parse_rfc3339(text).is_some()),
        OutputKind::Json => !value.is_null(),
    }
}

#[test]
fn every_command_produces_the_outputs_that_it_declares() {
    for spec in TABLE {
        let webex = |sent: &Sent| match sent.url.path() {
            "/v1/access_token" => answer(
                200,
                &json!({
                    "access_token": "fake-access-1", "expires_in": 1_209_599, "refresh_token": "fake-refresh-1",
                    "refresh_token_expires_in": 7_775_999, "scope": "audit:events_read spark:people_read",
                })
                .to_string(),
            ),
            "/v1/people/me" => answer(200, r#"{"emails":["admin@tenant.example"],"orgId":"org-1"}"#),
            "/v1/organizations" => {
                answer(200, r#"{"items":[{"id":"org-1","displayName":"Org","created":"2020-01-01T00:00:00.000Z"}]}"#)
            }
            "/v1/adminAudit/eventCategories" => answer(200, r#"{"eventCategories":["USERS","LOGINS"]}"#),
            "/v1/events/EVENT_ID" => answer(200, &item(1).to_string()),
            _ => with_header(page(&[item(1)], None), "date", "Fri, 02 Jan 2026 00:00:00 GMT"),
        };
        let host = host(webex);
        if spec.name == "cisco-webex-status" {
            let claimed = host.secret(SecretName::Tokens(User::Admin)).unwrap();
            let mut claimed: Value = serde_json::from_str(&claimed).unwrap();
            claimed["refreshing_until"] = json!(START + Span::secs(20));
            host.put(SecretName::Tokens(User::Admin), &claimed.to_string());
        }
        let args: Vec<(&str, &str)> =
            spec.example.split(' ').skip(1).map(|word| word.split_once('=').unwrap()).collect();
        let outcome = run_declared(&host, spec.name, &args);
        for output in spec.outputs {
            let path: Vec<&str> = output.path.split('.').collect();
            let values = at(&outcome.outputs, &path);
            let declared = values.iter().filter(|value| is_of(output.kind, value)).count();
            let absent = values.iter().filter(|value| value.is_null()).count();
            assert!(declared > 0 && declared + absent == values.len(), "{}: {values:?}", output.path);
        }
        let delivers = spec.effects.contains(&Effect::Delivers);
        assert_eq!(delivers, spec.arguments.iter().any(|argument| argument.name == "should_push_events"));
    }
}

/// Without `since_datetime`, which in examples is a date of the future of these tests.
fn run_declared(host: &Host, name: &str, args: &[(&str, &str)]) -> Outcome {
    let args: Vec<_> = args.iter().copied().filter(|(name, _)| *name != "since_datetime").collect();
    run(host, name, &args).unwrap_or_else(|failure| panic!("{name}: {failure:?}"))
}

// ---- listing events ----

#[test]
fn a_listing_gives_exactly_limit_events_over_as_many_pages_as_needed() {
    for limit in [1_usize, 2, 3, 5, 9] {
        let host = listing((0..9).map(item).collect());
        let outcome = run(&host, ADMIN_AUDITS, &[("limit", &limit.to_string())]).unwrap();
        let want: Vec<String> = (0..limit).map(|n| format!("id-{n}")).collect();
        assert_eq!(ids(&outcome, "AdminAuditEvents"), want);
        assert!(outcome.events.is_empty());
        assert_eq!(host.sent().len(), limit.div_ceil(2));
    }
    let host = listing((0..9).map(item).collect());
    assert_eq!(ids(&run(&host, ADMIN_AUDITS, &[("limit", "100")]).unwrap(), "AdminAuditEvents").len(), 9);
}

#[test]
fn a_listing_asks_for_its_time_and_its_number() {
    let host = listing(Vec::new());
    let outcome = run(&host, ADMIN_AUDITS, &[("limit", "7")]).unwrap();
    let sent = host.sent().remove(0);
    let query = |name| sent.query(name).unwrap();
    assert_eq!((query("orgId"), query("max")), ("org-1".to_owned(), "7".to_owned()));
    assert_eq!(query("from"), "2026-01-01T20:59:59.000Z");
    assert_eq!(query("to"), "2026-01-01T23:59:55.000Z");
    let none = "Webex lists no admin_audits from 2026-01-01T21:00:00.000Z to 2026-01-01T23:59:55.000Z.\n";
    assert_eq!(outcome.readable, none);
    assert_eq!(outcome.outputs, json!({"CiscoWebex": {"AdminAuditEvents": []}}));
}

#[test]
fn what_was_listed_before_the_time_or_twice_is_left_out_and_what_has_no_time_is_not() {
    let (mut early, mut timeless) = (item(1), item(2));
    early["created"] = json!((START - Span::secs(10_801)).to_string());
    timeless.as_object_mut().unwrap().remove("created");
    let host = listing(vec![early, timeless, item(3), item(3), item(4)]);
    let outcome = run(&host, ADMIN_AUDITS, &[]).unwrap();
    assert_eq!(ids(&outcome, "AdminAuditEvents"), ["id-2", "id-3", "id-4"]);
}

#[test]
fn events_are_delivered_only_on_demand() {
    let host = listing((0..3).map(item).collect());
    let outcome = run(&host, EVENTS, &[("limit", "2"), ("should_push_events", "true")]).unwrap();
    let ids: Vec<_> = outcome.events.iter().map(|event| event.id).collect();
    assert_eq!(ids, ["events:org-1:id-0", "events:org-1:id-1"]);
    assert!(outcome.events.iter().next().unwrap().body.contains(r#""source_log_type":"Events""#));
}

#[test]
fn message_text_leaves_as_the_setting_says() {
    let host = listing(vec![item(1)]);
    let outcome = run_with(&host, &[("message_text", "drop")], EVENTS, &[]).unwrap();
    assert!(!format!("{outcome:?}").contains("hello"));
}

#[test]
fn every_query_of_the_settings_is_listed_until_enough_is_there() {
    let host = listing((0..3).map(item).collect());
    let more = [("events_resources", "messages,memberships")];
    run_with(&host, &more, EVENTS, &[("limit", "5")]).unwrap();
    let resources: Vec<_> = host.sent().iter().map(|sent| sent.query("resource").unwrap()).collect();
    assert_eq!(resources, ["messages", "messages", "memberships", "memberships"]);
}

#[test]
fn values_of_webex_begin_no_markdown() {
    let mut item = item(1);
    item["data"]["actionText"] = json!("a | b\n[x](https://evil.example)");
    let readable = run(&listing(vec![item]), ADMIN_AUDITS, &[]).unwrap().readable;
    let lines: Vec<&str> = readable.lines().collect();
    assert_eq!(lines[0], "| time | id | actor | what |");
    assert_eq!(lines.len(), 3);
    assert!(lines[2].ends_with(r"| a \| b \[x\](https\://evil.example) |"), "{}", lines[2]);
}

#[test]
fn a_listing_that_does_not_end_or_leads_away_is_a_failure() {
    let check = |next: &'static str, message: &str| {
        let host = host(move |_| page(&[item(1)], Some(next)));
        let failure = run(&host, ADMIN_AUDITS, &[]).unwrap_err();
        assert_eq!((failure.code, failure.stream), (Code::NotUnderstood, Some(Stream::AdminAudits)));
        assert!(failure.message.contains(message), "{failure}");
        host.sent().len()
    };
    assert_eq!(check("https://webexapis.com/v1/adminAudit/events?from=1&to=2&orgId=3", "do not come to an end"), 2);
    assert_eq!(check("https://evil.example/v1/adminAudit/events", "leads out of the API"), 1);
    let mut pages = 0;
    let host = host(move |_| {
        pages += 1;
        page(&[], Some(&format!("https://webexapis.com/v1/adminAudit/events?from=1&to=2&orgId=3&page={pages}")))
    });
    assert_eq!(run(&host, ADMIN_AUDITS, &[]).unwrap_err().code, Code::NotUnderstood);
    assert_eq!(host.sent().len(), 20);
}

#[test]
fn a_truncated_page_is_no_page() {
    let host = host(|_| answer(200, r#"{"items":[{"id":"id-1"}"#));
    assert_eq!(run(&host, ADMIN_AUDITS, &[]).unwrap_err().code, Code::NotUnderstood);
}

#[test]
fn odd_items_are_listed_as_they_are() {
    let host = host(|_| answer(200, r#"{"items":[{"id":"\ud800","created":5},null,"text"]}"#));
    let outcome = run(&host, ADMIN_AUDITS, &[("should_push_events", "true")]).unwrap();
    assert_eq!(outcome.events.len(), 3);
    assert_eq!(outcome.outputs[PREFIX]["AdminAuditEvents"].as_array().unwrap().len(), 3);
}

#[test]
fn a_time_that_cannot_be_listed_is_refused_or_shortened() {
    let host = listing(vec![item(1)]);
    let failure = run(&host, ADMIN_AUDITS, &[("since_datetime", "2026-01-02T00:00:00Z")]).unwrap_err();
    assert_eq!(failure.code, Code::InvalidArgument);
    assert_eq!(host.sent().len(), 0);
    let outcome = run(&host, ADMIN_AUDITS, &[("since_datetime", "2020-01-01")]).unwrap();
    assert!(outcome.readable.contains("Webex reaches back to 2025-01-02T23:59:55.000Z only."), "{}", outcome.readable);
}

#[test]
fn an_audit_command_without_an_organization_names_the_setting() {
    let host = listing(vec![item(1)]);
    let settings = Settings::parse([("admin_credentials".to_owned(), "admin-client".to_owned())]).unwrap();
    let failure = host.run(|io| super::run(io, &settings, ADMIN_AUDITS, Vec::new())).unwrap_err();
    assert_eq!((failure.code, failure.message.as_str()), (Code::InvalidSetting, "setting `admin_org_id` is missing"));
    let failure = host.run(|io| super::run(io, &settings, EVENTS, Vec::new())).unwrap_err();
    assert_eq!(failure.message, "setting `compliance_officer_credentials` is missing");
}

#[test]
fn a_listing_beyond_ninety_days_says_how_far_it_goes() {
    let host = host(|_| answer(403, r#"{"message":"User is only authorized to search within past 90 days."}"#));
    let failure = run(&host, EVENTS, &[("since_datetime", "2025-01-01")]).unwrap_err();
    assert_eq!(failure.code, Code::Refused);
    assert!(failure.remedy.contains("after 2025-10-05"), "{}", failure.remedy);
}

// ---- the others ----

#[test]
fn without_the_scope_listing_organizations_says_what_to_add() {
    let host = host(|_| answer(403, r#"{"message":"Access denied","trackingId":"ROUTER_3"}"#));
    let failure = run(&host, "cisco-webex-list-organizations", &[]).unwrap_err();
    assert_eq!((failure.code, failure.tracking_id.as_deref()), (Code::Refused, Some("ROUTER_3")));
    for word in ["spark-admin:organizations_read", "`admin_scopes`", "Control Hub"] {
        assert!(failure.remedy.contains(word), "{}", failure.remedy);
    }
}

#[test]
fn an_event_that_webex_does_not_give_is_explained() {
    let host = host(|sent| {
        assert_eq!(sent.url.as_str(), "https://webexapis.com/v1/events/a%2Fb");
        answer(404, "")
    });
    let failure = run(&host, "cisco-webex-get-event", &[("id", "a/b")]).unwrap_err();
    assert!(failure.remedy.contains("does not answer for every event"), "{}", failure.remedy);
    assert_eq!((failure.code, failure.retry), (Code::InvalidArgument, Retry::AfterAChange));
    assert_eq!(failure.stream, Some(Stream::Events));
}

#[test]
fn an_id_that_would_be_a_path_is_refused() {
    let host = host(|sent| panic!("{}", sent.url));
    assert_eq!(run(&host, "cisco-webex-get-event", &[("id", "..")]).unwrap_err().code, Code::InvalidArgument);
}

#[test]
fn an_event_is_shown_whole() {
    let host = host(|_| answer(200, &item(1).to_string()));
    let outcome = run(&host, "cisco-webex-get-event", &[("id", "id-1")]).unwrap();
    assert!(outcome.readable.contains("```json\n{\n"), "{}", outcome.readable);
    assert_eq!(outcome.outputs[PREFIX]["Event"]["id"], "id-1");
}

#[test]
fn an_answer_of_another_kind_is_not_understood() {
    for (name, args, body) in [
        ("cisco-webex-list-organizations", &[][..], "[1]"),
        ("cisco-webex-list-event-categories", &[], r#"{"eventCategories":null}"#),
        ("cisco-webex-get-event", &[("id", "x")], "[]"),
    ] {
        let host = host(move |_| answer(200, body));
        assert_eq!(run(&host, name, args).unwrap_err().code, Code::NotUnderstood, "{name}");
    }
}

#[test]
fn status_says_how_each_user_stands_and_asks_nobody() {
    let host = host(|sent| panic!("{}", sent.url));
    host.put(SecretName::Tokens(User::ComplianceOfficer), "damaged");
    let outcome = run(&host, "cisco-webex-status", &[]).unwrap();
    let users = &outcome.outputs[PREFIX]["User"];
    assert_eq!((&users[0]["signed_in"], &users[0]["problem"]), (&json!(true), &json!("")));
    assert_eq!(users[0]["access_issued"], json!(START.to_string()));
    assert_eq!((&users[1]["signed_in"], &users[1]["access_issued"]), (&json!(false), &Value::Null));
    assert_eq!(users[1]["problem"], "the stored tokens of the compliance officer are damaged");
    assert!(users[1]["remedy"].as_str().unwrap().contains("cisco-webex-oauth-start user=compliance_officer"));
    let settings = Settings::parse([("admin_credentials".to_owned(), "admin-client".to_owned())]).unwrap();
    let outcome = host.run(|io| async { super::run(io, &settings, "cisco-webex-status", Vec::new()).await }).unwrap();
    assert_eq!(outcome.outputs[PREFIX]["User"][1]["configured"], json!(false));
    assert_eq!(outcome.outputs[PREFIX]["Stream"][2]["on"], json!(false));
    assert!(
        outcome.readable.contains("| compliance\\_officer | not configured |")
            || outcome.readable.contains("| compliance_officer | not configured |"),
        "{}",
        outcome.readable
    );
}

#[test]
fn signing_in_by_commands_works_from_start_to_test() {
    let host = host(|sent| match sent.url.path() {
        "/v1/access_token" => tokens("fake-access-1", "fake-refresh-1"),
        _ => {
            assert_eq!(sent.bearer.as_deref(), Some("fake-access-1"));
            page(&[item(1)], None)
        }
    });
    host.put(SecretName::Tokens(User::Admin), "damaged");
    let begun = run(&host, "cisco-webex-oauth-start", &[("user", "admin")]).unwrap();
    let url = begun.outputs[PREFIX]["SignIn"]["url"].as_str().unwrap().to_owned();
    assert!(begun.readable.contains(&url), "{}", begun.readable);
    let state = url.split("state=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    let code = format!("http://127.0.0.1:8765/callback?code=abc&state={state}");
    let done = run(&host, "cisco-webex-oauth-complete", &[("user", "admin"), ("code", &code)]).unwrap();
    assert_eq!(done.outputs[PREFIX]["SignIn"]["scopes"], json!(["audit:events_read", "spark:kms"]));
    let tested = run(&host, "cisco-webex-oauth-test", &[("user", "admin")]).unwrap();
    assert_eq!(tested.outputs[PREFIX]["Check"].as_array().unwrap().len(), 3);
}

#[test]
fn the_account_that_signed_in_is_named_where_webex_may_be_asked_and_its_silence_fails_nothing() {
    for (person, account) in [
        (r#"{"emails":["a_b@example.com"],"orgId":"org-1"}"#, json!("a_b@example.com")),
        ("[]", Value::Null),
        ("<html>", Value::Null),
    ] {
        let host = host(move |sent| match sent.url.path() {
            "/v1/access_token" => {
                let body = r#"{"access_token":"fake-access-1","expires_in":60,"scope":"spark:people_read"}"#;
                answer(200, body)
            }
            path => {
                assert_eq!(path, "/v1/people/me");
                answer(200, person)
            }
        });
        let done = run(&host, "cisco-webex-oauth-complete", &[("user", "admin"), ("code", "abc")]).unwrap();
        assert_eq!(done.outputs[PREFIX]["SignIn"]["account"], account, "{person}");
        assert_eq!(done.readable.contains(" as "), account != Value::Null, "{}", done.readable);
    }
}

#[test]
fn a_test_that_does_not_pass_is_a_failure() {
    let host = host(|sent| match sent.url.path() {
        "/v1/adminAudit/events" => answer(403, r#"{"message":"No role"}"#),
        _ => page(&[item(1)], None),
    });
    for (name, args) in [("cisco-webex-oauth-test", &[("user", "admin")][..]), ("test-module", &[])] {
        let failure = run(&host, name, args).unwrap_err();
        assert_eq!((failure.code, failure.stream), (Code::Refused, Some(Stream::AdminAudits)));
        assert_eq!(failure.message, "admin_audits: listing admin_audits: status 403: No role");
    }
}
