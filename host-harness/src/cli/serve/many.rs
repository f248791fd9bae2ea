//! `serve` of many tenants.

use std::path::PathBuf;

use tokio::sync::mpsc;

use super::notify;
use crate::board::Board;
use crate::cli::collect::many::Told;
use crate::cli::{CliError, Exit, Global, error, output, session, signals};
use crate::collect::SharedSinks;
use crate::config::{ServeTable, Tenants};
use crate::runtime::Clock;
use crate::serve::{Desk, Server, Whose};
use crate::stop::Stop;
use crate::tenants::{Scheduler, Shared, Step, Watch};

pub(super) async fn run(
    global: &Global,
    tenants: Tenants,
    server: Server,
    table: &ServeTable,
) -> Result<Exit, CliError> {
    let listing = tenants.list()?;
    signals::allow_many_files();
    let stop = Stop::new();
    let plugin = session::compiled(global, tenants.host_dir(), tenants.secrets_key())?;
    let states: Vec<PathBuf> = listing.tenants.keys().map(|name| tenants.state_of(name)).collect();
    let (sinks, mended) = SharedSinks::open(&tenants.sinks, states.iter().map(PathBuf::as_path))?;
    mended.iter().for_each(|mended| output::words(&mended.to_string()));
    let board = Board::new(Clock::System, false);
    let log = session::log(global, None);
    let (waker, wakes) = mpsc::unbounded_channel();
    let whose = Whose::Many(tenants.clone(), waker);
    let desk = Desk::new(plugin.clone(), whose, board.clone(), log.clone(), stop.clone()).await?;
    signals::listen(&stop);

    let answering = tokio::spawn(server.run(desk));
    notify::up(&board, &stop);
    let mut told = Told::following(global, &tenants, stop.clone());
    let observe = |step: Step<'_>| {
        see(&board, &step);
        told.step(step);
    };
    let watch = Some(Watch { board: board.clone(), recent: table.recent });
    let shared =
        Shared { plugin: plugin.clone(), tenants, sinks, log, stop: stop.clone(), follow: true, wish: None, watch };
    let ended = Scheduler::new(shared, observe).woken_by(wakes).run().await;
    stop.request();
    // A panic of it was told.
    let _ = answering.await;
    plugin.keep();
    told.run(ended?)
}

/// What the rounds themselves do not tell the board.
fn see(board: &Board, step: &Step<'_>) {
    match step {
        Step::Went(name) => board.gone(name.as_str()),
        Step::Failed(name, failed, _) => {
            board.failed(name.as_str(), Some(("tenant-failed", error::line(*failed))));
        }
        Step::Recovered(name) => board.failed(name.as_str(), None),
        Step::Unlisted(error) => {
            let remedy = "see that the folder of the tenants is there and can be read";
            board.program("tenants-unlisted", Some((error.to_string(), remedy.to_owned())));
        }
        Step::Listed => board.program("tenants-unlisted", None),
        Step::Refused(error) => board.program("tenant-refused", Some((error.to_string(), String::new()))),
        Step::Came(_) | Step::LookedBack(..) | Step::Over(..) => {}
    }
}
