//! The `Link` header: where the next page is, in every form that clients have met.

use std::collections::HashMap;

use url::form_urlencoded::Serializer;

/// How the `Link` header is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkStyle {
    /// `<...>; rel="next"`
    Spaced,
    /// `<...>;rel="next"`
    Tight,
    /// `<...>; rel=next`
    UnquotedRel,
    /// First, next and previous in one header, with commas and semicolons inside quotes and targets.
    AmongOthers,
    /// First and next in two headers.
    SeveralHeaders,
    /// Path and query only.
    Relative,
    /// Query only.
    RelativeQuery,
    /// With keys that have no value, as the documentation shows: `&before&after=...`.
    ValuelessKeys,
}

impl LinkStyle {
    /// Every style.
    pub const ALL: [Self; 8] = [
        Self::Spaced,
        Self::Tight,
        Self::UnquotedRel,
        Self::AmongOthers,
        Self::SeveralHeaders,
        Self::Relative,
        Self::RelativeQuery,
        Self::ValuelessKeys,
    ];

    /// The values of the `Link` headers.
    pub(in super::super) fn headers(self, origin: &str, path: &str, query: &str) -> Vec<String> {
        let target = format!("{origin}{path}?{query}");
        let first = format!("{origin}{path}?max=1");
        match self {
            Self::Spaced => vec![format!("<{target}>; rel=\"next\"")],
            Self::Tight => vec![format!("<{target}>;rel=\"next\"")],
            Self::UnquotedRel => vec![format!("<{target}>; rel=next")],
            Self::AmongOthers => vec![format!(
                "<{first}>; rel=\"first\"; title=\"a, b; rel=\\\"next\\\"\", <{target}&note=x,y;z>; rel=\"next\", <{first}>; rel=\"prev\""
            )],
            Self::SeveralHeaders => vec![format!("<{first}>; rel=\"first\""), format!("<{target}>; rel=\"next\"")],
            Self::Relative => vec![format!("<{path}?{query}>; rel=\"next\"")],
            Self::RelativeQuery => vec![format!("<?{query}>; rel=\"next\"")],
            Self::ValuelessKeys => vec![format!("<{origin}{path}?before&{query}&after>; rel=\"next\"")],
        }
    }
}

/// What a next link says of the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkWindow {
    /// Both ends.
    Whole,
    /// The start only: without an end the audits refuse the request (the client adds it), and `/v1/events` takes now.
    WithoutEnd,
    /// Neither: the cursor holds them, and what the request says is not read. Pages by offset say both ends instead.
    Remembered,
}

/// How long a next link works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkLife {
    /// For ever.
    Unlimited,
    /// So many milliseconds from when it was last given out.
    Millis(i64),
    /// For so many requests from when it was last given out.
    Uses(u32),
}

/// The query of a next link: what the request said, but its place, then the ends of the window, then the new place.
pub(super) fn query(
    request: &[(String, String)],
    replaced: &[&str],
    window: &[(&str, String)],
    place: (&str, &str),
    resume: Option<u64>,
) -> String {
    let mut query = Serializer::new(String::new());
    for (key, value) in request {
        if !value.is_empty() && !replaced.contains(&key.as_str()) {
            query.append_pair(key, value);
        }
    }
    for (key, value) in window {
        query.append_pair(key, value);
    }
    query.append_pair(place.0, place.1);
    if let Some(resume) = resume {
        query.append_pair(RESUME, &resume.to_string());
    }
    query.finish()
}

/// A key that says nothing and makes a link to the same page another link.
pub(super) const RESUME: &str = "resume";

/// The next links that were given out, to tell when their life is over.
#[derive(Debug, Default)]
pub(in super::super) struct IssuedLinks(HashMap<String, Issued>);

#[derive(Debug)]
struct Issued {
    at_ms: i64,
    uses: u32,
}

impl IssuedLinks {
    pub(super) fn issue(&mut self, place: String, now_ms: i64) {
        self.0.insert(place, Issued { at_ms: now_ms, uses: 0 });
    }

    /// Counts a use; whether the link still works. A place that was never given out, such as a client's own offset, works.
    pub(super) fn use_once(&mut self, place: &str, life: LinkLife, now_ms: i64) -> bool {
        let Some(issued) = self.0.get_mut(place) else {
            return true;
        };
        issued.uses = issued.uses.saturating_add(1);
        match life {
            LinkLife::Unlimited => true,
            LinkLife::Millis(ms) => now_ms.saturating_sub(issued.at_ms) <= ms,
            LinkLife::Uses(uses) => issued.uses <= uses,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_keeps_what_was_asked_and_replaces_its_place() {
        let request = [("orgId", "o"), ("from", "old"), ("cursor", "old"), ("max", "5"), ("empty", "")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
        let window = [("from", "a:b".to_owned())];
        let query = query(&request, &["from", "to", "cursor", "resume"], &window, ("cursor", "new"), Some(3));
        assert_eq!(query, "orgId=o&max=5&from=a%3Ab&cursor=new&resume=3");
    }

    #[test]
    fn a_life_ends_by_time_or_use_and_begins_again_when_given_out() {
        let mut links = IssuedLinks::default();
        links.issue("a".into(), 0);
        assert!(links.use_once("a", LinkLife::Millis(10), 10));
        assert!(!links.use_once("a", LinkLife::Millis(10), 11));
        assert!(!links.use_once("a", LinkLife::Uses(2), 11), "the third use");
        links.issue("a".into(), 11);
        assert!(links.use_once("a", LinkLife::Uses(1), 11));
        assert!(links.use_once("never given out", LinkLife::Uses(0), 0));
    }

    #[test]
    fn every_style_holds_the_query() {
        for style in LinkStyle::ALL {
            let headers = style.headers("http://127.0.0.1:1", "/v1/events", "cursor=c");
            assert!(headers.iter().any(|header| header.contains("cursor=c") && header.contains("next")), "{style:?}");
        }
    }
}
