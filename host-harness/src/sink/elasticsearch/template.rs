//! The index template: `data` is one field, whatever stands in it.

use serde_json::{Value, json};

/// Before the templates that come with Elasticsearch (100) and with its integrations (200).
const PRIORITY: u32 = 250;
/// Characters of a text in `data` that can still be searched for. Four bytes each at most, and the path before them, stay below
/// the 32,766 bytes of a term.
const IGNORE_ABOVE: u32 = 4_096;
/// How deep `data` may be nested; the usual 20 would refuse what is deeper.
const DEPTH_LIMIT: u32 = 100;

/// Which of the two it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    Elasticsearch,
    OpenSearch,
}

/// The template for indices with these names. `data_streams`: they are data streams.
pub(crate) fn template(flavour: Flavour, patterns: &[String], data_streams: bool) -> Value {
    let data = match flavour {
        Flavour::Elasticsearch => {
            json!({"type": "flattened", "ignore_above": IGNORE_ABOVE, "depth_limit": DEPTH_LIMIT})
        }
        // It takes no parameters in all versions that have it.
        Flavour::OpenSearch => json!({"type": "flat_object"}),
    };
    let settings = match flavour {
        // Else names that begin with `logs-` get the mode in which the document may be put together anew from its fields.
        Flavour::Elasticsearch => json!({"index": {"mode": "standard"}}),
        Flavour::OpenSearch => json!({}),
    };
    let text = json!({"type": "keyword", "ignore_above": 1024});
    let mut template = json!({
        "index_patterns": patterns,
        "priority": PRIORITY,
        "template": {
            "settings": settings,
            "mappings": {
                "dynamic_templates": [{"texts": {"match_mapping_type": "string", "mapping": text}}],
                "properties": {
                    "@timestamp": {"type": "date"},
                    "event": {"properties": {"id": text, "dataset": text}},
                    "organization": {"properties": {"id": text}},
                    "data": data,
                },
            },
        },
        "_meta": {"description": "Events of webex-collector: `data` is the item as it came, in one field"},
    });
    if let Some(template) = template.as_object_mut().filter(|_| data_streams) {
        template.insert("data_stream".to_owned(), json!({}));
    }
    template
}

#[cfg(test)]
#[allow(clippy::indexing_slicing, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    #[test]
    fn data_is_one_field_in_both() {
        let patterns = ["logs-webex.*-*".to_owned()];
        let elastic = template(Flavour::Elasticsearch, &patterns, true);
        assert_eq!(elastic["template"]["mappings"]["properties"]["data"]["type"], "flattened");
        assert_eq!(elastic["data_stream"], json!({}));
        let open = template(Flavour::OpenSearch, &patterns, false);
        assert_eq!(open["template"]["mappings"]["properties"]["data"], json!({"type": "flat_object"}));
        assert!(open.get("data_stream").is_none() && open["template"]["settings"] == json!({}));
    }

    #[test]
    fn the_longest_searchable_text_fits_into_a_term_with_its_path() {
        const { assert!(IGNORE_ABOVE * 4 < 32_766 / 2 + 4) };
    }
}
