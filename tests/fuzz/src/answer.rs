//! Headers and bodies of answers that are no pages.

use cisco_webex_plugin::answer::{self, MAX_WAIT, MIN_WAIT, Verdict};
use cisco_webex_plugin::api::Api;
use cisco_webex_plugin::effect::Response;
use cisco_webex_plugin::link;
use cisco_webex_plugin::oauth::endpoint::Granted;
use cisco_webex_plugin::stream::User;
use url::Url;

use crate::NOW;

fn api() -> Option<Api> {
    Api::parse("https://webexapis.com").ok()
}

/// Each line is a `Link` header. Whatever it names, what is followed stays below the API's root.
pub(crate) fn link(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (Some(api), Ok(request)) = (api(), Url::parse("https://webexapis.com/v1/events?from=x&max=100")) else {
        return;
    };
    if let Ok(Some(url)) = link::next(text.lines(), &request, &api) {
        assert_eq!(url.origin().ascii_serialization(), "https://webexapis.com", "{url}");
        assert!(url.path().starts_with("/v1/") && url.username().is_empty() && url.fragment().is_none(), "{url}");
        assert_eq!(Url::parse(url.as_str()).as_ref(), Ok(&url), "what is stored is read back");
        let completed = link::complete(url, &[("orgId", "b3JnLTE".to_owned())]);
        assert!(api.holds(&completed));
    }
}

/// Whatever it says, the wait is between a second and a day.
pub(crate) fn retry_after(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let wait = answer::retry_after(Some(&text), NOW);
    assert!((MIN_WAIT..=MAX_WAIT).contains(&wait), "{wait:?}");
}

/// A token that is taken can stand in a header.
pub(crate) fn token(bytes: &[u8]) {
    let response = Response { status: 200, headers: Vec::new(), body: bytes.to_vec() };
    let Some(granted) = Granted::read(&response, NOW) else { return };
    for token in [Some(&granted.access), granted.refresh.as_ref()].into_iter().flatten() {
        assert!(!token.expose().is_empty() && token.expose().bytes().all(|byte| byte.is_ascii_graphic()));
    }
}

/// The first two bytes are the status. What is told is one line that a person can read.
pub(crate) fn error_body(bytes: &[u8]) {
    let Some((status, body)) = bytes.split_at_checked(2) else { return };
    let status =
        100 + u16::from_le_bytes([status.first().copied().unwrap_or(0), status.last().copied().unwrap_or(0)]) % 500;
    let headers = vec![("trackingid".to_owned(), String::from_utf8_lossy(body).into_owned())];
    let verdict = answer::judge(&Ok(Response { status, headers, body: body.to_vec() }), NOW);
    assert_eq!(verdict == Verdict::Ok, (200..300).contains(&status));
    if let Some(failure) = verdict.failure("listing events", User::Admin, NOW) {
        assert!(!failure.message.chars().any(char::is_control), "{:?}", failure.message);
        assert!(failure.message.len() <= 4_000, "{}", failure.message.len());
        assert!(failure.tracking_id.is_none_or(|id| id.bytes().all(|byte| byte.is_ascii_graphic())));
    }
}
