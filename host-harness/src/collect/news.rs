//! What is told of the rounds of `--follow`.
//!
//! An operator reads these lines in a journal, or is woken by them. So a round is told when it brought events or a gap, or
//! when a stream began or ceased to fail, and only of the streams that did. A stream that has failed for days in the same
//! way is no news each minute; it stands, with how far the others are, in a sign of life every ten minutes without news. The
//! first round is told whole: after a start it says where each stream stands.

use std::collections::BTreeMap;
use std::fmt;

use super::totals::StreamTotal;
use super::{Round, RoundEnd, report};
use crate::runtime::time;

/// Between two signs of life, in milliseconds: often enough that silence means trouble, and 144 lines a day at most.
const SIGN_OF_LIFE: i64 = 10 * 60_000;

/// What was told before.
#[derive(Debug, Default)]
pub struct News {
    /// Codes of failures, by stream.
    failing: BTreeMap<String, String>,
    /// Rounds without news, and when the first of them began.
    quiet: Option<(u64, i64)>,
    /// Whether a round was told.
    has_begun: bool,
}

/// One line of it. Shown as text it names its stream, in columns with the other lines of its round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewsLine {
    /// Which stream it is about; none: all of them.
    pub stream: Option<String>,
    /// What there is to say.
    pub text: String,
    /// Of the column of streams.
    width: usize,
}

impl fmt::Display for NewsLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.stream {
            Some(stream) => write!(f, "{stream:width$}  {}", self.text, width = self.width),
            None => f.write_str(&self.text),
        }
    }
}

impl News {
    /// The lines for a round; `all`: of every stream of every round.
    pub fn of(&mut self, round: &Round, all: bool) -> Vec<NewsLine> {
        let mut lines = Vec::new();
        let all = all || !std::mem::replace(&mut self.has_begun, true);
        let width = round.totals.streams.keys().map(String::len).max().unwrap_or(0);
        for (name, stream) in &round.totals.streams {
            let failure = stream.failure.as_ref().map(|failure| failure.code.clone());
            let before = match &failure {
                Some(code) => self.failing.insert(name.clone(), code.clone()),
                None => self.failing.remove(name),
            };
            if all || before != failure || stream.delivered > 0 || !stream.gaps.is_empty() {
                lines.push(NewsLine { stream: Some(name.clone()), text: report::line(stream), width });
            }
        }
        // How a whole round failed stands in the log.
        let is_quiet = lines.is_empty() && matches!(round.end, RoundEnd::Ended(_));
        if !is_quiet {
            self.quiet = None;
            return lines;
        }
        // A clock that was set back begins anew.
        let (rounds, since) = self.quiet.filter(|(_, since)| *since <= round.began).unwrap_or((0, round.began));
        self.quiet = Some((rounds + 1, since));
        if round.ended.saturating_sub(since) >= SIGN_OF_LIFE {
            self.quiet = None;
            lines.push(NewsLine { stream: None, text: sign_of_life(rounds + 1, round), width });
        }
        lines
    }
}

fn sign_of_life(rounds: u64, round: &Round) -> String {
    let stand = |(name, stream): (&String, &StreamTotal)| match (&stream.failure, stream.watermark) {
        (Some(failure), _) => format!("{name} failed: {}", failure.code),
        (None, Some(watermark)) => format!("{name} complete up to {}", time(watermark)),
        (None, None) => format!("{name} not begun"),
    };
    let streams: Vec<String> = round.totals.streams.iter().map(stand).collect();
    format!("nothing new in {rounds} rounds; {}", streams.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::totals::sample;
    use crate::collect::{End, Totals, What};
    use crate::runtime::{Gap, Report};

    const MINUTE: i64 = 60_000;

    fn round(number: i64, reports: &[Report]) -> Round {
        let mut totals = Totals::default();
        totals.add(reports);
        let (began, end) = (number * MINUTE, RoundEnd::Ended(End::Idle));
        Round { what: What::Collect, began, ended: began + 1_000, totals, end }
    }

    /// After the first round.
    fn begun() -> News {
        News { has_begun: true, ..News::default() }
    }

    fn audits() -> Report {
        Report { stream: "admin_audits".into(), ..sample::report() }
    }

    #[test]
    fn only_streams_that_brought_something_are_told() {
        let mut news = begun();
        let lines = news.of(&round(0, &[audits(), Report { delivered: 2, ..sample::report() }]), false);
        assert!(
            matches!(&lines[..], [line] if line.to_string().starts_with("events        2 events")
                && line.text.starts_with("2 events")),
            "{lines:?}"
        );
        let gap = Gap { from: 0, to: 1, reason: "x".into() };
        let lines = news.of(&round(1, &[audits(), Report { gaps: vec![gap], ..sample::report() }]), false);
        assert!(matches!(&lines[..], [line] if line.text.contains("1 gap")), "{lines:?}");
        assert_eq!(news.of(&round(2, &[audits(), sample::report()]), false), []);
        assert_eq!(news.of(&round(3, &[audits(), sample::report()]), true).len(), 2, "with -v all are");
    }

    #[test]
    fn the_first_round_is_told_whole() {
        let mut news = News::default();
        assert_eq!(news.of(&round(0, &[audits(), sample::report()]), false).len(), 2);
        assert_eq!(news.of(&round(1, &[audits(), sample::report()]), false).len(), 0);
    }

    #[test]
    fn a_failure_is_news_when_it_begins_changes_and_ends() {
        let mut news = begun();
        let failed = |code| Report { failure: Some(sample::failure(code)), ..sample::report() };
        let reports = [failed("refused"), failed("refused"), failed("unavailable"), sample::report(), sample::report()];
        let told = reports.into_iter().zip(0..).map(|(report, number)| news.of(&round(number, &[report]), false).len());
        assert_eq!(told.collect::<Vec<_>>(), [1, 0, 1, 1, 0]);
    }

    #[test]
    fn ten_minutes_without_news_are_a_sign_of_life() {
        let mut news = begun();
        let refused = Report { failure: Some(sample::failure("refused")), ..audits() };
        let reports = [refused, sample::report()];
        let told = (0..31).flat_map(|number| news.of(&round(number, &reports), false));
        let told: Vec<String> = told.map(|line| line.to_string()).collect();
        let life =
            "nothing new in 10 rounds; admin_audits failed: refused, events complete up to 2025-12-31T23:59:55.000Z";
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(
            told.iter().skip(1).all(|line| line == life || line == &life.replace("10 rounds", "11 rounds")),
            "{told:?}"
        );
        // A clock that was set back.
        assert_eq!(news.of(&round(-1_000, &reports), false), []);
    }
}
