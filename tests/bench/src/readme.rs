//! The table in the README: it stands between two markers and is written by the program alone.

use std::path::{Path, PathBuf};

use crate::error::BenchError;
use crate::results::Results;
use crate::sinks::Sinks;
use crate::table;

const BEGIN: &str = "<!-- what it costs, written by `cargo measure readme` -->\n";
const END: &str = "<!-- end of what it costs -->";

/// The README of the repository.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")
}

/// Writes the table of these results.
///
/// # Errors
/// The file cannot be read or written, or has no markers.
pub fn write(path: &Path, results: &Results, sinks: &Sinks) -> Result<(), BenchError> {
    let readme = std::fs::read_to_string(path).map_err(BenchError::file("read", path))?;
    let changed = with_table(
        &readme,
        &format!(
            "{}\nFrom a full spool to a receiver that only answers. {}",
            table::markdown(results),
            sinks.markdown()
        ),
    )
    .ok_or_else(|| BenchError::NotOurs {
        path: path.to_owned(),
        reason: "the two markers are missing".to_owned(),
        remedy: "put them where the table belongs; they are in tests/bench/src/readme.rs",
    })?;
    std::fs::write(path, changed).map_err(BenchError::file("write", path))
}

fn with_table(readme: &str, table: &str) -> Option<String> {
    let (before, rest) = readme.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{table}{END}{after}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_replaced() {
        let readme = format!("before\n{BEGIN}old\n{END}\nafter\n");
        let changed = with_table(&readme, "new\n").unwrap();
        assert_eq!(changed, format!("before\n{BEGIN}new\n{END}\nafter\n"));
        assert_eq!(with_table("nothing\n", "new\n"), None);
    }

    #[test]
    fn the_readme_has_the_markers() {
        let readme = std::fs::read_to_string(path()).unwrap();
        assert!(with_table(&readme, "").is_some());
    }
}
