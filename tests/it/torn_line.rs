//! What a killed process leaves of a line is cut at the next start, and its event comes whole.

use std::io::Write;

use host_harness::simulator::{Stream, TenantSettings};

use crate::program::Place;

fn append(place: &Place, bytes: &[u8]) {
    let mut file = std::fs::OpenOptions::new().append(true).open(place.path("events.ndjson")).unwrap();
    file.write_all(bytes).unwrap();
}

#[tokio::test]
async fn a_torn_last_line_is_cut_at_the_next_start_and_collecting_goes_on() {
    let place = Place::start(TenantSettings::default()).await;
    place.backlog(20);
    place.run(&["collect"]).await.exits(0);
    let lines = place.lines();

    // Half of a body, cut inside a character of two bytes.
    append(&place, "{\"id\":\"torn\",\"name\":\"N\u{f8}".as_bytes().split_last().unwrap().1);
    for stream in Stream::ALL {
        place.webex.burst(stream, 5, place.webex.now_ms() - 20_000);
    }
    let ran = place.run(&["collect"]).await.exits(0);
    assert!(ran.stderr.contains("events.ndjson") && ran.stderr.contains("cut 23 bytes"), "{}", ran.stderr);
    let after = place.lines();
    assert_eq!(after[..lines.len()], lines, "what was whole stays");
    assert_eq!(after.len(), lines.len() + 15);
    place.delivered_is_exact();
}

#[tokio::test]
async fn after_a_kill_between_delivery_and_record_the_one_batch_comes_again_and_nothing_is_lost() {
    let place = Place::start(TenantSettings::default()).await;
    place.backlog(20);
    place.run(&["collect"]).await.exits(0);
    let state: Vec<_> = place.files("webex-state/last-run");
    for stream in Stream::ALL {
        place.webex.burst(stream, 10, place.webex.now_ms() - 20_000);
    }
    place.run(&["collect"]).await.exits(0);
    let before = place.lines();
    // Killed after the events were on the disk and before the last-run was; the last line came only in half.
    std::fs::remove_dir_all(place.path("webex-state/last-run")).unwrap();
    for (path, bytes) in state {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let text = place.read("events.ndjson");
    place.write("events.ndjson", &text[..text.len() - 100]);

    place.run(&["collect"]).await.exits(0);
    let after = place.lines();
    assert_eq!(after.len(), before.len() - 1 + 30);
    let (mut twice, mut once) = (after.clone(), before);
    twice.sort();
    twice.dedup();
    once.sort();
    assert_eq!(twice, once, "the same events, with the same bytes");
}
