//! Many tenants in one process, each with a Webex of its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use host_harness::collect::SharedSinks;
use host_harness::config::Setup;
use host_harness::log::Log;
use host_harness::simulator::{ADMIN, ADMIN_CLIENT_ID, ADMIN_CLIENT_SECRET, SimulatedTenant, Stream, TenantSettings};
use host_harness::stop::Stop;
use host_harness::tenants::{Scheduler, Shared, Step};
use serde_json::Value;

use crate::support::{Place, Ran, ended, interrupt, plugin};

/// Events of each audit stream that a tenant has before anybody asks.
const BACKLOG: usize = 30;
const DEFAULTS: &str =
    "[tenant_defaults.collect]\nsecurity_audits = true\nlag = \"0s\"\nfirst_fetch = \"1 day\"\ninterval = \"1s\"\n";
const SHARED: &str = "[[sink]]\ntype = \"ndjson\"\npath = \"all.ndjson\"\ntenant_field = \"tenant\"\n";

/// A place with many tenants, and the Webex of each.
struct Many {
    place: Place,
    webex: BTreeMap<String, SimulatedTenant>,
}

/// No address of a request held a token.
impl Drop for Many {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.webex.values().for_each(|webex| assert_eq!(webex.leaks(), []));
        }
    }
}

impl Many {
    fn new(webex_toml: &str) -> Self {
        let admin = format!(
            "[tenant_defaults.admin]\nclient_id = \"{ADMIN_CLIENT_ID}\"\nclient_secret = \"{ADMIN_CLIENT_SECRET}\"\n"
        );
        let place = Place::with(&format!("{webex_toml}{DEFAULTS}{admin}"));
        std::fs::create_dir(place.path("tenants.d")).unwrap();
        Self { place, webex: BTreeMap::new() }
    }

    /// A tenant with a backlog, whose refresh token lies in a file. With a sink of its own, or those of all.
    async fn add(&mut self, name: &str, has_sink: bool) {
        let settings = TenantSettings { seed: 100 + self.webex.len() as u64, ..TenantSettings::default() };
        let webex = SimulatedTenant::start(settings).await.unwrap();
        let now = webex.now_ms();
        for stream in [Stream::AdminAudits, Stream::SecurityAudits] {
            webex.backlog(stream, BACKLOG, now - 3_600_000, now);
        }
        let grant = webex.grant(ADMIN_CLIENT_ID, ADMIN, "audit:events_read spark:kms");
        self.token(name, &grant.refresh_token.unwrap());
        let sink = format!("[[sink]]\ntype = \"ndjson\"\npath = \"../{name}.ndjson\"\n");
        let text = format!(
            "base_url = \"{}\"\n[admin]\norg_id = \"{}\"\nrefresh_token = {{ file = \"{name}.refresh-token\" }}\n{}",
            webex.origin(),
            webex.org_id(),
            if has_sink { &sink } else { "" }
        );
        self.webex.insert(name.to_owned(), webex);
        self.file(name, &text);
    }

    fn file(&self, name: &str, text: &str) {
        self.place.write(&format!("tenants.d/{name}.toml"), text);
    }

    fn text(&self, name: &str) -> String {
        self.place.read(&format!("tenants.d/{name}.toml"))
    }

    fn token(&self, name: &str, token: &str) {
        let path = format!("tenants.d/{name}.refresh-token");
        self.place.write(&path, token);
        #[cfg(unix)]
        std::fs::set_permissions(self.place.path(&path), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// How often each event stands in the sink of this tenant, or in the shared one as this tenant's.
    fn arrived(&self, name: &str) -> BTreeMap<String, usize> {
        let own = self.place.read(&format!("{name}.ndjson"));
        let shared = self.place.read("all.ndjson");
        let whole = |text: &str| text.rfind('\n').map_or(0, |end| end + 1);
        let own = own[..whole(&own)].lines().map(|line| (line, None));
        let shared = shared[..whole(&shared)].lines().map(|line| (line, Some(name)));
        let mut ids = BTreeMap::new();
        for (line, tenant) in own.chain(shared) {
            let body: Value = serde_json::from_str(line).expect("a whole line of JSON");
            if tenant.is_none() || body["tenant"].as_str() == tenant {
                *ids.entry(body["id"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
            }
        }
        ids
    }

    fn listed(&self, name: &str) -> BTreeMap<String, usize> {
        let webex = &self.webex[name];
        let ids = [Stream::AdminAudits, Stream::SecurityAudits].map(|stream| webex.listed(stream));
        ids.into_iter().flatten().filter_map(|event| event.id).map(|id| (id, 1)).collect()
    }

    /// Waits until a run has delivered all that this tenant lists.
    async fn has_all(&self, name: &str) {
        let begin = Instant::now();
        while self.arrived(name) != self.listed(name) {
            assert!(begin.elapsed() < Duration::from_secs(100), "{name}: {} arrived", self.arrived(name).len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    #[track_caller]
    fn is_exact(&self, name: &str) {
        assert_eq!(self.arrived(name), self.listed(name), "{name}");
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        self.place.run(arguments).await
    }
}

/// Lines that tell an error of a tenant.
fn errors_of<'a>(ran: &'a Ran, name: &str) -> Vec<&'a str> {
    ran.stderr.lines().filter(|line| line.starts_with(&format!("error: {name}: "))).collect()
}

#[tokio::test]
async fn each_of_twelve_tenants_arrives_in_its_own_place_and_two_broken_ones_stop_only_themselves() {
    let mut many = Many::new(SHARED);
    let names: Vec<String> = (1..=12).map(|number| format!("t{number:02}")).collect();
    for (index, name) in names.iter().enumerate() {
        many.add(name, index % 2 == 0).await;
    }
    many.file("t03", &many.text("t03").replace("org_id", "org_ids"));
    many.token("t08", "fake-refresh-token-of-nobody");
    let ran = many.run(&["collect"]).await.exits(4);
    assert!(ran.stderr.contains("t03.toml:3: `admin.org_ids` is not a known key"), "{}", ran.stderr);
    assert_eq!(errors_of(&ran, "t03").len(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("tenant=t08"), "who has to sign in is told: {}", ran.stderr);
    for name in names.iter().filter(|name| !["t03", "t08"].contains(&name.as_str())) {
        many.is_exact(name);
        assert!(many.place.path(&format!("webex-state/tenants/{name}/last-run/head.json")).is_file(), "{name}");
    }
    assert_eq!(many.arrived("t03").len() + many.arrived("t08").len(), 0);
    assert!(many.place.path("webex-state.key").is_file(), "one key for all");

    // Mended, they are collected too, and nobody else's comes again.
    many.file("t03", &many.text("t03").replace("org_ids", "org_id"));
    let grant = many.webex["t08"].grant(ADMIN_CLIENT_ID, ADMIN, "audit:events_read spark:kms");
    many.token("t08", &grant.refresh_token.unwrap());
    many.run(&["collect"]).await.exits(0);
    names.iter().for_each(|name| many.is_exact(name));
}

#[tokio::test]
async fn files_that_come_change_and_go_are_taken_up_without_a_restart() {
    let mut many = Many::new(SHARED);
    for (name, has_sink) in [("one", true), ("two", false), ("three", false)] {
        many.add(name, has_sink).await;
    }
    let good = many.text("three");
    many.file("three", "[collect]\nintervall = \"1s\"\n");
    let child = many.place.command(&["collect", "--follow"]).spawn().unwrap();
    many.has_all("one").await;
    many.has_all("two").await;

    many.add("four", false).await;
    many.has_all("four").await;
    many.file("three", &good);
    many.has_all("three").await;
    std::fs::remove_file(many.place.path("tenants.d/one.toml")).unwrap();
    many.file("No Name", "");
    let now = many.webex["two"].now_ms();
    many.webex["two"].burst(Stream::AdminAudits, 5, now - 1_000);
    many.has_all("two").await;
    // The folder is looked at every two seconds; what is told of it comes then.
    tokio::time::sleep(Duration::from_secs(5)).await;

    interrupt(&child).await;
    let ran = ended(child).await;
    assert_eq!(errors_of(&ran, "three").len(), 1, "{}", ran.stderr);
    for said in
        ["four: its file is new", "one: its file is gone", "No Name.toml cannot be a tenant", "three: collects again"]
    {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    for name in ["one", "two", "three", "four"] {
        many.is_exact(name);
    }
    assert!(many.place.path("webex-state/tenants/one/last-run/head.json").is_file(), "its state is kept");
}

/// In turns of one call each, of which the one with a long backlog has the first.
#[tokio::test]
async fn a_long_backlog_keeps_nobody_waiting_even_where_one_tenant_has_a_turn_at_a_time() {
    const LONG: usize = 2_000;
    const OF_A_CALL: usize = 100;
    let mut many = Many::new(&format!("[tenants]\nside_by_side = 1\n{SHARED}"));
    for name in ["first", "second", "third", "third-and-last"] {
        many.add(name, false).await;
    }
    let now = many.webex["first"].now_ms();
    many.webex["first"].backlog(Stream::AdminAudits, LONG, now - 3_600_000, now);
    many.file("first", &format!("{}[collect]\nmax_fetch = {OF_A_CALL}\n", many.text("first")));

    let Setup::Many(tenants) = Setup::load(&many.place.path("webex.toml")).unwrap() else { panic!("there are many") };
    let (sinks, _) = SharedSinks::open(&tenants.sinks, std::iter::empty()).unwrap();
    let (plugin, log, stop) = (plugin().clone(), Log::silent(), Stop::new());
    let shared = Shared { plugin, tenants, sinks, log, stop, follow: false, wish: None, watch: None };
    let mut over = Vec::new();
    let observe = |step: Step<'_>| match step {
        Step::Over(name, _) => over.push(name.to_string()),
        Step::Failed(name, error, _) => panic!("{name}: {error}"),
        _ => {}
    };
    Scheduler::new(shared, observe).turns_of(Duration::ZERO).run().await.unwrap();

    many.webex.keys().for_each(|name| many.is_exact(name));
    assert_eq!(over.last().map(String::as_str), Some("first"), "{over:?}");
    let shared = many.place.read("all.ndjson");
    let whose: Vec<&str> = shared.lines().map(|line| line.rsplit('"').nth(1).unwrap()).collect();
    assert_eq!(whose[0], "first", "the long backlog is begun before the others");
    let last_of_others = whose.iter().rposition(|name| *name != "first").unwrap();
    let before = whose[..last_of_others].iter().filter(|name| **name == "first").count();
    // Each of the others is through after a turn or two, between which it has as many.
    assert!(before <= LONG / 4, "{before} of its events came before the last of the others'");
}

#[tokio::test]
async fn a_command_is_for_one_tenant_by_name_or_for_all() {
    let mut many = Many::new("");
    many.add("acme", true).await;
    many.add("globex", true).await;

    let ran = many.run(&["last-run"]).await.exits(2);
    assert!(
        ran.error().contains("name a tenant with --tenant NAME") && ran.error().contains("acme, globex"),
        "{ran:?}"
    );
    let ran = many.run(&["last-run", "--tenant", "globes"]).await.exits(2);
    assert!(ran.error().contains("there is no tenant `globes`; did you mean `globex`?"), "{ran:?}");

    many.run(&["collect", "--tenant", "acme"]).await.exits(0);
    many.is_exact("acme");
    assert_eq!(many.arrived("globex").len(), 0);

    let ran = many.run(&["check", "--tenant", "acme"]).await.exits(0);
    assert!(ran.stdout.contains("ok    admin_audits"), "{ran:?}");
    let ran = many.run(&["check", "--tenant", "all", "--json"]).await.exits(0);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(found["acme"].is_array() && found["globex"].is_array(), "{found}");
    let ran = many.run(&["last-run", "--tenant", "all"]).await.exits(0);
    assert!(ran.stdout.contains("acme\n  admin_audits") && ran.stdout.contains("globex\n  admin_audits"), "{ran:?}");
    let ran = many.run(&["run", "cisco-webex-status", "--tenant", "all", "--json"]).await.exits(0);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(found["acme"].is_object() && found["globex"].is_object(), "{found}");

    // What one refuses is told under its name.
    many.file("globex", "[collect]\nlagg = \"1s\"\n");
    let ran = many.run(&["last-run", "--tenant", "all", "--json"]).await.exits(4);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(found["globex"]["error"]["message"].as_str().unwrap().contains("globex.toml:2"), "{found}");
    let complete = &["run", "cisco-webex-oauth-complete", "user=admin", "code=-", "--tenant", "all"];
    many.run(complete).await.exits(2).says("the value of `code` is of one tenant");
}

#[tokio::test]
async fn without_tenants_nobody_is_named() {
    let place = Place::with("");
    let ran = place.run(&["last-run", "--tenant", "acme"]).await.exits(2);
    assert!(ran.error().contains("is of one tenant, which has no name; leave --tenant out"), "{ran:?}");
    place.run(&["collect"]).await.exits(2);
    assert!(!place.path("webex-state/tenants").exists());
}

#[tokio::test]
async fn the_key_of_many_tenants_is_changed_for_all_of_them() {
    let mut many = Many::new("");
    for name in ["acme", "globex"] {
        many.add(name, true).await;
    }
    many.run(&["collect"]).await.exits(0);
    let ran = many.run(&["secrets", "rekey", "--tenant", "acme"]).await.exits(2);
    assert!(ran.error().contains("secrets rekey --tenant all --from PLACE"), "{ran:?}");

    let webex = many.place.read("webex.toml");
    many.place.write("webex.toml", &format!("secrets.key = {{ file = \"new.key\" }}\n{webex}"));
    many.run(&["secrets", "rekey", "--tenant", "all", "--from", "file:webex-state.key"]).await.exits(0);
    std::fs::remove_file(many.place.path("webex-state.key")).unwrap();
    for webex in many.webex.values() {
        let now = webex.now_ms();
        webex.burst(Stream::AdminAudits, 3, now - 1_000);
    }
    many.run(&["collect"]).await.exits(0);
    for name in ["acme", "globex"] {
        many.is_exact(name);
    }
}

/// What the documentation shows is what the program reads.
#[cfg(unix)]
#[tokio::test]
async fn the_files_of_the_documentation_are_those_of_a_tenant() {
    use std::os::unix::fs::PermissionsExt;
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/tenants.md")).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with("Many tenants")).unwrap();
    let place = Place::empty();
    std::fs::create_dir(place.path("tenants.d")).unwrap();
    let mut files = Vec::new();
    for block in section.split("```toml\n").skip(1) {
        let text = block.split("```").next().unwrap();
        let file = text.lines().next().unwrap().strip_prefix("# ").unwrap();
        place.write(file, text);
        files.push(file);
    }
    assert_eq!(files, ["webex.toml", "tenants.d/acme.toml"]);
    let token = place.path("tenants.d/acme.refresh-token");
    std::fs::write(&token, "fake-token").unwrap();
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = place.command(&["last-run", "--tenant", "acme", "--json"]);
    command.env("WEBEX_ADMIN_CLIENT_SECRET", "fake-secret");
    let ran = ended(command.spawn().unwrap()).await.exits(0);
    assert!(ran.stdout.contains("admin_audits") && ran.stdout.contains("security_audits"), "{ran:?}");
}
