//! A file behind a spool.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::conformance::{Arrived, Fault, Receiver, conforms};

/// A file, which acknowledges by being on the disk.
struct File {
    folder: TempDir,
}

impl File {
    fn path(&self) -> PathBuf {
        self.folder.path().join("events.ndjson")
    }
}

impl Receiver for File {
    fn table(&self) -> String {
        // With a filter of all streams, so that it goes through the spool.
        let path = self.path();
        format!(
            "type = \"ndjson\"\npath = \"{}\"\nstreams = [\"admin_audits\", \"security_audits\", \"events\"]",
            path.display()
        )
    }

    fn misbehave(&self, _: Fault, _: usize) -> bool {
        false
    }

    fn refuse(&self, _: &str) -> bool {
        false
    }

    fn arrived(&self) -> Vec<Arrived> {
        let text = fs::read_to_string(self.path()).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let line = |line: &str| {
            let read: serde_json::Value = serde_json::from_str(line).unwrap();
            Arrived { id: read["id"].as_str().unwrap().to_owned(), body: line.to_owned(), acknowledged: true }
        };
        whole.lines().map(line).collect()
    }

    fn knows_ids(&self) -> bool {
        // A line that stands there is found again after a crash.
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_behind_a_spool_conforms() {
    conforms(async || File { folder: tempfile::tempdir().unwrap() }).await;
}
