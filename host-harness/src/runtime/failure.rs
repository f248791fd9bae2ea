//! A plugin's failure as a sentence. Every failure that a person meets goes through here.

use chrono::{DateTime, SecondsFormat};

use super::{Failure, Retry};
use crate::log::plain;

/// What happened, what to do, when to try again, and the product's own id of the request, on one line.
pub fn in_words(failure: &Failure) -> String {
    let mut line = what_happened(failure);
    let to_do = what_to_do(failure);
    if !to_do.is_empty() {
        line = format!("{line}; {to_do}");
    }
    line + &tracking(failure)
}

/// What happened, and the product's own id of the request.
pub fn cause(failure: &Failure) -> String {
    what_happened(failure) + &tracking(failure)
}

fn what_happened(failure: &Failure) -> String {
    let message = plain(&failure.message);
    let message = message.trim_end_matches('.');
    // A message that names its stream or user already is not told twice.
    match [&failure.stream, &failure.user].into_iter().flatten().next() {
        Some(name) if !message.contains(name.as_str()) => format!("{}: {message}", plain(name)),
        Some(_) | None => message.to_owned(),
    }
}

/// What to do and when to try again; empty where the plugin says neither.
pub fn what_to_do(failure: &Failure) -> String {
    let mut parts = Vec::new();
    let remedy = plain(failure.remedy.trim());
    if !remedy.is_empty() {
        parts.push(remedy.trim_end_matches('.').to_owned());
    }
    match failure.retry {
        Retry::At(at) => parts.push(format!("it can be tried again at {}", time(at))),
        Retry::Never if parts.is_empty() => parts.push("trying again does not help, please report it".into()),
        // The remedy says it.
        Retry::Never | Retry::AfterSignIn | Retry::AfterAChange => {}
    }
    parts.join("; ")
}

fn tracking(failure: &Failure) -> String {
    let id = failure.tracking_id.as_deref().map(plain).filter(|id| !id.is_empty());
    id.map(|id| format!(" (tracking id {id})")).unwrap_or_default()
}

/// A timestamp as `2026-01-31T10:00:00.000Z`; one that no calendar has, as its number.
pub fn time(millis: i64) -> String {
    match DateTime::from_timestamp_millis(millis) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Millis, true),
        None => format!("{millis} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(retry: Retry, remedy: &str, tracking_id: Option<&str>) -> Failure {
        Failure {
            code: "refused".into(),
            user: Some("admin".into()),
            stream: Some("security_audits".into()),
            message: "Webex answered 403.".into(),
            remedy: remedy.into(),
            tracking_id: tracking_id.map(Into::into),
            retry,
        }
    }

    #[track_caller]
    fn check(failure: &Failure, want: &str) {
        assert_eq!(in_words(failure), want);
    }

    #[test]
    fn a_failure_says_what_happened_what_to_do_and_the_tracking_id() {
        check(
            &failure(Retry::AfterAChange, "Buy Pro Pack.", Some("ROUTER_1")),
            "security_audits: Webex answered 403; Buy Pro Pack (tracking id ROUTER_1)",
        );
    }

    #[test]
    fn a_wait_is_told_as_a_time() {
        check(
            &failure(Retry::At(0), "", None),
            "security_audits: Webex answered 403; it can be tried again at 1970-01-01T00:00:00.000Z",
        );
    }

    #[test]
    fn a_failure_stays_one_line_whatever_it_holds() {
        let line = in_words(&failure(Retry::Never, "a\nb\u{1b}[2J", None));
        assert!(!line.chars().any(char::is_control), "{line}");
    }

    #[test]
    fn a_time_beyond_the_calendar_is_its_number() {
        assert_eq!(time(i64::MAX), format!("{} ms", i64::MAX));
    }
}
