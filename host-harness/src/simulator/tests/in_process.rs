use super::*;

const ORIGIN: &str = "http://127.0.0.1:9";

fn tenant(listing: &StreamSettings, count: usize) -> SimulatedTenant {
    let tenant = SimulatedTenant::in_process(settings().with_streams(listing), ORIGIN);
    tenant.backlog(Stream::Events, count, NOW - HOUR, NOW);
    tenant
}

fn get(tenant: &SimulatedTenant, target: &str) -> InProcessAnswer {
    let bearer = bearer(tenant, Stream::Events);
    let (path, query) = target.split_once('?').unwrap();
    let path = path.strip_prefix(ORIGIN).unwrap_or(path);
    tenant.answer(InProcessRequest { path, query, bearer: Some(&bearer), form: None })
}

fn next(answer: &InProcessAnswer) -> Option<String> {
    let link = answer.headers.iter().find(|(name, _)| *name == "link")?;
    Some(link.1.split_once('<')?.1.split_once('>')?.0.to_owned())
}

fn items(answer: &InProcessAnswer) -> usize {
    answer.record.as_ref().unwrap().items
}

#[test]
fn it_answers_without_a_socket_and_keeps_no_record() {
    let tenant = tenant(&StreamSettings::newest_first(), 5);
    let answer = get(&tenant, &first(&tenant, Stream::Events, NOW - HOUR, NOW, 3));
    assert_eq!((answer.status, items(&answer), answer.delivery), (200, 3, Delivery::Whole));
    let rest = get(&tenant, &next(&answer).unwrap());
    assert_eq!((rest.status, items(&rest), next(&rest)), (200, 2, None));
    assert!(tenant.requests().is_empty());
    let refused = tenant.answer(InProcessRequest { path: "/v1/events", query: "", bearer: None, form: None });
    assert_eq!(refused.status, 401);
}

#[test]
fn a_page_holds_no_more_than_the_server_likes() {
    let tenant = tenant(&StreamSettings { page_items: Some(2), ..StreamSettings::oldest_first() }, 5);
    let mut answer = get(&tenant, &first(&tenant, Stream::Events, NOW - HOUR, NOW, 100));
    let mut pages = vec![items(&answer)];
    while let Some(target) = next(&answer) {
        answer = get(&tenant, &target);
        pages.push(items(&answer));
    }
    assert_eq!(pages, [2, 2, 1]);
}

#[test]
fn a_gateway_gives_up_where_too_much_is_asked_for() {
    let by_max = tenant(&StreamSettings { slow_above_max: Some(50), ..StreamSettings::newest_first() }, 5);
    let status =
        |tenant: &SimulatedTenant, max| get(tenant, &first(tenant, Stream::Events, NOW - HOUR, NOW, max)).status;
    assert_eq!((status(&by_max, 51), status(&by_max, 50)), (504, 200));
    let by_window = tenant(&StreamSettings { slow_above_listed: Some(4), ..StreamSettings::newest_first() }, 5);
    assert_eq!(status(&by_window, 1), 504);
    let empty = get(&by_window, &first(&by_window, Stream::Events, NOW - 2 * HOUR, NOW - HOUR - 1, 1));
    assert_eq!(empty.status, 200);
}

#[test]
fn an_expired_link_may_look_like_an_empty_last_page() {
    let expired = StreamSettings {
        link_life: LinkLife::Uses(0),
        expired_link_status: 200,
        empty_page: EmptyPage::Missing,
        ..StreamSettings::newest_first()
    };
    let tenant = tenant(&expired, 5);
    let answer = get(&tenant, &first(&tenant, Stream::Events, NOW - HOUR, NOW, 3));
    let rest = get(&tenant, &next(&answer).unwrap());
    assert_eq!((rest.status, &*rest.body, next(&rest)), (200, b"{}".as_slice(), None));
}

#[test]
fn a_page_may_come_again_under_another_link() {
    let tenant = tenant(&StreamSettings::newest_first(), 3);
    tenant.script(ScriptedFault::on(Endpoint::Events, Fault::SamePageNext).times(2));
    let target = first(&tenant, Stream::Events, NOW - HOUR, NOW, 3);
    let one = get(&tenant, &target);
    let two = get(&tenant, &next(&one).unwrap());
    let three = get(&tenant, &next(&two).unwrap());
    assert_eq!((&one.body, &two.body), (&two.body, &three.body));
    assert!(next(&one) != next(&two) && next(&three).is_none());
}

#[test]
fn every_third_request_fails() {
    let tenant = tenant(&StreamSettings::newest_first(), 3);
    tenant.script(ScriptedFault::on(Endpoint::Events, Fault::ErrorAsSuccess).every(3));
    let target = first(&tenant, Stream::Events, NOW - HOUR, NOW, 3);
    let listed: Vec<_> = (0..7).map(|_| items(&get(&tenant, &target))).collect();
    assert_eq!(listed, [3, 3, 0, 3, 3, 0, 3]);
}
