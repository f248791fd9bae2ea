//! The tenant on the wire: HTTP/1.1 over loopback.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
use super::listing::{Page, page};
use super::series::Series;
use super::tally::{Report, Tally};

/// The organization.
pub(super) const ORG: &str = "Y2lzY29zcGFyazovL3VzL09SR0FOSVpBVElPTi83ZjNjMWUwYS01MmQ0LTRiOGUtOWE2MS0wYzVkOGU3YjJmMTQ";
/// A form of a sign-in has some hundred bytes.
const FORM_MAX: usize = 64 * 1024;
/// Pause after a failed accept, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// All that a running tenant knows.
pub(super) struct Tenant {
    spec: Spec,
    templates: [Template; 3],
    origin: String,
    state: Mutex<State>,
}

struct State {
    series: [Series; 3],
    /// Admin, compliance officer.
    calls: [Calls; 2],
    tally: Tally,
}

/// The bearer that a user's refresh token gives.
pub(super) fn access_token(user: User) -> String {
    format!("fake-access-token-of-the-{user}")
}

/// The user's refresh token.
pub(super) fn refresh_token(user: User) -> String {
    format!("fake-refresh-token-of-the-{user}")
}

impl Tenant {
    pub(super) fn new(spec: Spec, origin: String) -> Self {
        let now = now_ms();
        let series = spec.supply.map(|supply| Series::starting(supply, now));
        let state = State { series, calls: Default::default(), tally: Tally::new() };
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
            tokens(&form.unwrap_or_default())
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
        let user = stream.user();
        let bearer = head.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        if bearer.and_then(|value| value.strip_prefix("Bearer ")) != Some(access_token(user).as_str()) {
            return error(StatusCode::UNAUTHORIZED, "The request requires a valid access token.");
        }
        let query = head.uri.query().unwrap_or_default();
        if stream.needs_org()
            && !url::form_urlencoded::parse(query.as_bytes()).any(|pair| pair == ("orgId".into(), ORG.into()))
        {
            return error(StatusCode::BAD_REQUEST, "Required request parameter 'orgId' is not present");
        }
        let Some((series, page)) = ({
            let state = &mut *self.state();
            let [admin, officer] = &mut state.calls;
            let calls = if user == User::Admin { admin } else { officer };
            let taken = self.spec.requests_a_minute.map_or(Ok(()), |most| calls.take(most, Instant::now()));
            if let Err(wait) = taken {
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
                self.page(head.uri.path(), &page, &series, template, self.spec.gzip && offers)
            }
            (Err(text), _) => error(StatusCode::BAD_REQUEST, &text),
            (_, None) => error(StatusCode::NOT_FOUND, "The requested resource could not be found."),
        }
    }

    fn page(
        &self,
        path: &str,
        page: &Page,
        series: &Series,
        template: &Template,
        packed: bool,
    ) -> Response<Full<Bytes>> {
        let items = usize::try_from(page.numbers.end - page.numbers.start).unwrap_or(0);
        let mut body = Vec::with_capacity(16 + items * (template.len() + 1));
        let mut stamp = Stamp::default();
        body.extend_from_slice(b"{\"items\":[");
        for (place, number) in page.numbers.clone().rev().enumerate() {
            if place > 0 {
                body.push(b',');
            }
            stamp.set(series.created(number));
            template.write(number, &stamp, &mut body);
        }
        body.extend_from_slice(b"]}");
        let is_packed = packed && pack(&mut body).is_ok();
        let mut answer = json(StatusCode::OK, body);
        let headers = answer.headers_mut();
        if is_packed {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if let Some(next) = &page.next {
            let link = format!("<{}{path}?{next}>; rel=\"next\"", self.origin);
            if let Ok(link) = HeaderValue::from_str(&link) {
                headers.insert(LINK, link);
            }
        }
        answer
    }
}

/// Level 1: pages that are made when they are asked for cannot be compressed before.
fn pack(body: &mut Vec<u8>) -> io::Result<()> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), Compression::fast());
    encoder.write_all(body)?;
    *body = encoder.finish()?;
    Ok(())
}

/// Tokens of the user whose refresh token the form holds.
fn tokens(form: &[u8]) -> Response<Full<Bytes>> {
    let asked = url::form_urlencoded::parse(form).find(|(name, _)| name == "refresh_token").map(|(_, value)| value);
    let user = User::ALL.into_iter().find(|user| asked.as_deref() == Some(&refresh_token(*user)));
    let Some(user) = user else { return error(StatusCode::BAD_REQUEST, "The refresh token is not known.") };
    let body = serde_json::json!({
        "access_token": access_token(user),
        "expires_in": 1_209_599,
        "refresh_token": refresh_token(user),
        "refresh_token_expires_in": 7_775_999,
        "token_type": "Bearer",
    });
    json(StatusCode::OK, body.to_string())
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
    pub(super) async fn serve(self, tenant: Arc<Tenant>) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(connection(stream, Arc::clone(&tenant)))),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }
}

async fn connection(stream: TcpStream, tenant: Arc<Tenant>) {
    // Best effort: without it answers are a little later.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let tenant = Arc::clone(&tenant);
        async move { Ok::<_, Infallible>(tenant.answer(request).await) }
    });
    // An error is a client that has gone.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl fmt::Debug for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tenant").field("origin", &self.origin).field("spec", &self.spec).finish_non_exhaustive()
    }
}
