//! What a table `[[sink]]` may hold. The reader, `docs/sinks.md` and the errors are made from these.

/// What may stand behind a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// A text.
    Text,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A text such as `10s`.
    Duration,
    /// A text such as `1MiB`.
    Size,
    /// An array of texts.
    List,
    /// A path, from the folder of the settings file if relative.
    Path,
    /// One of these.
    Choice(&'static [&'static str]),
    /// A text that nobody may see: `{ env = "NAME" }`, `{ file = "PATH" }`, or in the file itself.
    Secret,
    /// One text for all streams, or a table with one for each: `{ events = "…", admin_audits = "…" }`.
    PerStream,
    /// A table of names, and values that nobody may see.
    Headers,
}

/// One key of a table `[[sink]]`.
#[derive(Clone, Copy, Debug)]
pub struct SinkKey {
    /// Its name.
    pub name: &'static str,
    /// What may stand behind it.
    pub kind: ValueKind,
    /// Whether it must be there.
    pub needed: bool,
    /// What holds without it, as it would be written; empty: nothing.
    pub default: &'static str,
    /// One sentence.
    pub help: &'static str,
}

impl SinkKey {
    /// One that may be left out; `default` is what holds then, as it would be written.
    pub const fn new(name: &'static str, kind: ValueKind, default: &'static str, help: &'static str) -> Self {
        Self { name, kind, needed: false, default, help }
    }

    /// One that must be there.
    pub const fn needed(name: &'static str, kind: ValueKind, help: &'static str) -> Self {
        Self { name, kind, needed: true, default: "", help }
    }
}

/// Which kind of sink it is.
pub(super) const TYPE: &str = "type";
/// The sink's name.
pub(super) const NAME: &str = "name";
/// Its streams.
pub(super) const STREAMS: &str = "streams";
/// The member that says whose an event is.
pub(super) const TENANT_FIELD: &str = "tenant_field";
/// The member that says of which organization it is.
pub(super) const ORG_FIELD: &str = "org_field";
/// Bytes of a send.
pub(super) const MAX_BYTES: &str = "max_bytes";
/// Events of a send.
pub(super) const MAX_EVENTS: &str = "max_events";
/// How long to wait for more.
pub(super) const MAX_AGE: &str = "max_age";
/// Events that may be refused one after the other.
pub(super) const MAX_REFUSED: &str = "max_refused";
/// Whether the collector's own events go there.
pub(super) const HEALTH_EVENTS: &str = "health_events";

/// What every table may hold.
pub const COMMON: &[SinkKey] = &[
    SinkKey::needed(TYPE, ValueKind::Text, "The kind of sink."),
    SinkKey::new(
        NAME,
        ValueKind::Text,
        "",
        "Its name in reports, and of its position in the spool: a-z, 0-9, `-` and `_`. Absent: its type, and a number from the second \
         of a type on. One that is changed later is another sink, which begins with what is in the spool.",
    ),
    SinkKey::new(STREAMS, ValueKind::List, "", "Streams whose events go there. Absent: all."),
    SinkKey::new(
        TENANT_FIELD,
        ValueKind::Text,
        "",
        "With many tenants: the member that is put into each event and says whose it is.",
    ),
    SinkKey::new(
        ORG_FIELD,
        ValueKind::Text,
        "",
        "The member that is put into each event and says of which organization it is.",
    ),
    SinkKey::new(MAX_BYTES, ValueKind::Size, "", "Bytes of events in one send. Absent: what suits the receiver."),
    SinkKey::new(MAX_EVENTS, ValueKind::Integer, "", "Events in one send. Absent: what suits the receiver."),
    SinkKey::new(
        MAX_AGE,
        ValueKind::Duration,
        "\"0s\"",
        "How long an event may wait for others before it is sent in a send that is not full.",
    ),
    SinkKey::new(
        MAX_REFUSED,
        ValueKind::Integer,
        "100",
        "Events that the receiver may refuse one after the other; then it is believed to be the receiver's settings, and the sink \
         waits instead of putting all into the dead letters.",
    ),
    SinkKey::new(
        HEALTH_EVENTS,
        ValueKind::Boolean,
        "false",
        "Also send events of the collector's own: a dying token, a refused stream, a stalled watermark, a gap, a daily count.",
    ),
];
