#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::io::Read;

use super::*;

const ALL: [Option<Packing>; 3] = [None, Some(Packing::Gzip), Some(Packing::Zstd)];

/// 2025-11-28, 00:00 UTC, and so many seconds.
fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_764_288_000 + seconds)
}

fn shape(folder: &Path, packing: Option<Packing>) -> Shape {
    let suffix = packing.map_or("", Packing::suffix);
    let path = folder.join(format!("events.ndjson{suffix}"));
    let names = Names::of(&path, suffix).unwrap();
    Shape { path, names, packing, rotate_bytes: None, rotate_every: None, keep: None, is_synced: true }
}

fn open(shape: &Shape) -> Series {
    Series::open(shape.clone()).unwrap()
}

fn write(series: &mut Series, text: &str) {
    series.write(text.as_bytes().to_vec(), at(0)).unwrap();
}

fn unpacked(packing: Option<Packing>, path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    let mut text = String::new();
    let read = match packing {
        None => bytes.as_slice().read_to_string(&mut text),
        Some(Packing::Gzip) => flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text),
        Some(Packing::Zstd) => zstd::stream::read::Decoder::new(&bytes[..]).unwrap().read_to_string(&mut text),
    };
    read.unwrap();
    text
}

/// What all files hold, the oldest first.
fn all(shape: &Shape) -> Vec<String> {
    let away = shape.names.all().unwrap().into_iter().map(|name| shape.names.path(&name));
    away.chain([shape.path.clone()]).map(|path| unpacked(shape.packing, &path)).collect()
}

#[test]
fn sends_follow_each_other_over_starts() {
    for packing in ALL {
        let folder = tempfile::tempdir().unwrap();
        let shape = shape(folder.path(), packing);
        write(&mut open(&shape), "{\"a\":1}\n{\"b\":2}\n");
        write(&mut open(&shape), "{\"c\":3}\n");
        assert_eq!(all(&shape), ["{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n"]);
    }
}

#[test]
fn what_a_crash_left_of_a_send_is_cut_and_what_was_acknowledged_stays() {
    for packing in ALL {
        let folder = tempfile::tempdir().unwrap();
        let shape = shape(folder.path(), packing);
        let mut series = open(&shape);
        write(&mut series, "{\"a\":1}\n");
        let acknowledged = fs::read(&shape.path).unwrap();
        write(&mut series, "{\"b\":2}\n");
        drop(series);
        let both = fs::read(&shape.path).unwrap();
        for cut in acknowledged.len()..both.len() {
            fs::write(&shape.path, both.get(..cut).unwrap()).unwrap();
            write(&mut open(&shape), "{\"c\":3}\n");
            assert_eq!(all(&shape), ["{\"a\":1}\n{\"c\":3}\n"], "{packing:?} {cut}");
        }
    }
}

#[test]
fn a_file_is_put_away_before_a_send_makes_it_too_large() {
    for packing in ALL {
        let folder = tempfile::tempdir().unwrap();
        let line = format!("{{\"a\":\"{}\"}}\n", "x".repeat(100));
        let one = packing.map_or(line.len(), |packing| packing.pack(line.as_bytes()).unwrap().len());
        let bytes = u64::try_from(one * 2).unwrap();
        let shape = Shape { rotate_bytes: Some(bytes), ..shape(folder.path(), packing) };
        let mut series = open(&shape);
        (0..5).for_each(|_| write(&mut series, &line));
        assert_eq!(all(&shape), [line.repeat(2), line.repeat(2), line.clone()], "{packing:?}");
        // One that is larger for itself has a file for itself.
        let mut large = String::new();
        (0..50).for_each(|number| large.push_str(&format!("{{\"large\":{}}}\n", number * 7_919)));
        write(&mut series, &large);
        write(&mut series, &line);
        assert_eq!(all(&shape).get(2..).unwrap(), [line.clone(), large, line]);
    }
}

#[test]
fn a_file_is_put_away_at_whole_marks_of_utc() {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape { rotate_every: Some(Duration::from_secs(3_600)), ..shape(folder.path(), None) };
    let mut series = open(&shape);
    for (seconds, text) in [(10, "0:00:10\n"), (3_599, "0:59:59\n"), (3_600, "1:00:00\n"), (9_000, "2:30:00\n")] {
        series.write(text.into(), at(seconds)).unwrap();
    }
    assert_eq!(all(&shape), ["0:00:10\n0:59:59\n", "1:00:00\n", "2:30:00\n"]);
    assert_eq!(
        shape.names.all().unwrap(),
        ["events-20251128T010000000Z.ndjson", "events-20251128T023000000Z.ndjson"],
        "the time when it was put away"
    );
    assert_eq!(series.rotates_in(at(9_000)), Some(Duration::from_secs(1_800)));
    series.rotate_if_old(at(10_799)).unwrap();
    assert_eq!(all(&shape).len(), 3);
    series.rotate_if_old(at(10_800)).unwrap();
    assert_eq!(all(&shape).last().unwrap(), "", "also if nothing comes");
    assert_eq!(series.rotates_in(at(10_800)), None, "an empty one is not put away");
}

#[test]
fn a_file_of_an_earlier_run_is_put_away_by_when_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape { rotate_every: Some(Duration::from_secs(3_600)), ..shape(folder.path(), None) };
    fs::write(&shape.path, "old\n").unwrap();
    File::options().append(true).open(&shape.path).unwrap().set_modified(at(0)).unwrap();
    let mut series = open(&shape);
    series.write("new\n".into(), at(3_600)).unwrap();
    assert_eq!(all(&shape), ["old\n", "new\n"]);
}

#[test]
fn nothing_is_deleted_unless_asked_and_then_the_oldest() {
    for (keep, left) in [(None, 5), (Some(2), 2)] {
        let folder = tempfile::tempdir().unwrap();
        let shape = Shape { rotate_bytes: Some(1), keep, ..shape(folder.path(), None) };
        let foreign = folder.path().join("events-old.ndjson");
        fs::write(&foreign, "kept").unwrap();
        let mut series = open(&shape);
        (0..6).for_each(|number| write(&mut series, &format!("{number}\n")));
        let files = all(&shape);
        assert_eq!(files.len(), left + 1);
        assert_eq!(files.last().unwrap(), "5\n");
        assert!(foreign.exists());
    }
}

#[test]
fn lines_of_a_send_that_was_not_recorded_are_not_written_again_wherever_they_stand() {
    for packing in ALL {
        for rotate_bytes in [None, Some(1)] {
            let folder = tempfile::tempdir().unwrap();
            let shape = Shape { rotate_bytes, ..shape(folder.path(), packing) };
            let mut series = open(&shape);
            write(&mut series, "{\"a\":1}\n");
            let begun = series.begin();
            write(&mut series, "{\"b\":2}\n{\"c\":3}\n");
            drop(series);
            let before = all(&shape).concat();

            let mut series = open(&shape);
            assert_eq!(series.recall(&begun).unwrap(), 2, "{packing:?} {rotate_bytes:?}");
            assert_eq!(series.begin(), begun, "until they have come");
            write(&mut series, "{\"b\":2}\n");
            write(&mut series, "{\"c\":3}\n{\"d\":4}\n");
            assert_eq!(all(&shape).concat(), format!("{before}{{\"d\":4}}\n"));
            assert_ne!(series.begin(), begun);
            // Each counts once: the same line is another event then.
            write(&mut series, "{\"b\":2}\n");
            assert_eq!(all(&shape).concat(), format!("{before}{{\"d\":4}}\n{{\"b\":2}}\n"));
        }
    }
}

#[test]
fn tenants_that_share_the_files_look_back_each_from_a_place_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let shape = Shape { rotate_bytes: Some(20), ..shape(folder.path(), None) };
    let mut series = open(&shape);
    let one = series.begin();
    write(&mut series, "{\"t\":1,\"a\":1}\n");
    let two = series.begin();
    write(&mut series, "{\"t\":2,\"a\":1}\n");
    drop(series);
    let mut series = open(&shape);
    assert_eq!(series.recall(&two).unwrap(), 1);
    assert_eq!(series.recall(&one).unwrap(), 2);
    let before = all(&shape);
    write(&mut series, "{\"t\":2,\"a\":1}\n");
    write(&mut series, "{\"t\":1,\"a\":1}\n");
    assert_eq!(all(&shape), before);
}

#[test]
fn a_file_that_is_not_packed_as_it_should_be_is_put_away_and_not_cut() {
    for packing in [Packing::Gzip, Packing::Zstd] {
        let folder = tempfile::tempdir().unwrap();
        let shape = shape(folder.path(), Some(packing));
        fs::write(&shape.path, "{\"mine\":1}\n").unwrap();
        write(&mut open(&shape), "{\"a\":1}\n");
        assert_eq!(unpacked(Some(packing), &shape.path), "{\"a\":1}\n");
        let [away] = &shape.names.all().unwrap()[..] else { panic!() };
        assert_eq!(fs::read_to_string(shape.names.path(away)).unwrap(), "{\"mine\":1}\n");
    }
}

#[test]
fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let shape = shape(folder.path(), None);
    let mut first = open(&shape);
    assert!(matches!(Series::open(shape.clone()), Err(SinkError::InUse { .. })));
    write(&mut first, "1\n");
    let renaming = Shape { rotate_bytes: Some(1), ..shape };
    drop(first);
    let mut first = open(&renaming);
    write(&mut first, "2\n");
    assert!(matches!(Series::open(renaming), Err(SinkError::InUse { .. })), "also after it was put away");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_refusal_and_what_stands_there_is_still_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = PathBuf::from("/dev/full");
    let mut series = Series::open(Shape { path, ..shape(folder.path(), None) }).unwrap();
    let mut stretch = Stretch::default();
    stretch.push(super::super::again::line(b"{\"a\":1}"));
    series.expected.add(Note::default(), stretch);
    let both = "{\"a\":1}\n{\"b\":2}\n";
    assert!(matches!(series.write(both.into(), at(0)), Err(SinkError::Refused { .. })));
    assert_eq!(series.begin(), "0");
    assert!(series.expected.from().is_some());
    let mut lines = both.as_bytes().to_vec();
    assert_eq!(series.expected.take(&mut lines).len(), 1);
}
