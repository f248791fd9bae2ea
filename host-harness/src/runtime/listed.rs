//! Commands as JSON, as scripts and playbooks list them.

use serde_json::json;

use super::{ArgumentKind, Command, Effect, OutputKind};

/// The name of a kind of argument, as in the contract.
pub fn argument_kind(kind: ArgumentKind) -> &'static str {
    match kind {
        ArgumentKind::Text => "text",
        ArgumentKind::Integer => "integer",
        ArgumentKind::Boolean => "boolean",
        ArgumentKind::Timestamp => "timestamp",
        ArgumentKind::Choice => "choice",
    }
}

/// The same of an output.
pub fn output_kind(kind: OutputKind) -> &'static str {
    match kind {
        OutputKind::Text => "text",
        OutputKind::Integer => "integer",
        OutputKind::Boolean => "boolean",
        OutputKind::Timestamp => "timestamp",
        OutputKind::Json => "json",
    }
}

/// The same of an effect.
pub fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::WritesSecrets => "writes-secrets",
        Effect::Delivers => "delivers",
    }
}

/// A command with all that is said of it.
pub fn as_json(command: &Command) -> serde_json::Value {
    let arguments = command.arguments.iter().map(|argument| {
        json!({
            "name": argument.name,
            "kind": argument_kind(argument.kind),
            "required": argument.required,
            "default": argument.default,
            "choices": argument.choices,
            "secret": argument.secret,
            "help": argument.help,
        })
    });
    let outputs = command
        .outputs
        .iter()
        .map(|field| json!({"path": field.path, "kind": output_kind(field.kind), "help": field.help}));
    json!({
        "name": command.name,
        "help": command.help,
        "arguments": arguments.collect::<Vec<_>>(),
        "outputs": outputs.collect::<Vec<_>>(),
        "effects": command.effects.iter().map(|effect| effect_name(*effect)).collect::<Vec<_>>(),
        "example": command.example,
    })
}
