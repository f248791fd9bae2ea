//! One request over `wasi:http`, without waiting: begun here, looked after whenever its pollable is ready.

use super::bindings::wasi::http::outgoing_handler;
use super::bindings::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use super::bindings::wasi::io::poll::Pollable;
use super::bindings::wasi::io::streams::{InputStream, StreamError};
use crate::effect::{HttpError, MAX_BODY, Request, Response};

/// For one whole request, in nanoseconds: what `fetch-events` promises to need beyond its budget. It is timed here: hosts
/// differ in the request options that they know, and wasmtime 48 keeps each one until the call ends.
pub(super) const TIMEOUT_NS: u64 = 30_000_000_000;

/// Most bytes taken from a body at once; a host copies them into the guest in one go.
const READ: u64 = 128 * 1024;

/// Room that is made at most for what an answer announces: a page of usual items, and no more than that for a wrong number.
const MOST_RESERVED: usize = 4 * 1024 * 1024;

/// Most bytes that a stream takes without asking first (`wasi:io/streams`, `blocking-write-and-flush`).
const WRITE: usize = 4096;

/// A request under way.
pub(super) enum Exchange {
    /// No answer yet.
    Waiting(FutureIncomingResponse),
    /// The body is coming in.
    Reading(Response, Body),
}

/// A body that is being read. The stream is dropped before what it is of, as the fields are declared.
pub(super) struct Body {
    stream: InputStream,
    _of: IncomingBody,
}

/// How far an exchange came.
pub(super) enum Progress {
    /// Look again when its pollable is ready.
    Pending(Exchange),
    /// It is over.
    Done(Result<Response, HttpError>),
}

impl Exchange {
    /// Sends a request.
    pub(super) fn begin(request: &Request) -> Result<Self, HttpError> {
        let broken = |what: &str| HttpError::Broken(format!("the request could not be made: {what}"));
        let headers = Fields::new();
        let append =
            |name: &str, value: &str| headers.append(name, value.as_bytes()).map_err(|_| broken("a header is refused"));
        append("accept", "application/json")?;
        append("user-agent", concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))?;
        if let Some(bearer) = &request.bearer {
            append("authorization", &format!("Bearer {}", bearer.expose()))?;
        }
        if let Some(form) = &request.form {
            append("content-type", "application/x-www-form-urlencoded")?;
            append("content-length", &form.expose().len().to_string())?;
        }
        let outgoing = OutgoingRequest::new(headers);
        let url = &request.url;
        let scheme = if url.scheme() == "http" { Scheme::Http } else { Scheme::Https };
        let path = url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let method = if request.form.is_some() { Method::Post } else { Method::Get };
        outgoing.set_method(&method).map_err(|()| broken("method"))?;
        outgoing.set_scheme(Some(&scheme)).map_err(|()| broken("scheme"))?;
        outgoing.set_authority(Some(url.authority())).map_err(|()| broken("authority"))?;
        outgoing.set_path_with_query(Some(&path)).map_err(|()| broken("path"))?;
        let body = outgoing.body().map_err(|()| broken("body"))?;
        let response = outgoing_handler::handle(outgoing, None).map_err(|code| error(&code))?;
        if let Some(form) = &request.form {
            let stream = body.write().map_err(|()| broken("body"))?;
            for chunk in form.expose().as_bytes().chunks(WRITE) {
                stream.blocking_write_and_flush(chunk).map_err(|_| broken("the body was not taken"))?;
            }
        }
        OutgoingBody::finish(body, None).map_err(|code| error(&code))?;
        Ok(Self::Waiting(response))
    }

    /// Ready when there is something to do.
    pub(super) fn pollable(&self) -> Pollable {
        match self {
            Self::Waiting(response) => response.subscribe(),
            Self::Reading(_, body) => body.stream.subscribe(),
        }
    }

    /// Goes on as far as it can without waiting.
    pub(super) fn advance(self) -> Progress {
        let mut exchange = self;
        loop {
            exchange = match exchange {
                Self::Waiting(future) => match future.get() {
                    None => return Progress::Pending(Self::Waiting(future)),
                    Some(Ok(Ok(incoming))) => {
                        let headers = incoming.headers().entries().into_iter().map(|(name, value)| {
                            // A `Link` that is no text must not look like the last page.
                            (name.to_ascii_lowercase(), String::from_utf8_lossy(&value).into_owned())
                        });
                        let mut response =
                            Response { status: incoming.status(), headers: headers.collect(), body: Vec::new() };
                        let announced = response.header("content-length").and_then(|length| length.parse().ok());
                        response.body.reserve_exact(announced.unwrap_or(0).min(MOST_RESERVED));
                        let Ok(body) = incoming.consume() else { return broken("the answer has no body") };
                        let Ok(stream) = body.stream() else { return broken("the answer's body cannot be read") };
                        Self::Reading(response, Body { stream, _of: body })
                    }
                    Some(Ok(Err(code))) => return Progress::Done(Err(error(&code))),
                    Some(Err(())) => return broken("the answer was taken before"),
                },
                Self::Reading(mut response, body) => match body.stream.read(READ) {
                    Ok(bytes) if bytes.is_empty() => {
                        return Progress::Pending(Self::Reading(response, body));
                    }
                    Ok(_) | Err(StreamError::Closed) if response.body.len() > MAX_BODY => {
                        return Progress::Done(Err(HttpError::TooLarge));
                    }
                    Ok(bytes) if response.body.capacity() == 0 => {
                        response.body = bytes;
                        Self::Reading(response, body)
                    }
                    Ok(bytes) => {
                        make_room(&mut response.body, bytes.len());
                        response.body.extend_from_slice(&bytes);
                        Self::Reading(response, body)
                    }
                    Err(StreamError::Closed) => return Progress::Done(Ok(response)),
                    Err(StreamError::LastOperationFailed(failed)) => {
                        let text = failed.to_debug_string();
                        // The host's own cap ends a body this way.
                        let too_large = text.contains("HttpResponseBodySize");
                        return Progress::Done(Err(if too_large {
                            HttpError::TooLarge
                        } else {
                            HttpError::Broken(text)
                        }));
                    }
                },
            }
        }
    }

    /// What it comes to when its time is up: an answer that does not end in time is more than can be read.
    pub(super) fn timed_out(&self) -> HttpError {
        match self {
            Self::Waiting(_) => HttpError::Timeout,
            Self::Reading(..) => HttpError::TooLarge,
        }
    }
}

/// A body grows by a quarter and not to twice its length: some are read side by side, and the guest gives nothing back before
/// the call ends.
fn make_room(body: &mut Vec<u8>, more: usize) {
    if body.capacity() - body.len() < more {
        body.reserve_exact(more.max(body.len() / 4));
    }
}

fn broken(what: &str) -> Progress {
    Progress::Done(Err(HttpError::Broken(what.to_owned())))
}

/// The host's code in our terms; it holds no part of the request.
fn error(code: &ErrorCode) -> HttpError {
    match code {
        ErrorCode::HttpRequestDenied
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::DestinationIpProhibited
        | ErrorCode::DestinationIpUnroutable => HttpError::Denied(format!("{code:?}")),
        ErrorCode::ConnectionTimeout
        | ErrorCode::DnsTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => HttpError::Timeout,
        ErrorCode::HttpResponseBodySize(_) | ErrorCode::HttpResponseHeaderSectionSize(_) => HttpError::TooLarge,
        ErrorCode::ConnectionRefused | ErrorCode::DestinationUnavailable => broken_because("connection refused"),
        ErrorCode::DestinationNotFound | ErrorCode::DnsError(_) => broken_because("the host name cannot be resolved"),
        ErrorCode::ConnectionTerminated | ErrorCode::HttpResponseIncomplete => {
            broken_because("connection closed early")
        }
        ErrorCode::TlsCertificateError | ErrorCode::TlsProtocolError | ErrorCode::TlsAlertReceived(_) => {
            broken_because("TLS failed; is the certificate of the server trusted here?")
        }
        other => HttpError::Broken(format!("{other:?}")),
    }
}

fn broken_because(words: &str) -> HttpError {
    HttpError::Broken(words.to_owned())
}
