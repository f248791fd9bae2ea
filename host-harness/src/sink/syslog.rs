//! Syslog: RFC 5424 over TCP or TLS, octets counted, the event as it is behind structured data.
//!
//! Syslog cannot acknowledge. What comes nearest is chosen by `confirm`: `closed` ends the connection after each send and waits
//! until the receiver has, too, which it does when it has read all; `received` keeps it, and waits until the receiver's machine
//! has all bytes. What the receiver does with what it has read, nobody is told.

mod connection;
mod message;

use crate::sink::Event;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::sync::{Mutex, OnceCell};

use super::{Given, Kind, Plan, Promise, Receipt, Refused, SendError, SetupError, Sink, SinkError, SinkKey, ValueKind};
use crate::net::{self, Trust};
use connection::Connection;
use message::Header;

const ADDRESS: &str = "address";
const PROTOCOL: &str = "protocol";
const CONFIRM: &str = "confirm";
const MAX_MESSAGE: &str = "max_message";
const FACILITY: &str = "facility";
const SEVERITY: &str = "severity";
const HOSTNAME: &str = "hostname";
const APP_NAME: &str = "app_name";
const MSGID: &str = "msgid";
const SD_ID: &str = "sd_id";
const BOM: &str = "bom";
const TIMEOUT: &str = "timeout";
const CA_FILE: &str = "ca_file";
const CERT_FILE: &str = "cert_file";
const KEY_FILE: &str = "key_file";

/// What a receiver should take (RFC 5425, section 4.3.1), and what rsyslog takes if it is not told otherwise.
const USUAL_MESSAGE: u64 = 8 << 10;
const USUAL_TIMEOUT: Duration = Duration::from_secs(60);
const PROTOCOLS: &[&str] = &["tls", "tcp"];
const CONFIRMS: &[&str] = &["closed", "received"];
/// RFC 5424, section 6.2.1; by number.
const FACILITIES: &[&str] = &[
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp", "ntp",
    "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
];
const SEVERITIES: &[&str] = &["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// Syslog over TCP and TLS.
pub(super) const KIND: Kind = Kind {
    name: "syslog",
    about: "Syslog (RFC 5424) over TLS or TCP with counted octets.",
    keys: &[KEYS],
    promise: Promise {
        acknowledged: "syslog cannot; `confirm = \"closed\"`: the receiver has read everything and closed the connection; \
                       `\"received\"`: its machine has all bytes (Linux)",
        repeats: "a send whose connection broke, or was not confirmed within `timeout`",
        order: "as collected",
        limits: "an event whose message is longer than `max_message` goes to the dead letters; a receiver would cut it",
    },
    example: "address = \"syslog.example.com:6514\"\nca_file = \"ca.pem\"",
    plan: |given| Ok(Arc::new(SyslogPlan::of(given)?)),
};

const KEYS: &[SinkKey] = &[
    SinkKey::needed(ADDRESS, ValueKind::Text, "Host and port; 6514 is the port for TLS."),
    SinkKey::new(PROTOCOL, ValueKind::Choice(PROTOCOLS), "\"tls\"", "`tls`, or `tcp` in a network that is trusted."),
    SinkKey::new(
        CONFIRM,
        ValueKind::Choice(CONFIRMS),
        "\"closed\"",
        "When a send counts: `closed`: the receiver has read all of it and closed the connection, one for each send; `received`: \
         its machine has all bytes, though the receiver may not have read them.",
    ),
    SinkKey::new(
        MAX_MESSAGE,
        ValueKind::Size,
        "\"8KiB\"",
        "Bytes of one message; an event that does not fit goes to the dead letters. The receiver must take as much (rsyslog: \
         `global(maxMessageSize=\"64k\")`).",
    ),
    SinkKey::new(FACILITY, ValueKind::Choice(FACILITIES), "\"local0\"", "The facility."),
    SinkKey::new(SEVERITY, ValueKind::Choice(SEVERITIES), "\"info\"", "The severity."),
    SinkKey::new(HOSTNAME, ValueKind::Text, "", "The host in each message. Absent: this machine's name."),
    SinkKey::new(APP_NAME, ValueKind::Text, "\"webex-collector\"", "The program in each message."),
    SinkKey::new(MSGID, ValueKind::PerStream, "", "The kind of message. Absent: the stream."),
    SinkKey::new(
        SD_ID,
        ValueKind::Text,
        "\"webex@32473\"",
        "Name of the structured data. The number is the one for examples (RFC 5612); write your organization's if it has one.",
    ),
    SinkKey::new(
        BOM,
        ValueKind::Boolean,
        "false",
        "Begin the body with a byte order mark, by which RFC 5424 tells UTF-8. rsyslog takes it for a part of the JSON.",
    ),
    SinkKey::new(TIMEOUT, ValueKind::Duration, "\"60s\"", "How long a send may take until it is confirmed."),
    SinkKey::new(CA_FILE, ValueKind::Path, "", "PEM file of authorities to believe besides this machine's."),
    SinkKey::new(
        CERT_FILE,
        ValueKind::Path,
        "",
        "PEM file of a certificate to show to the receiver, with those above it.",
    ),
    SinkKey::new(KEY_FILE, ValueKind::Path, "", "PEM file of its key."),
];

/// When a send counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Confirm {
    Closed,
    Received,
}

/// Who shows a certificate.
#[derive(Debug)]
struct Secure {
    trust: Trust,
    identity: Option<Arc<SingleCertAndKey>>,
}

/// Where to, and how.
#[derive(Clone, Debug)]
struct SyslogPlan {
    host: String,
    port: u16,
    secure: Option<Arc<Secure>>,
    confirm: Confirm,
    max_message: usize,
    timeout: Duration,
    header: Header,
}

impl SyslogPlan {
    fn of(given: &Given) -> Result<Self, SetupError> {
        let address = given.needed(ADDRESS)?;
        let (host, port) = address
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host.trim_matches(['[', ']']), port.parse().ok()?)))
            .filter(|(host, _)| !host.is_empty() && !host.contains('/'))
            .ok_or_else(|| SetupError::of(ADDRESS, "it must be a host and a port such as syslog.example.com:6514"))?;
        let is_secure = given.choice(PROTOCOL, &[("tls", true), ("tcp", false)], true)?;
        let confirms = [("closed", Confirm::Closed), ("received", Confirm::Received)];
        let number = |key, names: &[&'static str], default| {
            let choices: Vec<(&str, u8)> = names.iter().copied().zip(0..).collect();
            given.choice(key, &choices, default)
        };
        let max_message = given.size(MAX_MESSAGE, 480..=16 << 20)?.unwrap_or(USUAL_MESSAGE);
        let header = Header {
            priority: number(FACILITY, FACILITIES, 16)? * 8 + number(SEVERITY, SEVERITIES, 6)?,
            hostname: name(given, HOSTNAME, 255)?.unwrap_or_else(|| message::name(&this_machine(), 255)),
            app_name: name(given, APP_NAME, 48)?.unwrap_or_else(|| "webex-collector".to_owned()),
            msgid: given.per_stream(MSGID),
            sd_id: sd_id(given)?,
            bom: given.is_on(BOM, false)?,
        };
        Ok(Self {
            host: host.to_owned(),
            port,
            secure: if is_secure { Some(Arc::new(Secure::of(given)?)) } else { None },
            confirm: given.choice(CONFIRM, &confirms, Confirm::Closed)?,
            max_message: usize::try_from(max_message).unwrap_or(usize::MAX),
            timeout: given.time(TIMEOUT, Duration::from_secs(1)..=Duration::from_secs(600))?.unwrap_or(USUAL_TIMEOUT),
            header,
        })
    }
}

impl Secure {
    fn of(given: &Given) -> Result<Self, SetupError> {
        let trust = match given.path(CA_FILE) {
            None => Trust::default(),
            Some(path) => {
                Trust::default().and_file(&path).map_err(|error| SetupError::of(CA_FILE, error.to_string()))?
            }
        };
        let identity = match (given.path(CERT_FILE), given.path(KEY_FILE)) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(Arc::new(identity(&certificate, &key)?)),
            _ => return Err(SetupError::of(CERT_FILE, "`cert_file` and `key_file` belong together")),
        };
        Ok(Self { trust, identity })
    }

    fn tls(&self) -> Result<Arc<ClientConfig>, SendError> {
        let tls = net::operator_tls(&self.trust);
        let mut tls = tls.map_err(|error| SendError::closed(error.to_string(), "mend the TLS settings of the sink"))?;
        if let Some(identity) = &self.identity {
            tls.client_auth_cert_resolver = identity.clone();
        }
        Ok(Arc::new(tls))
    }
}

fn identity(certificate: &Path, key: &Path) -> Result<SingleCertAndKey, SetupError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect);
    let chain = chain.map_err(|error| SetupError::of(CERT_FILE, format!("it cannot be read: {error}")))?;
    if chain.is_empty() {
        return Err(SetupError::of(CERT_FILE, "it holds no certificate in PEM form"));
    }
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| SetupError::of(KEY_FILE, format!("it cannot be read: {error}")))?;
    let certified = CertifiedKey::from_der(chain, key, &ring::default_provider());
    Ok(certified
        .map_err(|error| SetupError::of(KEY_FILE, format!("it is not the key of the certificate: {error}")))?
        .into())
}

fn name(given: &Given, key: &'static str, longest: usize) -> Result<Option<String>, SetupError> {
    match given.text(key) {
        Some(text) if !message::is_name(text, longest) => {
            Err(SetupError::of(key, format!("it must be 1 to {longest} printable characters of ASCII without spaces")))
        }
        text => Ok(text.map(str::to_owned)),
    }
}

/// RFC 5424, section 6.3.2.
fn sd_id(given: &Given) -> Result<String, SetupError> {
    let id = name(given, SD_ID, 32)?.unwrap_or_else(|| "webex@32473".to_owned());
    let is_own = id.split_once('@').is_some_and(|(name, number)| {
        !name.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
    });
    if is_own && !id.contains(['=', ']', '"']) {
        Ok(id)
    } else {
        Err(SetupError::of(SD_ID, "it must be a name, `@` and an enterprise number, such as webex@32473"))
    }
}

fn this_machine() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

impl Plan for SyslogPlan {
    fn open(&self) -> Result<Arc<dyn Sink>, SinkError> {
        Ok(Arc::new(Syslog { plan: self.clone(), tls: OnceCell::new(), kept: Mutex::new(None) }))
    }

    fn place(&self) -> String {
        let protocol = if self.secure.is_some() { "tls" } else { "tcp" };
        format!("{protocol}://{}:{}", self.host, self.port)
    }
}

struct Syslog {
    plan: SyslogPlan,
    tls: OnceCell<Arc<ClientConfig>>,
    /// The connection of the last send, where it is kept.
    kept: Mutex<Option<Connection>>,
}

impl Syslog {
    async fn connect(&self) -> Result<Connection, SendError> {
        let tls = match &self.plan.secure {
            None => None,
            // The machine's authorities are read when they are needed first.
            Some(secure) => Some(self.tls.get_or_try_init(|| async { secure.tls() }).await?),
        };
        Connection::open(&self.plan.host, self.plan.port, tls).await
    }

    async fn deliver(&self, frames: &[u8]) -> Result<(), SendError> {
        let mut kept = self.kept.lock().await;
        // Taken out: one that fails, or that nobody waits for any more, is not used again.
        let mut connection = match kept.take().and_then(Connection::still_open) {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        connection.write(frames).await?;
        match self.plan.confirm {
            Confirm::Closed => connection.close().await?,
            Confirm::Received => {
                connection.received().await?;
                *kept = Some(connection);
            }
        }
        Ok(())
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, SendError>>) -> Result<T, SendError> {
        let why = match self.plan.confirm {
            Confirm::Closed => {
                "not confirmed in time: the receiver has not read everything, or does not close the connection when it has; then \
                 set `confirm = \"received\"`"
            }
            Confirm::Received => "the receiver has not taken everything in time",
        };
        tokio::time::timeout(self.plan.timeout, work).await.unwrap_or_else(|_| Err(SendError::later(why)))
    }
}

impl Sink for Syslog {
    fn send<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(async move {
            let (mut frames, mut receipt, limit) = (Vec::new(), Receipt::default(), self.plan.max_message);
            for (index, event) in events.iter().enumerate() {
                let message = self.plan.header.message(event);
                if message.len() > limit {
                    let reason =
                        format!("its message has {} bytes, and `max_message` of the sink is {limit}", message.len());
                    receipt.refused.push(Refused { index, reason });
                } else {
                    message::put_frame(&mut frames, &message);
                }
            }
            if !frames.is_empty() {
                self.in_time(self.deliver(&frames)).await?;
            }
            Ok(receipt)
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<String, SendError>> {
        Box::pin(async {
            let connection = self.connect();
            match self.plan.confirm {
                // What a receiver thinks of a certificate it may say only after the handshake.
                Confirm::Closed => self.in_time(async { connection.await?.close().await }).await?,
                Confirm::Received => self.in_time(async { connection.await?.received().await }).await?,
            }
            Ok("connected; syslog has no way to ask for more".to_owned())
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::sink::Value;

    fn plan(values: &[(&'static str, &str)]) -> Result<SyslogPlan, SetupError> {
        let text = |(key, value): &(&'static str, &str)| (*key, Value::Text((*value).to_owned()));
        SyslogPlan::of(&Given::new(values.iter().map(text).collect::<BTreeMap<_, _>>(), PathBuf::new()))
    }

    #[test]
    fn facility_and_severity_make_the_priority() {
        let of = |facility, severity| {
            plan(&[(ADDRESS, "a:1"), (FACILITY, facility), (SEVERITY, severity)]).unwrap().header.priority
        };
        assert_eq!(of("local0", "info"), 134);
        assert_eq!(of("kern", "emerg"), 0);
        assert_eq!(of("local7", "debug"), 191);
        assert_eq!(plan(&[(ADDRESS, "a:1")]).unwrap().header.priority, 134);
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let place = |address| plan(&[(ADDRESS, address)]).map(|plan| plan.place()).ok();
        assert_eq!(place("syslog.example.com:6514").as_deref(), Some("tls://syslog.example.com:6514"));
        assert_eq!(place("[::1]:6514").as_deref(), Some("tls://::1:6514"));
        for address in ["syslog.example.com", ":6514", "tls://a:6514", "a:70000"] {
            assert_eq!(place(address), None, "{address}");
        }
    }

    #[test]
    fn what_cannot_stand_in_a_message_is_refused() {
        for (key, value) in [
            (HOSTNAME, "a b"),
            (APP_NAME, "J\u{f6}rg"),
            (SD_ID, "webex"),
            (SD_ID, "we]b@1"),
            (SD_ID, "webex@x"),
            (FACILITY, "local9"),
            (MAX_MESSAGE, "1B"),
            (CERT_FILE, "cert.pem"),
        ] {
            let error = plan(&[(ADDRESS, "a:1"), (key, value)]).unwrap_err();
            assert_eq!(error.key, key, "{error}");
        }
    }
}
