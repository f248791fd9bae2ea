//! When the last scheduled re-audit began, and the stretch that is not read to its end yet: so that a restart neither repeats
//! one nor leaves one out.
//!
//! `<state_dir>/reaudit.json`, replaced as a whole. It only says when to read what again. So a damaged one is told and costs
//! no more than a re-audit that comes early, and never keeps anything from being collected.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Stretch;
use crate::durable::{self, DurableError};
use crate::log::{Level, Log};

const FILE: &str = "reaudit.json";
/// The form that this program writes. It reads all forms up to this one.
const FORMAT: u64 = 1;

/// The stored text. Times are milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    format: u64,
    began: i64,
    open: Option<Stretch>,
}

/// What is stored.
#[derive(Debug)]
pub(super) struct Record {
    path: PathBuf,
    /// None: there was never one.
    form: Option<Form>,
}

impl Record {
    /// Reads it.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub(super) fn load(state_dir: &Path, log: &Log) -> Result<Self, DurableError> {
        let path = state_dir.join(FILE);
        let form = match durable::read(&path)?.map(|text| serde_json::from_slice::<Form>(&text)) {
            Some(Ok(form)) if form.format == FORMAT => Some(form),
            Some(_) => {
                let text = format!(
                    "{} is damaged or of a newer program, so when the last re-audit was is not known; the next one begins now",
                    path.display()
                );
                log.write(Level::Warn, "re-audit-record", &text, &[]);
                None
            }
            None => None,
        };
        Ok(Self { path, form })
    }

    /// When the last one began; none: there was never one.
    pub(super) fn began(&self) -> Option<i64> {
        self.form.map(|form| form.began)
    }

    /// What was begun and is not read to its end.
    pub(super) fn open(&self) -> Option<Stretch> {
        self.form.and_then(|form| form.open)
    }

    /// One begins. On the disk when it returns.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn begin(&mut self, now: i64, stretch: Stretch) -> Result<(), DurableError> {
        self.store(Form { format: FORMAT, began: now, open: Some(stretch) })
    }

    /// It is over.
    ///
    /// # Errors
    /// The disk refuses.
    pub(super) fn end(&mut self) -> Result<(), DurableError> {
        match self.form {
            Some(form) => self.store(Form { open: None, ..form }),
            None => Ok(()),
        }
    }

    fn store(&mut self, form: Form) -> Result<(), DurableError> {
        // Numbers always have a JSON form.
        let mut text = serde_json::to_vec(&form).unwrap_or_default();
        text.push(b'\n');
        durable::replace(&self.path, &text)?;
        self.form = Some(form);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    /// Form 1 as the first release wrote it; it is read for ever.
    const FORM_1: &str = include_str!("../../../tests/golden/reaudit-1.json");
    const STRETCH: Stretch = Stretch { from: 1_767_139_200_000, to: 1_767_225_595_000 };

    #[test]
    fn what_one_process_stores_the_next_one_reads() {
        let folder = tempfile::tempdir().unwrap();
        let load = || Record::load(folder.path(), &Log::silent()).unwrap();
        assert_eq!((load().began(), load().open()), (None, None));
        load().begin(7, STRETCH).unwrap();
        assert_eq!((load().began(), load().open()), (Some(7), Some(STRETCH)));
        load().end().unwrap();
        assert_eq!((load().began(), load().open()), (Some(7), None));
    }

    #[test]
    fn form_1_is_read_and_still_written() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), FORM_1).unwrap();
        let log = Log::memory();
        let mut record = Record::load(folder.path(), &log).unwrap();
        assert!(log.lines().is_empty());
        assert_eq!((record.began(), record.open()), (Some(1_767_225_600_000), Some(STRETCH)));
        record.begin(1_767_225_600_000, STRETCH).unwrap();
        assert_eq!(std::fs::read_to_string(folder.path().join(FILE)).unwrap(), FORM_1);
    }

    #[test]
    fn a_damaged_or_newer_one_is_told_and_counts_as_none() {
        for text in ["", "{", "{\"format\":2,\"began\":1}", "{\"format\":1}", &FORM_1.replace("began", "begin")] {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join(FILE), text).unwrap();
            let log = Log::memory();
            assert_eq!(Record::load(folder.path(), &log).unwrap().began(), None, "{text}");
            assert_eq!(log.lines().len(), 1, "{text}");
        }
    }
}
