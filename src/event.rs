//! What is delivered.

use crate::item::{Facts, Item, Line, escape, hex};
use crate::settings::MessageText;
use crate::stream::Stream;
use crate::time::Timestamp;
use sha2::{Digest, Sha256};

/// One event (`wit/types.wit`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `stream:org:id`, printable, the same whenever the item is read.
    pub id: String,
    /// Whose; empty where no organization is configured.
    pub org: String,
    /// Of which stream.
    pub stream: Stream,
    /// When it happened, if the item says so in a readable way.
    pub created: Option<Timestamp>,
    /// One line of JSON.
    pub body: String,
}

/// An event made from an item, and what was noticed on the way.
#[derive(Debug)]
pub struct Made {
    /// To deliver.
    pub event: Event,
    /// Whether the item lacks what Webex documents for every item.
    pub odd: bool,
    /// Members of the item that were replaced, because their names are ours.
    pub replaced: u64,
}

impl Event {
    /// Makes the event of an item.
    pub fn of_item(item: Item<'_>, stream: Stream, org: Option<&str>, message_text: MessageText) -> Made {
        Self::of_facts(&item.facts(), stream, org, message_text)
    }

    /// The same where its facts are known.
    pub fn of_facts(facts: &Facts<'_>, stream: Stream, org: Option<&str>, message_text: MessageText) -> Made {
        let Line { text: body, replaced } = facts.line(stream, message_text);
        let event = Self {
            id: format!("{stream}:{}:{}", printable_org(org), facts.identity.printable()),
            org: org.unwrap_or_default().to_owned(),
            stream,
            created: facts.created,
            body,
        };
        Made { event, odd: facts.is_odd(), replaced }
    }
}

/// At most 100 characters, so that with stream and id an event's id stays under 400.
fn printable_org(org: Option<&str>) -> String {
    let escaped = escape(org.unwrap_or("-"));
    if escaped.len() <= 100 { escaped } else { format!("~sha256:{}", hex(&Sha256::digest(escaped.as_bytes()))) }
}
