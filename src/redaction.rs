//! Takes secrets out of what Webex or the host says, before it is shown to anybody.

use url::form_urlencoded;

use crate::answer::{Problem, Verdict};
use crate::secret::Secret;

/// What stands where a secret stood.
const MARK: &str = "***";

/// The text without these secrets, as they are or as they look in a form or query.
pub fn redact(text: &str, secrets: &[&Secret]) -> String {
    let mut forms: Vec<String> = secrets
        .iter()
        .map(|secret| secret.expose())
        .filter(|secret| !secret.is_empty())
        .flat_map(|secret| [secret.to_owned(), form_urlencoded::byte_serialize(secret.as_bytes()).collect()])
        .collect();
    // The longest first: a secret that begins like another must not leave its tail behind.
    forms.sort_unstable_by_key(|form| std::cmp::Reverse(form.len()));
    forms.iter().fold(text.to_owned(), |text, form| text.replace(form.as_str(), MARK))
}

/// The verdict, its texts without these secrets.
pub fn redact_verdict(verdict: Verdict, secrets: &[&Secret]) -> Verdict {
    let clean = |problem: Problem| Problem {
        message: redact(&problem.message, secrets),
        tracking_id: problem.tracking_id.map(|id| redact(&id, secrets)),
        ..problem
    };
    match verdict {
        Verdict::Ok => Verdict::Ok,
        Verdict::Unauthorized(problem) => Verdict::Unauthorized(clean(problem)),
        Verdict::Wait(span, problem) => Verdict::Wait(span, clean(problem)),
        Verdict::Fault(problem) => Verdict::Fault(clean(problem)),
        Verdict::TooMuch(problem) => Verdict::TooMuch(clean(problem)),
        Verdict::Refused(problem) => Verdict::Refused(clean(problem)),
        Verdict::Redirected(problem) => Verdict::Redirected(clean(problem)),
        Verdict::Denied(problem) => Verdict::Denied(clean(problem)),
        Verdict::Rejected(problem) => Verdict::Rejected(clean(problem)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_taken_out_however_it_is_written() {
        let (long, short) = (Secret::new("fake/token+1"), Secret::new("fake"));
        let text = redact("of fake/token+1 and fake%2Ftoken%2B1 and fake.", &[&short, &long]);
        assert_eq!(text, "of *** and *** and ***.");
        assert_eq!(redact("nothing here", &[&Secret::new("")]), "nothing here");
    }
}
