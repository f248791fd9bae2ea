//! `demo`.

use crate::support::Place;

#[tokio::test]
async fn the_demo_says_that_it_is_simulated_and_delivers_each_event_once() {
    let place = Place::empty();
    let ran = place.run(&["demo", "--events", "300", "--live", "1"]).await.exits(0);
    assert!(ran.stderr.lines().next().is_some_and(|line| line.starts_with("SIMULATED")), "{}", ran.stderr);
    assert!(ran.stdout.lines().count() >= 900);
    assert!(ran.stdout.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    let ran = ran.says("each event that the simulated tenant lists was delivered once").says("restarted in the middle");
    assert!(ran.stderr.contains("0 leaked secrets"), "{}", ran.stderr);
    assert_eq!(std::fs::read_dir(place.path(".")).unwrap().count(), 0, "nothing is left behind");
}

#[tokio::test]
async fn the_demo_writes_a_file_and_a_report() {
    let place = Place::empty();
    let arguments = ["demo", "--events", "50", "--live", "0", "--seed", "7", "--output", "demo.ndjson", "--json"];
    let ran = place.run(&arguments).await.exits(0);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(report["simulated"], true);
    assert_eq!(report["streams"]["events"]["lost"], 0);
    assert_eq!(place.read("demo.ndjson").lines().count(), 150);
}
