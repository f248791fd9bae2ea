//! Code in memory from where it is run: checked there, and not to be changed afterwards.

use std::fs::File;
use std::io::{self, Write};

use wasmtime::Engine;
use wasmtime::component::Component;

/// Bytes that are written once and then loaded.
///
/// Where the system has them, a file in memory that is sealed and mapped: pages of it are taken up as they are touched, where
/// a copy costs a page fault for each of its 700 pages, twice. Elsewhere a plain copy.
pub(super) enum Image {
    File(File),
    Bytes(Vec<u8>),
}

impl Image {
    pub(super) fn new() -> Self {
        memory_file().map_or_else(|| Self::Bytes(Vec::new()), Self::File)
    }

    /// Loads it as native code.
    ///
    /// # Safety
    /// All that was written was made by [`Component::serialize`].
    #[allow(unsafe_code, reason = "native code can only be trusted, not checked")]
    pub(super) unsafe fn load(self, engine: &Engine) -> Option<Component> {
        match self {
            // SAFETY: the caller's.
            Self::Bytes(bytes) => unsafe { Component::deserialize(engine, bytes) }.ok(),
            Self::File(file) => {
                let path = seal(&file)?;
                // SAFETY: the caller's; and no process can write to the file any more.
                unsafe { Component::deserialize_file(engine, path) }.ok()
            }
        }
    }
}

impl Write for Image {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Bytes(all) => all.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is nowhere but in memory; none: the system has no such thing, or does not let this process map it.
#[cfg(target_os = "linux")]
fn memory_file() -> Option<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    let file = memfd_create("native code", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).ok()?;
    let file = File::from(file);
    File::open(path(&file)).is_ok().then_some(file)
}

#[cfg(not(target_os = "linux"))]
fn memory_file() -> Option<File> {
    None
}

/// From now on nobody changes it. Returns the path by which this process opens it.
#[cfg(target_os = "linux")]
fn seal(file: &File) -> Option<String> {
    use rustix::fs::{SealFlags, fcntl_add_seals};
    fcntl_add_seals(file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL).ok()?;
    Some(path(file))
}

#[cfg(not(target_os = "linux"))]
fn seal(_: &File) -> Option<String> {
    None
}

#[cfg(target_os = "linux")]
fn path(file: &File) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    unsafe_code,
    reason = "tests fail by panicking; what is loaded was just compiled"
)]
mod tests {
    use super::*;
    use crate::runtime::Runtime;

    #[test]
    fn what_was_compiled_is_loaded_from_a_file_in_memory_as_from_a_copy() {
        let engine = Runtime::new().unwrap().engine;
        let code = Component::from_binary(&engine, b"\0asm\x0d\0\x01\0").unwrap().serialize().unwrap();
        for mut image in [Image::new(), Image::Bytes(Vec::new())] {
            image.write_all(&code).unwrap();
            // SAFETY: made by `serialize` of this engine.
            assert!(unsafe { image.load(&engine) }.is_some());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_sealed_is_not_written_to() {
        let Image::File(mut file) = Image::new() else { panic!("no file in memory") };
        file.write_all(b"code").unwrap();
        let path = seal(&file).unwrap();
        assert!(file.write_all(b"more").is_err());
        let again = File::options().write(true).open(&path);
        assert!(again.is_err() || again.unwrap().write_all(b"more").is_err());
        assert_eq!(std::fs::read(path).unwrap(), b"code");
    }
}
