//! The way from a start to a delivery: what a run before has left that did not come to its end in order, and by what way events go.

use std::path::Path;

use chrono::Utc;

use super::health::Health;
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
    let spool = spool(config, &mut state)?;
    let found = state
        .cut_off()
        .map(|pid| format!("the last run (pid {pid}) was cut off; all that it stored goes on from here"));
    let tenant = config.tenant.as_ref().map(TenantName::as_str);
    let couriers = Couriers::start(spool, &config.state_dir, sinks, tenant, log)?;
    let has_health = config.sinks.iter().any(|sink| sink.health_events);
    let health = has_health.then(|| Health::load(&config.state_dir, Utc::now().timestamp_millis()));
    Ok((Delivery::through(couriers, state).with_health(health), found))
}

/// Opens a tenant's spool. A crash may have come between the spool and the state: the newest batch is stored, so what comes after it
/// is, too.
///
/// # Errors
/// Either cannot be read or written.
pub fn spool(config: &Config, state: &mut Writer) -> Result<Spool, CollectError> {
    let spool = Spool::open(&config.state_dir, config.spool_bytes)?;
    state.load()?;
    if let Some(last_run) = spool.follows(state.stored())? {
        state.store(&last_run)?;
    }
    Ok(spool)
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;
    use crate::runtime::{LastRun, LastRunPart};
    use crate::sink::Event;
    use crate::spool::Recorded;
    use crate::state::State;

    fn last_run(head: &str) -> LastRun {
        let part = LastRunPart { name: format!("part-{head}"), body: Some(format!("text of {head}")) };
        LastRun { head: head.into(), parts: vec![part] }
    }

    fn event(id: &str) -> Event {
        Event { id: id.into(), org: String::new(), stream: "events".into(), created: None, body: "{}".into() }
    }

    #[test]
    fn a_batch_that_a_crash_left_in_the_spool_unrecorded_is_recorded_by_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::parse("", &folder.path().join("webex.toml")).unwrap();
        let open = || State::at(&config.state_dir).writer().unwrap();
        let mut state = open();
        state.store(&last_run("a")).unwrap();
        let spooled = Spool::open(&config.state_dir, config.spool_bytes).unwrap();
        let recorded = Recorded { before: state.stored(), last_run: &last_run("b") };
        spooled.put(&[event("1").as_read()], Some(&recorded), None).unwrap();
        drop((spooled, state));

        let mut state = open();
        super::spool(&config, &mut state).unwrap();
        assert_eq!(state.load().unwrap().unwrap().head, "b");
        assert_eq!(state.parts().text("part-b").unwrap(), "text of b");
    }
}
