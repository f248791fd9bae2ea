//! Signing a user in, against the simulated tenant: start, agree, complete, test; and what goes wrong on the way.

use host_harness::runtime::{Failure, Outcome, Retry};
use host_harness::simulator::{
    ADMIN, ADMIN_CLIENT_ID, OFFICER, REDIRECT_URI, ReplacedToken, Rotation, TenantSettings, TokenErrorShape,
    TokenSettings,
};
use serde_json::Value;

use crate::simulated::Simulated;

async fn tenant() -> Simulated {
    Simulated::without_sign_in(TenantSettings::default(), &[]).await
}

async fn complete(tenant: &Simulated, user: &str, code: &str) -> Result<Outcome, Failure> {
    tenant.host.run("cisco-webex-oauth-complete", &[("user", user), ("code", code)]).await
}

async fn works(tenant: &Simulated, user: &str) -> Result<Outcome, Failure> {
    tenant.host.run("cisco-webex-oauth-test", &[("user", user)]).await
}

/// The value of a parameter of an address.
fn parameter(address: &str, name: &str) -> String {
    let url = url::Url::parse(address).unwrap();
    let found = url.query_pairs().find(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    found.unwrap_or_else(|| panic!("{name} in {address}"))
}

#[tokio::test]
async fn a_sign_in_is_start_agree_complete_test_for_each_user_however_it_is_spelled() {
    let mut tenant = tenant().await;
    for (spelled, user, account) in [("admin", "admin", ADMIN), ("compliance officer", "compliance_officer", OFFICER)] {
        let failure = works(&tenant, spelled).await.unwrap_err();
        assert_eq!((failure.code.as_str(), failure.retry), ("sign-in-needed", Retry::AfterSignIn));
        assert!(failure.remedy.contains(&format!("cisco-webex-oauth-start user={user}")), "{}", failure.remedy);

        let link = tenant.sign_in_link(spelled).await;
        assert_eq!(parameter(&link, "response_type"), "code");
        assert_eq!(parameter(&link, "redirect_uri"), REDIRECT_URI);
        assert_eq!(parameter(&link, "code_challenge_method"), "S256");
        let redirected = tenant.webex.approve(&link, account).unwrap();
        let outcome = complete(&tenant, spelled, &redirected).await.unwrap();
        let outputs: Value = serde_json::from_str(&outcome.outputs).unwrap();
        assert_eq!(outputs["CiscoWebex"]["SignIn"]["user"], user);
        works(&tenant, spelled).await.unwrap();
    }
    tenant.backlog(5, 1);
    tenant.collect().await;
    tenant.delivered_is_exact();
    assert_eq!(tenant.host.events.len(), 15);
    assert_eq!(tenant.webex.leaks(), []);
}

#[tokio::test]
async fn a_bare_code_takes_the_newest_sign_in_that_was_begun() {
    let tenant = tenant().await;
    let _older = tenant.sign_in_link("admin").await;
    let newest = tenant.sign_in_link("admin").await;
    let code = parameter(&tenant.webex.approve(&newest, ADMIN).unwrap(), "code");
    complete(&tenant, "admin", &code).await.unwrap();
    works(&tenant, "admin").await.unwrap();
}

#[tokio::test]
async fn a_bare_code_works_without_a_start_before_it() {
    let tenant = tenant().await;
    let mut authorize = url::Url::parse(&format!("{}/v1/authorize", tenant.webex.origin())).unwrap();
    authorize.query_pairs_mut().extend_pairs([
        ("response_type", "code"),
        ("client_id", ADMIN_CLIENT_ID),
        ("redirect_uri", REDIRECT_URI),
        ("scope", "audit:events_read spark:kms"),
        ("state", "set_state_here"),
    ]);
    let redirected = tenant.webex.approve(authorize.as_str(), ADMIN).unwrap();
    complete(&tenant, "admin", &parameter(&redirected, "code")).await.unwrap();
    works(&tenant, "admin").await.unwrap();
}

#[tokio::test]
async fn a_wrong_state_is_refused_before_the_code_is_sent_and_the_right_one_still_works() {
    let tenant = tenant().await;
    let redirected = tenant.webex.approve(&tenant.sign_in_link("admin").await, ADMIN).unwrap();
    let state = parameter(&redirected, "state");
    let failure = complete(&tenant, "admin", &redirected.replace(&state, "forged")).await.unwrap_err();
    assert!(failure.message.contains("state"), "{}", failure.message);
    assert!(failure.remedy.contains("cisco-webex-oauth-start"), "{}", failure.remedy);
    assert_eq!(tenant.webex.requests(), [], "nothing was sent");
    // The state of the other user's sign-in is as wrong.
    let other = tenant.sign_in_link("compliance_officer").await;
    let failure = complete(&tenant, "admin", &redirected.replace(&state, &parameter(&other, "state"))).await;
    assert!(failure.is_err());
    complete(&tenant, "admin", &redirected).await.unwrap();
    works(&tenant, "admin").await.unwrap();
}

#[tokio::test]
async fn a_code_is_used_once_and_the_tokens_stay() {
    let tenant = tenant().await;
    let redirected = tenant.webex.approve(&tenant.sign_in_link("admin").await, ADMIN).unwrap();
    complete(&tenant, "admin", &redirected).await.unwrap();
    for code in [redirected.clone(), parameter(&redirected, "code")] {
        let failure = complete(&tenant, "admin", &code).await.unwrap_err();
        assert!(failure.remedy.contains("cisco-webex-oauth-start"), "{failure:?}");
        assert!(!format!("{failure:?}").contains(&parameter(&redirected, "code")));
        works(&tenant, "admin").await.unwrap();
    }
}

#[tokio::test]
async fn a_sign_in_that_was_refused_is_told_and_can_be_tried_again() {
    let tenant = tenant().await;
    let denied = tenant.webex.deny(&tenant.sign_in_link("admin").await).unwrap();
    let failure = complete(&tenant, "admin", &denied).await.unwrap_err();
    assert_eq!(failure.code, "refused");
    assert!(failure.message.contains("access_denied"), "{}", failure.message);
    let redirected = tenant.webex.approve(&tenant.sign_in_link("admin").await, ADMIN).unwrap();
    complete(&tenant, "admin", &redirected).await.unwrap();
}

#[tokio::test]
async fn tokens_that_work_stay_in_use_until_a_sign_in_is_complete() {
    let tenant = tenant().await;
    let redirected = tenant.webex.approve(&tenant.sign_in_link("admin").await, ADMIN).unwrap();
    complete(&tenant, "admin", &redirected).await.unwrap();
    let _begun = tenant.sign_in_link("admin").await;
    works(&tenant, "admin").await.unwrap();
    complete(&tenant, "admin", "fake-code").await.unwrap_err();
    works(&tenant, "admin").await.unwrap();
}

#[tokio::test]
async fn a_sign_in_waits_an_hour_and_no_longer() {
    let tenant = tenant().await;
    let link = tenant.sign_in_link("admin").await;
    tenant.advance(3_600_001);
    let redirected = tenant.webex.approve(&link, ADMIN).unwrap();
    let failure = complete(&tenant, "admin", &redirected).await.unwrap_err();
    assert!(failure.remedy.contains("cisco-webex-oauth-start"), "{failure:?}");
}

/// Collects day after day for the life of three access tokens.
async fn check_refreshes(tokens: TokenSettings) {
    let mut tenant =
        Simulated::without_sign_in(TenantSettings { tokens: tokens.clone(), ..TenantSettings::default() }, &[]).await;
    tenant.sign_in().await;
    for _ in 0..9 {
        tenant.advance(5 * 24 * 3_600_000);
        tenant.backlog(3, 10);
        let (_, reports) = tenant.collect().await;
        assert!(reports.iter().all(|report| report.failure.is_none()), "{tokens:?}: {reports:?}");
    }
    tenant.delivered_is_exact();
    assert_eq!(tenant.host.events.len(), 9 * 9);
}

#[tokio::test]
async fn tokens_are_renewed_before_they_end_whatever_webex_does_with_refresh_tokens() {
    for rotation in [Rotation::Same, Rotation::New, Rotation::Omitted] {
        for replaced in [ReplacedToken::KeepsWorking, ReplacedToken::Dies, ReplacedToken::RevokesAll] {
            check_refreshes(TokenSettings { rotation, replaced, ..TokenSettings::default() }).await;
        }
    }
}

#[tokio::test]
async fn a_dead_refresh_token_needs_a_sign_in_and_a_sign_in_heals_it() {
    for error_shape in [TokenErrorShape::Webex, TokenErrorShape::OAuth] {
        for invalid_grant_status in [400, 401] {
            let tokens = TokenSettings { error_shape, invalid_grant_status, ..TokenSettings::default() };
            let settings = TenantSettings { tokens, ..TenantSettings::default() };
            let mut tenant = Simulated::without_sign_in(settings, &[]).await;
            tenant.sign_in().await;
            tenant.backlog(3, 1);
            tenant.webex.revoke(ADMIN);
            let (_, reports) = tenant.collect().await;
            for report in &reports {
                let code = report.failure.as_ref().map(|failure| failure.code.as_str());
                let want = (report.user == "admin").then_some("sign-in-needed");
                assert_eq!(code, want, "{}", report.stream);
            }
            let redirected = tenant.webex.approve(&tenant.sign_in_link("admin").await, ADMIN).unwrap();
            complete(&tenant, "admin", &redirected).await.unwrap();
            tenant.collect().await;
            tenant.delivered_is_exact();
        }
    }
}

#[tokio::test]
async fn an_access_token_that_webex_refuses_is_renewed_once_and_the_same_page_asked_again() {
    let mut tenant = Simulated::start(TenantSettings::default()).await;
    tenant.collect().await;
    tenant.webex.expire_access(ADMIN);
    tenant.advance(60_000);
    tenant.backlog(3, 0);
    tenant.webex.forget_requests();
    let (_, reports) = tenant.collect().await;
    assert!(reports.iter().all(|report| report.failure.is_none()), "{reports:?}");
    let refreshes = tenant.webex.requests().iter().filter(|request| request.grant_type.is_some()).count();
    assert_eq!(refreshes, 1, "both audit streams share it");
}

#[tokio::test]
async fn a_refresh_token_that_ends_within_two_weeks_is_a_warning_in_every_report_of_its_user() {
    let tokens = TokenSettings { refresh_life_secs: 13 * 86_400, access_life_secs: 86_400, ..TokenSettings::default() };
    let settings = TenantSettings { tokens, ..TenantSettings::default() };
    let mut tenant = Simulated::start(settings).await;
    let (_, reports) = tenant.collect().await;
    for report in reports {
        assert!(
            report.warnings.iter().any(|warning| !warning.remedy.is_empty()),
            "{}: {:?}",
            report.stream,
            report.warnings
        );
    }
}
