//! Servers that speak TLS, with certificates made for the occasion.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio_rustls::TlsAcceptor;

use super::*;

/// An authority that nobody knows.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) pem: String,
}

/// What a server shows.
pub(super) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(super) fn identity(&self, name: &str) -> Identity {
        self.identity_between(name, 2020, 2120)
    }

    pub(super) fn identity_between(&self, name: &str, from: i32, to: i32) -> Identity {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { chain: vec![certificate.der().clone()], key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
    }

    /// Believes this one, besides the machine's.
    pub(super) fn trust(&self) -> Trust {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &self.pem).unwrap();
        Trust::default().and_file(Path::new(file.path())).unwrap()
    }
}

impl Identity {
    pub(super) fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
        Self { chain: vec![certificate.der().clone()], key: PrivateKeyDer::try_from(key.serialize_der()).unwrap() }
    }

    /// The certificate of this one with the key of another.
    pub(super) fn with_key_of(self, other: Self) -> Self {
        Self { key: other.key, ..self }
    }

    pub(super) fn acceptor(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> TlsAcceptor {
        let key = ring::sign::any_supported_type(&self.key).unwrap();
        let shown = SingleCertAndKey::from(CertifiedKey::new(self.chain.clone(), key));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(shown));
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Answers every request with `{}`; gone with the value.
pub(super) struct TlsServer {
    pub(super) address: SocketAddr,
    /// Heads of the requests that came.
    pub(super) heard: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl TlsServer {
    pub(super) async fn start(identity: Identity) -> Self {
        Self::of_versions(identity, rustls::ALL_VERSIONS).await
    }

    pub(super) async fn of_versions(
        identity: Identity,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Self {
        let acceptor = identity.acceptor(versions);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, hears) = (acceptor.clone(), Arc::clone(&hears));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    while let Some(head) = read_head(&mut stream).await {
                        hears.lock().unwrap().push(head);
                        if stream.write_all(OK.as_bytes()).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        Self { address, heard, task }
    }

    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// As a test answers for a name: judged as `address`, and this server stands in for it.
    pub(super) fn as_if_at(&self, address: &str) -> resolver::Answer {
        resolver::Answer { address: address.parse().unwrap(), server: self.address }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What comes up to an empty line; none at the end.
pub(super) async fn read_head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Names as a test has them.
pub(super) fn names(answers: impl Fn(&str) -> Vec<resolver::Answer> + Send + Sync + 'static) -> Names {
    Names::Of(Arc::new(answers))
}

/// One request to `https://webex.test`, for which `server` stands.
pub(super) async fn ask(server: &TlsServer, way: WayOut, log: &Log) -> Result<Bytes> {
    let answer = server.as_if_at("1.1.1.1");
    let names = names(move |_| vec![answer]);
    let network = Network::with_names(Policy::allow(["https://webex.test"]), way, names, None, log.clone()).unwrap();
    get(&network, "https://webex.test/v1?secret=fake-code", RequestOptions::default()).await
}
