//! How users stand, from what the plugin's command says of them.
//!
//! A plugin that has such a command lists `….User.…` and `….Stream.…` among its outputs; its name is found by that.

use chrono::DateTime;
use serde::Deserialize;
use serde_json::Value;

use super::view::TokenLife;
use crate::runtime::Command;

/// What is said of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct UserState {
    pub(super) name: String,
    pub(super) configured: bool,
    pub(super) signed_in: bool,
    pub(super) service_app: bool,
    pub(super) problem: String,
    pub(super) remedy: String,
    /// Of both tokens, which come in one answer.
    access_issued: Option<String>,
    access_expires: Option<String>,
    refresh_expires: Option<String>,
}

/// What is said of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct StreamSwitch {
    pub(super) name: String,
    pub(super) on: bool,
}

/// What the command says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) users: Vec<UserState>,
    pub(super) streams: Vec<StreamSwitch>,
}

/// The command that says how users stand, if the plugin has one.
pub fn status_command(commands: &[Command]) -> Option<&Command> {
    let says = |command: &Command, what: &str| command.outputs.iter().any(|output| output.path.ends_with(what));
    commands.iter().find(|command| says(command, ".User.signed_in") && says(command, ".Stream.on"))
}

impl Status {
    /// From the outputs of the command; what is not understood is left out.
    pub(super) fn read(outputs: &str) -> Self {
        let outputs: Value = serde_json::from_str(outputs).unwrap_or_default();
        // One object, below the product's name.
        let said = outputs.as_object().and_then(|outputs| outputs.values().next()).cloned().unwrap_or_default();
        let list = |name: &str| said.get(name).cloned().unwrap_or_default();
        Self {
            users: serde_json::from_value(list("User")).unwrap_or_default(),
            streams: serde_json::from_value(list("Stream")).unwrap_or_default(),
        }
    }
}

impl UserState {
    pub(super) fn access(&self) -> Option<TokenLife> {
        life(self.access_issued.as_deref(), self.access_expires.as_deref())
    }

    pub(super) fn refresh(&self) -> Option<TokenLife> {
        life(self.access_issued.as_deref(), self.refresh_expires.as_deref())
    }
}

fn life(issued: Option<&str>, expires: Option<&str>) -> Option<TokenLife> {
    let read = |text: &str| DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_millis());
    Some(TokenLife { issued: issued.and_then(read), expires: expires.and_then(read)? })
}
