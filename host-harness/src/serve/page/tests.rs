//! What whoever looks at the page can rely on.

mod samples;

use super::*;
use crate::board::view::{Light, RecentEvent, Subject, Trouble};
use samples::Sample;

fn page(view: &View) -> String {
    status(view).into_string()
}

/// What a person reads: without tags, and with the space that they leave.
fn text(page: &str) -> String {
    let main = page.split_once("<main").map_or(page, |(_, main)| main);
    let mut is_text = true;
    let text: String = main
        .chars()
        .filter_map(|letter| {
            match letter {
                '<' => is_text = false,
                '>' => {
                    is_text = true;
                    return Some(' ');
                }
                _ => {}
            }
            is_text.then_some(letter)
        })
        .collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    [",", ";", ":", "."].iter().fold(text, |text, mark| text.replace(&format!(" {mark}"), mark))
}

fn sentence(view: &View) -> String {
    let page = page(view);
    let (_, rest) = page.split_once("<h1>").unwrap();
    rest.split_once("</h1>").unwrap().0.to_owned()
}

#[test]
fn the_first_sentence_says_whether_data_flows() {
    let said: Vec<(&str, String)> =
        Sample::all().into_iter().map(|sample| (sample.name, sentence(&sample.view))).collect();
    let expected = [
        ("healthy", "Data flows"),
        ("first-start", "Nobody has signed in yet"),
        ("backlog", "Data flows, and a backlog is being read"),
        ("trouble", "Data flows in 2 of 3 streams only"),
        ("twelve-tenants", "Data does not flow as it should for 2 of 12 tenants"),
        ("nothing-yet", "Starting: the first round is under way"),
        ("hostile", "Data does not flow"),
        ("thousand-tenants", "Data does not flow as it should for 10 of 1,000 tenants"),
    ];
    assert_eq!(said, expected.map(|(name, sentence)| (name, sentence.to_owned())));
}

#[test]
fn what_is_worst_stands_first_with_what_to_do_and_is_said_once() {
    let shown = text(&page(&samples::trouble()));
    let worst = "Compliance events: Webex refuses: the account is no Compliance Officer. refused What to do: Give the account the role";
    assert!(shown.find(worst).unwrap() < shown.find("Also").unwrap(), "{shown}");
    let problems = shown.split_once("Streams").unwrap().0;
    assert_eq!(problems.matches("no Compliance Officer").count(), 1, "{problems}");
}

#[test]
fn whoever_starts_for_the_first_time_sees_who_signs_in_and_what_for() {
    let page = page(&samples::first_start());
    let shown = text(&page);
    assert!(shown.contains("Reads Admin audit events and Security audit events. Sign in as admin"), "{shown}");
    assert!(shown.contains("Reads Compliance events. Sign in as compliance officer"), "{shown}");
    assert!(!shown.contains("sign-in-needed"), "it is no trouble yet: {shown}");
    for user in ["admin", "compliance_officer"] {
        let form = format!(
            "<form method=\"post\" action=\"/sign-in\" data-key=\"sign-in\"><input type=\"hidden\" name=\"tenant\" value=\"\">\
             <input type=\"hidden\" name=\"user\" value=\"{user}\"><button class=\"main\">"
        );
        assert_eq!(page.matches(&form).count(), 1, "{page}");
    }
}

#[test]
fn whoever_has_not_signed_in_is_shown_a_button_and_no_commands() {
    let mut view = samples::first_start();
    let tenant = &mut view.tenants[0];
    tenant.problems.retain(|problem| problem.subject == Subject::User("compliance_officer".into()));
    tenant.problems.iter_mut().for_each(|problem| problem.remedy = "run `this-command`".into());
    tenant.users[0].signed_in = true;
    tenant.users[1].remedy = "run `this-command`".into();
    let failure = Trouble {
        at: view.now,
        code: "sign-in-needed".into(),
        text: "no".into(),
        remedy: "run `this-command`".into(),
        holds: true,
    };
    tenant.streams[2].failure = Some(failure);
    let page = page(&view);
    assert!(
        text(&page).contains("What to do: Sign in as the compliance officer. Sign in as compliance officer"),
        "{page}"
    );
    assert!(!page.contains("this-command"), "{page}");
}

#[test]
fn a_stream_shows_how_far_it_is_and_what_came() {
    let shown = text(&page(&samples::backlog()));
    for part in [
        "Backlog: 63 % read, 12 intervals left, done in about 14 min",
        "Lag 1 d 2 h",
        "Delivered 48,211",
        "Repeated 1,904",
        "Late 3",
        "About 14 min are left. New events come in meanwhile.",
        "Requests in the last minute: 212 of 300",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn a_users_token_and_a_sinks_spool_say_how_long_they_last() {
    let shown = text(&page(&samples::trouble()));
    for part in [
        "Refresh token: 1 d 7 h left, until 2026-03-03 16:20; then somebody has to sign in",
        "Waiting in the spool 61,500",
        "Dead letters 4",
        "Spool: 812.0 MiB of 1.0 GiB",
        "Sign in again as admin",
        "See webex-collector deadletter.",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
}

#[test]
fn nothing_that_others_have_written_becomes_markup() {
    let view = samples::hostile();
    let own = page(&view);
    for page in [own, page(&View { tenants: [view.tenants.clone(), view.tenants].concat(), ..view })] {
        for trap in ["<img", "<b>", "<script>", "</script><script>a", "onerror=\"", "\" onload"] {
            assert!(!page.contains(trap), "{trap} in {page}");
        }
        assert_eq!(page.matches("<script").count(), 1, "its own: {page}");
        assert!(page.contains("&lt;/script&gt;"), "{page}");
    }
}

#[test]
fn a_known_secret_is_not_shown() {
    crate::redaction::learn(&"fake-secret-of-a-page".into());
    let mut view = samples::trouble();
    for tenant in &mut view.tenants {
        tenant.problems.iter_mut().for_each(|problem| problem.text.push_str(" fake-secret-of-a-page"));
        tenant.streams.iter_mut().flat_map(|stream| &mut stream.failure).for_each(|failure| {
            failure.text.push_str(" fake-secret-of-a-page");
        });
    }
    assert!(!page(&view).contains("fake-secret"));
}

#[test]
fn a_page_holds_neither_style_nor_script_nor_anything_from_elsewhere() {
    for Sample { name, view } in Sample::all() {
        let page = page(&view);
        assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{name}");
        for forbidden in [" style=", "<style", " onclick=", " src=\"http", "href=\"http", "javascript:"] {
            assert!(!page.contains(forbidden), "{forbidden} on {name}");
        }
        assert_eq!(page.matches("<h1").count(), 1, "{name}");
        assert!(page.contains("<script src=\"/assets/page.js\" defer></script>"), "{name}");
    }
}

#[test]
fn a_page_without_streams_tenants_or_events_is_a_page() {
    let empty = View { tenants: Vec::new(), ..samples::healthy() };
    assert_eq!(sentence(&empty), "There is no tenant yet");
    let mut view = samples::healthy();
    for tenant in &mut view.tenants {
        tenant.streams.clear();
        tenant.users.clear();
        tenant.sinks.clear();
        tenant.recent.clear();
    }
    assert_eq!(sentence(&view), "No stream is on");
    assert!(text(&page(&view)).contains("No event was delivered since the start."));
}

#[test]
fn of_many_tenants_the_worst_come_first_and_each_has_a_page() {
    let view = samples::twelve_tenants();
    let page = page(&view);
    let place = |name: &str| page.find(&format!("data-key=\"tenant/{name}\"")).unwrap();
    assert!(place("globex") < place("acme") && place("initech") < place("acme"), "{page}");
    assert!(page.contains("<a href=\"/?tenant=globex\">The page of globex</a>"));
    let own = tenant(&view, "globex").unwrap().into_string();
    assert!(own.contains("<a href=\"/\">All tenants</a>") && own.contains("Recent events"), "{own}");
    assert!(own.contains("name=\"tenant\" value=\"globex\""), "{own}");
    assert!(tenant(&view, "nobody").is_none());
}

#[test]
fn a_thousand_tenants_make_a_page_that_a_browser_takes_every_few_seconds() {
    let page = page(&samples::thousand_tenants());
    assert!(page.len() < 1_500_000, "{} bytes", page.len());
    assert_eq!(page.matches("<details data-key=\"tenant/").count(), 25);
    assert_eq!(page.matches("<a class=\"row\"").count(), 975);
    assert!(page.contains("data-refresh=\"15\""));
}

#[test]
fn every_light_has_a_word_a_shape_and_an_icon_of_its_own() {
    let lights = [Light::Off, Light::Ok, Light::Waiting, Light::Warn, Light::Fail];
    for show in [|light| light::light(light, "x").into_string(), light::icon, |light| light::said(light).to_owned()] {
        let shown: std::collections::BTreeSet<String> = lights.into_iter().map(show).collect();
        assert_eq!(shown.len(), lights.len());
    }
    assert!(!light::icon(Light::Fail).contains(['#', '<', '>', ' ', '"']));
}

#[test]
fn an_event_that_is_cut_says_so_and_one_without_a_time_stands_at_its_delivery() {
    let mut view = samples::healthy();
    let now = view.now;
    view.tenants[0].recent = vec![RecentEvent {
        id: "a".into(),
        stream: "events".into(),
        created: None,
        delivered: now - 1_000,
        body: "{\"a\":\"b".into(),
        is_cut: true,
    }];
    let shown = text(&page(&view));
    assert!(
        shown.contains("Only its beginning is shown. {&quot;a&quot;:&quot;b \u{2026}") || shown.contains("b\u{2026}"),
        "{shown}"
    );
}

/// For browsers: where `WEBEX_COLLECTOR_PAGES` names a folder, the samples are written there, with what is served beside them.
#[test]
fn pages_are_written_for_browsers() {
    let Some(folder) = std::env::var_os("WEBEX_COLLECTOR_PAGES").map(std::path::PathBuf::from) else { return };
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("assets/page.css", CSS);
    write("assets/page.js", JS);
    write("policy.txt", super::super::POLICY);
    for Sample { name, view } in Sample::all() {
        write(&format!("{name}.html"), &page(&view));
    }
    write("one-of-twelve.html", &tenant(&samples::twelve_tenants(), "globex").unwrap().into_string());
    // The same a little later: what a live page takes over.
    write("later/healthy.html", &page(&samples::healthy_later()));
    write("later/twelve-tenants.html", &page(&samples::twelve_tenants_later()));
}
