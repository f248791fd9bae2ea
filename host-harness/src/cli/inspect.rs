//! `inspect`: what the component imports, exports and needs.

use std::fmt::Write as _;

use serde_json::json;

use super::{CliError, Exit, Global, component, output};
use crate::runtime::{Description, Imports, Runtime, SettingKind};

pub(super) async fn run(global: &Global) -> Result<Exit, CliError> {
    let source = component::read(global)?;
    let (bytes, checksum) = (source.bytes(), source.checksum());
    let runtime = Runtime::new()?;
    let (imports, described) = match runtime.load(bytes) {
        Ok(plugin) => (plugin.imports(), Ok(plugin.describe().await?)),
        // A component that this host cannot run can still be looked at.
        Err(error) => (runtime.inspect(bytes)?, Err(error)),
    };
    if global.json {
        let plugin = described.as_ref().ok().map(as_json);
        output::json(&json!({
            "bytes": bytes.len(),
            "sha256": checksum,
            "imports": imports.imports,
            "exports": imports.exports,
            "plugin": plugin,
        }))?;
    } else {
        let mut text = format!("component  {} bytes, sha256 {checksum}\n", bytes.len());
        interfaces(&mut text, &imports);
        if let Ok(plugin) = &described {
            describe(&mut text, plugin);
        }
        let help =
            described.as_ref().map(|plugin| format!("\nset-up\n\n{}", plugin.help.trim_end())).unwrap_or_default();
        output::result(&(output::headed(&output::shown(&text)) + &output::shown(&help)))?;
    }
    described?;
    Ok(Exit::Done)
}

fn interfaces(text: &mut String, imports: &Imports) {
    for (title, names) in [("imports", &imports.imports), ("exports", &imports.exports)] {
        let _ = writeln!(text, "\n{title}");
        for name in names {
            let _ = writeln!(text, "  {name}");
        }
    }
}

fn describe(text: &mut String, plugin: &Description) {
    let _ = writeln!(text, "\n{} {} for {} {}", plugin.name, plugin.version, plugin.vendor, plugin.product);
    let _ = writeln!(text, "\norigins that it may call");
    for origin in &plugin.origins {
        let instead = plugin.origin_setting.as_ref().map(|name| format!(", or the one of `{name}`"));
        let _ = writeln!(text, "  {origin}{}", instead.unwrap_or_default());
    }
    let _ = writeln!(text, "\nusers");
    for user in &plugin.users {
        let _ = writeln!(text, "  {}  {}, scopes {}", user.name, user.title, user.scopes.join(" "));
        let _ = writeln!(text, "      {}", user.prerequisites);
        let _ = writeln!(text, "      sign-in: {}", user.sign_in.join(", "));
    }
    let _ = writeln!(text, "\nstreams");
    for stream in &plugin.streams {
        let on = if stream.on_by_default { "on" } else { "off" };
        let _ = writeln!(text, "  {}  {}, read by {}, {on} by default", stream.name, stream.title, stream.user);
        let _ = writeln!(text, "      {}", stream.help);
    }
    let _ = writeln!(text, "\nsettings");
    for setting in &plugin.settings {
        let mut words = vec![match setting.kind {
            SettingKind::Choice => setting.choices.join(" | "),
            kind => kind_name(kind).to_owned(),
        }];
        if setting.required {
            words.push("required".into());
        }
        if let Some(default) = &setting.default {
            words.push(format!("default {default}"));
        }
        let _ = writeln!(text, "  {}  ({})\n      {}", setting.name, words.join(", "), setting.help);
    }
    let _ = writeln!(text, "\nsecrets");
    for secret in &plugin.secrets {
        let written = if secret.written { "the plugin writes it" } else { "a person sets it" };
        let _ = writeln!(text, "  {}  ({written})\n      {}", secret.name, secret.help);
    }
}

fn kind_name(kind: SettingKind) -> &'static str {
    match kind {
        SettingKind::Text => "text",
        SettingKind::Integer => "integer",
        SettingKind::Boolean => "boolean",
        SettingKind::Duration => "duration",
        SettingKind::Url => "url",
        SettingKind::Choice => "choice",
        SettingKind::TextList => "text-list",
        SettingKind::Credentials => "credentials",
    }
}

fn as_json(plugin: &Description) -> serde_json::Value {
    let settings = plugin.settings.iter().map(|setting| {
        json!({
            "name": setting.name,
            "kind": kind_name(setting.kind),
            "required": setting.required,
            "default": setting.default,
            "choices": setting.choices,
            "title": setting.title,
            "help": setting.help,
            "secret": setting.secret,
        })
    });
    let secrets = plugin
        .secrets
        .iter()
        .map(|secret| json!({"name": secret.name, "help": secret.help, "written": secret.written}));
    let users = plugin.users.iter().map(|user| {
        json!({
            "name": user.name,
            "title": user.title,
            "scopes": user.scopes,
            "prerequisites": user.prerequisites,
            "sign_in": user.sign_in,
        })
    });
    let streams = plugin.streams.iter().map(|stream| {
        json!({
            "name": stream.name,
            "title": stream.title,
            "user": stream.user,
            "on_by_default": stream.on_by_default,
            "help": stream.help,
        })
    });
    json!({
        "name": plugin.name,
        "version": plugin.version,
        "vendor": plugin.vendor,
        "product": plugin.product,
        "settings": settings.collect::<Vec<_>>(),
        "secrets": secrets.collect::<Vec<_>>(),
        "users": users.collect::<Vec<_>>(),
        "streams": streams.collect::<Vec<_>>(),
        "origins": plugin.origins,
        "origin_setting": plugin.origin_setting,
        "help": plugin.help,
    })
}
