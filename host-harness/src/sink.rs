//! Where events go, and in which words each receiver is told of them.
//!
//! A sink sends some events and returns when its receiver has acknowledged them in the way that the receiver defines. What comes
//! before that - the spool, the order, retries, what is refused - is the [courier](crate::courier)'s, the same for all.
//!
//! One kind of sink is one file here and one line in [`KINDS`]: its keys in `webex.toml`, what it promises, and a [`Plan`] made
//! from a table of settings. A single NDJSON file needs no spool: it is written [directly](Sinks).

mod client;
mod direct;
pub(crate) mod elasticsearch;
mod error;
mod fit;
mod given;
mod http;
mod kafka;
mod keys;
mod kinds;
mod mark;
mod names;
mod ndjson;
mod object_store;
mod otlp;
mod sentinel;
mod splunk_hec;
mod syslog;
mod table;
mod xsiam;

use std::any::Any;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use crate::runtime;
pub use client::{Answer, Client, Endpoint};
pub use direct::{Direct, Mended, Sinks};
pub use error::{SendError, SetupError, SinkError};
pub use given::{Given, PerStream, Value};
pub use keys::{COMMON, SinkKey, ValueKind};
pub use kinds::{KINDS, Kind, Promise};
pub use mark::Mark;
pub use ndjson::Ndjson;
pub use table::{Batching, SinkName, SinkTable};

/// An event on its way to a receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Printable ASCII, at most 400 characters; the same whenever the event comes.
    pub id: String,
    /// The organization that it was read for; empty where none is configured.
    pub org: String,
    /// The stream's name.
    pub stream: String,
    /// When it happened, in milliseconds since the epoch, if the product said so.
    pub created: Option<i64>,
    /// One line of JSON, without its end.
    pub body: String,
}

impl Event {
    /// As one that stands in a larger text.
    pub fn as_read(&self) -> runtime::Event<'_> {
        let Self { id, org, stream, created, body } = self;
        runtime::Event { id, org, stream, created: *created, body }
    }
}

/// A receiver, as a courier sees it. Sends may be under way side by side, as many as [`Traffic::side_by_side`] says.
pub trait Sink: Send + Sync {
    /// Sends these events, of which there is one at least, and returns when the receiver has them for good by its own rules.
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>>;

    /// Whether what came together is kept together under a name, by [`send_at`](Self::send_at).
    fn keeps_places(&self) -> bool {
        false
    }

    /// Sends these events, which begin at this place of the spool. A repeat of a send that nobody acknowledged begins at the same
    /// place, with at least the same events, as long as one send is under way at a time and the sink's settings stay the same. So
    /// what is stored under the place's name is replaced by the repeat, and nothing is there twice.
    fn send_at<'a>(&'a self, place: &'a str, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        let _ = place;
        self.send(events)
    }

    /// Asks the receiver whether it would take events, without leaving any; a sentence for `check` about what was found.
    fn probe(&self) -> BoxFuture<'_, Result<String, SendError>>;

    /// Where the next events would begin, for a receiver that can be looked at after a crash, as a file. It is noted with the
    /// position before events are sent.
    fn begin(&self) -> Option<String> {
        None
    }

    /// Events that were sent since this note may stand there already; they are not to stand there twice. Returns how many were
    /// found.
    fn recall<'a>(&'a self, begun: &'a str) -> BoxFuture<'a, Result<usize, SendError>> {
        let _ = begun;
        Box::pin(async { Ok(0) })
    }
}

/// What a receiver said of some events. Those that are not named it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Events that it will never take, by their place among those that were sent, and why.
    pub refused: Vec<Refused>,
    /// It has refused some of those in `refused` and has taken others, and does not say which. All of them are kept as dead letters,
    /// and it is not believed to refuse everything.
    pub is_in_doubt: bool,
    /// Events that it would take later, by their place.
    pub again: Vec<usize>,
    /// When to send these again at the earliest, if it said so.
    pub after: Option<Duration>,
    /// Events that it had already, by their ids.
    pub known: usize,
}

/// An event that a receiver will never take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its place among those that were sent.
    pub index: usize,
    /// What the receiver said; no part of the event.
    pub reason: String,
}

/// Settings of one sink that were understood; nothing is opened yet.
pub trait Plan: Any + fmt::Debug + Send + Sync {
    /// Opens it. Files are opened; nothing is sent.
    ///
    /// # Errors
    /// A file cannot be opened; TLS cannot be set up.
    fn open(&self) -> Result<Arc<dyn Sink>, SinkError>;

    /// Where it sends to, for people: a path or an address without secrets. Two sinks of one configuration with the same place are
    /// a slip.
    fn place(&self) -> String;

    /// How much is sent at a time, where the table does not say.
    fn traffic(&self) -> Traffic {
        Traffic::default()
    }

    /// The file, where it is written as it is and so needs no spool.
    fn direct(&self) -> Option<&Path> {
        None
    }
}

/// How much is sent at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of bodies in one send; one larger event goes alone.
    pub max_bytes: usize,
    /// Events in one send.
    pub max_events: usize,
    /// Sends under way at a time. More than one gives up the order.
    pub side_by_side: usize,
}

impl Default for Traffic {
    /// A megabyte, as most receivers advise; one after the other.
    fn default() -> Self {
        Self { max_bytes: 1 << 20, max_events: 5_000, side_by_side: 1 }
    }
}
