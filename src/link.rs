//! The next page: `Link` headers (RFC 8288) and what of them may be followed.

use url::Url;

use crate::api::Api;

/// Why a next link is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The header is not what RFC 8288 allows, so that nobody knows whether there is a next page.
    #[error("the `Link` header cannot be read")]
    Malformed,
    /// It leads to another origin, or out of the API. It would get the token.
    #[error("the next link leads out of the API, to {0}")]
    Foreign(String),
}

/// Longest `Link` header that is looked at, in bytes; seen ones are under 1 KB.
const MAX_HEADER: usize = 64 * 1024;

/// Longest link that is followed and stored, in bytes: what servers take in a request line.
const MAX_LINK: usize = 8 * 1024;

/// The address of the next page: none if no header names one.
///
/// Takes any number of headers and links, names in any case, `rel` with or without quotes, relative targets.
pub fn next<'a>(headers: impl Iterator<Item = &'a str>, request: &Url, api: &Api) -> Result<Option<Url>, LinkError> {
    for header in headers {
        if header.len() > MAX_HEADER {
            return Err(LinkError::Malformed);
        }
        if let Some(target) = next_target(header)? {
            return resolve(target, request, api).map(Some);
        }
    }
    Ok(None)
}

/// Resolves a target and accepts it only below the API's own root.
pub fn resolve(target: &str, request: &Url, api: &Api) -> Result<Url, LinkError> {
    if target.is_empty() || target.len() > MAX_LINK {
        return Err(LinkError::Malformed);
    }
    let mut url = request.join(target).map_err(|_| LinkError::Malformed)?;
    url.set_fragment(None);
    if api.holds(&url) { Ok(url) } else { Err(LinkError::Foreign(url.origin().ascii_serialization())) }
}

/// Adds the parameters that a link lacks and the endpoint requires (`webex-api` 3.3, style of audits); others stay.
pub fn complete(mut url: Url, required: &[(&str, String)]) -> Url {
    let missing: Vec<_> =
        required.iter().filter(|(name, _)| !url.query_pairs().any(|(present, _)| present == *name)).collect();
    if !missing.is_empty() {
        let mut query = url.query_pairs_mut();
        for (name, value) in missing {
            query.append_pair(name, value);
        }
    }
    url
}

/// The target of the first link whose relation is `next`.
fn next_target(header: &str) -> Result<Option<&str>, LinkError> {
    let mut rest = header.trim_start_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (target, after) =
            rest.strip_prefix('<').and_then(|rest| rest.split_once('>')).ok_or(LinkError::Malformed)?;
        let mut is_next = false;
        rest = after.trim_start();
        while let Some(parameter) = rest.strip_prefix(';') {
            let (name, value, after) = parameter_of(parameter)?;
            let named_next = || value.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"));
            is_next |= name.eq_ignore_ascii_case("rel") && named_next();
            rest = after.trim_start();
        }
        if is_next {
            return Ok(Some(target.trim()));
        }
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start_matches([' ', '\t', ',']),
            None if rest.is_empty() => {}
            None => return Err(LinkError::Malformed),
        }
    }
    Ok(None)
}

/// `name`, `name=value` or `name="value"` at the start of the text; name, value and what follows.
fn parameter_of(text: &str) -> Result<(&str, &str, &str), LinkError> {
    let text = text.trim_start();
    let end = text.find(['=', ';', ',']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let Some(value) = rest.strip_prefix('=') else { return Ok((name.trim_end(), "", rest)) };
    let value = value.trim_start();
    if let Some(quoted) = value.strip_prefix('"') {
        let end = end_of_quoted(quoted).ok_or(LinkError::Malformed)?;
        let (value, rest) = quoted.split_at(end);
        return Ok((name.trim_end(), value, rest.strip_prefix('"').unwrap_or(rest)));
    }
    let end = value.find([';', ',']).unwrap_or(value.len());
    let (value, rest) = value.split_at(end);
    Ok((name.trim_end(), value.trim_end(), rest))
}

/// Where the quote ends that began before the text.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn api() -> Api {
        Api::parse("https://webexapis.com").unwrap()
    }

    #[track_caller]
    fn check(header: &str, want: Result<Option<&str>, LinkError>) {
        let request = api().endpoint("events");
        let got = next(std::iter::once(header), &request, &api());
        assert_eq!(got.as_ref().map(|url| url.as_ref().map(Url::as_str)), want.as_ref().map(|url| *url), "{header}");
    }

    const NEXT: Result<Option<&str>, LinkError> = Ok(Some("https://webexapis.com/v1/events?cursor=a,b;c"));

    #[test]
    fn the_next_page_is_found_in_every_way_of_writing() {
        check(r#"<https://webexapis.com/v1/events?cursor=a,b;c>; rel="next""#, NEXT);
        check(r#"<https://webexapis.com/v1/events?cursor=a,b;c>;rel="next""#, NEXT);
        check(r"<https://webexapis.com/v1/events?cursor=a,b;c>; REL=Next", NEXT);
        check(
            r#"<https://webexapis.com/v1/x>; rel="first", <https://webexapis.com/v1/events?cursor=a,b;c>; rel=next"#,
            NEXT,
        );
        check(r#"<https://webexapis.com/v1/events?cursor=a,b;c>; title="a, \"b\"; c"; rel="prev next""#, NEXT);
        check(r#"</v1/events?cursor=a,b;c>; rel="next""#, NEXT);
        check(r#"<?cursor=a,b;c>; rel="next""#, NEXT);
        check(r#"<?cursor=a,b;c#part>; rel="next", "#, NEXT);
    }

    #[test]
    fn another_relation_or_none_is_the_end() {
        check(r#"<https://webexapis.com/v1/x>; rel="first""#, Ok(None));
        check(r#"<https://webexapis.com/v1/x>; rel="nextish""#, Ok(None));
        check("<https://webexapis.com/v1/x>", Ok(None));
        check("", Ok(None));
    }

    #[test]
    fn what_cannot_be_read_is_no_end() {
        for header in ["garbage", "<https://webexapis.com/v1/x", r#"<a>; rel="next"#, "<a> b", r#"<>; rel="next""#] {
            check(header, Err(LinkError::Malformed));
        }
    }

    #[test]
    fn a_link_out_of_the_api_is_not_followed() {
        for target in [
            "https://evil.example/v1/events",
            "//evil.example/v1/events",
            "http://webexapis.com/v1/events",
            "https://webexapis.com:444/v1/events",
            "https://webexapis.com@evil.example/v1/events",
            "/v2/events",
            "javascript:alert(1)",
        ] {
            let header = format!("<{target}>; rel=next");
            let got = next(std::iter::once(header.as_str()), &api().endpoint("events"), &api());
            assert!(matches!(got, Err(LinkError::Foreign(_))), "{target}: {got:?}");
        }
    }

    #[test]
    fn only_missing_parameters_are_added() {
        let url = Url::parse("https://webexapis.com/v1/adminAudit/events?from=x&before&offset=200").unwrap();
        let url = complete(url, &[("from", "a".to_owned()), ("to", "2026-01-01T00:00:00.000Z".to_owned())]);
        assert_eq!(url.query(), Some("from=x&before&offset=200&to=2026-01-01T00%3A00%3A00.000Z"));
    }

    #[test]
    fn a_megabyte_of_commas_is_refused_at_once() {
        check(&",".repeat(1_000_000), Err(LinkError::Malformed));
    }

    proptest::proptest! {
        #[test]
        fn no_header_panics_or_leaves_the_api(header in "[<>;,=\"\\\\ a-z:/@.?#]{0,60}") {
            if let Ok(Some(url)) = next(std::iter::once(header.as_str()), &api().endpoint("events"), &api()) {
                proptest::prop_assert!(api().holds(&url));
            }
        }
    }
}
