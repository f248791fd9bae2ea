//! A partner's admin: the component and the program read several organizations, each by itself.

use std::collections::BTreeSet;

use host_harness::simulator::{Organization, Stream, TenantSettings};

use crate::program::Place;
use crate::simulated::Simulated;

const AUDITS: [Stream; 2] = [Stream::AdminAudits, Stream::SecurityAudits];

fn customers() -> [Organization; 2] {
    [2, 3].map(|n| Organization::new(&format!("7d9b2c54-0000-4000-8000-00000000000{n}"), &format!("Customer {n}")))
}

/// Ids of what each customer lists.
fn listed(webex: &host_harness::simulator::SimulatedTenant, customer: &Organization) -> BTreeSet<String> {
    let of = |stream| webex.customer_listed(customer, stream).into_iter().filter_map(|event| event.id);
    AUDITS.into_iter().flat_map(of).collect()
}

#[tokio::test]
async fn the_events_of_each_organization_come_under_its_own_name() {
    let customers = customers();
    let ids = customers.iter().map(|customer| customer.id.clone()).collect::<Vec<_>>().join(",");
    let mut tenant = Simulated::with(TenantSettings::default(), &[("admin_org_id", &ids)]).await;
    let to = tenant.now() - 60_000;
    for (customer, stream) in customers.iter().flat_map(|customer| AUDITS.map(|stream| (customer, stream))) {
        tenant.webex.customer_backlog(customer, stream, 150, (to - 3_600_000, to));
    }
    // The partner's own, which is not asked for.
    tenant.webex.backlog(Stream::AdminAudits, 50, to - 3_600_000, to);
    let (events, reports) = tenant.collect().await;
    assert!(reports.iter().all(|report| report.failure.is_none()), "{reports:?}");
    for customer in &customers {
        let of_it: Vec<_> = events.iter().filter(|event| event.org == customer.id).collect();
        assert!(of_it.len() >= 300 - 10, "{} events, some without an id", of_it.len());
        let found = listed(&tenant.webex, customer);
        let missing = found.iter().filter(|id| !of_it.iter().any(|event| event.body.contains(id.as_str()))).count();
        assert_eq!(missing, 0);
    }
    assert!(events.iter().all(|event| customers.iter().any(|customer| event.org == customer.id)), "and none besides");
    let view = tenant.host.tenant.get_last_run(tenant.host.last_run.as_ref()).await.unwrap().unwrap();
    let orgs: BTreeSet<_> = view.streams.iter().filter_map(|stream| stream.org.clone()).collect();
    assert_eq!(orgs, customers.iter().map(|customer| customer.id.clone()).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_takes_a_list_and_all() {
    let place = Place::start(TenantSettings::default()).await;
    let customers = customers();
    let to = place.webex.now_ms() - 60_000;
    for (customer, stream) in customers.iter().flat_map(|customer| AUDITS.map(|stream| (customer, stream))) {
        place.webex.customer_backlog(customer, stream, 40, (to - 600_000, to));
    }
    let toml = place.read("webex.toml");
    let own = format!("org_id = \"{}\"", place.webex.org_id());
    let list = format!("org_id = [\"{}\", \"{}\"]", place.webex.org_id(), customers[0].id);
    place.write("webex.toml", &toml.replace(&own, &list));
    let ran = place.run(&["check"]).await.exits(0);
    assert!(ran.stdout.contains(&format!("organization {}", customers[0].id)), "{}", ran.stdout);
    place.run(&["collect"]).await.exits(0);
    let has = |customer: &Organization| {
        let text = place.read("events.ndjson");
        listed(&place.webex, customer).iter().filter(|id| text.contains(id.as_str())).count()
    };
    let [first, second] = &customers;
    assert_eq!((has(first), has(second)), (listed(&place.webex, first).len(), 0));
    place.write("webex.toml", &toml.replace(&own, "org_id = \"all\""));
    place.run(&["collect"]).await.exits(0);
    assert_eq!(has(second), listed(&place.webex, second).len());
    let lines = place.lines();
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), lines.len(), "none comes twice");
    let ran = place.run(&["last-run", "show"]).await.exits(0);
    assert!(ran.stdout.contains(&format!("admin_audits ({})", second.id)), "{}", ran.stdout);
}
