use super::*;

struct Scene {
    tenant: SimulatedTenant,
    client: Client,
    bearer: String,
    first: String,
}

/// Six events, three a page.
async fn scene() -> Scene {
    let (tenant, client) = start(settings()).await;
    tenant.backlog(Stream::Events, 6, NOW - HOUR, NOW);
    let bearer = bearer(&tenant, Stream::Events);
    let first = first(&tenant, Stream::Events, NOW - HOUR, NOW, 3);
    Scene { tenant, client, bearer, first }
}

impl Scene {
    async fn get(&self, target: &str) -> Result<client::Answer, Box<dyn std::error::Error + Send + Sync>> {
        self.client.get(target, Some(&self.bearer)).await
    }

    /// The next first request with this fault; the one after it is whole again.
    async fn with(&self, fault: Fault) -> Result<client::Answer, Box<dyn std::error::Error + Send + Sync>> {
        self.tenant.script(ScriptedFault::on(Endpoint::Events, fault));
        let answer = self.get(&self.first).await;
        let whole = self.get(&self.first).await.unwrap();
        assert_eq!((whole.status, whole.items().len()), (200, 3), "the fault is over");
        answer
    }
}

#[tokio::test]
async fn refusals_by_fault_carry_their_headers_and_bodies() {
    let scene = scene().await;
    let limited = scene.with(Fault::TooManyRequests(RetryAfter::Seconds(3_600))).await.unwrap();
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("3600")));
    assert!(limited.header("content-type").unwrap().starts_with("text/html"));
    let dated = scene.with(Fault::TooManyRequests(RetryAfter::DateIn(60))).await.unwrap();
    assert_eq!(dated.header("retry-after"), Some("Sun, 01 Feb 2026 00:01:00 GMT"));
    let bare = scene.with(Fault::TooManyRequests(RetryAfter::Absent)).await.unwrap();
    assert_eq!((bare.status, bare.header("retry-after")), (429, None));
    let locked = scene.with(Fault::Locked(RetryAfter::Text("soon".into()))).await.unwrap();
    assert_eq!((locked.status, locked.header("retry-after")), (423, Some("soon")));
    for code in [500, 502, 503, 504] {
        assert_eq!(scene.with(Fault::Status(code)).await.unwrap().status, code);
    }
    let page = scene.with(Fault::HtmlPage).await.unwrap();
    assert!(page.status == 200 && page.text().starts_with("<!DOCTYPE html>"));
    let redirect = scene.with(Fault::Redirect("http://foreign.test/v1/events".into())).await.unwrap();
    assert_eq!((redirect.status, redirect.header("location")), (302, Some("http://foreign.test/v1/events")));
    scene.tenant.stop().await;
}

#[tokio::test]
async fn broken_connections_break() {
    let scene = scene().await;
    assert!(scene.with(Fault::ResetBeforeAnswer).await.is_err());
    assert!(scene.with(Fault::ResetInBody).await.is_err());
    assert!(scene.with(Fault::CutBody(CutLength::OfTheWhole)).await.is_err());
    let statuses: Vec<_> = scene.tenant.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [None, Some(200), Some(200), Some(200), Some(200), Some(200)]);
    scene.tenant.stop().await;
}

#[tokio::test]
async fn bodies_that_are_no_json_come_whole() {
    let scene = scene().await;
    for fault in [Fault::CutBody(CutLength::OfThePart), Fault::InvalidJson] {
        let answer = scene.with(fault.clone()).await.unwrap();
        assert_eq!(answer.status, 200);
        assert!(serde_json::from_slice::<serde_json::Value>(&answer.body).is_err(), "{fault:?}");
    }
    scene.tenant.stop().await;
}

#[tokio::test]
async fn pages_may_lack_their_items_and_keep_their_link() {
    let scene = scene().await;
    let missing = scene.with(Fault::ItemsMissing).await.unwrap();
    assert_eq!(missing.text(), "{}");
    let null = scene.with(Fault::ItemsNull).await.unwrap();
    assert_eq!(null.text(), r#"{"items":null}"#);
    assert!(missing.next_link().is_some() && null.next_link().is_some());
    scene.tenant.stop().await;
}

#[tokio::test]
async fn an_empty_page_leads_to_the_page_that_it_held_back() {
    let scene = scene().await;
    for paging in [Paging::Offset, Paging::AnchoredCursor] {
        scene.tenant.change(|settings| settings.events.paging = paging);
        let whole = scene.get(&scene.first).await.unwrap();
        for target in [scene.first.clone(), whole.next_link().unwrap()] {
            let want = scene.get(&target).await.unwrap();
            scene.tenant.script(ScriptedFault::on(Endpoint::Events, Fault::EmptyPageWithNext).times(2));
            let one = scene.get(&target).await.unwrap();
            let two = scene.get(&one.next_link().unwrap()).await.unwrap();
            let three = scene.get(&two.next_link().unwrap()).await.unwrap();
            assert!(one.items().is_empty() && two.items().is_empty(), "{paging:?}");
            assert_ne!(one.next_link(), two.next_link(), "no loop");
            assert_eq!(three.items(), want.items(), "{paging:?}");
        }
    }
    scene.tenant.stop().await;
}

#[tokio::test]
async fn next_links_go_wrong_as_asked() {
    let scene = scene().await;
    let link = |wrong| scene.with(Fault::NextLink(wrong));
    let foreign = "http://foreign.test/v1/events?cursor=x";
    assert_eq!(link(WrongLink::Target(foreign.into())).await.unwrap().next_link().as_deref(), Some(foreign));
    let scheme = link(WrongLink::OtherScheme).await.unwrap().next_link().unwrap();
    assert!(scheme.starts_with(&scene.tenant.origin().replace("http:", "https:")), "{scheme}");
    let itself = link(WrongLink::Loop).await.unwrap().next_link().unwrap();
    assert_eq!(itself, format!("{}{}", scene.tenant.origin(), scene.first));
    let garbage = link(WrongLink::Garbage).await.unwrap();
    assert!(garbage.header("link").is_some());
    assert!(!garbage.header("link").unwrap().contains("next"));
    scene.tenant.stop().await;
}

#[tokio::test]
async fn a_lost_answer_to_a_refresh_leaves_its_effect() {
    let (tenant, client) = start(settings()).await;
    tenant.change(|settings| settings.tokens.replaced = ReplacedToken::Dies);
    let refresh_token = tenant.grant(ADMIN_CLIENT_ID, ADMIN, AUDIT).refresh_token.unwrap();
    let form = format!(
        "grant_type=refresh_token&client_id={ADMIN_CLIENT_ID}&client_secret={ADMIN_CLIENT_SECRET}&refresh_token={refresh_token}"
    );
    tenant.script(ScriptedFault::on(Endpoint::AccessToken, Fault::Status(503)));
    assert_eq!(client.post_form("/v1/access_token", &form).await.unwrap().status, 503);
    tenant.script(ScriptedFault::on(Endpoint::AccessToken, Fault::ResetInBody));
    assert!(client.post_form("/v1/access_token", &form).await.is_err(), "503 had no effect, the refresh happened now");
    assert_eq!(client.post_form("/v1/access_token", &form).await.unwrap().status, 400);
    tenant.stop().await;
}

#[tokio::test]
async fn a_request_without_answer_waits_until_the_tenant_stops() {
    let scene = scene().await;
    scene.tenant.script(ScriptedFault::on(Endpoint::Events, Fault::NoAnswer));
    let waiting = scene.client.get(&scene.first, Some(&scene.bearer));
    let asked = async {
        let mut looks = 0;
        while scene.tenant.requests().is_empty() {
            looks += 1;
            assert!(looks < 1_000_000, "the request never came");
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        answer = waiting => panic!("answered: {answer:?}"),
        () = asked => {}
    }
    scene.tenant.stop().await;
}

#[tokio::test]
async fn an_account_has_its_budget_of_requests() {
    let scene = scene().await;
    let limit = RateLimit { requests: 2, per_ms: 60_000, retry_after: None };
    scene.tenant.change(|settings| settings.rate_limit = Some(limit));
    assert_eq!(scene.get(&scene.first).await.unwrap().status, 200);
    assert_eq!(scene.get(&scene.first).await.unwrap().status, 200);
    let limited = scene.get(&scene.first).await.unwrap();
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("60")));
    let admin = bearer(&scene.tenant, Stream::AdminAudits);
    let other = first(&scene.tenant, Stream::AdminAudits, NOW - HOUR, NOW, 3);
    assert_eq!(scene.client.get(&other, Some(&admin)).await.unwrap().status, 200);
    scene.tenant.clock().advance(60_000);
    assert_eq!(scene.get(&scene.first).await.unwrap().status, 200);
    scene.tenant.stop().await;
}

#[tokio::test]
async fn latency_is_taken_before_the_answer() {
    let scene = scene().await;
    scene.tenant.change(|settings| settings.latency = Latency { min_ms: 30, max_ms: 40 });
    let before = std::time::Instant::now();
    assert_eq!(scene.get(&scene.first).await.unwrap().status, 200);
    assert!(before.elapsed() >= std::time::Duration::from_millis(30));
    scene.tenant.stop().await;
}
