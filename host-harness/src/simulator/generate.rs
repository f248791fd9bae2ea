//! Seeded events with the shapes and the oddities of real ones; every value is invented.

mod admin_audits;
mod audit_item;
mod draft;
mod events;
mod json_object;
mod security_audits;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::event_store::NewEvent;
use super::listing::ListingDelay;
use super::stream::Stream;
use draft::{Draft, dated};

/// How generated events look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratorSettings {
    /// About the size of an item's text in bytes; an item is never cut to fit.
    pub body_bytes: usize,
    /// So many events of a backlog share one millisecond; at least 1.
    pub same_ms: u32,
    /// One in so many events is odd; 0 for none.
    pub odd_one_in: u32,
}

impl Default for GeneratorSettings {
    /// About 1 KB, every event in a millisecond of its own, one in 20 odd.
    fn default() -> Self {
        Self { body_bytes: 1_000, same_ms: 1, odd_one_in: 20 }
    }
}

/// The organization that the tenant is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    /// Base64 of `ciscospark://us/ORGANIZATION/` and a UUID.
    pub id: String,
    /// Display name.
    pub name: String,
}

impl Organization {
    /// An organization with this UUID.
    #[must_use]
    pub fn new(uuid: &str, name: &str) -> Self {
        Self { id: hydra_id("ORGANIZATION", uuid), name: name.to_owned() }
    }

    /// The UUID inside its id, which a web client sends in place of the id.
    #[must_use]
    pub fn uuid(&self) -> Option<String> {
        let decoded = String::from_utf8(STANDARD_NO_PAD.decode(&self.id).ok()?).ok()?;
        decoded.rsplit('/').next().map(str::to_owned)
    }
}

/// The public form of an id: base64, without padding, of a URI that names kind and UUID.
pub(super) fn hydra_id(kind: &str, uuid: &str) -> String {
    STANDARD_NO_PAD.encode(format!("ciscospark://us/{kind}/{uuid}"))
}

/// Makes the events of one stream, the same ones for the same seed and calls.
#[derive(Debug)]
pub(super) struct Generator {
    stream: Stream,
    organization: Organization,
    dice: SmallRng,
}

/// An item, and what `/v1/events/{id}` answers for it if that differs.
pub(super) struct Generated {
    pub(super) event: NewEvent,
    pub(super) mended: Option<String>,
}

impl Generator {
    pub(super) fn new(seed: u64, stream: Stream, organization: Organization) -> Self {
        // Streams of one tenant must not mirror each other.
        let salt = match stream {
            Stream::AdminAudits => 1,
            Stream::SecurityAudits => 2,
            Stream::Events => 3,
        };
        let dice = SmallRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(salt));
        Self { stream, organization, dice }
    }

    /// One item that was created at `created_ms`. An oddity of the date may move it back to a round time, not before `earliest_ms`.
    pub(super) fn item(
        &mut self,
        created_ms: i64,
        earliest_ms: i64,
        settings: &GeneratorSettings,
        delay: ListingDelay,
    ) -> Generated {
        let odd = settings.odd_one_in > 0 && self.dice.random_ratio(1, settings.odd_one_in);
        let choices = match self.stream {
            Stream::AdminAudits => admin_audits::ODDITIES,
            Stream::SecurityAudits => security_audits::ODDITIES,
            Stream::Events => events::ODDITIES,
        };
        let oddity = if odd { choices.get(self.dice.random_range(0..choices.len())).copied() } else { None };
        let (created_ms, created) = dated(created_ms, earliest_ms, oddity);
        let draft = Draft {
            dice: &mut self.dice,
            organization: &self.organization,
            created,
            oddity,
            body_bytes: settings.body_bytes,
        };
        let written = match self.stream {
            Stream::AdminAudits => admin_audits::write(draft),
            Stream::SecurityAudits => security_audits::write(draft),
            Stream::Events => events::write(draft),
        };
        let delay_ms = if delay.max_ms > delay.min_ms {
            self.dice.random_range(delay.min_ms..=delay.max_ms)
        } else {
            delay.min_ms
        };
        let listed_at_ms = created_ms.saturating_add(delay_ms);
        let event = NewEvent { created_ms, listed_at_ms, raw: written.raw, facets: written.facets };
        Generated { event, mended: written.mended }
    }

    /// `count` items spread over `[from_ms, to_ms)`, oldest first, `same_ms` of them in each millisecond that is used.
    pub(super) fn backlog(
        &mut self,
        count: usize,
        (from_ms, to_ms): (i64, i64),
        settings: &GeneratorSettings,
        delay: ListingDelay,
    ) -> Vec<Generated> {
        let same_ms = usize::try_from(settings.same_ms).unwrap_or(usize::MAX).max(1);
        let groups = count.div_ceil(same_ms).max(1);
        let span = i128::from(to_ms.saturating_sub(from_ms).max(1));
        let mut items = Vec::with_capacity(count);
        let mut created_ms = from_ms;
        for index in 0..count {
            let group = index / same_ms;
            if index % same_ms == 0 {
                let start = from_ms.saturating_add(share(group, groups, span));
                let end = from_ms.saturating_add(share(group + 1, groups, span));
                created_ms = if end > start { self.dice.random_range(start..end) } else { start };
            }
            items.push(self.item(created_ms, from_ms, settings, delay));
        }
        items
    }
}

/// `span * part / whole`, at most `span - 1` below the whole.
fn share(part: usize, whole: usize, span: i128) -> i64 {
    let part = i128::try_from(part).unwrap_or(i128::MAX);
    let whole = i128::try_from(whole).unwrap_or(i128::MAX).max(1);
    i64::try_from(span * part / whole).unwrap_or(i64::MAX)
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
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::super::clock::parse_iso;
    use super::super::event_store::Facets;
    use super::*;

    const FROM: i64 = 1_769_904_000_000;

    fn generator(seed: u64, stream: Stream) -> Generator {
        Generator::new(
            seed,
            stream,
            Organization::new("00000000-0000-4000-8000-000000000001", "Simulated Organization"),
        )
    }

    fn backlog(stream: Stream, count: usize, settings: &GeneratorSettings) -> Vec<Generated> {
        generator(1, stream).backlog(count, (FROM, FROM + 86_400_000), settings, ListingDelay::default())
    }

    #[test]
    fn every_item_is_json_that_says_what_its_facets_say() {
        let settings = GeneratorSettings { odd_one_in: 2, ..GeneratorSettings::default() };
        for stream in Stream::ALL {
            let mut ids = BTreeSet::new();
            for Generated { event, .. } in backlog(stream, 500, &settings) {
                let item: Value = serde_json::from_str(&event.raw).unwrap();
                assert_eq!(Facets::of(&event.raw), event.facets, "{stream}: {}", event.raw);
                assert_eq!(parse_iso(item["created"].as_str().unwrap()), Some(event.created_ms), "{stream}");
                assert!((FROM..FROM + 86_400_000).contains(&event.created_ms), "{stream}");
                assert!(item["data"].is_object(), "{stream}");
                assert!(ids.insert(event.facets.id.unwrap()), "{stream}: an id came twice");
            }
        }
    }

    #[test]
    fn ordinary_items_have_the_size_that_is_asked_for() {
        for body_bytes in [1_500, 4_000] {
            let settings = GeneratorSettings { body_bytes, same_ms: 1, odd_one_in: 0 };
            for stream in Stream::ALL {
                let sizes: usize = backlog(stream, 200, &settings).iter().map(|item| item.event.raw.len()).sum();
                let mean = sizes / 200;
                assert!(
                    (body_bytes * 9 / 10..body_bytes * 11 / 10).contains(&mean),
                    "{stream}: {mean} for {body_bytes}"
                );
            }
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_items() {
        let raws = |seed| {
            let settings = GeneratorSettings::default();
            let items =
                generator(seed, Stream::Events).backlog(50, (FROM, FROM + 1_000), &settings, ListingDelay::default());
            items.into_iter().map(|item| item.event.raw).collect::<Vec<_>>()
        };
        assert_eq!(raws(1), raws(1));
        assert_ne!(raws(1), raws(2));
    }

    #[test]
    fn as_many_events_share_a_millisecond_as_set() {
        let settings = GeneratorSettings { same_ms: 7, odd_one_in: 0, ..GeneratorSettings::default() };
        let items = backlog(Stream::AdminAudits, 700, &settings);
        let moments: BTreeSet<_> = items.iter().map(|item| item.event.created_ms).collect();
        assert_eq!((items.len(), moments.len()), (700, 100));
    }

    #[test]
    fn a_backlog_denser_than_its_span_still_stays_inside() {
        let settings = GeneratorSettings::default();
        let items = generator(1, Stream::Events).backlog(100, (FROM, FROM + 10), &settings, ListingDelay::default());
        assert_eq!(items.len(), 100);
        assert!(items.iter().all(|item| (FROM..FROM + 10).contains(&item.event.created_ms)));
    }

    #[test]
    fn every_oddity_comes_up() {
        let settings = GeneratorSettings { odd_one_in: 1, ..GeneratorSettings::default() };
        let all: String = Stream::ALL
            .into_iter()
            .flat_map(|stream| backlog(stream, 300, &settings))
            .map(|item| item.event.raw + "\n")
            .collect();
        for sign in [
            ".5Z\"",
            "+00:00\"",
            "\"actorId\":null",
            "kms_failure",
            "\"deleted\"",
            "\"Null\"",
            "\\\"days\\\"",
            "AdaptiveCard",
            "EventCategory.",
            "\"appId\":\"null\"",
            "\u{202E}",
            "\u{200B}",
            "田中",
            "[[",
        ] {
            assert!(all.contains(sign), "{sign}");
        }
        let whole_second = |line: &str| {
            let item: Value = serde_json::from_str(line).unwrap();
            let created = item["created"].as_str().unwrap().to_owned();
            created.ends_with('Z') && !created.contains('.')
        };
        assert!(all.lines().any(whole_second), "a date without fraction");
        assert!(all.lines().any(|line| line.len() > 40_000), "a long text");
        assert!(all.lines().any(|line| !line.contains("actorId")), "an item without actor");
    }

    #[test]
    fn the_listing_delay_stays_within_its_bounds() {
        let delay = ListingDelay { min_ms: 100, max_ms: 300 };
        let items =
            generator(1, Stream::Events).backlog(50, (FROM, FROM + 9_000), &GeneratorSettings::default(), delay);
        let delays: BTreeSet<_> = items.iter().map(|item| item.event.listed_at_ms - item.event.created_ms).collect();
        assert!(delays.len() > 10 && delays.iter().all(|delay| (100..=300).contains(delay)));
    }
}
