//! The engine against a server in memory that lists in any order, with any bounds, paging and faults.

mod adverse;
mod defects;
mod organizations;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use proptest::prelude::*;

use super::*;
use crate::effect::{HttpError, Response};
use crate::fake::{Host, START, Sent, answer, settings, tokens, with_header};
use crate::secret::SecretName;

#[derive(Clone, Debug)]
struct Listed {
    id: u32,
    created: Timestamp,
    listed: Timestamp,
}

impl Listed {
    /// Every event is of one of two resources.
    fn resource(&self) -> &'static str {
        if self.id.is_multiple_of(2) { "messages" } else { "rooms" }
    }
}

/// What the API facts leave open, and the server's contents.
#[derive(Clone, Debug)]
struct World {
    events: BTreeMap<Stream, Vec<Listed>>,
    newest_first: bool,
    from_inclusive: bool,
    to_inclusive: bool,
    offset: bool,
    link_has_end: bool,
    page: usize,
    /// How far the origin's clock is behind ours.
    behind: Span,
    date_header: bool,
    /// How long a next link is taken; none: for ever.
    link_life: Option<Span>,
    /// Of a partner; empty: one, whatever it is called.
    orgs: Vec<&'static str>,
    /// Of these the admin may read nothing.
    refused: Vec<&'static str>,
}

impl World {
    fn new() -> Self {
        Self {
            events: BTreeMap::new(),
            newest_first: true,
            from_inclusive: true,
            to_inclusive: false,
            offset: false,
            link_has_end: true,
            page: 50,
            behind: Span::ZERO,
            date_header: true,
            link_life: None,
            orgs: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Each event is of one organization, each tenth of all.
    fn is_of(&self, event: &Listed, org: &str) -> bool {
        let id = event.id as usize;
        self.orgs.is_empty() || id.is_multiple_of(10) || self.orgs[id % self.orgs.len()] == org
    }

    fn add(&mut self, stream: Stream, created: Timestamp, listed: Timestamp) {
        let id = u32::try_from(self.events.values().map(Vec::len).sum::<usize>()).unwrap();
        self.events.entry(stream).or_default().push(Listed { id, created, listed });
    }

    /// `count` events up to the start of the test, seven to a millisecond.
    fn with_backlog(mut self, stream: Stream, count: i64, every: Span) -> Self {
        for n in 0..count {
            let created = START - Span::secs(60) - every.times(n / 7);
            self.add(stream, created, created);
        }
        self
    }

    fn answer(&self, sent: &Sent) -> Result<Response, HttpError> {
        let now = sent.at - self.behind;
        let dated = |response| {
            let date = chrono::DateTime::from_timestamp_millis(now.as_millis()).unwrap();
            let date = date.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
            if self.date_header { with_header(response, "date", &date) } else { response }
        };
        if sent.is_for_tokens() {
            return dated(tokens("good", "refresh"));
        }
        if sent.url.path() == "/v1/organizations" {
            let items: Vec<_> = self.orgs.iter().map(|id| serde_json::json!({"id": id, "displayName": id})).collect();
            return dated(answer(200, &serde_json::json!({ "items": items }).to_string()));
        }
        let Some(stream) = Stream::ALL.into_iter().find(|s| sent.url.path() == format!("/v1/{}", s.path())) else {
            return dated(answer(404, ""));
        };
        let (start, end) = stream.bounds();
        let time = |name| sent.query(name).and_then(|text| Timestamp::parse_rfc3339(&text));
        let (Some(from), Some(to)) = (time(start), time(end)) else { return dated(answer(400, "bounds")) };
        if stream.needs_org() && sent.query("orgId").is_none() || from >= to {
            return dated(answer(400, r#"{"message":"bad parameters"}"#));
        }
        if stream == Stream::Events && to > now {
            return dated(answer(400, r#"{"message":"to is in the future"}"#));
        }
        let issued = sent.query("issued").map(|text| Timestamp::from_millis(text.parse().unwrap()));
        if issued.zip(self.link_life).is_some_and(|(issued, life)| now - issued > life) {
            return dated(answer(410, r#"{"message":"the link has expired"}"#));
        }
        let mut items: Vec<_> = self.events.get(&stream).into_iter().flatten().filter(|e| e.listed <= now).collect();
        if stream.needs_org()
            && let Some(org) = sent.query("orgId")
        {
            if !self.orgs.is_empty() && !self.orgs.contains(&org.as_str()) || self.refused.contains(&org.as_str()) {
                return dated(answer(403, r#"{"message":"not of this admin"}"#));
            }
            items.retain(|e| self.is_of(e, &org));
        }
        if let Some(resource) = sent.query("resource") {
            items.retain(|e| e.resource() == resource);
        }
        items.retain(|e| if self.from_inclusive { e.created >= from } else { e.created > from });
        items.retain(|e| if self.to_inclusive { e.created <= to } else { e.created < to });
        items.sort_by_key(|e| (e.created, e.id));
        if self.newest_first {
            items.reverse();
        }
        let skip: usize = sent.query("offset").or_else(|| sent.query("cursor")).map_or(0, |n| n.parse().unwrap());
        let max: usize = sent.query("max").map_or(100, |n| n.parse().unwrap());
        let page: Vec<_> = items.iter().skip(skip).take(max.min(self.page)).collect();
        let body: Vec<_> = page
            .iter()
            .map(|e| serde_json::json!({"id": format!("{}-{}", stream, e.id), "created": e.created.to_string()}))
            .collect();
        let mut response = dated(answer(200, &serde_json::json!({ "items": body }).to_string()));
        if skip + page.len() < items.len() {
            let mut next = sent.url.clone();
            let pairs: Vec<(String, String)> = sent.url.query_pairs().into_owned().collect();
            next.query_pairs_mut().clear();
            for (name, value) in pairs {
                let is_place = name == "offset" || name == "cursor" || name == "issued";
                if !is_place && (self.link_has_end || name != end || !stream.needs_org()) {
                    next.query_pairs_mut().append_pair(&name, &value);
                }
            }
            let place = if self.offset { "offset" } else { "cursor" };
            next.query_pairs_mut().append_pair(place, &(skip + page.len()).to_string());
            if self.link_life.is_some() {
                next.query_pairs_mut().append_pair("issued", &now.as_millis().to_string());
            }
            response = with_header(response, "link", &format!("<{next}>; rel=\"next\""));
        }
        response
    }
}

/// A tenant: host, server, what is stored and what was delivered.
struct Tenant {
    host: Host,
    world: Rc<RefCell<World>>,
    settings: Settings,
    stored: Option<Stored>,
    delivered: BTreeMap<String, u32>,
    reports: Vec<Report>,
}

type Fault = Box<dyn FnMut(&Sent) -> Option<Result<Response, HttpError>>>;

impl Tenant {
    fn new(world: World, more: &[(&str, &str)]) -> Self {
        Self::faulty(world, more, Box::new(|_| None))
    }

    fn faulty(world: World, more: &[(&str, &str)], mut fault: Fault) -> Self {
        let world = Rc::new(RefCell::new(world));
        let server = Rc::clone(&world);
        let host = Host::new(move |sent| fault(sent).unwrap_or_else(|| server.borrow().answer(sent)));
        for user in User::ALL {
            host.put(SecretName::Credentials(user), "client-secret");
            host.put(SecretName::RefreshToken(user), "service-app-token");
        }
        Self { host, world, settings: settings(more), stored: None, delivered: BTreeMap::new(), reports: Vec::new() }
    }

    fn call(&mut self, request: &FetchRequest) -> Next {
        let (settings, stored) = (&self.settings, self.stored.clone());
        let batch = self.host.run(|io| fetch_events(io, settings, stored, request)).unwrap();
        for event in batch.events.iter() {
            *self.delivered.entry(event.id).or_default() += 1;
        }
        self.stored = Some(batch.last_run);
        self.reports = batch.reports;
        batch.next
    }

    /// Calls until everything is collected.
    fn drain(&mut self, request: &FetchRequest) {
        for _ in 0..3_000 {
            match self.call(request) {
                Next::Now => {}
                Next::NotBefore(time) => self.host.advance(time - self.host.now()),
                Next::Idle => return,
            }
        }
        panic!("it does not end: {:?}", self.reports);
    }

    fn state(&self) -> LastRun {
        LastRun::read(self.stored.clone(), &self.settings, self.host.now(), [0; 16]).unwrap()
    }

    #[track_caller]
    fn check_each_once(&self) {
        let world = self.world.borrow();
        let mut want = BTreeMap::new();
        for (stream, events) in &world.events {
            let org = "org-1";
            want.extend(events.iter().map(|e| (format!("{stream}:{org}:{stream}-{}", e.id), 1)));
        }
        let missing: Vec<_> = want.keys().filter(|id| !self.delivered.contains_key(*id)).collect();
        let twice: Vec<_> = self.delivered.iter().filter(|(_, n)| **n > 1).collect();
        assert!(missing.is_empty(), "lost: {missing:?} of {}", want.len());
        assert!(twice.is_empty(), "twice: {twice:?}");
        assert_eq!(self.delivered.len(), want.len(), "invented");
    }
}

/// A stretch to read again, repeats and all.
fn again(from: Timestamp, to: Timestamp) -> ReRead {
    ReRead { from, to, allow_repeats: true }
}

static EVERYTHING: FetchRequest = ALL;
const ALL: FetchRequest =
    FetchRequest { streams: Vec::new(), max_events: None, max_bytes: None, budget: None, re_read: None };

fn three_streams(count: i64, every: Span) -> World {
    Stream::ALL.into_iter().fold(World::new(), |world, stream| world.with_backlog(stream, count, every))
}

#[test]
fn every_event_comes_once_and_a_second_run_adds_none() {
    let mut tenant = Tenant::new(three_streams(5_000, Span::millis(1)), &[]);
    tenant.drain(&ALL);
    tenant.check_each_once();
    tenant.host.advance(Span::secs(60));
    tenant.drain(&ALL);
    tenant.check_each_once();
    for stream in Stream::ALL {
        let (created, listed) = (tenant.host.now(), tenant.host.now());
        tenant.world.borrow_mut().add(stream, created, listed);
    }
    tenant.host.advance(Span::secs(60));
    tenant.drain(&ALL);
    tenant.check_each_once();
}

#[test]
fn the_tail_comes_before_the_backlog() {
    let mut tenant = Tenant::new(three_streams(2_000, Span::secs(1_800)), &[]);
    tenant.call(&FetchRequest { max_events: Some(100), ..ALL });
    let state = tenant.state();
    let window = &state.streams[&Stream::Events].lanes[0].window;
    assert!(window.watermark() < START - Span::days(5), "the backlog is owed");
    assert!(window.frontier() > START - Span::secs(60), "today was taken up");
    tenant.drain(&FetchRequest { max_events: Some(100), ..ALL });
    let state = tenant.state();
    assert_eq!(state.streams[&Stream::Events].pending(), 0);
    let since = START - Span::days(7);
    tenant.world.borrow_mut().events.values_mut().for_each(|events| events.retain(|e| e.created > since));
    tenant.check_each_once();
}

#[test]
fn a_late_listing_within_the_overlap_is_delivered_and_counted() {
    let mut world = World::new();
    world.add(Stream::AdminAudits, START, START + Span::secs(590));
    let mut tenant = Tenant::new(world, &[]);
    for _ in 0..11 {
        tenant.host.advance(Span::secs(60));
        tenant.drain(&ALL);
    }
    tenant.check_each_once();
    assert_eq!(tenant.reports[0].late, 0);
}

#[test]
fn a_clock_that_runs_ahead_of_the_origins_loses_nothing() {
    for date_header in [true, false] {
        let mut world = three_streams(50, Span::secs(1));
        world.behind = Span::secs(240);
        world.date_header = date_header;
        let mut tenant = Tenant::new(world, &[("lag", "0s")]);
        for minute in 0..30 {
            let origin = tenant.host.now() - Span::secs(240);
            tenant.world.borrow_mut().add(Stream::AdminAudits, origin, origin);
            tenant.host.advance(Span::secs(60));
            tenant.call(&ALL);
            let frontier = tenant.state().streams[&Stream::AdminAudits].frontier().unwrap();
            let origin = tenant.host.now() - Span::secs(240);
            assert!(!date_header || frontier <= origin, "minute {minute}: {frontier} is after {origin}");
        }
        tenant.host.advance(Span::secs(300));
        tenant.call(&ALL);
        let is_refused = |s: &Stream| *s == Stream::Events && !date_header;
        assert!(tenant.reports.iter().all(|r| is_refused(&r.stream) || r.failure.is_none()), "{:?}", tenant.reports);
        if date_header {
            tenant.check_each_once();
        }
    }
}

#[test]
fn a_limit_is_honoured_exactly_and_a_page_is_gone_on_with() {
    let mut tenant = Tenant::new(three_streams(130, Span::secs(1)), &[]);
    tenant.call(&FetchRequest { max_events: Some(7), ..ALL });
    assert_eq!(tenant.delivered.len(), 21);
    assert!(tenant.reports.iter().all(|report| report.delivered == 7));
    tenant.drain(&FetchRequest { max_events: Some(7), ..ALL });
    tenant.check_each_once();
}

#[test]
fn a_page_that_may_not_fit_is_left_to_the_next_call() {
    let world = World { page: 200, ..World::new() }.with_backlog(Stream::AdminAudits, 1_400, Span::secs(1));
    let mut tenant = Tenant::new(world, &[]);
    while tenant.delivered.len() < 1_400 {
        tenant.call(&FetchRequest { streams: vec![Stream::AdminAudits], max_events: Some(500), ..ALL });
        assert_eq!(tenant.reports.iter().map(|report| report.repeated).sum::<u64>(), 0, "a page was asked for twice");
    }
    tenant.check_each_once();
}

#[test]
fn a_batch_holds_one_event_however_small_the_limit_of_bytes() {
    let mut tenant = Tenant::new(three_streams(5, Span::secs(1)), &[]);
    tenant.call(&FetchRequest { max_bytes: Some(1), ..ALL });
    assert_eq!(tenant.delivered.len(), 3);
    tenant.drain(&FetchRequest { max_bytes: Some(1), ..ALL });
    tenant.check_each_once();
}

#[test]
fn a_failing_stream_stops_only_itself() {
    let fault = |sent: &Sent| {
        sent.url.path().ends_with("/securityAudit/events").then(|| answer(403, r#"{"message":"no Pro Pack"}"#))
    };
    let mut tenant = Tenant::faulty(three_streams(100, Span::secs(1)), &[], Box::new(fault));
    tenant.drain(&ALL);
    let failure = tenant.reports[1].failure.clone().unwrap();
    assert_eq!((failure.code, failure.stream), (Code::Refused, Some(Stream::SecurityAudits)));
    assert!(failure.message.contains("no Pro Pack") && failure.remedy.contains("Allow user authentication data"));
    assert_eq!(tenant.reports[1].watermark, None, "nothing of it was read");
    tenant.world.borrow_mut().events.remove(&Stream::SecurityAudits);
    tenant.check_each_once();
}

#[test]
fn a_dead_user_stops_only_its_streams() {
    let mut tenant = Tenant::new(three_streams(10, Span::secs(1)), &[]);
    tenant.host.webex({
        let world = Rc::clone(&tenant.world);
        move |sent| {
            let dead = sent.is_for_tokens() && sent.form("client_id") == "admin-client";
            if dead { answer(400, r#"{"error":"invalid_grant"}"#) } else { world.borrow().answer(sent) }
        }
    });
    assert_eq!(tenant.call(&ALL), Next::Idle);
    let codes: Vec<_> = tenant.reports.iter().map(|r| r.failure.as_ref().map(|f| f.code)).collect();
    assert_eq!(codes, [Some(Code::SignInNeeded), Some(Code::SignInNeeded), None]);
    assert_eq!(tenant.delivered.len(), 10);
}

#[test]
fn a_429_is_obeyed_for_both_streams_of_its_user_and_across_calls() {
    let mut first = true;
    let fault = move |sent: &Sent| {
        let is_admin = sent.url.path().contains("Audit");
        (is_admin && std::mem::take(&mut first)).then(|| with_header(answer(429, "<html>"), "retry-after", "3600"))
    };
    let mut tenant = Tenant::faulty(three_streams(10, Span::secs(1)), &[], Box::new(fault));
    let next = tenant.call(&ALL);
    let Next::NotBefore(until) = next else { panic!("{next:?}") };
    assert!(until >= START + Span::secs(3_600));
    assert_eq!(tenant.reports[0].failure.as_ref().unwrap().code, Code::RateLimited);
    let asked = tenant.host.sent().len();
    tenant.call(&ALL);
    let later: Vec<_> = tenant.host.sent()[asked..].iter().map(|s| s.url.path().to_owned()).collect();
    assert!(!later.iter().any(|path| path.contains("Audit")), "{later:?}");
    tenant.drain(&ALL);
    tenant.check_each_once();
}

#[test]
fn what_cannot_be_read_is_halved_and_then_quarantined_and_the_rest_is_delivered() {
    let poison = START - Span::days(3);
    let fault = move |sent: &Sent| {
        let time = |name| Timestamp::parse_rfc3339(&sent.query(name)?);
        let holds = time("from").is_some_and(|from| from <= poison) && time("to").is_some_and(|to| poison <= to);
        (sent.url.path() == "/v1/events" && holds).then(|| answer(200, r#"{"items":[{"id"#))
    };
    let mut tenant = Tenant::faulty(three_streams(200, Span::secs(7_200)), &[], Box::new(fault));
    for _ in 0..50 {
        if let Next::NotBefore(_) = tenant.call(&ALL) {
            break;
        }
    }
    let report = &tenant.reports[2];
    let failure = report.failure.clone().unwrap();
    assert_eq!(failure.code, Code::NotUnderstood);
    let watermark = report.watermark.unwrap();
    assert!(watermark <= poison && poison - watermark < Span::secs(5), "{watermark}");
    tenant.check_each_once();
    let world = Rc::clone(&tenant.world);
    tenant.host.webex(move |sent| world.borrow().answer(sent));
    tenant.drain(&ALL);
    assert!(tenant.reports[2].failure.is_none());
    assert!(tenant.reports[2].watermark.unwrap() > START - Span::secs(60));
}

#[track_caller]
fn check_astray(link: &'static str) {
    let mut requests = 0;
    let fault = move |sent: &Sent| {
        requests += 1;
        let _ = requests;
        (sent.url.path() == "/v1/events" && sent.query("cursor").is_some()).then(|| answer(410, "gone"))
    };
    let mut tenant = Tenant::faulty(three_streams(120, Span::secs(60)), &[], Box::new(fault));
    let world = Rc::clone(&tenant.world);
    tenant.host.webex(move |sent| {
        let mut response = world.borrow().answer(sent)?;
        for (name, value) in &mut response.headers {
            if name == "link" && sent.url.path() == "/v1/events" {
                *value = if link.is_empty() { format!("<{}>; rel=next", sent.url) } else { link.to_owned() };
            }
        }
        Ok(response)
    });
    tenant.drain(&ALL);
    tenant.check_each_once();
    assert!(tenant.host.sent().iter().all(|sent| sent.url.host_str() == Some("webexapis.com")));
}

#[test]
fn a_link_that_leads_astray_is_not_followed_and_loses_nothing() {
    check_astray("<https://evil.example/v1/events>; rel=next");
    check_astray("<http://webexapis.com/v1/events>; rel=next");
    check_astray("garbage");
    check_astray("");
}

#[test]
fn a_link_of_an_older_call_is_checked_again() {
    let mut tenant = Tenant::new(three_streams(400, Span::secs(60)), &[]);
    tenant.call(&FetchRequest { max_events: Some(60), ..ALL });
    let stored = tenant.stored.as_mut().unwrap();
    let (was, is) = ("\"link\":\"https://webexapis.com/", "\"link\":\"https://evil.example/");
    assert!(stored.head.contains(was), "a page is in hand: {}", stored.head);
    stored.head = stored.head.replace(was, is);
    tenant.drain(&ALL);
    tenant.check_each_once();
    assert!(tenant.host.sent().iter().all(|sent| sent.url.host_str() == Some("webexapis.com")));
}

#[test]
fn a_stale_link_starts_the_slice_again_in_halves() {
    let fault = |sent: &Sent| {
        let is_second = sent.url.path() == "/v1/events" && sent.query("cursor").is_some_and(|n| n != "50");
        is_second.then(|| answer(410, r#"{"message":"gone"}"#))
    };
    let mut tenant = Tenant::faulty(three_streams(400, Span::secs(60)), &[], Box::new(fault));
    tenant.drain(&ALL);
    tenant.check_each_once();
}

#[test]
fn endless_empty_pages_end() {
    let fault = |sent: &Sent| {
        let n: u64 = sent.query("cursor").map_or(0, |n| n.parse().unwrap());
        (sent.url.path() == "/v1/events").then(|| {
            let mut next = sent.url.clone();
            next.query_pairs_mut().clear().append_pair("cursor", &(n + 1).to_string());
            with_header(answer(200, r#"{"items":[]}"#), "link", &format!("<{next}>; rel=next"))
        })
    };
    let mut tenant = Tenant::faulty(three_streams(30, Span::secs(60)), &[], Box::new(fault));
    for _ in 0..20 {
        tenant.call(&ALL);
    }
    assert!(tenant.reports[2].watermark.unwrap() <= START - Span::days(6), "nothing was drained");
    assert_eq!(tenant.reports[0].failure, None);
}

#[test]
fn ninety_days_without_pro_pack_are_a_reported_gap() {
    let fault = |sent: &Sent| {
        let from = sent.query("from").and_then(|text| Timestamp::parse_rfc3339(&text))?;
        let text = r#"{"message":"error = 'User is only authorized to search within past 90 days.'"}"#;
        (sent.url.path() == "/v1/events" && from < sent.at - Span::days(90)).then(|| answer(403, text))
    };
    let mut tenant = Tenant::faulty(three_streams(30, Span::secs(60)), &[("first_fetch", "200 days")], Box::new(fault));
    let mut gaps = Vec::new();
    for _ in 0..200 {
        let next = tenant.call(&ALL);
        gaps.extend(tenant.reports[2].gaps.clone());
        if next == Next::Idle {
            break;
        }
    }
    assert_eq!(gaps.iter().map(|g| g.from).min(), Some(START - Span::days(200)));
    assert!(gaps.iter().map(|g| g.to).max().unwrap() - (START - Span::days(89)) < Span::secs(600));
    assert!(tenant.reports[2].failure.is_none());
    tenant.check_each_once();
}

#[test]
fn poison_items_are_delivered_as_they_are() {
    let body =
        r#"{"items":[null,{},{"id":1},"text",{"id":"a","created":17},{"id":"b","created":"2026-01-01T00:00:00Z"}]}"#;
    let fault = move |sent: &Sent| (sent.url.path() == "/v1/events").then(|| answer(200, body));
    let mut tenant = Tenant::faulty(World::new(), &[("first_fetch", "1h")], Box::new(fault));
    tenant.drain(&ALL);
    assert_eq!(tenant.delivered.len(), 6);
    assert_eq!(tenant.reports[2].odd, 5);
    tenant.drain(&ALL);
    assert!(tenant.delivered.values().all(|n| *n == 1));
}

#[test]
fn what_could_not_be_decrypted_is_fetched_again_by_id_once() {
    let failed = r#"{"id":"good-1","created":"2026-01-01T23:00:00Z","errors":{"title":{"code":"kms_failure"}}}"#;
    let lasting = failed.replace("good-1", "bad-2");
    let list = format!(r#"{{"items":[{failed},{lasting}]}}"#);
    let fault = move |sent: &Sent| match sent.url.path() {
        "/v1/events" => Some(answer(200, &list)),
        "/v1/events/good-1" => Some(answer(200, r#"{"id":"good-1","created":"2026-01-01T23:00:00Z","title":"plain"}"#)),
        "/v1/events/bad-2" => Some(answer(200, &lasting)),
        _ => None,
    };
    let mut tenant = Tenant::faulty(World::new(), &[("first_fetch", "12h")], Box::new(fault));
    let settings = tenant.settings.clone();
    let batch = tenant.host.run(|io| fetch_events(io, &settings, None, &EVERYTHING)).unwrap();
    let bodies: Vec<_> = batch.events.iter().map(|e| e.body.contains("plain")).collect();
    assert_eq!(bodies, [true, false]);
    assert_eq!(batch.reports[2].warnings.iter().filter(|w| w.code == "kms-failure").count(), 1);
    let by_id = tenant.host.sent().iter().filter(|s| s.url.path().starts_with("/v1/events/")).count();
    assert_eq!(by_id, 2);
    tenant.stored = Some(batch.last_run);
    tenant.call(&ALL);
    assert_eq!(tenant.host.sent().iter().filter(|s| s.url.path().starts_with("/v1/events/")).count(), 2);
}

#[test]
fn reading_again_delivers_what_was_missed_and_moves_no_watermark() {
    let mut tenant = Tenant::new(three_streams(100, Span::secs(1)), &[]);
    tenant.drain(&ALL);
    tenant.host.advance(Span::secs(3_600));
    tenant.drain(&ALL);
    let missed = START + Span::secs(100);
    tenant.world.borrow_mut().add(Stream::Events, missed, tenant.host.now());
    tenant.host.advance(Span::secs(60));
    tenant.drain(&ALL);
    let before: Vec<_> = tenant.state().streams.values().map(|s| (s.watermark(), s.frontier())).collect();
    let request = FetchRequest { re_read: Some(again(START, START + Span::secs(200))), ..ALL };
    tenant.drain(&request);
    tenant.check_each_once();
    let after: Vec<_> = tenant.state().streams.values().map(|s| (s.watermark(), s.frontier())).collect();
    assert_eq!(before, after);
}

#[test]
fn a_host_that_asks_to_stop_gets_what_is_there_and_goes_on_later() {
    let mut tenant = Tenant::new(three_streams(500, Span::secs(1)), &[]);
    tenant.host.stop();
    assert_eq!(tenant.call(&ALL), Next::Now);
    assert!(tenant.delivered.is_empty() && tenant.reports.iter().all(|report| report.failure.is_none()));
}

#[test]
fn a_stream_that_is_off_cannot_be_asked_for() {
    let tenant = Tenant::new(World::new(), &[("fetch_security_audit_events", "false")]);
    let request = FetchRequest { streams: vec![Stream::SecurityAudits], ..ALL };
    let failure = tenant.host.run(|io| fetch_events(io, &tenant.settings, None, &request)).unwrap_err();
    assert_eq!(failure.code, Code::InvalidArgument);
}

#[test]
fn the_same_answers_clock_and_random_give_the_same_batch() {
    let run = || {
        let mut tenant = Tenant::new(three_streams(300, Span::secs(10)), &[]);
        tenant.drain(&FetchRequest { max_events: Some(40), ..ALL });
        tenant.stored.unwrap()
    };
    assert_eq!(run(), run());
}

fn a_world() -> impl Strategy<Value = World> {
    let event = (0..3_usize, 0..200_000_i64, prop_oneof![Just(0_i64), 0..500_i64]);
    (proptest::collection::vec(event, 0..400), any::<[bool; 5]>(), 1..60_usize, prop_oneof![1..30_i64, 1..100_000_i64])
        .prop_map(|(events, flags, page, granularity)| {
            let mut world = World {
                newest_first: flags[0],
                from_inclusive: flags[1],
                to_inclusive: flags[2],
                offset: flags[3],
                link_has_end: flags[4],
                page,
                ..World::new()
            };
            for (stream, ago, late) in events {
                // Ties: a few distinct times for many events.
                let created = START - Span::secs(ago / granularity * granularity);
                world.add(Stream::ALL[stream], created, created + Span::secs(late));
            }
            world
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn whatever_order_bounds_and_paging_each_event_comes_once(
        world in a_world(),
        max_events in 1..120_u32,
        seconds in 1..400_i64,
        fault_every in 0..12_u32,
    ) {
        let mut n = 0;
        let fault = move |sent: &Sent| {
            n += 1;
            let is_due = fault_every > 2 && n % fault_every == 0 && !sent.is_for_tokens();
            is_due.then(|| match n % 3 {
                0 => answer(500, ""),
                1 => Err(HttpError::Broken("reset".to_owned())),
                _ => answer(200, r#"{"items":["#),
            })
        };
        let mut tenant = Tenant::faulty(world, &[], Box::new(fault));
        let request = FetchRequest { max_events: Some(max_events), ..ALL };
        let mut watermarks: BTreeMap<Stream, Timestamp> = BTreeMap::new();
        for _ in 0..4_000 {
            let next = tenant.call(&request);
            for report in &tenant.reports {
                let (Some(watermark), Some(frontier)) = (report.watermark, report.frontier) else { continue };
                prop_assert!(watermark <= frontier && frontier <= tenant.host.now());
                let before = watermarks.insert(report.stream, watermark);
                prop_assert!(before.is_none_or(|before| before <= watermark), "the watermark went back");
            }
            match next {
                Next::Now => {}
                Next::NotBefore(time) => tenant.host.advance((time - tenant.host.now()).max(Span::ZERO)),
                Next::Idle if tenant.host.now() > START + Span::secs(1_200) => break,
                Next::Idle => tenant.host.advance(Span::secs(seconds)),
            }
        }
        tenant.check_each_once();
    }
}
