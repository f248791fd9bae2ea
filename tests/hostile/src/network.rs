//! Requests to where they may not go, in shapes that they may not have, and more of them than there may be.

use crate::Said;
use crate::bindings::wasi::http::outgoing_handler::handle;
use crate::bindings::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};

/// A request as its parts say: `method`, `scheme`, `authority`, `path`, `header` and `value`, `body`. Says with which status it
/// was answered, and where a redirect leads.
pub(crate) fn request(of: &dyn Fn(&str) -> String) -> Said {
    let headers = Fields::new();
    let append = |name: &str, value: &str| headers.append(name, value.as_bytes()).map_err(|error| format!("{error:?}"));
    if !of("header").is_empty() {
        append(&of("header"), &of("value"))?;
    }
    if !of("twice").is_empty() {
        append(&of("header"), &of("twice"))?;
    }
    let request = OutgoingRequest::new(headers);
    let method = match of("method").as_str() {
        "" | "GET" => Method::Get,
        "POST" => Method::Post,
        "CONNECT" => Method::Connect,
        "TRACE" => Method::Trace,
        other => Method::Other(other.to_owned()),
    };
    request.set_method(&method).map_err(|()| "method")?;
    let scheme = match of("scheme").as_str() {
        "" | "https" => Scheme::Https,
        "http" => Scheme::Http,
        other => Scheme::Other(other.to_owned()),
    };
    request.set_scheme(Some(&scheme)).map_err(|()| "scheme")?;
    let authority = of("authority");
    if !authority.is_empty() {
        request.set_authority(Some(&authority)).map_err(|()| "authority")?;
    }
    request.set_path_with_query(Some(&of("path"))).map_err(|()| "path")?;
    let body = request.body().map_err(|()| "body")?;
    let answer = handle(request, None).map_err(|code| word(&code))?;
    let text = of("body");
    if !text.is_empty() {
        let stream = body.write().map_err(|()| "body")?;
        stream.blocking_write_and_flush(text.as_bytes()).map_err(|error| format!("{error:?}"))?;
    }
    OutgoingBody::finish(body, None).map_err(|code| word(&code))?;
    let answer = wait(&answer)?;
    let location = answer.headers().get("location");
    let location = location.first().map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default();
    Ok(format!("{} {location}", answer.status()).trim_end().to_owned())
}

fn word(code: &ErrorCode) -> String {
    format!("{code:?}")
}

fn wait(answer: &FutureIncomingResponse) -> Result<IncomingResponse, String> {
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(Ok(answer))) => Ok(answer),
        Some(Ok(Err(code))) => Err(word(&code)),
        _ => Err("no answer".to_owned()),
    }
}

/// A request that may be made, without waiting for its answer.
fn begin() -> Result<FutureIncomingResponse, String> {
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Https)).map_err(|()| "scheme")?;
    request.set_authority(Some("webexapis.com")).map_err(|()| "authority")?;
    request.set_path_with_query(Some("/v1/open")).map_err(|()| "path")?;
    let body = request.body().map_err(|()| "body")?;
    let answer = handle(request, None).map_err(|code| word(&code))?;
    OutgoingBody::finish(body, None).map_err(|code| word(&code))?;
    Ok(answer)
}

/// So many requests at once. Says how many were answered.
pub(crate) fn open_many(count: usize) -> Said {
    let begun = (0..count).map(|_| begin()).collect::<Result<Vec<_>, _>>()?;
    let answers: Vec<_> = begun.iter().map(wait).collect();
    let answered = answers.iter().filter(|answer| answer.is_ok()).count();
    let refused = answers.into_iter().find_map(Result::err).unwrap_or_default();
    Ok(format!("{answered} of {count} answered; {refused}"))
}

/// Answers whose bodies are never read, until no more are given. Says how many.
pub(crate) fn never_read() -> Said {
    let mut held = Vec::new();
    for _ in 0..1_000 {
        match begin().and_then(|answer| wait(&answer)) {
            Ok(answer) => held.push(answer),
            Err(error) => return Err(format!("{error} after {}", held.len())),
        }
    }
    Ok(format!("{} held", held.len()))
}
