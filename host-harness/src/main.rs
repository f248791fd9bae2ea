//! The program `webex-collector`; see the library for what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    host_harness::cli::main()
}
