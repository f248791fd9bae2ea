//! The fastest receiver of each kind: it answers as its protocol asks, and counts the events that it is sent.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::Bytes;
use clap::ValueEnum;
use flate2::read::MultiGzDecoder;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use memchr::memmem;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use crate::error::BenchError;

/// What each event has once, in whatever form it is sent.
const MARK: &[u8] = b"source_log_type";
/// The line that asks how many events have arrived.
const ARRIVED: &str = "arrived";
/// The file of the kind that writes one.
const FILE: &str = "events.ndjson";
/// The topic of all streams.
const TOPIC: &str = "webex";
/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// The kinds that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Kind {
    /// A file behind the spool.
    Ndjson,
    /// HTTP event collector, with acknowledgement.
    SplunkHec,
    /// `_bulk`.
    Elasticsearch,
    /// OTLP/HTTP, protobuf.
    Otlp,
    /// Batches over HTTP.
    Http,
    /// The HTTP collector of Cortex XSIAM.
    Xsiam,
    /// Logs Ingestion API.
    Sentinel,
    /// RFC 5424 over TCP.
    Syslog,
    /// Librdkafka's own mock cluster.
    Kafka,
    /// S3.
    ObjectStore,
}

impl Kind {
    /// All that this build can measure.
    pub const ALL: &[Self] = &[
        Self::Ndjson,
        Self::SplunkHec,
        Self::Elasticsearch,
        Self::Otlp,
        Self::Http,
        Self::Xsiam,
        Self::Sentinel,
        Self::Syslog,
        #[cfg(feature = "kafka")]
        Self::Kafka,
        Self::ObjectStore,
    ];

    /// What stands behind `type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::SplunkHec => "splunk_hec",
            Self::Elasticsearch => "elasticsearch",
            Self::Otlp => "otlp",
            Self::Http => "http",
            Self::Xsiam => "xsiam",
            Self::Sentinel => "sentinel",
            Self::Syslog => "syslog",
            Self::Kafka => "kafka",
            Self::ObjectStore => "object_store",
        }
    }

    /// The keys of its table, for a receiver at this port.
    fn keys(self, port: u16) -> String {
        let url = format!("http://127.0.0.1:{port}");
        match self {
            // With a filter, so that it goes through the spool.
            Self::Ndjson => {
                format!("path = \"{FILE}\"\nstreams = [\"admin_audits\", \"security_audits\", \"events\"]")
            }
            Self::SplunkHec => format!("url = \"{url}\"\ntoken = \"fake-token-of-the-bench\""),
            Self::Elasticsearch | Self::Otlp | Self::Http => format!("url = \"{url}\""),
            Self::Xsiam => format!("url = \"{url}\"\ntoken = \"fake-token-of-the-bench\""),
            Self::Sentinel => format!(
                "url = \"{url}\"\nauthority = \"{url}\"\ntenant_id = \"t\"\nclient_id = \"c\"\n\
                 client_secret = \"fake-secret-of-the-bench\"\ndcr_id = \"dcr-0123456789abcdef0123456789abcdef\"\ndcr_stream = \"Custom-Webex\""
            ),
            Self::Syslog => format!("address = \"127.0.0.1:{port}\"\nprotocol = \"tcp\""),
            Self::Kafka => format!("brokers = [\"127.0.0.1:{port}\"]\ntopic = \"{}\"\ntls = false", TOPIC),
            Self::ObjectStore => format!(
                "url = \"s3://bucket/webex\"\nendpoint = \"{url}\"\nregion = \"us-east-1\"\n\
                 access_key_id = \"fake-id-of-the-bench\"\nsecret_access_key = \"fake-key-of-the-bench\""
            ),
        }
    }
}

/// A receiver that runs. It ends when this is dropped.
#[derive(Debug)]
pub struct ReceiverProcess {
    kind: Kind,
    file: PathBuf,
    port: u16,
    process: Child,
    lines: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl ReceiverProcess {
    /// Starts one; it answers when this returns. What is written to a file is written below `folder`.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(kind: Kind, folder: &Path) -> Result<Self, BenchError> {
        let mut process = Command::new(std::env::current_exe().map_err(BenchError::tenant)?)
            .args(["receiver", kind.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BenchError::tenant)?;
        let lines = process.stdin.take();
        let Some(stdout) = process.stdout.take() else { return Err(BenchError::tenant("it has no output")) };
        let mut answers = BufReader::new(stdout);
        let port = hear(&mut answers)?;
        Ok(Self { kind, file: folder.join(FILE), port, process, lines, answers })
    }

    /// Settings with it as the one sink.
    pub fn table(&self) -> String {
        format!("[[sink]]\ntype = \"{}\"\n{}\n", self.kind.name(), self.kind.keys(self.port))
    }

    /// How many events have arrived.
    ///
    /// # Errors
    /// It has ended.
    pub fn arrived(&mut self) -> Result<usize, BenchError> {
        if self.kind == Kind::Ndjson {
            let bytes = std::fs::read(&self.file).map_err(BenchError::file("read", &self.file))?;
            return Ok(count(&bytes));
        }
        let lines = self.lines.as_mut().ok_or_else(|| BenchError::tenant("it has no input"))?;
        writeln!(lines, "{ARRIVED}").map_err(BenchError::tenant)?;
        hear(&mut self.answers)
    }
}

fn hear<T: std::str::FromStr>(answers: &mut impl BufRead) -> Result<T, BenchError> {
    let mut line = String::new();
    answers.read_line(&mut line).map_err(BenchError::tenant)?;
    line.trim().parse().map_err(|_| BenchError::tenant("the receiver said no number"))
}

impl Drop for ReceiverProcess {
    fn drop(&mut self) {
        drop(self.lines.take());
        let _ = self.process.wait();
    }
}

fn count(bytes: &[u8]) -> usize {
    memmem::find_iter(bytes, MARK).count()
}

/// Is the receiver until standard input ends.
///
/// # Errors
/// No port.
pub fn serve(kind: Kind) -> Result<(), BenchError> {
    if kind == Kind::Kafka {
        #[cfg(feature = "kafka")]
        return kafka::serve();
        #[cfg(not(feature = "kafka"))]
        return Err(BenchError::tenant("this build has no Kafka: cargo run --release -p webex-bench --features kafka"));
    }
    // One thread: the other core is the sink's.
    let tasks = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(BenchError::tenant)?;
    tasks.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(BenchError::tenant)?;
        say(listener.local_addr().map_err(BenchError::tenant)?.port())?;
        let state = Arc::new(State { kind, arrived: AtomicUsize::new(0), acks: AtomicU64::new(0) });
        let asked = Arc::clone(&state);
        let lines = tokio::task::spawn_blocking(move || {
            for line in std::io::stdin().lines() {
                if line.map_err(BenchError::tenant)? == ARRIVED {
                    say(asked.arrived.load(Ordering::SeqCst))?;
                }
            }
            Ok(())
        });
        tokio::select! {
            () = accept(listener, state) => Ok(()),
            ended = lines => ended.map_err(BenchError::tenant)?,
        }
    })
}

fn say(what: impl std::fmt::Display) -> Result<(), BenchError> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{what}").and_then(|()| out.flush()).map_err(BenchError::tenant)
}

struct State {
    kind: Kind,
    arrived: AtomicUsize,
    acks: AtomicU64,
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        if state.kind == Kind::Syslog {
            tokio::spawn(read_all(stream, state));
            continue;
        }
        tokio::spawn(async move {
            let serve = service_fn(move |request| answer(Arc::clone(&state), request));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), serve);
            // A client that goes ends it.
            let _ = connection.await;
        });
    }
}

/// A receiver that says nothing. A mark may be cut between two pieces.
async fn read_all(mut stream: TcpStream, state: Arc<State>) {
    let mut piece = vec![0; PIECE];
    let mut kept = 0;
    while let Some(room) = piece.get_mut(kept..) {
        let Ok(read @ 1..) = stream.read(room).await else { return };
        let end = kept + read;
        let text = piece.get(..end).unwrap_or_default();
        state.arrived.fetch_add(count(text), Ordering::SeqCst);
        kept = end.min(MARK.len() - 1);
        // What is kept holds no whole mark, so nothing is counted twice.
        piece.copy_within(end - kept..end, 0);
    }
}

async fn answer(state: Arc<State>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let is_packed =
        head.headers.get("content-encoding").is_some_and(|coding| coding == "gzip") || body.starts_with(&[0x1f, 0x8b]);
    let mut text = Vec::new();
    let text: &[u8] =
        if is_packed && MultiGzDecoder::new(&body[..]).read_to_end(&mut text).is_ok() { &text } else { &body };
    let events = count(text);
    state.arrived.fetch_add(events, Ordering::SeqCst);
    let (status, body) = match state.kind {
        Kind::SplunkHec if head.uri.path().ends_with("/ack") => {
            let asked: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
            let asked = asked.get("acks").and_then(serde_json::Value::as_array).cloned().unwrap_or_default();
            let acks: serde_json::Map<_, _> = asked.iter().map(|id| (id.to_string(), true.into())).collect();
            (StatusCode::OK, serde_json::json!({"acks": acks}).to_string())
        }
        Kind::SplunkHec => {
            let ack = state.acks.fetch_add(1, Ordering::SeqCst);
            (StatusCode::OK, format!("{{\"text\":\"Success\",\"code\":0,\"ackId\":{ack}}}"))
        }
        Kind::Elasticsearch => {
            let items = vec![r#"{"create":{"status":201}}"#; events].join(",");
            (StatusCode::OK, format!("{{\"took\":1,\"errors\":false,\"items\":[{items}]}}"))
        }
        Kind::Sentinel if head.uri.path().ends_with("/token") => (
            StatusCode::OK,
            r#"{"token_type":"Bearer","expires_in":3599,"access_token":"fake-access-token-of-the-bench"}"#.to_owned(),
        ),
        Kind::Sentinel => (StatusCode::NO_CONTENT, String::new()),
        Kind::Xsiam => (StatusCode::OK, r#"{"error":"false"}"#.to_owned()),
        // Those that speak no HTTP are not asked by it.
        _ => (StatusCode::OK, String::new()),
    };
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    match state.kind {
        Kind::Otlp => headers.insert("content-type", http::HeaderValue::from_static("application/x-protobuf")),
        Kind::ObjectStore => headers.insert("etag", http::HeaderValue::from_static("\"0\"")),
        _ => headers.insert("content-type", http::HeaderValue::from_static("application/json")),
    };
    Ok(answer)
}

#[cfg(feature = "kafka")]
mod kafka {
    use std::time::Duration;

    use rdkafka::ClientConfig;
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::mocking::MockCluster;

    use super::{ARRIVED, TOPIC, say};
    use crate::error::BenchError;

    const PARTITIONS: i32 = 2;
    /// How long the cluster may take to say how much it has.
    const WITHIN: Duration = Duration::from_secs(10);

    /// Is a cluster of one broker until standard input ends. What it has is counted by the offsets of its partitions.
    pub(super) fn serve() -> Result<(), BenchError> {
        let cluster = MockCluster::new(1).map_err(BenchError::tenant)?;
        cluster.create_topic(TOPIC, PARTITIONS, 1).map_err(BenchError::tenant)?;
        let brokers = cluster.bootstrap_servers();
        say(brokers.rsplit(':').next().unwrap_or_default())?;
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &brokers).set("group.id", "bench");
        let consumer: BaseConsumer = config.create().map_err(BenchError::tenant)?;
        for line in std::io::stdin().lines() {
            if line.map_err(BenchError::tenant)? == ARRIVED {
                let mut arrived = 0;
                for partition in 0..PARTITIONS {
                    let (_, end) = consumer.fetch_watermarks(TOPIC, partition, WITHIN).map_err(BenchError::tenant)?;
                    arrived += end;
                }
                say(arrived)?;
            }
        }
        Ok(())
    }
}
