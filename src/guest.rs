//! The wasm shell: the contract on one side, the core on the other. Clock, random, network and secrets come in here; nothing
//! is decided here.

mod bindings;
mod convert;
mod http;
mod reactor;

use bindings::exports::siem::plugin::{collector, commands};

use crate::failure::Failure;
use crate::last_run::LastRun;
use crate::settings::Settings;
use crate::time::Timestamp;
use crate::{check, command, describe, fetch};

struct Plugin;

/// The host's snapshot, checked.
fn settings() -> Result<Settings, Failure> {
    Settings::parse(bindings::siem::plugin::settings::all())
}

/// A fresh key for a state that begins now.
fn key() -> [u8; 16] {
    let mut key = [0; 16];
    for (byte, random) in key.iter_mut().zip(reactor::seed()) {
        *byte = random;
    }
    key
}

/// The stored state.
fn last_run(stored: Option<crate::last_run::Stored>, settings: &Settings) -> Result<LastRun, Failure> {
    Ok(LastRun::read(stored, settings, reactor::now(), key())?.checked()?)
}

impl collector::Guest for Plugin {
    fn describe() -> collector::Description {
        describe::describe().into()
    }

    fn check() -> Vec<collector::Finding> {
        let findings = reactor::drive(async |io| Ok(check::run(io, settings()).await));
        let findings = findings.unwrap_or_else(|failure| vec![check::Finding::fail("plugin", failure)]);
        findings.into_iter().map(Into::into).collect()
    }

    fn fetch_events(
        stored: Option<collector::LastRun>,
        request: collector::FetchRequest,
    ) -> Result<collector::Batch, collector::Failure> {
        let collect = || {
            let settings = settings()?;
            let stored = stored.map(Into::into);
            let request = convert::fetch_request(request)?;
            reactor::drive(|io| fetch::fetch_events(io, &settings, stored, &request))
        };
        collect().map(Into::into).map_err(Into::into)
    }

    fn get_last_run(stored: Option<collector::LastRun>) -> Result<collector::LastRunView, collector::Failure> {
        let view = || {
            let settings = settings()?;
            let mut last_run = last_run(stored.map(Into::into), &settings)?;
            // What the next call begins with; it says itself what is left out by that.
            for stream in settings.streams() {
                last_run.prepare(stream, &settings, reactor::now());
            }
            Ok::<_, Failure>(last_run)
        };
        view().map(Into::into).map_err(Into::into)
    }

    fn change_last_run(
        stored: Option<collector::LastRun>,
        change: collector::Reset,
    ) -> Result<collector::LastRun, collector::Failure> {
        let change = || {
            let settings = settings()?;
            let mut last_run = last_run(stored.map(Into::into), &settings)?;
            let since = Timestamp::from_millis(change.since);
            if since > reactor::now() {
                return Err(Failure::argument("since", "is in the future", "give a time of the past"));
            }
            let streams = match change.stream.as_deref() {
                Some(name) => vec![convert::stream(name)?],
                None => settings.streams(),
            };
            for stream in streams {
                last_run.reset(stream, &settings, since, reactor::now());
            }
            Ok(last_run.write())
        };
        change().map(Into::into).map_err(Into::into)
    }
}

impl commands::Guest for Plugin {
    fn list() -> Vec<commands::Command> {
        command::table::TABLE.iter().map(Into::into).collect()
    }

    fn run(name: String, arguments: Vec<(String, String)>) -> Result<commands::Outcome, commands::Failure> {
        let run = || {
            let settings = settings()?;
            reactor::drive(async |io| command::run(io, &settings, &name, arguments.clone()).await)
        };
        run().map(Into::into).map_err(Into::into)
    }
}
