//! The way from a start to a delivery: what a run before has left that did not come to its end in order, and by what way events go.

use std::path::Path;

use super::{CollectError, Delivery};
use crate::config::{Config, TenantName};
use crate::courier::{Couriers, OpenSink};
use crate::log::Log;
use crate::sink::{Mended, SinkError, SinkTable, Sinks};
use crate::spool::Spool;
use crate::state::Writer;

/// The sinks that tenants without sinks of their own share.
pub enum SharedSinks {
    /// One file.
    Direct(Sinks),
    /// Through each tenant's spool.
    Spooled(Vec<OpenSink>),
}

impl SharedSinks {
    /// Opens the sinks of these tables, for tenants whose states are in these folders. Also what was mended on the way.
    ///
    /// # Errors
    /// A sink cannot be opened.
    pub fn open<'a>(
        tables: &[SinkTable],
        mut states: impl Iterator<Item = &'a Path>,
    ) -> Result<(Self, Vec<Mended>), SinkError> {
        let direct = if let [only] = tables { only.direct() } else { None };
        match direct.filter(|_| !states.any(Spool::holds_something)) {
            Some(path) => {
                let (sinks, mended) = Sinks::open([path])?;
                Ok((Self::Direct(sinks), mended))
            }
            None => Ok((Self::Spooled(OpenSink::all(tables, true)?), Vec::new())),
        }
    }
}

/// Opens the way for the events of a tenant, who may share these sinks; also a line about what the last run has left. A single
/// file is written directly, but as long as something waits in a spool.
///
/// # Errors
/// A sink or the spool cannot be opened.
pub fn open(
    config: &Config,
    shared: Option<&SharedSinks>,
    mut state: Writer,
    log: &Log,
) -> Result<(Delivery, Option<String>), CollectError> {
    let shared = shared.filter(|_| config.shares_sinks);
    let direct = match shared {
        Some(SharedSinks::Direct(sinks)) => Some((sinks.share(config.marks()), Vec::new())),
        Some(SharedSinks::Spooled(_)) => None,
        None => match config.direct().filter(|_| !Spool::holds_something(&config.state_dir)) {
            Some(path) => {
                let (sinks, mended) = Sinks::open([path])?;
                Some((sinks.marked(config.marks()), mended))
            }
            None => None,
        },
    };
    if let Some((mut sinks, mended)) = direct {
        let found = look_back(&state, &mut sinks, &mended)?;
        return Ok((Delivery::to(sinks, state), found));
    }
    let sinks = match shared {
        Some(SharedSinks::Spooled(sinks)) => sinks.clone(),
        Some(SharedSinks::Direct(_)) | None => OpenSink::all(&config.sinks, config.shares_sinks)?,
    };
    let spool = Spool::open(&config.state_dir, config.spool_bytes)?;
    // A crash between the spool and the state: the batch is stored, so what comes next is, too.
    state.load()?;
    if let Some(last_run) = spool.follows(state.stored())? {
        state.store(&last_run)?;
    }
    let found = state
        .cut_off()
        .map(|pid| format!("the last run (pid {pid}) was cut off; all that it stored goes on from here"));
    let tenant = config.tenant.as_ref().map(TenantName::as_str);
    let couriers = Couriers::start(spool, &config.state_dir, sinks, tenant, log)?;
    Ok((Delivery::through(couriers, state), found))
}

/// Looks at what the last run has left, sees to it that what stands in the files is not written twice, and says so in one
/// line; none where the last run ended in order. For the start, before anything is collected.
///
/// # Errors
/// A file cannot be read.
pub fn look_back(state: &Writer, sinks: &mut Sinks, mended: &[Mended]) -> Result<Option<String>, SinkError> {
    let mut found = Vec::new();
    let unrecorded = state.unrecorded();
    if let Some(begun) = &unrecorded {
        for (path, lines) in sinks.recall(begun)? {
            let path = path.display();
            found.push(format!(
                "{lines} events in {path} are of a batch that was not recorded, and are not written again"
            ));
        }
        if sinks.use_stdout() {
            found.push("events of a batch that was not recorded may come again on standard output".to_owned());
        }
    }
    found.extend(mended.iter().map(ToString::to_string));
    if let Some(pid) = state.cut_off() {
        if found.is_empty() {
            found.push("all that it delivered is recorded".to_owned());
        }
        found.insert(0, format!("the last run (pid {pid}) was cut off"));
    }
    Ok((!found.is_empty()).then(|| found.join("; ")))
}
