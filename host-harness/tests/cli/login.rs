//! `login`: the program gives the link, the test is the browser and the person at it.

use std::net::TcpListener;
use std::process::Stdio;

use host_harness::simulator::{ADMIN, OFFICER, REDIRECT_URI, SimulatedTenant, TenantSettings};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Child;
use url::Url;

use crate::support::{Place, Ran, Webex, ended};

/// A tenant whose integrations lead back to a free port of this machine, and settings for it.
async fn webex(change: impl Fn(&str) -> String) -> (Webex, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let uri = format!("http://127.0.0.1:{port}/callback");
    let mut settings = TenantSettings::default();
    for integration in &mut settings.integrations {
        integration.redirect_uris = vec![uri.clone()];
    }
    let tenant = SimulatedTenant::start(settings).await.unwrap();
    let toml = Webex::toml(&tenant, "").replace(REDIRECT_URI, &uri);
    let place = Place::with(&change(&toml));
    (Webex { place, tenant }, uri)
}

/// What a page answers.
struct Shown {
    status: u16,
    location: Option<String>,
    body: String,
}

/// A browser: one request, no redirect is followed by itself.
async fn browse(method: &str, address: &str, form: &str) -> Shown {
    let url = Url::parse(address).unwrap();
    let (host, port) = (url.host_str().unwrap(), url.port().unwrap());
    let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    let mut stream = TcpStream::connect((host, port)).await.unwrap();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let location = head.lines().find_map(|line| line.strip_prefix("location: ")).map(str::to_owned);
    Shown { status: head.split(' ').nth(1).unwrap().parse().unwrap(), location, body: body.to_owned() }
}

/// The program, and the link that it gives.
async fn login(place: &Place, arguments: &[&str]) -> (Child, String) {
    let arguments: Vec<&str> = ["login", "--no-browser"].iter().chain(arguments).copied().collect();
    let mut child = place.command(&arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.as_mut().unwrap());
    let mut link = String::new();
    while !link.starts_with("http") {
        link.clear();
        assert_ne!(stderr.read_line(&mut link).await.unwrap(), 0, "no link is given");
    }
    // What follows is read once it has ended; until it waits for the browser, there is nobody to lead it to.
    let mut waits = String::new();
    while !waits.contains("paste the whole address") {
        waits.clear();
        assert_ne!(stderr.read_line(&mut waits).await.unwrap(), 0, "it does not wait");
    }
    assert!(stderr.buffer().is_empty());
    (child, link.trim().to_owned())
}

/// The person opens the link, decides, and is led back.
async fn decide(link: &str, form: &str) -> Shown {
    let page = browse("GET", link, "").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("SIMULATED"), "{}", page.body);
    let decided = browse("POST", link, form).await;
    assert_eq!(decided.status, 303, "{}", decided.body);
    browse("GET", &decided.location.unwrap(), "").await
}

fn without_org_id(toml: &str) -> String {
    let lines = toml.lines().map(|line| if line.starts_with("org_id") { "org_id = \"\" # mine" } else { line });
    lines.map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn a_user_signs_in_in_the_browser_and_the_program_finishes_by_itself() {
    let (webex, _) = webex(str::to_owned).await;
    let (child, link) = login(&webex.place, &["compliance officer"]).await;
    let shown = decide(&link, &format!("account={OFFICER}&decision=accept")).await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    assert!(shown.body.contains("The compliance officer is signed in"), "{}", shown.body);
    let ran = ended(child).await.exits(0).says("The compliance officer is signed in.");
    assert!(ran.stdout.starts_with("ok    compliance_officer"), "{}", ran.stdout);
    webex.place.run(&["run", "cisco-webex-oauth-test", "user=compliance_officer"]).await.exits(0);
}

#[tokio::test]
async fn a_person_who_declines_and_the_wrong_account_are_refused_in_both_places() {
    let (webex, _) = webex(str::to_owned).await;
    for (form, head, what) in [
        ("decision=decline".to_owned(), "the sign-in was declined", "sign in again and accept"),
        (format!("account={ADMIN}&decision=accept"), "This account does not serve", "must be a compliance officer"),
    ] {
        let (child, link) = login(&webex.place, &["compliance_officer"]).await;
        let shown = decide(&link, &form).await;
        assert_eq!(shown.status, 403, "{}", shown.body);
        assert!(shown.body.contains(head) && shown.body.contains("What to do"), "{}", shown.body);
        let ran = ended(child).await.exits(3);
        assert!(ran.error().contains(what), "{}", ran.error());
    }
}

#[tokio::test]
async fn the_address_can_be_pasted_where_there_is_no_browser() {
    let (webex, uri) = webex(str::to_owned).await;
    let (mut child, link) = login(&webex.place, &["admin"]).await;
    let address = browse("POST", &link, &format!("account={ADMIN}&decision=accept")).await.location.unwrap();
    child.stdin.take().unwrap().write_all(format!("{address}\n").as_bytes()).await.unwrap();
    ended(child).await.exits(0).says("ok    admin_audits");
    assert!(address.starts_with(&uri));
}

#[tokio::test]
async fn a_port_that_is_taken_ends_it_before_a_code_goes_astray() {
    let (webex, uri) = webex(str::to_owned).await;
    let port = Url::parse(&uri).unwrap().port().unwrap();
    let _other = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let ran = webex.place.run(&["login", "admin", "--no-browser"]).await.exits(1);
    assert!(ran.error().contains("taken by another program") && ran.error().contains("`serve`"), "{}", ran.error());
}

#[tokio::test]
async fn a_redirect_uri_elsewhere_needs_an_address_on_standard_input() {
    let (webex, uri) = webex(str::to_owned).await;
    let elsewhere = webex.place.read("webex.toml").replace(&uri, "https://siem.example/callback");
    webex.place.write("webex.toml", &elsewhere);
    let ran = webex.place.run(&["login", "admin", "--no-browser"]).await.exits(2);
    assert!(ran.error().contains("on standard input"), "{}", ran.error());
}

#[tokio::test]
async fn the_organization_is_written_into_the_file_where_it_is_wanted() {
    let scopes = "scopes = \"audit:events_read spark-admin:organizations_read spark:people_read\"\n";
    let (webex, _) = webex(|toml| without_org_id(toml).replacen("[admin]\n", &format!("[admin]\n{scopes}"), 1)).await;
    let (child, link) = login(&webex.place, &["admin", "--org-id", "first", "--json"]).await;
    decide(&link, &format!("account={ADMIN}&decision=accept")).await;
    let ran = ended(child).await.exits(0);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let org_id = webex.tenant.org_id();
    assert_eq!((&report["org_id"], &report["account"]), (&org_id.clone().into(), &"admin@tenant.example".into()));
    let toml = webex.place.read("webex.toml");
    assert!(toml.contains(&format!("org_id = \"{org_id}\" # mine")), "{toml}");
}

#[tokio::test]
async fn without_a_terminal_the_organizations_are_shown_and_the_file_stays() {
    let scopes = "scopes = \"audit:events_read spark-admin:organizations_read\"\n";
    let (webex, _) = webex(|toml| without_org_id(toml).replacen("[admin]\n", &format!("[admin]\n{scopes}"), 1)).await;
    let before = webex.place.read("webex.toml");
    let (child, link) = login(&webex.place, &["admin"]).await;
    decide(&link, &format!("account={ADMIN}&decision=accept")).await;
    ended(child).await.exits(2).says(&webex.tenant.org_id()).says("--org-id");
    assert_eq!(webex.place.read("webex.toml"), before);
}

#[tokio::test]
async fn what_cannot_be_meant_is_a_usage_error_before_anybody_signs_in() {
    let (webex, _) = webex(str::to_owned).await;
    for (arguments, want) in [
        (&["login", "admni"][..], "did you mean `admin`?"),
        (&["login", "admin", "--org-id", "first"], "`admin.org_id` is set"),
        (&["login", "compliance_officer", "--org-id", "first"], "needs no --org-id"),
        (&["login", "admin", "--tenant", "x"], "leave --tenant out"),
    ] {
        let ran: Ran = webex.place.run(arguments).await.exits(2);
        assert!(ran.error().contains(want), "{}", ran.error());
    }
    assert_eq!(webex.tenant.requests().len(), 0);
}
