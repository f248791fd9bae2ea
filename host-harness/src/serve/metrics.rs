//! `GET /metrics`: the picture as Prometheus reads it. One table has every metric; docs/metrics.md is made from it.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric as Sample, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

use super::Served;
use super::process::Process;
use crate::board::view::{Light, Severity, SinkView, StreamView, Subject, TenantView, UserView, View};

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Goes up only, and begins anew with the program.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl Kind {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// By Prometheus's conventions: with the unit, counters with `_total`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

const TENANT: &[&str] = &["tenant"];
const STREAM: &[&str] = &["tenant", "stream"];
const USER: &[&str] = &["tenant", "user"];
const SINK: &[&str] = &["tenant", "sink"];

/// Declares each metric by a name of its own, and all of them in one table.
macro_rules! metrics {
    ($($id:ident: $kind:ident $name:literal $labels:expr, $help:literal;)*) => {
        $(const $id: Metric = Metric { name: $name, kind: Kind::$kind, labels: $labels, help: $help };)*
        /// Every metric, in the order of the page.
        pub const METRICS: &[Metric] = &[$($id),*];
    };
}

metrics! {
    BUILD: Gauge "webex_collector_build_info" &["version", "component_sha256"], "Always 1: which program and which component.";
    STARTED: Gauge "webex_collector_start_time_seconds" &[], "When the program began, seconds since the epoch.";
    READY: Gauge "webex_collector_ready" TENANT, "1 if data flows, by the rules of /readyz.";
    PROBLEM: Gauge "webex_collector_problem" &["tenant", "severity", "code", "subject"], "1 for each reason why data does not flow (fail), or might not soon (warn).";
    ROUNDS: Counter "webex_collector_rounds_total" &["tenant", "outcome"], "Rounds that ended as they should (done), or failed as a whole (failed).";
    STREAM_UP: Gauge "webex_collector_stream_up" STREAM, "1 if the stream's data flows; absent where it is off.";
    LAG: Gauge "webex_collector_stream_lag_seconds" STREAM, "How far the watermark is behind the clock of Webex.";
    WATERMARK: Gauge "webex_collector_stream_watermark_timestamp_seconds" STREAM, "Everything listed up to here is delivered.";
    FRONTIER: Gauge "webex_collector_stream_frontier_timestamp_seconds" STREAM, "The latest time that was taken up.";
    PENDING: Gauge "webex_collector_stream_pending_intervals" STREAM, "Intervals that are taken up and not drained.";
    LAST_EVENT: Gauge "webex_collector_stream_last_event_timestamp_seconds" STREAM, "When an event was delivered last, over restarts.";
    LISTED: Counter "webex_collector_events_listed_total" STREAM, "Items in the pages that were read.";
    DELIVERED: Counter "webex_collector_events_delivered_total" STREAM, "Events that were delivered.";
    REPEATED: Counter "webex_collector_events_repeated_total" STREAM, "Items dropped because they were delivered before.";
    LATE: Counter "webex_collector_events_late_total" STREAM, "Delivered events that were listed only after their time had been read.";
    ODD: Counter "webex_collector_events_odd_total" STREAM, "Delivered items that are not as documented.";
    GAPS: Counter "webex_collector_gaps_total" STREAM, "Stretches of time that were not and will not be collected.";
    FAILURES: Counter "webex_collector_failures_total" &["tenant", "stream", "code"], "Calls in which the stream could not go on.";
    REQUESTS: Counter "webex_collector_requests_total" &["tenant", "user", "stream"], "HTTP requests to Webex for the stream.";
    RETRIES: Counter "webex_collector_request_retries_total" &["tenant", "user", "stream"], "Requests that were repetitions after a fault.";
    WAITED: Counter "webex_collector_request_wait_seconds_total" &["tenant", "user", "stream"], "Time that requests waited: a pause asked for, a fault, the budget.";
    LIMIT: Gauge "webex_collector_request_limit_per_minute" USER, "Requests that a user may make in a minute.";
    SIGNED_IN: Gauge "webex_collector_user_signed_in" USER, "1 if there are tokens that serve; absent where the user is not configured.";
    EXPIRY: Gauge "webex_collector_token_expiry_timestamp_seconds" &["tenant", "user", "token"], "When the token ends; the access token is refreshed by itself.";
    SINK_UP: Gauge "webex_collector_sink_up" SINK, "1 if the sink takes events.";
    ACKNOWLEDGED: Counter "webex_collector_sink_acknowledged_events_total" SINK, "Events that the sink has for good.";
    REFUSED: Counter "webex_collector_sink_refused_events_total" SINK, "Events that the receiver has refused.";
    WAITING: Gauge "webex_collector_sink_waiting_events" SINK, "Events in the spool that the sink has not got, by whole batches.";
    DEAD: Gauge "webex_collector_sink_dead_letters" SINK, "Refused events that are kept.";
    LAST_ACKNOWLEDGED: Gauge "webex_collector_sink_last_acknowledged_timestamp_seconds" SINK, "When the sink has taken something last.";
    SPOOL: Gauge "webex_collector_spool_bytes" TENANT, "What waits on the disk; absent where one file is written directly.";
    SPOOL_LIMIT: Gauge "webex_collector_spool_limit_bytes" TENANT, "How much may wait there; then collecting pauses.";
    RESIDENT: Gauge "process_resident_memory_bytes" &[], "Memory of this process.";
    FILES: Gauge "process_open_fds" &[], "Open files of this process.";
    CPU: Counter "process_cpu_seconds_total" &[], "CPU time of this process, of user and system.";
    PROCESS_START: Gauge "process_start_time_seconds" &[], "When this process began, seconds since the epoch.";
}

pub(super) async fn metrics(State(served): State<Served>) -> Response {
    match text(&served.desk.board().view()) {
        Ok(text) => ([(CONTENT_TYPE, TextEncoder::new().format_type().to_owned())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The picture as text.
///
/// # Errors
/// None is known; the encoder of the library has a way to fail.
pub fn text(view: &View) -> Result<String, prometheus::Error> {
    let mut samples = Samples::default();
    samples.of_program(view);
    for tenant in &view.tenants {
        samples.of_tenant(tenant, view);
    }
    TextEncoder::new().encode_to_string(&samples.families())
}

/// Samples by metric.
#[derive(Default)]
struct Samples(Vec<(Metric, Sample)>);

impl Samples {
    fn add(&mut self, metric: Metric, labels: &[&str], value: f64) {
        let pair = |(name, value): (&&str, &&str)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        };
        debug_assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
        let mut sample = Sample::from_label(metric.labels.iter().zip(labels).map(pair).collect());
        match metric.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                sample.set_counter(counter);
            }
            Kind::Gauge => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                sample.set_gauge(gauge);
            }
        }
        self.0.push((metric, sample));
    }

    fn families(self) -> Vec<MetricFamily> {
        let mut families = Vec::new();
        for metric in METRICS {
            let samples: Vec<Sample> =
                self.0.iter().filter(|(known, _)| known == metric).map(|(_, sample)| sample.clone()).collect();
            if samples.is_empty() {
                continue;
            }
            let mut family = MetricFamily::default();
            family.set_name(metric.name.to_owned());
            family.set_help(metric.help.to_owned());
            family.set_field_type(match metric.kind {
                Kind::Counter => MetricType::COUNTER,
                Kind::Gauge => MetricType::GAUGE,
            });
            family.set_metric(samples);
            families.push(family);
        }
        families
    }

    fn of_program(&mut self, view: &View) {
        self.add(BUILD, &[env!("CARGO_PKG_VERSION"), crate::COMPONENT_SHA256], 1.0);
        self.add(STARTED, &[], seconds(view.started));
        self.add(PROCESS_START, &[], seconds(view.started));
        for problem in &view.problems {
            self.add(PROBLEM, &["", severity(problem.severity), &problem.code, "collector"], 1.0);
        }
        let process = Process::now();
        for (metric, value) in [(RESIDENT, process.resident), (FILES, process.files), (CPU, process.cpu)] {
            if let Some(value) = value {
                self.add(metric, &[], value);
            }
        }
    }

    fn of_tenant(&mut self, tenant: &TenantView, view: &View) {
        let name = tenant.name.as_deref().unwrap_or_default();
        let is_ready = !matches!(tenant.light, Light::Fail | Light::Waiting)
            && view.problems.iter().all(|problem| problem.severity != Severity::Fail);
        self.add(READY, &[name], f64::from(u8::from(is_ready)));
        let mut told = std::collections::BTreeSet::new();
        for problem in &tenant.problems {
            let subject = subject(&problem.subject);
            // The same may be said twice, as by the plugin and by the host.
            if told.insert((problem.severity, problem.code.as_str(), subject)) {
                self.add(PROBLEM, &[name, severity(problem.severity), &problem.code, subject], 1.0);
            }
        }
        self.add(ROUNDS, &[name, "done"], number(tenant.rounds.done));
        self.add(ROUNDS, &[name, "failed"], number(tenant.rounds.failed));
        tenant
            .streams
            .iter()
            .filter(|stream| stream.light != Light::Off)
            .for_each(|stream| self.of_stream(name, stream));
        tenant.users.iter().filter(|user| user.configured).for_each(|user| self.of_user(name, user));
        tenant.sinks.iter().for_each(|sink| self.of_sink(name, sink));
        if let Some(spool) = tenant.spool {
            self.add(SPOOL, &[name], number(spool.bytes));
            self.add(SPOOL_LIMIT, &[name], number(spool.limit));
        }
    }

    fn of_stream(&mut self, tenant: &str, stream: &StreamView) {
        let labels = [tenant, stream.name.as_str()];
        let counts = &stream.counts;
        self.add(STREAM_UP, &labels, f64::from(u8::from(matches!(stream.light, Light::Ok | Light::Warn))));
        let times = [
            (LAG, stream.lag_ms.map(|lag| number(lag) / 1_000.0)),
            (WATERMARK, stream.watermark.map(seconds)),
            (FRONTIER, stream.frontier.map(seconds)),
            (LAST_EVENT, stream.last_event.map(seconds)),
        ];
        for (metric, value) in times {
            if let Some(value) = value {
                self.add(metric, &labels, value);
            }
        }
        self.add(PENDING, &labels, stream.backlog.map_or(0.0, |backlog| f64::from(backlog.intervals)));
        for (metric, count) in [
            (LISTED, counts.listed),
            (DELIVERED, counts.delivered),
            (REPEATED, counts.repeated),
            (LATE, counts.late),
            (ODD, counts.odd),
            (GAPS, counts.gaps),
        ] {
            self.add(metric, &labels, number(count));
        }
        for (code, count) in &counts.failures {
            self.add(FAILURES, &[tenant, &stream.name, code], number(*count));
        }
        let labels = [tenant, stream.user.as_str(), stream.name.as_str()];
        self.add(REQUESTS, &labels, number(counts.requests));
        self.add(RETRIES, &labels, number(counts.retries));
        self.add(WAITED, &labels, number(counts.waited_ms) / 1_000.0);
    }

    fn of_user(&mut self, tenant: &str, user: &UserView) {
        let labels = [tenant, user.name.as_str()];
        self.add(SIGNED_IN, &labels, f64::from(u8::from(user.signed_in)));
        self.add(LIMIT, &labels, number(user.request_limit));
        for (token, life) in [("access", user.access), ("refresh", user.refresh)] {
            if let Some(life) = life {
                self.add(EXPIRY, &[tenant, &user.name, token], seconds(life.expires));
            }
        }
    }

    fn of_sink(&mut self, tenant: &str, sink: &SinkView) {
        match sink {
            SinkView::Direct { name, delivered, last, .. } => {
                let labels = [tenant, name.as_str()];
                self.add(SINK_UP, &labels, 1.0);
                self.add(ACKNOWLEDGED, &labels, number(*delivered));
                if let Some(last) = last {
                    self.add(LAST_ACKNOWLEDGED, &labels, seconds(*last));
                }
            }
            SinkView::Spooled { standing, .. } => {
                let labels = [tenant, standing.name.as_str()];
                self.add(SINK_UP, &labels, f64::from(u8::from(standing.trouble().is_none())));
                self.add(ACKNOWLEDGED, &labels, number(standing.acknowledged));
                self.add(REFUSED, &labels, number(standing.refused));
                self.add(WAITING, &labels, number(standing.waiting));
                self.add(DEAD, &labels, number(standing.dead_letters));
                if let Some(last) = standing.last_acknowledged {
                    self.add(LAST_ACKNOWLEDGED, &labels, seconds(last));
                }
            }
        }
    }
}

/// Counts below 2^53 are exact, and none comes near.
fn number(count: u64) -> f64 {
    count as f64
}

fn seconds(millis: i64) -> f64 {
    millis as f64 / 1_000.0
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Warn => "warn",
        Severity::Fail => "fail",
    }
}

fn subject(subject: &Subject) -> &str {
    match subject {
        Subject::Collector => "collector",
        Subject::Stream(name) | Subject::User(name) | Subject::Sink(name) => name,
    }
}
