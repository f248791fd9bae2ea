//! Every way of writing an address that is known to have got past some check, and what becomes of it here.

use proptest::prelude::*;

use super::*;

const WEBEX: &str = "https://webexapis.com/v1";

/// What becomes of a request whose address is put together from its parts, as `wasi:http` does.
fn ask(allowed: &str, scheme: &str, authority: &str) -> Result<String, Denied> {
    let uri = Uri::builder().scheme(scheme).authority(authority).path_and_query("/v1/events?from=x").build();
    // What is no address at all cannot be sent either.
    let Ok(uri) = uri else { return Err(Denied::NotAbsolute) };
    Policy::allow([allowed]).check(&uri).map(ToString::to_string)
}

#[track_caller]
fn check(allowed: &str, cases: &[(&str, Result<(), Denied>)]) {
    for (asked, want) in cases {
        let (scheme, authority) = asked.split_once("://").unwrap();
        assert_eq!(ask(allowed, scheme, authority).map(drop), *want, "{asked} where {allowed} is allowed");
        // The same as one text.
        let whole = format!("{asked}/v1").parse::<Uri>().map_err(|_| Denied::NotAbsolute);
        let whole = whole.and_then(|uri| Policy::allow([allowed]).check(&uri).map(drop));
        assert_eq!(whole.is_ok(), want.is_ok(), "{asked} where {allowed} is allowed");
    }
}

#[test]
fn the_allowed_origin_is_let_through_however_its_letters_are_written() {
    check(
        WEBEX,
        &[("https://webexapis.com", Ok(())), ("https://WebexApis.COM", Ok(())), ("https://webexapis.com:443", Ok(()))],
    );
    assert_eq!(ask(WEBEX, "HTTPS", "webexapis.com"), Err(Denied::Spelling), "no scheme that the client knows");
    check("https://webexapis.com:8443/v1", &[("https://webexapis.com:8443", Ok(()))]);
    check("HTTPS://WEBEXAPIS.com:443", &[("https://webexapis.com", Ok(()))]);
}

#[test]
fn nothing_is_allowed_by_default() {
    assert_eq!(Policy::default().check(&Uri::from_static("https://webexapis.com/")), Err(Denied::Origin));
    for allowed in ["not a url", "", "webexapis.com", "ftp://webexapis.com", "https://user:pw@webexapis.com"] {
        check(allowed, &[("https://webexapis.com", Err(Denied::Origin))]);
    }
}

#[test]
fn scheme_and_port_count() {
    check(
        WEBEX,
        &[
            ("http://webexapis.com", Err(Denied::Origin)),
            ("http://webexapis.com:443", Err(Denied::Origin)),
            ("ftp://webexapis.com", Err(Denied::Origin)),
            ("ws://webexapis.com", Err(Denied::Origin)),
            ("httpss://webexapis.com", Err(Denied::Origin)),
            ("https://webexapis.com:8443", Err(Denied::Origin)),
            ("https://webexapis.com:80", Err(Denied::Origin)),
            ("https://webexapis.com:4430", Err(Denied::Origin)),
            ("https://webexapis.com:0443", Err(Denied::Spelling)),
            ("https://webexapis.com:", Err(Denied::Spelling)),
            ("https://webexapis.com:65979", Err(Denied::Origin)),
            ("https://webexapis.com:+443", Err(Denied::Origin)),
            ("https://webexapis.com:443:443", Err(Denied::NotAbsolute)),
        ],
    );
    check("https://webexapis.com:8443", &[("https://webexapis.com", Err(Denied::Origin))]);
}

#[test]
fn a_host_that_looks_alike_is_another_host() {
    check(
        WEBEX,
        &[
            ("https://api.webexapis.com", Err(Denied::Origin)),
            ("https://webexapis.com.evil.test", Err(Denied::Origin)),
            ("https://evilwebexapis.com", Err(Denied::Origin)),
            ("https://webexapis.co", Err(Denied::Origin)),
            ("https://webexapis.com.", Err(Denied::Origin)),
            ("https://webexapis.com..", Err(Denied::Origin)),
            ("https://.webexapis.com", Err(Denied::Origin)),
            ("https://webexapis-com", Err(Denied::Origin)),
            ("https://127.0.0.1", Err(Denied::Origin)),
            ("https://[::1]", Err(Denied::Origin)),
            ("https://localhost", Err(Denied::Origin)),
            ("https://xn--webexapis-com", Err(Denied::Origin)),
        ],
    );
}

#[test]
fn other_letters_are_no_way_around() {
    check(
        WEBEX,
        &[
            // A full-width letter and full stop, a Cyrillic letter, a soft hyphen: IDNA would map the first two and the last
            // to the allowed name.
            ("https://\u{ff57}ebexapis.com", Err(Denied::NotAbsolute)),
            ("https://webexapis\u{3002}com", Err(Denied::NotAbsolute)),
            ("https://webex\u{430}pis.com", Err(Denied::NotAbsolute)),
            ("https://webex\u{ad}apis.com", Err(Denied::NotAbsolute)),
            ("https://xn--webxapis-com-8jb", Err(Denied::Origin)),
        ],
    );
    for url in ["https://\u{ff57}ebexapis.com", "https://webexapis\u{3002}com", "https://b\u{fc}cher.test"] {
        assert!(matches!(Origin::parse(url), Err(OriginError::NotAUrl(_))), "{url}: only ASCII names");
    }
}

#[test]
fn user_information_is_not_the_host_and_is_refused() {
    check(
        WEBEX,
        &[
            ("https://webexapis.com@evil.test", Err(Denied::UserInformation)),
            ("https://webexapis.com:443@evil.test", Err(Denied::UserInformation)),
            ("https://evil.test@webexapis.com", Err(Denied::UserInformation)),
            ("https://user:password@webexapis.com", Err(Denied::UserInformation)),
            ("https://@webexapis.com", Err(Denied::UserInformation)),
            ("https://webexapis.com%40evil.test", Err(Denied::NotAbsolute)),
            ("https://a@b@webexapis.com", Err(Denied::UserInformation)),
        ],
    );
}

#[test]
fn percent_signs_and_what_ends_a_host_are_no_way_around() {
    check(
        WEBEX,
        &[
            ("https://webexapis%2Ecom", Err(Denied::NotAbsolute)),
            ("https://%77ebexapis.com", Err(Denied::NotAbsolute)),
            ("https://webexapis.com%00.evil.test", Err(Denied::NotAbsolute)),
            ("https://webexapis.com%2F.evil.test", Err(Denied::NotAbsolute)),
            ("https://webexapis.com\\.evil.test", Err(Denied::NotAbsolute)),
            ("https://evil.test\\@webexapis.com", Err(Denied::NotAbsolute)),
            ("https://webexapis.com\t", Err(Denied::NotAbsolute)),
            ("https://webexapis.com\r\nx", Err(Denied::NotAbsolute)),
            ("https://webexapis.com;.evil.test", Err(Denied::Origin)),
            ("https://webexapis.com,evil.test", Err(Denied::Origin)),
        ],
    );
}

#[test]
fn an_address_in_another_spelling_is_no_way_around() {
    check(
        "http://127.0.0.1:8080",
        &[
            ("http://127.0.0.1:8080", Ok(())),
            ("http://2130706433:8080", Err(Denied::Spelling)),
            ("http://0x7f000001:8080", Err(Denied::Spelling)),
            ("http://0x7f.1:8080", Err(Denied::Spelling)),
            ("http://127.1:8080", Err(Denied::Spelling)),
            ("http://0177.0.0.1:8080", Err(Denied::Spelling)),
            ("http://127.0.0.1.:8080", Err(Denied::Spelling)),
            ("http://127.0.0.01:8080", Err(Denied::Spelling)),
            ("http://127.0.0.2:8080", Err(Denied::Origin)),
            ("http://localhost:8080", Err(Denied::Origin)),
            ("http://[::1]:8080", Err(Denied::Origin)),
            ("http://[::ffff:127.0.0.1]:8080", Err(Denied::Origin)),
            ("http://[::127.0.0.1]:8080", Err(Denied::Origin)),
            ("http://127.0.0.1:8081", Err(Denied::Origin)),
            ("https://127.0.0.1:8080", Err(Denied::Origin)),
        ],
    );
    check(
        "http://[::1]:8080",
        &[
            ("http://[::1]:8080", Ok(())),
            ("http://[0:0:0:0:0:0:0:1]:8080", Err(Denied::Spelling)),
            ("http://[::0001]:8080", Err(Denied::Spelling)),
            ("http://[::0.0.0.1]:8080", Err(Denied::Spelling)),
            ("http://[::1%25lo]:8080", Err(Denied::Origin)),
            ("http://::1:8080", Err(Denied::NotAbsolute)),
            ("http://127.0.0.1:8080", Err(Denied::Origin)),
        ],
    );
    check(
        "https://[2606:4700::1111]",
        &[
            ("https://[2606:4700::1111]", Ok(())),
            ("https://[2606:4700::1111]:443", Ok(())),
            ("https://[2606:4700:0::1111]", Err(Denied::Spelling)),
        ],
    );
    // The operator may spell as he likes.
    check("http://0x7f.1:8080", &[("http://127.0.0.1:8080", Ok(()))]);
    check(
        "http://localhost:8080",
        &[("http://LOCALHOST:8080", Ok(())), ("http://localhost.:8080", Err(Denied::Origin))],
    );
}

#[test]
fn plain_http_is_for_loopback_only() {
    for url in ["http://webexapis.com", "http://10.0.0.1", "http://[::ffff:127.0.0.1]", "http://localhost.", "http://0"]
    {
        assert_eq!(Origin::parse(url), Err(OriginError::PlainHttp), "{url}");
    }
}

#[test]
fn a_plugin_cannot_name_this_machine_or_a_network_of_its_own() {
    let named = |url: &str| !Policy::of_plugin([url]).allowed.is_empty();
    for url in ["https://webexapis.com", "https://1.1.1.1", "https://[2606:4700::1111]"] {
        assert!(named(url), "{url}");
    }
    for url in [
        "https://localhost",
        "http://localhost:8765",
        "http://127.0.0.1:8765",
        "https://127.1",
        "https://10.0.0.1",
        "https://169.254.169.254",
        "https://2852039166",
        "https://[::1]",
        "https://[::ffff:10.0.0.1]",
        "https://[fd00:ec2::254]",
    ] {
        assert!(!named(url), "{url}");
        assert!(url.starts_with("http:") || !Policy::allow([url]).allowed.is_empty(), "an operator may: {url}");
    }
}

proptest! {
    /// Whatever is let through is, as a URL, of the allowed origin, for whoever reads it.
    #[test]
    fn what_is_let_through_is_the_allowed_origin_to_every_parser(
        authority in prop_oneof![
            "[wWeEbBxX.@:\\[\\]%0-9/\\\\#?]{0,24}",
            "(webex\\.test|WEBEX\\.TEST)[.:@%]?[0-9]{0,5}",
            ".{0,16}",
        ],
    ) {
        let policy = Policy::allow(["https://webex.test"]);
        let uri = Uri::builder().scheme("https").authority(authority.as_str()).path_and_query("/x").build();
        if let Ok(uri) = uri && policy.check(&uri).is_ok() {
            let url = Url::parse(&uri.to_string()).unwrap();
            prop_assert_eq!(url.origin().ascii_serialization(), "https://webex.test");
            prop_assert!(uri.host().unwrap().eq_ignore_ascii_case("webex.test"));
            prop_assert_eq!(uri.port_u16().unwrap_or(443), 443);
        }
    }
}
