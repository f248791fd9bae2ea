//! A stand-in for the Logs Ingestion API of Azure Monitor and for Microsoft Entra. Its rules, by their numbers, are from
//!
//! - A: <https://learn.microsoft.com/azure/azure-monitor/logs/logs-ingestion-api-overview>, "REST API call"
//! - B: <https://learn.microsoft.com/azure/azure-monitor/fundamentals/service-limits#logs-ingestion-api>
//! - C: <https://learn.microsoft.com/azure/azure-monitor/logs/tutorial-logs-ingestion-code>, the script and "Troubleshooting"
//! - D: <https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow>
//!
//! and the words of a refusal for size from JulianHayward/AzADServicePrincipalInsights issue 30, where the service said them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use bytes::Bytes;
use host_harness::sink::Event;
use host_harness::sink::SendError;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::conformance::{Arrived, Fault, Place, Receiver, conforms, event};
use crate::http_receiver::{Asked, HttpReceiver, Protocol, Take, status};
use crate::plain_client::{ask, but};

const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const CLIENT: &str = "22222222-2222-2222-2222-222222222222";
const SECRET: &str = "fake-azure-client-secret";
const RULE: &str = "dcr-33333333333333333333333333333333";
const STREAM: &str = "Custom-Webex_CL";
const LARGEST_CALL: usize = 1_048_576;
const LARGEST_FIELD: usize = 65_536;

#[derive(Default)]
struct Azure {
    refused: Mutex<BTreeSet<String>>,
    arrived: Mutex<Vec<Arrived>>,
    /// How many tokens were given; the last one is taken.
    tokens: Mutex<usize>,
    /// No token is taken any more, and none is given.
    is_revoked: Mutex<bool>,
}

fn error(status: StatusCode, code: &str, message: &str) -> Response<Full<Bytes>> {
    let body = json!({"error": {"code": code, "message": message}}).to_string();
    self::status(status, &[("content-type", "application/json")], &body)
}

impl Azure {
    fn token(&self) -> String {
        format!("fake-azure-token-{}", self.tokens.lock().unwrap())
    }

    /// Microsoft Entra.
    fn grant(&self, asked: &Asked) -> Response<Full<Bytes>> {
        let refuse = |status: StatusCode, error: &str, description: &str| {
            let body = json!({"error": error, "error_description": description, "error_codes": []}).to_string();
            self::status(status, &[("content-type", "application/json")], &body)
        };
        // 8 (D): a form is posted, not compressed.
        let header = |name: &str| asked.headers.get(name).map(|value| value.to_str().unwrap());
        if asked.method != Method::POST || header("content-type") != Some("application/x-www-form-urlencoded") {
            return refuse(StatusCode::BAD_REQUEST, "invalid_request", "AADSTS900144: no form");
        }
        if header("content-encoding").is_some() {
            return refuse(StatusCode::BAD_REQUEST, "invalid_request", "AADSTS900144: compressed");
        }
        let form: BTreeMap<String, String> = form_urlencoded::parse(&asked.body).into_owned().collect();
        let field = |name: &str| form.get(name).map(String::as_str);
        // 9 (D): grant type, scope, application and secret are right.
        if field("grant_type") != Some("client_credentials") {
            return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", "AADSTS70003");
        }
        if field("scope") != Some("https://monitor.azure.com/.default") {
            return refuse(StatusCode::BAD_REQUEST, "invalid_scope", "AADSTS1002012");
        }
        if field("client_id") != Some(CLIENT) {
            return refuse(StatusCode::BAD_REQUEST, "unauthorized_client", "AADSTS700016");
        }
        if field("client_secret") != Some(SECRET) || *self.is_revoked.lock().unwrap() {
            return refuse(StatusCode::UNAUTHORIZED, "invalid_client", "AADSTS7000215: Invalid client secret provided");
        }
        *self.tokens.lock().unwrap() += 1;
        let body = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": self.token()}).to_string();
        status(StatusCode::OK, &[("content-type", "application/json")], &body)
    }

    fn rows(&self, asked: &Asked) -> Result<Vec<Value>, Response<Full<Bytes>>> {
        let header = |name: &str| asked.headers.get(name).map(|value| value.to_str().unwrap());
        // 1 (A): POST to the rule's stream, with a version of the API.
        let path: Vec<&str> = asked.uri.path().split('/').collect();
        if asked.method != Method::POST || path[3] != "streams" || path.len() != 5 {
            return Err(error(StatusCode::NOT_FOUND, "NotFound", "no such resource"));
        }
        if asked.uri.query() != Some("api-version=2023-01-01") {
            return Err(error(StatusCode::BAD_REQUEST, "InvalidApiVersion", "api-version"));
        }
        // 2 (A): a bearer token, from Microsoft Entra.
        let bearer = format!("Bearer {}", self.token());
        if header("authorization") != Some(&bearer) || *self.is_revoked.lock().unwrap() {
            return Err(error(StatusCode::UNAUTHORIZED, "InvalidToken", "the token is not valid"));
        }
        // 3 (A): JSON.
        if header("content-type") != Some("application/json") {
            return Err(error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", "JSON"));
        }
        // 4 (B): 1 MB a call, before and after it is compressed.
        let length = asked.body.len();
        if length > LARGEST_CALL {
            let message = format!(
                "Maximum allowed content length: {LARGEST_CALL} bytes (1 MB). Provided content length: {length} bytes."
            );
            return Err(error(StatusCode::PAYLOAD_TOO_LARGE, "ContentLengthLimitExceeded", &message));
        }
        // 5 (A): the rule and its stream are there.
        if path[2] != RULE {
            return Err(error(StatusCode::NOT_FOUND, "NotFound", "Data collection rule not found"));
        }
        if path[4] != STREAM {
            return Err(error(StatusCode::BAD_REQUEST, "InvalidStream", "the stream was not configured in the rule"));
        }
        // 6 (A): an array of objects, in UTF-8.
        let rows: Vec<serde_json::Map<String, Value>> = serde_json::from_slice(&asked.body)
            .map_err(|_| error(StatusCode::BAD_REQUEST, "InvalidPayload", "an array of objects"))?;
        Ok(rows.into_iter().map(Value::Object).collect())
    }

    /// 7 (B): what a column's value has over 64 KB is cut, without a word.
    fn store(row: Value, acknowledged: bool) -> Arrived {
        chrono::DateTime::parse_from_rfc3339(row["TimeGenerated"].as_str().unwrap()).unwrap();
        let mut body = row["Data"].to_string();
        if body.len() > LARGEST_FIELD {
            body.truncate(LARGEST_FIELD);
        }
        Arrived { id: row["EventId"].as_str().unwrap().to_owned(), body, acknowledged }
    }
}

impl Protocol for Azure {
    fn delivers(&self, asked: &Asked) -> bool {
        asked.uri.path().starts_with("/dataCollectionRules/")
    }

    fn answer(&self, asked: &Asked, take: Take) -> Response<Full<Bytes>> {
        if asked.uri.path() == format!("/{TENANT}/oauth2/v2.0/token") {
            return self.grant(asked);
        }
        if !self.delivers(asked) {
            return error(StatusCode::NOT_FOUND, "NotFound", "");
        }
        let rows = match self.rows(asked) {
            Ok(rows) => rows,
            Err(answer) => return answer,
        };
        let refused = self.refused.lock().unwrap();
        if rows.iter().any(|row| row["EventId"].as_str().is_some_and(|id| refused.contains(id))) {
            return error(StatusCode::BAD_REQUEST, "InvalidPayload", "a row cannot be taken");
        }
        let count = if take == Take::Half { rows.len() / 2 } else { rows.len() };
        let arrived = rows.into_iter().take(count).map(|row| Self::store(row, take == Take::All));
        self.arrived.lock().unwrap().extend(arrived);
        // 10 (C): 204 acknowledges.
        status(StatusCode::NO_CONTENT, &[], "")
    }

    /// B: 429 with `Retry-After`.
    fn busy(&self) -> Response<Full<Bytes>> {
        status(StatusCode::TOO_MANY_REQUESTS, &[("retry-after", "1")], "")
    }
}

struct Sentinel(HttpReceiver<Azure>);

impl Sentinel {
    async fn start() -> Self {
        Self(HttpReceiver::start(Azure::default()).await)
    }

    fn azure(&self) -> &Azure {
        &self.0.protocol
    }
}

impl Receiver for Sentinel {
    fn table(&self) -> String {
        let url = self.0.url();
        format!(
            "type = \"sentinel\"\nurl = \"{url}\"\nauthority = \"{url}\"\ndcr_id = \"{RULE}\"\ndcr_stream = \"{STREAM}\"\n\
             tenant_id = \"{TENANT}\"\nclient_id = \"{CLIENT}\"\nclient_secret = \"{SECRET}\""
        )
    }

    fn misbehave(&self, fault: Fault, requests: usize) -> bool {
        self.0.misbehave(fault, requests);
        true
    }

    fn refuse(&self, id: &str) -> bool {
        self.azure().refused.lock().unwrap().insert(id.to_owned())
    }

    fn arrived(&self) -> Vec<Arrived> {
        self.azure().arrived.lock().unwrap().clone()
    }

    fn knows_ids(&self) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinel_conforms() {
    conforms(Sentinel::start).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_serves_many_calls_and_one_that_is_refused_is_replaced_once() {
    let receiver = Sentinel::start().await;
    let place = Place::new(&receiver);
    place.store(0..5_000);
    place.deliver().await;
    assert_eq!(*receiver.azure().tokens.lock().unwrap(), 1);
    // Another token is the right one now: the one in hand is refused.
    let sink = place.sink();
    assert!(sink.send(&[event(1)]).await.is_ok());
    *receiver.azure().tokens.lock().unwrap() = 100;
    assert!(sink.send(&[event(2)]).await.is_ok());
    assert_eq!(*receiver.azure().tokens.lock().unwrap(), 101);
    *receiver.azure().is_revoked.lock().unwrap() = true;
    let error = sink.send(&[event(3)]).await.unwrap_err();
    assert!(matches!(error, SendError::Closed { .. }), "{error:?}");
    assert!(error.to_string().contains("AADSTS7000215") && !error.to_string().contains(SECRET), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_azure_would_cut_becomes_a_dead_letter_and_others_go_on() {
    let receiver = Sentinel::start().await;
    let place = Place::new(&receiver);
    let large = |bytes: usize| {
        let body = format!("{{\"id\":\"large-{bytes}\",\"text\":\"{}\"}}", "x".repeat(bytes));
        Event { id: format!("large-{bytes}"), body, ..event(0) }
    };
    place.put(&[event(1), large(70_000), large(63_000), event(2)]);
    place.deliver().await;
    let arrived: Vec<String> = receiver.arrived().into_iter().map(|arrived| arrived.id).collect();
    assert_eq!(arrived, ["event-00001", "large-63000", "event-00002"]);
    let letters = place.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].0, "large-70000");
    // Whoever wants them cut says so.
    let cutting = Place::with(&format!("{}\ncut_large = true", receiver.table()));
    cutting.put(&[large(70_000), large(LARGEST_CALL)]);
    cutting.deliver().await;
    assert_eq!(receiver.arrived().last().unwrap().body.len(), LARGEST_FIELD);
    assert_eq!(cutting.dead_letters()[0].0, format!("large-{LARGEST_CALL}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sends_that_are_larger_than_a_call_go_in_parts() {
    let receiver = Sentinel::start().await;
    let place = Place::with(&format!("{}\nmax_bytes = \"8MiB\"\nmax_events = 10000", receiver.table()));
    let body = format!("{{\"text\":\"{}\"}}", "x".repeat(50_000));
    let events: Vec<Event> = (0..60).map(|number| Event { body: body.clone(), ..event(number) }).collect();
    place.put(&events);
    place.deliver().await;
    assert_eq!(receiver.arrived().len(), 60);
    assert_eq!(place.dead_letters(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_names_what_is_wrong_and_leaves_nothing() {
    let receiver = Sentinel::start().await;
    let table = receiver.table();
    assert!(Place::with(&table).sink().probe().await.is_ok());
    for (right, wrong, told) in [
        (SECRET, "fake-other-secret", "client_secret"),
        (CLIENT, "other", "client_id"),
        (TENANT, "other", "tenant_id"),
        (RULE, "dcr-other", "dcr_id"),
        (STREAM, "Custom-Other", "dcr_stream"),
    ] {
        let error = Place::with(&table.replace(right, wrong)).sink().probe().await.unwrap_err();
        assert!(matches!(error, SendError::Closed { .. }), "{error:?}");
        assert!(error.to_string().contains(told), "{error}");
    }
    assert!(receiver.arrived().is_empty());
}

#[tokio::test]
async fn the_stand_in_refuses_what_azure_refuses() {
    let receiver = Sentinel::start().await;
    let url = receiver.0.url();
    // 8, 9
    let token_url = format!("{url}/{TENANT}/oauth2/v2.0/token");
    let form = format!(
        "grant_type=client_credentials&client_id={CLIENT}&client_secret={SECRET}&scope=https%3A%2F%2Fmonitor.azure.com%2F.default"
    );
    let form_type = [("content-type", "application/x-www-form-urlencoded")];
    let token = async |url: &str, headers: &[(&str, &str)], form: String| {
        ask(Method::POST, url, headers, form).await.0.as_u16()
    };
    assert_eq!(token(&token_url, &[], form.clone()).await, 400);
    for (right, wrong, status) in [
        ("client_credentials", "password", 400),
        (CLIENT, "other", 400),
        (SECRET, "other", 401),
        ("monitor.azure.com", "management.azure.com", 400),
    ] {
        assert_eq!(token(&token_url, &form_type, form.replace(right, wrong)).await, status, "{right}");
    }
    assert_eq!(token(&token_url.replace(TENANT, "other"), &form_type, form.clone()).await, 404);
    assert_eq!(token(&token_url, &form_type, form).await, 200);

    let right_url = format!("{url}/dataCollectionRules/{RULE}/streams/{STREAM}?api-version=2023-01-01");
    let bearer = format!("Bearer {}", receiver.azure().token());
    let right = [("authorization", &*bearer), ("content-type", "application/json")];
    let row = r#"[{"TimeGenerated":"2025-11-28T03:20:00Z","EventId":"a","Data":{}}]"#;
    let post = async |url: &str, headers: &[(&str, &str)], body: String| {
        ask(Method::POST, url, headers, body).await.0.as_u16()
    };
    assert_eq!(post(&right_url, &right, row.into()).await, 204);
    // 1
    assert_eq!(ask(Method::PUT, &right_url, &right, row).await.0, 404);
    assert_eq!(post(&right_url.replace("2023-01-01", "2021"), &right, row.into()).await, 400);
    // 2
    assert_eq!(post(&right_url, &but(&right, "authorization", None), row.into()).await, 401);
    assert_eq!(post(&right_url, &but(&right, "authorization", Some("Bearer old")), row.into()).await, 401);
    // 3
    assert_eq!(post(&right_url, &but(&right, "content-type", None), row.into()).await, 415);
    // 4
    let large = row.replace("{}", &format!("\"{}\"", "x".repeat(LARGEST_CALL)));
    assert_eq!(post(&right_url, &right, large).await, 413);
    // 5
    assert_eq!(post(&right_url.replace(RULE, "dcr-other"), &right, row.into()).await, 404);
    assert_eq!(post(&right_url.replace(STREAM, "Custom-Other"), &right, row.into()).await, 400);
    // 6
    for body in ["{}", "[1]", "[{}]\n[{}]", "["] {
        assert_eq!(post(&right_url, &right, body.into()).await, 400, "{body}");
    }
}
