use super::*;

/// Asks, and expects a body in the Webex shape whose description holds `part`.
#[track_caller]
fn check(answer: &client::Answer, status: u16, part: &str, asked: &str) {
    assert_eq!(answer.status, status, "{asked}: {}", answer.text());
    let body = answer.json();
    let description = body["errors"][0]["description"].as_str().unwrap();
    assert!(description.contains(part), "{asked}: {description}");
    assert!(body["message"].as_str().unwrap().contains(part), "{asked}");
    assert_eq!(body["trackingId"].as_str(), answer.header("trackingid"), "{asked}");
}

#[tokio::test]
async fn every_bad_request_is_refused_in_the_shape_of_webex() {
    let (tenant, client) = start(settings()).await;
    let org = format!("orgId={}", tenant.org_id());
    let window = "from=2026-01-01T00:00:00.000Z&to=2026-01-02T00:00:00.000Z";
    let missing = "is not present";
    let admin = bearer(&tenant, Stream::AdminAudits);
    for (query, status, part) in [
        (window.to_owned(), 400, "Required request parameter 'orgId' for method parameter type String is not present"),
        (org.clone(), 400, missing),
        (format!("{org}&from=2026-01-01T00:00:00.000Z"), 400, missing),
        (format!("orgId=someone-else&{window}"), 403, "orgId"),
        (format!("{org}&from=2026-01-01&to=2026-01-02T00:00:00.000Z"), 400, "ISO 8601"),
        (format!("{org}&from=2026-01-02T00:00:00.000Z&to=2026-01-02T00:00:00.000Z"), 400, "must be before"),
        (format!("{org}&from=2024-12-01T00:00:00.000Z&to=2026-01-02T00:00:00.000Z"), 400, "one year"),
        (format!("{org}&{window}&max=201"), 400, "between 1 and 200"),
        (format!("{org}&{window}&max=0"), 400, "between 1 and 200"),
        (format!("{org}&{window}&offset=x"), 400, "offset"),
        (format!("{org}&{window}&cursor=x"), 400, "cursor"),
    ] {
        let target = format!("{}?{query}", Stream::AdminAudits.path());
        check(&client.get(&target, Some(&admin)).await.unwrap(), status, part, &target);
    }
    let officer = bearer(&tenant, Stream::Events);
    for (query, status, part) in [
        ("to=2026-02-01T00:00:00.001Z", 400, "future"),
        ("from=2025-10-01T00:00:00.000Z", 403, ""),
        ("from=2026-01-01T00:00:00.000Z&max=1001", 400, "between 1 and 1000"),
        ("from=nonsense", 400, "ISO 8601"),
        ("resource=convergedRecordings", 400, "serviceType"),
    ] {
        tenant.change(|settings| settings.pro_pack = false);
        let target = format!("/v1/events?{query}");
        check(&client.get(&target, Some(&officer)).await.unwrap(), status, part, &target);
    }
    tenant.stop().await;
}

#[tokio::test]
async fn events_older_than_90_days_need_pro_pack() {
    let (tenant, client) = start(TenantSettings { pro_pack: false, ..settings() }).await;
    let officer = bearer(&tenant, Stream::Events);
    let target = "/v1/events?from=2025-10-01T00:00:00.000Z";
    let text = "User is only authorized to search within past 90 days.";
    check(&client.get(target, Some(&officer)).await.unwrap(), 403, text, target);
    tenant.change(|settings| settings.pro_pack = true);
    assert_eq!(client.get(target, Some(&officer)).await.unwrap().status, 200);
    tenant.stop().await;
}

#[tokio::test]
async fn security_audits_need_licence_and_setting() {
    let (tenant, client) = start(settings()).await;
    tenant.backlog(Stream::SecurityAudits, 3, NOW - HOUR, NOW);
    let admin = bearer(&tenant, Stream::SecurityAudits);
    let target = first(&tenant, Stream::SecurityAudits, NOW - HOUR, NOW, 10);
    assert_eq!(client.get(&target, Some(&admin)).await.unwrap().items().len(), 3);
    for (pro_pack, user_authentication_data) in [(false, true), (true, false)] {
        for without in [WithoutSecurityAudits::Refused, WithoutSecurityAudits::Empty] {
            tenant.change(|settings| {
                settings.pro_pack = pro_pack;
                settings.user_authentication_data = user_authentication_data;
                settings.without_security_audits = without;
            });
            let answer = client.get(&target, Some(&admin)).await.unwrap();
            match without {
                WithoutSecurityAudits::Refused => check(&answer, 403, "not entitled", &target),
                WithoutSecurityAudits::Empty => {
                    assert_eq!((answer.status, answer.text()), (200, r#"{"items":[]}"#))
                }
            }
        }
    }
    tenant.stop().await;
}

#[tokio::test]
async fn every_endpoint_asks_for_its_scope_and_its_role() {
    let (tenant, client) = start(settings()).await;
    let both = format!("{AUDIT} {EVENTS} spark-admin:organizations_read spark:people_read");
    let none = tenant.grant(ADMIN_CLIENT_ID, ADMIN, "spark:kms").access_token;
    let admin = tenant.grant(ADMIN_CLIENT_ID, ADMIN, &both).access_token;
    let officer = tenant.grant(OFFICER_CLIENT_ID, OFFICER, &both).access_token;
    let first = |stream| first(&tenant, stream, NOW - HOUR, NOW, 10);
    for (target, admin_may, officer_may) in [
        (first(Stream::AdminAudits), true, false),
        (first(Stream::SecurityAudits), true, false),
        (first(Stream::Events), false, true),
        ("/v1/adminAudit/eventCategories".to_owned(), true, false),
        ("/v1/organizations".to_owned(), true, true),
        ("/v1/people/me".to_owned(), true, true),
    ] {
        for (bearer, may) in [(&admin, admin_may), (&officer, officer_may)] {
            let answer = client.get(&target, Some(bearer)).await.unwrap();
            if may {
                assert_eq!(answer.status, 200, "{target}: {}", answer.text());
            } else {
                check(&answer, 403, "roles", &target);
            }
        }
        check(&client.get(&target, Some(&none)).await.unwrap(), 403, "scopes", &target);
        check(&client.get(&target, None).await.unwrap(), 401, "access token", &target);
    }
    let categories = client.get("/v1/adminAudit/eventCategories", Some(&admin)).await.unwrap().json();
    assert!(categories["eventCategories"].as_array().unwrap().contains(&"LOGINS".into()));
    let organizations = client.get("/v1/organizations", Some(&admin)).await.unwrap().json();
    assert_eq!(organizations["items"][0]["id"], tenant.org_id());
    let person = client.get("/v1/people/me", Some(&admin)).await.unwrap().json();
    assert_eq!((&person["orgId"], &person["emails"][0]), (&tenant.org_id().into(), &"admin@tenant.example".into()));
    tenant.stop().await;
}

#[tokio::test]
async fn a_bearer_that_ended_is_refused() {
    let (tenant, client) = start(settings()).await;
    let target = first(&tenant, Stream::Events, NOW - HOUR, NOW, 10);
    let grant = tenant.grant(OFFICER_CLIENT_ID, OFFICER, EVENTS);
    tenant.expire_access(OFFICER);
    check(&client.get(&target, Some(&grant.access_token)).await.unwrap(), 401, "access token", &target);
    let grant = tenant.grant(OFFICER_CLIENT_ID, OFFICER, EVENTS);
    assert_eq!(client.get(&target, Some(&grant.access_token)).await.unwrap().status, 200);
    tenant.revoke(OFFICER);
    check(&client.get(&target, Some(&grant.access_token)).await.unwrap(), 401, "access token", &target);
    let states: Vec<_> = tenant.requests().iter().map(|request| request.bearer).collect();
    assert_eq!(states, [BearerState::Expired, BearerState::Valid, BearerState::Revoked]);
    tenant.stop().await;
}

#[tokio::test]
async fn unknown_paths_and_methods_are_refused() {
    let (tenant, client) = start(settings()).await;
    check(&client.get("/v2/events", None).await.unwrap(), 404, "not be found", "path");
    check(&client.post_form("/v1/events", "").await.unwrap(), 405, "method", "method");
    check(&client.get("/v1/access_token", None).await.unwrap(), 405, "method", "token by GET");
    tenant.stop().await;
}

#[tokio::test]
async fn the_bare_organization_uuid_is_taken_as_set() {
    let (tenant, client) = start(settings()).await;
    let admin = bearer(&tenant, Stream::AdminAudits);
    let uuid = tenant.settings().organization.uuid().unwrap();
    let target = first(&tenant, Stream::AdminAudits, NOW - HOUR, NOW, 10).replace(&tenant.org_id(), &uuid);
    assert_eq!(client.get(&target, Some(&admin)).await.unwrap().status, 200);
    tenant.change(|settings| settings.takes_bare_org_id = false);
    check(&client.get(&target, Some(&admin)).await.unwrap(), 403, "orgId", &target);
    tenant.stop().await;
}

#[tokio::test]
async fn a_secret_in_the_url_or_a_header_is_refused_and_counted() {
    let (tenant, client) = start(settings()).await;
    let officer = bearer(&tenant, Stream::Events);
    let in_query = format!("/v1/events?note={officer}");
    check(&client.get(&in_query, Some(&officer)).await.unwrap(), 400, "Secrets", "a token's value");
    let by_key = "/v1/access_token?client_secret=whatever";
    check(&client.post_form(by_key, "").await.unwrap(), 400, "Secrets", "a secret's key");
    let in_path = format!("/v1/events/{officer}");
    check(&client.get(&in_path, Some(&officer)).await.unwrap(), 400, "Secrets", "a token in the path");
    let leaks: Vec<_> = tenant.leaks().into_iter().map(|leak| (leak.request, leak.what)).collect();
    assert_eq!(
        leaks,
        [
            (1, "a secret's value in the URL".to_owned()),
            (2, "`client_secret` in the query".to_owned()),
            (3, "a secret's value in the URL".to_owned())
        ]
    );
    assert!(!format!("{:?}", tenant.requests()).contains(&officer), "a leak is not recorded a second time");
    tenant.stop().await;
}
