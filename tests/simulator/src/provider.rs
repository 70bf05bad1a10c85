//! The provider: its codes and tokens, in five classes of rotation.
//!
//! | class | the old refresh token |
//! |---|---|
//! | P0 | stays valid for ever |
//! | P1 | ends with its access token when the new access token is first used (Doorkeeper's default) |
//! | P2 | ends at once with its access token (Doorkeeper without `previous_refresh_token`) |
//! | P3 | can be used again within a window |
//! | P4 | its second use ends the whole family |
//!
//! Tokens have short names (`a7`, `r7`) so that a history can be read. `tests/provider.rs` compares P1 and P2 with the
//! simulated provider, which the contract suite compares with a real Doorkeeper.

use std::collections::HashMap;
use std::time::Duration;

use shared::domain::digest;
use shared::domain::secret::{AccessToken, RefreshToken};
use shared::domain::token_pair::{TokenPair, TokenResponse};

use crate::invariants::Opened;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    P0,
    P1,
    P2,
    P3,
    P4,
}

impl Class {
    pub const ALL: [Self; 5] = [Self::P0, Self::P1, Self::P2, Self::P3, Self::P4];

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| format!("{class:?}").eq_ignore_ascii_case(text))
    }

    /// Whether the loss of a rotation's answer can end the connection, no matter how a client behaves.
    pub fn loses_with_the_answer(self) -> bool {
        matches!(self, Self::P2 | Self::P4)
    }
}

/// A refresh token.
#[derive(Clone, Debug)]
pub struct Refresh {
    pub family: u32,
    pub revoked: bool,
    /// When it was first exchanged for another.
    pub rotated_at: Option<u64>,
    /// When it was answered `invalid_grant`, rightly or wrongly.
    pub refused: Vec<u64>,
    pub refused_falsely: bool,
    /// It was `refused`: a complete answer that was not `invalid_grant`.
    pub refused_otherwise: bool,
}

/// An access token.
#[derive(Clone, Debug)]
pub struct Access {
    pub refresh: String,
    /// The refresh token that it was made from; `None` if it was made from a code.
    pub parent: Option<String>,
    /// P1: the pair that ends when this is first used.
    previous: Option<String>,
    pub expires_at: u64,
    pub revoked: bool,
}

struct Code {
    challenge: Option<String>,
    issued_at: u64,
    family: Option<u32>,
    sent: u32,
}

pub struct Provider {
    pub class: Class,
    /// Milliseconds.
    pub lifetime: u64,
    /// P3: milliseconds.
    pub window: u64,
    pub refresh_tokens: HashMap<String, Refresh>,
    pub access_tokens: HashMap<String, Access>,
    /// Families whose tokens are `refused`, and until when.
    pub refused_families: HashMap<u32, u64>,
    /// Whether the revocation endpoint works. If not, it answers 404.
    pub revokes: bool,
    codes: HashMap<String, Code>,
    families: u32,
    pairs: u32,
}

/// RFC 6749 section 5.2.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidGrant;

const CODE_LIFETIME: u64 = 600_000;

impl Provider {
    pub fn new(class: Class, lifetime: u64, window: u64) -> Self {
        Self {
            class,
            lifetime,
            window,
            refresh_tokens: HashMap::new(),
            access_tokens: HashMap::new(),
            refused_families: HashMap::new(),
            revokes: true,
            codes: HashMap::new(),
            families: 0,
            pairs: 0,
        }
    }

    /// The code of a customer who has approved.
    pub fn issue_code(&mut self, challenge: Option<String>, now: u64) -> String {
        let code = format!("code{}", self.codes.len() + 1);
        self.codes.insert(code.clone(), Code { challenge, issued_at: now, family: None, sent: 0 });
        code
    }

    /// The number of times that a code has reached the token endpoint.
    pub fn code_sent(&self, code: &str) -> u32 {
        self.codes.get(code).map_or(0, |code| code.sent)
    }

    /// With `access_token_only` the answer has no refresh token. The model makes one all the same.
    pub fn exchange(
        &mut self,
        code: &str,
        verifier: Option<&str>,
        access_token_only: bool,
        now: u64,
    ) -> Result<TokenResponse, InvalidGrant> {
        let known = self.codes.get_mut(code).ok_or(InvalidGrant)?;
        known.sent += 1;
        if let Some(family) = known.family {
            // RFC 6749 section 4.1.2. Doorkeeper does so from version 6.0.
            self.revoke_family(family);
            return Err(InvalidGrant);
        }
        if now >= known.issued_at + CODE_LIFETIME || known.challenge != verifier.map(digest::sha256) {
            return Err(InvalidGrant);
        }
        self.families += 1;
        known.family = Some(self.families);
        let mut grant = self.issue(self.families, None, None, now);
        grant.pair.refresh_token = grant.pair.refresh_token.filter(|_| !access_token_only);
        Ok(grant)
    }

    /// P0 may leave the refresh token out of its answer; the others issue a new one.
    pub fn refresh(&mut self, token: &str, is_silent: bool, now: u64) -> Result<TokenResponse, InvalidGrant> {
        let known = self.refresh_tokens.get_mut(token).ok_or(InvalidGrant)?;
        let family = known.family;
        let in_time = known.rotated_at.is_none_or(|rotated_at| now < rotated_at + self.window);
        if known.revoked || (self.class == Class::P3 && !in_time) {
            known.refused.push(now);
            return Err(InvalidGrant);
        }
        if self.class == Class::P4 && known.rotated_at.is_some() {
            known.refused.push(now);
            self.revoke_family(family);
            return Err(InvalidGrant);
        }
        if self.class == Class::P0 {
            let mut grant = self.issue(family, Some(token), Some(token), now);
            grant.pair.refresh_token = grant.pair.refresh_token.filter(|_| !is_silent);
            return Ok(grant);
        }
        known.rotated_at.get_or_insert(now);
        if self.class == Class::P2 {
            self.revoke_row(token);
        }
        Ok(self.issue(family, Some(token), None, now))
    }

    /// The refresh token is the old one, or a new one.
    fn issue(&mut self, family: u32, parent: Option<&str>, kept: Option<&str>, now: u64) -> TokenResponse {
        self.pairs += 1;
        let access = format!("a{}", self.pairs);
        let refresh = kept.map_or_else(|| format!("r{}", self.pairs), str::to_owned);
        let rotated = kept.is_none();
        self.access_tokens.insert(
            access.clone(),
            Access {
                refresh: refresh.clone(),
                parent: parent.map(str::to_owned),
                previous: parent.filter(|_| rotated && self.class == Class::P1).map(str::to_owned),
                expires_at: now + self.lifetime,
                revoked: false,
            },
        );
        if rotated {
            let fresh = Refresh {
                family,
                revoked: false,
                rotated_at: None,
                refused: Vec::new(),
                refused_falsely: false,
                refused_otherwise: false,
            };
            self.refresh_tokens.insert(refresh.clone(), fresh);
        }
        TokenResponse {
            pair: TokenPair { access_token: AccessToken::new(access), refresh_token: Some(RefreshToken::new(refresh)) },
            token_type: Some("Bearer".to_owned()),
            expires_in: Some(Duration::from_millis(self.lifetime)),
            scope: Some("read".to_owned()),
        }
    }

    /// Whether an access token is accepted. In P1, the first use of a new one ends the pair that it was made from.
    pub fn present(&mut self, access: &str, now: u64) -> bool {
        let Some(token) = self.access_tokens.get_mut(access) else { return false };
        if token.revoked || token.expires_at <= now {
            return false;
        }
        if let Some(previous) = token.previous.take() {
            self.revoke_row(&previous);
        }
        true
    }

    /// The refresh token of a pair, given either token.
    pub fn refresh_of<'a>(&'a self, token: &'a str) -> &'a str {
        self.access_tokens.get(token).map_or(token, |access| &access.refresh)
    }

    /// Either token ends the pair.
    pub fn revoke(&mut self, token: &str) {
        let refresh = self.access_tokens.get(token).map_or(token, |access| &access.refresh).to_owned();
        self.revoke_row(&refresh);
    }

    /// One row holds both tokens of a pair.
    fn revoke_row(&mut self, refresh: &str) {
        if let Some(token) = self.refresh_tokens.get_mut(refresh) {
            token.revoked = true;
        }
        for access in self.access_tokens.values_mut().filter(|access| access.refresh == refresh) {
            access.revoked = true;
        }
    }

    fn revoke_family(&mut self, family: u32) {
        let tokens = self.refresh_tokens.iter().filter(|(_, token)| token.family == family);
        let tokens: Vec<String> = tokens.map(|(name, _)| name.clone()).collect();
        for token in tokens {
            self.revoke_row(&token);
        }
    }

    /// Whose account an access token is for. There are three accounts.
    pub fn account(&self, access: &str) -> Option<String> {
        let token = self.access_tokens.get(access)?;
        let family = self.refresh_tokens.get(&token.refresh)?.family;
        Some(format!("account{}", family % 3))
    }

    /// The account of a stored pair. An imported pair has no access token yet.
    pub fn account_of(&self, pair: &Opened) -> Option<String> {
        let family = self.refresh_tokens.get(&pair.refresh)?.family;
        Some(format!("account{}", family % 3))
    }

    /// Whether a token of a pair still works.
    pub fn lives(&self, pair: &Opened, now: u64) -> bool {
        if pair.has_refresh_token {
            return self.honours(&pair.refresh, now);
        }
        self.access_tokens.get(&pair.access).is_some_and(|access| !access.revoked && access.expires_at > now)
    }

    pub fn refused_otherwise(&mut self, refresh: &str) {
        if let Some(token) = self.refresh_tokens.get_mut(refresh) {
            token.refused_otherwise = true;
        }
    }

    /// Whether a refresh token is `refused` now.
    pub fn is_refused(&self, refresh: &str, now: u64) -> bool {
        let family = self.refresh_tokens.get(refresh).map(|token| token.family);
        family.and_then(|family| self.refused_families.get(&family)).is_some_and(|until| now < *until)
    }

    /// Whether the provider would give a new pair for a refresh token now.
    pub fn honours(&self, refresh: &str, now: u64) -> bool {
        self.refresh_tokens.get(refresh).is_some_and(|token| {
            !token.revoked
                && match self.class {
                    Class::P0 | Class::P1 | Class::P2 => true,
                    Class::P3 => token.rotated_at.is_none_or(|rotated_at| now < rotated_at + self.window),
                    Class::P4 => token.rotated_at.is_none(),
                }
        })
    }

    /// The state that decides future answers, always in the same order.
    pub fn hash_tokens(&self, hasher: &mut impl std::hash::Hasher) {
        use std::hash::Hash;
        let mut access: Vec<_> = self.access_tokens.iter().collect();
        access.sort_unstable_by_key(|(name, _)| *name);
        for (name, token) in access {
            (name, &token.refresh, &token.parent, &token.previous, token.expires_at, token.revoked).hash(hasher);
        }
        let mut refresh: Vec<_> = self.refresh_tokens.iter().collect();
        refresh.sort_unstable_by_key(|(name, _)| *name);
        for (name, token) in refresh {
            (name, token.revoked, token.rotated_at, &token.refused, token.refused_falsely).hash(hasher);
        }
    }
}
