//! A stream's line of the progress, for any width: the bar gives way first, then words, then what is worth least.

use std::time::Duration;

use console::{measure_text_width, truncate_str};

use super::gauge::Reading;

/// Columns of a bar, without its ends.
const WIDEST_BAR: usize = 30;
const NARROWEST_BAR: usize = 6;
/// What a bar takes beside these: its ends and two blanks.
const AROUND_BAR: usize = 4;

/// `admin_audits  [=====>    ]  1200 events, 85/s, 2 d 3 h left, end in 12 min`, in at most so many columns.
pub(super) fn line(name: &str, reading: &Reading, width: usize) -> String {
    let (count, rate) = (reading.delivered.to_string(), rate(reading));
    let (state, end) = state(reading);
    let in_row = |facts: &[Option<&str>]| facts.iter().flatten().copied().collect::<Vec<_>>().join(", ");
    let (rate, state, end) = (rate.as_deref(), state.as_deref(), end.as_deref());
    let events = format!("{count} events");
    let facts = in_row(&[Some(&events), rate, state, end]);
    let whole = format!("{name}  {facts}");
    let room = width.saturating_sub(measure_text_width(&whole));
    if room >= NARROWEST_BAR + AROUND_BAR {
        return format!("{name}  {}  {facts}", bar(reading.complete, (room - AROUND_BAR).min(WIDEST_BAR)));
    }
    // What is worth least goes first: a word, the rate, the end.
    let count = Some(count.as_str());
    let shorter = [[count, rate, state, end], [count, None, state, end], [count, None, state, None]];
    let mut lines = [whole].into_iter().chain(shorter.iter().map(|facts| format!("{name}  {}", in_row(facts))));
    let fits = |line: &String| measure_text_width(line) <= width;
    let line = lines.find(fits).unwrap_or_else(|| format!("{name}  {}", in_row(&[count, state])));
    truncate_str(&line, width, "…").into_owned()
}

fn rate(reading: &Reading) -> Option<String> {
    reading.rate.map(|rate| if rate >= 10.0 { format!("{rate:.0}/s") } else { format!("{rate:.1}/s") })
}

/// Where the stream stands, and when its backlog ends.
fn state(reading: &Reading) -> (Option<String>, Option<String>) {
    match (&reading.failure, reading.open) {
        (Some(code), _) => (Some(format!("failed: {code}")), None),
        (None, Some(Duration::ZERO)) => (Some("up to date".to_owned()), None),
        (None, Some(open)) => {
            (Some(format!("{} left", span(open))), reading.end.map(|end| format!("end in {}", span(end))))
        }
        (None, None) => (None, None),
    }
}

fn bar(complete: f64, columns: usize) -> String {
    let full = (complete.clamp(0.0, 1.0) * columns as f64).floor() as usize;
    let full = full.min(columns);
    let head = if full < columns { ">" } else { "" };
    format!("[{:columns$}]", format!("{}{head}", "=".repeat(full)))
}

/// As `2 d 3 h`, `12 min`, `40 s`: a second unit where the first is below ten. Less than a second is `1 s`.
fn span(time: Duration) -> String {
    let seconds = time.as_secs().max(1);
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let mut words = Vec::new();
    for (size, unit) in units {
        if rest >= size || !words.is_empty() {
            words.push((rest / size, unit));
            rest %= size;
        }
    }
    let units = if words.first().is_some_and(|(number, _)| *number < 10) { 2 } else { 1 };
    let words = words.into_iter().take(units).filter(|(number, _)| *number > 0);
    words.map(|(number, unit)| format!("{number} {unit}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn reading() -> Reading {
        Reading {
            delivered: 123_456,
            rate: Some(85.4),
            open: Some(Duration::from_secs(2 * 86_400 + 3 * 3_600 + 59)),
            end: Some(Duration::from_secs(725)),
            complete: 0.5,
            failure: None,
        }
    }

    #[test]
    fn a_wide_terminal_has_a_bar_and_every_fact() {
        assert_eq!(
            line("events         ", &reading(), 120),
            "events           [===============>              ]  123456 events, 85/s, 2 d 3 h left, end in 12 min"
        );
    }

    #[test]
    fn sixty_columns_have_every_fact_in_fewer_words() {
        let line = line("security_audits", &reading(), 60);
        assert_eq!(line, "security_audits  123456, 85/s, 2 d 3 h left, end in 12 min");
        assert!(line.len() <= 60);
    }

    #[test]
    fn a_stream_that_is_up_to_date_or_failed_says_so() {
        let done = Reading { open: Some(Duration::ZERO), end: Some(Duration::ZERO), complete: 1.0, ..reading() };
        let done = line("events", &done, 70);
        assert!(done.ends_with("123456 events, 85/s, up to date") && done.contains("==]"), "{done}");
        let failed = Reading { failure: Some("refused".into()), ..reading() };
        assert!(line("events", &failed, 70).ends_with("123456 events, 85/s, failed: refused"));
    }

    #[test]
    fn a_length_of_time_has_as_many_units_as_say_something() {
        for (seconds, want) in [
            (0, "1 s"),
            (40, "40 s"),
            (60, "1 min"),
            (545, "9 min 5 s"),
            (725, "12 min"),
            (3_600, "1 h"),
            (2 * 86_400 + 60, "2 d"),
            (2 * 86_400 + 3 * 3_600 + 59, "2 d 3 h"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), want, "{seconds}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_wider_than_the_terminal(
            width in 1_usize..200,
            name in "[a-z_]{1,20}",
            delivered in any::<u64>(),
            rate in proptest::option::of(0.0..1e9),
            open in proptest::option::of(any::<u32>()),
            end in proptest::option::of(any::<u32>()),
            complete in -1.0..2.0,
            failure in proptest::option::of("[a-z-]{1,40}"),
        ) {
            let of = |seconds: Option<u32>| seconds.map(|seconds| Duration::from_secs(seconds.into()));
            let reading = Reading { delivered, rate, open: of(open), end: of(end), complete, failure };
            let line = line(&name, &reading, width);
            prop_assert!(measure_text_width(&line) <= width, "{}", line);
        }
    }
}
