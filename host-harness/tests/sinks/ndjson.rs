//! Files behind a spool, and a named pipe.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::conformance::{Arrived, EVENTS, Fault, Place, Receiver, conforms, judge};

/// Files, which acknowledge by being on the disk.
struct Files {
    folder: TempDir,
    name: &'static str,
    /// What else the table holds.
    settings: &'static str,
}

impl Files {
    fn new(name: &'static str, settings: &'static str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), name, settings }
    }

    /// All of them, in the order in which they were written.
    fn paths(&self) -> Vec<PathBuf> {
        let entries = self.folder.path().read_dir().unwrap().map(|entry| entry.unwrap().path());
        let mut paths: Vec<PathBuf> = entries.filter(|path| !path.ends_with(self.name)).collect();
        paths.sort();
        paths.push(self.folder.path().join(self.name));
        paths
    }
}

/// What can be read of it, as by somebody who looks while it is written.
fn text(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    let mut text = Vec::new();
    // What is torn at the end is left out.
    let _ = match path.extension().and_then(|end| end.to_str()) {
        Some("gz") => flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text),
        Some("zst") => zstd::stream::read::Decoder::new(&bytes[..]).unwrap().read_to_end(&mut text),
        _ => bytes.as_slice().read_to_end(&mut text),
    };
    text.truncate(text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
    String::from_utf8(text).unwrap()
}

fn arrived(text: &str) -> Vec<Arrived> {
    let line = |line: &str| {
        let read: serde_json::Value = serde_json::from_str(line).unwrap();
        Arrived { id: read["id"].as_str().unwrap().to_owned(), body: line.to_owned(), acknowledged: true }
    };
    text.lines().map(line).collect()
}

impl Receiver for Files {
    fn table(&self) -> String {
        let path = self.folder.path().join(self.name);
        format!("type = \"ndjson\"\npath = \"{}\"\n{}", path.display(), self.settings)
    }

    fn misbehave(&self, _: Fault, _: usize) -> bool {
        false
    }

    fn refuse(&self, _: &str) -> bool {
        false
    }

    fn arrived(&self) -> Vec<Arrived> {
        // A file may be put away between two looks: then it is looked at twice, or not at all, once.
        self.paths().iter().flat_map(|path| arrived(&text(path))).collect()
    }

    fn knows_ids(&self) -> bool {
        // A line that stands there is found again after a crash.
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_behind_a_spool_conforms() {
    // With a filter of all streams, so that it goes through the spool.
    let filter = "streams = [\"admin_audits\", \"security_audits\", \"events\"]\nmax_bytes = \"64KiB\"";
    conforms(async || Files::new("events.ndjson", filter)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_put_away_by_size_conform() {
    let settings = "rotate_bytes = \"200KiB\"\nmax_bytes = \"64KiB\"";
    conforms(async || Files::new("events.ndjson", settings)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_put_away_by_time_conform() {
    let settings = "rotate_every = \"1s\"\nmax_bytes = \"16KiB\"\nsync = \"os\"";
    conforms(async || Files::new("events.ndjson", settings)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packed_files_conform() {
    for (name, settings) in [
        ("events.ndjson.gz", "compression = \"gzip\"\nrotate_bytes = \"20KiB\"\nmax_bytes = \"64KiB\""),
        ("events.ndjson.zst", "compression = \"zstd\"\nrotate_bytes = \"20KiB\"\nmax_bytes = \"64KiB\""),
        ("one.ndjson.zst", "compression = \"zstd\"\nmax_bytes = \"64KiB\""),
    ] {
        conforms(async || Files::new(name, settings)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_file_is_no_larger_than_asked_and_whole_for_itself() {
    let files =
        Files::new("events.ndjson.gz", "compression = \"gzip\"\nrotate_bytes = \"20KiB\"\nmax_bytes = \"64KiB\"");
    let place = Place::new(&files);
    place.store(0..EVENTS);
    place.deliver().await;
    let paths = files.paths();
    assert!(paths.len() > 3, "{paths:?}");
    for path in paths {
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.len() <= 20 * 1024, "{path:?}");
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        assert!(text.ends_with('\n'));
    }
    judge(&files, 0..EVENTS, &[], "packed");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_pipe_hands_over_everything_and_waits_for_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let place = Place::with(&format!("type = \"ndjson\"\npath = \"{}\"", path.display()));
    place.store(0..EVENTS);
    let couriers = place.start();
    // It is the reader that comes late.
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(couriers.standings().iter().all(|standing| standing.passed == 0));
    let reader = tokio::task::spawn_blocking(move || fs::read_to_string(path).unwrap());
    couriers.drained(std::time::Duration::from_secs(60), &host_harness::stop::Stop::new()).await.unwrap();
    couriers.end().await;
    let text = reader.await.unwrap();
    let ids: Vec<String> = arrived(&text).into_iter().map(|event| event.id).collect();
    let sent: Vec<String> = (0..EVENTS).map(|number| crate::conformance::event(number).id).collect();
    assert_eq!(ids, sent, "in their order, each once");
}
