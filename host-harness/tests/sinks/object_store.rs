//! Objects in S3: against the S3 of `moto`, a real server of its language.

mod moto;

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use host_harness::config::Config;
use host_harness::courier::Condition;
use host_harness::stop::Stop;

use crate::conformance::{Arrived, EVENTS, Fault, Place, Receiver, conforms, event, judge};
use moto::{Moto, Way};

static BUCKETS: AtomicUsize = AtomicUsize::new(0);

/// A bucket of its own, and the way to it.
struct Bucket {
    server: Arc<Moto>,
    name: String,
    way: Way,
}

impl Bucket {
    async fn on(server: &Arc<Moto>) -> Self {
        let name = format!("bucket-{}", BUCKETS.fetch_add(1, Ordering::Relaxed));
        server.make_bucket(&name);
        Self { server: Arc::clone(server), way: server.way().await, name }
    }

    fn objects(&self) -> Vec<(String, String)> {
        let text = |key: String| {
            let bytes = self.server.object(&self.name, &key);
            let mut text = String::new();
            if key.ends_with(".gz") {
                flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
            } else {
                text = String::from_utf8(bytes).unwrap();
            }
            (key, text)
        };
        self.server.keys(&self.name).into_iter().map(text).collect()
    }

    fn table_of(&self, bucket: &str, more: &str) -> String {
        format!(
            "type = \"object_store\"\nurl = \"s3://{bucket}/audit/webex\"\nendpoint = \"http://{}\"\naccess_key_id = \"AKIATEST\"\n\
             secret_access_key = \"not-a-secret\"\n{more}",
            self.way.address
        )
    }
}

impl Receiver for Bucket {
    fn table(&self) -> String {
        self.table_of(&self.name, "max_events = 1500")
    }

    fn misbehave(&self, fault: Fault, requests: usize) -> bool {
        let can = fault != Fault::Late;
        if can {
            *self.way.fault.lock().unwrap() = Some((fault, requests));
        }
        can
    }

    fn refuse(&self, _: &str) -> bool {
        false
    }

    fn arrived(&self) -> Vec<Arrived> {
        let line = |line: &str| {
            let read: serde_json::Value = serde_json::from_str(line).unwrap();
            Arrived { id: read["id"].as_str().unwrap().to_owned(), body: line.to_owned(), acknowledged: true }
        };
        self.objects().iter().flat_map(|(_, text)| text.lines().map(line).collect::<Vec<_>>()).collect()
    }

    fn knows_ids(&self) -> bool {
        // A repeat replaces what is there.
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn object_store_conforms() {
    let server = Arc::new(Moto::start());
    conforms(async || Bucket::on(&server).await).await;
}

/// The answer is lost, the process dies, more is collected: the send that follows is larger and begins at the same place.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_that_has_grown_replaces_what_it_repeats() {
    let bucket = Bucket::on(&Arc::new(Moto::start())).await;
    let place = Place::with(&bucket.table_of(&bucket.name, ""));
    place.store(0..1_000);
    bucket.misbehave(Fault::CutAfter, usize::MAX);
    let couriers = place.start();
    let arrived = async {
        while bucket.arrived().len() < 1_000 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), arrived).await.unwrap();
    drop(couriers);
    tokio::time::sleep(Duration::from_millis(50)).await;
    *bucket.way.fault.lock().unwrap() = None;
    place.store(1_000..EVENTS);
    place.deliver().await;
    judge(&bucket, 0..EVENTS, &[], "grown");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_collectors_below_one_prefix_do_not_touch_each_others_objects() {
    let bucket = Bucket::on(&Arc::new(Moto::start())).await;
    for events in [0..30, 30..60] {
        let place = Place::new(&bucket);
        place.store(events);
        place.deliver().await;
    }
    judge(&bucket, 0..60, &[], "both");
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_stand_under_stream_date_and_hour_and_hold_the_items_as_they_came() {
    let bucket = Bucket::on(&Arc::new(Moto::start())).await;
    let place = Place::with(&bucket.table_of(&bucket.name, "gzip = false\nstreams = [\"events\"]"));
    place.store(0..6);
    place.deliver().await;
    let objects = bucket.objects();
    let [(key, text)] = &*objects else { panic!("{objects:?}") };
    let (folder, name) = key.rsplit_once('/').unwrap();
    assert_eq!(folder, "audit/webex/stream=events/date=2025-11-28/hour=03");
    assert!(name.starts_with("object_store-") && name.ends_with(".ndjson"), "{name}");
    assert_eq!(*text, format!("{}\n{}\n", event(2).body, event(5).body));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_not_there_stops_the_sink_and_loses_nothing() {
    let bucket = Bucket::on(&Arc::new(Moto::start())).await;
    let place = Place::with(&bucket.table_of("nowhere", ""));
    place.store(0..3);
    let couriers = place.start();
    let left = couriers.drained(Duration::from_secs(30), &Stop::new()).await.unwrap_err();
    couriers.end().await;
    let Condition::Closed { reason, .. } = &left.0[0].condition else { panic!("{left:?}") };
    assert!(reason.contains("NoSuchBucket") && reason.contains("see that the bucket is there"), "{reason}");
    assert!(!reason.contains("not-a-secret"));
    assert!(place.dead_letters().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_looks_at_the_bucket_and_leaves_nothing() {
    let bucket = Bucket::on(&Arc::new(Moto::start())).await;
    let probe = async |name: &str| {
        let text = format!("[[sink]]\n{}\n", bucket.table_of(name, ""));
        let config = Config::parse(&text, std::path::Path::new("/tmp/webex.toml")).unwrap();
        let sink = config.sinks[0].plan.open().unwrap();
        sink.probe().await
    };
    assert!(probe(&bucket.name).await.unwrap().starts_with("the bucket answers"));
    assert!(probe("nowhere").await.unwrap_err().to_string().contains("see that the bucket is there"));
    assert_eq!(bucket.server.keys(&bucket.name).into_iter().collect::<BTreeSet<_>>(), BTreeSet::new());
}
