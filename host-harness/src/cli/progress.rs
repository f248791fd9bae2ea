//! How far a collection is: bars on a terminal, now and then a line elsewhere; on standard error only.

mod gauge;
mod layout;

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use console::Term;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use self::gauge::Gauge;
use super::output::{self, Note};
use crate::collect::{StreamTotal, Totals};
use crate::log;
use crate::runtime::time;

/// The least time between two lines where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// Where progress is shown.
pub(super) enum Progress {
    /// A bar a stream, and what it goes by; since when.
    Bars(MultiProgress, BTreeMap<String, (ProgressBar, Gauge)>, Instant),
    /// A line now and then while a round goes on, since when; none between rounds.
    Lines(Option<Instant>),
}

impl Progress {
    pub(super) fn new() -> Self {
        if std::io::stderr().is_terminal() && output::form() == log::Form::Words {
            Self::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr()), BTreeMap::new(), Instant::now())
        } else {
            Self::Lines(Some(Instant::now()))
        }
    }

    /// Without bars, for who has a page.
    pub(super) fn still() -> Self {
        Self::Lines(None)
    }

    /// What lines of the log must make room for.
    pub(super) fn bars(&self) -> Option<MultiProgress> {
        match self {
            Self::Bars(bars, ..) => Some(bars.clone()),
            Self::Lines(_) => None,
        }
    }

    pub(super) fn show(&mut self, totals: &Totals) {
        match self {
            Self::Bars(all, bars, begun) => {
                let (_, columns) = Term::stderr().size();
                let width = totals.streams.keys().map(String::len).max().unwrap_or(0);
                for (name, stream) in &totals.streams {
                    let new = || (all.add(bar()), Gauge::default());
                    let (bar, gauge) = bars.entry(name.clone()).or_insert_with(new);
                    let reading = gauge.read(stream, begun.elapsed());
                    bar.set_message(layout::line(&format!("{name:width$}"), &reading, usize::from(columns)));
                }
            }
            Self::Lines(told) => {
                if told.get_or_insert_with(Instant::now).elapsed() >= BETWEEN_LINES {
                    *told = Some(Instant::now());
                    let streams = totals.streams.iter().map(|(name, stream)| format!("{name}: {}", message(stream)));
                    let streams = streams.collect::<Vec<_>>().join("; ");
                    let text = format!("collected {} events; {streams}", totals.delivered());
                    Note::new("progress", &text).write();
                }
            }
        }
    }

    /// A round is over: the time until the next one is none in which something lasts.
    pub(super) fn rest(&mut self) {
        if let Self::Lines(told) = self {
            *told = None;
        }
    }

    /// Writes something while the bars, if there are any, are away.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match self {
            Self::Bars(all, ..) => all.suspend(write),
            Self::Lines(_) => write(),
        }
    }

    /// Leaves the screen to the summary.
    pub(super) fn end(&mut self) {
        if let Self::Bars(all, bars, _) = self {
            bars.values().for_each(|(bar, _)| bar.finish_and_clear());
            // A terminal that has gone cannot be cleared.
            let _ = all.clear();
        }
    }
}

/// The line is laid out here: what does not fit is left out by what it is worth, not by where it stands.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new_spinner().with_style(style)
}

fn message(stream: &StreamTotal) -> String {
    let complete =
        stream.watermark.map(|watermark| format!(", complete up to {}", time(watermark))).unwrap_or_default();
    let failed = stream.failure.as_ref().map(|failure| format!(", {}", failure.code)).unwrap_or_default();
    format!("{} events{complete}{failed}", stream.delivered)
}
