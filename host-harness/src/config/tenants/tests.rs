//! What an operator of many tenants writes, and what the program makes of it.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::secrets::Supplied;

const DEFAULT_ADMIN: &str =
    "[tenant_defaults.admin]\nclient_id = \"C0\"\nclient_secret = \"fake-shared\"\nscopes = \"a\"\n";

/// A folder with a `webex.toml` and tenants.
fn folder(webex: &str, tenants: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("webex.toml"), webex).unwrap();
    fs::create_dir(folder.path().join("tenants.d")).unwrap();
    for (name, text) in tenants {
        fs::write(folder.path().join("tenants.d").join(name), text).unwrap();
    }
    folder
}

fn load(folder: &TempDir) -> Result<Tenants, ConfigError> {
    match Setup::load(&folder.path().join("webex.toml"))? {
        Setup::Many(tenants) => Ok(tenants),
        Setup::One(_) => panic!("one tenant"),
    }
}

fn name(text: &str) -> TenantName {
    TenantName::parse(text).unwrap()
}

#[track_caller]
fn refused(webex: &str, tenant: &str, want: &str) {
    let folder = folder(webex, &[("one.toml", tenant)]);
    let error = load(&folder).and_then(|tenants| tenants.config(&name("one")).map(drop)).unwrap_err().to_string();
    assert!(error.contains(want), "{error}\nwant: {want}");
    assert!(!error.contains('\n') && !error.contains("fake-"), "{error}");
}

#[test]
fn a_tenant_overrides_the_defaults_key_by_key() {
    let webex = format!(
        "state_dir = \"/var/lib/webex\"\n[tenant_defaults]\nbase_url = \"https://api-usgov.webex.com\"\n{DEFAULT_ADMIN}\
         [tenant_defaults.collect]\ninterval = \"2m\"\nlag = \"1s\"\n"
    );
    let folder =
        folder(&webex, &[("one.toml", "[admin]\nclient_id = \"C1\"\n[collect]\nlag = \"2s\"\n"), ("two.toml", "")]);
    let tenants = load(&folder).unwrap();
    let [one, two] = ["one", "two"].map(|tenant| tenants.config(&name(tenant)).unwrap());
    assert_eq!((one.settings["admin_credentials"].as_str(), one.settings["lag"].as_str()), ("C1", "2s"));
    assert_eq!((two.settings["admin_credentials"].as_str(), two.settings["lag"].as_str()), ("C0", "1s"));
    for config in [&one, &two] {
        assert_eq!(config.settings["base_url"], "https://api-usgov.webex.com");
        assert_eq!(config.secrets["admin_credentials"], Supplied::Value("fake-shared".into()));
        assert_eq!(config.interval.as_secs(), 120);
        assert_eq!(config.secrets_key, KeySource::beside(Path::new("/var/lib/webex")), "one key for all");
    }
    assert_eq!(one.state_dir, Path::new("/var/lib/webex/tenants/one"));
    assert_eq!(two.state_dir, Path::new("/var/lib/webex/tenants/two"));
    assert_eq!((one.tenant, two.tenant), (Some(name("one")), Some(name("two"))));
}

#[test]
fn a_place_is_told_in_the_file_where_it_stands() {
    let folder = folder(DEFAULT_ADMIN, &[("one.toml", "[admin]\norg_id = \"O1\"\n")]);
    let config = load(&folder).unwrap().config(&name("one")).unwrap();
    assert!(config.place_of("admin_scopes").unwrap().ends_with("webex.toml:4: `admin.scopes`"));
    assert!(config.place_of("admin_org_id").unwrap().ends_with("tenants.d/one.toml:2: `admin.org_id`"));
    let secret_files: Vec<&Path> = config.secret_files().collect();
    assert_eq!(secret_files, [folder.path().join("webex.toml")]);
}

#[test]
fn a_value_that_is_left_empty_takes_the_default_away() {
    let folder = folder(DEFAULT_ADMIN, &[("one.toml", "[admin]\nscopes = \"\"\n")]);
    let config = load(&folder).unwrap().config(&name("one")).unwrap();
    assert_eq!(config.settings.get("admin_scopes"), None);
}

#[test]
fn a_tenant_without_sinks_has_those_that_all_share() {
    let sink = |path: &str| format!("[[sink]]\ntype = \"ndjson\"\npath = \"{path}\"\n");
    let webex = format!("{}tenant_field = \"tenant\"\n", sink("all.ndjson"));
    let folder = folder(&webex, &[("one.toml", ""), ("two.toml", &sink("/two.ndjson"))]);
    let tenants = load(&folder).unwrap();
    let [one, two] = ["one", "two"].map(|tenant| tenants.config(&name(tenant)).unwrap());
    assert_eq!((one.direct(), one.shares_sinks), (Some(&*folder.path().join("all.ndjson")), true));
    assert_eq!(one.sinks[0].tenant_field.as_deref(), Some("tenant"));
    assert_eq!((two.direct(), two.shares_sinks), (Some(Path::new("/two.ndjson")), false));
}

#[test]
fn what_stands_in_the_wrong_file_is_refused_with_the_right_one() {
    refused(
        "[collect]\nlag = \"1s\"\n",
        "",
        "webex.toml:2: there are many tenants, and `collect.lag` is of one: write it into [tenant_defaults.collect]",
    );
    refused("base_url = \"https://webexapis.com\"\n", "", "write it into [tenant_defaults] for all");
    refused("", "state_dir = \"x\"\n", "one.toml:1: `state_dir` is not a tenant's");
    refused("[tenant_defaults]\nstate_dir = \"x\"\n", "", "webex.toml:2: `state_dir` is not a tenant's");
    refused(
        "[tenant_defaults.collect]\nintervall = \"1s\"\n",
        "",
        "webex.toml:2: `collect.intervall` is not a known key",
    );
    refused("[[tenant_defaults.sink]]\ntype = \"ndjson\"\npath = \"x\"\n", "", "outside of [tenant_defaults]");
    refused("tenant_defaults = 1\n", "", "`tenant_defaults` must be a table");
    refused("", "[[sink]]\ntype = \"ndjson\"\npath = \"-\"\n", "standard output is one for all tenants");
    refused("", "[tenant_defaults]\n", "`tenant_defaults` is not a known key");
    refused("", "[admin]\nclient_id = \"C1\"\n", "one.toml:1: [admin] needs `client_secret`");
    refused(
        "[tenants]\nside_by_side = 0\n",
        "",
        "webex.toml:2: `tenants.side_by_side` must be a whole number from 1 to 64",
    );
    refused(
        "[[sink]]\ntype = \"ndjson\"\npath = \"x\"\ntenant_field = \"a b\"\n",
        "",
        "`sink.tenant_field`: it must be a name of letters",
    );
}

#[test]
fn many_tenants_are_asked_for_by_the_table_the_key_or_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let webex = folder.path().join("webex.toml");
    let is_many = |text: &str| {
        fs::write(&webex, text).unwrap();
        matches!(Setup::load(&webex).unwrap(), Setup::Many(_))
    };
    assert!(!is_many("[tenants]\nside_by_side = 2\n"));
    assert!(is_many("[tenant_defaults]\n"));
    assert!(is_many("[tenants]\ndir = \"customers\"\n"));
    assert!(matches!(Config::load(&webex), Err(ConfigError::ManyTenants(_))));
    fs::create_dir(folder.path().join("tenants.d")).unwrap();
    assert!(is_many(""));
}

#[test]
fn a_name_is_one_of_a_folder_everywhere() {
    let longest = "a".repeat(63);
    for good in ["a", "0", "acme", "a-b_c", "1-2", longest.as_str()] {
        assert!(TenantName::parse(good).is_some(), "{good}");
    }
    for bad in ["", "-a", "_a", "A", "a.b", "a/b", "..", "ä", "all", "a b", &"a".repeat(64)] {
        assert!(TenantName::parse(bad).is_none(), "{bad}");
    }
}

#[test]
fn only_toml_files_are_tenants_and_one_with_another_name_is_told() {
    let folder =
        folder("", &[("one.toml", ""), ("one.secret", "x"), (".two.toml", ""), ("two.toml~", ""), ("Two.toml", "")]);
    let listing = load(&folder).unwrap().list().unwrap();
    assert_eq!(listing.tenants.keys().map(TenantName::as_str).collect::<Vec<_>>(), ["one"]);
    assert_eq!(listing.refused, [folder.path().join("tenants.d/Two.toml")]);
    assert!(ConfigError::TenantName(listing.refused[0].clone()).to_string().contains("Two.toml cannot be a tenant"));
}

#[test]
fn a_file_that_was_changed_has_another_stamp() {
    let folder = folder("", &[("one.toml", "")]);
    let tenants = load(&folder).unwrap();
    let stamp = || tenants.list().unwrap().tenants[&name("one")];
    let before = stamp();
    assert_eq!(stamp(), before);
    fs::write(folder.path().join("tenants.d/one.toml"), "[collect]\nlag = \"1s\"\n").unwrap();
    assert_ne!(stamp(), before);
}

#[cfg(unix)]
#[test]
fn a_refresh_token_comes_from_a_file_beside_the_tenants_own() {
    use std::os::unix::fs::PermissionsExt;
    let tenant = "[admin]\nrefresh_token = { file = \"one.refresh-token\" }\n";
    let folder = folder(DEFAULT_ADMIN, &[("one.toml", tenant), ("one.refresh-token", "fake-token\n")]);
    let token = folder.path().join("tenants.d/one.refresh-token");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let config = load(&folder).unwrap().config(&name("one")).unwrap();
    assert_eq!(config.secrets["admin_refresh_token"], Supplied::Value("fake-token".into()));
    fs::set_permissions(&token, fs::Permissions::from_mode(0o644)).unwrap();
    let error = load(&folder).unwrap().config(&name("one")).unwrap_err().to_string();
    assert!(error.contains("can be read by other accounts"), "{error}");
}
