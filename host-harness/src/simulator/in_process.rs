//! The tenant without a socket: one request in, one answer out, and how the answer would arrive.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};

use super::SimulatedTenant;
use super::answer::Delivery;
use super::record::RequestRecord;
use super::settings::TenantSettings;
use super::tenant::{Received, Tenant};

/// A request as the collector sends it.
#[derive(Clone, Copy, Debug)]
pub struct InProcessRequest<'a> {
    /// With its leading slash.
    pub path: &'a str,
    /// Without the question mark.
    pub query: &'a str,
    /// Of `Authorization: Bearer`.
    pub bearer: Option<&'a str>,
    /// A `POST` of this form; none: a `GET`.
    pub form: Option<&'a str>,
}

/// What the tenant answers, and what of it arrives.
#[derive(Clone, Debug)]
pub struct InProcessAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// All of it, also where it does not arrive whole.
    pub body: Bytes,
    /// How much arrives.
    pub delivery: Delivery,
    /// How long it takes.
    pub delay: Duration,
    /// What the tenant has noted of the request; it keeps no copy.
    pub record: Option<RequestRecord>,
}

impl SimulatedTenant {
    /// A tenant that listens nowhere, and only [`answer`](Self::answer)s. `origin` is where its links lead.
    #[must_use]
    pub fn in_process(settings: TenantSettings, origin: impl Into<String>) -> Self {
        let origin = origin.into();
        let tenant = Arc::new(Mutex::new(Tenant::new(settings, origin.clone())));
        Self { tenant, origin, server: None }
    }

    /// Answers a request at the time that its clock shows.
    #[must_use]
    pub fn answer(&self, request: InProcessRequest<'_>) -> InProcessAnswer {
        let mut headers = HeaderMap::new();
        if let Some(bearer) = request.bearer.and_then(|bearer| HeaderValue::from_str(&format!("Bearer {bearer}")).ok())
        {
            headers.insert(AUTHORIZATION, bearer);
        }
        if request.form.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        let received = Received {
            method: if request.form.is_some() { Method::POST } else { Method::GET },
            path: request.path.to_owned(),
            query: request.query.to_owned(),
            headers,
            body: Bytes::from(request.form.unwrap_or_default().to_owned()),
        };
        let mut state = self.state();
        let (answer, delay) = state.handle(&received);
        let record = state.record.take_last();
        InProcessAnswer {
            status: answer.status.as_u16(),
            headers: answer.headers,
            body: answer.body,
            delivery: answer.delivery,
            delay,
            record,
        }
    }
}
