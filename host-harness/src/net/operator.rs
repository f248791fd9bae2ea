//! The host's own way to receivers that the operator names, as sinks. No plugin gets at it, so no policy stands before it.

use std::error::Error;

use bytes::Bytes;
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use super::connector::Connector;
use super::resolver::Resolver;
use super::{CONNECT, IDLE, IDLE_CONNECTIONS, NetError, Trust, WayOut};
use crate::log::Log;

/// Requests over pooled connections; bodies are whole.
pub(crate) type OperatorClient = Client<Connector, Full<Bytes>>;

/// The client for a receiver. `with_tls`: whether TLS is spoken, for which the machine's authorities are read.
///
/// # Errors
/// TLS cannot be set up.
pub(crate) fn operator_client(way: WayOut, with_tls: bool, log: Log) -> Result<OperatorClient, NetError> {
    let tls = way.trust.tls(with_tls)?;
    let connector = Connector::new(tls, Resolver::anywhere(log.clone()), way.proxy, CONNECT, log);
    let mut client = Client::builder(TokioExecutor::new());
    client.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).pool_max_idle_per_host(IDLE_CONNECTIONS);
    Ok(client.build(connector))
}

/// TLS to a receiver that does not speak HTTP.
///
/// # Errors
/// TLS cannot be set up.
pub(crate) fn operator_tls(trust: &Trust) -> Result<ClientConfig, NetError> {
    trust.tls(true)
}

/// The innermost cause of an error, which says what really happened.
pub(crate) fn cause(error: &dyn Error) -> String {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    root.to_string()
}
