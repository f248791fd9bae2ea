//! A message as RFC 5424 has it, counted in octets (RFC 5425, section 4.3; RFC 6587, section 3.4.1).

use crate::sink::Event;
use std::fmt::Write as _;

use chrono::{DateTime, Datelike};

use crate::sink::PerStream;

/// What is not known (RFC 5424, section 6: NILVALUE).
pub(super) const NIL: &str = "-";
/// Characters of a MSGID.
const LONGEST_MSGID: usize = 32;

/// What all messages of a sink have in common.
#[derive(Clone, Debug)]
pub(super) struct Header {
    /// Facility and severity.
    pub(super) priority: u8,
    pub(super) hostname: String,
    pub(super) app_name: String,
    pub(super) msgid: PerStream,
    /// Name of the structured data.
    pub(super) sd_id: String,
    /// Whether the body begins with a byte order mark.
    pub(super) bom: bool,
}

impl Header {
    /// The message of an event, without its count.
    pub(super) fn message(&self, event: &Event) -> String {
        let Self { priority, hostname, app_name, sd_id, .. } = self;
        let Event { id, org, stream, created, body } = event;
        let mut message = String::with_capacity(body.len() + 256);
        let time = created.and_then(time).unwrap_or_else(|| NIL.to_owned());
        let msgid = name(self.msgid.of(stream).unwrap_or(stream), LONGEST_MSGID);
        let _ = write!(message, "<{priority}>1 {time} {hostname} {app_name} {NIL} {msgid} [{sd_id}");
        for (name, value) in [("stream", stream), ("id", id), ("org", org)] {
            let _ = write!(message, " {name}=\"");
            escape(&mut message, value);
            message.push('"');
        }
        message.push_str(if self.bom { "] \u{feff}" } else { "] " });
        message.push_str(body);
        message
    }
}

/// Puts a message with its count behind the others.
pub(super) fn put_frame(frames: &mut Vec<u8>, message: &str) {
    frames.extend_from_slice(format!("{} ", message.len()).as_bytes());
    frames.extend_from_slice(message.as_bytes());
}

/// RFC 5424, section 6.3.3: these three are escaped, and nothing else.
fn escape(text: &mut String, value: &str) {
    for c in value.chars() {
        if matches!(c, '"' | '\\' | ']') {
            text.push('\\');
        }
        text.push(c);
    }
}

/// RFC 5424, section 6.2.3, with milliseconds.
fn time(created: i64) -> Option<String> {
    let time = DateTime::from_timestamp_millis(created)?;
    (0..=9_999).contains(&time.year()).then(|| time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

/// Whether this can be a name in a header: printable ASCII without spaces, and not too long.
pub(super) fn is_name(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// What of a text can stand in a header.
pub(super) fn name(text: &str, longest: usize) -> String {
    let name: String = text.chars().map(|c| if c.is_ascii_graphic() { c } else { '_' }).take(longest).collect();
    if name.is_empty() { NIL.to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            priority: 134,
            hostname: "collector".into(),
            app_name: "webex-collector".into(),
            msgid: PerStream::default(),
            sd_id: "webex@32473".into(),
            bom: false,
        }
    }

    fn event() -> Event {
        Event {
            id: "a\"b]c\\d".into(),
            org: "J\u{f6}rg".into(),
            stream: "admin_audits".into(),
            created: Some(1_764_300_000_007),
            body: "{\"a\":\"\\ud800\"}".into(),
        }
    }

    #[test]
    fn a_message_is_one_of_rfc_5424_with_the_body_as_it_is() {
        let want = "<134>1 2025-11-28T03:20:00.007Z collector webex-collector - admin_audits \
                    [webex@32473 stream=\"admin_audits\" id=\"a\\\"b\\]c\\\\d\" org=\"J\u{f6}rg\"] {\"a\":\"\\ud800\"}";
        assert_eq!(header().message(&event()), want);
        let mut frames = Vec::new();
        put_frame(&mut frames, "\u{f6}");
        put_frame(&mut frames, "ab");
        assert_eq!(frames, "2 \u{f6}2 ab".as_bytes(), "counted in octets");
    }

    #[test]
    fn what_is_not_known_is_nil_and_a_mark_only_where_it_is_wanted() {
        let message = header().message(&Event { created: None, ..event() });
        assert!(message.starts_with("<134>1 - collector"), "{message}");
        let message = header().message(&Event { created: Some(i64::MAX), ..event() });
        assert!(message.starts_with("<134>1 - collector"), "{message}");
        let message = Header { bom: true, ..header() }.message(&event());
        assert!(message.contains("] \u{feff}{"), "{message}");
    }

    #[test]
    fn a_stream_cannot_break_the_header() {
        let message = header().message(&Event { stream: "a b\u{e9} ".repeat(20), ..event() });
        assert!(message.contains(" - a_b__a_b__a_b__a_b__a_b__a_b__a_ ["), "{message}");
    }
}
