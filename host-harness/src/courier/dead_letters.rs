//! Events that a receiver has refused for good, with the reason, in `<state_dir>/deadletter/<sink>.ndjson`: one line each.
//!
//! A dead letter counts as not delivered. It stays until a person sends it again or lets it go.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable::{self, DurableError};
use crate::sink::{Event, SinkName};

/// The folder in a tenant's state.
const FOLDER: &str = "deadletter";
const EXTENSION: &str = "ndjson";

/// One event that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// When; milliseconds since the epoch.
    pub at: i64,
    /// What the receiver said.
    pub reason: String,
    /// Of the event, as the contract has it.
    pub id: String,
    /// Its organization.
    pub org: String,
    /// Its stream.
    pub stream: String,
    /// When it arose.
    pub created: Option<i64>,
    /// The body as it was collected.
    pub body: String,
}

impl DeadLetter {
    /// This event.
    pub fn of(event: Event, at: i64, reason: String) -> Self {
        let Event { id, org, stream, created, body } = event;
        Self { at, reason, id, org, stream, created, body }
    }

    /// The event.
    pub fn into_event(self) -> Event {
        let Self { id, org, stream, created, body, .. } = self;
        Event { id, org, stream, created, body }
    }
}

/// The dead letters of one sink.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    path: PathBuf,
}

impl DeadLetters {
    /// Those below `state_dir`.
    pub fn of(state_dir: &Path, sink: &SinkName) -> Self {
        Self { path: state_dir.join(FOLDER).join(format!("{sink}.{EXTENSION}")) }
    }

    /// Every sink that has some.
    pub fn all(state_dir: &Path) -> Vec<(SinkName, Self)> {
        let entries = state_dir.join(FOLDER).read_dir().into_iter().flatten().flatten();
        let mut found: Vec<_> = entries
            .filter_map(|entry| {
                let path = entry.path();
                let stem =
                    path.extension().is_some_and(|extension| extension == EXTENSION).then(|| path.file_stem())?;
                Some((SinkName::parse(stem?.to_str()?)?, Self { path }))
            })
            .collect();
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        found
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds some; on the disk when it returns.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn add(&self, letters: &[DeadLetter]) -> Result<(), DurableError> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        durable::folder(folder)?;
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&self.path).and_then(|mut file| {
            // What a crash has torn must not swallow the next line.
            if !ends_a_line(&mut file)? {
                file.write_all(b"\n")?;
            }
            write(&file, letters.iter())?;
            file.sync_data()
        });
        written.map_err(DurableError::io("write", &self.path))?;
        durable::sync_folder(folder)
    }

    /// All of them, oldest first. A line that a crash has torn is left out: its event was not passed, and comes again.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn list(&self) -> Result<Vec<DeadLetter>, DurableError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(DurableError::io("read", &self.path)(error)),
        };
        let mut letters = Vec::new();
        for line in BufReader::new(file).split(b'\n') {
            let line = line.map_err(DurableError::io("read", &self.path))?;
            letters.extend(serde_json::from_slice::<DeadLetter>(&line));
        }
        Ok(letters)
    }

    /// How many lines there are, read one at a time.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn count(&self) -> Result<u64, DurableError> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(DurableError::io("read", &self.path)(error)),
        };
        let (mut lines, mut count) = (BufReader::new(file), 0);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).map_err(DurableError::io("read", &self.path))? > 0 {
            count += u64::from(line.ends_with(b"}\n"));
            line.clear();
        }
        Ok(count)
    }

    /// Keeps only these; on the disk when it returns.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn keep(&self, letters: &[DeadLetter]) -> Result<(), DurableError> {
        if letters.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(DurableError::io("delete", &self.path)(error))
                }
                _ => Ok(()),
            };
        }
        durable::replace_with(&self.path, |file| write(file, letters.iter()))
    }
}

fn ends_a_line(file: &mut File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn write<'a>(file: &File, letters: impl Iterator<Item = &'a DeadLetter>) -> std::io::Result<()> {
    let mut to = BufWriter::new(file);
    for letter in letters {
        serde_json::to_writer(&mut to, letter)?;
        to.write_all(b"\n")?;
    }
    to.flush()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn letter(id: &str) -> DeadLetter {
        let event = Event {
            id: id.to_owned(),
            org: String::new(),
            stream: "events".to_owned(),
            created: Some(1),
            body: "{\"a\":\"\\ud800\"}".to_owned(),
        };
        DeadLetter::of(event, 2, "too large".to_owned())
    }

    fn letters(folder: &Path) -> DeadLetters {
        DeadLetters::of(folder, &SinkName::parse("one").unwrap())
    }

    #[test]
    fn letters_are_kept_in_their_order_until_they_are_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        let letters = letters(folder.path());
        assert_eq!((letters.list().unwrap(), letters.count().unwrap()), (Vec::new(), 0));
        letters.add(&[letter("1"), letter("2")]).unwrap();
        letters.add(&[letter("3")]).unwrap();
        assert_eq!(
            (letters.list().unwrap(), letters.count().unwrap()),
            (vec![letter("1"), letter("2"), letter("3")], 3)
        );
        letters.keep(&[letter("2")]).unwrap();
        assert_eq!(letters.list().unwrap(), [letter("2")]);
        letters.keep(&[]).unwrap();
        assert!(DeadLetters::all(folder.path()).is_empty());
    }

    #[test]
    fn a_line_that_a_crash_has_torn_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let letters = letters(folder.path());
        letters.add(&[letter("1")]).unwrap();
        let mut file = OpenOptions::new().append(true).open(letters.path()).unwrap();
        file.write_all(b"{\"at\":2,\"rea").unwrap();
        assert_eq!(letters.count().unwrap(), 1);
        letters.add(&[letter("2")]).unwrap();
        assert_eq!((letters.list().unwrap(), letters.count().unwrap()), (vec![letter("1"), letter("2")], 2));
    }
}
