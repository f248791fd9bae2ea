//! Many tenants of one plugin in one process, of which some have calls that break off.

use std::collections::BTreeMap;

use host_harness::collect::SharedSinks;
use host_harness::collect::{CollectError, End, RoundEnd};
use host_harness::config::{Setup, TenantName};
use host_harness::log::{Level, Log};
use host_harness::runtime::RuntimeError;
use host_harness::stop::Stop;
use host_harness::tenants::{Outcome, Scheduler, Shared, Step, TenantError};
use tempfile::TempDir;

use crate::support::plugin;

/// Tenants of whose calls none comes to its end, each in another way.
const BROKEN: [(&str, &str); 3] =
    [("panics", "panic-in-fetch-events"), ("traps", "trap-in-fetch-events"), ("unsound", "two-lines-in-one")];
/// Their names are before, between and behind the others.
const SOUND: [&str; 3] = ["a", "r", "z"];
/// Rounds that each of the others is to have while those fail.
const ROUNDS: usize = 3;

/// A folder with a file for each.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "webex.toml",
        "[tenant_defaults.collect]\ninterval = \"1s\"\n\
         [[sink]]\ntype = \"ndjson\"\npath = \"all.ndjson\"\ntenant_field = \"tenant\"\n",
    );
    std::fs::create_dir(folder.path().join("tenants.d")).unwrap();
    for name in SOUND {
        write(&format!("tenants.d/{name}.toml"), "");
    }
    for (name, mode) in BROKEN {
        write(&format!("tenants.d/{name}.toml"), &format!("[privacy]\nmessage_text = \"{mode}\"\n"));
    }
    folder
}

fn shared(folder: &TempDir, follow: bool) -> Shared {
    let Setup::Many(tenants) = Setup::load(&folder.path().join("webex.toml")).unwrap() else { panic!("many") };
    let (sinks, _) = SharedSinks::open(&tenants.sinks, std::iter::empty()).unwrap();
    let (log, stop) = (Log::memory(), Stop::new());
    Shared { plugin: plugin("as-set"), tenants, sinks, log, stop, follow, wish: None, watch: None }
}

/// Whose lines stand in the sink, and how many.
fn delivered(folder: &TempDir) -> BTreeMap<String, usize> {
    let mut delivered = BTreeMap::new();
    for line in std::fs::read_to_string(folder.path().join("all.ndjson")).unwrap().lines() {
        let name = line.strip_prefix(r#"{"tenant":""#).and_then(|rest| rest.strip_suffix(r#""}"#)).unwrap();
        *delivered.entry(name.to_owned()).or_default() += 1;
    }
    delivered
}

/// Each line that says that a call broke off is of one whose calls do.
fn only_the_broken_are_told(log: &Log) {
    let mut told = BTreeMap::new();
    for line in log.lines().into_iter().filter(|line| line.level >= Level::Warn) {
        assert_eq!(line.code, "call-broke-off", "{line}");
        assert!(line.text.contains("`fetch-events`"), "{line}");
        *told.entry(line.tenant.unwrap_or_default()).or_insert(0) += 1;
    }
    assert_eq!(told.keys().map(String::as_str).collect::<Vec<_>>(), BROKEN.map(|(name, _)| name), "{told:?}");
}

#[tokio::test]
async fn a_tenant_whose_calls_break_off_fails_alone_and_the_others_are_collected() {
    let folder = folder();
    let shared = shared(&folder, false);
    let log = shared.log.clone();
    let mut failed = Vec::new();
    let observe = |step: Step<'_>| {
        if let Step::Failed(name, error, again) = step {
            assert_eq!(again, None, "without --follow nobody is tried again");
            failed.push((name.to_string(), error.to_string()));
        }
    };
    let summary = Scheduler::new(shared, observe).run().await.unwrap();
    failed.sort();
    assert_eq!(failed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), BROKEN.map(|(name, _)| name));
    let end = |name: &str| summary.tenants[&TenantName::parse(name).unwrap()].end.as_ref();
    for name in ["panics", "traps"] {
        let Err(TenantError::Collect(CollectError::Runtime(RuntimeError::Trap { call, .. }))) = end(name) else {
            panic!("{name}: {:?}", end(name))
        };
        assert_eq!(*call, "fetch-events");
    }
    assert!(matches!(end("unsound"), Err(TenantError::Collect(CollectError::Runtime(RuntimeError::Unsound { .. })))));
    for name in SOUND {
        assert_eq!(end(name).unwrap(), &End::Idle, "{name}");
    }
    assert_eq!(delivered(&folder), SOUND.map(|name| (name.to_owned(), 1)).into());
    only_the_broken_are_told(&log);
}

#[tokio::test]
async fn followed_it_is_tried_again_in_each_of_its_rounds_while_the_others_go_on() {
    let folder = folder();
    let shared = shared(&folder, true);
    let (log, stop) = (shared.log.clone(), shared.stop.clone());
    let mut rounds: BTreeMap<String, Vec<RoundEnd>> = BTreeMap::new();
    let observe = |step: Step<'_>| {
        if let Step::Over(name, round) = step {
            rounds.entry(name.to_string()).or_default().push(round.end.clone());
            let is_through = |name: &str| rounds.get(name).is_some_and(|rounds| rounds.len() >= ROUNDS);
            if SOUND.iter().all(|name| is_through(name)) && BROKEN.iter().all(|(name, _)| is_through(name)) {
                stop.request();
            }
        }
    };
    let summary = Scheduler::new(shared, observe).run().await.unwrap();
    for (name, _) in BROKEN {
        let failed = |end: &RoundEnd| matches!(end, RoundEnd::Failed { code, .. } if code == "call-broke-off");
        assert!(rounds[name].iter().all(failed), "{name}: {:?}", rounds[name]);
    }
    for name in SOUND {
        assert!(rounds[name].iter().all(|end| *end == RoundEnd::Ended(End::Idle)), "{name}: {:?}", rounds[name]);
        assert!(delivered(&folder)[name] >= ROUNDS, "{name}");
    }
    assert!(summary.tenants.values().all(|Outcome { end, .. }| matches!(end, Ok(End::Stopped))), "{summary:?}");
    assert_eq!(delivered(&folder).len(), SOUND.len());
    only_the_broken_are_told(&log);
}
