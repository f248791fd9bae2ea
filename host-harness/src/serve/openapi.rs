//! `GET /openapi.json`: what this server answers, made from the plugin's own list of commands.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::Served;
use crate::runtime::listed::output_kind;
use crate::runtime::{Argument, ArgumentKind, Command, Description};

pub(super) async fn openapi(State(served): State<Served>) -> Response {
    let desk = &served.desk;
    let closed = !served.access.is_open();
    Json(document(desk.description(), desk.commands(), desk.has_names(), closed)).into_response()
}

/// The document (OpenAPI 3.1). `named`: tenants have names. `closed`: a token is needed.
pub fn document(plugin: &Description, commands: &[Command], named: bool, closed: bool) -> Value {
    let mut paths = Map::new();
    for command in commands {
        paths.insert(format!("/commands/{}", command.name), json!({ "post": operation(command, named) }));
    }
    let text = |kind: &str, what: &str| json!({"description": what, "content": {kind: {"schema": {"type": "string"}}}});
    let answer = |what: &str, schema: &str| json!({"description": what, "content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}}});
    let get = |id: &str, summary: &str, responses: Value| json!({"get": {"operationId": id, "summary": summary, "tags": ["collector"], "responses": responses}});
    let denied = json!({"$ref": "#/components/responses/Denied"});
    let fixed = [
        (
            "/commands",
            get(
                "commands",
                "Every command of the plugin",
                json!({"200": answer("The list.", "Commands"), "default": denied}),
            ),
        ),
        (
            "/openapi.json",
            get(
                "openapi",
                "This document",
                json!({"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {"schema": {"type": "object"}}}}, "default": denied}),
            ),
        ),
        (
            "/healthz",
            without_token(get("healthz", "Whether the process lives", json!({"200": answer("It does.", "Health")}))),
        ),
        (
            "/metrics",
            get(
                "metrics",
                "Metrics for Prometheus",
                json!({"200": text("text/plain", "Text format 0.0.4."), "default": denied}),
            ),
        ),
    ];
    paths.extend(fixed.map(|(path, item)| (path.to_owned(), item)));
    let mut ready = without_token(get(
        "readyz",
        "Whether data flows",
        json!({"200": answer("It does.", "Readiness"), "404": answer("No such tenant.", "Readiness"), "503": answer("It does not.", "Readiness")}),
    ));
    if let Some(get) = ready.get_mut("get").and_then(Value::as_object_mut) {
        get.insert("parameters".to_owned(), json!([tenant(false)]));
    }
    paths.insert("/readyz".to_owned(), ready);
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": format!("{} {}: commands for playbooks", plugin.vendor, plugin.product),
            "version": plugin.version,
            "description": "Runs the plugin's commands; what they are stands in the plugin itself.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "commands", "description": "Commands of the plugin."},
            {"name": "collector", "description": "The collector itself."},
        ],
        "paths": paths,
        "components": {"schemas": schemas(), "responses": {"Denied": answer("Not answered: see `error`.", "Error")}},
    });
    if closed && let Some(members) = document.as_object_mut() {
        members.insert("security".to_owned(), json!([{"token": []}]));
        if let Some(components) = members.get_mut("components").and_then(Value::as_object_mut) {
            let scheme =
                json!({"token": {"type": "http", "scheme": "bearer", "description": "`serve.token` of the settings."}});
            components.insert("securitySchemes".to_owned(), scheme);
        }
    }
    document
}

fn without_token(mut item: Value) -> Value {
    if let Some(get) = item.get_mut("get").and_then(Value::as_object_mut) {
        get.insert("security".to_owned(), json!([]));
    }
    item
}

fn tenant(required: bool) -> Value {
    json!({
        "name": "tenant", "in": "query", "required": required, "schema": {"type": "string", "maxLength": 63},
        "description": "Whose, where there are many tenants.",
    })
}

fn operation(command: &Command, named: bool) -> Value {
    let error = |what: &str| json!({"description": what, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}});
    let outputs: Vec<Value> = command
        .outputs
        .iter()
        .map(|output| json!({"path": output.path, "kind": output_kind(output.kind), "help": output.help}))
        .collect();
    let responses = json!({
        "200": {
            "description": "What it came to.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Outcome"}}},
        },
        "400": error("The arguments are not as described, or the tenant is not named."),
        "403": error("Webex refuses, for a role, a scope, a licence or a setting; or the host does."),
        "404": error("No such tenant."),
        "409": error("Somebody has to change something first, or to sign in: see `remedy`."),
        "415": error("Not JSON."),
        "422": error("The plugin does not take the value of an argument."),
        "429": error("Webex asks to wait."),
        "502": error("The answer of Webex was not understood."),
        "503": error("Webex cannot be reached, or the collector is about to end."),
        "default": {"$ref": "#/components/responses/Denied"},
    });
    let needs_body = command.arguments.iter().any(|argument| argument.required);
    let mut operation = json!({
        "operationId": command.name,
        "summary": command.help,
        "description": format!("As typed: `{}`", command.example),
        "tags": ["commands"],
        "requestBody": {
            "required": needs_body,
            "content": {"application/json": {"schema": arguments(&command.arguments)}},
        },
        "responses": responses,
        "x-outputs": outputs,
        "x-effects": command.effects.iter().map(|effect| crate::runtime::listed::effect_name(*effect)).collect::<Vec<_>>(),
    });
    if named && let Some(members) = operation.as_object_mut() {
        members.insert("parameters".to_owned(), json!([tenant(true)]));
    }
    operation
}

/// The schema of a command's arguments.
fn arguments(arguments: &[Argument]) -> Value {
    let mut properties = Map::new();
    for argument in arguments {
        let mut schema = match argument.kind {
            ArgumentKind::Text => json!({"type": "string"}),
            ArgumentKind::Timestamp => json!({"type": "string", "examples": ["2026-01-31T10:00:00Z"]}),
            ArgumentKind::Integer => json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}),
            ArgumentKind::Boolean => json!({"type": "boolean"}),
            ArgumentKind::Choice => json!({"type": "string", "enum": argument.choices}),
        };
        if let Some(members) = schema.as_object_mut() {
            members.insert("description".to_owned(), described(argument).into());
            if argument.secret {
                members.insert("format".to_owned(), "password".into());
                members.insert("writeOnly".to_owned(), true.into());
            }
        }
        properties.insert(argument.name.clone(), schema);
    }
    let required: Vec<&str> =
        arguments.iter().filter(|argument| argument.required).map(|argument| argument.name.as_str()).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn described(argument: &Argument) -> String {
    match &argument.default {
        Some(default) => format!("{} Default: {default}.", argument.help),
        None => argument.help.clone(),
    }
}

fn schemas() -> Value {
    let or_none = |kind: &str| json!({"type": [kind, "null"]});
    let text = || json!({"type": "string"});
    let error = json!({
        "type": "object",
        "required": ["kind", "message"],
        "properties": {
            "kind": {"type": "string", "description": "A failure's code, stable."},
            "message": text(),
            "remedy": text(),
            "user": or_none("string"),
            "stream": or_none("string"),
            "tracking_id": or_none("string"),
            "retry": {
                "type": "object",
                "required": ["when", "at"],
                "properties": {
                    "when": {"type": "string", "enum": ["never", "at", "after-sign-in", "after-a-change"]},
                    "at": or_none("string"),
                },
            },
        },
    });
    let reason = json!({
        "type": "object",
        "required": ["code"],
        "properties": {
            "tenant": or_none("string"),
            "code": text(),
            "subject": {
                "type": "object",
                "required": ["kind", "name"],
                "properties": {
                    "kind": {"type": "string", "enum": ["collector", "stream", "user", "sink"]},
                    "name": or_none("string"),
                },
            },
            "text": text(),
            "remedy": text(),
        },
    });
    json!({
        "Error": {"type": "object", "required": ["error"], "properties": {"error": error}},
        "Outcome": {
            "type": "object",
            "required": ["readable", "outputs", "delivered"],
            "properties": {
                "readable": {"type": "string", "description": "Markdown for a person."},
                "outputs": {"type": "object", "description": "For a playbook; `x-outputs` of the command lists the fields."},
                "delivered": {"type": "integer", "minimum": 0, "description": "Events that went to the sinks."},
            },
        },
        "Commands": {
            "type": "object",
            "required": ["commands"],
            "properties": {"commands": {"type": "array", "items": {"type": "object", "required": ["name"]}}},
        },
        "Health": {
            "type": "object",
            "required": ["status", "version"],
            "properties": {"status": {"const": "ok"}, "version": text()},
        },
        "Readiness": {
            "type": "object",
            "required": ["ready", "reasons", "warnings"],
            "properties": {
                "ready": {"type": "boolean"},
                "reasons": {"type": "array", "items": reason},
                "warnings": {"type": "array", "items": reason},
            },
        },
    })
}
