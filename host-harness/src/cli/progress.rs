//! How far a collection is: bars on a terminal, now and then a line elsewhere; on standard error only.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::output;
use crate::collect::{StreamTotal, Totals};
use crate::runtime::{Clock, time};

/// The least time between two lines where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(10);
/// Steps of a bar.
const STEPS: u64 = 1_000;

/// Where progress is shown.
pub(super) enum Progress {
    /// A bar a stream.
    Bars(MultiProgress, BTreeMap<String, ProgressBar>),
    /// A line now and then while a round goes on, since when; none between rounds.
    Lines(Option<Instant>),
}

impl Progress {
    pub(super) fn new() -> Self {
        if std::io::stderr().is_terminal() {
            Self::Bars(MultiProgress::with_draw_target(ProgressDrawTarget::stderr()), BTreeMap::new())
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
            Self::Bars(bars, _) => Some(bars.clone()),
            Self::Lines(_) => None,
        }
    }

    pub(super) fn show(&mut self, totals: &Totals) {
        match self {
            Self::Bars(all, bars) => {
                for (name, stream) in &totals.streams {
                    let bar = bars.entry(name.clone()).or_insert_with(|| all.add(bar(name)));
                    bar.set_position(covered(stream, Clock::System.now()));
                    bar.set_message(message(stream));
                }
            }
            Self::Lines(told) => {
                if told.get_or_insert_with(Instant::now).elapsed() >= BETWEEN_LINES {
                    *told = Some(Instant::now());
                    let streams = totals.streams.iter().map(|(name, stream)| format!("{name}: {}", message(stream)));
                    output::words(&format!(
                        "collected {} events; {}",
                        totals.delivered(),
                        streams.collect::<Vec<_>>().join("; ")
                    ));
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

    /// A sentence, above the bars if there are any.
    pub(super) fn tell(&self, words: &str) {
        self.aside(|| output::words(words));
    }

    /// Writes something while the bars, if there are any, are away.
    pub(super) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        match self {
            Self::Bars(all, _) => all.suspend(write),
            Self::Lines(_) => write(),
        }
    }

    /// Leaves the screen to the summary.
    pub(super) fn end(&mut self) {
        if let Self::Bars(all, bars) = self {
            bars.values().for_each(ProgressBar::finish_and_clear);
            // A terminal that has gone cannot be cleared.
            let _ = all.clear();
        }
    }
}

fn bar(name: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{prefix:16} [{bar:30}] {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(STEPS).with_style(style.progress_chars("=> ")).with_prefix(name.to_owned())
}

/// The share of the time between the first watermark and now that is complete, of [`STEPS`].
fn covered(stream: &StreamTotal, now: i64) -> u64 {
    let (Some(start), Some(watermark)) = (stream.started_at, stream.watermark) else { return 0 };
    if stream.pending == 0 {
        return STEPS;
    }
    let done = u64::try_from(watermark.saturating_sub(start)).unwrap_or(0);
    let whole = u64::try_from(now.saturating_sub(start)).unwrap_or(0).max(1);
    done.saturating_mul(STEPS).checked_div(whole).unwrap_or(0).min(STEPS)
}

fn message(stream: &StreamTotal) -> String {
    let complete =
        stream.watermark.map(|watermark| format!(", complete up to {}", time(watermark))).unwrap_or_default();
    let failed = stream.failure.as_ref().map(|failure| format!(", {}", failure.code)).unwrap_or_default();
    format!("{} events{complete}{failed}", stream.delivered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_shows_how_much_of_the_time_is_complete() {
        let stream = |started_at, watermark| {
            let mut total = StreamTotal::default();
            (total.started_at, total.watermark, total.pending) = (started_at, watermark, 1);
            total
        };
        assert_eq!(covered(&stream(None, None), 100), 0);
        assert_eq!(covered(&stream(Some(0), Some(0)), 100), 0);
        assert_eq!(covered(&stream(Some(0), Some(50)), 100), STEPS / 2);
        assert_eq!(covered(&stream(Some(0), Some(200)), 100), STEPS);
        assert_eq!(covered(&stream(Some(100), Some(100)), 100), 0);
        let mut drained = stream(Some(100), Some(100));
        drained.pending = 0;
        assert_eq!(covered(&drained, 100), STEPS, "nothing is left");
    }
}
