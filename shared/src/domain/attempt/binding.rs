//! The cookie of an attempt, and what is stored of it: which browser has started the attempt, and where its grant goes.

use aws_lc_rs::hmac;

use super::StateHash;
use super::destination::{Destination, append};
use crate::domain::digest;
use crate::domain::secret::CookieValue;

/// The name of the cookie that binds an attempt to its browser. One cookie per attempt, so that two tabs do not break
/// each other.
///
/// Only https may set a name with the `__Host-` prefix (RFC 6265bis section 4.1.3.2), and no other host of the domain
/// can plant it. Plain http on loopback cannot have it and takes the bare name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieName(String);

impl CookieName {
    pub fn new(state_hash: &StateHash, https: bool) -> Self {
        let prefix = if https { "__Host-" } else { "" };
        Self(format!("{prefix}wg_{}", state_hash.fingerprint()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As a browser has it. Its value is nowhere else.
#[derive(Clone, Debug)]
pub struct Cookie {
    pub name: CookieName,
    pub value: CookieValue,
}

/// Why a cookie does not open an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    #[error("another browser started this attempt")]
    ForeignBrowser,
    #[error("the row of the attempt was changed: its grant would go elsewhere")]
    Changed,
}

/// What is stored of the cookie. The name is hashed with the value: a neighbouring host that plants `wg_…` in place of
/// `__Host-wg_…` does not meet the binding, even if it knows the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding(String);

impl Binding {
    pub(super) fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Cookie {
    pub fn binding(&self) -> Binding {
        Binding(digest::sha256(format!("{}={}", self.name.as_str(), self.value.expose())))
    }

    /// The cookie's value is the key, which no table holds: whoever can write the row can change where a grant goes,
    /// and cannot make the code of a changed row. HMAC-SHA256 (RFC 2104), over parts with their length in front, so
    /// that no two attempts have the same bytes.
    pub(super) fn mac(&self, state_hash: &StateHash, destination: &Destination) -> String {
        let mut bytes = Vec::new();
        for part in ["webinargeek-connect destination", self.name.as_str(), state_hash.as_str()] {
            append(&mut bytes, Some(part));
        }
        destination.append_to(&mut bytes);
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.value.expose().as_bytes());
        digest::base64url(hmac::sign(&key, &bytes))
    }
}
