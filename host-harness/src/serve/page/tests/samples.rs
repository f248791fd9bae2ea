//! What a person may meet: samples of everything, for these tests and for those in a browser.

use std::time::Duration;

use crate::board::view::{
    Backlog, Counts, Light, Problem, RecentEvent, Rounds, Severity, SinkView, SpoolView, StreamView, Subject,
    TenantView, TokenLife, Trouble, UserView, View,
};
use crate::courier::{Condition, Standing};
use crate::sink::SinkName;
use crate::spool::Position;

/// 2026-03-02, 09:20 UTC.
const NOW: i64 = 1_772_443_200_000;
const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// One of them.
pub(super) struct Sample {
    pub(super) name: &'static str,
    pub(super) view: View,
}

impl Sample {
    pub(super) fn all() -> Vec<Self> {
        let of = |name, view| Self { name, view };
        vec![
            of("healthy", healthy()),
            of("first-start", first_start()),
            of("backlog", backlog()),
            of("trouble", trouble()),
            of("twelve-tenants", twelve_tenants()),
            of("nothing-yet", nothing_yet()),
            of("hostile", hostile()),
            of("thousand-tenants", thousand_tenants()),
        ]
    }
}

fn view(tenants: Vec<TenantView>) -> View {
    View { now: NOW, started: NOW - 3 * DAY - 4 * HOUR, simulated: false, problems: Vec::new(), tenants }
}

/// As many events a minute as people make who come to work in the morning.
fn busy(scale: u64) -> Vec<u64> {
    (0..60).map(|minute: u64| (scale * (20 + minute) + (minute * 7919) % (17 * scale + 1)) / 20).collect()
}

fn stream(name: &str, title: &str, user: &str, scale: u64) -> StreamView {
    StreamView {
        name: name.into(),
        title: title.into(),
        user: user.into(),
        light: Light::Ok,
        reason: "data flows".into(),
        lag_ms: Some(6_200),
        watermark: Some(NOW - 6_200),
        frontier: Some(NOW - 6_200),
        backlog: None,
        per_minute: busy(scale),
        last_event: Some(NOW - 9 * SECOND),
        counts: Counts {
            listed: 41_000 * scale,
            delivered: 40_112 * scale,
            repeated: 888 * scale,
            late: 2,
            requests: 9_120,
            retries: 3,
            ..Counts::default()
        },
        failure: None,
        warnings: Vec::new(),
    }
}

fn user(name: &str, title: &str, streams: &[&str]) -> UserView {
    UserView {
        name: name.into(),
        title: title.into(),
        streams: streams.iter().map(ToString::to_string).collect(),
        configured: true,
        signed_in: true,
        service_app: false,
        light: Light::Ok,
        problem: String::new(),
        remedy: String::new(),
        access: Some(TokenLife { issued: Some(NOW - 4 * DAY), expires: NOW + 10 * DAY }),
        refresh: Some(TokenLife { issued: Some(NOW - 27 * DAY), expires: NOW + 63 * DAY }),
        requests_last_minute: 14,
        request_limit: 300,
    }
}

fn event(id: &str, stream: &str, ago: i64, body: &str) -> RecentEvent {
    RecentEvent {
        id: id.into(),
        stream: stream.into(),
        created: Some(NOW - ago),
        delivered: NOW - ago + 4 * SECOND,
        body: body.into(),
        is_cut: false,
    }
}

fn spooled(name: &str, place: &str, change: impl FnOnce(&mut Standing)) -> SinkView {
    let mut standing = Standing::begun(SinkName::parse(name).unwrap(), place.to_owned(), 0, Position::default());
    (standing.acknowledged, standing.last_acknowledged) = (120_336, Some(NOW - 5 * SECOND));
    change(&mut standing);
    SinkView::Spooled { light: Light::Ok, standing }
}

fn tenant(name: Option<&str>) -> TenantView {
    let audit = r#"{"id":"Y2lzY29zcGFyazovL3VzL0FVRElU","created":"2026-03-02T09:19:51.000Z","actorOrgName":"Example","eventDescription":"An admin changed the role of a user","targetName":"ada@example.com","_time":"2026-03-02T09:19:51.000Z","source_log_type":"Admin Audit Events"}"#;
    let message = r#"{"id":"Y2lzY29zcGFyazovL3VzL0VWRU5U","resource":"messages","type":"created","created":"2026-03-02T09:19:44.000Z","data":{"roomType":"group","personEmail":"grace@example.com"},"_time":"2026-03-02T09:19:44.000Z","source_log_type":"Events"}"#;
    let sign_in = r#"{"id":"Y2lzY29zcGFyazovL3VzL1NFQ1VS","created":"2026-03-02T09:18:02.000Z","eventCategory":"LOGINS","eventDescription":"A user signed in","_time":"2026-03-02T09:18:02.000Z","source_log_type":"Security Audit Events"}"#;
    TenantView {
        name: name.map(Into::into),
        light: Light::Ok,
        problems: Vec::new(),
        streams: vec![
            stream("admin_audits", "Admin audit events", "admin", 1),
            stream("security_audits", "Security audit events", "admin", 6),
            stream("events", "Compliance events", "compliance_officer", 40),
        ],
        users: vec![
            user("admin", "admin", &["Admin audit events", "Security audit events"]),
            user("compliance_officer", "compliance officer", &["Compliance events"]),
        ],
        sinks: vec![
            spooled("splunk", "https://hec.example.com:8088/services/collector", |_| {}),
            spooled("archive", "s3://example-audit/webex", |_| {}),
        ],
        spool: Some(SpoolView { bytes: 3 << 20, limit: 1 << 30, is_full: false }),
        recent: vec![
            event("a1", "admin_audits", 9 * SECOND, audit),
            event("e1", "events", 16 * SECOND, message),
            event("s1", "security_audits", 118 * SECOND, sign_in),
            event("e2", "events", 26 * HOUR, message),
        ],
        interval: Duration::from_secs(60),
        rounds: Rounds { done: 4_560, failed: 2, last: Some(NOW - 12 * SECOND) },
    }
}

pub(super) fn healthy() -> View {
    view(vec![tenant(None)])
}

/// Five seconds after [`healthy`]: one event more, and a warning.
pub(super) fn healthy_later() -> View {
    let mut view = healthy();
    view.now += 5 * SECOND;
    let tenant = &mut view.tenants[0];
    tenant.recent.insert(0, event("e3", "events", -SECOND, "{\"id\":\"new\"}"));
    tenant.light = Light::Warn;
    tenant.streams[2].light = Light::Warn;
    tenant.streams[2].reason = "Webex answers, and has listed nothing for 1day 2h".into();
    tenant.problems = vec![problem(
        Severity::Warn,
        "quiet",
        Subject::Stream("events".into()),
        "Webex answers, and has listed nothing for 1day 2h",
        "if that is usual here, raise `collect.quiet_after`; else see the role, scope and settings of its user",
    )];
    view
}

pub(super) fn first_start() -> View {
    let mut tenant = tenant(None);
    let needed = "sign-in needed";
    tenant.light = Light::Fail;
    tenant.recent.clear();
    (tenant.rounds, tenant.spool) = (Rounds { done: 1, failed: 0, last: Some(NOW - 3 * SECOND) }, None);
    tenant.sinks =
        vec![SinkView::Direct { name: "ndjson".into(), place: "events.ndjson".into(), delivered: 0, last: None }];
    for user in &mut tenant.users {
        user.light = Light::Fail;
        user.signed_in = false;
        (user.access, user.refresh, user.requests_last_minute) = (None, None, 0);
        let subject = Subject::User(user.name.clone());
        tenant.problems.push(problem(Severity::Fail, "sign-in-needed", subject, needed, "sign in"));
    }
    // That a stream has no tokens is said once, of its user.
    for stream in &mut tenant.streams {
        *stream = StreamView {
            light: Light::Fail,
            reason: "nobody has signed in as its user yet".into(),
            lag_ms: None,
            watermark: None,
            frontier: None,
            per_minute: vec![0; 60],
            last_event: None,
            counts: Counts::default(),
            ..stream.clone()
        };
    }
    View { started: NOW - 20 * SECOND, simulated: true, ..view(vec![tenant]) }
}

pub(super) fn backlog() -> View {
    let mut tenant = tenant(None);
    tenant.users[1].requests_last_minute = 212;
    let events = &mut tenant.streams[2];
    events.reason = "data flows; a backlog is being read".into();
    events.lag_ms = Some(26 * 3_600_000);
    events.watermark = Some(NOW - 26 * HOUR);
    events.backlog = Some(Backlog { intervals: 12, done: 0.635, ends: Some(NOW + 14 * MINUTE) });
    events.per_minute = (0..60).map(|minute| if minute < 38 { 0 } else { 1_800 + (minute * 97) % 400 }).collect();
    events.counts =
        Counts { listed: 50_115, delivered: 48_211, repeated: 1_904, late: 3, requests: 611, ..Counts::default() };
    view(vec![tenant])
}

/// A refused stream, a token that is about to end, a sink that takes nothing, a full page of it.
pub(super) fn trouble() -> View {
    let mut tenant = tenant(None);
    tenant.light = Light::Fail;
    let (refused, role) = (
        "Webex refuses: the account is no Compliance Officer",
        "give the account the role Compliance Officer in Control Hub, under Users; or sign in with another account",
    );
    let trouble = |at, code: &str, text: &str, remedy: &str, holds| Trouble {
        at,
        code: code.into(),
        text: text.into(),
        remedy: remedy.into(),
        holds,
    };
    let events = &mut tenant.streams[2];
    events.light = Light::Fail;
    events.reason = refused.into();
    events.lag_ms = Some(2 * 3_600_000 + 700_000);
    events.watermark = Some(NOW - 2 * HOUR - 700 * SECOND);
    events.per_minute = vec![0; 60];
    events.last_event = Some(NOW - 2 * HOUR - 720 * SECOND);
    events.failure = Some(trouble(NOW - 31 * SECOND, "refused", refused, role, true));
    let audits = &mut tenant.streams[0];
    audits.failure =
        Some(trouble(NOW - 3 * HOUR, "unavailable", "Webex answered with 503 Service Unavailable", "", false));
    audits.counts.gaps = 1;
    let admin = &mut tenant.users[0];
    admin.light = Light::Fail;
    admin.refresh = Some(TokenLife { issued: Some(NOW - 89 * DAY), expires: NOW + 31 * HOUR });
    let failing =
        Condition::Failing { reason: "the receiver answered with 503: queue is full".into(), since: NOW - 44 * MINUTE };
    tenant.sinks[0] = spooled("splunk", "https://hec.example.com:8088/services/collector", |standing| {
        standing.condition = failing;
        (standing.waiting, standing.refused, standing.dead_letters) = (61_500, 4, 4);
        standing.last_acknowledged = Some(NOW - 44 * MINUTE);
    });
    if let SinkView::Spooled { light, .. } = &mut tenant.sinks[0] {
        *light = Light::Fail;
    }
    tenant.spool = Some(SpoolView { bytes: 812 << 20, limit: 1 << 30, is_full: false });
    let sink = || Subject::Sink("splunk".into());
    tenant.problems = vec![
        problem(Severity::Fail, "refused", Subject::Stream("events".into()), refused, role),
        problem(
            Severity::Fail,
            "token-expires",
            Subject::User("admin".into()),
            "the refresh token ends in 1day 7h",
            "sign in again",
        ),
        problem(
            Severity::Fail,
            "sink-failing",
            sink(),
            "takes nothing for 44m: the receiver answered with 503: queue is full",
            "see that the receiver runs and can be reached from here; nothing is lost meanwhile",
        ),
        problem(
            Severity::Warn,
            "dead-letters",
            sink(),
            "4 events were refused and wait as dead letters",
            "see `webex-collector deadletter`",
        ),
    ];
    view(vec![tenant])
}

fn problem(severity: Severity, code: &str, subject: Subject, text: &str, remedy: &str) -> Problem {
    Problem { severity, code: code.into(), subject, text: text.into(), remedy: remedy.into() }
}

fn named(name: &str, of: View) -> TenantView {
    TenantView { name: Some(name.into()), ..of.tenants.into_iter().next().unwrap() }
}

pub(super) fn twelve_tenants() -> View {
    let quiet = ["acme", "hooli", "massive-dynamic", "pied-piper", "stark", "tyrell", "umbrella", "vandelay", "wayne"];
    let mut tenants: Vec<TenantView> = quiet.map(|name| tenant(Some(name))).into();
    let waiting = TenantView { light: Light::Waiting, rounds: Rounds::default(), ..named("wonka", nothing_yet()) };
    tenants.extend([named("globex", trouble()), named("initech", first_start()), waiting]);
    tenants.sort_by(|one, other| one.name.cmp(&other.name));
    view(tenants)
}

/// Somebody of the second has signed in, so its line has moved.
pub(super) fn twelve_tenants_later() -> View {
    let mut view = twelve_tenants();
    view.now += 5 * SECOND;
    for of in view.tenants.iter_mut().filter(|of| of.name.as_deref() == Some("initech")) {
        *of = tenant(Some("initech"));
    }
    view
}

/// The first seconds: nobody knows anything.
pub(super) fn nothing_yet() -> View {
    let mut tenant = named("only", first_start());
    (tenant.name, tenant.light, tenant.rounds) = (None, Light::Waiting, Rounds::default());
    tenant.problems.clear();
    for stream in &mut tenant.streams {
        (stream.light, stream.reason) = (Light::Waiting, "the first round is under way".into());
        stream.per_minute.clear();
    }
    for user in &mut tenant.users {
        (user.light, user.configured) = (Light::Waiting, false);
    }
    View { started: NOW - 2 * SECOND, ..view(vec![tenant]) }
}

/// Names and texts that want to be more than text.
pub(super) fn hostile() -> View {
    const TRAP: &str = "\"><img src=x onerror=\"alert(1)\"></script><script>alert(2)</script><b>\u{202e}\u{1b}[31m";
    let mut tenant = tenant(None);
    let trap = || TRAP.to_owned();
    tenant.light = Light::Fail;
    for stream in &mut tenant.streams {
        (stream.name, stream.title, stream.reason, stream.light) = (trap(), trap(), trap(), Light::Fail);
        let trouble = Trouble { at: NOW, code: trap(), text: trap(), remedy: trap(), holds: true };
        (stream.failure, stream.warnings) = (Some(trouble.clone()), vec![trouble]);
    }
    tenant.streams.truncate(1);
    for user in &mut tenant.users {
        (user.title, user.problem, user.remedy, user.streams) = (trap(), trap(), trap(), vec![trap(), trap()]);
    }
    tenant.sinks = vec![
        SinkView::Direct { name: trap(), place: trap(), delivered: 1, last: Some(i64::MAX) },
        spooled("a", TRAP, |standing| standing.condition = Condition::Closed { reason: trap(), since: i64::MIN }),
    ];
    tenant.recent = vec![RecentEvent {
        id: trap(),
        stream: trap(),
        created: Some(i64::MIN),
        delivered: NOW,
        body: trap(),
        is_cut: true,
    }];
    tenant.problems = vec![
        problem(Severity::Fail, TRAP, Subject::Stream(trap()), TRAP, TRAP),
        problem(Severity::Warn, TRAP, Subject::User(trap()), TRAP, TRAP),
    ];
    view(vec![tenant])
}

pub(super) fn thousand_tenants() -> View {
    let tenants = (0..1_000).map(|number| {
        let name = format!("tenant-{number:04}");
        if number % 100 == 7 { named(&name, trouble()) } else { tenant(Some(&name)) }
    });
    view(tenants.collect())
}
