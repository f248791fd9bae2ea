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

/// Makes the events of one stream of one organization.
#[derive(Debug)]
pub struct Maker<'a> {
    stream: Stream,
    org: &'a str,
    message_text: MessageText,
    /// What their ids begin with.
    prefix: String,
}

impl<'a> Maker<'a> {
    /// `org`: none where no organization is configured.
    pub fn new(stream: Stream, org: Option<&'a str>, message_text: MessageText) -> Self {
        let prefix = format!("{stream}:{}:", printable_org(org));
        Self { stream, org: org.unwrap_or_default(), message_text, prefix }
    }

    /// The event of an item.
    pub fn of_item(&self, item: Item<'_>) -> Made {
        self.of_facts(&item.facts())
    }

    /// The same where its facts are known.
    pub fn of_facts(&self, facts: &Facts<'_>) -> Made {
        let Line { text: body, replaced } = facts.line(self.stream, self.message_text);
        let mut id = String::with_capacity(self.prefix.len() + facts.identity.usual_length());
        id.push_str(&self.prefix);
        facts.identity.print(&mut id);
        let event = Event { id, org: self.org.to_owned(), stream: self.stream, created: facts.created, body };
        Made { event, odd: facts.is_odd(), replaced }
    }
}

/// At most 100 characters, so that with stream and id an event's id stays under 400.
fn printable_org(org: Option<&str>) -> String {
    let mut escaped = String::new();
    escape(org.unwrap_or("-"), &mut escaped);
    if escaped.len() <= 100 { escaped } else { format!("~sha256:{}", hex(&Sha256::digest(escaped.as_bytes()))) }
}
