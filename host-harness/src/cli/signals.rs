//! Ctrl-C and the system's request to end.

use crate::stop::Stop;

/// From now on the first signal asks to end, and the second ends the program as it stands, which loses nothing either: what
/// is not recorded comes again.
pub(super) fn listen(stop: &Stop) {
    let stop = stop.clone();
    tokio::spawn(async move {
        signal().await;
        let text = "stopping: the running call ends within 10 s; once more to end at once";
        super::output::Note::new("stopping", text).write();
        stop.request();
        signal().await;
        std::process::exit(super::Exit::Failed as i32);
    });
}

/// A file that reaches a limit of the system (`ulimit -f`) is a refusal of the disk like any other, not the sudden end of the
/// program: with a handler for its signal, the write fails and says so.
pub(super) fn outlive_file_limits() {
    /// SIGXFSZ, which has this number wherever the program is built for; tokio has no name for it.
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
    const FILE_TOO_LARGE: i32 = 25;
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
    // The handler stays for the life of the process. Without it the signal does what it always does.
    drop(tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(FILE_TOO_LARGE)));
}

/// Each of many tenants holds two files open: the lock of its state, and its sink. The system lets a program have more of them than
/// it gives it by itself. Where it refuses, the tenants beyond say so.
pub(super) fn allow_many_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        /// Without a limit of its own the system has another, which must not be passed.
        const ENOUGH: u64 = 1 << 18;
        let maximum = getrlimit(Resource::Nofile).maximum;
        let current = Some(maximum.map_or(ENOUGH, |maximum| maximum.min(ENOUGH)));
        let _ = setrlimit(Resource::Nofile, Rlimit { current, maximum });
    }
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    // Without a handler the signal does what it always does: it ends the program.
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        _ = terminate.recv() => {}
        pressed = tokio::signal::ctrl_c() => if pressed.is_err() { std::future::pending().await },
    }
}

#[cfg(not(unix))]
async fn signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}
