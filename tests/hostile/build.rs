//! Builds the crate as components for its own tests: as it is, and with sockets.

use std::path::Path;
use std::process::ExitCode;

use component_build::{Component, build};

fn main() -> ExitCode {
    // That one is on its way.
    if std::env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|target| target == "wasm32") {
        return ExitCode::SUCCESS;
    }
    let package = env!("CARGO_PKG_NAME");
    build(
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")),
        &[
            Component { package, features: "", variable: "HOSTILE_COMPONENT" },
            Component { package, features: "sockets", variable: "HOSTILE_COMPONENT_WITH_SOCKETS" },
        ],
    )
}
