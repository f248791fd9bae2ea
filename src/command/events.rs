//! The commands that list the events of a stream, and the one that gets an event by its id.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{GetEvents, Outcome};
use crate::answer::Verdict;
use crate::client::{Client, Trouble};
use crate::effect::Io;
use crate::event::{Event, Maker};
use crate::failure::{Code, Failure, Retry};
use crate::item::Item;
use crate::link::{complete, next};
use crate::markdown::{block, table};
use crate::orgs;
use crate::page::Page;
use crate::query::Query;
use crate::settings::{Lane, Settings};
use crate::stream::{EVENTS_WITHOUT_PRO_PACK, Stream};
use crate::time::{Span, Timestamp};

/// Empty pages in a row after which Webex is not asked for another: it says to go on over some, but endless chains have
/// been seen.
const MOST_EMPTY: u32 = 20;

/// Pages of one query at most: the largest limit in pages of ten. Time ends a command long before.
const MOST_PAGES: usize = 1_000;

/// How far a request reaches beyond the time that is wanted, since nobody says whether bounds are inclusive.
const EDGE: Span = Span::secs(1);

/// Audits refuse a request for less time than this (`webex-api` 0 row 7).
const SHORTEST: Span = Span::secs(1);

/// The first `limit` events since a time, in the order in which Webex lists them. Never touches what collecting knows.
pub(super) async fn get_events(
    io: Io,
    settings: &Settings,
    wanted: GetEvents,
    deadline: Span,
) -> Result<Outcome, Failure> {
    let stream = wanted.stream;
    let client = Client::of_command(io.clone(), settings, stream.user(), deadline)?;
    let (since, until) = bounds(settings, &wanted, io.now())?;
    let mut listing = Listing {
        io: &io,
        settings,
        client: &client,
        wanted: GetEvents { since, ..wanted },
        until,
        events: Vec::new(),
        ids: BTreeSet::new(),
    };
    let orgs: Vec<Option<String>> = if stream.needs_org() {
        orgs::asked(&io, settings, &client).await?.into_iter().map(Some).collect()
    } else {
        vec![settings.orgs.only().map(str::to_owned)]
    };
    for org in &orgs {
        let maker = Maker::new(stream, org.as_deref(), settings.message_text);
        for lane in settings.lanes(stream) {
            if listing.is_full() {
                break;
            }
            listing.list(&lane, org.as_deref(), &maker).await.map_err(|failure| failure.of_stream(stream))?;
        }
    }
    let events = listing.events;
    let items: Vec<Value> = events.iter().map(|event| item_of(&event.body)).collect();
    let rows: Vec<Vec<String>> = items.iter().map(|item| row(stream, item)).collect();
    let mut readable = table(&HEAD, &rows, &format!("Webex lists no {stream} from {since} to {until}."));
    if since > wanted.since {
        readable += &format!("\nWebex reaches back to {since} only.\n");
    }
    let name = match stream {
        Stream::AdminAudits => "AdminAuditEvents",
        Stream::SecurityAudits => "SecurityAuditEvents",
        Stream::Events => "ComplianceOfficerEvents",
    };
    let outcome = Outcome::new(readable, json!({ name: items }));
    Ok(if wanted.should_push { Outcome { events: events.into_iter().collect(), ..outcome } } else { outcome })
}

/// From when to when, after what Webex allows.
fn bounds(settings: &Settings, wanted: &GetEvents, now: Timestamp) -> Result<(Timestamp, Timestamp), Failure> {
    let stream = wanted.stream;
    if stream.needs_org() {
        settings.orgs.required().map_err(|failure| failure.of_stream(stream))?;
    }
    let until = now - settings.lag;
    let since = stream.reach().map_or(wanted.since, |reach| wanted.since.max(until - reach));
    if until - since < SHORTEST {
        let problem = format!("is not before {until}, which is as far as listing goes now");
        return Err(Failure::argument("since_datetime", problem, "give an earlier time").of_stream(stream));
    }
    Ok((since, until))
}

struct Listing<'a> {
    io: &'a Io,
    settings: &'a Settings,
    client: &'a Client,
    wanted: GetEvents,
    until: Timestamp,
    events: Vec<Event>,
    ids: BTreeSet<String>,
}

impl Listing<'_> {
    fn is_full(&self) -> bool {
        self.events.len() >= self.wanted.limit as usize
    }

    /// Lists one query, page by page, until there is no other page or enough is there.
    async fn list(&mut self, lane: &Lane, org: Option<&str>, maker: &Maker<'_>) -> Result<(), Failure> {
        let stream = self.wanted.stream;
        let what = format!("listing {stream}");
        let from = self.wanted.since - EDGE;
        let query = Query { settings: self.settings, org, stream, lane, from, to: self.until };
        let mut url = query.first_page(self.wanted.limit);
        let (mut visited, mut empty) = (BTreeSet::new(), 0);
        while !self.is_full() {
            if visited.len() >= MOST_PAGES || !visited.insert(url.to_string()) || empty >= MOST_EMPTY {
                return Err(not_understood(&what, "its pages do not come to an end"));
            }
            let answer = self.client.get(url.clone()).await;
            let response = answer.map_err(|trouble| self.failure(&trouble, &what))?;
            let page = Page::read(&response).map_err(|error| not_understood(&what, error))?;
            empty = if page.items.is_empty() { empty + 1 } else { 0 };
            for item in page.items {
                self.take(item, maker);
            }
            let link = next(response.headers_named("link"), &url, &self.settings.api);
            match link.map_err(|error| not_understood(&what, error))? {
                Some(link) => url = complete(link, &query.required()),
                None => break,
            }
        }
        Ok(())
    }

    /// One without a time that can be read is taken, too: it was listed.
    fn take(&mut self, item: Item<'_>, maker: &Maker<'_>) {
        let event = maker.of_item(item).event;
        let is_wanted = event.created.is_none_or(|created| created >= self.wanted.since);
        if !self.is_full() && is_wanted && self.ids.insert(event.id.clone()) {
            self.events.push(event);
        }
    }

    fn failure(&self, trouble: &Trouble, what: &str) -> Failure {
        let failure = trouble.failure(what, self.wanted.stream.user(), self.io.now());
        match trouble {
            Trouble::Answer(Verdict::Refused(problem)) if problem.is_ninety_days() => {
                let earliest = self.io.now() - EVENTS_WITHOUT_PRO_PACK;
                Failure {
                    remedy: format!("give a `since_datetime` after {earliest}; Pro Pack reaches further"),
                    ..failure
                }
            }
            _ => failure,
        }
    }
}

/// One event by its id.
pub(super) async fn get_event(io: Io, settings: &Settings, id: &str, deadline: Span) -> Result<Outcome, Failure> {
    let (stream, what) = (Stream::Events, "getting an event");
    if matches!(id, "." | "..") {
        // In a path they would mean the list itself, or what is above it.
        return Err(Failure::argument("id", "is no id", "give the id of an event as listed"));
    }
    let client = Client::of_command(io.clone(), settings, stream.user(), deadline)?;
    let answer = client.get(settings.api.endpoint_of(stream.path(), id)).await;
    let response = answer.map_err(|trouble| {
        let failure = trouble.failure(what, stream.user(), io.now()).of_stream(stream);
        match trouble {
            // The id is at fault: the same again would be answered the same.
            Trouble::Answer(Verdict::Rejected(_)) => Failure {
                code: Code::InvalidArgument,
                retry: Retry::AfterAChange,
                remedy:
                    "see whether the id is whole; Webex does not answer for every event that it lists, so list the \
                         events of that time with `cisco-webex-get-compliance-officer-events` instead"
                        .to_owned(),
                ..failure
            },
            _ => failure,
        }
    })?;
    let item = Item::of_answer(&response).filter(|item| item.is_object());
    let item = item.ok_or_else(|| not_understood(what, "the answer is no JSON object").of_stream(stream))?;
    let event = Maker::new(stream, settings.orgs.only(), settings.message_text).of_item(item).event;
    let item = item_of(&event.body);
    let whole = serde_json::to_string_pretty(&item).unwrap_or_default();
    let readable = format!("{}\n{}", table(&HEAD, &[row(stream, &item)], ""), block("json", &whole));
    Ok(Outcome::new(readable, json!({"Event": item})))
}

fn not_understood(what: &str, why: impl std::fmt::Display) -> Failure {
    Failure::new(Code::NotUnderstood, format_args!("{what}: {why}"), "try again; if it stays so, report it")
}

/// The body as a value. What has none (a lone surrogate, a nesting too deep) is passed on as its text.
fn item_of(body: &str) -> Value {
    serde_json::from_str(body).unwrap_or_else(|_| {
        let mut item = Map::new();
        item.insert("_raw".to_owned(), Value::from(body));
        Value::Object(item)
    })
}

const HEAD: [&str; 4] = ["time", "id", "actor", "what"];

/// Time, id, who and what, as far as the item says.
fn row(stream: Stream, item: &Value) -> Vec<String> {
    let text = |path: &str| item.pointer(path).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let first = |paths: &[&str]| paths.iter().find_map(|path| text(path)).unwrap_or_default().to_owned();
    let what = match stream {
        Stream::AdminAudits | Stream::SecurityAudits => {
            first(&["/data/actionText", "/data/eventDescription", "/data/eventCategory"])
        }
        Stream::Events => [text("/resource"), text("/type")].into_iter().flatten().collect::<Vec<_>>().join(" "),
    };
    let actor = first(&["/data/actorEmail", "/data/actorName", "/data/personEmail", "/actorId"]);
    vec![first(&["/created"]), first(&["/id"]), actor, what]
}
