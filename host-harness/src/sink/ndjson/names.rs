//! Names of files that were put away: with the time when they were, so that they sort by age.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};

/// As `20251128T032000123Z`: no colon, which some systems have not in names.
const STAMP: &str = "%Y%m%dT%H%M%S%3fZ";
const STAMP_LENGTH: usize = 19;

/// The names that belong to one file: `events.ndjson.gz` is put away as `events-20251128T032000123Z.ndjson.gz`.
#[derive(Clone, Debug)]
pub(super) struct Names {
    folder: PathBuf,
    before: String,
    after: String,
}

impl Names {
    /// Those of this file, whose name ends with `suffix` if it is packed. None: it has no name that is a text.
    pub(super) fn of(path: &Path, suffix: &str) -> Option<Self> {
        let name = path.file_name().and_then(OsStr::to_str)?;
        let (plain, packed) = name.strip_suffix(suffix).map_or((name, ""), |plain| (plain, suffix));
        let split = plain.rfind('.').filter(|at| *at > 0).unwrap_or(plain.len());
        let (stem, end) = plain.split_at(split);
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(Self { folder: folder.to_owned(), before: format!("{stem}-"), after: format!("{end}{packed}") })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Names of files that were put away, the oldest first.
    pub(super) fn all(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            names.extend(entry?.file_name().into_string().ok().filter(|name| self.time(name).is_some()));
        }
        names.sort();
        Ok(names)
    }

    /// The name for one that is put away now, behind `last`, whatever the clock does.
    pub(super) fn next(&self, now: DateTime<Utc>, last: &str) -> String {
        let name = |time: NaiveDateTime| format!("{}{}{}", self.before, time.format(STAMP), self.after);
        match self.time(last) {
            Some(last) if now.naive_utc() <= last + TimeDelta::milliseconds(1) => {
                name(last + TimeDelta::milliseconds(1))
            }
            Some(_) | None => name(now.naive_utc()),
        }
    }

    /// When the file of this name was put away; none if it is not of this series.
    fn time(&self, name: &str) -> Option<NaiveDateTime> {
        let stamp = name.strip_prefix(&self.before)?.strip_suffix(&self.after)?;
        let is_plain = stamp.len() == STAMP_LENGTH && stamp.is_ascii();
        NaiveDateTime::parse_from_str(stamp, STAMP).ok().filter(|_| is_plain)
    }
}

/// Renames a file unless the new name is taken.
pub(super) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A file system that does not know how.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            done => return Ok(done?),
        }
    }
    if to.try_exists()? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    fs::rename(from, to)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_time_stands_before_the_ending() {
        let now = at("2025-11-28T03:20:00.123Z");
        for (path, suffix, name) in [
            ("events.ndjson", "", "events-20251128T032000123Z.ndjson"),
            ("/var/log/my.webex.ndjson.gz", ".gz", "my.webex-20251128T032000123Z.ndjson.gz"),
            ("events.zst", ".zst", "events-20251128T032000123Z.zst"),
            (".hidden", "", ".hidden-20251128T032000123Z"),
        ] {
            assert_eq!(Names::of(Path::new(path), suffix).unwrap().next(now, ""), name);
        }
    }

    #[test]
    fn a_name_sorts_behind_the_last_even_if_the_clock_is_set_back() {
        let names = Names::of(Path::new("e.ndjson"), "").unwrap();
        let mut last = names.next(at("2025-12-31T23:59:59.999Z"), "");
        for now in ["2025-12-31T23:59:59.999Z", "2025-06-01T00:00:00Z", "2026-01-01T00:00:00.001Z"] {
            let next = names.next(at(now), &last);
            assert!(next > last, "{next} {last}");
            last = next;
        }
        assert_eq!(last, "e-20260101T000000002Z.ndjson");
    }

    #[test]
    fn only_names_of_the_series_belong_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let own = ["e-20251128T032000123Z.ndjson", "e-20251128T032000124Z.ndjson"];
        for name in own.into_iter().chain([
            "e.ndjson",
            "e-old.ndjson",
            "e-20251128T032000123Z.ndjson.gz",
            "ee-20251128T032000123Z.ndjson",
            "e-20259928T032000123Z.ndjson",
        ]) {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(Names::of(&folder.path().join("e.ndjson"), "").unwrap().all().unwrap(), own);
    }

    #[test]
    fn a_name_that_is_taken_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        fs::write(&one, "1").unwrap();
        fs::write(&two, "2").unwrap();
        assert_eq!(rename_new(&one, &two).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&two).unwrap(), "2");
        fs::remove_file(&two).unwrap();
        rename_new(&one, &two).unwrap();
        assert_eq!(fs::read_to_string(&two).unwrap(), "1");
    }
}
