//! Where requests and secrets leave the harness and enter the world.

use cisco_webex_plugin::effect::{Answer, Effect, Request, SecretsError};
use cisco_webex_plugin::secret::{self as core, SecretName};
use futures_util::stream;
use host_harness::net::{self, Error, InProcess, WasiBody};
use host_harness::secrets::{self, GivenStore, Pending, Revision, Secret, Versioned};
use host_harness::simulator::Delivery;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::{mpsc, oneshot};
use url::Url;

use super::Served;

/// Something that a run asks for.
pub(super) struct Asked {
    pub(super) run: usize,
    pub(super) effect: Effect,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// What comes of it.
pub(super) enum Reply {
    Served(Served),
    Secret(Answer),
}

/// The way out of one run.
#[derive(Clone)]
pub(super) struct Door {
    run: usize,
    asked: mpsc::UnboundedSender<Asked>,
}

impl Door {
    pub(super) fn new(run: usize, asked: mpsc::UnboundedSender<Asked>) -> Self {
        Self { run, asked }
    }

    /// Asks, and waits for ever where nothing comes of it.
    async fn ask(self, effect: Effect) -> Reply {
        let (reply, answer) = oneshot::channel();
        // Nobody hears it once the run is over.
        let _ = self.asked.send(Asked { run: self.run, effect, reply });
        match answer.await {
            Ok(reply) => reply,
            Err(_) => std::future::pending().await,
        }
    }
}

impl InProcess for Door {
    fn answer(&self, request: http::Request<WasiBody>) -> net::Answer {
        let door = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let request = read(&head, &body).ok_or(Error::HttpRequestUriInvalid)?;
            match door.ask(Effect::Http(request)).await {
                Reply::Served(served) => respond(served),
                Reply::Secret(_) => Err(Error::InternalError(None)),
            }
        })
    }
}

/// The request as the core has meant it.
fn read(head: &http::request::Parts, body: &[u8]) -> Option<Request> {
    let bearer = head.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ")).map(core::Secret::new);
    let form = (head.method == http::Method::POST).then(|| core::Secret::new(String::from_utf8_lossy(body)));
    Some(Request { url: Url::parse(&head.uri.to_string()).ok()?, bearer, form })
}

/// What of the answer arrives.
fn respond(Served { response, delivery, is_too_large }: Served) -> Result<http::Response<WasiBody>, Error> {
    let ends = match delivery {
        Delivery::Whole if is_too_large => return Err(Error::HttpResponseBodySize(None)),
        // One that never arrives is not replied.
        Delivery::Whole | Delivery::Never => None,
        Delivery::ResetBefore => return Err(Error::ConnectionTerminated),
        Delivery::ResetInside => Some(Error::ConnectionTerminated),
        Delivery::CutShort => Some(Error::HttpResponseIncomplete),
    };
    let mut bytes = bytes::Bytes::from(response.body);
    if ends.is_some() {
        bytes.truncate(bytes.len() / 2);
    }
    let frames = std::iter::once(Ok(Frame::data(bytes))).chain(ends.map(Err));
    let mut answer = http::Response::new(StreamBody::new(stream::iter(frames)).boxed_unsync());
    *answer.status_mut() = http::StatusCode::from_u16(response.status).map_err(|_| Error::HttpProtocolError)?;
    for (name, value) in response.headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).map_err(|_| Error::HttpProtocolError)?;
        let value = http::HeaderValue::from_bytes(value.as_bytes()).map_err(|_| Error::HttpProtocolError)?;
        answer.headers_mut().append(name, value);
    }
    Ok(answer)
}

impl GivenStore for Door {
    fn get(&self, name: &str) -> Pending<Option<Versioned>> {
        let (door, name) = (self.clone(), named(name));
        Box::pin(async move {
            match door.ask(Effect::ReadSecret(name?)).await {
                Reply::Secret(Answer::Read(read)) => Ok(read.map_err(refused)?.map(|found| Versioned {
                    value: Secret::from(found.value.expose()),
                    revision: Revision::from(found.revision.0),
                })),
                _ => Err(secrets::SecretsError::Denied),
            }
        })
    }

    fn write(&self, name: &str, expected: Option<Revision>, value: Option<Secret>) -> Pending<Revision> {
        let (door, name) = (self.clone(), named(name));
        Box::pin(async move {
            // The plugin deletes nothing.
            let value = core::Secret::new(value.ok_or(secrets::SecretsError::Denied)?.expose());
            let expected = expected.map(|revision| core::Revision(revision.into_text()));
            match door.ask(Effect::ReplaceSecret { name: name?, expected, value }).await {
                Reply::Secret(Answer::Replaced(written)) => {
                    written.map(|revision| Revision::from(revision.0)).map_err(refused)
                }
                _ => Err(secrets::SecretsError::Denied),
            }
        })
    }
}

fn named(name: &str) -> Result<SecretName, secrets::SecretsError> {
    SecretName::all().find(|known| known.name() == name).ok_or(secrets::SecretsError::Denied)
}

fn refused(error: SecretsError) -> secrets::SecretsError {
    match error {
        SecretsError::Unavailable(text) => secrets::StoreError::Given(text).into(),
        SecretsError::Denied => secrets::SecretsError::Denied,
        SecretsError::Conflict => secrets::SecretsError::Conflict,
    }
}
