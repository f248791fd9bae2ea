//! The name that was probably meant.

/// How alike two names must be, 0 to 1. Below this a hint confuses more than it helps.
const ALIKE: f64 = 0.75;

/// `; did you mean …?`, or empty.
pub fn hint<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let mut best: Option<(f64, &str)> = None;
    for candidate in known {
        let score = strsim::jaro_winkler(name, candidate);
        if score >= ALIKE && best.is_none_or(|(other, _)| score > other) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| format!("; did you mean `{candidate}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_nonsense_is_not() {
        let known = ["interval", "max_fetch", "overlap"];
        assert_eq!(hint("intervall", known), "; did you mean `interval`?");
        assert_eq!(hint("maxfetch", known), "; did you mean `max_fetch`?");
        assert_eq!(hint("zzz", known), "");
    }
}
