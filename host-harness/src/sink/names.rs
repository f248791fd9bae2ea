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
}
