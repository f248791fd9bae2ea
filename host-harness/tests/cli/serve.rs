//! `serve` as people, probes, scrapers and playbooks meet it: one process, its port, a simulated tenant.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use host_harness::serve::metrics::METRICS;
use host_harness::simulator::{ADMIN, Clock, OFFICER, Role, TenantSettings};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::support::{Webex, interrupt};

/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(90);

/// An answer.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// The running program.
struct Serving {
    child: Child,
    address: SocketAddr,
}

impl Serving {
    async fn start(webex: &Webex, arguments: &[&str]) -> Self {
        let mut command = webex.place.command(&[&["serve", "--listen", "127.0.0.1:0"], arguments].concat());
        Self::of(&mut command).await
    }

    async fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = tokio::time::timeout(PATIENCE, async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it says where the page is");
                if let Some((_, rest)) = line.split_once("status page: http://") {
                    return rest.split('/').next().unwrap().parse().unwrap();
                }
            }
        });
        let address = address.await.expect("it says where the page is");
        // What it says further must not fill the pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, address }
    }

    async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let host = self.address.to_string();
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "host") {
            head.push_str(&format!("host: {host}\r\n"));
        }
        headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(format!("{head}\r\n{body}").as_bytes()).await.unwrap();
        let mut text = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut text)).await.expect("an answer").unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[], "").await
    }

    async fn command(&self, name: &str, arguments: &Value) -> Answer {
        let json = [("content-type", "application/json")];
        self.ask("POST", &format!("/commands/{name}"), &json, &arguments.to_string()).await
    }

    /// The codes for which `/readyz` fails; none: it does not.
    async fn reasons(&self) -> Vec<String> {
        let answer = self.get("/readyz").await;
        let body = answer.json();
        let reasons = body["reasons"].as_array().unwrap();
        let codes: Vec<String> = reasons.iter().map(|reason| reason["code"].as_str().unwrap().to_owned()).collect();
        assert_eq!(answer.status, if codes.is_empty() { 200 } else { 503 }, "{body}");
        codes
    }

    /// Waits until this is a reason, or until there is none; how long that took.
    async fn until(&self, code: Option<&str>) -> Duration {
        let begin = Instant::now();
        loop {
            let reasons = self.reasons().await;
            let met = code.map_or(reasons.is_empty(), |code| reasons.iter().any(|reason| reason == code));
            if met {
                return begin.elapsed();
            }
            assert!(begin.elapsed() < PATIENCE, "waits for {code:?}, has {reasons:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    async fn end(self) {
        self.ends_with(0).await;
    }

    async fn ends_with(self, code: i32) {
        interrupt(&self.child).await;
        self.ends_with_code(code).await;
    }

    async fn ends_with_code(mut self, code: i32) {
        let ended = tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await;
        assert_eq!(ended.expect("it ends within 10 s").unwrap().code(), Some(code));
    }
}

/// With users that have signed in, and this interval.
async fn signed_in(interval: &str, more: &str) -> Webex {
    let webex = Webex::with(TenantSettings::default(), &format!("interval = \"{interval}\"\n{more}")).await;
    webex.sign_in().await;
    webex.backlog(5);
    webex
}

/// A tenant whose integrations lead the browser back to this port.
async fn leading_to(port: u16) -> Webex {
    let mut settings = TenantSettings::default();
    let uri = format!("http://127.0.0.1:{port}/callback");
    settings.integrations.iter_mut().for_each(|integration| integration.redirect_uris = vec![uri.clone()]);
    let webex = Webex::with(settings, "interval = \"1s\"").await;
    let toml = webex.place.read("webex.toml").replace(host_harness::simulator::REDIRECT_URI, &uri);
    webex.place.write("webex.toml", &toml);
    webex.backlog(5);
    webex
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn both_users_sign_in_through_the_page_and_data_flows() {
    let port = free_port().await;
    let webex = leading_to(port).await;
    let listen = format!("127.0.0.1:{port}");
    let serving = Serving::of(&mut webex.place.command(&["serve", "--listen", &listen])).await;
    serving.until(Some("sign-in-needed")).await;
    for (user, account) in [("admin", ADMIN), ("compliance_officer", OFFICER)] {
        let form = [("content-type", "application/x-www-form-urlencoded"), ("origin", &format!("http://{listen}"))];
        let sent = serving.ask("POST", "/sign-in", &form, &format!("tenant=&user={user}")).await;
        assert_eq!(sent.status, 303, "{sent:?}");
        let back = webex.tenant.approve(sent.header("location").unwrap(), account).unwrap();
        let path = back.strip_prefix(&format!("http://{listen}")).expect("it leads back here").to_owned();
        let done = serving.get(&path).await;
        assert_eq!((done.status, done.header("location")), (303, Some("/")), "{done:?}");
        let again = serving.get(&path).await;
        assert!(again.status >= 400 && !again.body.contains("code="), "a state counts once: {again:?}");
    }
    serving.until(None).await;
    let begin = Instant::now();
    while webex.arrived() < 15 {
        assert!(begin.elapsed() < PATIENCE, "{} events", webex.arrived());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let page = serving.get("/").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("</html>"), "{}", page.body);
    serving.end().await;
    webex.delivered_is_exact();
}

#[tokio::test]
async fn a_sign_in_whose_redirect_uri_is_another_port_is_waited_for_there() {
    let port = free_port().await;
    let webex = leading_to(port).await;
    let serving = Serving::start(&webex, &[]).await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let sent = serving.ask("POST", "/sign-in", &form, "user=admin").await;
    let back = webex.tenant.approve(sent.header("location").unwrap(), ADMIN).unwrap();
    let elsewhere = Serving { address: format!("127.0.0.1:{port}").parse().unwrap(), ..serving };
    let path = back.strip_prefix(&format!("http://127.0.0.1:{port}")).unwrap().to_owned();
    let shown = elsewhere.get(&path).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    elsewhere.end().await;
}

#[tokio::test]
async fn health_is_honest_about_tokens_refusals_sinks_and_clocks() {
    let two_intervals = Duration::from_secs(30);
    let expired = async {
        let webex = signed_in("1s", "").await;
        let serving = Serving::start(&webex, &[]).await;
        serving.until(None).await;
        webex.tenant.revoke(ADMIN);
        assert!(serving.until(Some("sign-in-needed")).await < two_intervals);
        let page = serving.get("/").await.body;
        assert!(page.contains("sign in") || page.contains("Sign in"), "the page says it");
        serving.end().await;
    };
    let refused = async {
        let webex = signed_in("1s", "").await;
        let serving = Serving::start(&webex, &[]).await;
        serving.until(None).await;
        webex.tenant.change(|settings| {
            settings
                .accounts
                .iter_mut()
                .for_each(|account| account.roles.retain(|role| *role != Role::ComplianceOfficer));
        });
        assert!(serving.until(Some("refused")).await < two_intervals);
        let reasons = serving.get("/readyz").await.json()["reasons"].clone();
        let of = |name: &str| reasons.as_array().unwrap().iter().any(|reason| reason["subject"]["name"] == name);
        assert!(of("events") && !of("admin_audits"), "{reasons}");
        webex
            .tenant
            .change(|settings| *settings = TenantSettings { clock: settings.clock.clone(), ..settings.clone() });
        serving.end().await;
    };
    let stuck = async {
        let nobody = free_port().await;
        let sink = format!("\n[[sink]]\ntype = \"http\"\nurl = \"http://127.0.0.1:{nobody}/\"\n");
        let webex = signed_in("1s", &sink).await;
        let serving = Serving::start(&webex, &[]).await;
        // Nothing waits for a person before it has lasted.
        let took = serving.until(Some("sink-failing")).await;
        assert!(took < two_intervals + Duration::from_secs(10), "{took:?}");
        let page = serving.get("/").await.body;
        assert!(page.to_lowercase().contains("takes nothing for"), "the page says why");
        serving.end().await;
    };
    let frozen = async {
        let webex = signed_in("15s", "").await;
        let serving = Serving::start(&webex, &[]).await;
        serving.until(None).await;
        let now = webex.tenant.now_ms();
        webex.tenant.change(|settings| settings.clock = Clock::set_to(now));
        let took = serving.until(Some("not-moving")).await;
        assert!(took <= two_intervals + Duration::from_secs(2), "{took:?}");
        serving.end().await;
    };
    tokio::join!(expired, refused, stuck, frozen);
}

#[tokio::test]
async fn other_names_other_pages_and_reading_requests_change_nothing() {
    let webex = signed_in("1s", "").await;
    let serving = Serving::start(&webex, &[]).await;
    let rebound = serving.ask("GET", "/", &[("host", "evil.example")], "").await;
    assert_eq!(rebound.status, 421);
    let json = ("content-type", "application/json");
    let foreign = [json, ("origin", "http://evil.example")];
    assert_eq!(serving.ask("POST", "/commands/cisco-webex-status", &foreign, "{}").await.status, 403);
    let form = [("content-type", "text/plain")];
    assert_eq!(serving.ask("POST", "/commands/cisco-webex-status", &form, "{}").await.status, 415);
    assert_eq!(serving.get("/commands/cisco-webex-status").await.status, 405);
    assert_eq!(serving.get("/sign-in").await.status, 405);
    assert_eq!(serving.get("/callback?state=x&code=y").await.status / 100, 4);
    let page = serving.get("/").await;
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(serving.get("/healthz").await.json()["status"], "ok");
    serving.end().await;
}

#[tokio::test]
async fn whoever_is_not_on_this_machine_needs_the_token() {
    let webex = signed_in("1s", "").await;
    let refused = webex.place.run(&["serve", "--listen", "0.0.0.0:0"]).await.exits(2);
    assert!(refused.error().contains("serve.token"), "{}", refused.error());

    let token = "fake-token-for-the-page";
    webex.place.write("serve.token", token);
    #[cfg(unix)]
    std::fs::set_permissions(webex.place.path("serve.token"), std::os::unix::fs::PermissionsExt::from_mode(0o600))
        .unwrap();
    let toml = webex.place.read("webex.toml");
    let serve = "[serve]\ntoken = { file = \"serve.token\" }\n[admin]";
    webex.place.write("webex.toml", &toml.replace("[admin]", serve));
    let serving = Serving::start(&webex, &[]).await;
    serving.until(None).await;
    for path in ["/", "/metrics", "/commands", "/openapi.json"] {
        let answer = serving.get(path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.header("www-authenticate").is_some());
    }
    let bearer = format!("Bearer {token}");
    assert_eq!(serving.ask("GET", "/metrics", &[("authorization", &bearer)], "").await.status, 200);
    webex.tenant.revoke(ADMIN);
    serving.until(Some("sign-in-needed")).await;
    let open = serving.get("/readyz").await.json();
    assert_eq!(open["reasons"][0].as_object().unwrap().len(), 1, "without the token only codes: {open}");
    serving.end().await;
}

#[tokio::test]
async fn metrics_are_those_of_the_table() {
    let webex = signed_in("1s", "").await;
    let serving = Serving::start(&webex, &[]).await;
    serving.until(None).await;
    let text = serving.get("/metrics").await.body;
    let value = |line: &str| {
        let found =
            text.lines().find_map(|known| known.strip_prefix(line)).unwrap_or_else(|| panic!("{line} in {text}"));
        found.trim().parse::<f64>().unwrap()
    };
    assert!(value("webex_collector_events_delivered_total{tenant=\"\",stream=\"events\"}") >= 5.0);
    assert!(value("webex_collector_ready{tenant=\"\"}") > 0.5);
    assert!(value("process_resident_memory_bytes") > 1e6);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let metric = METRICS.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("{name}"));
        let labels = line.split_once('{').map(|(_, rest)| rest.split('}').next().unwrap()).unwrap_or_default();
        assert_eq!(labels.matches("=\"").count(), metric.labels.len(), "{line}");
    }
    serving.end().await;
}

#[tokio::test]
async fn a_playbook_lists_commands_runs_them_and_is_told_what_failed() {
    let webex = signed_in("1s", "").await;
    let serving = Serving::start(&webex, &[]).await;
    serving.until(None).await;
    let listed = serving.get("/commands").await.json();
    assert!(listed["commands"].as_array().unwrap().iter().any(|command| command["name"] == "cisco-webex-oauth-start"));

    let status = serving.command("cisco-webex-status", &json!({})).await;
    assert_eq!(status.status, 200, "{status:?}");
    assert_eq!(status.json()["outputs"]["CiscoWebex"]["User"][0]["signed_in"], true);

    let before = webex.arrived();
    let arguments = json!({"should_push_events": true, "limit": 3, "since_datetime": "3 hours ago"});
    let pushed = serving.command("cisco-webex-get-admin-audit-events", &arguments).await;
    assert_eq!((pushed.status, pushed.json()["delivered"].as_u64()), (200, Some(3)), "{pushed:?}");
    assert!(webex.arrived() >= before + 3, "the events of a command go where all events go");

    let fails = async |name: &str, arguments: Value, status: u16, kind: &str| {
        let answer = serving.command(name, &arguments).await;
        assert_eq!((answer.status, answer.json()["error"]["kind"].as_str()), (status, Some(kind)), "{answer:?}");
    };
    fails("cisco-webex-stats", json!({}), 404, "unknown-command").await;
    fails("cisco-webex-oauth-test", json!({}), 400, "invalid-argument").await;
    fails("cisco-webex-oauth-test", json!({"user": 1}), 400, "invalid-argument").await;
    fails("cisco-webex-oauth-test", json!({"user": "nobody"}), 422, "invalid-argument").await;
    fails("cisco-webex-status", json!({"usr": "admin"}), 400, "invalid-argument").await;
    fails("cisco-webex-status", json!([]), 400, "invalid-argument").await;
    webex.tenant.revoke(ADMIN);
    fails("cisco-webex-oauth-test", json!({"user": "admin"}), 409, "sign-in-needed").await;

    let openapi = serving.get("/openapi.json").await.json();
    assert_eq!(openapi["openapi"], "3.1.0");
    assert!(openapi["paths"]["/commands/cisco-webex-oauth-start"]["post"]["requestBody"].is_object());
    serving.end().await;
}

#[tokio::test]
async fn many_tenants_are_served_each_by_its_name() {
    let webex = Webex::start().await;
    let toml = webex.place.read("webex.toml");
    let (head, sink) = toml.split_once("[[sink]]").unwrap();
    webex.place.write("webex.toml", "[[sink]]\ntype = \"ndjson\"\npath = \"events.ndjson\"\n");
    std::fs::create_dir(webex.place.path("tenants.d")).unwrap();
    assert!(sink.contains("events.ndjson"));
    webex.place.write("tenants.d/acme.toml", &head.replace("[collect]", "[collect]\ninterval = \"1s\""));
    webex.place.write("tenants.d/broken.toml", "[collect]\nlag = 1\n");
    let serving = Serving::start(&webex, &[]).await;
    serving.until(Some("sign-in-needed")).await;
    serving.until(Some("tenant-failed")).await;
    assert_eq!(serving.get("/readyz?tenant=nobody").await.status, 404);
    let of = serving.get("/readyz?tenant=acme").await.json();
    assert!(of["reasons"].as_array().unwrap().iter().all(|reason| reason["tenant"] == "acme"), "{of}");

    let page = serving.get("/?tenant=acme").await;
    assert!(page.status == 200 && page.body.contains("acme"), "{page:?}");
    assert_eq!(serving.get("/?tenant=nobody").await.status, 404);
    assert!(serving.get("/").await.body.contains("broken"), "the overview has all of them");

    let answer = serving.command("cisco-webex-status", &json!({})).await;
    assert_eq!((answer.status, &answer.json()["error"]["kind"]), (400, &json!("tenant-needed")));
    let answer = serving.command("cisco-webex-status?tenant=acme", &json!({})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = serving.command("cisco-webex-status?tenant=nobody", &json!({})).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    // A tenant's file is wrong, and the other's users have not signed in.
    serving.ends_with(2).await;
}

#[cfg(unix)]
#[tokio::test]
async fn systemd_is_told_that_it_is_up_that_it_lives_and_that_it_ends() {
    let webex = signed_in("1s", "").await;
    let path = webex.place.path("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let mut command = webex.place.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000000").env_remove("WATCHDOG_PID");
    let serving = Serving::of(&mut command).await;
    let told = async |want: &str| {
        let heard = tokio::time::timeout(PATIENCE, async {
            let mut bytes = vec![0; 4_096];
            loop {
                let length = socket.recv(&mut bytes).await.unwrap();
                if String::from_utf8_lossy(&bytes[..length]).lines().any(|line| line.starts_with(want)) {
                    break;
                }
            }
        });
        assert!(heard.await.is_ok(), "{want} is not told");
    };
    told("READY=1").await;
    told("WATCHDOG=1").await;
    told("STATUS=data flows").await;
    interrupt(&serving.child).await;
    told("STOPPING=1").await;
    serving.ends_with_code(0).await;
}
