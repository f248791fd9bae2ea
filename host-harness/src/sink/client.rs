//! HTTP to a receiver: one address, pooled connections, an answer that was read within bounds.

use std::fmt;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use std::io::Write as _;
use tokio::sync::OnceCell;
use url::Url;

use super::{Given, SendError, SetupError, SinkError, SinkKey, ValueKind};
use crate::log::Log;
use crate::net::{self, OperatorClient, Proxy, Trust, WayOut};
use crate::secrets::Secret;

/// Bytes of an answer that are read: the answer to a bulk request names each event.
const MAX_ANSWER: usize = 32 << 20;
/// How long a receiver may take for an answer, where the table does not say.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The longest that it may say.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);
/// The longest `Retry-After` that is obeyed; after that it is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);
/// Characters of a receiver's words that are told.
const TOLD: usize = 300;
/// How hard bodies are compressed: higher levels cost several times the CPU for a tenth less.
const LEVEL: Compression = Compression::new(1);

const URL: &str = "url";
const CA_FILE: &str = "ca_file";
const ACCEPT_INVALID_CERTS: &str = "danger_accept_invalid_certs";
const PROXY: &str = "proxy";
const PROXY_USER: &str = "proxy_user";
const PROXY_PASSWORD: &str = "proxy_password";
const NO_PROXY: &str = "no_proxy";
const TIMEOUT_KEY: &str = "timeout";
const GZIP: &str = "gzip";

/// The keys of every sink over HTTP.
pub(super) const KEYS: &[SinkKey] = &[
    SinkKey::needed(
        URL,
        ValueKind::Text,
        "Address of the receiver. Plain http only to this machine or a network that is trusted.",
    ),
    SinkKey::new(GZIP, ValueKind::Boolean, "true", "Compress what is sent."),
    SinkKey::new(TIMEOUT_KEY, ValueKind::Duration, "\"60s\"", "How long the receiver may take for an answer."),
    SinkKey::new(CA_FILE, ValueKind::Path, "", "PEM file of authorities to believe besides this machine's."),
    SinkKey::new(
        ACCEPT_INVALID_CERTS,
        ValueKind::Boolean,
        "false",
        "Believe every certificate: events and the token can then be read and changed on the way.",
    ),
    SinkKey::new(PROXY, ValueKind::Text, "", "Proxy for this sink, as http://proxy.example.com:3128."),
    SinkKey::new(PROXY_USER, ValueKind::Text, "", "Name for the proxy."),
    SinkKey::new(PROXY_PASSWORD, ValueKind::Secret, "", "Its password."),
    SinkKey::new(NO_PROXY, ValueKind::List, "", "Who is reached without the proxy."),
];

/// Where a receiver is, and how it is reached.
#[derive(Clone)]
pub struct Endpoint {
    /// Without a slash at its end, without query and fragment.
    base: String,
    is_secure: bool,
    way: WayOut,
    timeout: Duration,
    gzip: bool,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// What [`KEYS`] say.
    ///
    /// # Errors
    /// See the keys.
    pub(super) fn of(given: &Given) -> Result<Self, SetupError> {
        Self::at(given.needed(URL)?, given)
    }

    /// The same with an address that comes from elsewhere, as the one of a token's issuer.
    ///
    /// # Errors
    /// See the keys.
    pub(super) fn at(url: &str, given: &Given) -> Result<Self, SetupError> {
        let refused = |problem: &str| SetupError::of(URL, problem);
        let parsed = Url::parse(url).map_err(|_| refused("it is not a URL such as https://siem.example.com:8088"))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none() {
            return Err(refused("its scheme must be http or https"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(refused("it must not hold a name or password"));
        }
        if parsed.fragment().is_some() {
            return Err(refused("it must not hold a fragment"));
        }
        Ok(Self {
            base: parsed.as_str().trim_end_matches('/').to_owned(),
            is_secure: parsed.scheme() == "https",
            way: way(given)?,
            timeout: given.time(TIMEOUT_KEY, Duration::from_secs(1)..=LONGEST_TIMEOUT)?.unwrap_or(TIMEOUT),
            gzip: given.is_on(GZIP, true)?,
        })
    }

    /// The address, for people.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Opens it; connections are made when something is sent. `headers` go with each request.
    pub fn open(&self, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Client {
        Client { endpoint: self.clone(), headers: headers.into_iter().collect(), client: OnceCell::new() }
    }
}

fn way(given: &Given) -> Result<WayOut, SetupError> {
    let trust = match given.path(CA_FILE) {
        None => Trust::default(),
        Some(path) => Trust::default().and_file(&path).map_err(|error| SetupError::of(CA_FILE, error.to_string()))?,
    };
    let trust = if given.is_on(ACCEPT_INVALID_CERTS, false)? { trust.and_everybody() } else { trust };
    let no_proxy = given.text(NO_PROXY).unwrap_or_default();
    let proxy = match given.text(PROXY) {
        None => None,
        Some(url) => {
            let proxy = Proxy::parse(url, no_proxy).map_err(|error| SetupError::of(PROXY, error.to_string()))?;
            match (given.text(PROXY_USER), given.secret(PROXY_PASSWORD)) {
                (Some(user), Some(password)) => Some(
                    proxy.signed_in(user, password).map_err(|error| SetupError::of(PROXY_USER, error.to_string()))?,
                ),
                (None, None) => Some(proxy),
                _ => return Err(SetupError::of(PROXY_USER, "`proxy_user` and `proxy_password` belong together")),
            }
        }
    };
    Ok(WayOut { trust, proxy })
}

/// What a receiver answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// How long it wants to be left alone.
    pub retry_after: Option<Duration>,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The beginning of what it said, on one line, for an error.
    pub fn words(&self) -> String {
        let text = String::from_utf8_lossy(self.body.get(..self.body.len().min(TOLD * 4)).unwrap_or_default());
        let words: String = crate::log::plain(&text).chars().take(TOLD).collect();
        if words.is_empty() { self.status.to_string() } else { format!("{}: {words}", self.status) }
    }

    /// What a status means for most receivers, where it is no success: a token or right that is missing, nothing there, a request
    /// that is refused for what it holds, or a fault that passes.
    pub fn refusal(&self, remedy: &str) -> SendError {
        let reason = self.words();
        match self.status {
            StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED => SendError::closed(reason, remedy),
            StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_EARLY
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::LOCKED => SendError::Later { reason, after: self.retry_after },
            status if status.is_client_error() => SendError::Unfit { reason },
            status if status.is_redirection() => {
                SendError::closed(reason, "the receiver redirects; write the address that it redirects to as `url`")
            }
            _ => SendError::Later { reason, after: self.retry_after },
        }
    }
}

/// Requests to one receiver.
pub struct Client {
    endpoint: Endpoint,
    headers: HeaderMap,
    client: OnceCell<OperatorClient>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

impl Client {
    /// Posts `body` to the path below the address, compressed if that is wanted. `headers` go with this request.
    ///
    /// # Errors
    /// No whole answer came.
    pub async fn post(
        &self,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Vec<u8>,
    ) -> Result<Answer, SendError> {
        self.send(Method::POST, path, headers, body).await
    }

    /// The same with another method.
    ///
    /// # Errors
    /// No whole answer came.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Vec<u8>,
    ) -> Result<Answer, SendError> {
        let mut all: Vec<(HeaderName, HeaderValue)> = headers.to_vec();
        let body = if self.endpoint.gzip {
            all.push((CONTENT_ENCODING, HeaderValue::from_static("gzip")));
            gzip(&body).map_err(|error| SendError::later(format!("cannot compress: {error}")))?
        } else {
            body
        };
        self.request(method, path, &all, body.into()).await
    }

    /// Makes a request as it is.
    ///
    /// # Errors
    /// No whole answer came.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Answer, SendError> {
        let url = format!("{}{path}", self.endpoint.base);
        let uri =
            Uri::try_from(url).map_err(|_| SendError::closed("the address is not one", "mend `url` of the sink"))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        let fields = request.headers_mut();
        fields.extend(self.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        for (name, value) in headers {
            fields.insert(name.clone(), value.clone());
        }
        let (head, body) = self.exchange(request).await?.into_parts();
        let retry_after = head.headers.get(RETRY_AFTER).and_then(retry_after);
        Ok(Answer { status: head.status, retry_after, body })
    }

    /// Makes a request to whatever address it holds; its answer is read whole.
    ///
    /// # Errors
    /// No whole answer came.
    pub(super) async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, SendError> {
        let client = self.client().await?;
        let answer = tokio::time::timeout(self.endpoint.timeout, async {
            let answer = client.request(request).await.map_err(|error| {
                let what = if error.is_connect() { "no connection" } else { "no answer" };
                SendError::later(format!("{what}: {}", net::cause(&error)))
            })?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await;
            let body =
                body.map_err(|error| SendError::later(format!("the answer broke off: {}", net::cause(&*error))))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        });
        answer.await.unwrap_or_else(|_| Err(SendError::later("no answer in time")))
    }

    async fn client(&self) -> Result<&OperatorClient, SendError> {
        let Endpoint { way, is_secure, .. } = &self.endpoint;
        // Certificates of the machine are read when they are needed first, and not by a start that sends nothing.
        let made = self.client.get_or_try_init(|| async {
            // What the proxy says is in the errors.
            net::operator_client(way.clone(), *is_secure, Log::silent())
        });
        made.await.map_err(|error| SendError::closed(error.to_string(), "mend the TLS settings of the sink"))
    }
}

/// The value of a header with a secret in it, which no log shows.
///
/// # Errors
/// It cannot stand in a header.
pub(super) fn secret_header(key: &'static str, before: &str, secret: &Secret) -> Result<HeaderValue, SetupError> {
    let value = HeaderValue::from_str(&format!("{before}{}", secret.expose().trim()));
    let mut value = value.map_err(|_| SetupError::of(key, "it cannot stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

impl From<SetupError> for SinkError {
    fn from(error: SetupError) -> Self {
        Self::Setup { name: error.key.to_owned(), reason: error.problem }
    }
}

fn gzip(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::with_capacity(body.len() / 4), LEVEL);
    packed.write_all(body)?;
    packed.finish()
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3).
fn retry_after(value: &HeaderValue) -> Option<Duration> {
    let text = value.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = chrono::DateTime::parse_from_rfc2822(text).ok()?;
            SystemTime::from(at).duration_since(SystemTime::now()).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}
