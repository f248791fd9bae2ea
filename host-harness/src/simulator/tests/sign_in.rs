use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Method;
use sha2::{Digest, Sha256};
use url::Url;

use super::*;

const VERIFIER: &str = "a-verifier-of-the-test-with-more-than-43-characters";

fn authorize_url(tenant: &SimulatedTenant, scope: &str, more: &str) -> String {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    format!(
        "{}/v1/authorize?response_type=code&client_id={ADMIN_CLIENT_ID}&redirect_uri={REDIRECT_URI}&scope={scope}&state=s1\
         &code_challenge={challenge}&code_challenge_method=S256{more}",
        tenant.origin()
    )
}

fn pair(url: &str, key: &str) -> Option<String> {
    Url::parse(url).unwrap().query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned())
}

async fn exchange(client: &Client, code: &str, verifier: &str) -> client::Answer {
    let form = format!(
        "grant_type=authorization_code&client_id={ADMIN_CLIENT_ID}&client_secret={ADMIN_CLIENT_SECRET}\
         &redirect_uri={REDIRECT_URI}&code={code}&code_verifier={verifier}"
    );
    client.post_form("/v1/access_token", &form).await.unwrap()
}

async fn refresh(client: &Client, refresh_token: &str) -> client::Answer {
    let form = format!(
        "grant_type=refresh_token&client_id={ADMIN_CLIENT_ID}&client_secret={ADMIN_CLIENT_SECRET}&refresh_token={refresh_token}"
    );
    client.post_form("/v1/access_token", &form).await.unwrap()
}

#[tokio::test]
async fn a_person_signs_in_and_the_token_reads() {
    let (tenant, client) = start(settings()).await;
    let back = tenant.approve(&authorize_url(&tenant, AUDIT, ""), ADMIN).unwrap();
    assert!(back.starts_with(REDIRECT_URI));
    assert_eq!(pair(&back, "state").as_deref(), Some("s1"));
    let tokens = exchange(&client, &pair(&back, "code").unwrap(), VERIFIER).await;
    let body = tokens.json();
    assert_eq!((&body["expires_in"], &body["refresh_token_expires_in"]), (&1_209_600.into(), &7_776_000.into()));
    let target = first(&tenant, Stream::AdminAudits, NOW - HOUR, NOW, 10);
    assert_eq!(client.get(&target, body["access_token"].as_str()).await.unwrap().status, 200);
    let renewed = refresh(&client, body["refresh_token"].as_str().unwrap()).await.json();
    assert_eq!(client.get(&target, renewed["access_token"].as_str()).await.unwrap().status, 200);
    let grants: Vec<_> = tenant.requests().into_iter().filter_map(|request| request.grant_type).collect();
    assert_eq!(grants, ["authorization_code", "refresh_token"]);
    assert!(tenant.leaks().is_empty());
    tenant.stop().await;
}

#[tokio::test]
async fn a_wrong_verifier_and_a_used_code_are_refused() {
    let (tenant, client) = start(settings()).await;
    let back = tenant.approve(&authorize_url(&tenant, AUDIT, ""), ADMIN).unwrap();
    let code = pair(&back, "code").unwrap();
    let wrong = exchange(&client, &code, &"x".repeat(50)).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.text().contains("verifier"), "{}", wrong.text());
    assert_eq!(exchange(&client, &code, VERIFIER).await.status, 200);
    let again = exchange(&client, &code, VERIFIER).await;
    assert_eq!(again.status, 400);
    assert!(again.text().contains("expired, used, malformed, or invalid"), "{}", again.text());
    tenant.stop().await;
}

#[tokio::test]
async fn a_person_may_refuse_and_may_be_asked_wrongly() {
    let (tenant, _client) = start(settings()).await;
    let denied = tenant.deny(&authorize_url(&tenant, AUDIT, "")).unwrap();
    assert_eq!(pair(&denied, "error").as_deref(), Some("access_denied"));
    assert_eq!(pair(&denied, "state").as_deref(), Some("s1"));
    let too_much = tenant.approve(&authorize_url(&tenant, EVENTS, ""), ADMIN).unwrap();
    assert_eq!(pair(&too_much, "error").as_deref(), Some("invalid_scope"));
    let here = authorize_url(&tenant, AUDIT, "");
    assert_eq!(tenant.approve(&here, "nobody"), Err(AuthorizeError::UnknownAccount("nobody".into())));
    assert_eq!(tenant.approve("https://webexapis.com/v1/authorize?client_id=x", ADMIN), Err(AuthorizeError::NotHere));
    assert_eq!(tenant.approve(&here.replace(ADMIN_CLIENT_ID, "unknown"), ADMIN), Err(AuthorizeError::UnknownClient));
    assert_eq!(tenant.approve(&here.replace(":8765", ":8766"), ADMIN), Err(AuthorizeError::RedirectUri));
    let leaking = authorize_url(&tenant, AUDIT, &format!("&client_secret={ADMIN_CLIENT_SECRET}"));
    assert_eq!(tenant.approve(&leaking, ADMIN), Err(AuthorizeError::Secret));
    assert_eq!(tenant.leaks().len(), 1);
    tenant.stop().await;
}

#[tokio::test]
async fn the_authorize_page_waits_for_a_person_or_agrees_by_itself() {
    let (tenant, client) = start(settings()).await;
    let url = authorize_url(&tenant, AUDIT, "");
    let page = client.get(&url, None).await.unwrap();
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html;charset=UTF-8")));
    tenant.change(|settings| settings.auto_approve = Some(ADMIN.into()));
    let redirect = client.get(&url, None).await.unwrap();
    assert_eq!(redirect.status, 302);
    let code = pair(redirect.header("location").unwrap(), "code").unwrap();
    assert_eq!(exchange(&client, &code, VERIFIER).await.status, 200);
    let wrong = client.get(&url.replace(ADMIN_CLIENT_ID, "unknown"), None).await.unwrap();
    assert_eq!(wrong.status, 400);
    tenant.stop().await;
}

#[tokio::test]
async fn a_person_at_the_page_accepts_as_the_account_that_is_asked_for_or_declines() {
    let (tenant, client) = start(settings()).await;
    let url = authorize_url(&tenant, AUDIT, "");
    let page = client.get(&url, None).await.unwrap();
    let text = page.text();
    assert!(text.contains("SIMULATED") && text.contains(AUDIT) && text.contains("<html lang=\"en\">"), "{text}");
    assert!(text.contains("<option value=\"admin\" selected>admin@tenant.example (Full Administrator)"), "{text}");

    let accepted = client.post_form(&url, &format!("account={ADMIN}&decision=accept")).await.unwrap();
    assert_eq!(accepted.status, 303);
    let back = accepted.header("location").unwrap();
    assert_eq!(pair(back, "state").as_deref(), Some("s1"));
    assert_eq!(exchange(&client, &pair(back, "code").unwrap(), VERIFIER).await.status, 200);

    let declined = client.post_form(&url, &format!("account={ADMIN}&decision=decline")).await.unwrap();
    assert_eq!(pair(declined.header("location").unwrap(), "error").as_deref(), Some("access_denied"));
    for form in ["", "decision=accept", "decision=accept&account=nobody"] {
        assert_eq!(client.post_form(&url, form).await.unwrap().status, 400, "{form}");
    }
    assert!(tenant.leaks().is_empty());
    tenant.stop().await;
}

#[tokio::test]
async fn the_page_of_the_officer_names_the_officer_first() {
    let (tenant, client) = start(settings()).await;
    let url = authorize_url(&tenant, EVENTS, "").replace(ADMIN_CLIENT_ID, OFFICER_CLIENT_ID);
    let page = client.get(&url, None).await.unwrap();
    assert!(page.text().contains(&format!("<option value=\"{OFFICER}\" selected>")), "{}", page.text());
    let wrong = client.get(&authorize_url(&tenant, EVENTS, ""), None).await.unwrap();
    assert_eq!(pair(wrong.header("location").unwrap(), "error").as_deref(), Some("invalid_scope"));
    tenant.stop().await;
}

#[tokio::test]
async fn the_secret_may_come_as_basic_and_only_a_form_is_taken() {
    let (tenant, client) = start(settings()).await;
    let grant = tenant.grant(ADMIN_CLIENT_ID, ADMIN, AUDIT);
    let form = format!("grant_type=refresh_token&refresh_token={}", grant.refresh_token.unwrap());
    let basic = format!("Basic {}", STANDARD.encode(format!("{ADMIN_CLIENT_ID}:{ADMIN_CLIENT_SECRET}")));
    let answer = client.send(Method::POST, "/v1/access_token", Some(&basic), Some(&form)).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let wrong = format!("Basic {}", STANDARD.encode(format!("{ADMIN_CLIENT_ID}:wrong")));
    let answer = client.send(Method::POST, "/v1/access_token", Some(&wrong), Some(&form)).await.unwrap();
    assert_eq!(answer.status, 401);
    let no_form = client.send(Method::POST, "/v1/access_token", Some(&basic), None).await.unwrap();
    assert_eq!(no_form.status, 400);
    tenant.stop().await;
}

#[tokio::test]
async fn a_dead_refresh_token_is_refused_in_either_shape() {
    let (tenant, client) = start(settings()).await;
    let grant = tenant.grant(ADMIN_CLIENT_ID, ADMIN, AUDIT);
    tenant.expire_refresh(ADMIN);
    let refresh_token = grant.refresh_token.unwrap();
    let webex = refresh(&client, &refresh_token).await;
    assert_eq!(
        (webex.status, webex.json()["errors"][0]["description"].as_str()),
        (400, Some("The refresh token provided is expired, revoked, malformed, or invalid"))
    );
    tenant.change(|settings| {
        settings.tokens.error_shape = TokenErrorShape::OAuth;
        settings.tokens.invalid_grant_status = 401;
    });
    let oauth = refresh(&client, &refresh_token).await;
    assert_eq!((oauth.status, oauth.json()["error"].as_str()), (401, Some("invalid_grant")));
    tenant.stop().await;
}
