//! Organizations besides the tenant's own whose audits its admin may read: a partner's customers.

use super::event_store::EventStore;
use super::generate::{Generated, Generator, Organization};
use super::settings::TenantSettings;
use super::stream::Stream;

/// One of them. It has audits and nothing else.
pub(super) struct Customer {
    pub(super) organization: Organization,
    pub(super) store: EventStore,
    generators: Vec<(Stream, Generator)>,
}

impl Customer {
    /// The `number`th; its items are other ones than those of the others.
    pub(super) fn new(organization: Organization, number: u64, settings: &TenantSettings) -> Self {
        let seed = settings.seed.wrapping_add(7_919 * (number + 1));
        let generator = |stream| (stream, Generator::new(seed, stream, organization.clone()));
        let generators = Stream::ALL.into_iter().filter(|stream| stream.is_audit()).map(generator).collect();
        Self { organization, store: EventStore::default(), generators }
    }

    /// Adds `count` items created within `[from_ms, to_ms)`.
    pub(super) fn backlog(&mut self, stream: Stream, count: usize, span: (i64, i64), settings: &TenantSettings) {
        let Some((_, generator)) = self.generators.iter_mut().find(|(of, _)| *of == stream) else { return };
        let delay = settings.stream(stream).listing_delay;
        let made = generator.backlog(count, span, &settings.generator, delay);
        self.store.add_all(stream, made.into_iter().map(|Generated { event, .. }| event).collect());
    }
}
