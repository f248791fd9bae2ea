//! What the sandbox costs: the time guard and the policy check, as shares of a cycle's CPU.
//!
//! `cargo bench -p webex-collector --bench sandbox`. One thread and a server in the process, so that time is CPU time; the two ways
//! take turns, so that what else the machine does meets both.

use std::error::Error;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use host_harness::net::{Answer, InProcess, Policy, WasiBody};
use host_harness::runtime::{Bundle, Clock, FetchRequest, Random, Runtime, Tenant};
use host_harness::secrets::Secret;
use http::{HeaderMap, Method, Uri};
use http_body_util::{BodyExt, Full};

/// 2026-02-11T20:00:00Z, and the same as `Date`.
const NOW: i64 = 1_770_840_000_000;
const DATE: &str = "Wed, 11 Feb 2026 20:00:00 GMT";
/// Items of about a kilobyte in each of the three pages of a cycle.
const ITEMS: usize = 1_000;
/// Times that each way is measured.
const ROUNDS: usize = 41;
/// Checks that are timed at once.
const CHECKS: u32 = 100_000;

/// One full page for each stream, and tokens.
struct Canned([Bytes; 2]);

impl Canned {
    fn new() -> Self {
        let filler = "Lorem ipsum dolor sit amet, consectetur. ".repeat(20);
        let item = |number: usize| {
            let second = number % 60;
            format!(
                r#"{{"id":"id-{number}","resource":"messages","type":"created","actorId":"actor","created":"2026-02-11T19:59:{second:02}.000Z","data":{{"roomType":"group","text":"{filler}"}}}}"#
            )
        };
        let items: Vec<String> = (0..ITEMS).map(item).collect();
        let page = format!(r#"{{"items":[{}]}}"#, items.join(","));
        let tokens = r#"{"access_token":"fake-access-token-of-the-bench","expires_in":1209599,"refresh_token":"fake-refresh-token-of-the-bench","refresh_token_expires_in":7775999}"#;
        Self([page.into(), tokens.into()])
    }
}

impl InProcess for Canned {
    fn answer(&self, request: http::Request<WasiBody>) -> Answer {
        let [page, tokens] = &self.0;
        let body = if request.uri().path().ends_with("access_token") { tokens } else { page }.clone();
        Box::pin(async move {
            let body: WasiBody = Full::new(body).map_err(|never| match never {}).boxed_unsync();
            let mut answer = http::Response::new(body);
            answer.headers_mut().insert("date", http::HeaderValue::from_static(DATE));
            Ok(answer)
        })
    }
}

async fn tenant(runtime: &Runtime, server: &Arc<Canned>) -> Result<Tenant, Box<dyn Error>> {
    let settings = [
        ("base_url", "https://webexapis.com"),
        ("admin_credentials", "C1"),
        ("compliance_officer_credentials", "C2"),
        ("admin_org_id", "org"),
        ("fetch_security_audit_events", "true"),
        ("first_fetch", "5m"),
        ("max_fetch", "5000"),
    ];
    let secrets = [
        ("admin_credentials", "fake-secret-one"),
        ("compliance_officer_credentials", "fake-secret-two"),
        ("admin_refresh_token", "fake-refresh-token-of-the-bench"),
        ("compliance_officer_refresh_token", "fake-refresh-token-of-the-bench"),
    ];
    let plugin = runtime.load(host_harness::COMPONENT)?;
    let secrets = secrets.map(|(name, value)| (name, Secret::from(value)));
    let tenant = plugin.tenant().settings(settings).origin_setting("base_url").configured_secrets(secrets);
    let server: Arc<dyn InProcess> = Arc::<Canned>::clone(server);
    Ok(tenant.clock(Clock::at(NOW)).random(Random::Seeded(7)).in_process(server).open().await?)
}

/// One cycle from nothing; how long it took, and how many events and requests it had.
async fn cycle(tenant: &Tenant) -> Result<(Duration, usize, u64), Box<dyn Error>> {
    let request =
        FetchRequest { streams: Vec::new(), max_events: None, max_bytes: None, budget_ms: None, re_read: None };
    let began = Instant::now();
    let batch = tenant.fetch_events(None, &request).await?.map_err(|failure| failure.message)?;
    let took = began.elapsed();
    Ok((took, Bundle::count(&batch.events), batch.reports.iter().map(|report| report.requests).sum()))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The median time of a check of a request as the plugin makes it.
fn check() -> Result<Duration, Box<dyn Error>> {
    let policy = Policy::allow(["https://webexapis.com"]);
    let uri: Uri = "https://webexapis.com/v1/events?from=2026-02-11T19%3A55%3A00.000Z&max=1000".parse()?;
    let mut headers = HeaderMap::new();
    for (name, value) in [("accept", "application/json"), ("user-agent", "x/1"), ("authorization", "Bearer fake")] {
        headers.insert(name, http::HeaderValue::from_static(value));
    }
    let time = || {
        let began = Instant::now();
        for _ in 0..CHECKS {
            black_box(policy.judge(&Method::GET, black_box(&uri), black_box(&headers)).is_ok());
        }
        began.elapsed() / CHECKS
    };
    Ok(median((0..ROUNDS).map(|_| time()).collect()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    threads.block_on(async {
        let server = Arc::new(Canned::new());
        let guarded = tenant(&Runtime::new()?, &server).await?;
        let unguarded = tenant(&Runtime::without_time_guard()?, &server).await?;
        let (mut with, mut without) = (Vec::new(), Vec::new());
        let (mut events, mut requests) = (0, 0);
        for _ in 0..ROUNDS {
            let (took, found, asked) = cycle(&guarded).await?;
            with.push(took);
            (events, requests) = (found, asked);
            without.push(cycle(&unguarded).await?.0);
        }
        let (with, without, check) = (median(with), median(without), check()?);
        let checks = check * u32::try_from(requests)?;
        let events_in_all = u32::try_from(events.max(1))?;
        println!("a cycle of {events} events of about 1 KB and {requests} requests; medians of {ROUNDS} rounds");
        println!("with the time guard     {with:>10.1?}  {:>8.2?} an event", with / events_in_all);
        println!("without                 {without:>10.1?}  {:>8.2?} an event", without / events_in_all);
        println!("the guard costs         {:>9.1} %", 100.0 * (with.as_secs_f64() / without.as_secs_f64() - 1.0));
        println!("a policy check          {check:>10.0?}");
        println!("all checks of a cycle   {:>9.3} %", 100.0 * checks.as_secs_f64() / with.as_secs_f64());
        Ok(())
    })
}
