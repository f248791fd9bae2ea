//! What a person writes, and what the program says to it.

use super::*;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/webex/webex.toml"))
}

#[track_caller]
fn refused(text: &str, want: &str) {
    let message = parse(text).unwrap_err().to_string();
    assert!(message.contains(want), "{message}\nwant: {want}");
    assert!(!message.contains('\n'), "{message}");
}

fn given(value: &str) -> Supplied {
    Supplied::Value(value.into())
}

/// Closes a file to other accounts, as its owner is told to.
fn close(path: &Path) {
    #[cfg(unix)]
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    #[cfg(not(unix))]
    let _ = path;
}

const ADMIN: &str = "[admin]\nclient_id = \"C1\"\nclient_secret = \"fake-secret\"\n";

#[test]
fn an_empty_file_has_defaults() {
    let config = parse("").unwrap();
    assert_eq!(config.interval, Duration::from_secs(60));
    assert_eq!(config.state_dir, Path::new("/etc/webex/webex-state"));
    assert_eq!(config.direct(), Some(Path::new("-")));
    assert_eq!(config.reaudit, None);
    assert!(config.settings.is_empty() && config.secrets.is_empty());
}

#[test]
fn each_key_reaches_its_setting_or_secret() {
    let text = format!(
        "base_url = \"https://api-usgov.webex.com\"\nstate_dir = \"/var/lib/webex\"\n{ADMIN}\
         [compliance_officer]\nclient_id = \"C2\"\nclient_secret = \"fake-other\"\nscopes = \"a b\"\n\
         [collect]\nsecurity_audits = true\nmax_fetch = 2_000\nlag = \"0s\"\ninterval = \"2m\"\nreaudit = \"24h every 6h\"\n\
         events_resources = [\"messages\", \"rooms\"]\nevents_types = \"created,deleted\"\n\
         [privacy]\nmessage_text = \"drop\"\n\
         [[sink]]\ntype = \"ndjson\"\npath = \"out/events.ndjson\"\n"
    );
    let config = parse(&text).unwrap();
    let settings: Vec<(&str, &str)> = config.settings.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(
        settings,
        [
            ("admin_credentials", "C1"),
            ("base_url", "https://api-usgov.webex.com"),
            ("compliance_officer_credentials", "C2"),
            ("compliance_officer_scopes", "a b"),
            ("events_resources", "messages,rooms"),
            ("events_types", "created,deleted"),
            ("fetch_security_audit_events", "true"),
            ("lag", "0s"),
            ("max_fetch", "2000"),
            ("message_text", "drop"),
        ]
    );
    assert_eq!(config.secrets["admin_credentials"], given("fake-secret"));
    assert_eq!(config.secrets["compliance_officer_credentials"], given("fake-other"));
    assert_eq!(config.interval, Duration::from_secs(120));
    assert_eq!(config.reaudit, "1day every 6h".parse().ok());
    assert_eq!(config.state_dir, Path::new("/var/lib/webex"));
    assert_eq!(config.direct(), Some(Path::new("/etc/webex/out/events.ndjson")));
}

#[test]
fn an_unknown_key_is_told_with_its_line_and_the_nearest_one() {
    refused(
        "[collect]\nlag = \"1s\"\nintervall = \"1s\"",
        "webex.toml:3: `collect.intervall` is not a known key; did you mean `collect.interval`?",
    );
    refused("base_ur = \"x\"", "webex.toml:1: `base_ur` is not a known key; did you mean `base_url`?");
    refused("max_fetch = 1", "`max_fetch` is not a known key; did you mean `collect.max_fetch`?");
    refused("[admins]\nclient_id = \"x\"", "did you mean `admin`?");
    refused(
        "[[sink]]\ntype = \"ndjson\"\npaht = \"-\"",
        "webex.toml:3: `sink.paht` is not a known key; did you mean `path`?",
    );
}

#[test]
fn a_user_without_client_id_or_secret_is_told_where() {
    refused("\n[admin]\nclient_secret = \"x\"", "webex.toml:2: [admin] needs `client_id`");
    refused("[admin]\nclient_id = \"x\"", "[admin] needs `client_secret`");
    refused("[admin]\nclient_id = \"\"\nclient_secret = \"x\"", "webex.toml:2: [admin] needs `client_id`");
}

#[test]
fn a_value_of_the_wrong_type_is_told_with_what_belongs_there() {
    refused(
        "[collect]\nlag = 5",
        "webex.toml:2: `collect.lag` cannot be used: it must be a length of time in quotes such as \"10m\", not integer",
    );
    refused("[collect]\nmax_fetch = 1.5", "a whole number such as 2000");
    refused("[collect]\nevents_types = [1]", "an array of texts");
    refused("admin = 1", "`admin` must be a table");
    refused("[collect]\ninterval = \"soon\"", "webex.toml:2: `collect.interval` must be a length of time");
    refused("[collect]\ninterval = \"10ms\"", "at least 1 s");
    refused(
        "[collect]\nreaudit = \"24h\"",
        "webex.toml:2: `collect.reaudit` cannot be used: it must say how far back and how often, as \"24h every 6h\"",
    );
    refused("[collect]\nreaudit = \"24h every often\"", "`often` is not a length of time from 1 s to 10 years");
}

#[test]
fn a_syntax_error_has_its_line_and_not_its_text() {
    refused("a = 1\nclient_secret = \"fake", "webex.toml:2: this is not TOML");
    let message = parse("client_secret = \"fake").unwrap_err().to_string();
    assert!(!message.contains("fake"), "{message}");
}

#[test]
fn a_variable_that_is_not_set_is_named() {
    refused(
        "[admin]\nclient_id = { env = \"WEBEX_COLLECTOR_TEST_UNSET\" }",
        "webex.toml:2: `admin.client_id` cannot be used: the environment variable WEBEX_COLLECTOR_TEST_UNSET is not set",
    );
    refused("base_url = { envs = \"X\" }", "did you mean `env`?");
    refused("base_url = { env = \"X\", file = \"Y\" }", "a table here must be");
}

#[test]
fn a_file_is_found_beside_the_configuration_and_its_line_break_is_not_part_of_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("co.secret"), "fake-secret\n").unwrap();
    let path = folder.path().join("webex.toml");
    std::fs::write(&path, "[admin]\nclient_id = \"C\"\nclient_secret = { file = \"co.secret\" }\n").unwrap();
    close(&folder.path().join("co.secret"));
    assert_eq!(Config::load(&path).unwrap().secrets["admin_credentials"], given("fake-secret"));
    std::fs::remove_file(folder.path().join("co.secret")).unwrap();
    let message = Config::load(&path).unwrap_err().to_string();
    assert!(message.contains("co.secret"), "{message}");
}

#[test]
fn plain_http_is_refused_but_on_loopback() {
    refused(
        "base_url = \"http://webexapis.com\"",
        "webex.toml:1: `base_url` cannot be used: plain http is allowed on loopback only",
    );
    refused("base_url = \"webexapis.com\"", "not an absolute URL");
    assert_eq!(parse("base_url = \"http://127.0.0.1:8080\"").unwrap().settings["base_url"], "http://127.0.0.1:8080");
}

#[test]
fn a_sink_is_told_what_it_lacks() {
    refused(
        "[[sink]]\ntype = \"kafak\"\npath = \"-\"",
        "webex.toml:2: there is no sink of this type; did you mean `kafka`?; there are \"ndjson\"",
    );
    refused("[[sink]]\ntype = \"ndjson\"", "a sink of this type needs `path`");
    refused("[sink]\ntype = \"ndjson\"", "double brackets");
    refused(
        "[[sink]]\ntype=\"ndjson\"\npath=\"-\"\n[[sink]]\ntype=\"ndjson\"\npath=\"-\"",
        "two sinks send the same to the same place",
    );
    refused("[[sink]]\ntype=\"ndjson\"\npath=\"a\"\nname=\"A\"", "webex.toml:4: `sink.name`: it must be 1 to 63");
    refused(
        "[[sink]]\ntype=\"ndjson\"\npath=\"a\"\nmax_bytes=\"0\"",
        "webex.toml:4: `sink.max_bytes`: it must be a number of bytes",
    );
    refused("[spool]\nmax_bytes = \"1MiB\"", "webex.toml:2: `spool.max_bytes` must be a number of bytes");
}

#[test]
fn a_sink_has_a_name_and_one_file_alone_needs_no_spool() {
    let sink = |more: &str| format!("[[sink]]\ntype = \"ndjson\"\npath = \"x\"\n{more}\n");
    let two = format!("{}{}", sink(""), sink("streams = [\"events\"]"));
    let config = parse(&two).unwrap();
    let names: Vec<&str> = config.sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(names, ["ndjson", "ndjson-2"]);
    assert_eq!(config.direct(), None, "each has a place of its own in the spool");
    assert!(config.sinks[0].takes("admin_audits") && !config.sinks[1].takes("admin_audits"));
    for more in ["streams = [\"events\"]", "org_field = \"org\"", "health_events = true"] {
        assert_eq!(parse(&sink(more)).unwrap().direct(), None, "{more}");
    }
    assert!(parse(&sink("")).unwrap().direct().is_some());
}

#[test]
fn a_missing_file_says_how_to_make_one() {
    let message = Config::load(Path::new("/nonexistent/webex.toml")).unwrap_err().to_string();
    assert!(message.contains("/nonexistent/webex.toml") && message.contains("init"), "{message}");
}

#[test]
fn the_line_of_a_setting_is_found_again() {
    let config = parse("[collect]\nmax_fetch = 0\n").unwrap();
    assert_eq!(config.place_of("max_fetch").unwrap(), "/etc/webex/webex.toml:2: `collect.max_fetch`");
    assert!(config.place_of("lag").unwrap().contains("does not hold"));
    assert_eq!(config.place_of("no_setting"), None);
}

#[cfg(unix)]
#[test]
fn a_file_with_a_secret_that_others_can_read_is_refused_with_the_command_that_closes_it() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("co.secret");
    std::fs::write(&secret, "fake-secret\n").unwrap();
    std::fs::set_permissions(&secret, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let text = "[admin]\nclient_id = { file = \"co.secret\" }\nclient_secret = { file = \"co.secret\" }\n";
    let path = folder.path().join("webex.toml");
    let message = Config::parse(text, &path).unwrap_err().to_string();
    assert!(message.contains(&format!("chmod 600 {}", secret.display())), "{message}");
    assert!(message.contains("webex.toml:3: `admin.client_secret`"), "only a secret must be closed: {message}");
    close(&secret);
    assert_eq!(Config::parse(text, &path).unwrap().secrets["admin_credentials"], given("fake-secret"));
}

#[test]
fn a_secret_may_be_in_the_store_and_nothing_else_may() {
    let config = parse("[admin]\nclient_id = \"C\"\nclient_secret = { store = true }\n").unwrap();
    assert_eq!(config.secrets["admin_credentials"], Supplied::InStore);
    assert_eq!(config.secret_files().count(), 0);
    refused("[admin]\nclient_id = { store = true }", "webex.toml:2: `admin.client_id` cannot be used: only a secret");
    refused(
        "[admin]\nclient_id = \"C\"\nclient_secret = { store = false }",
        "`webex-collector secrets set admin_credentials`",
    );
    refused("[admin]\nclient_secret = { stor = true }", "did you mean `store`?");
    assert_eq!(parse(ADMIN).unwrap().secret_files().count(), 1, "and one that stands in the file is known to");
}

#[test]
fn the_key_of_the_secrets_is_named_by_its_place_and_lies_beside_the_state_otherwise() {
    let place = |text: &str| parse(text).unwrap().secrets_key;
    let file = |path: &str| KeySource::File(path.into());
    assert_eq!(place(""), file("/etc/webex/webex-state.key"));
    assert_eq!(place("state_dir = \"/var/lib/webex/\""), file("/var/lib/webex.key"));
    assert_eq!(place("[secrets]\nkey = { file = \"my.key\" }"), file("/etc/webex/my.key"));
    assert_eq!(place("[secrets]\nkey = { env = \"KEY\" }"), KeySource::Env("KEY".into()));
    assert_eq!(place("[secrets]\nkey = \"keyring\""), KeySource::Keyring);
    for key in ["\"AAAA\"", "\"\"", "1", "[]", "{ store = true }"] {
        refused(
            &format!("[secrets]\nkey = {key}"),
            "webex.toml:2: `secrets.key` cannot be used: the key itself must not",
        );
    }
    refused("[secrets]\nkeys = \"keyring\"", "did you mean `secrets.key`?");
    refused("[secrets]\nkey = { fil = \"x\" }", "did you mean `file`?");
}

#[test]
fn a_configuration_cannot_print_its_secrets() {
    assert!(!format!("{:?}", parse(ADMIN).unwrap()).contains("fake-secret"));
}

#[test]
fn a_proxy_is_read_with_its_password_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("proxy.secret"), "fake-password\n").unwrap();
    close(&folder.path().join("proxy.secret"));
    let text = "[network]\nproxy = \"http://proxy.test:3128\"\nproxy_user = \"u\"\nno_proxy = [\"a.test\", \"10.0.0.0/8\"]\n\
                proxy_password = { file = \"proxy.secret\" }\n";
    let config = Config::parse(text, &folder.path().join("webex.toml")).unwrap();
    assert!(config.way_out.proxy.is_some() && !config.way_out.trust.is_everybody());
    let printed = format!("{config:?}");
    assert!(printed.contains("proxy.test") && !printed.contains("fake-password"), "{printed}");
}

#[test]
fn a_proxy_that_cannot_be_used_is_told_with_its_line() {
    let proxy = "[network]\nproxy = \"http://proxy.test\"\n";
    refused(
        "[network]\nproxy = \"http://u:fake-password@proxy.test\"",
        "webex.toml:2: `network.proxy` cannot be used: it must not hold a name or password; write them as `proxy_user`",
    );
    refused("[network]\nproxy = \"proxy.test:3128\"", "its scheme must be http or https");
    refused(
        &format!("{proxy}proxy_password = \"fake-password\""),
        "webex.toml:3: `network.proxy_password` cannot be used: it must not stand in this file; write { env = ",
    );
    refused(&format!("{proxy}proxy_password = 1"), "it must not stand in this file; write { env = ");
    refused(
        &format!("{proxy}proxy_password = {{ store = true }}"),
        "webex.toml:3: `network.proxy_password` cannot be used: only a secret of the plugin can be { store = true }",
    );
    refused(
        &format!("{proxy}proxy_user = \"u\""),
        "webex.toml:3: `network.proxy_user` cannot be used: `proxy_user` and",
    );
    refused(
        &format!("{proxy}no_proxy = [\"*.a.test\"]"),
        "webex.toml:3: `network.no_proxy` cannot be used: `*.a.test`",
    );
    refused(
        "[network]\nno_proxy = [\"a.test\"]",
        "webex.toml:2: `network.no_proxy` cannot be used: it needs a `proxy`",
    );
    refused("[network]\nproxy_user = \"u\"", "`network.proxy_user` cannot be used: it needs a `proxy`");
    refused("[network]\nporxy = \"x\"", "did you mean `network.proxy`?");
}

#[test]
fn a_file_of_authorities_is_found_beside_the_configuration_or_told_with_its_line() {
    refused(
        "\n[network]\nca_file = \"none.pem\"",
        "webex.toml:3: `network.ca_file` cannot be used: cannot read /etc/webex/none.pem",
    );
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), "garbage").unwrap();
    let error = Config::parse("[network]\nca_file = \"ca.pem\"", &folder.path().join("webex.toml")).unwrap_err();
    assert!(error.to_string().contains("holds no certificate in PEM form"), "{error}");
}

#[test]
fn the_page_is_on_this_machine_unless_a_token_is_set() {
    let serve = |table: &str| parse(&format!("[serve]\n{table}\n")).map(|config| config.serve);
    assert_eq!(serve("").unwrap().listen.to_string(), "127.0.0.1:8765");
    assert_eq!(serve("listen = \"[::1]:9\"").unwrap().listen.to_string(), "[::1]:9");
    for (table, want) in [
        ("listen = \"0.0.0.0:8765\"", "`serve.token` is needed"),
        ("listen = \"8765\"", "an address and a port"),
        ("recent_events = 201", "0 to 200"),
        ("token = \"fake-token-in-the-open\"", "must not stand in this file"),
    ] {
        let error = serve(table).unwrap_err().to_string();
        assert!(error.contains(want) && error.contains(":2: `serve."), "{error}");
    }
}

#[test]
fn silence_has_a_time_for_all_streams_or_for_some() {
    let quiet = |value: &str| parse(&format!("[collect]\nquiet_after = {value}\n"));
    let config = quiet("[\"3 days\", \"security_audits=14 days\"]").unwrap();
    assert_eq!(config.quiet_after.of("security_audits").as_secs(), 14 * 86_400);
    let error = quiet("\"1h\"").unwrap_err().to_string();
    assert!(error.contains("`collect.quiet_after`") && error.contains("24h"), "{error}");
}

#[test]
fn only_true_in_the_file_itself_believes_every_certificate() {
    let believes = |line: &str| parse(&format!("[network]\n{line}")).unwrap().way_out.trust.is_everybody();
    assert!(believes("danger_accept_invalid_certs = true"));
    assert!(!believes("danger_accept_invalid_certs = false") && !believes(""));
    for (value, want) in [
        ("{ env = \"PATH\" }", "it must stand in this file itself"),
        ("{ file = \"x\" }", "it must stand in this file itself"),
        ("\"yes\"", "it must be true or false"),
        ("1", "it must be true or false, not integer"),
    ] {
        refused(&format!("[network]\ndanger_accept_invalid_certs = {value}"), want);
    }
    refused("danger_accept_invalid_certs = true", "did you mean `network.danger_accept_invalid_certs`?");
}
