//! Ctrl-C and the system's request to end.

use crate::stop::Stop;

/// From now on the first signal asks to end, and the second ends the program as it stands, which loses nothing either: what
/// is not recorded comes again.
pub(super) fn listen(stop: &Stop) {
    let stop = stop.clone();
    tokio::spawn(async move {
        signal().await;
        eprintln!("stopping: the running call ends within 10 s; once more to end at once");
        stop.request();
        signal().await;
        std::process::exit(super::Exit::Failed as i32);
    });
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
