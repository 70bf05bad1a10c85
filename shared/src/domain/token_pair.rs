//! What the token endpoint grants, and which part of it is sealed.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::secret::{AccessToken, RefreshToken};

/// The secret part of a grant, sealed as one.
#[derive(Clone, Debug)]
pub struct TokenPair {
    /// Empty in a pair that was imported and not refreshed yet.
    pub access_token: AccessToken,
    /// `None` where the provider has granted none. If the answer to a refresh has none, the old one stays valid (RFC
    /// 6749 section 6).
    pub refresh_token: Option<RefreshToken>,
}

impl TokenPair {
    /// Whether both have a refresh token, and it is the same one: the refresh did not rotate it.
    pub fn has_the_refresh_token_of(&self, other: &Self) -> bool {
        self.refresh_token.is_some() && self.refresh_token == other.refresh_token
    }
}

/// A successful answer of the token endpoint (RFC 6749 section 5.1), read leniently.
#[derive(Clone, Debug)]
pub struct TokenResponse {
    /// The tokens of the answer.
    pub pair: TokenPair,
    /// `None` where the answer does not name it, although RFC 6749 requires it.
    pub token_type: Option<String>,
    /// The lifetime of the access token; `None` where the answer does not say it, or not as a number.
    pub expires_in: Option<Duration>,
    /// The scope that was granted; `None` where it is the one that was asked for, or not named.
    pub scope: Option<String>,
}

/// The identity of a stored pair: 16 random bytes, new for every pair and never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PairId([u8; 16]);

impl PairId {
    /// From 16 bytes of a cryptographic random number generator.
    pub fn new(random: [u8; 16]) -> Self {
        Self(random)
    }

    /// From the stored bytes; `None` where they are not 16.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As the table stores them. JSON has them in base64url.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<PairId> for String {
    fn from(id: PairId) -> Self {
        URL_SAFE_NO_PAD.encode(id.0)
    }
}

impl TryFrom<String> for PairId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        bytes.and_then(|bytes| Self::parse(&bytes)).ok_or("not the id of a pair")
    }
}
