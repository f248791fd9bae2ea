//! Builds a crate of the workspace as a component and hands it to the crate whose build script asks, so that one cargo command
//! is enough.
//!
//! Guests have a target folder of their own beside the profiles of the host: a shared one would wait for cargo's build lock
//! for ever, and one in `OUT_DIR` would build the guest again for each profile.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use sha2::{Digest, Sha256};

const TARGET: &str = "wasm32-wasip2";
/// The profile in the workspace's `Cargo.toml` that is made for guests.
const PROFILE: &str = "component";

/// The plugin itself.
pub const PLUGIN: Component<'_> =
    Component { package: "cisco-webex-plugin", features: "", variable: "PLUGIN_COMPONENT" };

/// A crate that is a component.
#[derive(Clone, Copy, Debug)]
pub struct Component<'a> {
    /// Its package in the workspace.
    pub package: &'a str,
    /// Of its cargo features, with commas.
    pub features: &'a str,
    /// The variable in which the crate of a build script finds the path of the file, by `env!`; the same with `_SHA256` holds
    /// its checksum.
    pub variable: &'a str,
}

/// What a build script does: builds each of them; `root` is the workspace's folder.
pub fn build(root: &Path, components: &[Component<'_>]) -> ExitCode {
    match components.iter().try_for_each(|component| embed(root, *component)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

fn embed(root: &Path, component: Component<'_>) -> Result<(), String> {
    let out = path_from("OUT_DIR")?;
    let built = compile(root, component, &target_folder(&out)?.join("component-build"))?;
    // Another one of the same crate, with other features, has the same name there.
    let kept = out.join(component.variable).with_extension("wasm");
    fs::copy(&built, &kept).map_err(|error| format!("cannot copy {}: {error}", built.display()))?;
    println!("cargo::rustc-env={}={}", component.variable, kept.display());
    let bytes = fs::read(&kept).map_err(|error| format!("cannot read {}: {error}", kept.display()))?;
    let checksum: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    println!("cargo::rustc-env={}_SHA256={checksum}", component.variable);
    rerun_on_change(root, &built.with_extension("d"))
}

/// Builds one in a target folder, and says where it is. The same sources, lock file and toolchain give the same bytes, in
/// whatever folder they stand and whoever's account it is.
///
/// # Errors
/// In words: the target is missing, or it does not build.
pub fn compile(root: &Path, component: Component<'_>, folder: &Path) -> Result<PathBuf, String> {
    let Component { package, features, .. } = component;
    require_target()?;
    let root = root.canonicalize().map_err(|error| format!("cannot find {}: {error}", root.display()))?;
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command
        .current_dir(&root)
        .args(["build", "--lib", "--package", package, "--features", features])
        .args(["--profile", PROFILE, "--target", TARGET, "--config", &without_paths(&root)?, "--target-dir"])
        .arg(folder);
    for name in host_only_variables() {
        command.env_remove(name);
    }
    let status = command.status().map_err(|error| format!("cannot start cargo for the component: {error}"))?;
    if !status.success() {
        return Err(format!("the component {package} does not build, see the messages above"));
    }
    Ok(folder.join(TARGET).join(PROFILE).join(package.replace('-', "_")).with_extension("wasm"))
}

/// Flags by which places of panics do not name this machine's folders: they would be in the component, and make it another one.
/// They come on top of those of `.cargo/config.toml`.
fn without_paths(root: &Path) -> Result<String, String> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cargo")));
    let home = home.ok_or("neither CARGO_HOME nor a home folder is set")?;
    let flags = [(home.as_path(), "/cargo"), (root, "/src")]
        .map(|(from, to)| format!("'--remap-path-prefix={}={to}'", from.display()));
    Ok(format!("target.{TARGET}.rustflags=[{}]", flags.join(",")))
}

/// Stops early and plainly where the guest's standard library is missing: the compiler's own message is longer than a
/// screen.
fn require_target() -> Result<(), String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let answer = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(|error| format!("cannot start rustc: {error}"))?;
    let folder = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    if answer.status.success() && Path::new(&folder).is_dir() {
        return Ok(());
    }
    Err(format!(
        "the target {TARGET} is missing: run `rustup toolchain install` in this folder, it brings what rust-toolchain.toml names"
    ))
}

/// cargo's target folder: the nearest ancestor of `OUT_DIR` that cargo has tagged.
fn target_folder(out: &Path) -> Result<PathBuf, String> {
    out.ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        // <target>/<profile>/build/<package>/out
        .or_else(|| out.ancestors().nth(4))
        .map(Path::to_owned)
        .ok_or_else(|| format!("{} is not inside a target folder", out.display()))
}

/// What the outer cargo sets for the host and its tools (flags, wrappers such as clippy's driver, its target and folder).
fn host_only_variables() -> Vec<OsString> {
    let of_host = |name: &str| {
        matches!(name, "RUSTFLAGS" | "RUSTDOCFLAGS" | "RUSTC_WRAPPER" | "RUSTC_WORKSPACE_WRAPPER" | "CLIPPY_ARGS")
            || name.starts_with("CARGO_BUILD_")
            || name.starts_with("CARGO_PROFILE_")
            || name.starts_with("CARGO_TARGET_")
            || matches!(name, "CARGO_ENCODED_RUSTFLAGS" | "CARGO_ENCODED_RUSTDOCFLAGS" | "CARGO_INCREMENTAL")
    };
    env::vars_os().map(|(name, _)| name).filter(|name| name.to_str().is_some_and(of_host)).collect()
}

/// Exactly what the guest was made of, by the compiler's own list.
fn rerun_on_change(root: &Path, dep_info: &Path) -> Result<(), String> {
    println!("cargo::rerun-if-changed=build.rs");
    for path in ["wit", "Cargo.lock", "Cargo.toml", "rust-toolchain.toml", ".cargo/config.toml"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    let list = fs::read_to_string(dep_info).map_err(|error| format!("cannot read {}: {error}", dep_info.display()))?;
    // `target: dependency dependency …`, where a blank in a name is written as `\ `.
    let (_, dependencies) = list.split_once(": ").ok_or_else(|| format!("{} is not dep-info", dep_info.display()))?;
    for path in dependencies.replace("\\ ", "\0").split_whitespace() {
        println!("cargo::rerun-if-changed={}", root.join(path.replace('\0', " ")).display());
    }
    Ok(())
}

fn path_from(name: &str) -> Result<PathBuf, String> {
    env::var_os(name).map(PathBuf::from).ok_or_else(|| format!("cargo did not set {name}"))
}
