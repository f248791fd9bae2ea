//! Up to where a sink has acknowledged, in a file of its own.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::SpoolError;
use crate::durable::{self, DurableError};
use crate::sink::SinkName;

/// How the name of such a file ends.
const SUFFIX: &str = ".position.json";

/// A place between two events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The batch.
    pub entry: u64,
    /// Bytes of it; 0: its first event.
    pub offset: u64,
    /// Where in the receiver the next events begin, in the sink's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub begun: Option<String>,
}

impl Position {
    /// The beginning of the batch behind this one.
    pub(super) fn in_next_batch(&self) -> Self {
        Self { entry: self.entry + 1, ..Self::default() }
    }
}

fn path(folder: &Path, sink: &SinkName) -> PathBuf {
    folder.join(format!("{sink}{SUFFIX}"))
}

pub(super) fn write(folder: &Path, sink: &SinkName, position: &Position) -> Result<(), SpoolError> {
    // Numbers and a text always have a JSON form.
    let mut text = serde_json::to_vec(position).unwrap_or_default();
    text.push(b'\n');
    Ok(durable::replace(&path(folder, sink), &text)?)
}

pub(super) fn delete(folder: &Path, sink: &SinkName) -> Result<(), SpoolError> {
    let path = path(folder, sink);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(DurableError::io("delete", &path)(error).into())
        }
        _ => Ok(durable::sync_folder(folder)?),
    }
}

/// Every position of the folder.
pub(super) fn all(folder: &Path) -> Result<Vec<(SinkName, Position)>, SpoolError> {
    let mut found = Vec::new();
    for entry in folder.read_dir().map_err(DurableError::io("read", folder))? {
        let path = entry.map_err(DurableError::io("read", folder))?.path();
        let name = path.file_name().and_then(|name| name.to_str()?.strip_suffix(SUFFIX)).and_then(SinkName::parse);
        let (Some(name), Some(text)) = (name, durable::read(&path)?) else { continue };
        let fault = |error: serde_json::Error| SpoolError::Damaged { path: path.clone(), fault: error.to_string() };
        found.push((name, serde_json::from_slice(&text).map_err(fault)?));
    }
    Ok(found)
}
