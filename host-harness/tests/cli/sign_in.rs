//! The three commands that sign a user in.

use host_harness::simulator::{ADMIN, ADMIN_CLIENT_ID, REDIRECT_URI};

use crate::support::Webex;

#[tokio::test]
async fn collecting_without_a_sign_in_says_who_and_how() {
    let webex = Webex::start().await;
    webex.place.run(&["collect"]).await.exits(3).says("cisco-webex-oauth-start");
}

#[tokio::test]
async fn with_one_user_signed_in_its_streams_are_delivered_and_the_rest_is_told() {
    let webex = Webex::start().await;
    webex.backlog(20);
    let redirected = webex.authorize("admin", ADMIN).await;
    let complete = ["run", "cisco-webex-oauth-complete", "user=admin", "code=-"];
    webex.place.run_with_input(&complete, &redirected).await.exits(0);
    webex.place.run(&["collect"]).await.exits(4).says("compliance_officer");
    assert_eq!(webex.place.read("events.ndjson").lines().count(), 40);
}

#[tokio::test]
async fn a_code_that_is_used_twice_is_refused_and_the_sign_in_stays() {
    let webex = Webex::start().await;
    let redirected = webex.authorize("admin", ADMIN).await;
    let complete = ["run", "cisco-webex-oauth-complete", "user=admin", "code=-"];
    webex.place.run_with_input(&complete, &redirected).await.exits(0);
    let again = webex.place.run_with_input(&complete, &redirected).await;
    assert_ne!(again.code, Some(0));
    assert!(again.error().contains("cisco-webex-oauth-start") || again.error().contains("code"), "{}", again.error());
    webex.place.run(&["run", "cisco-webex-oauth-test", "user=admin"]).await.exits(0);
}

#[tokio::test]
async fn a_wrong_state_is_refused() {
    let webex = Webex::start().await;
    let redirected = webex.authorize("admin", ADMIN).await;
    let forged = redirected.replace("state=", "state=x");
    let complete = ["run", "cisco-webex-oauth-complete", "user=admin", "code=-"];
    let ran = webex.place.run_with_input(&complete, &forged).await;
    assert_ne!(ran.code, Some(0));
    assert!(ran.error().contains("state"), "{}", ran.error());
}

#[tokio::test]
async fn a_bare_code_without_a_start_before_it_works() {
    let webex = Webex::start().await;
    let authorize = format!(
        "{}/v1/authorize?response_type=code&client_id={ADMIN_CLIENT_ID}&redirect_uri={}&scope={}",
        webex.tenant.origin(),
        "http%3A%2F%2F127.0.0.1%3A8765%2Fcallback",
        "audit%3Aevents_read%20spark%3Akms"
    );
    let redirected = webex.tenant.approve(&authorize, ADMIN).unwrap();
    assert!(redirected.starts_with(REDIRECT_URI));
    let code = redirected.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")).unwrap();
    let argument = format!("code={code}");
    webex.place.run(&["run", "cisco-webex-oauth-complete", "user=admin", &argument]).await.exits(0);
    webex.place.run(&["run", "cisco-webex-oauth-test", "user=admin"]).await.exits(0);
}

#[tokio::test]
async fn nothing_secret_is_printed_or_sent_where_it_does_not_belong() {
    let webex = Webex::start().await;
    webex.backlog(10);
    webex.sign_in().await;
    let kept: String = webex.place.secrets().values().map(|secret| format!("{} ", secret.expose())).collect();
    for arguments in [&["-vv", "collect"][..], &["-vv", "check"], &["-vv", "run", "cisco-webex-status"]] {
        let ran = webex.place.run(arguments).await;
        let shown = format!("{}{}", ran.stdout, ran.stderr);
        // Long words of the store are tokens and verifiers.
        for word in kept.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|word| word.len() >= 24) {
            assert!(!shown.contains(word), "{arguments:?} prints a secret");
        }
    }
    assert_eq!(webex.tenant.leaks(), []);
}
