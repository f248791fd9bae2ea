//! The names by which receivers know the streams of a product. The host knows nothing of Webex but these.

use std::borrow::Cow;

/// The sourcetype in Splunk, as the Splunk add-on for Webex has it: one for each of its inputs, and for any other endpoint
/// `cisco:webex:` with the endpoint's path, `:` for `/`.
pub(super) fn splunk_sourcetype(stream: &str) -> Cow<'static, str> {
    match stream {
        "admin_audits" => "cisco:webex:admin:audit:events".into(),
        "security_audits" => "cisco:webex:security:audit:events".into(),
        other => format!("cisco:webex:{}", other.replace('_', ":")).into(),
    }
}

/// The data set of a stream in the data stream naming scheme of Elastic: lower case, without `-` and what an index name may not
/// hold.
pub(super) fn dataset(stream: &str) -> String {
    let letter = |c: char| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '_' | '.') => c,
        _ => '_',
    };
    format!("webex.{}", stream.chars().map(letter).collect::<String>())
}

/// The data stream of a stream, in the same scheme.
pub(super) fn data_stream(stream: &str) -> String {
    format!("logs-{}-default", dataset(stream))
}

/// The vendor, as Cortex XSIAM names its data sets: `VENDOR_PRODUCT_raw`.
pub(super) const CORTEX_VENDOR: &str = "cisco";
/// The product, likewise.
pub(super) const CORTEX_PRODUCT: &str = "webex";

/// Before the names of attributes and events in OpenTelemetry that are the product's own.
pub(super) const OTEL_NAMESPACE: &str = "cisco.webex";

/// All data streams of [`data_stream`].
pub(crate) const DATA_STREAMS: &str = "logs-webex.*-*";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_have_the_names_that_dashboards_look_for() {
        for (stream, sourcetype) in [
            ("admin_audits", "cisco:webex:admin:audit:events"),
            ("security_audits", "cisco:webex:security:audit:events"),
            ("events", "cisco:webex:events"),
            ("collector_health", "cisco:webex:collector:health"),
        ] {
            assert_eq!(splunk_sourcetype(stream), sourcetype);
        }
    }

    #[test]
    fn a_stream_without_a_name_of_its_own_gets_one_that_is_allowed() {
        assert_eq!(data_stream("admin_audits"), "logs-webex.admin_audits-default");
        assert_eq!(data_stream("New-Stream/\u{e9}*"), "logs-webex.new_stream___-default");
    }
}
