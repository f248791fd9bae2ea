//! Whose certificates are believed.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::NetError;

/// The authorities that are believed beside the system's. By default none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    authorities: Vec<CertificateDer<'static>>,
    everybody: bool,
}

/// Settings of TLS that were made in this process, by the trust and whether the system's authorities are believed: those are
/// read and parsed once, and not for each tenant.
static MADE: Mutex<Vec<(Trust, bool, ClientConfig)>> = Mutex::new(Vec::new());
/// How many are kept; tenants mostly have one.
const KEPT: usize = 16;

/// Why a file of authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not PEM, or holds no certificate.
    #[error("{path} holds no certificate in PEM form, which begins with -----BEGIN CERTIFICATE-----", path = .0.display())]
    NoCertificate(PathBuf),
    /// A certificate is damaged.
    #[error("certificate {number} of {path} is damaged: {reason}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which one, from 1.
        number: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl Trust {
    /// Also believes the authorities in this file of PEM certificates.
    ///
    /// # Errors
    /// See [`TrustError`].
    pub fn and_file(mut self, path: &Path) -> Result<Self, TrustError> {
        let bytes = std::fs::read(path).map_err(|source| TrustError::Unreadable { path: path.to_owned(), source })?;
        let damaged = |number: usize, reason: String| TrustError::Damaged { path: path.to_owned(), number, reason };
        let mut known = RootCertStore::empty();
        for (index, found) in CertificateDer::pem_slice_iter(&bytes).enumerate() {
            let authority = found.map_err(|error| damaged(index + 1, error.to_string()))?;
            known.add(authority.clone()).map_err(|error| damaged(index + 1, error.to_string()))?;
            self.authorities.push(authority);
        }
        if known.is_empty() { Err(TrustError::NoCertificate(path.to_owned())) } else { Ok(self) }
    }

    /// Believes everybody: what is sent can be read and changed by whoever sits in between.
    #[must_use]
    pub fn and_everybody(self) -> Self {
        Self { everybody: true, ..self }
    }

    /// Whether nothing is checked.
    pub fn is_everybody(&self) -> bool {
        self.everybody
    }

    /// TLS 1.2 and 1.3. `with_system`: believes also the authorities of this machine; loading them takes time that a run on
    /// loopback does not need to spend. Tenants with the same trust share what is made.
    pub(super) fn tls(&self, with_system: bool) -> Result<ClientConfig, NetError> {
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((.., tls)) = made.iter().find(|(trust, system, _)| trust == self && *system == with_system) {
            return Ok(tls.clone());
        }
        let tls = self.make(with_system)?;
        if made.len() >= KEPT {
            made.remove(0);
        }
        made.push((self.clone(), with_system, tls.clone()));
        Ok(tls)
    }

    fn make(&self, with_system: bool) -> Result<ClientConfig, NetError> {
        let provider = Arc::new(ring::default_provider());
        let tls = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
        if self.everybody {
            let verifier = Arc::new(Everybody(provider));
            return Ok(tls.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.authorities.iter().cloned());
        if with_system {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
            if roots.is_empty() {
                let reasons = found.errors.iter().map(ToString::to_string).collect::<Vec<_>>();
                return Err(NetError::NoRoots(reasons.join(", ")));
            }
        }
        Ok(tls.with_root_certificates(roots).with_no_client_auth())
    }
}

/// Takes every certificate. Signatures are still checked, so that a server that does not hold its key fails.
#[derive(Debug)]
struct Everybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Everybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
