//! No token, secret or code reaches an output, a log, a URL, a failure, a last-run or an event.

use std::collections::BTreeSet;

use host_harness::simulator::{
    ADMIN, ADMIN_CLIENT_SECRET, Endpoint, Fault, OFFICER, OFFICER_CLIENT_SECRET, ScriptedFault, TenantSettings,
};
use wiremock::matchers::{method, path};
use wiremock::{Mock, Request, Respond, ResponseTemplate};

use crate::program::Place;
use crate::support::{ACCESS_TOKENS, CLIENT_SECRETS, PATHS, REFRESH_TOKENS, Scripted, answer, whatever};

/// Every text in a JSON file that is long enough to be a secret and is not one that anybody may know.
fn secrets_in(json: &str) -> BTreeSet<String> {
    fn walk(value: &serde_json::Value, found: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(members) => {
                for (name, value) in members {
                    let is_secret = ["token", "verifier", "access", "refresh"].contains(&name.as_str());
                    match value {
                        serde_json::Value::String(text) if is_secret && text.len() >= 16 => {
                            found.insert(text.clone());
                        }
                        // A store keeps its values as text, some of which are JSON themselves.
                        serde_json::Value::String(text) => {
                            if let Ok(inner) = serde_json::from_str(text) {
                                walk(&inner, found);
                            }
                        }
                        value => walk(value, found),
                    }
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    walk(&serde_json::from_str(json).unwrap(), &mut found);
    found
}

#[tokio::test]
async fn the_program_shows_no_secret_even_at_its_most_talkative() {
    let place = Place::without_sign_in(TenantSettings::default()).await;
    place.backlog(10);
    let mut shown = String::new();
    let mut secrets = BTreeSet::from([ADMIN_CLIENT_SECRET.to_owned(), OFFICER_CLIENT_SECRET.to_owned()]);
    for (user, account) in [("admin", ADMIN), ("compliance_officer", OFFICER)] {
        let argument = format!("user={user}");
        let began = place.run(&["-vv", "run", "cisco-webex-oauth-start", &argument, "--json"]).await.exits(0);
        shown += &format!("{}{}", began.stdout, began.stderr);
        secrets.extend(place.stored_secrets().iter().flat_map(|kept| secrets_in(kept)));
        let outputs: serde_json::Value = serde_json::from_str(&began.stdout).unwrap();
        let redirected =
            place.webex.approve(outputs["CiscoWebex"]["SignIn"]["url"].as_str().unwrap(), account).unwrap();
        secrets.insert(redirected.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")).unwrap().to_owned());
        // The second time the code is refused, which must not show it either.
        for code in [0, 3] {
            let code_only = redirected.split(['?', '&']).find_map(|pair| pair.strip_prefix("code=")).unwrap();
            let input = if code == 0 { redirected.as_str() } else { code_only };
            let complete = ["-vv", "run", "cisco-webex-oauth-complete", &argument, "code=-"];
            let ran = place.run_with_input(&complete, input).await.exits(code);
            shown += &format!("{}{}", ran.stdout, ran.stderr);
        }
        secrets.extend(place.stored_secrets().iter().flat_map(|kept| secrets_in(kept)));
    }
    // Two client secrets, two verifiers, two codes, two tokens each.
    assert!(secrets.len() >= 10, "{} secrets were found", secrets.len());

    place.webex.expire_access(ADMIN);
    place.webex.script(ScriptedFault::on(Endpoint::Events, Fault::Status(403)).times(u32::MAX));
    let ran = place.run(&["-vv", "collect"]).await.exits(4);
    shown += &format!("{}{}", ran.stdout, ran.stderr);
    for arguments in [&["-vv", "check"][..], &["-vv", "last-run", "--json"], &["-vv", "run", "cisco-webex-status"]] {
        let ran = place.run(arguments).await;
        shown += &format!("{}{}", ran.stdout, ran.stderr);
    }
    secrets.extend(place.stored_secrets().iter().flat_map(|kept| secrets_in(kept)));
    for (_, bytes) in place.files("webex-state/last-run") {
        shown += &String::from_utf8_lossy(&bytes);
    }
    shown += &place.read("events.ndjson");
    for secret in &secrets {
        assert!(!shown.contains(secret.as_str()), "a secret of {} characters is shown", secret.len());
    }
    assert_eq!(place.webex.leaks(), []);
}

/// Refuses a request and repeats all that it was told.
struct Echo(u16);

impl Respond for Echo {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let header = request.headers.get("authorization").map_or("", |value| value.to_str().unwrap());
        let told = format!("{header} {}", String::from_utf8_lossy(&request.body));
        let body = serde_json::json!({
            "message": format!("refused: {told}"),
            "errors": [{"description": told}],
            "error": "invalid_request",
            "error_description": format!("it was {told}"),
            "trackingId": told.trim(),
        });
        answer(self.0).set_body_string(body.to_string()).insert_header("trackingid", told.replace(' ', "_").as_str())
    }
}

#[tokio::test]
async fn a_webex_that_repeats_what_it_was_told_gets_no_secret_into_a_failure_or_a_log() {
    for status in [400, 401, 403, 404, 409, 429, 500] {
        for at in PATHS.into_iter().chain(["/v1/access_token"]) {
            let webex = Scripted::start().await;
            let of = if at.ends_with("token") { "POST" } else { "GET" };
            Mock::given(method(of))
                .and(path(at))
                .respond_with(Echo(status))
                .with_priority(1)
                .mount(&webex.server)
                .await;
            webex.serve_nothing(&PATHS).await;
            let mut host = webex.host().await;
            let batch = host.fetch(&whatever()).await.unwrap();
            let failed = batch.reports.iter().filter(|report| report.failure.is_some()).count();
            assert!(failed > 0, "{status} of {at} was met");
            let command = host.run("test-module", &[]).await;
            let said = format!("{batch:?}\n{command:?}\n{}", host.log());
            for secret in CLIENT_SECRETS.into_iter().chain(REFRESH_TOKENS).chain(ACCESS_TOKENS) {
                assert!(!said.contains(secret), "{status} of {at}: {secret} in {said}");
            }
        }
    }
}

#[tokio::test]
async fn secrets_go_in_a_form_or_header_and_a_token_goes_to_no_other_origin() {
    let other = Scripted::start().await;
    let webex = Scripted::start().await;
    let next = format!("<{}/v1/events?cursor=x>; rel=\"next\"", other.server.uri());
    let page = crate::support::json(r#"{"items":[{"id":"1","created":"2026-02-11T10:00:00Z"}]}"#);
    // The second page would be at another origin; the slice's halves list nothing.
    Mock::given(method("GET"))
        .and(path("/v1/events"))
        .respond_with(page.insert_header("link", next.as_str()))
        .up_to_n_times(1)
        .mount(&webex.server)
        .await;
    webex.serve_nothing(&PATHS).await;
    let mut host = webex.host().await;
    host.collect().await;
    assert_eq!(host.events.len(), 1, "what was listed is delivered all the same");
    assert_eq!(other.server.received_requests().await.unwrap().len(), 0);
    for request in webex.server.received_requests().await.unwrap() {
        for secret in CLIENT_SECRETS.into_iter().chain(REFRESH_TOKENS).chain(ACCESS_TOKENS) {
            assert!(!request.url.as_str().contains(secret), "{}", request.url);
        }
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Scripted::start().await;
    let webex = Scripted::start().await;
    let to = format!("{}/v1/events", other.server.uri());
    for status in [301, 302, 307, 308] {
        webex.serve("/v1/events", answer(status).insert_header("location", to.as_str())).await;
    }
    webex.serve_nothing(&PATHS[..2]).await;
    let (_, reports) = webex.host().await.collect().await;
    let failure = reports[2].failure.as_ref().unwrap();
    assert_eq!(failure.code, "not-understood");
    assert!(failure.remedy.contains("base_url"), "{}", failure.remedy);
    assert_eq!(other.server.received_requests().await.unwrap().len(), 0);
}
