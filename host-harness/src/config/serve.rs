//! `[serve]`: where the page is, and who may see it.

use std::net::{Ipv4Addr, SocketAddr};

use super::keys;
use super::value::Values;
use crate::secrets::Secret;

/// Where it listens if nothing is said: where the redirect URI of the examples leads, so that one port does both.
const DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8765);
/// Letters of a token: fewer could be tried out.
const LEAST_TOKEN: usize = 16;
/// Events that the page shows if nothing is said,
const RECENT: usize = 20;
/// and at most.
const MOST_RECENT: usize = 200;

/// What `[serve]` says.
#[derive(Clone, Debug)]
pub struct ServeTable {
    /// Address and port.
    pub listen: SocketAddr,
    /// What whoever asks must know.
    pub token: Option<Secret>,
    /// Names by which it is reached, in small letters, without a port.
    pub hosts: Vec<String>,
    /// How many events the page shows.
    pub recent: usize,
}

/// What is wrong in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServeError {
    /// No address.
    #[error("it must be an address and a port such as \"127.0.0.1:8765\" or \"[::]:8765\"")]
    Listen,
    /// An address that others reach.
    #[error("others than this machine reach {0}, so `serve.token` is needed; or listen on 127.0.0.1")]
    Open(SocketAddr),
    /// A token that can be guessed, or not be sent.
    #[error("it must have {LEAST_TOKEN} or more printable ASCII letters; `openssl rand -hex 24` makes one")]
    Token,
    /// Not a number in its bounds.
    #[error("it must be a number from 0 to {MOST_RECENT}")]
    Recent,
}

impl ServeTable {
    /// Without a token, for this machine alone.
    ///
    /// # Errors
    /// Others reach that address.
    pub fn local(listen: SocketAddr) -> Result<Self, ServeError> {
        Self { listen: DEFAULT, token: None, hosts: Vec::new(), recent: RECENT }.listening(listen)
    }

    /// With another address, as of the command line.
    ///
    /// # Errors
    /// It needs a token, and there is none.
    pub fn listening(self, listen: SocketAddr) -> Result<Self, ServeError> {
        if listen.ip().is_loopback() || self.token.is_some() {
            Ok(Self { listen, ..self })
        } else {
            Err(ServeError::Open(listen))
        }
    }

    /// From the keys of `[serve]`; an error comes with the key that it is about.
    pub(super) fn read(values: &Values) -> Result<Self, (&'static str, ServeError)> {
        let listen = match values.text(keys::SERVE_LISTEN) {
            None => DEFAULT,
            Some(text) => text.parse().map_err(|_| (keys::SERVE_LISTEN, ServeError::Listen))?,
        };
        let token = values.secret(keys::SERVE_TOKEN).cloned();
        let is_sound = |token: &Secret| {
            token.expose().len() >= LEAST_TOKEN && token.expose().bytes().all(|byte| byte.is_ascii_graphic())
        };
        if token.as_ref().is_some_and(|token| !is_sound(token)) {
            return Err((keys::SERVE_TOKEN, ServeError::Token));
        }
        let hosts = values.text(keys::SERVE_HOSTS).unwrap_or_default().split(',');
        let hosts = hosts.map(|host| host.trim().to_ascii_lowercase()).filter(|host| !host.is_empty()).collect();
        let recent = match values.text(keys::SERVE_RECENT) {
            None => RECENT,
            Some(text) => {
                let number = text.parse().ok().filter(|number| *number <= MOST_RECENT);
                number.ok_or((keys::SERVE_RECENT, ServeError::Recent))?
            }
        };
        Self { listen, token, hosts, recent }.listening(listen).map_err(|error| (keys::SERVE_LISTEN, error))
    }
}
