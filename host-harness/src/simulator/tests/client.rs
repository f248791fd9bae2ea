//! A client that only tests use: it follows what it is told and hides nothing.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

type Failure = Box<dyn std::error::Error + Send + Sync>;

pub(super) struct Client {
    origin: String,
    http: hyper_util::client::legacy::Client<HttpConnector, Full<Bytes>>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

impl Client {
    pub(super) fn new(origin: &str) -> Self {
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build_http();
        Self { origin: origin.to_owned(), http }
    }

    /// `target` is a path with its query, or a whole URL.
    pub(super) async fn get(&self, target: &str, bearer: Option<&str>) -> Result<Answer, Failure> {
        let authorization = bearer.map(|bearer| format!("Bearer {bearer}"));
        self.send(Method::GET, target, authorization.as_deref(), None).await
    }

    pub(super) async fn post_form(&self, target: &str, form: &str) -> Result<Answer, Failure> {
        self.send(Method::POST, target, None, Some(form)).await
    }

    pub(super) async fn send(
        &self,
        method: Method,
        target: &str,
        authorization: Option<&str>,
        form: Option<&str>,
    ) -> Result<Answer, Failure> {
        let url = if target.starts_with('/') { format!("{}{target}", self.origin) } else { target.to_owned() };
        let mut request = Request::builder().method(method).uri(url);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        if form.is_some() {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        let body = Full::new(Bytes::from(form.unwrap_or_default().to_owned()));
        let (head, body) = self.http.request(request.body(body)?).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        Ok(Answer { status: head.status.as_u16(), headers: headers.collect(), body })
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The raw texts of a page's items.
    pub(super) fn items(&self) -> Vec<String> {
        #[derive(serde::Deserialize)]
        struct Page<'a> {
            #[serde(borrow)]
            items: Vec<&'a serde_json::value::RawValue>,
        }
        let page: Page<'_> = serde_json::from_slice(&self.body).unwrap();
        page.items.iter().map(|item| item.get().to_owned()).collect()
    }

    /// The target whose relation is `next`, read character by character: commas and semicolons may stand in targets and in quotes.
    pub(super) fn next_link(&self) -> Option<String> {
        let headers = self.headers.iter().filter(|(name, _)| name == "link");
        headers.flat_map(|(_, value)| links(value)).find(|(_, rel)| rel == "next").map(|(target, _)| target)
    }
}

/// Target and relation of each link in a header.
fn links(header: &str) -> Vec<(String, String)> {
    let mut links = Vec::new();
    let mut rest = header;
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').unwrap();
        let target = rest[start + 1..end].to_owned();
        rest = &rest[end + 1..];
        let (mut quoted, mut escaped, mut stop) = (false, false, rest.len());
        for (at, c) in rest.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                ',' if !quoted => {
                    stop = at;
                    break;
                }
                _ => {}
            }
        }
        let rel = rest[..stop].split(';').find_map(|part| part.trim().strip_prefix("rel=")).unwrap_or_default();
        links.push((target, rel.trim_matches('"').to_owned()));
        rest = &rest[stop..];
    }
    links
}
