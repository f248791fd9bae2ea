//! What narrows a list beside its window.

use super::super::answer::Refusal;
use super::super::event_store::Facets;
use super::super::params::Params;
use super::super::stream::Stream;

/// What narrows a list beside its window.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Filter {
    actor_id: Option<String>,
    /// In lower case; none means all.
    categories: Vec<String>,
    resource: Option<String>,
    kind: Option<String>,
    without_recordings: bool,
}

impl Filter {
    /// `recordings_need_filter`: a request without `resource` does not list converged recordings.
    pub(in super::super) fn parse(
        stream: Stream,
        params: &Params,
        recordings_need_filter: bool,
    ) -> Result<Self, Refusal> {
        let actor_id = params.get("actorId").map(str::to_owned);
        if stream.is_audit() {
            let categories = params
                .all("eventCategories")
                .flat_map(|joined| joined.split(','))
                .map(|name| category(name.trim()))
                .filter(|name| !name.is_empty())
                .collect();
            return Ok(Self { actor_id, categories, ..Self::default() });
        }
        let resource = params.get("resource").filter(|resource| *resource != "all").map(str::to_owned);
        if resource.as_deref() == Some(CONVERGED_RECORDINGS) && params.get("serviceType") != Some("calling") {
            return Err(Refusal::missing_parameter("serviceType"));
        }
        Ok(Self {
            actor_id,
            categories: Vec::new(),
            without_recordings: recordings_need_filter && resource.is_none(),
            resource,
            kind: params.get("type").filter(|kind| *kind != "all").map(str::to_owned),
        })
    }

    pub(in super::super) fn takes(&self, facets: &Facets) -> bool {
        let same = |wanted: &Option<String>, has: &Option<String>| wanted.is_none() || wanted == has;
        same(&self.actor_id, &facets.actor_id)
            && same(&self.resource, &facets.resource)
            && same(&self.kind, &facets.kind)
            && !(self.without_recordings && facets.resource.as_deref() == Some(CONVERGED_RECORDINGS))
            && (self.categories.is_empty()
                || facets.category.as_deref().is_some_and(|has| self.categories.contains(&category(has))))
    }
}

/// The one resource that needs a `serviceType`.
const CONVERGED_RECORDINGS: &str = "convergedRecordings";

/// Categories are compared without case; both spellings, `LOGINS` and `EventCategory.LOGINS`, are one.
fn category(name: &str) -> String {
    name.strip_prefix("EventCategory.").unwrap_or(name).to_lowercase()
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn categories_may_be_joined_or_repeated_in_any_case_and_spelling() {
        let audit = |category: &str| Facets { category: Some(category.into()), ..Facets::default() };
        for query in ["eventCategories=logins,USERS", "eventCategories=LOGINS&eventCategories=users"] {
            let filter = Filter::parse(Stream::AdminAudits, &Params::parse(query), false).unwrap();
            assert!(filter.takes(&audit("EventCategory.LOGINS")) && filter.takes(&audit("USERS")), "{query}");
            assert!(!filter.takes(&audit("DEVICES")) && !filter.takes(&Facets::default()), "{query}");
        }
    }

    #[test]
    fn events_are_filtered_by_resource_type_and_actor() {
        let facets = Facets {
            resource: Some("rooms".into()),
            kind: Some("updated".into()),
            actor_id: Some("p".into()),
            ..Facets::default()
        };
        let takes = |query| Filter::parse(Stream::Events, &Params::parse(query), true).unwrap().takes(&facets);
        assert!(takes("") && takes("resource=rooms&type=updated&actorId=p") && takes("resource=all&type=all"));
        assert!(!takes("resource=unheard-of") && !takes("type=created") && !takes("actorId=q"));
    }

    #[test]
    fn recordings_need_their_service_type_and_perhaps_their_filter() {
        let recording = Facets { resource: Some("convergedRecordings".into()), ..Facets::default() };
        let parse = |query, need| Filter::parse(Stream::Events, &Params::parse(query), need);
        assert!(parse("resource=convergedRecordings", false).is_err());
        assert!(parse("resource=convergedRecordings&serviceType=calling", true).unwrap().takes(&recording));
        assert!(parse("", false).unwrap().takes(&recording));
        assert!(!parse("", true).unwrap().takes(&recording));
    }
}
