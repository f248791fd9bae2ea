//! Opens a link where a browser is.

use std::env;
use std::io;

/// Whether a browser that is opened here is seen by who sits at the terminal.
pub(super) fn is_here() -> bool {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_remote = is_set("SSH_CONNECTION") || is_set("SSH_TTY");
    // Elsewhere the desktop is the system's own.
    let has_display = cfg!(not(all(unix, not(target_os = "macos"))))
        || ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"].into_iter().any(is_set);
    has_display && !is_remote
}

/// Opens it. The link stands in the list of processes for a moment; it holds no secret: a code is worth nothing without the
/// verifier, which stays in the store.
pub(super) fn open(link: &str) -> io::Result<()> {
    open::that_detached(link)
}
