use super::*;
use crate::runtime::LastRunPart;

fn put(
    spool: &Spool,
    events: &[Event],
    recorded: Option<&Recorded<'_>>,
    only: Option<&SinkName>,
) -> Result<(), SpoolError> {
    spool.put(&events.iter().map(Event::as_read).collect::<Vec<_>>(), recorded, only)
}

fn event(id: usize, stream: &str) -> Event {
    let body = format!("{{\"id\":\"{id}\"}}");
    Event { id: id.to_string(), org: "org".into(), stream: stream.into(), created: Some(1), body }
}

fn events(ids: std::ops::Range<usize>) -> Vec<Event> {
    ids.map(|id| event(id, "events")).collect()
}

fn name(text: &str) -> SinkName {
    SinkName::parse(text).unwrap()
}

fn open(folder: &Path) -> Spool {
    Spool::open(folder, 1 << 20).unwrap()
}

/// Everything that is left for a sink, read in pieces of this size.
fn rest(spool: &Spool, sink: &SinkName, at_most: usize) -> Vec<String> {
    let (mut ids, mut from) = (Vec::new(), spool.enter(sink));
    while let Some(piece) = spool.read(sink, &from, |_| true, usize::MAX, at_most).unwrap() {
        assert!(piece.events.len() <= at_most && piece.damaged.is_empty());
        ids.extend(piece.events.into_iter().map(|event| event.id));
        from = piece.end;
    }
    ids
}

fn ids(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|id| id.to_string()).collect()
}

#[test]
fn a_spool_has_an_id_of_its_own_that_stays() {
    let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let id = |folder: &std::path::Path| Spool::open(folder, 1 << 30).unwrap().id().unwrap();
    let first = id(one.path());
    assert_eq!(first.len(), 16);
    assert_eq!(id(one.path()), first);
    assert_ne!(id(other.path()), first);
    std::fs::write(one.path().join("spool/id"), "../../x").unwrap();
    assert_ne!(id(one.path()), "../../x", "one that was damaged is made anew");
}

#[test]
fn what_was_put_is_read_in_order_whatever_the_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    put(&spool, &events(0..5), None, None).unwrap();
    put(&spool, &events(5..6), None, None).unwrap();
    put(&spool, &events(6..20), None, None).unwrap();
    for at_most in [1, 3, 5, 7, 100] {
        assert_eq!(rest(&spool, &name("one"), at_most), ids(0..20), "{at_most}");
        assert_eq!(rest(&open(folder.path()), &name("one"), at_most), ids(0..20), "{at_most} after a start");
    }
}

#[test]
fn an_event_is_read_as_it_was_put() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let odd = Event {
        id: "\"\\ \u{e9}".into(),
        org: String::new(),
        stream: "events".into(),
        created: None,
        body: "{\"a\":\"\\ud800\",\"a\":1e400}".into(),
    };
    put(&spool, std::slice::from_ref(&odd), None, None).unwrap();
    let piece = spool.read(&name("one"), &spool.enter(&name("one")), |_| true, 1, 1).unwrap().unwrap();
    assert_eq!(piece.events, [odd], "one event is read also where it is larger than a piece may be");
}

#[test]
fn a_piece_holds_no_more_bytes_than_it_may() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    put(&spool, &events(0..10), None, None).unwrap();
    let body = event(0, "events").body.len();
    let piece = spool.read(&name("one"), &spool.enter(&name("one")), |_| true, 3 * body + 1, 100).unwrap().unwrap();
    assert_eq!((piece.events.len(), piece.is_full), (3, true));
    let next = spool.read(&name("one"), &piece.end, |_| true, usize::MAX, 100).unwrap().unwrap();
    assert_eq!(next.events[0].id, "3", "the one that did not fit comes next");
}

#[test]
fn a_batch_goes_when_every_sink_has_passed_it() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    for sink in ["one", "two"] {
        spool.enter(&name(sink));
    }
    put(&spool, &events(0..5), None, None).unwrap();
    put(&spool, &events(5..9), None, None).unwrap();
    let at = |entry| Position { entry, ..Position::default() };
    spool.passed(&name("one"), at(2)).unwrap();
    assert_eq!(batches(&spool.folder).unwrap().len(), 2, "the other has not got them");
    spool.passed(&name("two"), at(1)).unwrap();
    assert_eq!(batches(&spool.folder).unwrap().len(), 1);
    assert_eq!(spool.waiting(), [(name("one"), 0), (name("two"), 4)]);
    spool.passed(&name("two"), at(2)).unwrap();
    assert_eq!((batches(&spool.folder).unwrap().len(), spool.bytes()), (0, 0));
    drop(spool);
    let spool = open(folder.path());
    put(&spool, &events(9..10), None, None).unwrap();
    assert_eq!(rest(&spool, &name("one"), 9), ids(9..10), "numbers go on though no batch was left");
}

#[test]
fn a_sink_that_is_new_loses_nothing_to_one_that_is_quicker() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    for sink in ["quick", "slow"] {
        spool.enter(&name(sink));
    }
    put(&spool, &events(0..5), None, None).unwrap();
    spool.passed(&name("quick"), Position { entry: 1, ..Position::default() }).unwrap();
    assert_eq!(rest(&spool, &name("slow"), 9), ids(0..5));
    assert_eq!(
        rest(&open(folder.path()), &name("slow"), 9),
        ids(0..5),
        "also where it has noted no place before a crash"
    );
}

#[test]
fn a_sink_that_is_gone_keeps_what_it_has_not_got_until_it_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    spool.passed(&name("gone"), spool.enter(&name("gone"))).unwrap();
    put(&spool, &events(0..5), None, None).unwrap();
    spool.passed(&name("one"), Position { entry: 1, ..Position::default() }).unwrap();
    assert_eq!(rest(&open(folder.path()), &name("gone"), 9), ids(0..5));
    spool.forget(&name("gone")).unwrap();
    assert_eq!(batches(&spool.folder).unwrap().len(), 0);
    assert_eq!(open(folder.path()).waiting(), [(name("one"), 0)]);
}

#[test]
fn a_batch_for_one_sink_is_passed_over_by_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    put(&spool, &events(0..2), None, None).unwrap();
    put(&spool, &events(2..4), None, Some(&name("one"))).unwrap();
    put(&spool, &events(4..6), None, None).unwrap();
    for spool in [spool, open(folder.path())] {
        assert_eq!(rest(&spool, &name("one"), 9), ids(0..6));
        assert_eq!(rest(&spool, &name("two"), 9), ["0", "1", "4", "5"]);
    }
}

#[test]
fn streams_that_a_sink_does_not_take_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    put(&spool, &[event(0, "events"), event(1, "audits"), event(2, "events")], None, None).unwrap();
    let piece =
        spool.read(&name("one"), &spool.enter(&name("one")), |stream| stream == "audits", 100, 100).unwrap().unwrap();
    assert_eq!(piece.events.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["1"]);
    assert!(spool.is_passed(&piece.end));
}

#[test]
fn a_full_spool_says_so_until_a_sink_has_taken_some() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), 100).unwrap();
    spool.enter(&name("one"));
    assert!(!spool.is_full());
    put(&spool, &events(0..9), None, None).unwrap();
    assert!(spool.is_full());
    spool.passed(&name("one"), Position { entry: 1, ..Position::default() }).unwrap();
    assert!(!spool.is_full());
}

#[test]
fn the_last_run_of_the_newest_batch_follows_only_the_one_that_it_was_made_from() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    assert_eq!(spool.follows("").unwrap(), None);
    let parts = vec![
        LastRunPart { name: "seen-1".into(), body: Some("text\n".into()) },
        LastRunPart { name: "seen-0".into(), body: None },
    ];
    let last_run = LastRun { head: "{\"form\":1}".into(), parts };
    put(&spool, &events(0..1), Some(&Recorded { before: "a", last_run: &last_run }), None).unwrap();
    let spool = open(folder.path());
    assert_eq!(spool.follows("a").unwrap(), Some(last_run));
    assert_eq!(spool.follows("b").unwrap(), None, "it is recorded, or was reset");
    put(&spool, &events(1..2), None, None).unwrap();
    assert_eq!(spool.follows("a").unwrap(), None, "only the newest can be unrecorded");
}

#[test]
fn an_event_that_the_disk_has_damaged_is_noticed_alone() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    put(&spool, &events(0..4), None, None).unwrap();
    let path = spool.path(0);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("{\"id\":\"2\"}", "{\"id\":\"7\"}")).unwrap();
    let piece = spool.read(&name("one"), &spool.enter(&name("one")), |_| true, 1_000, 100).unwrap().unwrap();
    assert_eq!(piece.events.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), ["0", "1", "3"]);
    assert!(piece.damaged[0].text.contains("{\"id\":\"7\"}"));
    fs::write(&path, "no batch").unwrap();
    assert!(matches!(Spool::open(folder.path(), 1), Err(SpoolError::Damaged { .. })));
    fs::write(&path, "{\"format\":2}\n").unwrap();
    assert!(matches!(Spool::open(folder.path(), 1), Err(SpoolError::Newer { format: 2, .. })));
}

#[test]
fn a_batch_that_was_not_written_to_its_end_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    put(&spool, &events(0..4), None, None).unwrap();
    fs::write(spool.folder.join(".staged-00000000000000000001.batch-Ab12"), "{\"format\":1,").unwrap();
    let spool = open(folder.path());
    assert_eq!(rest(&spool, &name("one"), 9), ids(0..4));
    assert_eq!(fs::read_dir(&spool.folder).unwrap().count(), 1, "what was left of it is swept");
}

#[tokio::test]
async fn who_waits_for_a_batch_is_woken() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    let place = spool.enter(&name("one"));
    let ((), put) = tokio::join!(spool.stored_behind(&place), async { put(&spool, &events(0..1), None, None) });
    put.unwrap();
}
