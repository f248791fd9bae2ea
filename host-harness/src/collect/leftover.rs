//! What a run before has left that did not come to its end in order.

use crate::sink::{Mended, SinkError, Sinks};
use crate::state::Writer;

/// Looks at what the last run has left, sees to it that what stands in the files is not written twice, and says so in one
/// line; none where the last run ended in order. For the start, before anything is collected.
///
/// # Errors
/// A file cannot be read.
pub fn look_back(state: &Writer, sinks: &mut Sinks, mended: &[Mended]) -> Result<Option<String>, SinkError> {
    let mut found = Vec::new();
    let unrecorded = state.unrecorded();
    if let Some(begun) = &unrecorded {
        for (path, lines) in sinks.recall(begun)? {
            let path = path.display();
            found.push(format!(
                "{lines} events in {path} are of a batch that was not recorded, and are not written again"
            ));
        }
        if sinks.use_stdout() {
            found.push("events of a batch that was not recorded may come again on standard output".to_owned());
        }
    }
    found.extend(mended.iter().map(ToString::to_string));
    if let Some(pid) = state.cut_off() {
        if found.is_empty() {
            found.push("all that it delivered is recorded".to_owned());
        }
        found.insert(0, format!("the last run (pid {pid}) was cut off"));
    }
    Ok((!found.is_empty()).then(|| found.join("; ")))
}
