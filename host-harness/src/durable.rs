//! Files that survive a crash, and locks between processes.
//!
//! A file is replaced, never edited: the new text is written beside it, forced to the disk, renamed over it, and the folder
//! is forced to the disk. After a crash the name holds the old text or the new one.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Why a file could not be kept.
#[derive(Debug, thiserror::Error)]
pub enum DurableError {
    /// The system refused.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process holds the lock.
    #[error("{path} is held by another process{holder}; stop that one or use another `state_dir`", path = path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// ` (pid …)` or empty.
        holder: String,
    },
    /// Others may write here, so what is read cannot be trusted.
    #[error("{path} can be written by other accounts; run `chmod go-w {path}`", path = path.display())]
    Exposed {
        /// The folder.
        path: PathBuf,
    },
}

impl DurableError {
    /// For `map_err`: what was tried with which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

/// Makes sure that `path` is a folder of this account's own: a new one is closed to others (0700), an old one must not be
/// writable by others.
pub fn folder(path: &Path) -> Result<(), DurableError> {
    if !path.is_dir() {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path).map_err(DurableError::io("create the folder", path))?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(path).map_err(DurableError::io("read", path))?.permissions().mode();
        if mode & 0o022 != 0 {
            return Err(DurableError::Exposed { path: path.to_owned() });
        }
    }
    Ok(())
}

/// How the name of a text begins that is not in its place yet.
const STAGED: &str = ".staged-";

/// Puts `bytes` under `path`, readable by this account alone (0600); on the disk when it returns.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<(), DurableError> {
    let staged = stage(path, bytes)?;
    staged.persist(path).map_err(|error| error.error).map_err(DurableError::io("replace", path))?;
    sync_folder(parent(path))
}

/// Like [`replace`], with what `write` writes, so that a large text is never in memory as a whole.
pub fn replace_with(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), DurableError> {
    let mut staged = staged_file(path)?;
    let written = write(staged.as_file_mut()).and_then(|()| staged.as_file().sync_all());
    written.map_err(DurableError::io("write beside", path))?;
    staged.persist(path).map_err(|error| error.error).map_err(DurableError::io("replace", path))?;
    sync_folder(parent(path))
}

/// Like [`replace`], where there is no such file yet. False: there is one, and it stays as it is.
pub fn create(path: &Path, bytes: &[u8]) -> Result<bool, DurableError> {
    match stage(path, bytes)?.persist_noclobber(path) {
        Ok(_) => sync_folder(parent(path)).map(|()| true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(DurableError::io("create", path)(error.error)),
    }
}

/// `bytes` on the disk, beside the place where they belong.
fn stage(path: &Path, bytes: &[u8]) -> Result<NamedTempFile, DurableError> {
    let mut staged = staged_file(path)?;
    staged.write_all(bytes).map_err(DurableError::io("write beside", path))?;
    staged.as_file().sync_all().map_err(DurableError::io("write beside", path))?;
    Ok(staged)
}

fn staged_file(path: &Path) -> Result<NamedTempFile, DurableError> {
    let staged = tempfile::Builder::new().prefix(&staged_name(path)).tempfile_in(parent(path));
    staged.map_err(DurableError::io("write beside", path))
}

/// How a text is named that is on its way to `path`.
fn staged_name(path: &Path) -> OsString {
    let mut name = OsString::from(STAGED);
    name.push(path.file_name().unwrap_or_default());
    name.push("-");
    name
}

/// Forces the names in a folder to the disk.
pub fn sync_folder(path: &Path) -> Result<(), DurableError> {
    // Only Unix can open a folder as a file.
    if cfg!(unix) {
        File::open(path).and_then(|folder| folder.sync_all()).map_err(DurableError::io("write", path))?;
    }
    Ok(())
}

/// Deletes what a crash has left of texts that were on their way into `folder`. Only for who holds the lock of all that is
/// written there. What cannot be deleted stays, and is only a bit of disk.
pub fn sweep(folder: &Path) {
    staged(folder).for_each(|path| drop(fs::remove_file(path)));
}

/// Texts in `folder` that are on their way, or were when a process died.
pub(crate) fn staged(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(STAGED.as_bytes()))
        .map(|entry| entry.path())
}

/// Texts that are, or were when a process died, on their way to `path`, in a folder that may hold others' files.
pub(crate) fn staged_for(path: &Path) -> impl Iterator<Item = PathBuf> {
    let prefix = staged_name(path);
    staged(parent(path)).filter(move |staged| {
        let name = staged.file_name().unwrap_or_default();
        name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes())
    })
}

/// Whether a file that should be secret is: nobody else can read it. One that another account has put there for this one, as
/// a mounted secret, may be read by its group, since this account gets at it no other way.
pub fn is_closed(path: &Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let file = fs::metadata(path)?;
        let own = file.uid() == rustix::process::geteuid().as_raw();
        let open = if own { 0o077 } else { 0o037 };
        Ok(file.mode() & open == 0)
    }
    // Elsewhere the rights are those of the folder, by inheritance.
    #[cfg(not(unix))]
    fs::metadata(path).map(|_| true)
}

/// The text of a file, or none if there is no such file.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>, DurableError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DurableError::io("read", path)(error)),
    }
}

/// The folder that `path` stands in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Held by one process at a time, and let go when the process ends, however it ends.
///
/// The file holds the pid of its holder, and is emptied when the lock is let go in order; so whoever takes it next learns
/// whether the one before was cut off.
#[derive(Debug)]
pub struct Lock {
    file: File,
    cut_off: Option<String>,
}

impl Lock {
    /// Takes the lock, or says who holds it.
    pub fn try_take(path: &Path) -> Result<Self, DurableError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(DurableError::io("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = holder(&mut file).map(|pid| format!(" (pid {pid})")).unwrap_or_default();
                return Err(DurableError::Held { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(error)) => return Err(DurableError::io("lock", path)(error)),
        }
        let cut_off = holder(&mut file);
        let written = file
            .set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(format!("{}\n", std::process::id()).as_bytes()));
        written.map_err(DurableError::io("write", path))?;
        Ok(Self { file, cut_off })
    }

    /// The pid of the holder before, if its process ended without letting go: it was killed, or the machine went down.
    pub fn cut_off(&self) -> Option<&str> {
        self.cut_off.as_deref()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // If that fails the next holder is told of a crash that was none.
        let _ = self.file.set_len(0);
    }
}

/// The pid in a lock file. A hint: where there is none, everything else still holds.
fn holder(file: &mut File) -> Option<String> {
    let mut text = String::new();
    // Room for any pid; what stands there may be anything.
    file.take(20).read_to_string(&mut text).ok()?;
    let pid = text.trim();
    (!pid.is_empty() && pid.bytes().all(|byte| byte.is_ascii_digit())).then(|| pid.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_is_whole_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing staged is left");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_created_file_is_whole_and_one_that_is_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        assert!(create(&path, b"one").unwrap());
        assert!(!create(&path, b"two").unwrap());
        assert_eq!(read(&path).unwrap().unwrap(), b"one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing staged is left");
        assert!(is_closed(&path).unwrap());
    }

    #[test]
    fn a_second_holder_is_told_the_file_and_the_pid() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = Lock::try_take(&path).unwrap();
        let message = Lock::try_take(&path).unwrap_err().to_string();
        assert!(message.contains(&path.display().to_string()), "{message}");
        assert!(message.contains(&format!("pid {}", std::process::id())), "{message}");
        drop(held);
        assert_eq!(Lock::try_take(&path).unwrap().cut_off(), None, "it was let go in order");
    }

    #[test]
    fn who_takes_the_lock_of_a_process_that_died_learns_its_pid() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        // As a killed process leaves it: the system lets go of the lock, nobody empties the file.
        fs::write(&path, "4711\n").unwrap();
        assert_eq!(Lock::try_take(&path).unwrap().cut_off(), Some("4711"));
        for noise in ["", "not a pid", "\0\0\0"] {
            fs::write(&path, noise).unwrap();
            assert_eq!(Lock::try_take(&path).unwrap().cut_off(), None, "{noise:?}");
        }
    }

    #[test]
    fn what_a_crash_left_on_its_way_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".staged-Ab12", "head.json", ".other"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        sweep(folder.path());
        assert!(!folder.path().join(".staged-Ab12").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        sweep(&folder.path().join("none"));
        for name in [".staged-my.key-Ab12", ".staged-my.keys-Ab12", "my.key"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let staged: Vec<_> = staged_for(&folder.path().join("my.key")).collect();
        assert_eq!(staged, [folder.path().join(".staged-my.key-Ab12")]);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let own = parent.path().join("state");
        folder(&own).unwrap();
        assert_eq!(fs::metadata(&own).unwrap().permissions().mode() & 0o777, 0o700);
        fs::set_permissions(&own, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(folder(&own), Err(DurableError::Exposed { .. })));
    }

    #[test]
    fn a_missing_file_is_none_and_a_refusal_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(&folder.path().join("none")).unwrap(), None);
        assert!(matches!(read(folder.path()), Err(DurableError::Io { .. })));
    }
}
