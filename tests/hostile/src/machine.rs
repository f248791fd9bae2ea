//! The machine that the host runs on: files, environment, sockets.

use std::fs;

use crate::Said;

/// Files that every machine has, a folder, and one to be made.
pub(crate) fn files() -> Said {
    for path in ["/etc/passwd", "/etc/hostname", "webex.toml", "../webex.toml", "/proc/self/environ", "/dev/null"] {
        if fs::read(path).is_ok() {
            return Ok(format!("read {path}"));
        }
    }
    for path in ["/", ".", "/tmp", ""] {
        if fs::read_dir(path).is_ok() {
            return Ok(format!("listed {path}"));
        }
    }
    match fs::write("/tmp/hostile-was-here", "x") {
        Ok(()) => Ok("wrote".to_owned()),
        Err(_) => Err("no files".to_owned()),
    }
}

/// Variables and arguments of the host's process.
pub(crate) fn environment() -> Said {
    let found = std::env::vars_os().count() + std::env::args_os().count();
    if found == 0 { Err("nothing".to_owned()) } else { Ok(format!("{found} found")) }
}

/// A connection past the network policy.
#[cfg(feature = "sockets")]
pub(crate) fn connect(address: &str) -> Said {
    std::net::TcpStream::connect(address).map(|_| "connected".to_owned()).map_err(|error| error.to_string())
}

/// Without the feature there is nothing to connect with.
#[cfg(not(feature = "sockets"))]
pub(crate) fn connect(_: &str) -> Said {
    Err("no sockets".to_owned())
}
