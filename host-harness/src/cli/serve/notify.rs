//! What systemd is told (sd_notify(3)): that the program is up, that it ends, that it is alive. Elsewhere nothing.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::board::Board;
use crate::board::view::{Light, View};
use crate::stop::Stop;

/// How often the one line of `systemctl status` is written anew.
const STATUS: Duration = Duration::from_secs(10);

/// Says that the program is up, and from now on how it goes, until it is asked to end.
pub(super) fn up(board: &Board, stop: &Stop) {
    tell(&[NotifyState::Ready]);
    let (board, stop) = (board.clone(), stop.clone());
    let watchdog = sd_notify::watchdog_enabled().map(|limit| limit / 2);
    let pause = watchdog.unwrap_or(STATUS).min(STATUS);
    tokio::spawn(async move {
        loop {
            // A picture needs the locks of everybody who collects: who hangs with one of them in hand is not alive.
            let words = in_words(&board.view());
            let status = NotifyState::Status(&words);
            match watchdog {
                Some(_) => tell(&[NotifyState::Watchdog, status]),
                None => tell(&[status]),
            }
            if !stop.sleep(pause).await {
                break;
            }
        }
        tell(&[NotifyState::Stopping]);
    });
}

/// One line for `systemctl status`.
fn in_words(view: &View) -> String {
    let failing = view.tenants.iter().filter(|tenant| tenant.light == Light::Fail).count();
    let first = view.problems.iter().chain(view.tenants.iter().flat_map(|tenant| &tenant.problems)).next();
    let delivered: u64 =
        view.tenants.iter().flat_map(|tenant| &tenant.streams).map(|stream| stream.counts.delivered).sum();
    match (failing, first) {
        (0, None) => format!("data flows; {delivered} events delivered"),
        (0, Some(problem)) => format!("data flows; {delivered} events delivered; {}", problem.code),
        (_, first) => format!("data does not flow: {}", first.map_or("see the page", |problem| &problem.text)),
    }
}

/// Whoever is not run by systemd has nobody to tell.
fn tell(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}
