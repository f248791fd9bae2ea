//! Builds the plugin as a component and hands it to the library.

use std::path::Path;
use std::process::ExitCode;

use component_build::{Component, build};

fn main() -> ExitCode {
    let plugin = Component { package: "cisco-webex-plugin", features: "", variable: "PLUGIN_COMPONENT" };
    build(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")), &[plugin])
}
