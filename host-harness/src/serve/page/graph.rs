//! Bars, drawn by attributes: the page's policy allows no style in it.

use maud::{Markup, html};

use super::words;

/// Of an hour.
const MINUTES: usize = 60;
/// How high a line of bars is, and how wide one is, in units of the picture.
const HEIGHT: u64 = 32;
const WIDTH: usize = 4;

/// Events of each minute as bars, and in words.
pub(super) fn per_minute(minutes: &[u64]) -> Markup {
    let most = minutes.iter().copied().max().unwrap_or(0);
    // The last bar stands at the right, also where the hour is not over.
    let before = MINUTES.saturating_sub(minutes.len());
    let bar = |(at, events): (usize, &u64)| {
        // At least a line where there was something at all.
        let high = (events * HEIGHT).div_ceil(most.max(1));
        let (left, top) = ((before + at) * WIDTH, HEIGHT - high);
        if high == 0 { String::new() } else { format!("M{left} {HEIGHT}V{top}h{}V{HEIGHT}z", WIDTH - 1) }
    };
    let bars: String = minutes.iter().enumerate().map(bar).collect();
    let label = format!(
        "Events a minute over the last hour: {} in the last minute, {} at most, {} in all",
        words::number(last_minute(minutes)),
        words::number(most),
        words::number(minutes.iter().sum())
    );
    html! {
        svg.bars viewBox={ "0 0 " (MINUTES * WIDTH) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(label) {
            path.line d={ "M0 " (HEIGHT) "h" (MINUTES * WIDTH) } {}
            path d=(bars) {}
        }
    }
}

/// Events of the last whole minute; of the one that has begun, where it is the first.
pub(super) fn last_minute(minutes: &[u64]) -> u64 {
    match minutes {
        [earlier @ .., last, begun] if earlier.iter().all(|events| *events == 0) && *last == 0 => *begun,
        [.., last, _] => *last,
        [begun] => *begun,
        [] => 0,
    }
}

/// A share as a bar; what it says stands in words beside it.
pub(super) fn share(share: f64, class: &str) -> Markup {
    let percent = percent(share);
    html! {
        svg class={ "share " (class) } aria-hidden="true" focusable="false" {
            rect.ground width="100%" height="100%" {}
            rect.part width={ (percent) "%" } height="100%" {}
        }
    }
}

/// In whole percent, 0 to 100.
pub(super) fn percent(share: f64) -> u64 {
    // The conversion saturates, and what is no number becomes 0.
    (share.clamp(0.0, 1.0) * 100.0) as u64
}

/// A part of a whole, 0 to 1.
pub(super) fn part(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_whole_minute_counts_but_in_the_first() {
        for (minutes, last) in [(&[][..], 0), (&[3], 3), (&[0, 0, 7], 7), (&[0, 5, 7], 5), (&[2, 0, 7], 0)] {
            assert_eq!(last_minute(minutes), last, "{minutes:?}");
        }
    }

    #[test]
    fn a_minute_with_one_event_is_seen_beside_one_with_thousands() {
        let picture = per_minute(&[1, 0, 10_000]).into_string();
        assert!(picture.contains("d=\"M228 32V31h3V32zM236 32V0h3V32z\""), "{picture}");
        assert!(picture.contains("0 in the last minute, 10,000 at most, 10,001 in all"), "{picture}");
    }

    #[test]
    fn shares_that_are_none_draw_nothing() {
        assert_eq!([f64::NAN, -1.0, 0.333, 7.0].map(percent), [0, 0, 33, 100]);
    }
}
