//! Native code of components, kept between runs: compiling takes a second, reading it back some milliseconds.
//!
//! Who can put native code here can run it as this account, with the key of the secrets in reach. So a file is used only if it
//! was attested with that key, for this component, engine and version, and only as the bytes that were checked. Whatever is
//! wrong with a file, the component is compiled as if there were none.

mod image;

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::path::PathBuf;
use std::str;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::Source;
use crate::durable;
use crate::secrets::{Attestation, SealedFile};
use image::Image;

/// What a file begins with; a line with the attestation follows, then the code.
const MAGIC: &[u8] = b"webex-collector native code 1 ";
/// Bytes of that line at most.
const MAX_LINE: u64 = 256;
/// Bytes that are read at a time: they are still in the cache when they are hashed and written on.
const CHUNK: usize = 64 * 1024;

/// A folder of native code.
pub struct NativeCache {
    folder: PathBuf,
    keeper: Arc<SealedFile>,
}

impl NativeCache {
    /// In `folder`, attested with the key of `keeper`.
    pub fn new(folder: impl Into<PathBuf>, keeper: Arc<SealedFile>) -> Self {
        Self { folder: folder.into(), keeper }
    }

    /// The place of a component's code.
    pub(super) fn place(&self, engine: &Engine, source: &Source) -> Place {
        Place { folder: self.folder.clone(), name: name(engine, source), keeper: Arc::clone(&self.keeper) }
    }
}

/// Where the native code of one component is kept, for one engine.
pub(super) struct Place {
    folder: PathBuf,
    name: String,
    keeper: Arc<SealedFile>,
}

impl Place {
    /// The compiled form, if it is there and can be trusted.
    pub(super) fn find(&self, engine: &Engine) -> Option<Component> {
        let mut image = Image::new();
        self.read(&mut image)?;
        load(image, engine)
    }

    /// Writes the code in the file to `to`, if it was attested with the key that is there now and others may not write here. None:
    /// what was written is not to be used.
    fn read(&self, to: &mut impl Write) -> Option<()> {
        durable::folder(&self.folder).ok()?;
        let mut file = BufReader::with_capacity(CHUNK, File::open(self.path()).ok()?);
        let mut line = Vec::new();
        (&mut file).take(MAX_LINE).read_until(b'\n', &mut line).ok()?;
        let line = line.strip_prefix(MAGIC)?.strip_suffix(b"\n")?;
        let attestation: Attestation = str::from_utf8(line).ok()?.parse().ok()?;
        let mut digest = Sha256::new();
        loop {
            let chunk = match file.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                chunk => chunk.ok()?,
            };
            if chunk.is_empty() {
                break;
            }
            digest.update(chunk);
            to.write_all(chunk).ok()?;
            let length = chunk.len();
            file.consume(length);
        }
        self.keeper.has_attested(&attestation, &subject(&self.name, digest)).ok()?.then_some(())
    }

    /// Keeps the compiled form, and nothing else in the folder. False: it is there, or cannot be kept, as long as there is no key.
    pub(super) fn keep(&self, compiled: &Component) -> bool {
        self.read(&mut io::sink()).is_none() && self.write(compiled).is_some()
    }

    fn path(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    fn write(&self, compiled: &Component) -> Option<()> {
        let code = compiled.serialize().ok()?;
        let attestation = self.keeper.attest(&subject(&self.name, Sha256::new_with_prefix(&code))).ok()??;
        durable::folder(&self.folder).ok()?;
        // Of other versions, and what a crash has left on its way. Another process that writes just now compiles once more.
        for entry in self.folder.read_dir().ok()?.flatten() {
            let _ = fs::remove_file(entry.path());
        }
        let mut file = [MAGIC, attestation.to_string().as_bytes(), b"\n"].concat();
        file.extend_from_slice(&code);
        durable::replace(&self.path(), &file).ok()
    }
}

/// One for each component and each engine that would compile it otherwise.
fn name(engine: &Engine, source: &Source) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{}-{:016x}.native", source.checksum(), hasher.finish())
}

/// What is attested.
fn subject(name: &str, code: Sha256) -> Vec<u8> {
    [b"native code\0", name.as_bytes(), b"\0", &code.finalize()[..]].concat()
}

#[allow(unsafe_code, reason = "native code can only be trusted, not checked")]
fn load(image: Image, engine: &Engine) -> Option<Component> {
    // SAFETY: these bytes were made by `Component::serialize` of this program: their attestation was checked just now with a key
    // that only this account has. wasmtime itself refuses those of another version or configuration.
    unsafe { image.load(engine) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::super::Runtime;
    use super::*;
    use crate::secrets::{KeySource, Secret};

    /// The smallest component there is.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    struct World {
        folder: tempfile::TempDir,
        engine: Engine,
    }

    impl World {
        fn new() -> Self {
            Self { folder: tempfile::tempdir().unwrap(), engine: Runtime::new().unwrap().engine }
        }

        fn keeper(&self, name: &str) -> Arc<SealedFile> {
            let state = self.folder.path().join(name);
            Arc::new(SealedFile::open(&state, KeySource::beside(&state)).unwrap())
        }

        fn cache(&self, keeper: &Arc<SealedFile>) -> NativeCache {
            NativeCache::new(self.folder.path().join("native"), Arc::clone(keeper))
        }

        fn kept(&self) -> Vec<PathBuf> {
            let folder = self.folder.path().join("native");
            folder.read_dir().map(|entries| entries.map(|entry| entry.unwrap().path()).collect()).unwrap_or_default()
        }

        fn compiled(&self) -> Component {
            Component::from_binary(&self.engine, EMPTY).unwrap()
        }
    }

    fn find(cache: &NativeCache, engine: &Engine, component: &[u8]) -> Option<Component> {
        cache.place(engine, &Source::of(component.to_vec())).find(engine)
    }

    fn keep(cache: &NativeCache, world: &World, component: &[u8]) -> bool {
        cache.place(&world.engine, &Source::of(component.to_vec())).keep(&world.compiled())
    }

    fn with_key(keeper: Arc<SealedFile>) -> Arc<SealedFile> {
        keeper.set("any", Secret::from("fake-secret")).unwrap();
        keeper
    }

    #[test]
    fn what_was_kept_is_found_again_by_its_component_alone() {
        let place = World::new();
        let cache = place.cache(&with_key(place.keeper("state")));
        assert!(find(&cache, &place.engine, EMPTY).is_none());
        assert!(keep(&cache, &place, EMPTY));
        assert!(find(&cache, &place.engine, EMPTY).is_some());
        assert!(find(&cache, &place.engine, b"another").is_none());
        assert!(!keep(&cache, &place, EMPTY), "once");
        let other = Runtime::without_time_guard().unwrap().engine;
        assert!(find(&cache, &other, EMPTY).is_none(), "an engine that compiles otherwise");
    }

    #[test]
    fn without_a_key_nothing_is_kept_and_none_is_made() {
        let place = World::new();
        let keeper = place.keeper("state");
        assert!(!keep(&place.cache(&keeper), &place, EMPTY));
        assert!(place.kept().is_empty() && !place.folder.path().join("state.key").exists());
    }

    #[test]
    fn code_that_was_changed_renamed_or_attested_by_another_key_is_not_run() {
        let place = World::new();
        let keeper = with_key(place.keeper("state"));
        let cache = place.cache(&keeper);
        assert!(keep(&cache, &place, EMPTY));
        let path = place.kept().remove(0);
        let whole = fs::read(&path).unwrap();
        for at in [0, MAGIC.len(), MAGIC.len() + 20, whole.len() / 2, whole.len() - 1] {
            let mut changed = whole.clone();
            *changed.get_mut(at).unwrap() ^= 1;
            fs::write(&path, &changed).unwrap();
            assert!(find(&cache, &place.engine, EMPTY).is_none(), "byte {at}");
        }
        for length in [0, MAGIC.len(), 256, whole.len() - 1] {
            fs::write(&path, whole.get(..length).unwrap()).unwrap();
            assert!(find(&cache, &place.engine, EMPTY).is_none(), "{length} bytes");
        }
        fs::write(&path, &whole).unwrap();
        assert!(find(&cache, &place.engine, EMPTY).is_some());

        let foreign = place.cache(&with_key(place.keeper("foreign")));
        assert!(find(&foreign, &place.engine, EMPTY).is_none());
        let renamed = path.with_file_name(name(&place.engine, &Source::of(b"another".to_vec())));
        fs::rename(&path, renamed).unwrap();
        assert!(find(&cache, &place.engine, b"another").is_none());
    }

    #[test]
    fn a_new_version_takes_the_place_of_the_old_one() {
        let place = World::new();
        let cache = place.cache(&with_key(place.keeper("state")));
        assert!(keep(&cache, &place, EMPTY));
        assert!(keep(&cache, &place, b"a later one"));
        assert_eq!(place.kept().len(), 1);
    }

    #[test]
    fn after_a_change_of_the_key_it_is_kept_anew() {
        let place = World::new();
        let keeper = with_key(place.keeper("state"));
        let cache = place.cache(&keeper);
        assert!(keep(&cache, &place, EMPTY));
        keeper.rekey(None).unwrap();
        assert!(find(&cache, &place.engine, EMPTY).is_none());
        assert!(keep(&cache, &place, EMPTY));
        assert!(find(&cache, &place.engine, EMPTY).is_some());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_may_write_to_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let place = World::new();
        let cache = place.cache(&with_key(place.keeper("state")));
        assert!(keep(&cache, &place, EMPTY));
        fs::set_permissions(place.folder.path().join("native"), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(find(&cache, &place.engine, EMPTY).is_none());
    }
}
