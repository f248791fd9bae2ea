//! The kind `ndjson`: its settings.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Ndjson;
use super::names::Names;
use super::packing::Packing;
use super::series::{Series, Shape};
use super::spooled::{SeriesSink, StdoutSink};
use crate::sink::{Given, Kind, Plan, Promise, SetupError, Sink, SinkError, SinkKey, Traffic, ValueKind};

const PATH: &str = "path";
const ROTATE_BYTES: &str = "rotate_bytes";
const ROTATE_EVERY: &str = "rotate_every";
const KEEP: &str = "keep";
const COMPRESSION: &str = "compression";
const SYNC: &str = "sync";

/// The shortest and the longest time after which a file is put away.
const EVERY: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(31 * 24 * 60 * 60);
/// The smallest and the largest file.
const BYTES: std::ops::RangeInclusive<u64> = 1024..=1 << 40;
/// Most files that can be kept by number.
const MOST_KEPT: usize = 1_000_000;

/// One line an event, to a file, to standard output or into a named pipe.
pub(in crate::sink) const KIND: Kind = Kind {
    name: "ndjson",
    about: "One line of JSON an event, to a file, to standard output or into a named pipe.",
    keys: &[&[
        SinkKey::needed(
            PATH,
            ValueKind::Path,
            "The file or named pipe, from the folder of this one if relative; `-` is standard output.",
        ),
        SinkKey::new(
            ROTATE_BYTES,
            ValueKind::Size,
            "",
            "Put the file away, under a name with the time, before a send would make it larger than this.",
        ),
        SinkKey::new(
            ROTATE_EVERY,
            ValueKind::Duration,
            "",
            "Put the file away at whole multiples of this in UTC: `1h` at each full hour, `1d` at midnight.",
        ),
        SinkKey::new(
            KEEP,
            ValueKind::Integer,
            "",
            "How many files that were put away are kept; older ones are deleted. Absent: all.",
        ),
        SinkKey::new(
            COMPRESSION,
            ValueKind::Choice(&["none", "gzip", "zstd"]),
            "\"none\"",
            "How the file is packed; its name must end with `.gz` or `.zst` then.",
        ),
        SinkKey::new(
            SYNC,
            ValueKind::Choice(&["batch", "os"]),
            "\"batch\"",
            "`batch`: events are acknowledged when they are forced to the disk. `os`: when the system has them, which loses some if \
             the machine goes down, but not if only the program does.",
        ),
    ]],
    promise: Promise {
        acknowledged: "the file is forced to the disk; with `sync = \"os\"` the system has it; a pipe has taken all of it",
        repeats: "never in a file, but one that tenants share without `tenant_field`, or that was moved away before a start after a \
                  crash; on standard output and in a pipe what was under way at a crash, and in a pipe when its reader goes away",
        order: "as collected",
        limits: "none",
    },
    example: "path = \"/var/log/webex/events.ndjson.zst\"\nrotate_bytes = \"256MiB\"\nrotate_every = \"1d\"\nkeep = 90\ncompression = \"zstd\"",
    plan: |given| Ok(Arc::new(NdjsonPlan::of(given)?)),
};

/// Where the lines go.
#[derive(Debug)]
pub(in crate::sink) struct NdjsonPlan {
    path: PathBuf,
    to: To,
}

#[derive(Debug)]
enum To {
    Stdout,
    File {
        shape: Shape,
        /// Nothing but a path is said of it.
        is_plain: bool,
    },
    #[cfg(unix)]
    Pipe,
}

impl NdjsonPlan {
    fn of(given: &Given) -> Result<Self, SetupError> {
        const OPTIONS: &[&str] = &[ROTATE_BYTES, ROTATE_EVERY, KEEP, COMPRESSION, SYNC];
        let option = OPTIONS.iter().copied().find(|key| given.has(key));
        let for_files = |key| SetupError::of(key, "it is for files, and this is standard output or a named pipe");
        let path = match given.needed(PATH)? {
            "-" => return option.map_or(Ok(Self::stdout()), |key| Err(for_files(key))),
            text => given.path(PATH).unwrap_or_else(|| text.into()),
        };
        #[cfg(unix)]
        if is_pipe(&path) {
            return option.map_or(Ok(Self { path, to: To::Pipe }), |key| Err(for_files(key)));
        }
        let packing = given.choice(
            COMPRESSION,
            &[("none", None), ("gzip", Some(Packing::Gzip)), ("zstd", Some(Packing::Zstd))],
            None,
        )?;
        let suffix = packing.map_or("", Packing::suffix);
        let names = Names::of(&path, suffix).ok_or_else(|| SetupError::of(PATH, "it names no file"))?;
        if !path.to_str().is_some_and(|path| path.ends_with(suffix)) {
            return Err(SetupError::of(PATH, format!("with this compression its name must end with `{suffix}`")));
        }
        let shape = Shape {
            path: path.clone(),
            names,
            packing,
            rotate_bytes: given.size(ROTATE_BYTES, BYTES)?,
            rotate_every: given.time(ROTATE_EVERY, EVERY)?,
            keep: given.number(KEEP, 1..=MOST_KEPT)?,
            is_synced: given.choice(SYNC, &[("batch", true), ("os", false)], true)?,
        };
        if shape.keep.is_some() && shape.rotate_bytes.is_none() && shape.rotate_every.is_none() {
            return Err(SetupError::of(KEEP, "no file is put away without `rotate_bytes` or `rotate_every`"));
        }
        Ok(Self { path, to: To::File { shape, is_plain: option.is_none() } })
    }

    pub(in crate::sink) fn stdout() -> Self {
        Self { path: PathBuf::from("-"), to: To::Stdout }
    }
}

impl Plan for NdjsonPlan {
    fn open(&self) -> Result<Arc<dyn Sink>, SinkError> {
        Ok(match &self.to {
            To::Stdout => Arc::new(StdoutSink::new(Ndjson::open(&self.path)?.0)),
            To::File { shape, .. } => Arc::new(SeriesSink::new(Series::open(shape.clone())?)),
            #[cfg(unix)]
            To::Pipe => Arc::new(super::pipe::PipeSink::new(self.path.clone())),
        })
    }

    fn place(&self) -> String {
        if self.path == Path::new("-") { "standard output".to_owned() } else { self.path.display().to_string() }
    }

    fn traffic(&self) -> Traffic {
        // Each send waits for the disk, and packs the better the more there is of it.
        Traffic { max_bytes: 4 << 20, max_events: 20_000, ..Traffic::default() }
    }

    fn direct(&self) -> Option<&Path> {
        match &self.to {
            To::Stdout | To::File { is_plain: true, .. } => Some(&self.path),
            To::File { is_plain: false, .. } => None,
            #[cfg(unix)]
            To::Pipe => None,
        }
    }
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    path.metadata().is_ok_and(|found| found.file_type().is_fifo())
}
