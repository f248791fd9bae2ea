//! Figures that are kept: JSON in a file of the repository.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::BenchError;

/// Reads what is kept; `remedy` makes it anew.
///
/// # Errors
/// There is none, or it is of another form.
pub(crate) fn read<T: DeserializeOwned>(path: &Path, remedy: &'static str) -> Result<T, BenchError> {
    let text = std::fs::read_to_string(path).map_err(BenchError::file("read", path))?;
    serde_json::from_str(&text).map_err(|error| not_ours(path, &error, remedy))
}

/// Keeps it.
///
/// # Errors
/// The disk refuses.
pub(crate) fn write(path: &Path, what: &impl Serialize) -> Result<(), BenchError> {
    let text = serde_json::to_string_pretty(what).map_err(|error| not_ours(path, &error, "report it"))?;
    std::fs::write(path, text + "\n").map_err(BenchError::file("write", path))
}

fn not_ours(path: &Path, error: &serde_json::Error, remedy: &'static str) -> BenchError {
    BenchError::NotOurs { path: path.to_owned(), reason: error.to_string(), remedy }
}
