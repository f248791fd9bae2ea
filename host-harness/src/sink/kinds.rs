//! Every kind of sink, one line each.

use std::sync::Arc;

use super::{
    Given, Plan, SetupError, SinkKey, elasticsearch, http, kafka, ndjson, object_store, otlp, sentinel, splunk_hec,
    syslog, xsiam,
};

/// One kind of sink.
#[derive(Debug)]
pub struct Kind {
    /// What stands behind `type`.
    pub name: &'static str,
    /// One sentence.
    pub about: &'static str,
    /// Its own keys, in groups, beside [those of all](super::COMMON).
    pub keys: &'static [&'static [SinkKey]],
    /// What it promises.
    pub promise: Promise,
    /// What a newcomer writes: the table without its first line.
    pub example: &'static str,
    /// Understands a table.
    pub plan: fn(&Given) -> Result<Arc<dyn Plan>, SetupError>,
}

impl Kind {
    /// Its own keys.
    pub fn own_keys(&self) -> impl Iterator<Item = &'static SinkKey> {
        self.keys.iter().flat_map(|group| group.iter())
    }
}

/// What a sink promises; in `docs/sinks.md` a row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Promise {
    /// By what the receiver acknowledges.
    pub acknowledged: &'static str,
    /// When an event may come twice.
    pub repeats: &'static str,
    /// What is known of the order.
    pub order: &'static str,
    /// What is done about events that are too large for it.
    pub limits: &'static str,
}

/// All of them, in the order of the documentation.
pub const KINDS: &[&Kind] = &[
    &ndjson::KIND,
    &splunk_hec::KIND,
    &elasticsearch::KIND,
    &otlp::KIND,
    &http::KIND,
    &xsiam::KIND,
    &sentinel::KIND,
    &syslog::KIND,
    &kafka::KIND,
    &object_store::KIND,
];

/// The kind of this name.
pub(super) fn of_name(name: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|kind| kind.name == name)
}
