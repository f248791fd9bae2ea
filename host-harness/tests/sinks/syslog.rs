//! Syslog, with a real rsyslog behind a line that can be cut.

mod relay;
mod rsyslog;

use std::sync::Arc;
use std::time::Duration;

use host_harness::config::Config;
use host_harness::courier::OpenSink;
use host_harness::sink::Event;
use host_harness::sink::{SendError, Sink};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::conformance::{Arrived, Fault, Place, Receiver, conforms, event, judge};
use relay::Relay;
use rsyslog::{Rsyslog, Way};

struct Syslog {
    rsyslog: Rsyslog,
    relay: Relay,
    settings: String,
    /// Whether a connection that ends well is what acknowledges.
    closes: bool,
}

impl Syslog {
    async fn start(way: Way, settings: &str) -> Self {
        let rsyslog = Rsyslog::start(way);
        let relay = Relay::start(rsyslog.address).await;
        let file = |name: &str| rsyslog.file(name).display().to_string();
        let settings = settings.to_owned()
            + &match way {
                Way::Tcp => "\nprotocol = \"tcp\"".to_owned(),
                Way::Tls => format!("\nca_file = \"{}\"", file("ca.pem")),
                Way::MutualTls => format!(
                    "\nca_file = \"{}\"\ncert_file = \"{}\"\nkey_file = \"{}\"",
                    file("ca.pem"),
                    file("client.pem"),
                    file("client.key")
                ),
            };
        let closes = !settings.contains("received");
        Self { rsyslog, relay, settings, closes }
    }
}

/// The sink of these settings.
fn sink(settings: &str) -> Arc<dyn Sink> {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[[sink]]\ntype = \"syslog\"\n{settings}\n");
    let config = Config::parse(&text, &folder.path().join("webex.toml")).unwrap();
    OpenSink::all(&config.sinks, false).unwrap().remove(0).sink
}

impl Receiver for Syslog {
    fn table(&self) -> String {
        let Self { relay, settings, .. } = self;
        format!("type = \"syslog\"\nmax_events = 1000\naddress = \"{}\"\n{settings}", relay.address)
    }

    fn misbehave(&self, fault: Fault, requests: usize) -> bool {
        // It has no words for being busy, or for failing.
        let can = !matches!(fault, Fault::Busy | Fault::Failing);
        if can {
            self.relay.misbehave(fault, requests);
        }
        can
    }

    fn refuse(&self, _: &str) -> bool {
        false
    }

    fn arrived(&self) -> Vec<Arrived> {
        let arrived = |line: rsyslog::Line| {
            let read: serde_json::Value = serde_json::from_str(&line.body).unwrap();
            let acknowledged = !self.closes || self.relay.ended_well(line.from);
            Arrived { id: read["id"].as_str().unwrap().to_owned(), body: line.body, acknowledged }
        };
        self.rsyslog.lines().into_iter().map(arrived).collect()
    }

    fn knows_ids(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rsyslog_over_tls_conforms() {
    conforms(async || Syslog::start(Way::Tls, "").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rsyslog_over_tcp_conforms() {
    conforms(async || Syslog::start(Way::Tcp, "").await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rsyslog_reads_header_and_structured_data_as_they_were_meant() {
    let syslog = Syslog::start(
        Way::MutualTls,
        "hostname = \"collector\"\nfacility = \"authpriv\"\nseverity = \"notice\"\nmsgid = { events = \"event\" }",
    )
    .await;
    let place = Place::new(&syslog);
    let odd = Event {
        id: "a\"b]c\\d".into(),
        org: "J\u{f6}rg".into(),
        body: "{\"id\":\"odd\",\"x\":\"\\ud800\",\"n\":1e999}".into(),
        ..event(2)
    };
    place.put(&[event(0), odd.clone()]);
    place.deliver().await;
    let lines = syslog.rsyslog.lines();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].header, "85 collector webex-collector - admin_audits 2025-11-28T03:20:00.000Z");
    assert_eq!(lines[0].structured, "[webex@32473 stream=\"admin_audits\" id=\"event-00000\" org=\"org-1\"]");
    assert_eq!(lines[0].body, event(0).body);
    assert_eq!(lines[1].header, "85 collector webex-collector - event 2025-11-28T03:20:02.000Z");
    assert_eq!(lines[1].structured, "[webex@32473 stream=\"events\" id=\"a\\\"b\\]c\\\\d\" org=\"J\u{f6}rg\"]");
    assert_eq!(lines[1].body, odd.body, "byte for byte");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_does_not_fit_goes_to_the_dead_letters_and_is_not_cut() {
    let syslog = Syslog::start(Way::Tcp, "").await;
    let place = Place::new(&syslog);
    let large =
        Event { id: "large".into(), body: format!("{{\"id\":\"large\",\"x\":\"{}\"}}", "x".repeat(9_000)), ..event(0) };
    place.put(&[event(0), large, event(1)]);
    place.deliver().await;
    judge(&syslog, 0..2, &[], "a large one");
    let letters = place.dead_letters();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].0 == "large" && letters[0].1.contains("`max_message` of the sink is 8192"), "{letters:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_kept_serves_many_sends_and_is_made_anew_when_the_receiver_ends_it() {
    for way in [Way::Tcp, Way::Tls] {
        let syslog = Syslog::start(way, "confirm = \"received\"").await;
        let place = Place::new(&syslog);
        place.store(0..5_000);
        place.deliver().await;
        assert_eq!(syslog.relay.connections(), 1, "{way:?}");
        place.store(5_000..5_010);
        place.deliver().await;
        judge(&syslog, 0..5_010, &[], "kept");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_closes_before_it_has_read_confirms_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let closing = tokio::spawn(async move {
        for read in [0, 1, 10_000] {
            for _ in 0..50 {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.read_exact(&mut vec![0; read]).await.unwrap();
            }
        }
    });
    let sink = sink(&format!("address = \"{address}\"\nprotocol = \"tcp\""));
    let events: Vec<Event> = (0..1_000).map(event).collect();
    for attempt in 0..150 {
        let answer = sink.send(&events).await;
        assert!(matches!(answer, Err(SendError::Later { .. })), "{attempt}: {answer:?}");
    }
    closing.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_reads_but_never_closes_is_told_how_to_be_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let reading = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.unwrap();
            kept.push(stream);
        }
    });
    let settings = format!("address = \"{address}\"\nprotocol = \"tcp\"\ntimeout = \"1s\"");
    let error = sink(&settings).send(&[event(0)]).await.unwrap_err();
    assert!(error.to_string().contains("confirm = \"received\""), "{error}");
    let taken = tokio::time::timeout(Duration::from_secs(5), async {
        sink(&format!("{settings}\nconfirm = \"received\"")).send(&[event(0)]).await
    });
    assert!(taken.await.unwrap().is_ok());
    reading.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_says_what_a_person_must_mend() {
    let mutual = Rsyslog::start(Way::MutualTls);
    let address = format!("address = \"{}\"", mutual.address);
    let file = |key: &str, name: &str| format!("\n{key} = \"{}\"", mutual.file(name).display());
    let ca = file("ca_file", "ca.pem");
    let client = file("cert_file", "client.pem") + &file("key_file", "client.key");
    let found = sink(&format!("{address}{ca}{client}")).probe().await.unwrap();
    assert!(found.contains("connected"), "{found}");
    assert_eq!(mutual.lines().len(), 0, "a probe leaves nothing");

    let unknown = sink(&format!("{address}{client}")).probe().await.unwrap_err();
    assert!(matches!(&unknown, SendError::Closed { remedy, .. } if remedy.contains("`ca_file`")), "{unknown:?}");
    // rsyslog only breaks off the connection of who shows none.
    let nobody = sink(&format!("{address}{ca}")).send(&[event(0)]).await.unwrap_err();
    assert_eq!(mutual.lines().len(), 0, "{nobody:?}");

    let plain = Rsyslog::start(Way::Tcp);
    let error = sink(&format!("address = \"{}\"\nprotocol = \"tls\"\ntimeout = \"2s\"", plain.address))
        .probe()
        .await
        .unwrap_err();
    assert!(matches!(error, SendError::Later { .. } | SendError::Closed { .. }), "{error:?}");
}
