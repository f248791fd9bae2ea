//! `/healthz`: the process lives. `/readyz`: data flows, or why not.

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Served;
use crate::board::view::{Light, Problem, Severity, Subject, View};

/// Whose readiness.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    tenant: Option<String>,
}

pub(super) async fn healthz() -> Response {
    Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})).into_response()
}

pub(super) async fn readyz(State(served): State<Served>, Query(asked): Query<Asked>, headers: HeaderMap) -> Response {
    let view = served.desk.board().view();
    // Whoever has no token learns that something fails, and what it is called.
    let in_full = served.access.token(&headers).is_ok();
    let tenant = asked.tenant.as_deref().filter(|name| !name.is_empty());
    if tenant.is_some_and(|name| !view.tenants.iter().any(|known| known.name.as_deref() == Some(name))) {
        let error = json!({"ready": false, "reasons": [{"code": "unknown-tenant"}], "warnings": []});
        return (StatusCode::NOT_FOUND, Json(error)).into_response();
    }
    let (is_ready, body) = readiness(&view, tenant, in_full);
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(body)).into_response()
}

/// Whether data flows, of one tenant or of all.
pub(super) fn readiness(view: &View, tenant: Option<&str>, in_full: bool) -> (bool, Value) {
    let (mut reasons, mut warnings) = (Vec::new(), Vec::new());
    let mut tell = |problem: &Problem, of: Option<&str>| match problem.severity {
        Severity::Fail => reasons.push(as_json(problem, of, in_full)),
        Severity::Warn => warnings.push(as_json(problem, of, in_full)),
    };
    view.problems.iter().for_each(|problem| tell(problem, None));
    let asked = view.tenants.iter().filter(|known| tenant.is_none() || known.name.as_deref() == tenant);
    let mut starting = Vec::new();
    for known in asked {
        let name = known.name.as_deref();
        known.problems.iter().for_each(|problem| tell(problem, name));
        if known.light == Light::Waiting {
            starting.push(json!({"tenant": name.filter(|_| in_full), "code": "starting"}));
        }
    }
    reasons.extend(starting);
    (reasons.is_empty(), json!({"ready": reasons.is_empty(), "reasons": reasons, "warnings": warnings}))
}

fn as_json(problem: &Problem, tenant: Option<&str>, in_full: bool) -> Value {
    if !in_full {
        return json!({"code": problem.code});
    }
    let (kind, name) = match &problem.subject {
        Subject::Collector => ("collector", None),
        Subject::Stream(name) => ("stream", Some(name)),
        Subject::User(name) => ("user", Some(name)),
        Subject::Sink(name) => ("sink", Some(name)),
    };
    json!({
        "tenant": tenant,
        "code": problem.code,
        "subject": {"kind": kind, "name": name},
        "text": problem.text,
        "remedy": problem.remedy,
    })
}
