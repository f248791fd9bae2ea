//! One `[[sink]]` that was understood.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::kinds::{self, Kind};
use super::{Given, Mark, Plan, SetupError, SinkKey, Traffic, keys, ndjson};
use crate::config::nearest;

/// Most bytes of one send that may be asked for.
const LARGEST_SEND: u64 = 64 << 20;
/// Most events of one send that may be asked for.
const MOST_EVENTS: usize = 100_000;
/// Longest wait for more events.
const LONGEST_AGE: Duration = Duration::from_secs(60 * 60);
/// Events that may be refused in a row, where the table does not say.
const REFUSED: usize = 100;
/// The most that it can say.
const MOST_REFUSED: usize = 1_000_000;
/// Letters of a name, which is one of a file, too.
const LONGEST_NAME: usize = 63;

/// The name of a sink: `[a-z0-9][a-z0-9_-]{0,62}`. It is the name of its files, too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SinkName(Arc<str>);

impl SinkName {
    /// This name, if it is one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_name = text.len() <= LONGEST_NAME
            && text.bytes().next().is_some_and(is_plain)
            && text.bytes().all(|byte| is_plain(byte) || matches!(byte, b'_' | b'-'));
        is_name.then(|| Self(text.into()))
    }

    /// Its letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How events are gathered into sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batching {
    /// Bytes of bodies in one send; one larger event goes alone.
    pub max_bytes: usize,
    /// Events in one send.
    pub max_events: usize,
    /// How long an event waits for others.
    pub max_age: Duration,
    /// Sends under way at a time.
    pub side_by_side: usize,
    /// Events in a row that may be refused before it is believed to be the receiver.
    pub max_refused: usize,
}

impl Batching {
    /// As a kind of sink has it.
    pub fn of(traffic: Traffic) -> Self {
        let Traffic { max_bytes, max_events, side_by_side } = traffic;
        Self { max_bytes, max_events, max_age: Duration::ZERO, side_by_side: side_by_side.max(1), max_refused: REFUSED }
    }
}

/// One sink as the settings have it.
#[derive(Clone, Debug)]
pub struct SinkTable {
    /// Its name.
    pub name: SinkName,
    /// Its kind.
    pub kind: &'static Kind,
    /// Its own settings.
    pub plan: Arc<dyn Plan>,
    /// Streams that go there; empty: all.
    pub streams: BTreeSet<String>,
    /// The member of each event that says whose it is.
    pub tenant_field: Option<String>,
    /// The member of each event that says of which organization it is.
    pub org_field: Option<String>,
    /// Whether events of the collector's own go there.
    pub health_events: bool,
    /// How events are gathered.
    pub batching: Batching,
}

impl SinkTable {
    /// The kind that `type` names.
    ///
    /// # Errors
    /// There is none.
    pub fn kind(name: &str) -> Result<&'static Kind, SetupError> {
        kinds::of_name(name).ok_or_else(|| {
            let known: Vec<String> = kinds::KINDS.iter().map(|kind| format!("\"{}\"", kind.name)).collect();
            let hint = nearest::hint(name, kinds::KINDS.iter().map(|kind| kind.name));
            SetupError::of(keys::TYPE, format!("there is no sink of this type{hint}; there are {}", known.join(", ")))
        })
    }

    /// The key of this name in a table of this kind.
    pub fn key(kind: &Kind, name: &str) -> Option<&'static SinkKey> {
        keys::COMMON.iter().chain(kind.own_keys()).find(|key| key.name == name)
    }

    /// Understands a table. `taken`: names of the sinks before it.
    ///
    /// # Errors
    /// A value cannot be used, or one is missing.
    pub fn new(kind: &'static Kind, given: &Given, taken: &[SinkName]) -> Result<Self, SetupError> {
        if let Some(missing) = kind.own_keys().find(|key| key.needed && !given.has(key.name)) {
            return Err(SetupError::of(missing.name, format!("a sink of this type needs `{}`", missing.name)));
        }
        let plan = (kind.plan)(given)?;
        let usual = Batching::of(plan.traffic());
        let bytes = given.size(keys::MAX_BYTES, 1..=LARGEST_SEND)?.and_then(|bytes| usize::try_from(bytes).ok());
        let batching = Batching {
            max_bytes: bytes.unwrap_or(usual.max_bytes),
            max_events: given.number(keys::MAX_EVENTS, 1..=MOST_EVENTS)?.unwrap_or(usual.max_events),
            max_age: given.time(keys::MAX_AGE, Duration::ZERO..=LONGEST_AGE)?.unwrap_or(usual.max_age),
            max_refused: given.number(keys::MAX_REFUSED, 1..=MOST_REFUSED)?.unwrap_or(usual.max_refused),
            ..usual
        };
        Ok(Self {
            name: name(kind, given, taken)?,
            kind,
            plan,
            streams: given.list(keys::STREAMS).map(str::to_owned).collect(),
            tenant_field: member(given, keys::TENANT_FIELD)?,
            org_field: member(given, keys::ORG_FIELD)?,
            health_events: given.is_on(keys::HEALTH_EVENTS, false)?,
            batching,
        })
    }

    /// Where events go if nothing is said: one line each on standard output.
    pub fn stdout() -> Self {
        let plan = ndjson::NdjsonPlan::stdout();
        let batching = Batching::of(plan.traffic());
        Self {
            name: SinkName(ndjson::KIND.name.into()),
            kind: &ndjson::KIND,
            plan: Arc::new(plan),
            streams: BTreeSet::new(),
            tenant_field: None,
            org_field: None,
            health_events: false,
            batching,
        }
    }

    /// Whether events of this stream go there.
    pub fn takes(&self, stream: &str) -> bool {
        self.streams.is_empty() || self.streams.contains(stream)
    }

    /// The file, where this sink alone needs no spool.
    pub fn direct(&self) -> Option<&Path> {
        let is_plain = self.streams.is_empty() && self.org_field.is_none() && !self.health_events;
        self.plan.direct().filter(|_| is_plain)
    }

    /// Whether it is standard output, which nothing else may write to then.
    pub fn is_stdout(&self) -> bool {
        self.plan.direct() == Some(Path::new("-"))
    }

    /// What is put into each event of this tenant.
    pub fn mark(&self, tenant: Option<&str>) -> Option<Mark> {
        Some(Mark::new(self.tenant_field.as_deref()?, tenant?))
    }
}

fn name(kind: &Kind, given: &Given, taken: &[SinkName]) -> Result<SinkName, SetupError> {
    let refused = |problem| SetupError::of(keys::NAME, problem);
    let Some(text) = given.text(keys::NAME) else {
        let usual =
            (1..).map(|number| if number == 1 { kind.name.to_owned() } else { format!("{}-{number}", kind.name) });
        let free = usual.filter_map(|name| SinkName::parse(&name)).find(|name| !taken.contains(name));
        return free.ok_or_else(|| refused("name it"));
    };
    let name = SinkName::parse(text)
        .ok_or_else(|| refused("it must be 1 to 63 of a-z, 0-9, `-` and `_`, and begin with a letter or digit"))?;
    if taken.contains(&name) { Err(refused("two sinks have this name")) } else { Ok(name) }
}

/// A name that can be put into a line of JSON as it is, and that rules of a SIEM can name.
fn member(given: &Given, key: &'static str) -> Result<Option<String>, SetupError> {
    let is_name = |name: &str| {
        name.len() <= 64
            && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    match given.text(key) {
        None => Ok(None),
        Some(name) if is_name(name) => Ok(Some(name.to_owned())),
        Some(_) => Err(SetupError::of(key, "it must be a name of letters, digits and `_`")),
    }
}
