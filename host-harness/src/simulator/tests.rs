//! The tenant over the wire, as a client meets it.

mod client;
mod faults;
mod in_process;
mod paging;
mod refusals;
mod sign_in;

use super::*;
use client::Client;

/// 2026-02-01T00:00:00Z
const NOW: i64 = 1_769_904_000_000;
const HOUR: i64 = 3_600_000;

const AUDIT: &str = "audit:events_read";
const EVENTS: &str = "spark-compliance:events_read";

/// A tenant whose clock stands.
fn settings() -> TenantSettings {
    TenantSettings { clock: Clock::set_to(NOW), ..TenantSettings::default() }
}

async fn start(settings: TenantSettings) -> (SimulatedTenant, Client) {
    let tenant = SimulatedTenant::start(settings).await.unwrap();
    let client = Client::new(&tenant.origin());
    (tenant, client)
}

/// A bearer that may read the stream.
fn bearer(tenant: &SimulatedTenant, stream: Stream) -> String {
    match stream {
        Stream::AdminAudits | Stream::SecurityAudits => tenant.grant(ADMIN_CLIENT_ID, ADMIN, AUDIT).access_token,
        Stream::Events => tenant.grant(OFFICER_CLIENT_ID, OFFICER, EVENTS).access_token,
    }
}

/// Path and query of a first request for a window.
fn first(tenant: &SimulatedTenant, stream: Stream, from_ms: i64, to_ms: i64, max: usize) -> String {
    let (from_key, to_key) = stream.window_keys();
    let org = if stream.is_audit() { format!("orgId={}&", tenant.org_id()) } else { String::new() };
    format!("{}?{org}{from_key}={}&{to_key}={}&max={max}", stream.path(), iso(from_ms), iso(to_ms))
}

#[tokio::test]
async fn a_stopped_tenant_closes_its_port_and_its_connections() {
    let (tenant, client) = start(settings()).await;
    assert_eq!(client.get("/v1/events", None).await.unwrap().status, 401);
    tenant.stop().await;
    assert!(client.get("/v1/events", None).await.is_err());
}

#[tokio::test]
async fn a_dropped_tenant_stops() {
    let (tenant, client) = start(settings()).await;
    drop(tenant);
    let mut answers = 0;
    while client.get("/v1/events", None).await.is_ok() {
        answers += 1;
        assert!(answers < 1_000, "still answering");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_date_header_shows_the_origins_clock() {
    let ours = Clock::set_to(NOW);
    let (tenant, client) = start(TenantSettings { clock: ours.with_offset(-90_000), ..settings() }).await;
    let answer = client.get("/v1/events", None).await.unwrap();
    assert_eq!(answer.header("date"), Some("Sat, 31 Jan 2026 23:58:30 GMT"));
    tenant.stop().await;
}

#[tokio::test]
async fn two_tenants_of_one_seed_answer_the_same_bytes() {
    let mut answers = Vec::new();
    for _ in 0..2 {
        let random = RandomFault { endpoint: None, rate: 0.2, faults: vec![Fault::Status(503), Fault::ItemsNull] };
        let (tenant, client) = start(TenantSettings { random_faults: vec![random], ..settings() }).await;
        tenant.backlog(Stream::Events, 50, NOW - HOUR, NOW);
        let bearer = bearer(&tenant, Stream::Events);
        let mut bodies = Vec::new();
        for _ in 0..20 {
            let answer = client.get(&first(&tenant, Stream::Events, NOW - HOUR, NOW, 10), Some(&bearer)).await.unwrap();
            bodies.push((answer.status, answer.headers.clone(), answer.body));
        }
        // The port is the one thing that differs.
        let text = format!("{bodies:?}").replace(&tenant.origin(), "ORIGIN");
        answers.push(text);
        tenant.stop().await;
    }
    assert!(answers[0].contains("503"), "the dice struck");
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test]
async fn live_events_come_with_the_clock_and_are_listed() {
    let (tenant, client) = start(settings()).await;
    tenant.live(LiveRates { events: 2.0, ..LiveRates::default() });
    tenant.clock().advance(10_000);
    let bearer = bearer(&tenant, Stream::Events);
    let page = client.get(&first(&tenant, Stream::Events, NOW, NOW + 10_000, 100), Some(&bearer)).await.unwrap();
    assert_eq!(page.items().len(), 19, "one every half second; `to` is exclusive");
    assert_eq!(tenant.listed(Stream::Events).len(), 20);
    assert!(tenant.listed(Stream::AdminAudits).is_empty());
    tenant.live(LiveRates::default());
    tenant.clock().advance(10_000);
    assert_eq!(tenant.listed(Stream::Events).len(), 20);
    tenant.stop().await;
}

#[tokio::test]
async fn an_event_is_answered_by_id_and_mended_there() {
    let (tenant, client) = start(settings()).await;
    tenant.add(Stream::Events, NOW - 1, NOW - 1, r#"{"id":"a+b/c&d","errors":{}}"#);
    let bearer = bearer(&tenant, Stream::Events);
    let path = "/v1/events/a%2Bb%2Fc%26d";
    assert_eq!(client.get(path, Some(&bearer)).await.unwrap().text(), r#"{"id":"a+b/c&d","errors":{}}"#);
    tenant.mend("a+b/c&d", r#"{"id":"a+b/c&d"}"#);
    assert_eq!(client.get(path, Some(&bearer)).await.unwrap().text(), r#"{"id":"a+b/c&d"}"#);
    assert_eq!(client.get("/v1/events/unknown", Some(&bearer)).await.unwrap().status, 404);
    tenant.stop().await;
}

#[tokio::test]
async fn some_listed_events_are_not_answered_by_id() {
    let (tenant, client) = start(TenantSettings { event_by_id_fails_one_in: 3, ..settings() }).await;
    tenant.backlog(Stream::Events, 60, NOW - HOUR, NOW);
    let bearer = bearer(&tenant, Stream::Events);
    let mut failed = 0;
    for event in tenant.listed(Stream::Events) {
        let answer = client.get(&format!("/v1/events/{}", event.id.unwrap()), Some(&bearer)).await.unwrap();
        failed += usize::from(answer.status == 404);
    }
    assert!((8..35).contains(&failed), "{failed} of 60");
    tenant.stop().await;
}

#[tokio::test]
async fn requests_are_recorded_without_their_bearer() {
    let (tenant, client) = start(settings()).await;
    tenant.backlog(Stream::Events, 5, NOW - HOUR, NOW);
    let bearer = bearer(&tenant, Stream::Events);
    client.get(&first(&tenant, Stream::Events, NOW - HOUR, NOW, 3), Some(&bearer)).await.unwrap();
    client.get("/v1/events", Some("guessed")).await.unwrap();
    client.get("/v1/events", None).await.unwrap();
    let requests = tenant.requests();
    assert!(!format!("{requests:?}").contains(&bearer));
    assert_eq!(requests[0].account.as_deref(), Some(OFFICER));
    assert_eq!(requests[0].param("max"), Some("3"));
    let states: Vec<_> = requests.iter().map(|request| (request.bearer, request.status, request.items)).collect();
    assert_eq!(
        states,
        [(BearerState::Valid, Some(200), 3), (BearerState::Unknown, Some(401), 0), (BearerState::None, Some(401), 0)]
    );
    let count = EndpointCount { requests: 3, ok: 1, refused: 2, failed: 0, items: 3 };
    assert_eq!(tenant.counts(), BTreeMap::from([(Endpoint::Events, count)]));
    tenant.forget_requests();
    assert!(tenant.requests().is_empty());
    tenant.stop().await;
}
