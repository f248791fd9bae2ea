//! Builds the plugin as a component and hands it to the library.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    component_build::build(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")), &[component_build::PLUGIN])
}
