//! The client of the native subjects: that of the host, without policy, TLS and proxy.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::SubjectError;

/// As in the host's `net`.
const READ_AHEAD: usize = 64 * 1024;
const IDLE: Duration = Duration::from_secs(50);
const IDLE_CONNECTIONS: usize = 16;

/// A client; clones share connections.
#[derive(Clone, Debug)]
pub(super) struct Webex(Client<HttpConnector, Full<Bytes>>);

/// A whole answer.
pub(super) struct Whole {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Webex {
    pub(super) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .http1_max_buf_size(READ_AHEAD)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector);
        Self(client)
    }

    /// Sends a `GET`, or with a form a `POST`; gzip is offered and decoded.
    pub(super) async fn send(
        &self,
        url: &str,
        bearer: Option<&str>,
        form: Option<&str>,
    ) -> Result<Whole, SubjectError> {
        let mut request = match form {
            Some(form) => Request::post(url).body(Full::from(form.to_owned()))?,
            None => Request::get(url).body(Full::default())?,
        };
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if let Some(bearer) = bearer {
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {bearer}"))?);
        }
        if form.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        let answer = self.0.request(request).await?;
        let (mut head, body) = answer.into_parts();
        let announced = hyper::body::Body::size_hint(&body).exact().and_then(|bytes| usize::try_from(bytes).ok());
        let mut whole = Vec::with_capacity(announced.unwrap_or(0).min(4 << 20));
        let mut body = body;
        while let Some(frame) = body.frame().await {
            if let Ok(piece) = frame?.into_data() {
                whole.extend_from_slice(&piece);
            }
        }
        if head.headers.remove(CONTENT_ENCODING).is_some_and(|coding| coding == "gzip") {
            let mut decoded = Vec::with_capacity(whole.len() * 8);
            MultiGzDecoder::new(whole.as_slice()).read_to_end(&mut decoded)?;
            whole = decoded;
        }
        Ok(Whole { status: head.status.as_u16(), headers: head.headers, body: whole })
    }
}
