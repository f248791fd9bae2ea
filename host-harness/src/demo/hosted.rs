//! The simulated tenant for whoever wants to look at the page: nobody has signed in, a backlog is there, and events come in.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Value;

use super::{LAG, MAX_FETCH};
use crate::simulator::{
    ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET, Latency, LiveRates, OFFICER_CLIENT_ID, OFFICER_CLIENT_SECRET,
    SimulatedTenant, Stream, TenantSettings,
};

/// How far back the backlog reaches.
const BACKLOG: Duration = Duration::from_secs(2 * 24 * 3_600);
/// Live events per second and stream: some a minute, as of an organization in use.
const LIVE_RATE: f64 = 0.5;

/// Starts a tenant whose integrations lead back to this address.
///
/// # Errors
/// There is no port for it.
pub async fn tenant(address: SocketAddr, events: usize, seed: u64) -> std::io::Result<SimulatedTenant> {
    let latency = Latency { min_ms: 20, max_ms: 120 };
    let mut settings = TenantSettings { seed, latency, ..TenantSettings::default() };
    for integration in &mut settings.integrations {
        integration.redirect_uris = vec![redirect_uri(address)];
    }
    let webex = SimulatedTenant::start(settings).await?;
    let now = webex.now_ms();
    let back = i64::try_from(BACKLOG.as_millis()).unwrap_or(0);
    for stream in Stream::ALL {
        webex.backlog(stream, events, now - back, now);
    }
    webex.live(LiveRates::all(LIVE_RATE));
    Ok(webex)
}

/// The `webex.toml` for it, as a person would write it into this folder.
pub fn settings(webex: &SimulatedTenant, address: SocketAddr, folder: &Path, output: &Path) -> String {
    let text = |text: &str| Value::from(text).to_string();
    let path = |path: PathBuf| text(&path.display().to_string());
    let redirect_uri = text(&redirect_uri(address));
    // Where `-` stands it is standard output, else a file of the folder in which the program was started.
    let output =
        if output == Path::new("-") { output.to_owned() } else { std::path::absolute(output).unwrap_or_default() };
    let user = |table: &str, id: &str, secret: &str| {
        let (id, secret) = (text(id), text(secret));
        format!("[{table}]\nclient_id = {id}\nclient_secret = {secret}\nredirect_uri = {redirect_uri}\n")
    };
    format!(
        "base_url = {}\nstate_dir = {}\n\n{}org_id = {}\n\n{}\n[collect]\nsecurity_audits = true\nfirst_fetch = \"3 days\"\nmax_fetch = \
         {MAX_FETCH}\ninterval = \"5s\"\nlag = \"{}s\"\n\n[[sink]]\ntype = \"ndjson\"\npath = {}\n",
        text(&webex.origin()),
        path(folder.join("state")),
        user("admin", ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET),
        text(&webex.org_id()),
        user("compliance_officer", OFFICER_CLIENT_ID, OFFICER_CLIENT_SECRET),
        LAG.as_secs(),
        path(output),
    )
}

fn redirect_uri(address: SocketAddr) -> String {
    format!("http://{address}/callback")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::config::Config;

    #[tokio::test]
    async fn its_settings_are_settings() {
        let address = "127.0.0.1:9".parse().unwrap();
        let webex = tenant(address, 10, 1).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let text = settings(&webex, address, folder.path(), Path::new("-"));
        let config = Config::parse(&text, &folder.path().join("webex.toml")).unwrap();
        assert_eq!(config.settings.get("admin_app_redirect_uri").unwrap(), "http://127.0.0.1:9/callback");
        assert_eq!(config.secrets.len(), 2);
        webex.stop().await;
    }
}
