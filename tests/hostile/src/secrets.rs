//! Secrets of others, and too much of one's own.

use crate::Said;
use crate::bindings::siem::plugin::secrets::{SecretsError, get, replace};

fn word(error: &SecretsError) -> String {
    match error {
        SecretsError::Unavailable(text) => format!("unavailable: {text}"),
        SecretsError::Denied => "denied".to_owned(),
        SecretsError::Conflict => "conflict".to_owned(),
    }
}

/// Reads a secret by name.
pub(crate) fn read(name: &str) -> Said {
    match get(name) {
        Ok(Some(found)) => Ok(format!("value {}", found.value)),
        Ok(None) => Ok("none".to_owned()),
        Err(error) => Err(word(&error)),
    }
}

/// Writes so many bytes under a name.
pub(crate) fn write(name: &str, bytes: usize) -> Said {
    let present = get(name).ok().flatten().map(|found| found.revision);
    match replace(name, present.as_deref(), &"s".repeat(bytes)) {
        Ok(_) => Ok("written".to_owned()),
        Err(error) => Err(word(&error)),
    }
}
