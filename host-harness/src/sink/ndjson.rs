//! Bodies, one a line, to a file, to standard output or into a named pipe.
//!
//! A single file, and standard output, are written directly ([`Ndjson`]); all else goes through the spool:
//!
//! | file | holds |
//! | --- | --- |
//! | [`series`] | a file that may be packed and put away, and what a crash leaves of it |
//! | [`packing`] | members of gzip and zstd, and where the last whole one ends |
//! | [`names`] | names of files that were put away |
//! | [`pipe`] | a named pipe |
//!
//! A file is only appended to. What a killed process left of a line is cut at the next start: it belongs to a batch that was
//! not acknowledged, and comes again whole. A batch that does not fit on the disk is cut back too. Whole lines are never cut:
//! somebody may have read them. Where they are of a batch that was not recorded, the same line is not written twice instead.
//!
//! Many tenants may [share](Ndjson::share) a file: each writes whole batches, one after the other, and knows only its own lines.

mod again;
mod expected;
mod names;
mod packing;
#[cfg(unix)]
mod pipe;
mod plan;
mod series;
mod spooled;

use std::borrow::Borrow;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Mark, Mended, SinkError};
use crate::runtime::{Bundle, Event};
use again::Again;
pub(super) use plan::{KIND, NdjsonPlan};

/// Bytes that are gathered before they are written: few system calls, little memory.
const CHUNK: usize = 256 * 1024;
/// Bytes that are read at a time while the end of the last whole line is looked for.
const LOOK_BACK: u64 = 64 * 1024;

/// One line an event. Lines are whole or absent.
#[derive(Debug)]
pub struct Ndjson {
    to: To,
    /// Says in each line whose it is.
    mark: Option<Mark>,
    is_shared: bool,
}

#[derive(Debug)]
enum To {
    Stdout {
        /// Standard output where it is a file, which is then forced to the disk.
        file: Option<File>,
    },
    File {
        appended: Arc<Appended>,
        /// Lines of it that may come again.
        again: Again,
    },
}

/// A file that is only written at its end.
#[derive(Debug)]
struct Appended {
    path: PathBuf,
    end: Mutex<End>,
}

#[derive(Debug)]
struct End {
    file: File,
    /// Length after the last batch that was acknowledged.
    acknowledged: u64,
}

impl Appended {
    fn end(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self, source: io::Error) -> SinkError {
        SinkError::Refused { name: self.path.display().to_string(), source }
    }
}

impl Ndjson {
    /// `-` is standard output; else a file, which is made, readable by this account alone, if need be. The sentence tells
    /// what was cut.
    ///
    /// # Errors
    /// The file cannot be opened, or another process has it.
    pub fn open(path: &Path) -> Result<(Self, Option<Mended>), SinkError> {
        if path == Path::new("-") {
            return Ok((Self::to(To::Stdout { file: stdout_file() }), None));
        }
        let refused = |source| SinkError::Refused { name: path.display().to_string(), source };
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(refused)?;
        match file.try_lock() {
            // A device such as /dev/null, or a file system without locks, has no second writer to fear or no way to tell.
            Ok(()) | Err(TryLockError::Error(_)) => {}
            Err(TryLockError::WouldBlock) => return Err(SinkError::InUse { path: path.to_owned() }),
        }
        let length = file.metadata().map_err(refused)?.len();
        let whole = end_of_last_line(&mut file, length).map_err(refused)?;
        let mut mended = None;
        if whole < length {
            file.set_len(whole).and_then(|()| file.sync_all()).map_err(refused)?;
            mended = Some(Mended { path: path.to_owned(), cut: length - whole });
        }
        let end = Mutex::new(End { file, acknowledged: whole });
        let appended = Arc::new(Appended { path: path.to_owned(), end });
        Ok((Self::to(To::File { appended, again: Again::default() }), mended))
    }

    fn to(to: To) -> Self {
        Self { to, mark: None, is_shared: false }
    }

    /// The same with a mark in each line.
    #[must_use]
    pub fn marked(self, mark: Option<Mark>) -> Self {
        Self { mark, ..self }
    }

    /// The same place for one of many tenants, whose mark this is.
    #[must_use]
    pub fn share(&self, mark: Option<Mark>) -> Self {
        let to = match &self.to {
            To::Stdout { .. } => To::Stdout { file: stdout_file() },
            To::File { appended, .. } => To::File { appended: Arc::clone(appended), again: Again::default() },
        };
        Self { to, mark, is_shared: true }
    }

    /// The file, and where in it the batch begins that is delivered next, or that an earlier run has left and that is not
    /// made up for yet. None for standard output, and for a file with lines of many tenants that do not say whose they are:
    /// there a line that stands in the file may be another tenant's, and must not keep this one's from being written.
    pub(super) fn begin(&self) -> Option<(&Path, u64)> {
        match &self.to {
            To::File { appended, again } if !self.is_shared || self.mark.is_some() => {
                Some((&appended.path, again.from().unwrap_or_else(|| appended.end().acknowledged)))
            }
            To::Stdout { .. } | To::File { .. } => None,
        }
    }

    /// From byte `from` on the file holds lines of a batch that was not recorded: where they are delivered again, they are
    /// not written again. Returns how many there are.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn recall(&mut self, from: u64) -> Result<usize, SinkError> {
        let To::File { appended, again } = &mut self.to else { return Ok(0) };
        let mut end = appended.end();
        let acknowledged = end.acknowledged;
        *again = Again::read(&mut end.file, from, acknowledged).map_err(|source| appended.refused(source))?;
        Ok(again.len())
    }

    /// Whether lines will be left that may come again, once these events are delivered.
    pub(super) fn still_expects(&self, bundles: &[Bundle]) -> bool {
        match &self.to {
            To::Stdout { .. } => false,
            To::File { appended, again } => {
                let line = |event: Event<'_>| {
                    let mut line = Vec::new();
                    put_line(&mut line, event.body, self.mark.as_ref());
                    line
                };
                again.outlasts(Bundle::each_of(bundles).map(line), appended.end().acknowledged)
            }
        }
    }

    /// What was expected to come again and has not, does not come any more.
    pub(super) fn settle(&mut self) {
        if let To::File { again, .. } = &mut self.to {
            *again = Again::default();
        }
    }

    /// Whether this is standard output.
    pub(super) fn is_stdout(&self) -> bool {
        matches!(self.to, To::Stdout { .. })
    }

    /// Writes the bodies; flushed, and on the disk where it is a file, when it returns. A bundle that is given away is dropped
    /// once it is written.
    ///
    /// # Errors
    /// The disk is full, the reader has gone, the file is not writable any more. A file is then as it was before.
    pub fn deliver<B: Borrow<Bundle>>(&mut self, bundles: impl IntoIterator<Item = B>) -> Result<(), SinkError> {
        let mark = self.mark.as_ref();
        match &mut self.to {
            To::Stdout { file } => {
                let written = write_lines(&mut io::stdout().lock(), bundles, mark, &mut Again::default())
                    .and_then(|()| io::stdout().lock().flush())
                    .and_then(|()| file.as_ref().map_or(Ok(()), File::sync_data));
                written.map_err(|source| match source.kind() {
                    ErrorKind::BrokenPipe => SinkError::Closed,
                    _ => SinkError::Refused { name: "standard output".into(), source },
                })
            }
            To::File { appended, again } => {
                let mut end = appended.end();
                let End { file, acknowledged } = &mut *end;
                let before = *acknowledged;
                // What stands there already is perhaps not on the disk yet: it is forced there with the rest.
                let written =
                    write_lines(file, bundles, mark, again).and_then(|()| sync(file)).and_then(|()| file.metadata());
                match written {
                    Ok(metadata) => {
                        *acknowledged = metadata.len();
                        Ok(())
                    }
                    Err(source) => {
                        // If even that fails, the next start cuts the torn line, and whole lines come twice, not never.
                        let _ = file.set_len(before).and_then(|()| file.sync_all());
                        Err(appended.refused(source))
                    }
                }
            }
        }
    }
}

/// A device has nothing to force to a disk and says so.
fn sync(file: &File) -> io::Result<()> {
    match file.sync_data() {
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// Writes the bodies but those that stand there already.
fn write_lines<B: Borrow<Bundle>>(
    to: &mut impl Write,
    bundles: impl IntoIterator<Item = B>,
    mark: Option<&Mark>,
    again: &mut Again,
) -> io::Result<()> {
    let mut lines = Vec::new();
    for bundle in bundles {
        let bundle = bundle.borrow();
        // Nothing else is to be done with lines as they are: the runtime lets none through that is not one.
        if mark.is_none() && again.is_empty() {
            if lines.len() + bundle.lines.len() >= CHUNK {
                to.write_all(&lines)?;
                lines.clear();
                to.write_all(bundle.lines.as_bytes())?;
            } else {
                lines.extend_from_slice(bundle.lines.as_bytes());
            }
            continue;
        }
        for event in bundle.each() {
            let begin = lines.len();
            put_line(&mut lines, event.body, mark);
            if lines.get(begin..).is_some_and(|line| again.take(line)) {
                lines.truncate(begin);
                continue;
            }
            lines.push(b'\n');
            if lines.len() >= CHUNK {
                to.write_all(&lines)?;
                lines.clear();
            }
        }
    }
    to.write_all(&lines)
}

/// Bodies of events that were read from the spool, each with its line break.
fn lines(events: &[super::Event]) -> String {
    let mut lines = String::with_capacity(events.iter().map(|event| event.body.len() + 1).sum());
    for event in events {
        lines.push_str(&event.body);
        lines.push('\n');
    }
    lines
}

/// A body as it is written, without its line break.
fn put_line(lines: &mut Vec<u8>, body: &str, mark: Option<&Mark>) {
    let begin = lines.len();
    lines.extend_from_slice(body.as_bytes());
    if let Some(mark) = mark {
        mark.put(lines, begin);
    }
}

/// Where the last whole line ends: 0, or after the last line break.
fn end_of_last_line(file: &mut File, length: u64) -> io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(LOOK_BACK);
        let mut piece = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        Read::by_ref(file).take(end - start).read_to_end(&mut piece)?;
        if let Some(place) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + u64::try_from(place).unwrap_or(0) + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Standard output as a file, if it is one.
fn stdout_file() -> Option<File> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        let file = File::from(io::stdout().as_fd().try_clone_to_owned().ok()?);
        file.metadata().ok()?.is_file().then_some(file)
    }
    #[cfg(not(unix))]
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use std::fs;

    use super::*;
    use crate::runtime::EventHead;

    fn events(bodies: &[&str]) -> Vec<Bundle> {
        let bundle = |bodies: &[&str]| Bundle {
            stream: "events".into(),
            org: String::new(),
            events: bodies.iter().map(|body| EventHead { id: (*body).into(), created: None }).collect(),
            lines: bodies.iter().map(|body| format!("{body}\n")).collect(),
        };
        bodies.chunks(2).map(bundle).collect()
    }

    fn open(path: &Path) -> (Ndjson, Option<Mended>) {
        Ndjson::open(path).unwrap()
    }

    #[test]
    fn a_torn_last_line_is_cut_at_start_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        for (before, after) in [("{\"a\":1}\n{\"b\"", "{\"a\":1}\n"), ("{\"a\"", ""), ("", ""), ("x\n", "x\n")] {
            fs::write(&path, before).unwrap();
            let (_, mended) = open(&path);
            assert_eq!(fs::read_to_string(&path).unwrap(), after);
            assert_eq!(mended.is_some(), before != after, "{before:?}");
        }
    }

    #[test]
    fn a_torn_line_longer_than_one_look_is_cut_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        fs::write(&path, format!("whole\n{}", "x".repeat(200_000))).unwrap();
        open(&path);
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole\n");
    }

    #[test]
    fn batches_follow_each_other_and_earlier_lines_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        open(&path).0.deliver(events(&["{\"a\":1}", "{\"b\":2}"])).unwrap();
        let (mut sink, mended) = open(&path);
        sink.deliver(events(&["{\"c\":3}"])).unwrap();
        assert_eq!(mended, None);
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n");
    }

    #[test]
    fn lines_of_a_batch_that_was_not_recorded_are_not_written_again_but_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        let (mut sink, _) = open(&path);
        sink.deliver(events(&["{\"a\":1}"])).unwrap();
        let begun = sink.begin().unwrap().1;
        sink.deliver(events(&["{\"b\":2}", "{\"c\":3}"])).unwrap();
        drop(sink);

        let (mut sink, _) = open(&path);
        assert_eq!(sink.recall(begun).unwrap(), 2);
        assert_eq!(sink.begin().unwrap().1, begun, "until they have come the batch is not made up for");
        assert!(sink.still_expects(&events(&["{\"b\":2}"])));
        assert!(!sink.still_expects(&events(&["{\"c\":3}", "{\"b\":2}", "{\"d\":4}"])));
        // Other bytes are another event, and what stands before the batch was recorded.
        sink.deliver(events(&["{\"b\": 2}", "{\"c\":3}", "{\"a\":1}"])).unwrap();
        sink.deliver(events(&["{\"b\":2}", "{\"c\":3}"])).unwrap();
        let text = "{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n{\"b\": 2}\n{\"a\":1}\n{\"c\":3}\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(sink.begin().unwrap().1, u64::try_from(text.len()).unwrap());
    }

    #[test]
    fn what_does_not_come_again_is_forgotten_when_all_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        let (mut sink, _) = open(&path);
        sink.deliver(events(&["{\"a\":1}"])).unwrap();
        sink.recall(0).unwrap();
        sink.settle();
        assert!(!sink.still_expects(&[]));
        sink.deliver(events(&["{\"a\":1}"])).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"a\":1}\n");
    }

    #[test]
    fn a_file_that_was_put_away_meanwhile_holds_nothing_to_recall() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        fs::write(&path, "{\"new\":1}\n").unwrap();
        assert_eq!(open(&path).0.recall(4_096).unwrap(), 0, "shorter");
        fs::write(&path, "{\"new\":1}\n{\"newer\":2}\n").unwrap();
        let (mut sink, _) = open(&path);
        sink.recall(3).unwrap();
        sink.deliver(events(&["{\"new\":1}"])).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3, "a piece of a line is no line");
    }

    #[test]
    fn tenants_that_share_a_file_write_to_its_end_and_each_line_says_whose_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        let (all, _) = open(&path);
        let [mut one, mut two] = ["one", "two"].map(|name| all.share(Some(Mark::new("tenant", name))));
        one.deliver(events(&["{\"a\":1}"])).unwrap();
        two.deliver(events(&["{\"a\":1}", "{}"])).unwrap();
        one.deliver(events(&["{\"b\":2}"])).unwrap();
        let text = "{\"a\":1,\"tenant\":\"one\"}\n{\"a\":1,\"tenant\":\"two\"}\n{\"tenant\":\"two\"}\n\
                    {\"b\":2,\"tenant\":\"one\"}\n";
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
        assert_eq!(
            one.begin().unwrap().1,
            u64::try_from(text.len()).unwrap(),
            "the end is the file's, not the tenant's"
        );
    }

    #[test]
    fn what_a_crash_left_of_one_tenant_in_a_shared_file_is_made_up_for_by_that_tenant_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        let share = |all: &Ndjson, name| all.share(Some(Mark::new("tenant", name)));
        let (all, _) = open(&path);
        let (mut one, mut two) = (share(&all, "one"), share(&all, "two"));
        let begun = one.begin().unwrap().1;
        two.deliver(events(&["{\"a\":1}"])).unwrap();
        one.deliver(events(&["{\"a\":1}", "{\"b\":2}"])).unwrap();
        drop((all, one, two));

        let (all, _) = open(&path);
        let (mut one, mut two) = (share(&all, "one"), share(&all, "two"));
        one.recall(begun).unwrap();
        let before = fs::read_to_string(&path).unwrap();
        one.deliver(events(&["{\"b\":2}", "{\"a\":1}"])).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), before, "both stand there");
        // The batch of the other was recorded, so the same line is another event.
        two.deliver(events(&["{\"a\":1}"])).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{before}{{\"a\":1,\"tenant\":\"two\"}}\n"));
    }

    #[test]
    fn a_shared_file_whose_lines_do_not_say_whose_they_are_is_not_searched_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let (all, _) = open(&folder.path().join("events.ndjson"));
        assert!(all.begin().is_some());
        assert!(all.share(None).begin().is_none(), "the line of another tenant could be taken for this one's");
    }

    #[test]
    fn a_second_process_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        let _first = open(&path);
        assert!(matches!(Ndjson::open(&path), Err(SinkError::InUse { .. })));
    }

    #[test]
    fn a_missing_folder_is_a_refusal_that_names_the_file() {
        let error = Ndjson::open(Path::new("/nonexistent-folder/events.ndjson")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent-folder/events.ndjson"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_a_refusal() {
        let (mut sink, _) = open(Path::new("/dev/full"));
        assert!(matches!(sink.deliver(events(&["{}"])), Err(SinkError::Refused { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_is_closed_to_others() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.ndjson");
        open(&path);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
