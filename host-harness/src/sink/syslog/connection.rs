//! A connection to a receiver of syslog, and what can be known of what became of the bytes.
//!
//! Syslog has no answers. But who has been told that nothing more comes (RFC 5425, section 4.4) closes the connection when it has
//! read everything: a receiver that dies with something unread resets it instead.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use rustls::pki_types::ServerName;
use rustls::{AlertDescription, ClientConfig, Error as TlsError};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::net;
use crate::sink::SendError;

/// How often it is looked whether the receiver's machine has everything, at first;
const LOOK: Duration = Duration::from_millis(1);
/// and at last.
const LONGEST_LOOK: Duration = Duration::from_millis(100);

/// Bytes both ways.
trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {
    /// What carries them.
    fn tcp(&self) -> &TcpStream;
}

impl Duplex for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Duplex for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// One that is open.
pub(super) struct Connection(Box<dyn Duplex>);

impl Connection {
    /// Connects; with TLS where that is given.
    pub(super) async fn open(host: &str, port: u16, tls: Option<&Arc<ClientConfig>>) -> Result<Self, SendError> {
        let stream = TcpStream::connect((host, port)).await.map_err(|error| told("no connection", &error))?;
        // Writes are whole batches already.
        let _ = stream.set_nodelay(true);
        let Some(tls) = tls else { return Ok(Self(Box::new(stream))) };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            SendError::closed("the host is none that a certificate can name", "mend `address` of the sink")
        })?;
        let secure = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
        Ok(Self(Box::new(secure.map_err(|error| told("no TLS", &error))?)))
    }

    /// Itself, if the receiver has neither closed it nor broken it off.
    pub(super) fn still_open(mut self) -> Option<Self> {
        self.ended().is_none().then_some(self)
    }

    /// What a look at the other direction shows, which is quiet as long as all is well.
    fn ended(&mut self) -> Option<SendError> {
        let mut words = [0; 256];
        loop {
            match self.0.read(&mut words).now_or_never() {
                None => return None,
                Some(Ok(0)) => return Some(SendError::later("the receiver has closed the connection")),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Some(told("the connection broke", &error)),
            }
        }
    }

    /// Writes, and returns when it is all on its way.
    pub(super) async fn write(&mut self, frames: &[u8]) -> Result<(), SendError> {
        let written = async {
            self.0.write_all(frames).await?;
            self.0.flush().await
        };
        match written.await {
            Ok(()) => Ok(()),
            // The reason may have been said before.
            Err(error) => Err(self.ended().filter(is_settled).unwrap_or_else(|| told("the connection broke", &error))),
        }
    }

    /// Returns when the receiver's machine has all bytes, as far as this system can tell.
    pub(super) async fn received(&mut self) -> Result<(), SendError> {
        let mut pause = LOOK;
        loop {
            if let Some(error) = self.ended() {
                return Err(error);
            }
            if unsent(self.0.tcp()) == 0 {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_LOOK);
        }
    }

    /// Says that nothing more comes, and returns when the receiver has read everything and closed the connection.
    pub(super) async fn close(mut self) -> Result<(), SendError> {
        // One that has closed before cannot have read what came after.
        if let Some(error) = self.ended() {
            return Err(error);
        }
        self.0.shutdown().await.map_err(|error| told("the connection broke", &error))?;
        let mut words = [0; 256];
        loop {
            match self.0.read(&mut words).await {
                Ok(0) => break,
                Ok(_) => {}
                // Few receivers say goodbye in TLS, too.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
                Err(error) => {
                    return Err(told("the receiver broke off the connection before it had read everything", &error));
                }
            }
        }
        // It may have closed just before the bytes came; its machine then does not take them, and says so.
        let mut pause = LOOK;
        while unsent(self.0.tcp()) > 0 {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_LOOK);
        }
        match self.0.tcp().take_error() {
            Ok(None) => Ok(()),
            Ok(Some(error)) | Err(error) => Err(told("the receiver broke off the connection", &error)),
        }
    }
}

fn is_settled(error: &SendError) -> bool {
    matches!(error, SendError::Closed { .. })
}

/// Certificates are for a person to mend; all else may pass.
fn told(what: &str, error: &io::Error) -> SendError {
    let reason = format!("{what}: {}", net::cause(error));
    match error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) {
        Some(TlsError::InvalidCertificate(_)) => SendError::closed(
            reason,
            "name the authority of the receiver's certificate as `ca_file` of the sink, and its host as the certificate has it",
        ),
        Some(TlsError::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::AccessDenied,
        )) => SendError::closed(
            reason,
            "the receiver wants a certificate of a client that it believes: name one as `cert_file` and `key_file` of the sink",
        ),
        Some(TlsError::InvalidMessage(_)) => SendError::closed(
            reason,
            "the receiver does not speak TLS at this port: use its port for TLS, or `protocol = \"tcp\"`",
        ),
        _ => SendError::later(reason),
    }
}

/// Bytes that the receiver's machine has not acknowledged.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code, reason = "no crate here wraps SIOCOUTQ; it writes one number")]
fn unsent(stream: &TcpStream) -> usize {
    use std::os::fd::AsRawFd as _;
    let mut bytes: libc::c_int = 0;
    // SAFETY: the descriptor is open, and the number outlives the call.
    let answer = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if answer == 0 { usize::try_from(bytes).unwrap_or(0) } else { 0 }
}

/// Other systems do not say.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn unsent(_: &TcpStream) -> usize {
    0
}
