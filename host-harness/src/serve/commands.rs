//! The plugin's commands for playbooks: `GET /commands`, `POST /commands/{name}` with a JSON object of arguments.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Served;
use super::desk::{DeskError, Ran};
use crate::config::nearest;
use crate::redaction;
use crate::runtime::listed::as_json;
use crate::runtime::{Argument, ArgumentKind, Command, Failure, Retry, time};

/// Up to here each whole number is one as a float: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Whose command it is.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    pub(super) tenant: Option<String>,
}

/// An answer that is no success: status, and what the body says.
struct Refused {
    status: StatusCode,
    kind: String,
    message: String,
    more: Value,
    retry_after: Option<u64>,
}

impl Refused {
    fn new(status: StatusCode, kind: &str, message: impl Into<String>) -> Self {
        Self { status, kind: kind.to_owned(), message: message.into(), more: Value::Null, retry_after: None }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut error = Map::new();
        error.insert("kind".to_owned(), self.kind.into());
        error.insert("message".to_owned(), redaction::clean(&self.message).into());
        if let Value::Object(more) = self.more {
            error.extend(more);
        }
        let mut response = (self.status, Json(json!({"error": error}))).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Every command, as the plugin lists it.
pub(super) async fn list(State(served): State<Served>) -> Response {
    let commands: Vec<Value> = served.desk.commands().iter().map(as_json).collect();
    Json(json!({ "commands": commands })).into_response()
}

/// Runs one.
pub(super) async fn run(
    State(served): State<Served>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    match answer(&served, &name, asked.tenant.as_deref(), &headers, &body).await {
        Ok(ran) => {
            // The plugin promises an object; a defect of it must not break the answer.
            let outputs: Value = serde_json::from_str(&ran.outputs).unwrap_or_else(|_| json!({}));
            Json(json!({"readable": ran.readable, "outputs": outputs, "delivered": ran.delivered})).into_response()
        }
        Err(refused) => refused.into_response(),
    }
}

async fn answer(
    served: &Served,
    name: &str,
    tenant: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Ran, Refused> {
    let commands = served.desk.commands();
    let command = commands.iter().find(|command| command.name == name).ok_or_else(|| {
        let hint = nearest::hint(name, commands.iter().map(|command| command.name.as_str()));
        Refused::new(StatusCode::NOT_FOUND, "unknown-command", format!("the plugin has no command of that name{hint}"))
    })?;
    // A form of another page can send other kinds without asking first; this one it cannot.
    let is_json = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).is_some_and(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    });
    if !is_json && !body.is_empty() {
        let message = "the arguments are a JSON object; send it with `Content-Type: application/json`";
        return Err(Refused::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not-json", message));
    }
    let given: Value = if body.is_empty() {
        json!({})
    } else {
        let unreadable = |_| Refused::new(StatusCode::BAD_REQUEST, "not-json", "the body is not JSON");
        serde_json::from_slice(body).map_err(unreadable)?
    };
    let arguments = arguments(command, &given)
        .map_err(|message| Refused::new(StatusCode::BAD_REQUEST, "invalid-argument", message))?;
    served.desk.run(tenant, name, &arguments).await.map_err(|error| refused(&error, served.desk.board().now()))
}

/// What the plugin takes: texts by name.
fn arguments(command: &Command, given: &Value) -> Result<Vec<(String, String)>, String> {
    let Value::Object(given) = given else { return Err("the arguments are a JSON object, name by name".to_owned()) };
    let known = || command.arguments.iter().map(|argument| argument.name.as_str());
    if let Some(name) = given.keys().find(|name| !known().any(|known| known == *name)) {
        return Err(format!("`{}` has no argument of that name{}", command.name, nearest::hint(name, known())));
    }
    let mut texts = Vec::new();
    for argument in &command.arguments {
        match given.get(&argument.name) {
            None if argument.required => return Err(format!("the argument `{}` is needed", argument.name)),
            None => {}
            Some(value) => {
                let text = text(argument, value)
                    .ok_or_else(|| format!("the argument `{}` must be {}", argument.name, in_words(argument)))?;
                if argument.secret {
                    redaction::learn(&text.as_str().into());
                }
                texts.push((argument.name.clone(), text));
            }
        }
    }
    Ok(texts)
}

fn text(argument: &Argument, value: &Value) -> Option<String> {
    match (argument.kind, value) {
        (ArgumentKind::Integer, Value::Number(number)) => whole(number).map(|number| number.to_string()),
        (ArgumentKind::Boolean, Value::Bool(value)) => Some(value.to_string()),
        // Names that older playbooks use are the plugin's to know.
        (ArgumentKind::Text | ArgumentKind::Timestamp | ArgumentKind::Choice, Value::String(text)) => {
            Some(text.clone())
        }
        _ => None,
    }
}

/// `5.0` is a whole number, too (JSON Schema, section 4.2.3).
fn whole(number: &serde_json::Number) -> Option<u64> {
    let of_float = |float: f64| {
        let is_whole = float.fract() == 0.0 && (0.0..=EXACT).contains(&float);
        // In these bounds nothing is cut off.
        is_whole.then_some(float as u64)
    };
    number.as_u64().or_else(|| of_float(number.as_f64()?))
}

fn in_words(argument: &Argument) -> String {
    match argument.kind {
        ArgumentKind::Text => "a text".to_owned(),
        ArgumentKind::Integer => "a whole number, 0 or more".to_owned(),
        ArgumentKind::Boolean => "true or false".to_owned(),
        ArgumentKind::Timestamp => "a time as text, as \"2026-01-31T10:00:00Z\"".to_owned(),
        ArgumentKind::Choice => format!("one of {}", argument.choices.join(", ")),
    }
}

fn refused(error: &DeskError, now: i64) -> Refused {
    let message = crate::log::plain(&error.to_string());
    let of = |status, kind: &str| Refused::new(status, kind, message.clone());
    match error {
        DeskError::NoTenant(_) => of(StatusCode::NOT_FOUND, "unknown-tenant"),
        DeskError::TenantNeeded => of(StatusCode::BAD_REQUEST, "tenant-needed"),
        DeskError::NoNames => of(StatusCode::BAD_REQUEST, "unknown-tenant"),
        DeskError::Tenant(_) => of(StatusCode::CONFLICT, "tenant-unusable"),
        DeskError::Runtime(_) => of(StatusCode::BAD_GATEWAY, "call-broke-off"),
        DeskError::Undelivered(_) => of(StatusCode::INTERNAL_SERVER_ERROR, "undelivered"),
        DeskError::NotCollecting => {
            Refused { retry_after: Some(5), ..of(StatusCode::SERVICE_UNAVAILABLE, "not-collecting") }
        }
        DeskError::Stopping => of(StatusCode::SERVICE_UNAVAILABLE, "stopped"),
        DeskError::Failed(failure) => failed(failure, now),
    }
}

/// A failure of the plugin: its code is the kind, and decides the status.
fn failed(failure: &Failure, now: i64) -> Refused {
    let status = match failure.code.as_str() {
        "invalid-argument" => StatusCode::UNPROCESSABLE_ENTITY,
        "refused" | "denied-by-host" => StatusCode::FORBIDDEN,
        "rate-limited" => StatusCode::TOO_MANY_REQUESTS,
        "unavailable" | "deadline" | "stopped" => StatusCode::SERVICE_UNAVAILABLE,
        "not-understood" => StatusCode::BAD_GATEWAY,
        // Sign-in, settings, secrets: somebody changes something here first.
        _ => StatusCode::CONFLICT,
    };
    let (when, at) = match failure.retry {
        Retry::Never => ("never", None),
        Retry::At(at) => ("at", Some(at)),
        Retry::AfterSignIn => ("after-sign-in", None),
        Retry::AfterAChange => ("after-a-change", None),
    };
    let more = json!({
        "remedy": failure.remedy,
        "user": failure.user,
        "stream": failure.stream,
        "tracking_id": failure.tracking_id,
        "retry": {"when": when, "at": at.map(time)},
    });
    let retry_after = at.map(|at| u64::try_from(at.saturating_sub(now)).unwrap_or(0).div_ceil(1_000).max(1));
    Refused { status, kind: failure.code.clone(), message: failure.message.clone(), more, retry_after }
}
