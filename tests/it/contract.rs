//! The component as a platform meets it: what it says of itself, what it imports, how large it is, what it asks of Webex.

use std::collections::BTreeSet;

use host_harness::COMPONENT;
use host_harness::runtime::{Bundle, Next, Runtime, SettingKind, Verdict};
use wiremock::Mock;
use wiremock::matchers::{header, method, path, query_param};

use crate::support::{ACCESS_TOKENS, NOW, ORG, PATHS, STREAMS, Scripted, Setup, json, plugin, whatever};

/// The interfaces that a host gives by contract: standard WASI beyond it would be files, sockets, processes.
const CONTRACT: [&str; 12] = [
    "siem:plugin/secrets@0.2.0",
    "siem:plugin/settings@0.2.0",
    "siem:plugin/host@0.2.0",
    "siem:plugin/types@0.2.0",
    "wasi:http/outgoing-handler@0.2.12",
    "wasi:http/types@0.2.12",
    "wasi:io/error@0.2.12",
    "wasi:io/poll@0.2.12",
    "wasi:io/streams@0.2.12",
    "wasi:clocks/monotonic-clock@0.2.12",
    "wasi:clocks/wall-clock@0.2.12",
    "wasi:random/random@0.2.12",
];
/// What the standard library of Rust imports for panics and the like, whether it is used or not: standard streams, the exit,
/// an environment that the host leaves empty.
const STD: &str = "wasi:cli/";

#[test]
fn the_component_imports_nothing_beyond_the_contract_and_what_std_needs() {
    let found = Runtime::new().unwrap().inspect(COMPONENT).unwrap();
    let (of_std, of_contract): (Vec<_>, Vec<_>) = found.imports.iter().partition(|name| name.starts_with(STD));
    let of_contract: BTreeSet<&str> = of_contract.into_iter().map(String::as_str).collect();
    assert_eq!(of_contract, BTreeSet::from(CONTRACT));
    for import in of_std {
        let name = import.trim_start_matches(STD).split('@').next().unwrap();
        let is_known =
            matches!(name, "environment" | "exit" | "stdin" | "stdout" | "stderr") || name.starts_with("terminal-");
        assert!(is_known, "{import}");
    }
    assert_eq!(found.exports, ["siem:plugin/collector@0.2.0", "siem:plugin/commands@0.2.0"]);
}

#[test]
fn the_component_is_smaller_than_one_mebibyte() {
    assert!(COMPONENT.len() < 1 << 20, "{} bytes", COMPONENT.len());
}

#[tokio::test]
async fn a_platform_can_draw_its_form_from_describe() {
    let described = plugin().describe().await.unwrap();
    assert_eq!((described.vendor.as_str(), described.product.as_str()), ("cisco", "webex"));
    assert_eq!(described.version, env!("CARGO_PKG_VERSION"));

    let names: Vec<&str> = described.settings.iter().map(|setting| setting.name.as_str()).collect();
    let want = [
        "base_url",
        "admin_credentials",
        "admin_app_redirect_uri",
        "admin_org_id",
        "admin_scopes",
        "compliance_officer_credentials",
        "compliance_officer_redirect_uri",
        "compliance_officer_scopes",
        "fetch_security_audit_events",
        "max_fetch",
        "max_requests",
        "first_fetch",
        "overlap",
        "remember",
        "lag",
        "events_resources",
        "admin_categories",
        "security_categories",
        "events_types",
        "message_text",
    ];
    assert_eq!(names, want);
    for setting in &described.settings {
        assert!(!setting.title.is_empty() && !setting.help.is_empty(), "{}", setting.name);
        assert_eq!(setting.secret, setting.kind == SettingKind::Credentials, "{}", setting.name);
        assert_eq!(setting.choices.is_empty(), setting.kind != SettingKind::Choice, "{}", setting.name);
    }
    let default = |name: &str| {
        let setting = described.settings.iter().find(|setting| setting.name == name).unwrap();
        setting.default.clone().unwrap_or_default()
    };
    assert_eq!(default("fetch_security_audit_events"), "false");
    assert_eq!(default("admin_scopes"), "audit:events_read spark:kms");
    assert_eq!(default("compliance_officer_scopes"), "spark-compliance:events_read spark:kms");
    assert_eq!((default("overlap").as_str(), default("lag").as_str()), ("10m", "5s"));

    let written: Vec<(&str, bool)> =
        described.secrets.iter().map(|secret| (secret.name.as_str(), secret.written)).collect();
    for user in ["admin", "compliance_officer"] {
        for (what, is_written) in
            [("credentials", false), ("refresh_token", false), ("tokens", true), ("sign_ins", true)]
        {
            assert!(written.contains(&(format!("{user}_{what}").as_str(), is_written)), "{user} {what}: {written:?}");
        }
    }
    assert_eq!(written.len(), 8);

    let users: Vec<&str> = described.users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!(users, ["admin", "compliance_officer"]);
    let streams: Vec<(&str, &str, bool)> = described
        .streams
        .iter()
        .map(|stream| (stream.name.as_str(), stream.user.as_str(), stream.on_by_default))
        .collect();
    let want =
        [("admin_audits", "admin", true), ("security_audits", "admin", false), ("events", "compliance_officer", true)];
    assert_eq!(streams, want);
    assert_eq!(described.origins, ["https://webexapis.com"]);
    assert_eq!(described.origin_setting.as_deref(), Some("base_url"));
    assert!(described.help.contains("Pro Pack") && described.help.contains("Allow user authentication data"));
}

#[tokio::test]
async fn every_command_that_signs_a_user_in_is_listed() {
    let (described, commands) = (plugin().describe().await.unwrap(), plugin().list_commands().await.unwrap());
    for user in described.users {
        for name in user.sign_in {
            assert!(commands.iter().any(|command| command.name == name), "{name} of {}", user.name);
        }
    }
}

#[tokio::test]
async fn a_first_fetch_asks_for_its_stretch_and_a_second_more_with_the_users_own_tokens() {
    let webex = Scripted::start().await;
    // Ten minutes before now, widened by the second that covers inclusive and exclusive bounds; nothing of the future.
    let (start, end) = ("2026-02-11T19:49:59.000Z", "2026-02-11T20:00:00.000Z");
    let bounds = [("from", "to"), ("startTime", "endTime"), ("from", "to")];
    let pages = ["200", "1000", "1000"];
    for (index, at) in PATHS.iter().enumerate() {
        let token = ACCESS_TOKENS[usize::from(index == 2)];
        let mut mock = Mock::given(method("GET"))
            .and(path(*at))
            .and(query_param(bounds[index].0, start))
            .and(query_param(bounds[index].1, end))
            .and(query_param("max", pages[index]))
            .and(header("authorization", format!("Bearer {token}").as_str()));
        if index < 2 {
            mock = mock.and(query_param("orgId", ORG));
        }
        mock.respond_with(json(r#"{"items":[]}"#)).expect(1).mount(&webex.server).await;
    }
    let mut host = webex.setup().set("first_fetch", "10m").open().await;
    let batch = host.fetch(&whatever()).await.unwrap();
    assert_eq!((Bundle::count(&batch.events), batch.next), (0, Next::Idle));
    for (report, stream) in batch.reports.iter().zip(STREAMS) {
        assert_eq!((report.stream.as_str(), report.failure.clone(), report.requests), (stream, None, 1));
        assert_eq!((report.watermark, report.frontier, report.pending), (Some(NOW), Some(NOW), 0));
    }
    // Nothing is due before the clock moves.
    let again = host.fetch(&whatever()).await.unwrap();
    assert!(again.reports.iter().all(|report| report.requests == 0), "{:?}", again.reports);
}

#[tokio::test]
async fn a_base_url_may_name_the_version_or_not() {
    for suffix in ["", "/", "/v1", "/v1/"] {
        let webex = Scripted::start().await;
        webex.serve_nothing(&PATHS).await;
        let setup = webex.setup().set("base_url", &format!("{}{suffix}", webex.server.uri()));
        let (_, reports) = setup.open().await.collect().await;
        assert!(reports.iter().all(|report| report.failure.is_none()), "{suffix}: {reports:?}");
    }
}

#[tokio::test]
async fn the_same_answers_clock_and_random_give_the_same_batch_and_last_run() {
    let webex = Scripted::start().await;
    let samples = ["admin_audits", "security_audits", "events"].map(crate::bodies::sample);
    for (at, sample) in PATHS.iter().zip(&samples) {
        webex.serve(at, json(sample)).await;
    }
    // For the events that could not be decrypted.
    Mock::given(method("GET"))
        .and(wiremock::matchers::path_regex("^/v1/events/.+"))
        .respond_with(crate::support::answer(404))
        .mount(&webex.server)
        .await;
    // One slice a stream: of several, the order in which answers arrive is the network's.
    let setup = || webex.setup().set("first_fetch", "1h");
    let first = setup().open().await.fetch(&whatever()).await.unwrap();
    let second = setup().open().await.fetch(&whatever()).await.unwrap();
    assert_eq!(first, second);
    assert_eq!(Bundle::count(&first.events), 50);
}

#[tokio::test]
async fn check_looks_at_settings_clock_users_and_streams_in_this_order() {
    let webex = Scripted::start().await;
    webex.serve_nothing(&PATHS).await;
    let findings = webex.host().await.tenant.check().await.unwrap();
    let found: Vec<(&str, Verdict, &str)> =
        findings.iter().map(|finding| (finding.subject.as_str(), finding.verdict, finding.code.as_str())).collect();
    let want = [
        ("settings", Verdict::Ok, "ok"),
        ("clock", Verdict::Ok, "ok"),
        ("admin", Verdict::Ok, "ok"),
        ("admin_audits", Verdict::Ok, "ok"),
        // A week without a single sign-in is what an organization without Pro Pack looks like.
        ("security_audits", Verdict::Warn, "no-security-audits"),
        ("compliance_officer", Verdict::Ok, "ok"),
        ("events", Verdict::Ok, "ok"),
    ];
    assert_eq!(found, want);
}

#[tokio::test]
async fn check_says_first_what_is_wrong_with_the_settings_and_asks_no_one_then() {
    let webex = Scripted::start().await;
    let setup = webex.setup().set("overlap", "0s");
    let findings = setup.open().await.tenant.check().await.unwrap();
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].subject.as_str(), findings[0].verdict), ("settings", Verdict::Fail));
    assert!(findings[0].text.contains("`overlap`") && !findings[0].remedy.is_empty(), "{findings:?}");
    assert!(webex.server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn every_part_of_a_set_up_is_optional_but_one_user() {
    let webex = Scripted::start().await;
    webex.serve_nothing(&PATHS).await;
    let only = |user: &str, more: &[(&str, &str)]| {
        let base = webex.server.uri();
        let setup = Setup::new(&[("base_url", base.as_str()), ("lag", "0s"), ("first_fetch", "1 day")])
            .secret("admin_credentials", crate::support::CLIENT_SECRETS[0])
            .secret("admin_refresh_token", crate::support::REFRESH_TOKENS[0])
            .secret("compliance_officer_credentials", crate::support::CLIENT_SECRETS[1])
            .secret("compliance_officer_refresh_token", crate::support::REFRESH_TOKENS[1])
            .set(user, "a-client");
        more.iter().fold(setup, |setup, (name, value)| setup.set(name, value))
    };
    for (setup, streams) in [
        (only("admin_credentials", &[("admin_org_id", ORG)]), &["admin_audits"][..]),
        (only("compliance_officer_credentials", &[]), &["events"]),
        (
            only("admin_credentials", &[("admin_org_id", ORG), ("fetch_security_audit_events", "true")]),
            &["admin_audits", "security_audits"],
        ),
    ] {
        let (_, reports) = setup.open().await.collect().await;
        let found: Vec<&str> = reports.iter().map(|report| report.stream.as_str()).collect();
        assert_eq!(found, streams);
        assert!(reports.iter().all(|report| report.failure.is_none()), "{reports:?}");
    }
}
