//! rsyslog, as it comes with Debian: one process for each test, with a folder of its own.

use std::fs::{self, File};
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

/// Whom it lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Tcp,
    /// TLS from anybody.
    Tls,
    /// TLS from who shows a certificate of the authority.
    MutualTls,
}

pub(crate) struct Rsyslog {
    process: Child,
    folder: TempDir,
    pub(crate) address: SocketAddr,
    /// Plain, for what the test has to say.
    aside: SocketAddr,
    marks: AtomicUsize,
}

/// A message that arrived.
pub(crate) struct Line {
    /// The address that it came from.
    pub(crate) from: IpAddr,
    /// Priority, host, program, kind and time.
    pub(crate) header: String,
    pub(crate) structured: String,
    pub(crate) body: String,
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Rsyslog {
    pub(crate) fn start(way: Way) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        certificates(folder.path());
        let (driver, anonymous) = match way {
            Way::Tcp => ("StreamDriver.Name=\"ptcp\" StreamDriver.Mode=\"0\"", ""),
            Way::Tls => ("StreamDriver.Name=\"gtls\" StreamDriver.Mode=\"1\"", "StreamDriver.AuthMode=\"anon\""),
            Way::MutualTls => {
                ("StreamDriver.Name=\"gtls\" StreamDriver.Mode=\"1\"", "StreamDriver.AuthMode=\"x509/certvalid\"")
            }
        };
        let path = |name: &str| at(name).display().to_string();
        let settings = format!(
            "global(workDirectory=\"{folder}\" maxMessageSize=\"64k\" net.enableDNS=\"off\" defaultNetstreamDriverCAFile=\"{ca}\"\n\
               defaultNetstreamDriverCertFile=\"{cert}\" defaultNetstreamDriverKeyFile=\"{key}\")\n\
             module(load=\"imtcp\" {driver} {anonymous})\n\
             module(load=\"imptcp\")\n\
             template(name=\"line\" type=\"string\" string=\"%fromhost-ip%\\t%pri% %hostname% %app-name% %procid% %msgid% \
               %timereported:::date-rfc3339%\\t%structured-data%\\t%msg%\\n\")\n\
             ruleset(name=\"in\" queue.type=\"LinkedList\" queue.workerThreads=\"1\" queue.size=\"200000\" queue.timeoutEnqueue=\"-1\") {{\n\
               action(type=\"omfile\" file=\"{out}\" template=\"line\")\n\
             }}\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"0\" listenPortFileName=\"{port}\" ruleset=\"in\")\n\
             input(type=\"imptcp\" address=\"127.0.0.1\" port=\"0\" listenPortFileName=\"{aside}\" ruleset=\"in\")\n",
            folder = folder.path().display(),
            ca = path("ca.pem"),
            cert = path("server.pem"),
            key = path("server.key"),
            out = path("out"),
            port = path("port"),
            aside = path("aside"),
        );
        fs::write(at("rsyslog.conf"), settings).unwrap();
        let start = |program: &str| {
            let log = File::create(at("log")).unwrap();
            Command::new(program)
                .args(["-n", "-iNONE", "-f"])
                .arg(at("rsyslog.conf"))
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log)
                .spawn()
        };
        let process = start("rsyslogd").or_else(|_| start("/usr/sbin/rsyslogd")).unwrap_or_else(|error| {
            panic!("this test talks to a real rsyslog ({error}): apt-get install rsyslog rsyslog-gnutls")
        });
        let mut started = Self {
            process,
            folder,
            address: ([0; 4], 0).into(),
            aside: ([0; 4], 0).into(),
            marks: AtomicUsize::new(0),
        };
        started.address = started.port("port");
        started.aside = started.port("aside");
        started
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn port(&mut self, name: &str) -> SocketAddr {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(port) =
                fs::read_to_string(self.file(name)).ok().and_then(|text| text.trim().parse::<u16>().ok())
            {
                return ([127, 0, 0, 1], port).into();
            }
            let ended = self.process.try_wait().unwrap();
            let log = || fs::read_to_string(self.file("log")).unwrap_or_default();
            assert!(ended.is_none() && Instant::now() < until, "rsyslog does not start: {}", log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// All that it has; what was on its way to the file when it was asked has arrived there.
    pub(crate) fn lines(&self) -> Vec<Line> {
        // Its queue keeps the order, so what was in it before this mark is in the file before it.
        let mark = format!("mark-{}", self.marks.fetch_add(1, Ordering::Relaxed));
        let message = format!("<13>1 - - test - {mark} - -");
        let mut aside = TcpStream::connect(self.aside).unwrap();
        aside.write_all(format!("{} {message}", message.len()).as_bytes()).unwrap();
        drop(aside);
        let until = Instant::now() + PATIENCE;
        let needle = format!(" {mark} ");
        let text = loop {
            let mut text = String::from_utf8_lossy(&fs::read(self.file("out")).unwrap_or_default()).into_owned();
            text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
            if text.contains(&needle) {
                break text;
            }
            assert!(Instant::now() < until, "rsyslog does not write");
            std::thread::sleep(Duration::from_millis(2));
        };
        text.lines().filter(|line| !line.contains(" test - mark-")).map(Line::of).collect()
    }
}

impl Line {
    fn of(text: &str) -> Self {
        let mut parts = text.splitn(4, '\t');
        let mut next = || parts.next().unwrap_or_else(|| panic!("not a whole line: {text}")).to_owned();
        Self { from: next().parse().unwrap(), header: next(), structured: next(), body: next() }
    }
}

/// `ca.pem`, and `server.pem`, `client.pem` with their keys.
fn certificates(folder: &Path) {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    fs::write(folder.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    for (name, host, usage) in [
        ("server", "127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth),
        ("client", "collector.example.com", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        fs::write(folder.join(format!("{name}.pem")), params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
        fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
    }
}
