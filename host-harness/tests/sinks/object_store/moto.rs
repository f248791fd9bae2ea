//! The S3 of `moto`, a process of its own, and a way to it that goes wrong when a test says so.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream as Stream};
use tokio::task::JoinHandle;

use crate::conformance::Fault;

/// The python that has `moto`; else the one that CI makes.
const PYTHON: &str = "WEBEX_TEST_PYTHON";
const HOW: &str = "make one: python3 -m venv target/python && target/python/bin/pip install 'moto[server,s3]==5.2.5', \
                   or name a python that has it in WEBEX_TEST_PYTHON";
/// Ends with its standard input, whatever becomes of the test.
const SERVER: &str = "import sys\nfrom moto.server import ThreadedMotoServer as Server\n\
                      server = Server(ip_address='127.0.0.1', port=0, verbose=False)\nserver.start()\n\
                      print(server.get_host_and_port()[1], flush=True)\nsys.stdin.read()\nserver.stop()";
/// Whose buckets they are; signatures are not looked at.
const KEY: &str =
    "AWS4-HMAC-SHA256 Credential=AKIATEST/20250101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
const SLOW: Duration = Duration::from_millis(100);

/// The server.
pub(crate) struct Moto {
    process: Child,
    address: SocketAddr,
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Moto {
    pub(crate) fn start() -> Self {
        let usual = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/python/bin/python");
        let python = std::env::var_os(PYTHON).map_or_else(usual, PathBuf::from);
        let mut command = Command::new(&python);
        command.args(["-c", SERVER]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().unwrap_or_else(|error| panic!("{}: {error}; {HOW}", python.display()));
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port: u16 = line.trim().parse().unwrap_or_else(|_| panic!("{} has no moto; {HOW}", python.display()));
        Self { process, address: ([127, 0, 0, 1], port).into() }
    }

    pub(crate) fn make_bucket(&self, name: &str) {
        self.ask("PUT", &format!("/{name}"));
    }

    /// The names of the objects of a bucket.
    pub(crate) fn keys(&self, bucket: &str) -> Vec<String> {
        let listing = String::from_utf8(self.ask("GET", &format!("/{bucket}?list-type=2"))).unwrap();
        assert!(listing.contains("<IsTruncated>false"), "{listing}");
        let names = listing.split("<Key>").skip(1);
        names.map(|rest| rest.split("</Key>").next().unwrap().to_owned()).collect()
    }

    pub(crate) fn object(&self, bucket: &str, key: &str) -> Vec<u8> {
        self.ask("GET", &format!("/{bucket}/{key}"))
    }

    fn ask(&self, method: &str, path: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {KEY}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&answer));
        answer.split_off(end)
    }

    /// A way to it.
    pub(crate) async fn way(&self) -> Way {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (here, there) = (listener.local_addr().unwrap(), self.address);
        let fault = Faults::default();
        let faults = Arc::clone(&fault);
        let accepting = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, there, Arc::clone(&faults)));
            }
        });
        Way { address: here, fault, accepting }
    }
}

type Faults = Arc<Mutex<Option<(Fault, usize)>>>;

/// A way to the server.
pub(crate) struct Way {
    pub(crate) address: SocketAddr,
    pub(crate) fault: Faults,
    accepting: JoinHandle<()>,
}

impl Drop for Way {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The fault for this piece, if it is one of these.
fn next(faults: &Faults, these: &[Fault]) -> Option<(Fault, usize)> {
    let mut fault = faults.lock().unwrap();
    let (kind, left) = fault.as_mut().filter(|(kind, _)| these.contains(kind))?;
    let now = (*kind, *left);
    *left -= 1;
    if *left == 0 {
        *fault = None;
    }
    Some(now)
}

/// Carries bytes both ways. None: the connection ended, or was cut.
async fn carry(mut client: Stream, there: SocketAddr, faults: Faults) -> Option<()> {
    let mut server = Stream::connect(there).await.ok()?;
    let (mut up, mut down) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => {
                let bytes = &up[..read.ok().filter(|read| *read > 0)?];
                // What begins a request.
                if bytes.starts_with(b"PUT ") {
                    match next(&faults, &[Fault::Down, Fault::Busy, Fault::Failing]) {
                        Some((Fault::Down, _)) => return None,
                        Some((fault, _)) => {
                            let status = if fault == Fault::Busy { "503 Slow Down" } else { "500 Internal Server Error" };
                            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                            client.write_all(answer.as_bytes()).await.ok()?;
                            return None;
                        }
                        None => {}
                    }
                }
                server.write_all(bytes).await.ok()?;
            }
            read = server.read(&mut down) => {
                let bytes = &down[..read.ok().filter(|read| *read > 0)?];
                match next(&faults, &[Fault::Slow, Fault::CutAfter, Fault::Half]) {
                    Some((Fault::Slow, _)) => tokio::time::sleep(SLOW).await,
                    Some((Fault::CutAfter, _)) => return None,
                    // Of the objects of a send every other one.
                    Some((Fault::Half, left)) if left % 2 == 1 => return None,
                    _ => {}
                }
                client.write_all(bytes).await.ok()?;
            }
        }
    }
}
