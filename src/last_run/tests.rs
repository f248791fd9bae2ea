//! The state as a whole; what its stored form keeps is in `form`.

use std::sync::Mutex;

use super::*;
use crate::item::Identity;

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

pub(super) fn settings(more: &[(&str, &str)]) -> Settings {
    let base = [("admin_credentials", "C1"), ("compliance_officer_credentials", "C2"), ("admin_org_id", "org-1")];
    let pairs = base.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::parse(pairs).unwrap()
}

fn begins(last_run: &LastRun, stream: Stream) -> Timestamp {
    last_run.streams[&stream].lanes.iter().map(|lane| lane.window.watermark()).min().unwrap()
}

fn window(from: i64, to: i64) -> Window {
    Window::over(NOW + Span::secs(from), NOW + Span::secs(to))
}

/// A state in which every field says something.
pub(super) fn full() -> LastRun {
    let mut last_run = LastRun::begin(&settings(&[]), NOW, [9; 16]);
    let lumps = [crate::budget::Lump::of(NOW, 3)].into();
    let told = Some(crate::budget::Told::of(NOW + Span::secs(60), 2));
    let spent = Spent { rate: Some(250), learned: Some(NOW - Span::secs(5)), lumps, told };
    *last_run.user(User::Admin) = UserState { not_before: Some(NOW + Span::secs(60)), spent };
    for stream in Stream::ALL {
        last_run.prepare(stream, &settings(&[("fetch_security_audit_events", "true")]), NOW);
        let state = last_run.streams.get_mut(&stream).unwrap();
        state.faults = 2;
        state.not_before = Some(NOW + Span::secs(4));
        let lane = &mut state.lanes[0];
        // As long as they were at first when the golden files were written.
        lane.window = lane.window.clone().with_slices_of(Span::days(1));
        lane.window.take_up(NOW, lane.window.frontier());
        lane.window.prove(None);
        let newest = lane.window.cut_newest(0);
        let cursor = crate::window::Cursor {
            link: "https://webexapis.com/v1/events?cursor=abc".to_owned(),
            asked: (NOW, NOW + Span::secs(1)),
            visited: vec![1, u64::MAX],
            empty: 3,
            after_short: false,
        };
        lane.window.advance(newest, cursor);
        lane.window.quarantine(0, NOW, "not-understood");
        lane.window.ask_for_less(0);
        lane.window.note_full_page(200);
        lane.re_read = Some(window(-1_000, -500).with_slices_of(Span::days(1)));
        let interval = lane.window.interval(newest).unwrap().clone();
        let count = if stream == Stream::Events { 5_000_u64 } else { 3 };
        for id in 0..count {
            let id = last_run.key.id(stream, None, &Identity::Text(id.to_string().into()));
            state.seen.insert(id, None, &interval, None);
        }
    }
    last_run
}

fn read(stored: &Stored, more: &[(&str, &str)]) -> Result<LastRun, LastRunError> {
    LastRun::read(Some(stored.clone()), &settings(more), NOW, [0; 16])?.checked()
}

#[test]
fn what_is_written_is_read_back() {
    let last_run = full();
    let stored = last_run.clone().write();
    assert_eq!(read(&stored, &[]).unwrap(), last_run);
    assert!(stored.head.len() < 8_192, "{}", stored.head.len());
    assert!(
        stored
            .parts
            .iter()
            .all(|(name, body)| { name.len() <= 64 && body.as_ref().is_some_and(|body| body.len() <= 65_536) })
    );
}

#[test]
fn a_part_is_named_by_its_content_and_an_unchanged_one_stays() {
    let mut last_run = full();
    let before = last_run.clone().write();
    let state = last_run.streams.get_mut(&Stream::Events).unwrap();
    let interval = state.lanes[0].window.interval(1).unwrap().clone();
    state.seen.insert(crate::seen::SeenId(42), None, &interval, None);
    let after = last_run.write();
    let kept = after.parts.iter().filter(|part| before.parts.contains(part)).count();
    assert_eq!((before.parts.len(), after.parts.len(), kept), (2, 2, 1));
}

#[test]
fn ids_that_nobody_looks_at_pass_through_a_call_without_a_copy() {
    let stored = full().write();
    let texts = |stored: &Stored| {
        let part =
            |(name, body): &(String, Option<String>)| (name.clone(), body.as_ref().map(|body| body.as_ptr() as usize));
        stored.parts.iter().map(part).collect::<BTreeMap<_, _>>()
    };
    let before = texts(&stored);
    let after = LastRun::read(Some(stored), &settings(&[]), NOW, [0; 16]).unwrap().write();
    assert_eq!(texts(&after), before);
}

/// The same as a host hands it over that keeps texts; and how often each was asked for.
fn by_names(stored: &Stored) -> (Stored, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (texts, noted): (BTreeMap<_, _>, _) = (stored.parts.iter().cloned().collect(), Arc::clone(&asked));
    let kept = Kept::by(move |name| {
        noted.lock().unwrap().push(name.to_owned());
        texts.get(name).cloned().flatten()
    });
    let parts = stored.parts.iter().map(|(name, _)| (name.clone(), None)).collect();
    (Stored { head: stored.head.clone(), parts, kept }, asked)
}

#[test]
fn a_part_without_its_text_goes_out_as_it_came_and_is_asked_for_only_if_it_is_needed() {
    let stored = full().write();
    let (names, asked) = by_names(&stored);
    let mut last_run = LastRun::read(Some(names.clone()), &settings(&[]), NOW, [0; 16]).unwrap();
    assert_eq!(last_run.clone().write(), names);
    assert_eq!(*asked.lock().unwrap(), Vec::<String>::new());
    last_run.streams.values_mut().for_each(|state| state.open(Span::ZERO).unwrap());
    assert_eq!(asked.lock().unwrap().len(), stored.parts.len());
    assert_eq!(last_run.write(), names);
    assert_eq!(read(&names, &[]).unwrap(), full());
}

#[test]
fn a_head_that_does_not_count_its_parts_is_read_with_their_texts() {
    let stored = full().write();
    let (mut names, asked) = by_names(&stored);
    for count in [4_096, 904] {
        names.head = names.head.replace(&format!(",\"count\":{count}"), "");
    }
    assert!(!names.head.contains("\"count\""));
    assert_eq!(read(&names, &[]).unwrap(), full());
    assert!(asked.lock().unwrap().len() >= stored.parts.len());
}

#[test]
fn a_part_that_stands_in_two_stretches_is_read_for_both() {
    let mut stored = full().write();
    let mut head: serde_json::Value = serde_json::from_str(&stored.head).unwrap();
    let seen = head["streams"]["events"]["seen"].as_array_mut().unwrap();
    let again = seen.iter().find(|segment| segment.get("part").is_some()).unwrap().clone();
    seen.push(again);
    stored.head = head.to_string();
    let (once, twice) = (full(), read(&stored, &[]).unwrap());
    let count = |last_run: &LastRun| last_run.streams[&Stream::Events].seen.segments().len();
    assert_eq!(count(&twice), count(&once) + 1);
}

fn error(stored: &Stored, more: &[(&str, &str)]) -> Failure {
    read(stored, more).unwrap_err().into()
}

#[test]
fn ids_that_cannot_be_listed_pass_through_unread_and_few_stay_few() {
    let (overlap, remember) = (Span::secs(600), Span::days(1));
    let mut last_run = LastRun::begin(&settings(&[("first_fetch", "0s")]), NOW, [9; 16]);
    last_run.prepare(Stream::Events, &settings(&[("first_fetch", "0s")]), NOW);
    let mut id = 0;
    for minute in 1..=1_500 {
        let state = last_run.streams.get_mut(&Stream::Events).unwrap();
        state.open(overlap).unwrap();
        let window = &mut state.lanes[0].window;
        let again = window.overlap_begins(overlap, None);
        let from = window.take_up(NOW + Span::secs(60 * minute), again).unwrap();
        window.prove(None);
        window.settle(overlap, from);
        let interval = window.interval(0).unwrap().clone();
        window.drained(0, crate::window::Density::Sparse);
        for _ in 0..40 {
            id += 1;
            state.seen.insert(crate::seen::SeenId(id), None, &interval, Some(overlap));
        }
        state.forget(overlap, remember);
        let stored = last_run.write();
        assert!(stored.head.len() < 16_384 && stored.parts.len() < 64, "{} {}", stored.head.len(), stored.parts.len());
        last_run = LastRun::read(Some(stored), &settings(&[]), NOW, [0; 16]).unwrap();
    }
    let state = last_run.streams.get_mut(&Stream::Events).unwrap();
    state.open(overlap).unwrap();
    assert!((57_600..61_000).contains(&state.seen.len()), "a day and an hour at most: {}", state.seen.len());
    let now = NOW + Span::secs(60 * 1_500);
    assert_eq!(state.remembered, Some(now - remember));
    assert!(!state.seen.contains(crate::seen::SeenId(30_000)), "nothing of that time can be listed");
    assert!(state.seen.contains(crate::seen::SeenId(id - 400)));
    state.lanes[0].re_read = Some(Window::over(now - remember, now));
    state.open(overlap).unwrap();
    assert!(state.seen.contains(crate::seen::SeenId(30_000)), "now it can");
}

#[test]
fn a_state_of_another_origin_or_organization_is_refused() {
    let stored = full().write();
    assert_eq!(error(&stored, &[("base_url", "https://api-usgov.webex.com")]).code, Code::ForeignLastRun);
    assert_eq!(error(&stored, &[("admin_org_id", "org-2")]).code, Code::ForeignLastRun);
}

#[test]
fn a_damaged_or_newer_state_is_refused_and_never_begins_anew() {
    let stored = full().write();
    let mut damaged = vec![String::new(), "{}".to_owned(), "null".to_owned(), "[]".to_owned()];
    damaged.push(stored.head[..stored.head.len() / 2].to_owned());
    damaged.push(stored.head.replace("\"form\":2", "\"form\":99"));
    damaged.push(stored.head.replace("\"frontier\"", "\"Frontier\""));
    for head in damaged {
        let failure = error(&Stored { head: head.clone(), parts: stored.parts.clone(), kept: Kept::default() }, &[]);
        assert_eq!(failure.code, Code::CorruptLastRun, "{head}");
    }
    let mut missing = stored.clone();
    missing.parts.pop();
    assert_eq!(error(&missing, &[]).code, Code::CorruptLastRun);
    let mut changed = stored;
    changed.parts[0].1 = changed.parts[0].1.as_ref().map(|body| body.replacen('A', "B", 1));
    assert_eq!(error(&changed, &[]).code, Code::CorruptLastRun);
}

#[test]
fn a_first_fetch_begins_where_the_settings_say() {
    let mut last_run = LastRun::begin(&settings(&[]), NOW, [0; 16]);
    let gaps = last_run.prepare(Stream::AdminAudits, &settings(&[("first_fetch", "2 days")]), NOW);
    assert_eq!(begins(&last_run, Stream::AdminAudits), NOW - Span::days(2));
    assert!(gaps.is_empty());
}

#[test]
fn a_clock_that_was_ahead_before_anything_was_collected_leaves_nothing_out() {
    let more = [("first_fetch", "2 days"), ("events_resources", "messages,rooms")];
    let mut last_run = LastRun::begin(&settings(&[]), NOW + Span::secs(300), [0; 16]);
    last_run.prepare(Stream::Events, &settings(&more), NOW + Span::secs(300));
    last_run.prepare(Stream::Events, &settings(&more), NOW);
    let begun = |last_run: &LastRun| {
        last_run.streams[&Stream::Events].lanes.iter().map(|lane| lane.window.start()).collect::<Vec<_>>()
    };
    assert_eq!(begun(&last_run), [NOW - Span::days(2); 2]);
    last_run.prepare(Stream::Events, &settings(&more), NOW + Span::secs(60));
    assert_eq!(begun(&last_run), [NOW - Span::days(2); 2], "and never begins later than it once did");
    let window = &mut last_run.streams.get_mut(&Stream::Events).unwrap().lanes[0].window;
    window.take_up(NOW, NOW);
    last_run.prepare(Stream::Events, &settings(&more), NOW - Span::days(1));
    assert_eq!(begun(&last_run), [NOW - Span::days(2); 2], "what was begun stays");
}

#[test]
fn a_first_fetch_beyond_what_webex_serves_is_a_gap() {
    let mut last_run = LastRun::begin(&settings(&[]), NOW, [0; 16]);
    let gaps = last_run.prepare(Stream::AdminAudits, &settings(&[("first_fetch", "400 days")]), NOW);
    assert_eq!((gaps[0].from, gaps[0].to), (NOW - Span::days(400), NOW - Span::days(364)));
}

#[test]
fn a_stream_that_is_turned_on_late_is_a_gap() {
    let mut last_run = LastRun::begin(&settings(&[]), NOW - Span::days(30), [0; 16]);
    let gaps = last_run.prepare(Stream::SecurityAudits, &settings(&[]), NOW);
    assert_eq!((gaps[0].from, gaps[0].to), (NOW - Span::days(30), NOW - Span::days(7)));
}

#[test]
fn a_resource_that_was_not_asked_for_before_is_a_gap() {
    let mut last_run = LastRun::begin(&settings(&[]), NOW, [0; 16]);
    let mut gaps = |resources: &str, now| {
        let gaps = last_run.prepare(Stream::Events, &settings(&[("events_resources", resources)]), now);
        let window = &mut last_run.streams.get_mut(&Stream::Events).unwrap().lanes[0].window;
        window.take_up(now, window.frontier());
        window.prove(None);
        gaps.len()
    };
    assert_eq!(gaps("messages", NOW), 0);
    assert_eq!(gaps("messages,rooms", NOW + Span::days(1)), 1);
    assert_eq!(gaps("messages,rooms", NOW + Span::days(2)), 0);
    assert_eq!(gaps("", NOW + Span::days(3)), 1);
    assert_eq!(gaps("tabs", NOW + Span::days(4)), 0);
}

#[test]
fn a_gap_is_kept_for_the_view_whoever_comes_upon_it() {
    let gaps_of = |last_run: &LastRun, stream| last_run.streams[&stream].lanes[0].window.gaps().to_vec();
    let mut last_run = LastRun::begin(&settings(&[]), NOW - Span::days(30), [0; 16]);
    last_run.prepare(Stream::SecurityAudits, &settings(&[]), NOW + Span::secs(300));
    last_run.prepare(Stream::SecurityAudits, &settings(&[]), NOW);
    let gaps = gaps_of(&last_run, Stream::SecurityAudits);
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((gaps[0].from, gaps[0].to), (NOW - Span::days(30), NOW - Span::days(7)), "the clock was set back");

    let of = |resources| settings(&[("events_resources", resources)]);
    last_run.prepare(Stream::Events, &of("messages"), NOW);
    let window = &mut last_run.streams.get_mut(&Stream::Events).unwrap().lanes[0].window;
    window.take_up(NOW, NOW);
    window.prove(None);
    let found = last_run.reset(Stream::Events, &of("rooms"), NOW - Span::days(1), NOW);
    assert!(found.iter().any(|gap| gap.reason == "rooms were not asked for"), "{found:?}");
    let kept = gaps_of(&last_run, Stream::Events);
    assert!(found.iter().all(|gap| kept.contains(gap)), "{found:?} {kept:?}");
    last_run.prepare(Stream::Events, &of("rooms,tabs"), NOW);
    last_run.prepare(Stream::Events, &settings(&[]), NOW);
    let later = gaps_of(&last_run, Stream::Events);
    assert!(kept.iter().all(|gap| later.contains(gap)), "{kept:?} {later:?}");
}

#[test]
fn a_position_of_the_cortex_collector_in_the_future_is_now() {
    let head = r#"{"admin_audits":{"since_datetime":"2099-01-01T00:00:00Z"}}"#;
    let stored = Stored { head: head.to_owned(), parts: Vec::new(), kept: Kept::default() };
    let last_run = LastRun::read(Some(stored), &settings(&[]), NOW, [0; 16]).unwrap();
    assert_eq!(begins(&last_run, Stream::AdminAudits), NOW);
}

#[test]
fn a_changed_list_of_resources_goes_on_where_the_old_one_stood() {
    let mut last_run = LastRun::begin(&settings(&[]), NOW, [0; 16]);
    last_run.prepare(Stream::Events, &settings(&[]), NOW);
    let before = begins(&last_run, Stream::Events);
    let later = NOW + Span::days(10);
    last_run.prepare(Stream::Events, &settings(&[("events_resources", "messages,rooms")]), later);
    assert_eq!(last_run.streams[&Stream::Events].lanes.len(), 2);
    assert_eq!(begins(&last_run, Stream::Events), before);
    last_run.prepare(Stream::Events, &settings(&[]), later);
    assert_eq!(begins(&last_run, Stream::Events), before);
}
