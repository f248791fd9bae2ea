//! Whether a server can be reached, step by step, over the same way as everything else: name or proxy, then connection and TLS.

use std::error::Error;
use std::io;

use http::Uri;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::net::TcpStream;
use tower_service::Service;

use super::connector::Connector;
use super::fault::hidden_tls;
use super::operator::cause;
use super::resolver::{Names, ResolveError, Resolver};
use super::{CONNECT, NetError, Origin, WayOut};
use crate::log::Log;

/// A step of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// From the name to addresses.
    Dns,
    /// To the proxy, which resolves the name itself.
    Proxy,
    /// The connection, encrypted or on this machine.
    Tls,
}

impl Step {
    /// As a report names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
        }
    }
}

/// What is in the way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Obstacle {
    /// What happened: one sentence.
    pub text: String,
    /// What a person does.
    pub remedy: String,
}

/// How a step went: what was found, or what is in the way.
pub type Reached = (Step, Result<String, Obstacle>);

/// Goes the way to an origin, up to the first obstacle. Nothing is sent to the server but what TLS needs.
pub async fn probe(origin: &Origin, way: WayOut) -> Vec<Reached> {
    probe_by(origin, way, Names::System).await
}

pub(super) async fn probe_by(origin: &Origin, way: WayOut, names: Names) -> Vec<Reached> {
    let to = origin.uri();
    let mut reached = Vec::new();
    // What the connector tells is told here, in the obstacle.
    let resolver = Resolver::new(names, Log::silent());
    let proxy = way.proxy.as_ref().filter(|proxy| proxy.is_for(&to)).map(|proxy| proxy.address().clone());
    let first = match &proxy {
        Some(address) => Some((Step::Proxy, through(address).await)),
        None => match origin.name() {
            Some(name) => Some((Step::Dns, resolved(name, resolver.clone()).await)),
            None => None,
        },
    };
    let is_blocked = matches!(first, Some((_, Err(_))));
    reached.extend(first);
    if !is_blocked {
        reached.push((Step::Tls, connected(origin, way, resolver).await));
    }
    reached
}

async fn resolved(name: &str, mut resolver: Resolver) -> Result<String, Obstacle> {
    let obstacle = |text: String, remedy: &str| Obstacle { text, remedy: remedy.to_owned() };
    let remedy = "see that this machine's name servers answer; where only a proxy gets out, set `network.proxy`";
    let asked = name.parse::<Name>().map_err(|_| obstacle(format!("{name} is no name"), "mend the address"))?;
    let answer = tokio::time::timeout(CONNECT, resolver.call(asked)).await;
    let answer = answer.unwrap_or_else(|_| Err(ResolveError::Unknown(io::ErrorKind::TimedOut.into())));
    let found: Vec<String> = match answer {
        Ok(found) => found.map(|address| address.ip().to_string()).collect(),
        Err(ResolveError::Unknown(error)) => {
            return Err(obstacle(format!("{name} cannot be resolved: {error}"), remedy));
        }
        Err(error @ ResolveError::Denied) => {
            return Err(obstacle(
                format!("{name}: {error}"),
                "mend what the name resolves to on this machine; if a proxy is meant, set `network.proxy`; if that very \
                 machine is meant, write its address",
            ));
        }
    };
    let more = match found.len() {
        0 | 1 => String::new(),
        count => format!(" and {} more", count - 1),
    };
    Ok(format!("{name} is {}{more}", found.first().map_or("nowhere", String::as_str)))
}

/// Only whether it is there: whether it lets through is the next step.
async fn through(proxy: &Uri) -> Result<String, Obstacle> {
    let (host, port) = (proxy.host().unwrap_or_default(), proxy.port_u16().unwrap_or_default());
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let connecting = tokio::time::timeout(CONNECT, TcpStream::connect((host, port))).await;
    match connecting.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(_) => Ok(format!("{host}:{port} is there, and resolves names itself")),
        Err(error) => Err(Obstacle {
            text: format!("the proxy {host}:{port} cannot be reached: {error}"),
            remedy: "mend `network.proxy`, or see that the proxy runs and lets this machine in".to_owned(),
        }),
    }
}

async fn connected(origin: &Origin, way: WayOut, resolver: Resolver) -> Result<String, Obstacle> {
    let unusable = |error: NetError| Obstacle { text: error.to_string(), remedy: String::new() };
    let is_believed_by_all = way.trust.is_everybody();
    let tls = way.trust.tls(origin.is_secure()).map_err(unusable)?;
    let mut connector = Connector::new(tls, resolver, way.proxy, CONNECT, Log::silent());
    let stream = connector.call(origin.uri()).await.map_err(|error| obstacle(origin, &*error))?;
    Ok(match stream {
        MaybeHttpsStream::Http(_) => format!("{origin} is this machine, and is not encrypted"),
        MaybeHttpsStream::Https(stream) => {
            let (_, session) = stream.inner().get_ref();
            let version = match session.protocol_version() {
                Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
                _ => "TLS 1.3",
            };
            let certificate =
                if is_believed_by_all { "its certificate was not checked" } else { "its certificate is believed" };
            format!("{origin} answers by {version}, and {certificate}")
        }
    })
}

/// In words, with what the operator can change about it.
fn obstacle(origin: &Origin, error: &(dyn Error + 'static)) -> Obstacle {
    let mut next = Some(error);
    while let Some(error) = next {
        let hidden = error.downcast_ref::<io::Error>().and_then(hidden_tls);
        if let Some(tls) = error.downcast_ref().or(hidden) {
            return of_tls(origin, tls);
        }
        let words = error.to_string();
        if words.starts_with("tunnel error: proxy authorization") {
            return Obstacle {
                text: "the proxy wants a name and password that it knows".to_owned(),
                remedy: "mend `network.proxy_user` and `network.proxy_password`".to_owned(),
            };
        }
        if words.starts_with("tunnel error: unsuccessful") {
            return Obstacle {
                text: format!("the proxy refuses to connect to {origin}"),
                remedy: "allow it there, or name the host in `network.no_proxy`".to_owned(),
            };
        }
        next = error.source();
    }
    Obstacle {
        text: format!("{origin} cannot be reached: {}", cause(error)),
        remedy: "let this machine out to it in the firewall; where only a proxy gets out, set `network.proxy`"
            .to_owned(),
    }
}

fn of_tls(origin: &Origin, error: &rustls::Error) -> Obstacle {
    match error {
        rustls::Error::InvalidCertificate(reason) => Obstacle {
            text: format!("the certificate of {origin} is not believed: {reason}"),
            remedy:
                "if a proxy or firewall opens TLS on the way, name its authority as `network.ca_file`; else see this \
                     machine's clock and authorities"
                    .to_owned(),
        },
        other => Obstacle {
            text: format!("no TLS with {origin}: {other}"),
            remedy: "see whether something on the way answers in its place, and whether it speaks TLS 1.2 or 1.3"
                .to_owned(),
        },
    }
}
