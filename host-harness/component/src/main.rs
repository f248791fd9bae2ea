//! Builds the plugin alone, as a release has it, and prints where it is:
//! `cargo run -p component-build -- [FOLDER]`, by default `target/component-build`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::args_os().nth(1).map_or_else(|| root.join("target/component-build"), PathBuf::from);
    match std::path::absolute(folder)
        .map_err(|error| error.to_string())
        .and_then(|folder| component_build::compile(&root, component_build::PLUGIN, &folder))
    {
        Ok(path) => {
            println!("{}", path.display());
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
