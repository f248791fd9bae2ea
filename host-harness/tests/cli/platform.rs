//! The host that the README shows: `examples/platform.rs`, which cargo builds with the tests.

use std::path::Path;

use host_harness::simulator::{
    ADMIN, ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET, REDIRECT_URI, SimulatedTenant, Stream, TenantSettings,
};

use crate::support::{Place, Ran, ended};

#[tokio::test]
async fn a_platform_signs_in_collects_and_goes_on_after_a_restart() {
    let tenant = SimulatedTenant::start(TenantSettings::default()).await.unwrap();
    let now = tenant.now_ms();
    tenant.backlog(Stream::AdminAudits, 500, now - 3_600_000, now);
    let place = Place::empty();
    std::fs::write(place.path("plugin.wasm"), host_harness::COMPONENT).unwrap();
    let settings = serde_json::json!({
        "base_url": tenant.origin(),
        "admin_credentials": ADMIN_CLIENT_ID,
        "admin_app_redirect_uri": REDIRECT_URI,
        "admin_org_id": tenant.org_id(),
        "lag": "0s",
    });
    place.write("settings.json", &settings.to_string());
    place.write(
        "secrets.json",
        &serde_json::json!({"secrets": {"admin_credentials": [ADMIN_CLIENT_SECRET, 0]}}).to_string(),
    );

    let program = Path::new(env!("CARGO_BIN_EXE_webex-collector")).with_file_name("examples").join("platform");
    let run = async |arguments: &[&str]| -> Ran {
        let arguments = [&["plugin.wasm", "."], arguments].concat();
        ended(place.command_of(&program, &arguments).spawn().unwrap()).await.exits(0)
    };
    let started = run(&["cisco-webex-oauth-start", "user=admin"]).await;
    let authorize = format!("{}/v1/authorize?", tenant.origin());
    let url = started
        .stdout
        .split(|c: char| c.is_whitespace() || "()<>\"`[]".contains(c))
        .find(|word| word.starts_with(&authorize))
        .unwrap();
    let redirected = tenant.approve(url, ADMIN).unwrap();
    run(&["cisco-webex-oauth-complete", "user=admin", &format!("code={redirected}")]).await;

    assert_eq!(run(&[]).await.stdout.lines().count(), 500);
    tenant.burst(Stream::AdminAudits, 5, tenant.now_ms() - 1_500);
    assert_eq!(run(&[]).await.stdout.lines().count(), 5);
    assert_eq!(run(&[]).await.stdout, "");
}
