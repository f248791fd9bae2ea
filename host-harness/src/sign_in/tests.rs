use std::sync::OnceLock;

use super::*;
use crate::config::keys::ORIGIN_SETTING;
use crate::runtime::{Plugin, Runtime};
use crate::secrets::Store;
use crate::simulator::{
    ADMIN, ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET, OFFICER, OFFICER_CLIENT_ID, OFFICER_CLIENT_SECRET, REDIRECT_URI,
    SimulatedTenant, TenantSettings,
};

/// The component, compiled once for all tests of this process.
fn plugin() -> &'static Plugin {
    static PLUGIN: OnceLock<Plugin> = OnceLock::new();
    PLUGIN.get_or_init(|| Runtime::new().unwrap().load(crate::COMPONENT).unwrap())
}

struct Webex {
    webex: SimulatedTenant,
    tenant: Tenant,
}

impl Webex {
    async fn with(settings: TenantSettings, more: &[(&str, &str)]) -> Self {
        let webex = SimulatedTenant::start(settings).await.unwrap();
        let mut all = vec![
            ("base_url".to_owned(), webex.origin()),
            ("admin_credentials".into(), ADMIN_CLIENT_ID.into()),
            ("admin_app_redirect_uri".into(), REDIRECT_URI.into()),
            ("admin_org_id".into(), webex.org_id()),
            ("compliance_officer_credentials".into(), OFFICER_CLIENT_ID.into()),
            ("compliance_officer_redirect_uri".into(), REDIRECT_URI.into()),
        ];
        all.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let tenant = plugin()
            .tenant()
            .settings(all)
            .origin_setting(ORIGIN_SETTING)
            .configured_secrets([
                ("admin_credentials", Secret::from(ADMIN_CLIENT_SECRET)),
                ("compliance_officer_credentials", Secret::from(OFFICER_CLIENT_SECRET)),
            ])
            .secret_store(Store::memory())
            .open()
            .await
            .unwrap();
        Self { webex, tenant }
    }

    async fn start() -> Self {
        Self::with(TenantSettings::default(), &[]).await
    }

    async fn user(&self, name: &str) -> User {
        let users = plugin().describe().await.unwrap().users;
        users.into_iter().find(|user| user.name == name).unwrap()
    }

    /// Why `name` is not signed in by what the browser brings back.
    async fn refused(&self, name: &str, redirected: impl Into<Secret>) -> Refusal {
        match complete(&self.tenant, &self.user(name).await, redirected).await {
            Err(SignInError::Refused(refusal)) => *refusal,
            other => panic!("a refusal, not {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_sign_in_gives_a_link_and_is_completed_with_the_address_that_comes_back() {
    let webex = Webex::start().await;
    let user = webex.user("admin").await;
    let started = start(&webex.tenant, &user).await.unwrap();
    assert!(started.url.starts_with(&format!("{}/v1/authorize?", webex.webex.origin())), "{started:?}");
    assert!(started.url.contains(&format!("state={}", started.state().expose())));
    assert_eq!(started.redirect_uri, REDIRECT_URI);
    assert!(started.until > Utc::now());
    assert!(!format!("{started:?}").contains(started.state().expose()), "{started:?}");

    let redirected = webex.webex.approve(&started.url, ADMIN).unwrap();
    let completed = complete(&webex.tenant, &user, redirected.as_str()).await.unwrap();
    assert_eq!(completed.title, user.title);
    assert!(completed.is_whole(), "{:?}", completed.findings);
    let subjects: Vec<&str> = completed.findings.iter().map(|finding| finding.subject.as_str()).collect();
    assert_eq!(subjects, ["admin", "admin_audits", "security_audits"]);
    assert_eq!(redaction::clean(&redirected), "***");
}

#[tokio::test]
async fn the_account_is_named_where_the_integration_may_ask_for_it() {
    let webex = Webex::with(
        TenantSettings::default(),
        &[("admin_scopes", "audit:events_read spark:people_read"), ("admin_org_id", "")],
    )
    .await;
    let user = webex.user("admin").await;
    let started = start(&webex.tenant, &user).await.unwrap();
    let redirected = webex.webex.approve(&started.url, ADMIN).unwrap();
    let completed = complete(&webex.tenant, &user, redirected).await.unwrap();
    assert_eq!(completed.account.as_deref(), Some("admin@tenant.example"));
    assert_eq!(completed.org_id, Some(webex.webex.org_id()));
    assert!(!completed.is_whole(), "the organization is still to be named: {:?}", completed.findings);
}

#[tokio::test]
async fn a_person_who_declines_is_told_how_to_go_on() {
    let webex = Webex::start().await;
    let started = start(&webex.tenant, &webex.user("admin").await).await.unwrap();
    let refusal = webex.refused("admin", webex.webex.deny(&started.url).unwrap()).await;
    assert_eq!(refusal.why, Why::Denied(Denial::Declined));
    assert!(refusal.message.contains("access_denied"), "{refusal}");
    assert!(refusal.remedy.contains("accept"), "{refusal}");
}

#[tokio::test]
async fn a_scope_that_the_integration_does_not_have_is_refused_by_name() {
    let webex = Webex::with(TenantSettings::default(), &[("admin_scopes", "audit:events_read other:scope")]).await;
    let started = start(&webex.tenant, &webex.user("admin").await).await.unwrap();
    let refusal = webex.refused("admin", webex.webex.approve(&started.url, ADMIN).unwrap()).await;
    assert_eq!(refusal.why, Why::Denied(Denial::Scope));
}

#[tokio::test]
async fn an_address_works_once_and_with_its_own_state() {
    let webex = Webex::start().await;
    let user = webex.user("admin").await;
    let started = start(&webex.tenant, &user).await.unwrap();
    let redirected = webex.webex.approve(&started.url, ADMIN).unwrap();
    let forged = redirected.replace("state=", "state=x");
    assert_eq!(webex.refused("admin", forged).await.why, Why::State);
    complete(&webex.tenant, &user, redirected.as_str()).await.unwrap();
    let again = webex.refused("admin", redirected).await;
    assert_eq!(again.why, Why::State);
    assert!(again.message.contains("used already"), "{again}");
}

#[tokio::test]
async fn a_code_that_is_not_taken_says_so() {
    let webex = Webex::start().await;
    start(&webex.tenant, &webex.user("admin").await).await.unwrap();
    let refusal = webex.refused("admin", "fake-code-of-nobody").await;
    assert_eq!(refusal.why, Why::Code);
    assert!(refusal.message.contains("status 400") && !refusal.to_string().contains("oauth"), "{refusal}");
}

#[tokio::test]
async fn what_is_no_code_is_asked_for_again() {
    let webex = Webex::start().await;
    assert_eq!(webex.refused("admin", REDIRECT_URI).await.why, Why::Text);
}

#[tokio::test]
async fn an_administrator_in_the_place_of_the_compliance_officer_is_another_account() {
    let webex = Webex::start().await;
    let started = start(&webex.tenant, &webex.user("compliance_officer").await).await.unwrap();
    let refusal = webex.refused("compliance_officer", webex.webex.approve(&started.url, ADMIN).unwrap()).await;
    assert_eq!(refusal.why, Why::Account);
    assert!(refusal.remedy.contains("compliance officer") && refusal.remedy.contains("private window"), "{refusal}");
}

#[tokio::test]
async fn one_stream_that_is_refused_is_told_and_the_user_is_signed_in() {
    let settings = TenantSettings { pro_pack: false, ..TenantSettings::default() };
    let webex = Webex::with(settings, &[("fetch_security_audit_events", "true")]).await;
    let user = webex.user("admin").await;
    let started = start(&webex.tenant, &user).await.unwrap();
    let redirected = webex.webex.approve(&started.url, ADMIN).unwrap();
    let completed = complete(&webex.tenant, &user, redirected.as_str()).await.unwrap();
    let failed: Vec<_> = completed.findings.iter().filter(|finding| finding.verdict == Verdict::Fail).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(failed.iter().all(|finding| finding.subject == "security_audits"), "{failed:?}");
}

#[tokio::test]
async fn a_user_without_an_integration_fails_by_its_setting() {
    let webex = Webex::with(TenantSettings::default(), &[("admin_app_redirect_uri", "")]).await;
    let error = start(&webex.tenant, &webex.user("admin").await).await.unwrap_err();
    assert!(matches!(&error, SignInError::Failed(failure) if failure.code == "invalid-setting"), "{error}");
}

#[tokio::test]
async fn accounts_of_the_officer_serve_the_officer() {
    let webex = Webex::start().await;
    let user = webex.user("compliance_officer").await;
    let started = start(&webex.tenant, &user).await.unwrap();
    let redirected = webex.webex.approve(&started.url, OFFICER).unwrap();
    assert!(complete(&webex.tenant, &user, redirected).await.unwrap().is_whole());
}
