//! Times, numbers and texts of others, as the page says them.

use bytesize::ByteSize;
use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};

use crate::redaction;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// From one time to a later one, in milliseconds; 0 if it is not later.
pub(super) fn between(from: i64, to: i64) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0)
}

/// A length of time in milliseconds, in its one or two largest units.
pub(super) fn length(ms: u64) -> String {
    const UNITS: [(u64, &str); 4] = [(DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (SECOND, "s")];
    let mut units = UNITS.into_iter().skip_while(|(unit, _)| ms < *unit);
    let Some((unit, name)) = units.next() else { return "0 s".to_owned() };
    let first = format!("{} {name}", number(ms / unit));
    match units.next() {
        // A second more or less says nothing of an hour.
        Some((smaller, name)) if ms % unit >= smaller && ms / unit < 10 => {
            format!("{first} {} {name}", ms % unit / smaller)
        }
        _ => first,
    }
}

/// A time seen from now.
pub(super) fn seen_from(now: i64, at: i64) -> String {
    let (past, future) = (between(at, now), between(now, at));
    match (past, future) {
        (0..SECOND, 0..SECOND) => "now".to_owned(),
        (0, future) => format!("in {}", length(future)),
        (past, _) => format!("{} ago", length(past)),
    }
}

/// A time: how long ago, and when. Machines read it, too.
pub(super) fn time(now: i64, at: i64) -> Markup {
    html! { (stamp(now, at)) " " span.dim { (seen_from(now, at)) } }
}

/// When alone.
pub(super) fn stamp(now: i64, at: i64) -> Markup {
    let Some(time) = DateTime::from_timestamp_millis(at) else { return html! { (at) " ms" } };
    let is_today = DateTime::from_timestamp_millis(now).is_some_and(|now| now.date_naive() == time.date_naive());
    let form = if is_today { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" };
    html! { time datetime=(time.to_rfc3339_opts(SecondsFormat::Millis, true)) { (time.format(form)) } }
}

/// When, to the second, as a clock shows it.
pub(super) fn clock(at: i64) -> Markup {
    let time = DateTime::<Utc>::from_timestamp_millis(at).unwrap_or_default();
    html! {
        time datetime=(time.to_rfc3339_opts(SecondsFormat::Millis, true)) { (time.format("%Y-%m-%d %H:%M:%S")) }
    }
}

/// With a comma at each thousand.
pub(super) fn number(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 event`, `2 events`.
pub(super) fn count(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", number(count), if count == 1 { "" } else { "s" })
}

/// Bytes in a unit that fits.
pub(super) fn bytes(bytes: u64) -> String {
    ByteSize::b(bytes).to_string()
}

/// Names one after the other: `a`, `a and b`, `a, b and c`.
pub(super) fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// What others have written, on one line and without known secrets; templates escape it.
pub(super) fn clean(text: &str) -> String {
    crate::log::plain(&redaction::clean(text))
}

/// The same with a capital and a full stop.
pub(super) fn sentence(text: &str) -> String {
    let text = clean(text);
    let text = text.trim();
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let end = if text.ends_with(['.', '!', '?', '\u{2026}']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}

/// A text in which names and commands stand between backticks.
pub(super) fn marked(text: &str) -> Markup {
    html! {
        @for (at, part) in text.split('`').enumerate() {
            @if at % 2 == 1 { code.name { (part) } } @else { (part) }
        }
    }
}

/// A text within an id or a key.
pub(super) fn key(parts: &[&str]) -> String {
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_said_in_the_units_that_matter() {
        for (ms, words) in [
            (0, "0 s"),
            (999, "0 s"),
            (4_200, "4 s"),
            (60_000, "1 min"),
            (135_000, "2 min 15 s"),
            (12 * 60_000 + 1_000, "12 min"),
            (3 * HOUR + 10 * MINUTE, "3 h 10 min"),
            (23 * HOUR + 10 * MINUTE, "23 h"),
            (2 * DAY + 4 * HOUR, "2 d 4 h"),
            (1_234 * DAY, "1,234 d"),
        ] {
            assert_eq!(length(ms), words);
        }
    }

    #[test]
    fn a_time_is_seen_from_now() {
        for (at, words) in [(500, "now"), (1_400, "now"), (-4_000, "5 s ago"), (61_000, "in 1 min")] {
            assert_eq!(seen_from(1_000, at), words, "{at}");
        }
    }

    #[test]
    fn a_time_of_another_day_says_which_and_machines_read_both() {
        let now = 1_767_225_600_000;
        assert_eq!(
            time(now + 3_000, now).into_string(),
            "<time datetime=\"2026-01-01T00:00:00.000Z\">00:00:00</time> <span class=\"dim\">3 s ago</span>"
        );
        assert!(stamp(now, now - 1).into_string().ends_with(">2025-12-31 23:59</time>"));
        assert_eq!(stamp(now, i64::MAX).into_string(), "9223372036854775807 ms");
    }

    #[test]
    fn numbers_have_commas_and_nouns_agree() {
        let numbers = [0, 999, 1_000, 1_234_567].map(number);
        assert_eq!(numbers, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([count(1, "event"), count(2_000, "event")], ["1 event", "2,000 events"]);
        assert_eq!(list(&["a".to_owned(), "b".to_owned(), "c".to_owned()]), "a, b and c");
    }

    #[test]
    fn what_stands_between_backticks_is_a_name() {
        assert_eq!(
            marked("see `a <b>`, or `c").into_string(),
            "see <code class=\"name\">a &lt;b&gt;</code>, or <code class=\"name\">c</code>"
        );
        assert_eq!(marked("plain").into_string(), "plain");
    }

    #[test]
    fn texts_become_sentences_once() {
        for (text, said) in [("", ""), ("no  role", "No  role."), ("Mend it.", "Mend it."), ("why?", "Why?")] {
            assert_eq!(sentence(text), said);
        }
    }
}
