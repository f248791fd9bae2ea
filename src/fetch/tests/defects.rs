//! One world for each way in which collecting once went wrong.

use super::*;

fn events_only(request: FetchRequest) -> FetchRequest {
    FetchRequest { streams: vec![Stream::Events], ..request }
}

fn time(sent: &Sent, name: &str) -> Option<Timestamp> {
    Timestamp::parse_rfc3339(&sent.query(name)?)
}

/// Whether a request for events reaches over this time.
fn reaches(sent: &Sent, at: Timestamp) -> bool {
    sent.url.path() == "/v1/events"
        && time(sent, "from").is_some_and(|from| from <= at)
        && time(sent, "to").is_some_and(|to| at <= to)
}

fn step(tenant: &Tenant, span: Span) {
    tenant.host.advance(span);
    let behind = &mut tenant.world.borrow_mut().behind;
    *behind = *behind + span;
}

#[test]
fn a_full_tail_of_one_query_does_not_hide_that_of_another() {
    let mut tenant = Tenant::new(World::new(), &[("events_resources", "messages,rooms")]);
    tenant.drain(&ALL);
    for n in 0..18 {
        let created = START + Span::secs(10 + n);
        tenant.world.borrow_mut().add(Stream::Events, created, created);
    }
    tenant.host.advance(Span::secs(60));
    tenant.drain(&FetchRequest { max_events: Some(10), ..ALL });
    tenant.check_each_once();
}

#[test]
fn a_query_that_is_refused_does_not_keep_the_others_from_being_read() {
    let fault =
        |sent: &Sent| (sent.query("resource")? == "messages").then(|| answer(403, r#"{"message":"no licence"}"#));
    let mut tenant =
        Tenant::faulty(three_streams(100, Span::secs(600)), &[("events_resources", "messages,rooms")], Box::new(fault));
    tenant.drain(&FetchRequest { max_events: Some(20), ..ALL });
    assert_eq!(tenant.reports[2].failure.as_ref().map(|failure| failure.code), Some(Code::Refused));
    tenant.world.borrow_mut().events.get_mut(&Stream::Events).unwrap().retain(|event| event.resource() == "rooms");
    tenant.check_each_once();
}

#[test]
fn a_longer_overlap_brings_nothing_twice() {
    let mut tenant = Tenant::new(World::new(), &[("overlap", "2m")]);
    for minute in 0..180 {
        for stream in Stream::ALL {
            let created = START + Span::secs(60 * minute);
            tenant.world.borrow_mut().add(stream, created, created);
        }
    }
    for minute in 0..200 {
        if minute == 120 {
            tenant.settings = settings(&[("overlap", "1h")]);
        }
        tenant.drain(&ALL);
        tenant.host.advance(Span::secs(60));
    }
    tenant.check_each_once();
}

#[test]
fn another_list_of_resources_does_not_forget_what_was_to_be_read_again() {
    let mut tenant = Tenant::new(World::new(), &[("overlap", "2days")]);
    tenant.drain(&ALL);
    let created = tenant.state().streams[&Stream::Events].frontier().unwrap() - Span::days(2) + Span::secs(40);
    tenant.world.borrow_mut().add(Stream::Events, created, created + Span::days(2) - Span::secs(1));
    tenant.host.advance(Span::secs(50));
    let world = Rc::clone(&tenant.world);
    tenant.host.webex(move |sent| {
        let length = time(sent, "to").zip(time(sent, "from")).map(|(to, from)| to - from);
        let is_long = length.is_some_and(|length| length > Span::days(1) + Span::secs(3_600));
        if is_long { answer(504, "") } else { world.borrow().answer(sent) }
    });
    tenant.host.stop_after(Some(3));
    tenant.call(&events_only(ALL));
    tenant.host.stop_after(None);
    assert_eq!(tenant.reports[0].pending, 1, "what was read once is to be read again");
    tenant.settings = settings(&[("overlap", "2days"), ("events_resources", "messages,rooms")]);
    tenant.host.advance(Span::secs(600));
    tenant.drain(&ALL);
    tenant.check_each_once();
}

#[test]
fn a_clock_that_was_a_year_ahead_for_one_call_loses_nothing() {
    let mut tenant = Tenant::new(three_streams(100, Span::secs(3_600)), &[]);
    let world = Rc::clone(&tenant.world);
    tenant.host.webex(move |sent| {
        let body = r#"{"access_token":"good","expires_in":99999999,"refresh_token":"refresh","token_type":"Bearer"}"#;
        if sent.is_for_tokens() { answer(200, body) } else { world.borrow().answer(sent) }
    });
    tenant.call(&FetchRequest { max_events: Some(5), ..ALL });
    step(&tenant, Span::days(400));
    tenant.call(&FetchRequest { max_events: Some(5), ..ALL });
    let gaps: Vec<_> = tenant.reports.iter().flat_map(|report| report.gaps.clone()).collect();
    assert!(gaps.is_empty(), "{gaps:?}");
    step(&tenant, Span::ZERO - Span::days(400));
    tenant.drain(&ALL);
    tenant.check_each_once();
}

#[test]
fn a_first_call_with_a_clock_that_is_ahead_begins_by_the_origins() {
    for first_fetch in ["0s", "10m"] {
        let mut tenant = Tenant::new(World::new(), &[("first_fetch", first_fetch)]);
        step(&tenant, Span::secs(3_600));
        tenant.call(&ALL);
        for _ in 0..12 {
            let origin = tenant.host.now() - tenant.world.borrow().behind + Span::secs(60);
            for stream in Stream::ALL {
                tenant.world.borrow_mut().add(stream, origin, origin);
            }
            tenant.host.advance(Span::secs(360));
            tenant.call(&ALL);
            let origin = tenant.host.now() - tenant.world.borrow().behind;
            assert!(tenant.reports.iter().all(|r| r.frontier.unwrap() <= origin), "F passed the origin's clock");
        }
        tenant.drain(&ALL);
        tenant.check_each_once();
    }
}

#[test]
fn a_beginning_that_a_wrong_clock_has_set_is_put_right_with_the_clock() {
    let mut tenant = Tenant::new(three_streams(100, Span::secs(60)), &[("first_fetch", "1h")]);
    step(&tenant, Span::days(30));
    tenant.host.webex(|_| Err(HttpError::Broken("no network yet".to_owned())));
    tenant.call(&ALL);
    let world = Rc::clone(&tenant.world);
    tenant.host.webex(move |sent| world.borrow().answer(sent));
    step(&tenant, Span::ZERO - Span::days(30));
    tenant.drain(&ALL);
    tenant.check_each_once();
}

#[test]
fn reading_again_to_a_time_in_the_future_is_refused_and_to_now_ends() {
    let mut tenant = Tenant::new(three_streams(700, Span::secs(5_000)), &[]);
    tenant.drain(&ALL);
    let range = (START - Span::days(6), START + Span::days(900));
    let request = FetchRequest { re_read: Some(again(range.0, range.1)), max_events: Some(50), ..ALL };
    let (settings, stored) = (tenant.settings.clone(), tenant.stored.clone());
    let failure = tenant.host.run(|io| fetch_events(io, &settings, stored, &request)).unwrap_err();
    assert_eq!(failure.code, Code::InvalidArgument);
    let request = FetchRequest { re_read: Some(again(range.0, START)), ..request };
    let calls = (1..).take_while(|_| tenant.call(&request) != Next::Idle).take(200).count();
    assert!(calls < 100, "it does not end");
    assert!(tenant.delivered.values().all(|count| *count <= 2), "again and again");
}

#[test]
fn reading_again_ends_though_streams_are_through_at_different_times() {
    let world = World::new()
        .with_backlog(Stream::AdminAudits, 20, Span::secs(5_000))
        .with_backlog(Stream::SecurityAudits, 130, Span::secs(5_000))
        .with_backlog(Stream::Events, 700, Span::secs(5_000));
    let mut tenant = Tenant::new(world, &[]);
    tenant.drain(&ALL);
    let again = again(START - Span::days(6), START);
    let request = FetchRequest { re_read: Some(again), max_events: Some(50), ..ALL };
    tenant.drain(&request);
    assert!(tenant.delivered.values().all(|count| *count <= 2), "again and again");
    // By another request, and not by the same call: the same stretch once more.
    let before: u32 = tenant.delivered.values().sum();
    tenant.drain(&request);
    assert!(tenant.delivered.values().sum::<u32>() > before);
}

#[test]
fn reading_again_says_what_could_not_be_read() {
    let poison = START - Span::days(3);
    let mut tenant = Tenant::new(three_streams(200, Span::secs(7_200)), &[]);
    tenant.drain(&ALL);
    let world = Rc::clone(&tenant.world);
    tenant.host.webex(move |sent| {
        if reaches(sent, poison) { answer(200, r#"{"items":[{"id"#) } else { world.borrow().answer(sent) }
    });
    let range = (poison - Span::secs(60), poison + Span::secs(60));
    let request = events_only(FetchRequest { re_read: Some(again(range.0, range.1)), ..ALL });
    let last = (0..50).map(|_| tenant.call(&request)).find(|next| *next != Next::Now);
    assert!(matches!(last, Some(Next::NotBefore(_))), "{last:?}");
    assert_eq!(tenant.reports[0].failure.as_ref().map(|failure| failure.code), Some(Code::NotUnderstood));
    let world = Rc::clone(&tenant.world);
    tenant.host.webex(move |sent| world.borrow().answer(sent));
    tenant.drain(&request);
    assert!(tenant.reports[0].failure.is_none());
}

#[test]
fn reading_again_what_webex_serves_no_more_is_a_gap_and_ends() {
    let mut tenant = Tenant::new(three_streams(20, Span::secs(600)), &[]);
    tenant.drain(&ALL);
    let world = Rc::clone(&tenant.world);
    tenant.host.webex(move |sent| {
        let start = time(sent, "from").or_else(|| time(sent, "startTime"));
        let is_old = start.is_some_and(|from| from < sent.at - Span::days(365));
        if is_old { answer(400, "more than a year") } else { world.borrow().answer(sent) }
    });
    let range = (START - Span::days(500), START - Span::days(300));
    let request = FetchRequest { re_read: Some(again(range.0, range.1)), streams: vec![Stream::AdminAudits], ..ALL };
    let mut gaps = Vec::new();
    for _ in 0..50 {
        let next = tenant.call(&request);
        gaps.extend(tenant.reports[0].gaps.clone());
        if next == Next::Idle {
            break;
        }
    }
    assert_eq!(tenant.reports[0].failure, None);
    assert_eq!((gaps.len(), gaps[0].from), (1, range.0));
}

#[test]
fn a_refusal_of_old_events_that_lasts_ends_the_call() {
    // It reaches back less than its own text says.
    let fault = |sent: &Sent| {
        let text = r#"{"message":"error = 'User is only authorized to search within past 90 days.'"}"#;
        let is_old = time(sent, "from").is_some_and(|from| from < sent.at - Span::days(80));
        (sent.url.path() == "/v1/events" && is_old).then(|| answer(403, text))
    };
    let mut tenant = Tenant::faulty(World::new(), &[("first_fetch", "200 days")], Box::new(fault));
    tenant.call(&events_only(ALL));
    assert!(tenant.host.sent().len() < 60, "{} requests", tenant.host.sent().len());
    assert!(tenant.reports[0].gaps.len() < 3, "{:?}", tenant.reports[0].gaps.len());
    assert_eq!(tenant.reports[0].failure.as_ref().map(|failure| failure.code), Some(Code::NotUnderstood));
}

#[test]
fn a_wait_that_a_wrong_clock_has_set_is_not_obeyed_for_ever() {
    for (status, kind) in [(429, Code::RateLimited), (500, Code::Unavailable)] {
        let mut tenant = Tenant::new(three_streams(10, Span::secs(600)), &[]);
        step(&tenant, Span::days(300));
        let world = Rc::clone(&tenant.world);
        tenant.host.webex(
            move |sent| {
                if sent.is_for_tokens() { world.borrow().answer(sent) } else { answer(status, "") }
            },
        );
        tenant.call(&ALL);
        assert_eq!(tenant.reports[0].failure.as_ref().unwrap().code, kind);
        let world = Rc::clone(&tenant.world);
        tenant.host.webex(move |sent| world.borrow().answer(sent));
        step(&tenant, Span::ZERO - Span::days(300));
        for _ in 0..10 {
            tenant.host.advance(Span::days(1).quarter());
            tenant.call(&ALL);
        }
        assert_eq!(tenant.reports[0].failure, None);
        tenant.check_each_once();
    }
}

#[test]
fn an_overlap_that_takes_longer_to_read_than_a_cycle_does_not_pile_up() {
    let mut tenant = Tenant::new(World::new(), &[("overlap", "2days")]);
    tenant.world.borrow_mut().page = 1;
    for n in 0..640 {
        let created = START + Span::secs(325 * (n - 530));
        tenant.world.borrow_mut().add(Stream::AdminAudits, created, created);
    }
    let request = FetchRequest { streams: vec![Stream::AdminAudits], ..ALL };
    tenant.host.latency(Span::millis(300));
    let mut most = 0;
    while tenant.host.now() < START + Span::secs(3_600) {
        if tenant.call(&request) == Next::Idle {
            tenant.host.advance(Span::secs(60));
        }
        most = most.max(tenant.reports[0].pending);
    }
    assert!(most < 50, "up to {most} intervals");
    let behind = tenant.host.now() - tenant.reports[0].watermark.unwrap();
    assert!(behind < Span::secs(300), "new events wait {behind}");
}

#[test]
fn a_server_error_of_one_stretch_does_not_keep_the_rest_of_the_backlog_waiting() {
    for timeout in [false, true] {
        let poison = START - Span::days(5);
        let fault = move |sent: &Sent| {
            reaches(sent, poison).then(|| if timeout { Err(HttpError::Timeout) } else { answer(500, "") })
        };
        let mut tenant = Tenant::faulty(three_streams(200, Span::secs(7_200)), &[], Box::new(fault));
        for _ in 0..60 {
            tenant.call(&ALL);
            tenant.host.advance(Span::secs(60));
        }
        let missing = tenant.world.borrow().events[&Stream::Events].len()
            - tenant.delivered.keys().filter(|id| id.starts_with("events:")).count();
        assert!(missing < 15, "{missing} events wait behind the stretch");
    }
}

#[test]
fn many_events_in_one_second_are_collected_with_the_smallest_limit() {
    let mut world = World::new();
    world.page = 1_000;
    for n in 0..2_500 {
        let created = START - Span::secs(100) + Span::millis(n / 5_000);
        world.add(Stream::Events, created, created);
    }
    let mut tenant = Tenant::new(world, &[("first_fetch", "1h")]);
    let request = events_only(FetchRequest { max_events: Some(2), ..ALL });
    for _ in 0..2_000 {
        if let Next::NotBefore(time) = tenant.call(&request) {
            tenant.host.advance(time - tenant.host.now());
        }
    }
    tenant.check_each_once();
}

#[test]
fn the_smallest_budget_is_no_reason_to_say_that_all_is_done() {
    let mut tenant = Tenant::new(three_streams(10, Span::secs(60)), &[]);
    let request = FetchRequest { budget: Some(Span::millis(1)), ..ALL };
    assert_eq!(tenant.call(&request), Next::Now);
}

#[test]
fn an_error_that_comes_as_a_success_is_no_last_page() {
    let mut n = 0;
    let fault = move |sent: &Sent| {
        n += u32::from(!sent.is_for_tokens());
        let body = r#"{"message":"backend failed","errors":[{"description":"backend failed"}],"trackingId":"T_1"}"#;
        (n % 3 == 1).then(|| answer(200, body))
    };
    let mut tenant = Tenant::faulty(three_streams(100, Span::secs(60)), &[("overlap", "1s")], Box::new(fault));
    tenant.drain(&ALL);
    tenant.check_each_once();
}

#[test]
fn a_second_of_huge_items_is_read_in_smaller_pages() {
    let fault = |sent: &Sent| {
        let max: usize = sent.query("max")?.parse().unwrap();
        (reaches(sent, START - Span::secs(30)) && max > 10).then_some(Err(HttpError::TooLarge))
    };
    let mut world = World::new();
    for _ in 0..60 {
        world.add(Stream::Events, START - Span::secs(30), START);
    }
    let mut tenant = Tenant::faulty(world, &[("first_fetch", "1m")], Box::new(fault));
    for _ in 0..400 {
        if let Next::NotBefore(time) = tenant.call(&events_only(ALL)) {
            tenant.host.advance(time - tenant.host.now());
        }
    }
    tenant.check_each_once();
}

#[test]
fn a_tail_that_nobody_answers_is_a_failure_and_not_the_end() {
    let fault = |sent: &Sent| (sent.url.path() == "/v1/events").then_some(Err(HttpError::TooLarge));
    let mut tenant = Tenant::faulty(World::new(), &[("first_fetch", "1m")], Box::new(fault));
    let nexts: Vec<_> = (0..5).map(|_| tenant.call(&events_only(ALL))).collect();
    assert!(!nexts.contains(&Next::Idle), "{nexts:?}");
    assert_eq!(tenant.reports[0].failure.as_ref().map(|failure| failure.code), Some(Code::Unavailable));
}

#[test]
fn an_outage_that_answers_with_web_pages_is_no_storm_and_is_over_soon() {
    let until = START + Span::secs(3 * 3_600);
    let fault = move |sent: &Sent| {
        (sent.at > START + Span::secs(600) && sent.at < until && !sent.is_for_tokens())
            .then(|| answer(200, "<html>maintenance</html>"))
    };
    let mut tenant = Tenant::faulty(three_streams(100, Span::secs(60)), &[], Box::new(fault));
    tenant.drain(&ALL);
    tenant.host.advance(Span::secs(600));
    let before = tenant.host.sent().len();
    for _ in 0..20_000 {
        if tenant.host.now() > until {
            break;
        }
        match tenant.call(&ALL) {
            Next::Now => {}
            Next::NotBefore(time) => tenant.host.advance((time - tenant.host.now()).min(Span::secs(60))),
            Next::Idle => tenant.host.advance(Span::secs(60)),
        }
    }
    let requests = tenant.host.sent().len() - before;
    assert!(requests < 3_000, "{requests} requests");
    let started = tenant.host.now();
    tenant.drain(&ALL);
    assert!(tenant.host.now() - started < Span::secs(3_600), "it took {}", tenant.host.now() - started);
}

/// A server whose lists end with an empty page; and a call that breaks off right before it, each time.
#[test]
fn an_empty_last_page_that_each_call_comes_to_anew_is_the_end_at_last() {
    let mut world = World::new();
    for n in 0..7 {
        let created = START - Span::secs(3_000 + n);
        world.add(Stream::AdminAudits, created, created);
    }
    let mut tenant = Tenant::new(world, &[("first_fetch", "1 day")]);
    let world = Rc::clone(&tenant.world);
    tenant.host.webex(move |sent| {
        let answer = world.borrow().answer(sent);
        // One page holds all; it has a link all the same, to an empty one.
        if sent.is_for_tokens() || sent.query("offset").is_some() {
            return answer;
        }
        let mut next = sent.url.clone();
        next.query_pairs_mut().append_pair("offset", "7");
        with_header(answer, "link", &format!("<{next}>; rel=\"next\""))
    });
    tenant.world.borrow_mut().offset = true;
    let request = FetchRequest { streams: vec![Stream::AdminAudits], ..ALL };
    for call in 0.. {
        assert!(call < 400, "it does not end: {:?}", tenant.reports);
        // One request, and a second one where the first brought nothing.
        tenant.host.stop_after(Some(2));
        tenant.call(&request);
        tenant.host.stop_after(None);
        if tenant.reports[0].pending == 0
            && tenant.reports[0].watermark.is_some_and(|time| time > START - Span::secs(60))
        {
            break;
        }
        tenant.host.advance(Span::secs(1));
    }
    tenant.check_each_once();
}

/// A link that is over is answered like the end of the list.
fn dead_links_look_like_the_end(tenant: &Tenant) {
    let world = Rc::clone(&tenant.world);
    tenant.host.webex(move |sent| match world.borrow().answer(sent) {
        Ok(dead) if dead.status == 410 => answer(200, r#"{"items":[]}"#),
        answered => answered,
    });
}

/// Links live shorter than the pause between two calls, and a dead one is answered like the end of the list.
#[test]
fn a_dead_link_that_looks_like_the_end_loses_nothing() {
    for newest_first in [true, false] {
        let mut world = three_streams(900, Span::secs(60));
        (world.newest_first, world.link_life, world.page) = (newest_first, Some(Span::secs(20)), 20);
        let mut tenant = Tenant::new(world, &[]);
        dead_links_look_like_the_end(&tenant);
        for call in 0.. {
            assert!(call < 2_000, "it does not end: {:?}", tenant.reports);
            if tenant.call(&FetchRequest { max_events: Some(30), ..ALL }) == Next::Idle {
                break;
            }
            tenant.host.advance(Span::secs(30));
        }
        tenant.check_each_once();
    }
}

/// A link serves once, and the one use of each fourth is lost on the way; what it is answered with from then on, by the number of
/// the use, loses nothing.
#[track_caller]
fn check_links_that_serve_once(again: fn(u32) -> Result<Response, HttpError>) {
    let mut world = three_streams(120, Span::secs(60));
    world.page = 20;
    let mut tenant = Tenant::new(world, &[]);
    let world = Rc::clone(&tenant.world);
    let mut used: BTreeMap<String, u32> = BTreeMap::new();
    tenant.host.webex(move |sent| {
        if sent.query("cursor").is_none() {
            return world.borrow().answer(sent);
        }
        let count = used.len();
        let uses = used.entry(sent.url.to_string()).or_default();
        *uses += 1;
        match *uses {
            1 if count.is_multiple_of(4) => Err(HttpError::Broken("reset".to_owned())),
            1 => world.borrow().answer(sent),
            uses => again(uses),
        }
    });
    tenant.drain(&ALL);
    tenant.check_each_once();
}

#[test]
fn a_link_that_was_used_up_in_vain_loses_nothing() {
    check_links_that_serve_once(|_| answer(200, r#"{"items":[]}"#));
}

/// The first answer names no items, so it is asked for once more.
#[test]
fn an_answer_without_items_to_a_used_up_link_is_not_believed() {
    check_links_that_serve_once(|uses| answer(200, if uses == 2 { "{}" } else { r#"{"items":[]}"# }));
}

/// Links that are over while the budget of requests is waited for.
#[test]
fn a_link_that_is_over_within_a_call_loses_nothing() {
    let mut world = three_streams(300, Span::secs(600));
    (world.page, world.link_life) = (20, Some(Span::secs(15)));
    let mut tenant = Tenant::new(world, &[]);
    dead_links_look_like_the_end(&tenant);
    tenant.host.latency(Span::secs(16));
    tenant.drain(&ALL);
    tenant.check_each_once();
}

/// Tails that were taken up while nothing could be read are one slice later, not one request each.
#[test]
fn tails_that_were_not_begun_are_read_as_one_slice() {
    let mut tenant = Tenant::new(three_streams(50, Span::secs(600)), &[]);
    let request = FetchRequest { max_events: Some(10), streams: vec![Stream::AdminAudits], ..ALL };
    for _ in 0..60 {
        tenant.host.stop_after(Some(1));
        tenant.call(&request);
        tenant.host.stop_after(None);
        tenant.host.advance(Span::secs(60));
    }
    let asked = tenant.host.sent().len();
    tenant.drain(&request);
    let asked = tenant.host.sent().len() - asked;
    assert!(asked < 40, "{asked} requests");
    tenant.world.borrow_mut().events.retain(|stream, _| *stream == Stream::AdminAudits);
    tenant.check_each_once();
}

/// What was listed while a backlog was worked off belongs to "everything listed so far".
#[test]
fn idle_is_not_said_while_the_tail_was_left_for_a_backlog() {
    let mut tenant = Tenant::new(three_streams(100, Span::secs(1_800)), &[]);
    let request = FetchRequest { max_events: Some(30), streams: vec![Stream::AdminAudits], ..ALL };
    let mut next = tenant.call(&request);
    for n in 0.. {
        assert!(n < 200, "it does not end");
        if next == Next::Idle {
            break;
        }
        let now = tenant.host.now();
        tenant.host.advance(Span::secs(7));
        tenant.world.borrow_mut().add(Stream::AdminAudits, now, now);
        // New ones come for a while only.
        if n > 12 {
            tenant.world.borrow_mut().events.get_mut(&Stream::AdminAudits).unwrap().pop();
        }
        next = tenant.call(&request);
    }
    tenant.world.borrow_mut().events.retain(|stream, _| *stream == Stream::AdminAudits);
    tenant.check_each_once();
}
