//! The tenant itself: who asks, whether they may, and what they get.

mod leaks;
mod list_answer;
mod routes;
mod sign_in;

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};

use super::answer::{Answer, Delivery, Refusal};
use super::clock::http_date;
use super::customers::Customer;
use super::endpoint::Endpoint;
use super::event_store::{EventStore, ListedEvent};
use super::faults::{Fault, FaultPlan};
use super::generate::{Generated, Generator, Organization};
use super::listing::IssuedLinks;
use super::live::{LiveRates, LiveStream};
use super::oauth::{Bearer, TokenStore};
use super::params::Params;
use super::rate_limit::CallLog;
use super::record::{Record, RequestRecord};
use super::settings::TenantSettings;
use super::stream::Stream;

/// A request, read whole.
pub(super) struct Received {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Received {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// What follows the scheme in `Authorization`.
    fn credentials(&self, scheme: &str) -> Option<&str> {
        let (found, value) = self.header("authorization")?.split_once(' ')?;
        found.eq_ignore_ascii_case(scheme).then(|| value.trim())
    }
}

/// A request, understood as far as all endpoints do.
#[derive(Clone, Copy)]
struct Asked<'a> {
    request: &'a Received,
    endpoint: Endpoint,
    params: &'a Params,
    bearer: &'a Bearer,
    fault: Option<&'a Fault>,
    tracking_id: &'a str,
}

/// All that a running tenant knows.
pub(super) struct Tenant {
    pub(super) settings: TenantSettings,
    pub(super) store: EventStore,
    pub(super) record: Record,
    pub(super) faults: FaultPlan,
    pub(super) tokens: TokenStore,
    /// `http://127.0.0.1:PORT`
    origin: String,
    links: IssuedLinks,
    calls: CallLog,
    generators: Vec<(Stream, Generator)>,
    live: Vec<LiveStream>,
    customers: Vec<Customer>,
    /// Links given out to a page that was held back once.
    resumes: u64,
}

impl Tenant {
    pub(super) fn new(settings: TenantSettings, origin: String) -> Self {
        let seed = settings.seed;
        let generator = |stream| (stream, Generator::new(seed, stream, settings.organization.clone()));
        let generators = Stream::ALL.map(generator).into();
        Self {
            store: EventStore::default(),
            record: Record::default(),
            faults: FaultPlan::new(seed),
            tokens: TokenStore::new(seed),
            origin,
            links: IssuedLinks::default(),
            calls: CallLog::default(),
            generators,
            live: Vec::new(),
            resumes: 0,
            customers: Vec::new(),
            settings,
        }
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.settings.clock.now_ms()
    }

    /// Answers a request, and says how long the answer takes.
    pub(super) fn handle(&mut self, request: &Received) -> (Answer, Duration) {
        let number = self.record.next_number();
        self.tick();
        let now_ms = self.now_ms();
        let (endpoint, right_method) = Endpoint::of(&request.method, &request.path);
        let params = Params::parse(&request.query);
        let tracking_id = request
            .header("trackingid")
            .map_or_else(|| format!("SIMULATOR_{}_{number}", self.settings.seed), str::to_owned);
        let bearer = match request.credentials("bearer") {
            Some(value) => self.tokens.bearer(value, now_ms),
            None => Bearer::None,
        };
        let account = bearer.subject().map(|subject| subject.account.as_str());
        let fault = self.faults.next(endpoint, account, &self.settings.random_faults);
        let leaked = self.find_leak(request, &params);

        let asked = Asked {
            request,
            endpoint,
            params: &params,
            bearer: &bearer,
            fault: fault.as_ref(),
            tracking_id: &tracking_id,
        };
        let instead = fault.as_ref().and_then(|fault| fault.instead(now_ms, &tracking_id));
        let answer = instead.unwrap_or_else(|| {
            let answer = if leaked.is_some() {
                Err(Refusal::bad_request("Secrets must not be sent in the request URL."))
            } else if endpoint == Endpoint::Other {
                Err(Refusal::new(StatusCode::NOT_FOUND, "The requested resource could not be found."))
            } else if !right_method {
                Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "The request method is not supported."))
            } else {
                self.route(&asked)
            };
            let answer = answer.unwrap_or_else(|refusal| refusal.answer(&tracking_id));
            match &fault {
                Some(fault) => fault.deliver(answer),
                None => answer,
            }
        });
        let answer = answer
            .header("date", http_date(now_ms))
            .header("cache-control", "no-store")
            .header("trackingid", tracking_id.clone());

        self.keep_record(number, now_ms, &asked, &answer, leaked);
        let delay = self.faults.delay(self.settings.latency, fault.as_ref());
        (answer, delay)
    }

    /// Records a request. One that holds a secret where it does not belong is recorded without its text.
    fn keep_record(&mut self, number: u64, at_ms: i64, asked: &Asked<'_>, answer: &Answer, leaked: Option<String>) {
        let request = asked.request;
        let clean = leaked.is_none();
        if let Some(what) = leaked {
            self.record.leak(number, what);
        }
        let status = match answer.delivery {
            Delivery::ResetBefore | Delivery::Never => None,
            Delivery::Whole | Delivery::ResetInside | Delivery::CutShort => Some(answer.status.as_u16()),
        };
        let grant_type = match asked.endpoint {
            Endpoint::AccessToken => form(request).get("grant_type").map(str::to_owned),
            _ => None,
        };
        let headers = request
            .headers
            .iter()
            .filter(|(name, _)| clean && *name != http::header::AUTHORIZATION)
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        self.record.request(RequestRecord {
            number,
            at_ms,
            method: request.method.to_string(),
            path: if clean { request.path.clone() } else { String::new() },
            query: if clean { request.query.clone() } else { String::new() },
            params: if clean { asked.params.pairs().to_vec() } else { Vec::new() },
            endpoint: asked.endpoint,
            grant_type,
            account: asked.bearer.subject().map(|subject| subject.account.clone()),
            bearer: asked.bearer.state(),
            headers: headers.collect(),
            status,
            items: answer.items,
            fault: asked.fault.map(|fault| format!("{fault:?}")),
        });
    }

    /// Starts live events at these rates, in place of those before.
    pub(super) fn go_live(&mut self, rates: LiveRates) {
        self.tick();
        let now_ms = self.now_ms();
        // Another seed than the backlog's, and another for each start: ids never come twice.
        let seed = self.settings.seed.wrapping_add(1_000_003).wrapping_add(now_ms.unsigned_abs());
        self.live = Stream::ALL
            .into_iter()
            .filter_map(|stream| {
                let organization = self.settings.organization.clone();
                LiveStream::start(stream, rates.of(stream), seed, organization, now_ms)
            })
            .collect();
    }

    /// Brings live events up to now.
    pub(super) fn tick(&mut self) {
        let now_ms = self.now_ms();
        let mut live = std::mem::take(&mut self.live);
        for stream in &mut live {
            let delay = self.settings.stream(stream.stream()).listing_delay;
            let due = stream.due(now_ms, &self.settings.generator, delay);
            self.put(stream.stream(), due);
        }
        self.live = live;
    }

    /// Adds audits of a customer, who is one from then on.
    pub(super) fn customer(&mut self, organization: &Organization, stream: Stream, count: usize, span: (i64, i64)) {
        let at = self.customers.iter().position(|customer| customer.organization.id == organization.id);
        let at = at.unwrap_or_else(|| {
            let number = self.customers.len() as u64;
            self.customers.push(Customer::new(organization.clone(), number, &self.settings));
            self.customers.len() - 1
        });
        if let Some(customer) = self.customers.get_mut(at) {
            customer.backlog(stream, count, span, &self.settings);
        }
    }

    /// What is listed of a customer by now.
    pub(super) fn customer_listed(&self, organization: &Organization, stream: Stream) -> Vec<ListedEvent> {
        let customer = self.customers.iter().find(|customer| customer.organization.id == organization.id);
        customer.map_or_else(Vec::new, |customer| customer.store.listed(stream, Some(self.now_ms())))
    }

    /// Makes events with the stream's generator.
    pub(super) fn generate(
        &mut self,
        stream: Stream,
        make: impl FnOnce(&mut Generator, &TenantSettings) -> Vec<Generated>,
    ) -> Vec<Option<String>> {
        let Some((_, generator)) = self.generators.iter_mut().find(|(of, _)| *of == stream) else {
            return Vec::new();
        };
        let made = make(generator, &self.settings);
        let ids = made.iter().map(|item| item.event.facets.id.clone()).collect();
        self.put(stream, made);
        ids
    }

    fn put(&mut self, stream: Stream, made: Vec<Generated>) {
        let mut events = Vec::with_capacity(made.len());
        for Generated { event, mended } in made {
            if let (Some(id), Some(raw)) = (&event.facets.id, mended) {
                self.store.mend(id.clone(), raw);
            }
            events.push(event);
        }
        match <[_; 1]>::try_from(events) {
            Ok([event]) => self.store.add(stream, event),
            Err(events) if events.is_empty() => {}
            Err(events) => self.store.add_all(stream, events),
        }
    }
}

fn form(request: &Received) -> Params {
    Params::parse(&String::from_utf8_lossy(&request.body))
}
