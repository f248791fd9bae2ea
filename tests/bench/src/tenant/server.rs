//! The tenants on the wire: HTTP/1.1 over loopback.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use cisco_webex_plugin::stream::{Stream, User};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, LINK, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::Spec;
use super::item::{Stamp, Template};
use super::limit::Calls;
use super::listing::page;
use super::series::Series;
use super::tally::{Report, Tally};

/// A form of a sign-in has some hundred bytes.
const FORM_MAX: usize = 64 * 1024;
/// Pause after a failed accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// All that the running tenants know.
pub(super) struct Webex {
    spec: Spec,
    templates: [Template; 3],
    origin: String,
    state: Mutex<State>,
}

struct State {
    /// Of each tenant: they differ in nothing but their ids.
    series: [Series; 3],
    /// By tenant: admin, compliance officer.
    calls: Vec<[Calls; 2]>,
    tally: Tally,
}

/// The organization of a tenant.
pub(super) fn org(tenant: u16) -> String {
    STANDARD_NO_PAD.encode(format!("ciscospark://us/ORGANIZATION/7f3c1e0a-52d4-4b8e-9a61-0c5d8e7b{tenant:04x}"))
}

/// The bearer that a user's refresh token gives.
pub(super) fn access_token(tenant: u16, user: User) -> String {
    format!("fake-access-token-of-the-{user}-{tenant}")
}

/// The user's refresh token.
pub(super) fn refresh_token(tenant: u16, user: User) -> String {
    format!("fake-refresh-token-of-the-{user}-{tenant}")
}

/// Whose token it is, if it is one of this `kind` and of one of so many tenants.
fn owner(token: &str, kind: fn(u16, User) -> String, tenants: u16) -> Option<(u16, User)> {
    let tenant: u16 = token.rsplit_once('-')?.1.parse().ok()?;
    let user = User::ALL.into_iter().find(|user| kind(tenant, *user) == token)?;
    (tenant < tenants).then_some((tenant, user))
}

impl Webex {
    pub(super) fn new(spec: Spec, origin: String) -> Self {
        let now = now_ms();
        let series = spec.supply.map(|supply| Series::starting(supply, now));
        let calls = (0..spec.tenants).map(|_| Default::default()).collect();
        let state = State { series, calls, tally: Tally::new() };
        Self { spec, templates: Stream::ALL.map(Template::of), origin, state: Mutex::new(state) }
    }

    /// What was asked so far.
    pub(super) fn report(&self) -> Report {
        let state = self.state();
        let now = now_ms();
        state.tally.report(state.series.map(|series| series.count(now)))
    }

    /// No stream has new events from now on.
    pub(super) fn freeze(&self) {
        let now = now_ms();
        for series in &mut self.state().series {
            series.freeze(now);
        }
    }

    /// What was asked so far does not count.
    pub(super) fn forget(&self) {
        self.state().tally = Tally::new();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        self.state().tally.request();
        let (head, body) = request.into_parts();
        let answer = if (&head.method, head.uri.path()) == (&Method::POST, "/v1/access_token") {
            let form = Limited::new(body, FORM_MAX).collect().await.map(http_body_util::Collected::to_bytes);
            self.tokens(&form.unwrap_or_default())
        } else {
            self.list(&head)
        };
        if answer.status().is_client_error() && answer.status() != StatusCode::TOO_MANY_REQUESTS {
            self.state().tally.wrong();
        }
        if self.spec.latency_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.spec.latency_ms)).await;
        }
        answer
    }

    fn list(&self, head: &http::request::Parts) -> Response<Full<Bytes>> {
        let path = head.uri.path().strip_prefix("/v1/").unwrap_or_default();
        let Some((index, stream)) = Stream::ALL.into_iter().enumerate().find(|(_, stream)| stream.path() == path)
        else {
            return error(StatusCode::NOT_FOUND, "The requested resource could not be found.");
        };
        let bearer = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
        let owner = bearer.and_then(|bearer| owner(bearer, access_token, self.spec.tenants));
        let Some((tenant, user)) = owner.filter(|(_, user)| *user == stream.user()) else {
            return error(StatusCode::UNAUTHORIZED, "The request requires a valid access token.");
        };
        let query = head.uri.query().unwrap_or_default();
        let org = org(tenant);
        if stream.needs_org()
            && !url::form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == "orgId" && value == org)
        {
            return error(StatusCode::BAD_REQUEST, "Required request parameter 'orgId' is not present");
        }
        let Some((series, page)) = ({
            let state = &mut *self.state();
            if let Err(wait) = self.spec.requests_a_minute.map_or(Ok(()), |most| state.take(tenant, user, most)) {
                state.tally.refused();
                return too_many(wait);
            }
            state.tally.answered(user);
            state.series.get(index).map(|series| (*series, page(stream, query, series, now_ms())))
        }) else {
            return error(StatusCode::NOT_FOUND, "The requested resource could not be found.");
        };
        match (page, self.templates.get(index)) {
            (Ok(page), Some(template)) => {
                let offers = head.headers.get(ACCEPT_ENCODING).is_some_and(|value| value.as_bytes() == b"gzip");
                let body = items(tenant, page.numbers, &series, template);
                self.page(head.uri.path(), page.next.as_deref(), body, self.spec.gzip && offers)
            }
            (Err(text), _) => error(StatusCode::BAD_REQUEST, &text),
            (_, None) => error(StatusCode::NOT_FOUND, "The requested resource could not be found."),
        }
    }

    fn page(&self, path: &str, next: Option<&str>, mut body: Vec<u8>, packed: bool) -> Response<Full<Bytes>> {
        let is_packed = packed && pack(&mut body).is_ok();
        let mut answer = json(StatusCode::OK, body);
        let headers = answer.headers_mut();
        if is_packed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(next) = next {
            let link = format!("<{}{path}?{next}>; rel=\"next\"", self.origin);
            if let Ok(link) = HeaderValue::from_str(&link) {
                headers.insert(LINK, link);
            }
        }
        answer
    }

    /// Tokens of the user whose refresh token the form holds.
    fn tokens(&self, form: &[u8]) -> Response<Full<Bytes>> {
        let asked = url::form_urlencoded::parse(form).find(|(name, _)| name == "refresh_token").map(|(_, value)| value);
        let owner = asked.and_then(|token| owner(&token, refresh_token, self.spec.tenants));
        let Some((tenant, user)) = owner else {
            return error(StatusCode::BAD_REQUEST, "The refresh token is not known.");
        };
        let body = serde_json::json!({
            "access_token": access_token(tenant, user),
            "expires_in": 1_209_599,
            "refresh_token": refresh_token(tenant, user),
            "refresh_token_expires_in": 7_775_999,
            "token_type": "Bearer",
        });
        json(StatusCode::OK, body.to_string())
    }
}

impl State {
    /// Takes one request of a user, or says how long no other is free.
    fn take(&mut self, tenant: u16, user: User, most: usize) -> Result<(), Duration> {
        let Some([admin, officer]) = self.calls.get_mut(usize::from(tenant)) else { return Ok(()) };
        let calls = if user == User::Admin { admin } else { officer };
        calls.take(most, Instant::now())
    }
}

/// The text of a page, newest first.
fn items(tenant: u16, numbers: Range<u64>, series: &Series, template: &Template) -> Vec<u8> {
    let items = usize::try_from(numbers.end - numbers.start).unwrap_or(0);
    let mut body = Vec::with_capacity(16 + items * (template.len() + 1));
    let mut stamp = Stamp::default();
    body.extend_from_slice(b"{\"items\":[");
    for (place, number) in numbers.rev().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        stamp.set(series.created(number));
        template.write(tenant, number, &stamp, &mut body);
    }
    body.extend_from_slice(b"]}");
    body
}

/// Level 1: pages that are made when they are asked for cannot be compressed before.
fn pack(body: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    *body = encoder.finish()?;
    Ok(())
}

fn too_many(wait: Duration) -> Response<Full<Bytes>> {
    let mut answer = error(StatusCode::TOO_MANY_REQUESTS, "Too many requests");
    let seconds = wait.as_millis().div_ceil(1_000).max(1);
    if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
        answer.headers_mut().insert(RETRY_AFTER, seconds);
    }
    answer
}

fn error(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "message": message, "errors": [{ "description": message }], "trackingId": "BENCH" });
    json(status, body.to_string())
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    answer
}

fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// A bound port.
pub(super) struct Listener {
    listener: TcpListener,
    /// `http://127.0.0.1:PORT`
    pub(super) origin: String,
}

impl Listener {
    pub(super) async fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        Ok(Self { listener, origin })
    }

    /// Answers until it is dropped.
    pub(super) async fn serve(self, webex: Arc<Webex>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(connection(stream, Arc::clone(&webex)))),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

async fn connection(stream: TcpStream, webex: Arc<Webex>) {
    // Best effort: without it answers are a little later.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let webex = Arc::clone(&webex);
        async move { Ok::<_, Infallible>(webex.answer(request).await) }
    });
    // An error is a client that has gone.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl fmt::Debug for Webex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webex").field("origin", &self.origin).field("spec", &self.spec).finish_non_exhaustive()
    }
}
