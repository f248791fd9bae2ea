//! What a person brings back from Webex's sign-in: the code, or the whole address that holds it.

use url::form_urlencoded;

use crate::failure::Failure;
use crate::redaction::redact;
use crate::secret::Secret;

/// What was brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redirected {
    /// A code and nothing else.
    BareCode(Secret),
    /// The code in an address.
    Code {
        /// The code.
        code: Secret,
        /// Which sign-in it belongs to.
        state: Secret,
    },
    /// An address that says why there is no code.
    Denied {
        /// One sentence.
        error: String,
        /// Which sign-in it belongs to.
        state: Option<Secret>,
    },
}

impl Redirected {
    /// Reads a bare code, an address (`https://…?code=…&state=…`), or its query alone. Failures do not quote the text.
    pub fn parse(text: &Secret) -> Result<Self, Failure> {
        let wrong = |problem: &str, remedy: &str| Err(Failure::argument("code", problem, remedy));
        let whole = "give the whole address to which Webex led, or only what stands in it between `code=` and `&`";
        let text = text.expose().trim();
        let query = text.split_once('?').map_or(text, |(_, query)| query);
        let query = query.split('#').next().unwrap_or_default();
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let all = |key: &str| -> Vec<&str> {
            pairs
                .iter()
                .filter(|(name, value)| name == key && !value.is_empty())
                .map(|(_, value)| value.as_str())
                .collect()
        };
        let (codes, states, errors) = (all("code"), all("state"), all("error"));
        if codes.len() > 1 || states.len() > 1 {
            return wrong("holds more than one code or state", whole);
        }
        let (code, state) = (codes.first().map(|c| Secret::new(*c)), states.first().map(|s| Secret::new(*s)));
        if let Some(error) = errors.first() {
            let description = all("error_description");
            let error = description.first().map_or_else(|| (*error).to_owned(), |text| format!("{error}: {text}"));
            let secrets: Vec<&Secret> = code.iter().chain(&state).collect();
            return Ok(Self::Denied { error: redact(&error, &secrets), state });
        }
        match (code, state) {
            (Some(code), Some(state)) => Ok(Self::Code { code, state }),
            (Some(_), None) => wrong("is an address without a state, so that nobody knows whose sign-in it is", whole),
            (None, _) if !all("response_type").is_empty() => wrong(
                "is the link that signs in",
                "open it in a browser, and give the address to which Webex leads then",
            ),
            (None, Some(_)) => wrong("is an address without a code", whole),
            (None, None) if text.contains("://") || text.contains('?') => wrong("is an address without a code", whole),
            (None, None) if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) => {
                wrong("is no code", whole)
            }
            (None, None) => Ok(Self::BareCode(Secret::new(text))),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests fail by panicking")]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Redirected, Failure> {
        Redirected::parse(&Secret::new(text))
    }

    #[test]
    fn a_code_is_found_however_it_is_brought() {
        let code = Redirected::Code { code: Secret::new("fake code"), state: Secret::new("s1") };
        for text in [
            "https://siem.example/callback?code=fake%20code&state=s1",
            "http://127.0.0.1:8765/callback?x=1&state=s1&code=fake+code#top",
            "code=fake%20code&state=s1",
            "?code=fake%20code&state=s1",
            " /callback?code=fake%20code&state=s1 ",
        ] {
            assert_eq!(parse(text).unwrap(), code, "{text}");
        }
        for text in ["ZmFrZQ", "ZmFrZQ==", " fake_code-1 "] {
            assert_eq!(parse(text).unwrap(), Redirected::BareCode(Secret::new(text.trim())), "{text}");
        }
    }

    #[test]
    fn what_holds_no_usable_code_is_said_without_quoting_it() {
        for (text, problem) in [
            ("", "argument `code` is no code"),
            ("fake code", "argument `code` is no code"),
            ("https://siem.example/callback", "argument `code` is an address without a code"),
            ("https://siem.example/callback?state=s1", "argument `code` is an address without a code"),
            ("https://siem.example/?code=c1&code=c2&state=s1", "argument `code` holds more than one code or state"),
            (
                "https://webexapis.com/v1/authorize?response_type=code&state=s1",
                "argument `code` is the link that signs in",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().message, problem, "{text}");
        }
        assert!(parse("https://siem.example/callback?code=c1").unwrap_err().message.contains("without a state"));
    }

    #[test]
    fn a_refusal_is_read() {
        let denied = parse("https://siem.example/callback?error=access_denied&error_description=No&state=s1").unwrap();
        let want = Redirected::Denied { error: "access_denied: No".to_owned(), state: Some(Secret::new("s1")) };
        assert_eq!(denied, want);
    }
}
