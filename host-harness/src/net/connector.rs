//! The way to a server: straight to an address that was checked, or through the proxy; then TLS.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use super::proxy::Proxy;
use super::resolver::Resolver;
use crate::log::{Level, Log};

/// What carries the bytes: a connection, or TLS to a proxy.
type Carrier = MaybeHttpsStream<TokioIo<TcpStream>>;
type BoxError = Box<dyn Error + Send + Sync>;
type Connecting<S> = Pin<Box<dyn Future<Output = Result<S, BoxError>> + Send>>;

/// Name, connection, proxy and TLS, all of it within one time.
#[derive(Clone)]
pub(crate) struct Connector {
    secure: HttpsConnector<Route>,
    within: Duration,
}

impl Connector {
    pub(super) fn new(tls: ClientConfig, resolver: Resolver, proxy: Option<Proxy>, within: Duration, log: Log) -> Self {
        let tls = Arc::new(tls);
        let through = proxy.map(|proxy| {
            // Its name is the operator's, who may have it in his own network: it is not checked.
            let to_proxy = HttpsConnector::from((tcp(HttpConnector::new(), within), Arc::clone(&tls)));
            let tunnel = Tunnel::new(proxy.address().clone(), to_proxy);
            let tunnel = match proxy.sign_in() {
                Some(sign_in) => tunnel.with_auth(sign_in.clone()),
                None => tunnel,
            };
            Through { tunnel, proxy, log }
        });
        let direct = tcp(HttpConnector::new_with_resolver(resolver), within);
        // Plain http reaches this only for loopback, which the policy has checked.
        Self { secure: HttpsConnector::from((Route { direct, through }, tls)), within }
    }
}

fn tcp<R>(mut connector: HttpConnector<R>, within: Duration) -> HttpConnector<R> {
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(within));
    connector
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Carrier>;
    type Error = BoxError;
    type Future = Connecting<Self::Response>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.secure.poll_ready(context)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.within, self.secure.call(to));
        Box::pin(async move { connecting.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))? })
    }
}

/// Straight, or through the proxy.
#[derive(Clone)]
struct Route {
    direct: HttpConnector<Resolver>,
    through: Option<Through>,
}

#[derive(Clone)]
struct Through {
    tunnel: Tunnel<HttpsConnector<HttpConnector>>,
    proxy: Proxy,
    log: Log,
}

impl Service<Uri> for Route {
    type Response = Carrier;
    type Error = BoxError;
    type Future = Connecting<Carrier>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.direct.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        match self.through.as_mut().filter(|through| through.proxy.is_for(&to)) {
            None => {
                let connecting = self.direct.call(to);
                Box::pin(async move { Ok(MaybeHttpsStream::Http(connecting.await?)) })
            }
            Some(through) => {
                let (log, address) = (through.log.clone(), through.proxy.address().clone());
                let connecting = through.tunnel.call(to);
                Box::pin(async move {
                    let connected = connecting.await;
                    Ok(connected.inspect_err(|error| tell(&log, &address, error))?)
                })
            }
        }
    }
}

/// What the operator can do about a proxy. The plugin learns only that there is no connection.
fn tell(log: &Log, proxy: &Uri, error: &dyn Error) {
    let mut root = error;
    while let Some(cause) = root.source() {
        root = cause;
    }
    // The library does not export its kinds of errors.
    let what = match error.to_string().as_str() {
        "tunnel error: proxy authorization required" => {
            "wants a name and password that it knows; mend `network.proxy_user` and `network.proxy_password`".to_owned()
        }
        "tunnel error: unsuccessful" => {
            "refuses to connect; allow it there, or name the host in `network.no_proxy`".to_owned()
        }
        _ => format!("cannot be used ({root}); mend `network.proxy`, or look at the proxy itself"),
    };
    log.write(Level::Error, "proxy-failed", &format!("the proxy {proxy} {what}"), &[]);
}
