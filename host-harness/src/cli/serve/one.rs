//! `serve` of one tenant.

use std::time::Duration;

use super::notify;
use crate::board::{Board, Plan, TenantBoard};
use crate::cli::collect::Told;
use crate::cli::progress::Progress;
use crate::cli::session::Session;
use crate::cli::{CliError, Exit, Global, error, output, session, signals};
use crate::collect::{self, CollectError, Collector, End, Mode, ReAudits, Step, Totals, Wake};
use crate::config::{Config, ServeTable};
use crate::runtime::Clock;
use crate::serve::{Desk, Server, Whose};
use crate::sink::SinkError;
use crate::stop::Stop;
use crate::tenants;

/// The pause after a failure that ended collecting, doubled each time,
const PAUSE: Duration = Duration::from_secs(5);
/// up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

/// Collects and answers until asked to end. `simulated`: from no real tenant.
pub(in crate::cli) async fn one(
    global: &Global,
    config: Config,
    server: Server,
    table: &ServeTable,
    simulated: bool,
) -> Result<Exit, CliError> {
    let stop = Stop::new();
    let log = session::log(global, None);
    let plugin = session::compiled(global, &config.host_dir, &config.secrets_key)?;
    let session = Session::of(config, plugin, log.clone(), stop.clone()).await?;
    session.secrets_ready().await?;
    let board = Board::new(Clock::System, simulated);
    let plan = Plan::of(&session.config, &session.plugin.describe().await?, table.recent);
    let on_board = board.tenant(plan);
    let wake = Wake::default();
    // Commands have a tenant of their own beside the one that is collected from; both have the same secrets.
    let for_commands =
        tenants::open(&session.plugin, &session.config, &session.secrets, log.clone(), stop.clone()).await?;
    let whose = Whose::One(Box::new(for_commands), wake.clone());
    let desk = Desk::new(session.plugin.clone(), whose, board.clone(), log, stop.clone()).await?;
    signals::listen(&stop);

    let answering = tokio::spawn(server.run(desk));
    notify::up(&board, &stop);
    let ended = rounds(global, &session, &on_board, &wake, &stop).await;
    stop.request();
    // A panic of it was told.
    let _ = answering.await;
    session.plugin.keep();
    let totals = ended?;
    collect::report::lines(&totals).iter().for_each(|line| output::words(line));
    if let Some(words) = End::Stopped.in_words() {
        output::words(&words);
    }
    Ok(Exit::Done)
}

/// Collects; what ends it but a wish is told, and tried again after a pause.
async fn rounds(
    global: &Global,
    session: &Session,
    on_board: &TenantBoard,
    wake: &Wake,
    stop: &Stop,
) -> Result<Totals, CliError> {
    let progress = Progress::still();
    let mut told = Told::following(global, session.config.sinks.iter());
    let (mut totals, mut pause) = (Totals::default(), PAUSE);
    while !stop.is_requested() {
        let before = totals.calls;
        let ended = once(session, on_board, wake, stop, &mut totals, |round| {
            if !told.round(round, &progress) {
                stop.request();
            }
        })
        .await;
        let Err(error) = ended else { break };
        if matches!(error, CollectError::Sink(SinkError::Closed)) {
            return Err(error.into());
        }
        pause = if totals.calls > before { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        on_board.failed("collecting-ended", error::line(&error));
        let again = humantime::format_duration(pause);
        output::words(&format!("error: collecting broke off and begins again in {again}: {}", error::line(&error)));
        stop.sleep(pause).await;
    }
    told.broken().map_or(Ok(totals), Err)
}

/// From the disk to the disk, until asked to end or until something breaks.
async fn once(
    session: &Session,
    on_board: &TenantBoard,
    wake: &Wake,
    stop: &Stop,
    totals: &mut Totals,
    mut over: impl FnMut(&collect::Round),
) -> Result<(), CollectError> {
    let Session { config, tenant, state, .. } = session;
    let (delivery, left) = collect::open(config, None, state.writer()?, tenant.log())?;
    if let Some(sentence) = left {
        output::words(&sentence);
    }
    let mut delivery = delivery.on_board(Some(on_board.clone()));
    let re_audits = ReAudits::new(None, config.reaudit, &config.state_dir, tenant.log());
    let mut collector = Collector::new(tenant, &mut delivery, stop.clone());
    collector.wake = wake.clone();
    collector.totals = std::mem::take(totals);
    let ended = match re_audits {
        Ok(re_audits) => {
            collector.re_audits = re_audits;
            let observe = |step: Step<'_>| {
                if let Step::Over(round) = step {
                    over(round);
                }
            };
            collector.run(Mode::Follow(config.interval), observe).await.map(drop)
        }
        Err(error) => Err(error.into()),
    };
    *totals = collector.totals;
    delivery.close().await;
    ended
}
