//! The plugin's core without its sandbox: driven by tokio as the component's reactor drives it by `wasi:http`, its batches kept
//! as the host keeps them. What it costs less than the collector is what the sandbox costs.

use std::collections::HashMap;
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};

use cisco_webex_plugin::bundle::{Bundle, Events, Head};
use cisco_webex_plugin::effect::{
    Answer, Effect, HttpError, Io, Moment, Request, Response, Run, SecretsError, Ticket, Turn,
};
use cisco_webex_plugin::failure::Failure;
use cisco_webex_plugin::fetch::{self, FetchRequest, Next};
use cisco_webex_plugin::last_run::{Kept, Stored};
use cisco_webex_plugin::secret::{Revision, Secret, SecretName, Versioned};
use cisco_webex_plugin::settings::Settings;
use cisco_webex_plugin::stream::User;
use cisco_webex_plugin::time::{Span, Timestamp};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use host_harness::runtime::{Bundle as HostBundle, EventHead, LastRun, LastRunPart};
use host_harness::sink::Sinks;
use host_harness::state::{State, Writer};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use super::http::Webex;
use super::{EVENTS, SubjectError};
use crate::tenant::Access;

/// Calls in a row without events, after which it is stuck.
const BARREN_CALLS: usize = 100;
/// The budget that the host gives a call.
const BUDGET: Span = Span::secs(20);

/// Collects until the core says that it is idle.
pub(super) async fn run(access: &Access) -> Result<(), SubjectError> {
    let settings = settings(access).map_err(|failure| failure.message)?;
    let mut core = Core { webex: Webex::new(), secrets: Secrets::of(access) };
    let mut writer = State::at(Path::new("webex-state")).writer()?;
    let (mut sinks, _) = Sinks::open([EVENTS])?;
    let on_disk = writer.parts();
    let kept = Kept::by(move |name| on_disk.text(name));
    let mut stored: Option<Stored> = None;
    let request = FetchRequest { budget: Some(BUDGET), ..FetchRequest::default() };
    let mut barren = 0;
    loop {
        let known = stored.clone();
        let batch = core.drive(|io| fetch::fetch_events(io, &settings, known, &request)).await?;
        let batch = batch.map_err(|failure| failure.message)?;
        if let Some(failure) = batch.reports.iter().find_map(|report| report.failure.as_ref()) {
            return Err(failure.message.clone().into());
        }
        barren = if batch.events.is_empty() { barren + 1 } else { 0 };
        record(&mut writer, &mut sinks, batch.events, &batch.last_run)?;
        // As the host: what is on the disk is asked for if need be.
        let parts = batch.last_run.parts.into_iter().map(|(name, _)| (name, None)).collect();
        stored = Some(Stored { head: batch.last_run.head, parts, kept: kept.clone() });
        match batch.next {
            Next::Idle => return Ok(()),
            Next::Now if barren < BARREN_CALLS => {}
            Next::Now => return Err("calls in a row brought nothing".into()),
            Next::NotBefore(at) => {
                let wait = at.as_millis().saturating_sub(now().as_millis());
                tokio::time::sleep(Duration::from_millis(u64::try_from(wait).unwrap_or(0).max(1))).await;
            }
        }
    }
}

/// Delivers, then remembers, as the host does.
fn record(writer: &mut Writer, sinks: &mut Sinks, events: Events, last_run: &Stored) -> Result<(), SubjectError> {
    let bundles: Vec<HostBundle> = events.into_bundles().into_iter().map(host_bundle).collect();
    let parts = last_run.parts.iter().map(|(name, body)| LastRunPart { name: name.clone(), body: body.clone() });
    let last_run = LastRun { head: last_run.head.clone(), parts: parts.collect() };
    if !bundles.is_empty() {
        writer.delivering(&last_run, sinks.begin(), false)?;
    }
    sinks.deliver(bundles)?;
    writer.store(&last_run)?;
    writer.delivered();
    Ok(())
}

fn host_bundle(bundle: Bundle) -> HostBundle {
    let head = |head: Head| EventHead { id: head.id, created: head.created.map(Timestamp::as_millis) };
    HostBundle {
        stream: bundle.stream.name().to_owned(),
        org: bundle.org,
        events: bundle.events.into_iter().map(head).collect(),
        lines: bundle.lines,
    }
}

fn settings(access: &Access) -> Result<Settings, Failure> {
    let pairs = [
        ("base_url", access.origin.as_str()),
        ("admin_credentials", "client-of-the-bench"),
        ("compliance_officer_credentials", "client-of-the-bench"),
        ("admin_org_id", &access.org),
        ("fetch_security_audit_events", "true"),
        ("lag", "0s"),
        ("max_requests", "100000"),
    ];
    Settings::parse(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())))
}

/// What carries out effects.
struct Core {
    webex: Webex,
    secrets: Secrets,
}

type UnderWay = FuturesUnordered<Pin<Box<dyn Future<Output = (Ticket, Answer)>>>>;

impl Core {
    /// Runs a piece of the core to its end.
    async fn drive<T, F: Future<Output = T>>(&mut self, begin: impl FnOnce(Io) -> F) -> Result<T, SubjectError> {
        let begun = Instant::now();
        let mut run = Run::new(SmallRng::from_os_rng().random(), moment(begun), begin);
        let mut under_way = UnderWay::new();
        loop {
            let effects = match run.turn(moment(begun)) {
                Turn::Done(result) => return Ok(result),
                Turn::Waiting(effects) => effects,
            };
            let _ = run.take_log();
            let mut is_answered = false;
            for (ticket, effect) in effects {
                match effect {
                    Effect::Http(request) => {
                        let webex = self.webex.clone();
                        under_way.push(Box::pin(async move { (ticket, Answer::Http(send(&webex, &request).await)) }));
                    }
                    Effect::Sleep(span) => {
                        let time = Duration::from_millis(span.as_millis().max(0).unsigned_abs());
                        under_way.push(Box::pin(async move {
                            tokio::time::sleep(time).await;
                            (ticket, Answer::Slept)
                        }));
                    }
                    Effect::ReadSecret(name) => {
                        run.answer(ticket, Answer::Read(Ok(self.secrets.read(name))));
                        is_answered = true;
                    }
                    Effect::ReplaceSecret { name, expected, value } => {
                        run.answer(ticket, Answer::Replaced(self.secrets.replace(name, expected.as_ref(), value)));
                        is_answered = true;
                    }
                }
            }
            if !is_answered {
                let (ticket, answer) = under_way.next().await.ok_or("the core waits for nothing")?;
                run.answer(ticket, answer);
            }
        }
    }
}

async fn send(webex: &Webex, request: &Request) -> Result<Response, HttpError> {
    let bearer = request.bearer.as_ref().map(Secret::expose);
    let form = request.form.as_ref().map(Secret::expose);
    let answer = webex.send(request.url.as_str(), bearer, form).await;
    let answer = answer.map_err(|error| HttpError::Broken(error.to_string()))?;
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = answer.headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value.as_bytes())));
    Ok(Response { status: answer.status, headers: headers.collect(), body: answer.body })
}

fn now() -> Timestamp {
    Timestamp::from_millis(chrono::Utc::now().timestamp_millis())
}

fn moment(begun: Instant) -> Moment {
    let elapsed = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    Moment { now: now(), elapsed: Span::millis(elapsed), stopping: false }
}

/// Secrets in memory, each with a number that says how often it was written.
struct Secrets(HashMap<&'static str, (Secret, u64)>);

impl Secrets {
    fn of(access: &Access) -> Self {
        let mut known = HashMap::new();
        for user in User::ALL {
            known.insert(SecretName::Credentials(user).name(), (Secret::new("fake-client-secret"), 0));
            known.insert(SecretName::RefreshToken(user).name(), (Secret::new(access.refresh_token(user)), 0));
        }
        Self(known)
    }

    fn read(&self, name: SecretName) -> Option<Versioned> {
        let (value, writes) = self.0.get(name.name())?;
        Some(Versioned { value: value.clone(), revision: Revision(writes.to_string()) })
    }

    fn replace(
        &mut self,
        name: SecretName,
        expected: Option<&Revision>,
        value: Secret,
    ) -> Result<Revision, SecretsError> {
        let found = self.read(name).map(|versioned| versioned.revision);
        if found.as_ref() != expected {
            return Err(SecretsError::Conflict);
        }
        let writes = self.0.get(name.name()).map_or(1, |(_, writes)| writes + 1);
        self.0.insert(name.name(), (value, writes));
        Ok(Revision(writes.to_string()))
    }
}
