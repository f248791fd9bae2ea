//! The processes of a measurement, as they are started by one another: a tenant, a subject, and what measures it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use webex_bench::arrived;
use webex_bench::measured::Usage;
use webex_bench::subject::{EVENTS, Subject, tell};
use webex_bench::tenant::{Access, Reader, Report, Spec, Supply, TenantProcess};

const BENCH: &str = env!("CARGO_BIN_EXE_bench");
/// More than a page of each stream, and no multiple of one.
const SUPPLY: [u64; 3] = [450, 2_300, 1_001];

fn spec() -> Spec {
    Spec { supply: SUPPLY.map(Supply::Backlog), latency_ms: 0, gzip: false, requests_a_minute: None, tenants: 1 }
}

fn measured(folder: &Path, words: &[&str]) -> Output {
    let usage = folder.join("usage.json");
    let mut bench = Command::new(BENCH);
    bench.arg("measured").arg("--usage").arg(usage).args(words).current_dir(folder);
    bench.stdin(Stdio::null()).output().unwrap()
}

/// What the subject has used, and what the tenant has seen.
#[track_caller]
fn collect(subject: Subject, spec: &Spec) -> (Usage, Report) {
    let folder = tempfile::tempdir().unwrap();
    let mut tenant = TenantProcess::of(Path::new(BENCH), spec).unwrap();
    tell(folder.path(), &tenant.access).unwrap();
    let output = measured(folder.path(), &["--", BENCH, "subject", subject.name()]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let usage: Usage = serde_json::from_slice(&std::fs::read(folder.path().join("usage.json")).unwrap()).unwrap();
    assert!(output.status.success() && usage.succeeded, "{said}");
    assert_eq!(arrived::check(&folder.path().join(EVENTS), SUPPLY, None), Ok(()));
    (usage, tenant.report().unwrap())
}

#[test]
fn every_native_subject_collects_each_event_once() {
    for subject in [Subject::NativeCore, Subject::PlainLoop, Subject::BoundaryLoop] {
        let (usage, report) = collect(subject, &spec());
        assert!(usage.cpu_us > 0 && usage.wall_us > 0, "{usage:?}");
        assert!(usage.peak_bytes > 1 << 20, "{usage:?}");
        assert!(report.requests >= 3 + 3 + 2, "{}: {report:?}", subject.name());
        assert_eq!((report.wrong, report.refused, report.events), (0, 0, SUPPLY));
        assert!(report.first_us.unwrap() >= usage.started_us);
    }
}

#[test]
fn what_is_compressed_on_the_way_is_the_same() {
    collect(Subject::NativeCore, &Spec { gzip: true, ..spec() });
    collect(Subject::PlainLoop, &Spec { gzip: true, ..spec() });
}

#[test]
fn a_tenant_refuses_what_is_beyond_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let mut tenant = TenantProcess::of(Path::new(BENCH), &Spec { requests_a_minute: Some(2), ..spec() }).unwrap();
    tell(folder.path(), &tenant.access).unwrap();
    measured(folder.path(), &["--", BENCH, "subject", Subject::PlainLoop.name()]);
    let usage: Usage = serde_json::from_slice(&std::fs::read(folder.path().join("usage.json")).unwrap()).unwrap();
    assert!(!usage.succeeded, "the plain loop gives up at the first 429");
    let report = tenant.report().unwrap();
    assert_eq!((report.requests, report.refused), (3, 1), "{report:?}");
}

#[test]
fn each_of_many_tenants_has_events_of_its_own_and_for_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut webex = TenantProcess::of(Path::new(BENCH), &Spec { tenants: 3, ..spec() }).unwrap();
    tell(folder.path(), &webex.access_to(2)).unwrap();
    measured(folder.path(), &["--", BENCH, "subject", Subject::PlainLoop.name()]);
    let reader = Reader::default();
    let text = std::fs::read_to_string(folder.path().join(EVENTS)).unwrap();
    assert_eq!(text.lines().count() as u64, SUPPLY.iter().sum::<u64>());
    assert!(text.lines().all(|line| reader.read(line.as_bytes()).unwrap().tenant == 2));
    assert_eq!(webex.report().unwrap().wrong, 0);

    let org = webex.access_to(1).org;
    tell(folder.path(), &Access { org, ..webex.access_to(2) }).unwrap();
    measured(folder.path(), &["--", BENCH, "subject", Subject::PlainLoop.name()]);
    assert_eq!(webex.report().unwrap().wrong, 1, "it asks for another's organization");
    tell(folder.path(), &webex.access_to(3)).unwrap();
    measured(folder.path(), &["--", BENCH, "subject", Subject::PlainLoop.name()]);
    assert_eq!(webex.report().unwrap().wrong, 2, "there is no fourth");
}

#[test]
fn what_was_left_out_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let tenant = TenantProcess::of(Path::new(BENCH), &spec()).unwrap();
    tell(folder.path(), &tenant.access).unwrap();
    measured(folder.path(), &["--", BENCH, "subject", Subject::BoundaryLoop.name()]);
    let path = folder.path().join(EVENTS);
    let text = std::fs::read_to_string(&path).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    std::fs::write(&path, rest).unwrap();
    let found = arrived::check(&path, SUPPLY, None).unwrap_err();
    assert!(found.contains("449 of 450 events of admin_audits"), "{found}");
}

#[test]
fn a_process_that_does_not_end_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let output = measured(folder.path(), &["--seconds", "1", "--", "sleep", "600"]);
    assert!(output.status.success());
    let usage: Usage = serde_json::from_slice(&std::fs::read(folder.path().join("usage.json")).unwrap()).unwrap();
    assert!(!usage.succeeded && usage.wall_us < 300_000_000, "{usage:?}");
}
