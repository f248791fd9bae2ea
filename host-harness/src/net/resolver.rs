//! From a name to the addresses that may be connected to.
//!
//! What is checked here is what is connected to: the connector gets these addresses and never the name. So a name that answers
//! otherwise the next time, as in DNS rebinding, gains nothing.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

use super::address::{self, Inside};
use super::policy::LOCALHOST;
use crate::log::{Level, Log};

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum ResolveError {
    /// It has no address, or nobody could be asked.
    #[error("the name cannot be resolved: {0}")]
    Unknown(io::Error),
    /// It has addresses, but none that a plugin may reach.
    #[error("the name leads only to addresses that a plugin may not reach")]
    Denied,
}

/// Who knows the addresses of names.
#[derive(Clone)]
pub(super) enum Names {
    /// This machine, as it is set up.
    System,
    /// A test.
    #[cfg(test)]
    Of(std::sync::Arc<Lookup>),
}

#[cfg(test)]
type Lookup = dyn Fn(&str) -> Vec<Answer> + Send + Sync;

/// One address of a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    /// What is judged.
    pub(super) address: IpAddr,
    /// What is connected to: the same but in a test, where a server on this machine stands in for it. Port 0: as asked for.
    pub(super) server: SocketAddr,
}

impl Names {
    async fn look_up(&self, name: &str) -> io::Result<Vec<Answer>> {
        match self {
            Self::System => {
                let found = tokio::net::lookup_host((name, 0)).await?;
                Ok(found.map(|server| Answer { address: server.ip(), server }).collect())
            }
            #[cfg(test)]
            Self::Of(answer) => Ok(answer(name)),
        }
    }
}

/// Resolves, and gives only what may be connected to.
#[derive(Clone)]
pub(super) struct Resolver {
    names: Names,
    /// Wherever a name leads: it is the operator's own.
    anywhere: bool,
    log: Log,
}

impl Resolver {
    pub(super) fn new(names: Names, log: Log) -> Self {
        Self { names, anywhere: false, log }
    }

    /// For names that the operator has written as whom to send events to, which are mostly in his own network.
    pub(super) fn anywhere(log: Log) -> Self {
        Self { names: Names::System, anywhere: true, log }
    }

    async fn resolve(self, name: Name) -> Result<std::vec::IntoIter<SocketAddr>, ResolveError> {
        let name = name.as_str();
        let answers = self.names.look_up(name).await.map_err(ResolveError::Unknown)?;
        let is_local = name.eq_ignore_ascii_case(LOCALHOST);
        let mut refused = Vec::new();
        let mut servers = Vec::new();
        for answer in answers {
            let inside = address::inside(answer.address);
            let is_allowed =
                self.anywhere || if is_local { inside == Some(Inside::Loopback) } else { inside.is_none() };
            if is_allowed {
                servers.push(answer.server);
            } else {
                refused.push((answer.address, inside));
            }
        }
        match (servers.is_empty(), refused.first()) {
            (false, _) => Ok(servers.into_iter()),
            (true, None) => Err(ResolveError::Unknown(io::ErrorKind::NotFound.into())),
            (true, Some((address, inside))) => {
                self.tell(name, *address, *inside);
                Err(ResolveError::Denied)
            }
        }
    }

    fn tell(&self, name: &str, address: IpAddr, inside: Option<Inside>) {
        let kind = inside.map_or_else(|| "not of this machine".to_owned(), |inside| inside.to_string());
        let text = format!(
            "{name} leads to {address}, which is {kind}, and no plugin may reach it; nothing was sent. Mend what the name \
             resolves to on this machine; if a proxy is meant, set `network.proxy`; if that very machine is meant, write its \
             address in `base_url`"
        );
        let fields = [("name".to_owned(), name.to_owned()), ("address".to_owned(), address.to_string())];
        self.log.write_once(Level::Error, "address-denied", &text, &fields);
    }
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(self.clone().resolve(name))
    }
}
