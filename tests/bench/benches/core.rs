//! The functions of the core that are run for every event, every page or every call, one by one.
//!
//! `cargo bench -p webex-bench`; one of them: `cargo bench -p webex-bench -- page`. What they come to together, and beside others,
//! says `cargo measure`.

#![allow(clippy::unwrap_used, reason = "a bench that cannot prepare has nothing to measure")]

use std::hint::black_box;

use cisco_webex_plugin::api::Api;
use cisco_webex_plugin::budget::{Budget, Spent};
use cisco_webex_plugin::effect::Response;
use cisco_webex_plugin::item::Identity;
use cisco_webex_plugin::last_run::{Kept, LastRun};
use cisco_webex_plugin::link;
use cisco_webex_plugin::oauth::tokens::{Stored as StoredTokens, Token, Tokens};
use cisco_webex_plugin::page::Page;
use cisco_webex_plugin::secret::{Revision, Secret, Versioned};
use cisco_webex_plugin::seen::{Seen, SeenId, SeenKey, Segment};
use cisco_webex_plugin::settings::{MessageText, Settings};
use cisco_webex_plugin::stream::{Stream, User};
use cisco_webex_plugin::time::{Span, Timestamp};
use cisco_webex_plugin::window::Window;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use url::Url;
use webex_bench::tenant::{Stamp, Template};

fn main() {
    divan::main();
}

/// 2026-02-01T00:00:00Z
const NOW: Timestamp = Timestamp::from_millis(1_769_904_000_000);
/// Items of a full page.
const ITEMS: u64 = 1_000;
/// Ids of a busy stream.
const IDS: u64 = 100_000;
/// Ids of one stretch.
const IDS_OF_A_STRETCH: u64 = 10_000;

/// A full page of items of about a kilobyte.
fn page() -> Response {
    let template = Template::of(Stream::Events);
    let mut body = b"{\"items\":[".to_vec();
    let mut stamp = Stamp::default();
    for number in 0..ITEMS {
        if number > 0 {
            body.push(b',');
        }
        stamp.set(NOW.as_millis().saturating_add_unsigned(number));
        template.write(0, number, &stamp, &mut body);
    }
    body.extend_from_slice(b"]}");
    Response { status: 200, headers: Vec::new(), body }
}

fn counted<'a, 'b>(bencher: Bencher<'a, 'b>, page: &Response) -> Bencher<'a, 'b> {
    bencher.counter(BytesCount::of_slice(&page.body)).counter(ItemsCount::new(ITEMS))
}

/// Where its items begin and end, and their members that matter.
#[divan::bench]
fn page_read(bencher: Bencher<'_, '_>) {
    let page = page();
    counted(bencher, &page).bench_local(|| Page::read(black_box(&page)).unwrap().items.len());
}

/// That, and identity and time of each.
#[divan::bench]
fn page_read_and_facts(bencher: Bencher<'_, '_>) {
    let page = page();
    counted(bencher, &page).bench_local(|| {
        let read = Page::read(black_box(&page)).unwrap();
        read.items.iter().filter(|item| item.facts().created.is_some()).count()
    });
}

/// That, and the line of each: all that is done for an event but the seen set.
#[divan::bench]
fn page_read_facts_and_lines(bencher: Bencher<'_, '_>) {
    let page = page();
    counted(bencher, &page).bench_local(|| {
        let read = Page::read(black_box(&page)).unwrap();
        let line =
            |item: &cisco_webex_plugin::item::Item<'_>| item.facts().line(Stream::Events, MessageText::Keep).text;
        read.items.iter().map(|item| line(item).len()).sum::<usize>()
    });
}

/// The hash of an item's identity.
#[divan::bench]
fn seen_hash(bencher: Bencher<'_, '_>) {
    let page = page();
    let read = Page::read(&page).unwrap();
    let facts: Vec<_> = read.items.iter().map(|item| item.facts()).collect();
    let identities: Vec<&Identity<'_>> = facts.iter().map(|facts| &facts.identity).collect();
    let key = SeenKey([7; 16]);
    bencher.counter(ItemsCount::new(ITEMS)).bench_local(|| {
        identities.iter().fold(0, |sum: u64, identity| sum.wrapping_add(key.id(Stream::Events, None, identity).0))
    });
}

/// Ids as they come of a keyed hash.
fn ids(count: u64) -> impl Iterator<Item = u64> {
    (0..count).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A page of new ids beside those of a busy stream.
#[divan::bench]
fn seen_insert(bencher: Bencher<'_, '_>) {
    let seen = seen();
    let window = Window::over(NOW - Span::secs(3_600), NOW);
    let interval = window.pending().first().unwrap();
    bencher.counter(ItemsCount::new(ITEMS)).with_inputs(|| seen.clone()).bench_local_refs(|seen| {
        for id in ids(IDS + ITEMS).skip(usize::try_from(IDS).unwrap()) {
            black_box(seen.insert(SeenId(id), Some(NOW - Span::secs(60)), interval, None));
        }
    });
}

/// A page of ids that were all met before.
#[divan::bench]
fn seen_contains(bencher: Bencher<'_, '_>) {
    let seen = seen();
    bencher
        .counter(ItemsCount::new(ITEMS))
        .bench_local(|| ids(ITEMS).filter(|id| seen.contains(black_box(SeenId(*id)))).count());
}

fn segments() -> Vec<Segment> {
    let all: Vec<u64> = ids(IDS).collect();
    let stretch = |(index, ids): (usize, &[u64])| {
        let from = NOW - Span::secs(60 * i64::try_from(index + 1).unwrap());
        Segment::open(from, from + Span::secs(60), ids.to_vec())
    };
    all.chunks(usize::try_from(IDS_OF_A_STRETCH).unwrap()).enumerate().map(stretch).collect()
}

fn seen() -> Seen {
    let mut seen = Seen::from_segments(segments(), 0, Kept::default());
    seen.open(|_, _| true).unwrap();
    seen
}

/// The next link of a page.
#[divan::bench]
fn link_next(bencher: Bencher<'_, '_>) {
    let api = Api::parse("https://webexapis.com").unwrap();
    let request = Url::parse("https://webexapis.com/v1/events?from=2026-01-31T23%3A00%3A00.000Z&max=1000").unwrap();
    let header = r#"<https://webexapis.com/v1/events?from=2026-01-31T23%3A00%3A00.000Z&to=2026-02-01T00%3A00%3A00.000Z&max=1000&cursor=bGltaXQ9MTAwMCZzdGFydFRpbWU9MjAyNi0wMS0zMVQyMzowMDowMC4wMDBa>; rel="next""#;
    bencher.bench_local(|| link::next([black_box(header)].into_iter(), &request, &api).unwrap());
}

/// May a request go, and that one went, with those of a busy minute to look at.
#[divan::bench]
fn budget_wait_and_spend(bencher: Bencher<'_, '_>) {
    let busy = Budget::of_fetch(300, Spent::default());
    for second in 0..60 {
        for _ in 0..4 {
            busy.spend(NOW + Span::secs(second));
        }
    }
    let now = NOW + Span::secs(59);
    let stored = busy.stored(now);
    bencher.with_inputs(|| Budget::of_fetch(300, stored.clone())).bench_local_refs(|budget| {
        let wait = budget.wait(black_box(now));
        budget.spend(now);
        wait
    });
}

fn settings() -> Settings {
    let pairs = [
        ("base_url", "https://webexapis.com"),
        ("admin_credentials", "C1"),
        ("compliance_officer_credentials", "C2"),
        ("admin_org_id", "org"),
    ];
    Settings::parse(pairs.map(|(name, value)| (name.to_owned(), value.to_owned()))).unwrap()
}

/// A state whose ids were met in this call.
fn last_run(settings: &Settings) -> LastRun {
    let mut last_run = LastRun::begin(settings, NOW, [7; 16]);
    last_run.prepare(Stream::Events, settings, NOW);
    last_run.streams.get_mut(&Stream::Events).unwrap().seen = Seen::from_segments(segments(), 0, Kept::default());
    last_run
}

/// What a call stores whose 100,000 ids are all new.
#[divan::bench]
fn last_run_write(bencher: Bencher<'_, '_>) {
    let settings = settings();
    let last_run = last_run(&settings);
    bencher.counter(ItemsCount::new(IDS)).with_inputs(|| last_run.clone()).bench_local_values(LastRun::write);
}

/// What a call reads, with all of 100,000 ids unpacked.
#[divan::bench]
fn last_run_read(bencher: Bencher<'_, '_>) {
    let settings = settings();
    let stored = last_run(&settings).write();
    bencher
        .counter(ItemsCount::new(IDS))
        .with_inputs(|| stored.clone())
        .bench_local_values(|stored| LastRun::read(Some(stored), &settings, NOW, [7; 16]).unwrap().checked().unwrap());
}

/// What a call reads and stores again that meets none of the 100,000 ids: they pass through packed.
#[divan::bench]
fn last_run_pass_through(bencher: Bencher<'_, '_>) {
    let settings = settings();
    let stored = last_run(&settings).write();
    bencher
        .counter(ItemsCount::new(IDS))
        .with_inputs(|| stored.clone())
        .bench_local_values(|stored| LastRun::read(Some(stored), &settings, NOW, [7; 16]).unwrap().write());
}

/// A user's tokens to their stored form and back, as each call does it once or twice.
#[divan::bench]
fn tokens_write_and_read(bencher: Bencher<'_, '_>) {
    let settings = settings();
    let integration = settings.integration(User::Admin).unwrap();
    let token = |name: &str| Token { value: Secret::new(name.repeat(8)), expires: Some(NOW + Span::days(14)) };
    let tokens = Tokens {
        access: Some(token("fake-access-")),
        refresh: Some(token("fake-refresh-")),
        ..Tokens::none(&settings.api, integration, NOW)
    };
    bencher.bench_local(|| {
        let value = black_box(&tokens).to_secret();
        let stored = Some(Versioned { value, revision: Revision("1".to_owned()) });
        StoredTokens::read(User::Admin, stored).unwrap()
    });
}
