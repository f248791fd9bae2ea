//! One admin, several organizations: each is read by itself, as often as the others, and nothing of one stands for another.

use super::*;

fn partner(orgs: &[&'static str], count: i64) -> World {
    let world = World { orgs: orgs.to_vec(), ..World::new() };
    [Stream::AdminAudits, Stream::SecurityAudits]
        .into_iter()
        .fold(world, |world, stream| world.with_backlog(stream, count, Span::secs(7)))
}

fn tenant(world: World, org_id: &str) -> Tenant {
    Tenant::new(world, &[("admin_org_id", org_id)])
}

impl Tenant {
    fn configure(&mut self, org_id: &str) {
        self.settings = settings(&[("admin_org_id", org_id)]);
    }

    /// Each event of each of these is there, once for each organization that lists it.
    #[track_caller]
    fn check_orgs(&self, orgs: &[&str]) {
        let world = self.world.borrow();
        let mut want = BTreeMap::new();
        for (stream, events) in &world.events {
            for org in orgs {
                let of_it = events.iter().filter(|event| world.is_of(event, org));
                want.extend(of_it.map(|event| (format!("{stream}:{org}:{stream}-{}", event.id), 1)));
            }
        }
        assert_eq!(self.delivered, want);
    }

    fn asked(&self, org: &str) -> usize {
        self.host.sent().iter().filter(|sent| sent.query("orgId").as_deref() == Some(org)).count()
    }

    fn listings(&self) -> usize {
        self.host.sent().iter().filter(|sent| sent.url.path() == "/v1/organizations").count()
    }
}

#[test]
fn each_organization_is_read_and_what_two_list_comes_for_both() {
    let mut tenant = tenant(partner(&["a", "b", "c"], 900), "a, b ,c");
    tenant.drain(&ALL);
    tenant.check_orgs(&["a", "b", "c"]);
    tenant.host.advance(Span::secs(60));
    for stream in [Stream::AdminAudits, Stream::SecurityAudits] {
        let now = tenant.host.now();
        (0..10).for_each(|_| tenant.world.borrow_mut().add(stream, now, now));
    }
    tenant.host.advance(Span::secs(60));
    tenant.drain(&ALL);
    tenant.check_orgs(&["a", "b", "c"]);
    assert!(tenant.state().write().head.contains("\"form\":3"), "an older plugin would take all for one");
}

#[test]
fn all_are_those_that_webex_lists_and_a_new_one_is_met_within_an_hour_from_its_first_fetch_on() {
    let mut tenant = tenant(partner(&["a", "b"], 300), "all");
    tenant.drain(&ALL);
    tenant.check_orgs(&["a", "b"]);
    assert_eq!(tenant.listings(), 1, "it is remembered");
    tenant.world.borrow_mut().orgs.push("c");
    // Events are of other organizations now; those of before are not asked for again where they were read.
    let before = tenant.delivered.clone();
    tenant.host.advance(Span::secs(3_600));
    tenant.drain(&ALL);
    assert_eq!(tenant.listings(), 2);
    let world = tenant.world.borrow();
    let of_c: usize = world.events.values().flatten().filter(|event| world.is_of(event, "c")).count();
    let new = tenant.delivered.keys().filter(|id| !before.contains_key(*id) && id.contains(":c:")).count();
    assert_eq!(new, of_c);
}

#[test]
fn without_a_list_nothing_is_read_of_all_and_an_old_list_is_used_as_long_as_there_is_no_other() {
    let is_down = Rc::new(std::cell::Cell::new(true));
    let down = Rc::clone(&is_down);
    let fault: Fault = Box::new(move |sent| {
        (down.get() && sent.url.path() == "/v1/organizations").then(|| answer(403, r#"{"message":"scope"}"#))
    });
    let mut tenant = Tenant::faulty(partner(&["a", "b"], 50), &[("admin_org_id", "all")], fault);
    tenant.call(&ALL);
    for report in tenant.reports.iter().filter(|report| report.stream.needs_org()) {
        let failure = report.failure.as_ref().unwrap();
        assert!(failure.remedy.contains("spark-admin:organizations_read"), "{failure:?}");
    }
    assert!(tenant.delivered.is_empty());
    is_down.set(false);
    tenant.drain(&ALL);
    tenant.check_orgs(&["a", "b"]);
    is_down.set(true);
    tenant.host.advance(Span::secs(7_200));
    for stream in [Stream::AdminAudits, Stream::SecurityAudits] {
        let now = tenant.host.now();
        tenant.world.borrow_mut().add(stream, now, now);
    }
    tenant.host.advance(Span::secs(60));
    tenant.drain(&ALL);
    tenant.check_orgs(&["a", "b"]);
    assert!(tenant.host.log().contains("organizations-not-listed"));
}

#[test]
fn a_list_that_cannot_be_had_is_asked_for_again_after_some_minutes_and_not_in_every_call() {
    let is_down = Rc::new(std::cell::Cell::new(false));
    let down = Rc::clone(&is_down);
    let fault: Fault = Box::new(move |sent| {
        (down.get() && sent.url.path() == "/v1/organizations").then(|| answer(403, r#"{"message":"scope"}"#))
    });
    let mut tenant = Tenant::faulty(partner(&["a", "b"], 50), &[("admin_org_id", "all")], fault);
    let began = tenant.host.now();
    tenant.drain(&ALL);
    let listings_at = |tenant: &mut Tenant, minute: i64| {
        tenant.host.advance(began + Span::secs(minute * 60) - tenant.host.now());
        tenant.call(&ALL);
        tenant.listings()
    };
    is_down.set(true);
    let listings = [60, 61, 64, 65, 69, 70].map(|minute| listings_at(&mut tenant, minute));
    assert_eq!(listings, [2, 2, 2, 3, 3, 4]);
    is_down.set(false);
    let listings = [75, 80, 134, 135].map(|minute| listings_at(&mut tenant, minute));
    assert_eq!(listings, [5, 5, 5, 6], "one that is had holds an hour");
}

#[test]
fn one_that_is_refused_does_not_keep_the_others_from_being_read_and_is_named() {
    let world = World { refused: vec!["b"], ..partner(&["a", "b", "c"], 200) };
    let mut tenant = tenant(world, "a,b,c");
    tenant.drain(&ALL);
    tenant.check_orgs(&["a", "c"]);
    let failure = tenant.reports[0].failure.clone().unwrap();
    assert_eq!(failure.code, Code::Refused);
    assert!(failure.message.contains("organization b"), "{failure:?}");
    tenant.world.borrow_mut().refused.clear();
    tenant.host.advance(Span::secs(60));
    tenant.drain(&ALL);
    tenant.check_orgs(&["a", "b", "c"]);
}

#[test]
fn from_one_to_several_and_back_nothing_comes_twice_and_nothing_is_left_out() {
    let mut tenant = tenant(partner(&["a", "b"], 400), "a");
    tenant.drain(&ALL);
    tenant.check_orgs(&["a"]);
    assert_eq!(tenant.asked("b"), 0);
    tenant.configure("b,a");
    tenant.drain(&ALL);
    tenant.check_orgs(&["a", "b"]);
    let grow = |tenant: &mut Tenant| {
        for stream in [Stream::AdminAudits, Stream::SecurityAudits] {
            let now = tenant.host.now();
            (0..20).for_each(|_| tenant.world.borrow_mut().add(stream, now, now));
        }
        tenant.host.advance(Span::secs(60));
        tenant.drain(&ALL);
    };
    // What `a` lists while it rests is read when it is asked for again.
    tenant.configure("b");
    let asked = tenant.asked("a");
    grow(&mut tenant);
    assert_eq!(tenant.asked("a"), asked);
    tenant.configure("a,b");
    grow(&mut tenant);
    tenant.check_orgs(&["a", "b"]);
}

#[test]
fn a_state_of_others_is_not_gone_on_with() {
    let mut tenant = tenant(partner(&["a", "b"], 10), "a,b");
    tenant.drain(&ALL);
    for (org_id, is_foreign) in [("c", true), ("c,d", true), ("b", false), ("c,a", false), ("all", false)] {
        tenant.configure(org_id);
        let (settings, stored) = (&tenant.settings, tenant.stored.clone());
        let result = tenant.host.run(|io| fetch_events(io, settings, stored, &EVERYTHING));
        let code = result.as_ref().err().map(|failure| failure.code);
        assert_eq!(code, is_foreign.then_some(Code::ForeignLastRun), "{org_id}");
    }
}

#[test]
fn that_a_pass_over_all_of_them_takes_longer_than_a_minute_is_said() {
    let orgs: Vec<String> = (0..40).map(|n| format!("org{n}")).collect();
    let of = |count: usize| settings(&[("admin_org_id", &orgs[..count].join(",")), ("max_requests", "30")]);
    let mut tenant = tenant(partner(&["org0", "org1"], 20), "org0,org1");
    let warned = |tenant: &Tenant| {
        tenant.reports[0].warnings.iter().find(|warning| warning.code == "organizations-over-budget").cloned()
    };
    tenant.settings = of(2);
    tenant.call(&ALL);
    assert_eq!(warned(&tenant), None);
    tenant.settings = of(40);
    tenant.call(&ALL);
    let text = warned(&tenant).unwrap().text;
    assert!(text.contains("40 organizations") && text.contains("80 requests") && text.contains("3 minutes"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever a call is limited to, and wherever it ends, each organization's events come once.
    #[test]
    fn however_calls_are_limited_each_event_comes_once_for_each_organization(
        count in 1..400_i64,
        every in 1..600_i64,
        max_events in 1..300_u32,
        orgs in 1..5_usize,
        newest_first: bool,
        stop in proptest::option::of(1..20_usize),
    ) {
        let names = &["a", "b", "c", "d"][..orgs];
        let world = World { newest_first, orgs: names.to_vec(), ..World::new() };
        let world = world.with_backlog(Stream::AdminAudits, count, Span::secs(every));
        let mut tenant = tenant(world, if orgs == 4 { "all".to_owned() } else { names.join(",") }.as_str());
        let request = FetchRequest { max_events: Some(max_events), ..ALL };
        if stop.is_some() {
            tenant.host.stop_after(stop);
            tenant.call(&request);
            tenant.host.stop_after(None);
        }
        tenant.drain(&request);
        tenant.check_orgs(names);
    }
}
