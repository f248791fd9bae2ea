//! What the answer to a bulk request says of each event.

use serde::Deserialize;

use super::super::{Receipt, Refused, SendError};

/// Characters of a name that an error may tell.
const TOLD: usize = 64;

#[derive(Deserialize)]
struct Bulk {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    error: Option<Cause>,
}

#[derive(Deserialize)]
struct Failed {
    error: Option<Cause>,
}

/// Why. Its text may quote the document, so only what is known of it is told.
#[derive(Default, Deserialize)]
struct Cause {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    caused_by: Option<Box<Cause>>,
}

/// What became of one event.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Taken,
    Known,
    Again,
    Refused(String),
    Closed { reason: String, remedy: &'static str },
}

/// Of all of them, in their order.
pub(super) fn receipt(answer: &[u8], events: usize) -> Result<Receipt, SendError> {
    let answer: Bulk =
        serde_json::from_slice(answer).map_err(|_| SendError::later("the answer is not the one to a bulk request"))?;
    if answer.items.len() != events {
        return Err(SendError::later("the answer does not name each event"));
    }
    let mut receipt = Receipt::default();
    for (index, item) in answer.items.into_iter().enumerate() {
        match verdict(item.create) {
            Verdict::Taken => {}
            Verdict::Known => receipt.known += 1,
            Verdict::Again => receipt.again.push(index),
            Verdict::Refused(reason) => receipt.refused.push(Refused { index, reason }),
            // All are sent again once that is mended; those that were taken are recognised then.
            Verdict::Closed { reason, remedy } => return Err(SendError::closed(reason, remedy)),
        }
    }
    Ok(receipt)
}

/// Why a whole request was refused.
pub(super) fn of_request(answer: &[u8]) -> String {
    let failed: Option<Failed> = serde_json::from_slice(answer).ok();
    failed.and_then(|failed| failed.error).unwrap_or_default().in_words()
}

fn verdict(Outcome { status, error }: Outcome) -> Verdict {
    let cause = error.unwrap_or_default();
    let closed = |remedy| Verdict::Closed { reason: format!("{status}: {}", cause.in_words()), remedy };
    match (status, &*cause.kind) {
        (200..=299, _) => Verdict::Taken,
        (409, "version_conflict_engine_exception") => Verdict::Known,
        // Too busy (429), shards away (503), a disk that is too full (429 with a block), and what is not known.
        (409 | 429 | 500.., _) => Verdict::Again,
        (401 | 403, "cluster_block_exception") => closed("the index is blocked for writing; take the block away"),
        (401 | 403, _) => closed(super::REMEDY),
        (404, _) => closed("make the index or data stream, or let the account make it (privilege `auto_configure`)"),
        (_, "index_closed_exception") => closed("open the index"),
        (_, "invalid_index_name_exception") => closed("mend `index` of the sink"),
        (_, "illegal_argument_exception") if cause.says("pipeline with id") => closed("mend `pipeline` of the sink"),
        (_, "illegal_argument_exception") if cause.says("no write index is defined") => {
            closed("give the alias that `index` of the sink names an index to write to")
        }
        _ => Verdict::Refused(format!("{status}: {}", cause.in_words())),
    }
}

impl Cause {
    fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |cause| cause.caused_by.as_deref())
    }

    fn says(&self, words: &str) -> bool {
        self.chain().any(|cause| cause.reason.as_deref().is_some_and(|reason| reason.contains(words)))
    }

    /// Its kinds, the field, and what is known to lie behind; nothing that stood in the document as a value.
    fn in_words(&self) -> String {
        let kinds: Vec<String> =
            self.chain().take(4).map(|cause| name(&cause.kind)).filter(|kind| !kind.is_empty()).collect();
        let mut words = if kinds.is_empty() { "no reason given".to_owned() } else { kinds.join(", by ") };
        if let Some(field) = self.chain().find_map(|cause| field(cause.reason.as_deref()?)) {
            words.push_str(&format!(", field {field}"));
        }
        if let Some((_, hint)) = HINTS.iter().find(|(said, _)| self.says(said)) {
            words.push_str(": ");
            words.push_str(hint);
        }
        words
    }
}

/// What it says, and what that means.
const HINTS: &[(&str, &str)] = &[
    ("Duplicate field", "a name comes twice in an object of the item"),
    ("depth limit", "the item is nested deeper than the index takes (`depth_limit`)"),
    ("immense", "a text is longer than the index takes; `ignore_above` leaves such texts out of the search"),
    ("Limit of total fields", "the index has too many fields; map `data` with the template of `elasticsearch init`"),
    ("reserved character", "a name in the item holds the character 0, which the index does not take"),
    ("Expected BEGIN_OBJECT", "an object was expected"),
    ("is too long, must be no longer than", "the id is too long"),
];

/// The field that a text is about: `… field [NAME] …`.
fn field(reason: &str) -> Option<String> {
    let (_, behind) = reason.split_once("field [")?;
    let (field, _) = behind.split_once(']')?;
    Some(name(field)).filter(|name| !name.is_empty())
}

/// A name, and nothing that only looks like one.
fn name(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '@' | '-');
    if text.len() <= TOLD && text.chars().all(is_plain) { text.to_owned() } else { String::new() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(status: u16, error: serde_json::Value) -> Verdict {
        verdict(serde_json::from_value(json!({"status": status, "error": error})).unwrap())
    }

    #[test]
    fn each_status_of_an_item_has_its_meaning() {
        assert_eq!(of(201, json!(null)), Verdict::Taken);
        assert_eq!(of(409, json!({"type": "version_conflict_engine_exception"})), Verdict::Known);
        for (status, kind) in [
            (429, "es_rejected_execution_exception"),
            (429, "cluster_block_exception"),
            (503, "unavailable_shards_exception"),
            (409, "something_else"),
        ] {
            assert_eq!(of(status, json!({"type": kind})), Verdict::Again, "{status} {kind}");
        }
        for (status, kind) in [
            (403, "security_exception"),
            (403, "cluster_block_exception"),
            (404, "index_not_found_exception"),
            (400, "index_closed_exception"),
        ] {
            assert!(matches!(of(status, json!({"type": kind})), Verdict::Closed { .. }), "{status} {kind}");
        }
        let pipeline = json!({"type": "illegal_argument_exception", "reason": "pipeline with id [x] does not exist"});
        assert!(matches!(of(400, pipeline), Verdict::Closed { .. }));
    }

    #[test]
    fn a_reason_names_the_kind_and_the_field_and_quotes_nothing() {
        let error = json!({
            "type": "document_parsing_exception",
            "reason": "[1:99] failed to parse field [data.size] of type [long] in document with id 'x'. Preview of field's value: 'secret'",
            "caused_by": {"type": "illegal_argument_exception", "reason": "For input string: \"secret\""},
        });
        let want = "400: document_parsing_exception, by illegal_argument_exception, field data.size";
        assert_eq!(of(400, error), Verdict::Refused(want.into()));
        let twice = json!({
            "type": "document_parsing_exception",
            "reason": "[1:5] failed to parse",
            "caused_by": {"type": "x_content_parse_exception", "reason": "Duplicate field 'secret'"},
        });
        let Verdict::Refused(reason) = of(400, twice) else { panic!("it is refused") };
        assert!(
            reason.ends_with("a name comes twice in an object of the item") && !reason.contains("secret"),
            "{reason}"
        );
    }

    #[test]
    fn an_answer_that_does_not_name_each_event_acknowledges_none() {
        for answer in ["", "{}", "{\"errors\":false}", "{\"items\":[{\"create\":{\"status\":201}}]}", "<html>"] {
            assert!(matches!(receipt(answer.as_bytes(), 2), Err(SendError::Later { .. })), "{answer}");
        }
    }

    #[test]
    fn a_bulk_answer_becomes_a_receipt_in_the_order_of_the_events() {
        let answer = json!({"errors": true, "items": [
            {"create": {"status": 201}},
            {"create": {"status": 409, "error": {"type": "version_conflict_engine_exception"}}},
            {"create": {"status": 429, "error": {"type": "es_rejected_execution_exception"}}},
            {"create": {"status": 400, "error": {"type": "mapper_parsing_exception"}}},
        ]});
        let receipt = receipt(answer.to_string().as_bytes(), 4).unwrap();
        assert_eq!((receipt.known, &*receipt.again), (1, &[2][..]));
        assert_eq!(receipt.refused, [Refused { index: 3, reason: "400: mapper_parsing_exception".into() }]);
    }
}
