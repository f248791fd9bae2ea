//! Codes and tokens that were given out.

use std::collections::{BTreeSet, HashMap};

use sha2::{Digest, Sha256};

use super::super::canary::{MINTED, MINTED_DIGITS};
use super::bearer::{Bearer, Subject};
use super::challenge::Challenge;
use super::grant::TokenGrant;
use super::{ReplacedToken, Rotation, TokenSettings};

/// A code on its way to the token endpoint.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) subject: Subject,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<Challenge>,
    pub(super) expires_at_ms: i64,
    pub(super) used: bool,
}

struct Token {
    subject: Subject,
    issued_at_ms: i64,
    expires_at_ms: i64,
    revoked: bool,
}

/// Codes, access tokens and refresh tokens, by their value.
#[derive(Default)]
pub(in super::super) struct TokenStore {
    seed: u64,
    minted: u64,
    pub(super) codes: HashMap<String, Code>,
    access: HashMap<String, Token>,
    refresh: HashMap<String, RefreshToken>,
    /// Every value ever given out: none of them belongs in a URL.
    values: BTreeSet<String>,
}

struct RefreshToken {
    token: Token,
    replaced: bool,
    /// The access token that it brought last.
    last_access: String,
}

impl TokenStore {
    pub(in super::super) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// A value that is plainly a simulated one, different each time, the same for the same seed and order.
    pub(super) fn mint(&mut self, kind: &str) -> String {
        self.minted += 1;
        let digest = Sha256::new()
            .chain_update(self.seed.to_be_bytes())
            .chain_update(self.minted.to_be_bytes())
            .chain_update(kind)
            .finalize();
        let hex: String = digest.iter().take(MINTED_DIGITS / 2).map(|byte| format!("{byte:02x}")).collect();
        let value = format!("{MINTED}{kind}-{hex}");
        self.values.insert(value.clone());
        value
    }

    /// Whether a text holds any code or token that was given out.
    pub(in super::super) fn found_in(&self, text: &str) -> bool {
        text.contains(MINTED) && self.values.iter().any(|value| text.contains(value.as_str()))
    }

    /// The first pair of a sign-in.
    pub(in super::super) fn grant(&mut self, subject: Subject, settings: &TokenSettings, now_ms: i64) -> TokenGrant {
        let refresh_token = self.mint("refresh-token");
        let refresh_token_expires_at_ms = after(now_ms, settings.refresh_life_secs);
        let (access_token, expires_at_ms) = self.new_access(subject.clone(), settings, now_ms);
        let token = Token { subject, issued_at_ms: now_ms, expires_at_ms: refresh_token_expires_at_ms, revoked: false };
        let last_access = access_token.clone();
        self.refresh.insert(refresh_token.clone(), RefreshToken { token, replaced: false, last_access });
        TokenGrant { access_token, refresh_token: Some(refresh_token), expires_at_ms, refresh_token_expires_at_ms }
    }

    /// A refresh, or nothing where the refresh token is dead.
    pub(super) fn refresh(
        &mut self,
        value: &str,
        client_id: &str,
        settings: &TokenSettings,
        now_ms: i64,
    ) -> Option<TokenGrant> {
        let known = self.refresh.get(value)?;
        let Token { subject, expires_at_ms, revoked, .. } = &known.token;
        if subject.client_id != client_id || *revoked || *expires_at_ms <= now_ms {
            return None;
        }
        let subject = subject.clone();
        if known.replaced {
            match settings.replaced {
                ReplacedToken::KeepsWorking => {}
                ReplacedToken::Dies => return None,
                ReplacedToken::RevokesAll => {
                    self.revoke(|other| other.account == subject.account && other.client_id == client_id);
                    return None;
                }
            }
        }
        let refresh_token_expires_at_ms =
            if settings.refresh_renews_life { after(now_ms, settings.refresh_life_secs) } else { *expires_at_ms };
        let last_access = known.last_access.clone();
        let (access_token, expires_at_ms) = match self.access.get(&last_access) {
            Some(last) if last.is_fresh(settings, now_ms) => (last_access, last.expires_at_ms),
            _ => self.new_access(subject.clone(), settings, now_ms),
        };
        let refresh_token = match settings.rotation {
            Rotation::Same => Some(value.to_owned()),
            Rotation::Omitted => None,
            Rotation::New => Some(self.mint("refresh-token")),
        };
        if let Some(known) = self.refresh.get_mut(value) {
            known.last_access.clone_from(&access_token);
            if settings.rotation == Rotation::New {
                known.replaced = true;
            } else {
                known.token.expires_at_ms = refresh_token_expires_at_ms;
            }
        }
        if let (Rotation::New, Some(new)) = (settings.rotation, &refresh_token) {
            let token =
                Token { subject, issued_at_ms: now_ms, expires_at_ms: refresh_token_expires_at_ms, revoked: false };
            let last_access = access_token.clone();
            self.refresh.insert(new.clone(), RefreshToken { token, replaced: false, last_access });
        }
        Some(TokenGrant { access_token, refresh_token, expires_at_ms, refresh_token_expires_at_ms })
    }

    pub(in super::super) fn bearer(&self, value: &str, now_ms: i64) -> Bearer {
        match self.access.get(value) {
            None => Bearer::Unknown,
            Some(token) if token.revoked => Bearer::Revoked(token.subject.clone()),
            Some(token) if token.expires_at_ms <= now_ms => Bearer::Expired(token.subject.clone()),
            Some(token) => Bearer::Valid(token.subject.clone()),
        }
    }

    /// Withdraws every token and code of the subjects.
    pub(in super::super) fn revoke(&mut self, whose: impl Fn(&Subject) -> bool) {
        for token in self.tokens_mut() {
            if whose(&token.subject) {
                token.revoked = true;
            }
        }
        self.codes.retain(|_, code| !whose(&code.subject));
    }

    /// Ends the access tokens of an account now.
    pub(in super::super) fn expire_access(&mut self, account: &str, now_ms: i64) {
        for token in self.access.values_mut().filter(|token| token.subject.account == account) {
            token.expires_at_ms = token.expires_at_ms.min(now_ms);
        }
    }

    /// Ends the refresh tokens of an account now.
    pub(in super::super) fn expire_refresh(&mut self, account: &str, now_ms: i64) {
        for known in self.refresh.values_mut().filter(|known| known.token.subject.account == account) {
            known.token.expires_at_ms = known.token.expires_at_ms.min(now_ms);
        }
    }

    fn new_access(&mut self, subject: Subject, settings: &TokenSettings, now_ms: i64) -> (String, i64) {
        let value = self.mint("access-token");
        let expires_at_ms = after(now_ms, settings.access_life_secs);
        self.access.insert(value.clone(), Token { subject, issued_at_ms: now_ms, expires_at_ms, revoked: false });
        (value, expires_at_ms)
    }

    fn tokens_mut(&mut self) -> impl Iterator<Item = &mut Token> {
        self.access.values_mut().chain(self.refresh.values_mut().map(|known| &mut known.token))
    }
}

impl Token {
    /// Whether a refresh answers this access token once more.
    fn is_fresh(&self, settings: &TokenSettings, now_ms: i64) -> bool {
        !self.revoked
            && self.expires_at_ms > now_ms
            && now_ms < after(self.issued_at_ms, settings.same_access_within_secs)
    }
}

/// `secs` after a moment, in ms.
pub(super) fn after(now_ms: i64, secs: i64) -> i64 {
    now_ms.saturating_add(secs.saturating_mul(1_000))
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
mod tests {
    use super::*;

    fn subject() -> Subject {
        Subject { account: "admin".into(), client_id: "client".into(), scopes: BTreeSet::new() }
    }

    fn short() -> TokenSettings {
        TokenSettings { access_life_secs: 10, refresh_life_secs: 100, ..TokenSettings::default() }
    }

    #[test]
    fn tokens_end_by_their_lives() {
        let mut store = TokenStore::new(1);
        let grant = store.grant(subject(), &short(), 0);
        assert_eq!((grant.expires_at_ms, grant.refresh_token_expires_at_ms), (10_000, 100_000));
        assert_eq!(store.bearer(&grant.access_token, 9_999), Bearer::Valid(subject()));
        assert_eq!(store.bearer(&grant.access_token, 10_000), Bearer::Expired(subject()));
        assert_eq!(store.bearer("guessed", 0), Bearer::Unknown);
        let refresh = grant.refresh_token.unwrap();
        assert!(store.refresh(&refresh, "client", &short(), 99_999).is_some());
        assert!(store.refresh(&refresh, "client", &short(), 100_000).is_none());
        assert!(store.refresh(&refresh, "another", &short(), 0).is_none());
    }

    #[test]
    fn a_refresh_rotates_as_set() {
        for rotation in [Rotation::Same, Rotation::New, Rotation::Omitted] {
            let mut store = TokenStore::new(1);
            let settings = TokenSettings { rotation, ..short() };
            let first = store.grant(subject(), &settings, 0);
            let old = first.refresh_token.clone().unwrap();
            let second = store.refresh(&old, "client", &settings, 5_000).unwrap();
            assert_ne!(second.access_token, first.access_token);
            assert_eq!(second.refresh_token_expires_at_ms, 105_000);
            match rotation {
                Rotation::Same => assert_eq!(second.refresh_token, Some(old)),
                Rotation::Omitted => assert_eq!(second.refresh_token, None),
                Rotation::New => assert!(second.refresh_token.is_some_and(|new| new != old)),
            }
        }
    }

    #[test]
    fn a_replaced_refresh_token_does_as_set() {
        for (replaced, works, new_works) in [
            (ReplacedToken::KeepsWorking, true, true),
            (ReplacedToken::Dies, false, true),
            (ReplacedToken::RevokesAll, false, false),
        ] {
            let mut store = TokenStore::new(1);
            let settings = TokenSettings { replaced, ..short() };
            let old = store.grant(subject(), &settings, 0).refresh_token.unwrap();
            let new = store.refresh(&old, "client", &settings, 1).unwrap().refresh_token.unwrap();
            assert_eq!(store.refresh(&old, "client", &settings, 2).is_some(), works, "{replaced:?}");
            assert_eq!(store.refresh(&new, "client", &settings, 3).is_some(), new_works, "{replaced:?}");
        }
    }

    #[test]
    fn a_quick_refresh_may_answer_the_same_access_token() {
        let mut store = TokenStore::new(1);
        let settings = TokenSettings { same_access_within_secs: 5, rotation: Rotation::Same, ..short() };
        let first = store.grant(subject(), &settings, 0);
        let refresh = first.refresh_token.clone().unwrap();
        let quick = store.refresh(&refresh, "client", &settings, 4_999).unwrap();
        assert_eq!((quick.access_token, quick.expires_at_ms), (first.access_token.clone(), first.expires_at_ms));
        assert_ne!(store.refresh(&refresh, "client", &settings, 5_000).unwrap().access_token, first.access_token);
    }

    #[test]
    fn revoking_and_expiring_touch_one_account() {
        let mut store = TokenStore::new(1);
        let ours = store.grant(subject(), &short(), 0);
        let other = store.grant(Subject { account: "officer".into(), ..subject() }, &short(), 0);
        store.expire_access("admin", 1);
        assert_eq!(store.bearer(&ours.access_token, 1), Bearer::Expired(subject()));
        store.revoke(|subject| subject.account == "admin");
        assert_eq!(store.bearer(&ours.access_token, 1), Bearer::Revoked(subject()));
        assert!(store.refresh(&ours.refresh_token.unwrap(), "client", &short(), 1).is_none());
        store.expire_refresh("admin", 1);
        assert!(matches!(store.bearer(&other.access_token, 1), Bearer::Valid(_)));
        assert!(store.refresh(&other.refresh_token.unwrap(), "client", &short(), 1).is_some());
    }

    #[test]
    fn a_value_that_was_given_out_is_recognised_in_any_text() {
        let mut store = TokenStore::new(1);
        let grant = store.grant(subject(), &short(), 0);
        assert!(store.found_in(&format!("a?token={}", grant.access_token)));
        assert!(!store.found_in("a?token=simulated-access-token-"));
        assert!(!format!("{grant:?}").contains("simulated-"));
    }
}
