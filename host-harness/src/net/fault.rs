//! Why a request failed, in the words of `wasi:http`, so that the plugin can tell a refusal from a fault that passes.

use std::error::Error as _;
use std::io;

use hyper_util::client::legacy;
use wasmtime_wasi_http::Error;

use super::resolver::ResolveError;

/// What stopped a request before the head of its answer.
pub(super) fn of_request(error: &legacy::Error) -> Error {
    let mut cause = error.source();
    let mut code = None;
    while let Some(error) = cause {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return of_tls(tls);
        }
        if let Some(hyper) = error.downcast_ref::<hyper::Error>() {
            code = code.or(Some(of_hyper(hyper)));
        }
        if let Some(system) = error.downcast_ref::<io::Error>() {
            if let Some(tls) = hidden_tls(system) {
                return of_tls(tls);
            }
            code = code.or_else(|| of_system(system));
        }
        if let Some(ResolveError::Denied) = error.downcast_ref() {
            return Error::DestinationIpProhibited;
        }
        // The one name that the connector gives to a failed look-up.
        if error.to_string() == "dns error" {
            code = Some(Error::DnsError { rcode: None, info_code: None });
        }
        cause = error.source();
    }
    code.unwrap_or(if error.is_connect() { Error::DestinationUnavailable } else { Error::ConnectionTerminated })
}

/// What stopped a connection that was in use.
pub(super) fn of_hyper(error: &hyper::Error) -> Error {
    let system = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    if let Some(known) = system.and_then(of_system) {
        known
    } else if error.is_incomplete_message() {
        Error::HttpResponseIncomplete
    } else if error.is_parse() {
        Error::HttpProtocolError
    } else if error.is_timeout() {
        Error::HttpResponseTimeout
    } else {
        Error::ConnectionTerminated
    }
}

/// rustls hides inside the custom parts of I/O errors, one in another, which `source` steps over.
pub(super) fn hidden_tls(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref().or_else(|| inner.downcast_ref().and_then(hidden_tls))
}

fn of_tls(error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Error::TlsCertificateError,
        rustls::Error::AlertReceived(alert) => {
            Error::TlsAlertReceived { alert_id: Some(u8::from(*alert)), alert_message: Some(format!("{alert:?}")) }
        }
        _ => Error::TlsProtocolError,
    }
}

fn of_system(error: &io::Error) -> Option<Error> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(Error::ConnectionRefused),
        io::ErrorKind::TimedOut => Some(Error::ConnectionTimeout),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Some(Error::DestinationIpUnroutable),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            Some(Error::ConnectionTerminated)
        }
        io::ErrorKind::UnexpectedEof => Some(Error::HttpResponseIncomplete),
        _ => None,
    }
}
