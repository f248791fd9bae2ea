//! PKCE: a challenge that only the one who asked can answer.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// What the authorize request showed of its verifier.
#[derive(Clone)]
pub(super) enum Challenge {
    Plain(String),
    S256(String),
}

impl Challenge {
    /// 43 to 128 characters of the allowed kind that lead to the challenge.
    pub(super) fn matches(&self, verifier: &str) -> bool {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
        if !(43..=128).contains(&verifier.len()) || !verifier.chars().all(allowed) {
            return false;
        }
        match self {
            Self::Plain(challenge) => challenge == verifier,
            Self::S256(challenge) => *challenge == URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pair of RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_pair_of_the_rfc_matches() {
        assert!(Challenge::S256(CHALLENGE.into()).matches(VERIFIER));
        assert!(!Challenge::S256(VERIFIER.into()).matches(VERIFIER));
    }

    #[test]
    fn a_plain_challenge_is_its_verifier() {
        assert!(Challenge::Plain(VERIFIER.into()).matches(VERIFIER));
        assert!(!Challenge::Plain(VERIFIER.into()).matches(CHALLENGE));
    }

    #[test]
    fn a_verifier_has_43_to_128_characters_of_the_allowed_kind() {
        for (verifier, allowed) in [
            ("a".repeat(42), false),
            ("~.-_".repeat(11), true),
            ("a".repeat(128), true),
            ("a".repeat(129), false),
            ("a".repeat(42) + "+", false),
        ] {
            assert_eq!(Challenge::Plain(verifier.clone()).matches(&verifier), allowed, "{verifier}");
        }
    }
}
