//! Which origins a plugin reaches by what it says of itself.

use super::*;

/// The origins that a person and a plugin name, with the setting that the plugin calls that of its origin.
fn allowed(origin_setting: Option<&str>, settings: &[(&str, &str)]) -> Vec<&'static str> {
    let text = str::to_owned;
    let plugin = Description {
        name: text("plugin"),
        version: text("1.0.0"),
        vendor: text("vendor"),
        product: text("product"),
        settings: Vec::new(),
        secrets: Vec::new(),
        users: Vec::new(),
        streams: Vec::new(),
        origins: vec![text(OWN), text("http://127.0.0.1:9"), text("https://10.0.0.1")],
        origin_setting: origin_setting.map(text),
        help: String::new(),
    };
    let settings = settings.iter().map(|(name, value)| (text(name), text(value))).collect();
    let policy = policy(&plugin, &settings, Some("url"));
    let asked = [OWN, OTHER, LOOPBACK, PRIVATE, "http://127.0.0.1:9", "https://10.0.0.1"];
    asked.into_iter().filter(|url| policy.check(&format!("{url}/").parse().unwrap()).is_ok()).collect()
}

const OWN: &str = "https://plugin.test";
const OTHER: &str = "https://other.test";
const LOOPBACK: &str = "http://127.0.0.1:8765";
const PRIVATE: &str = "https://192.168.0.1";

#[test]
fn the_setting_in_which_a_person_names_the_origin_may_lead_inside() {
    for origin in [OTHER, LOOPBACK, PRIVATE] {
        assert_eq!(allowed(Some("url"), &[("url", origin), ("redirect_uri", LOOPBACK)]), [origin]);
    }
}

#[test]
fn a_plugin_that_picks_another_setting_does_not_get_inside() {
    for inside in [LOOPBACK, "http://127.0.0.1:8765/callback", "http://localhost:8765", "http://[::1]:8765", PRIVATE] {
        let settings = [("url", OTHER), ("redirect_uri", inside)];
        assert!(allowed(Some("redirect_uri"), &settings).is_empty(), "{inside}");
        assert!(allowed(Some("redirect_uri"), &settings[1..]).is_empty(), "{inside}");
    }
    assert_eq!(allowed(Some("redirect_uri"), &[("url", LOOPBACK), ("redirect_uri", OTHER)]), [OTHER]);
}

#[test]
fn without_a_value_the_plugin_names_what_it_calls_and_that_is_outside() {
    for setting in [None, Some("url"), Some("redirect_uri")] {
        assert_eq!(allowed(setting, &[]), [OWN]);
        assert_eq!(allowed(setting, &[("url", " "), ("redirect_uri", "")]), [OWN]);
    }
    assert_eq!(allowed(None, &[("url", LOOPBACK), ("redirect_uri", LOOPBACK)]), [OWN]);
}
