//! The library's requests go through the client of all sinks: the same proxy, authorities and time limits, and no other HTTP or
//! TLS in the program.

use std::sync::Arc;

use ::object_store::ClientOptions;
use ::object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use futures::future::BoxFuture;
use http::Request;
use http_body_util::{BodyExt as _, Full};

use super::super::client::Client;

/// The way out.
#[derive(Clone, Debug)]
pub(super) struct Way(pub(super) Arc<Client>);

impl HttpConnector for Way {
    fn connect(&self, _: &ClientOptions) -> ::object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl HttpService for Way {
    fn call<'a, 'b>(&'a self, request: HttpRequest) -> BoxFuture<'b, Result<HttpResponse, HttpError>>
    where
        'a: 'b,
        Self: 'b,
    {
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let answer = self.0.exchange(Request::from_parts(head, Full::new(body))).await;
            let (head, body) = answer.map_err(|error| HttpError::new(HttpErrorKind::Request, error))?.into_parts();
            Ok(HttpResponse::from_parts(head, body.into()))
        })
    }
}
