//! Measuring a whole table, and what it looks like.

use std::fmt::Write as _;
use std::num::NonZeroU16;

use crate::bars::bars;
use crate::case::Case;
use crate::error::BenchError;
use crate::machine::Machine;
use crate::plan::{Extent, Planned, plan};
use crate::results::{Results, Row, Spread};
use crate::subject::collector::Program;
use crate::tenant::Supply;

/// Measures every case of a plan. What is done is told on standard error.
///
/// # Errors
/// A subject failed, or events are missing or there twice. Nothing of the table counts then.
pub fn measure(extent: Extent, program: &Program) -> Result<Results, BenchError> {
    let mut rows = Vec::new();
    for group in plan(extent) {
        rows.extend(measure_group(group, program)?);
    }
    Ok(Results { machine: Machine::here(), rows })
}

/// Measures some cases in turns.
///
/// # Errors
/// As [`measure`].
pub fn measure_group(group: Vec<Planned>, program: &Program) -> Result<Vec<Row>, BenchError> {
    let rounds = group.iter().map(|planned| planned.runs).max().unwrap_or(0);
    let mut rows: Vec<(usize, Row)> =
        group.into_iter().map(|Planned { case, runs }| (runs, Row { case, outcomes: Vec::new() })).collect();
    for round in 1..=rounds {
        for (_, row) in rows.iter_mut().filter(|(runs, _)| *runs >= round) {
            let outcome = row.case.run(program)?;
            let usage = &outcome.usage;
            eprintln!(
                "{} {round}/{rounds}: {} events, {} s, {} ms of CPU, {} KiB, {} requests, the first after {} us{}",
                in_words(&row.case),
                outcome.events,
                seconds(usage.wall_us),
                usage.cpu_us / 1_000,
                usage.peak_bytes / 1_024,
                outcome.requests,
                outcome.first_request_us,
                outcome.budget_used.map_or_else(String::new, |used| format!(", {:.1} % of the budget", used * 100.0))
            );
            row.outcomes.push(outcome);
        }
    }
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

fn seconds(micros: u64) -> String {
    format!("{}.{:03}", micros / 1_000_000, micros / 1_000 % 1_000)
}

fn in_words(case: &Case) -> String {
    let mut words = case.subject.name().to_owned();
    let _ = write!(words, ", {} ms a call", case.latency_ms);
    if let Some(tenants) = case.tenants {
        let _ = write!(words, ", tenants: {tenants}");
    }
    if case.gzip {
        words.push_str(", gzip");
    }
    if let Some(limit) = case.requests_a_minute {
        let _ = write!(words, ", {limit} calls a minute");
    }
    words
}

/// The table, and below it what must be reached, as Markdown.
pub fn markdown(results: &Results) -> String {
    let mut text =
        format!("Measured on {}. Medians; every run stands in `tests/bench/results.json`.\n\n", results.machine);
    text.push_str(&rows(results));
    text.push_str("\n| what must be reached | bar | measured | |\n| --- | --- | --- | --- |\n");
    for bar in bars(results) {
        let (measured, verdict) = match (bar.measured, bar.reached) {
            (Some(measured), true) => (measured, "reached"),
            (Some(measured), false) => (measured, "**not reached**"),
            (None, _) => ("-".to_owned(), "not measured"),
        };
        let _ = writeln!(text, "| {} | {} | {measured} | {verdict} |", bar.what, bar.bar);
    }
    text
}

/// The rows alone. Starts have no events, and stand among what must be reached.
pub fn rows(results: &Results) -> String {
    let mut text = String::new();
    text.push_str("| events | ms a call | who | wall | CPU an event | peak RSS | requests | budget used |\n");
    text.push_str("| ---: | ---: | --- | ---: | ---: | ---: | ---: | ---: |\n");
    let mut last = None;
    for row in results.rows.iter().filter(|row| row.case.events() > 0) {
        let first_cells = (supply(&row.case), row.case.latency_ms);
        let [events, latency] = if last.as_ref() == Some(&first_cells) {
            [String::new(), String::new()]
        } else {
            [first_cells.0.clone(), first_cells.1.to_string()]
        };
        last = Some(first_cells);
        let _ = writeln!(
            text,
            "| {events} | {latency} | {} | {} | {} | {} | {} | {} |",
            row.case.subject.title(),
            cell(row.wall_s(), |value| format!("{value:.2} s")),
            cell(row.cpu_us(), |value| format!("{value:.2} µs")),
            cell(row.peak_mib(), |value| format!("{value:.1} MiB")),
            cell(row.requests(), grouped),
            cell(row.budget_used(), |value| format!("{:.1} %", value * 100.0)),
        );
    }
    text
}

fn supply(case: &Case) -> String {
    let mut text = match case.supply {
        [Supply::Live(_), ..] => format!("{} a second, {} s", grouped_whole(case.events()), case.follow_s.unwrap_or(0)),
        _ => grouped_whole(case.events()),
    };
    if let Some(tenants) = case.tenants.map(NonZeroU16::get) {
        let _ = write!(text, ", {} tenant{}", grouped_whole(tenants.into()), if tenants == 1 { "" } else { "s" });
    }
    if case.gzip {
        text.push_str(", gzip");
    }
    if let (Some(limit), None) = (case.requests_a_minute, case.follow_s) {
        let _ = write!(text, ", {limit} calls a minute");
    }
    text
}

fn cell(spread: Option<Spread>, text: impl Fn(f64) -> String) -> String {
    spread.map_or_else(|| "-".to_owned(), |spread| text(spread.median))
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts of requests")]
fn grouped(value: f64) -> String {
    grouped_whole(value.max(0.0) as u64)
}

/// With a comma between thousands.
fn grouped_whole(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_commas_between_thousands() {
        let found = [0, 12, 999, 1_000, 12_345, 10_000_000].map(grouped_whole);
        assert_eq!(found, ["0", "12", "999", "1,000", "12,345", "10,000,000"]);
    }
}
