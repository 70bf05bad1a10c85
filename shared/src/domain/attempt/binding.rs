//! The cookie of an attempt, and what is stored of it. It proves which browser has started the attempt, and that the
//! attempt's destination has not changed.

use aws_lc_rs::hmac;

use super::StateHash;
use super::destination::{Destination, append};
use crate::domain::digest;
use crate::domain::secret::CookieValue;

/// The name of the cookie that binds an attempt to its browser. One cookie per attempt, so that two tabs do not break
/// each other.
///
/// Only https may set a name with the `__Host-` prefix (RFC 6265bis section 4.1.3.2), and no other host of the domain
/// can set it. Plain http on loopback uses the name without the prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieName(String);

const SECURE_PREFIX: &str = "__Host-";

impl CookieName {
    /// The name for a new attempt; with `https`, it has the `__Host-` prefix.
    pub fn new(state_hash: &StateHash, https: bool) -> Self {
        let prefix = if https { SECURE_PREFIX } else { "" };
        Self(format!("{prefix}wg_{}", state_hash.fingerprint()))
    }

    /// `None` for a name that we have never set.
    pub fn parse(name: &[u8]) -> Option<Self> {
        let bare = name.strip_prefix(SECURE_PREFIX.as_bytes()).unwrap_or(name);
        let fingerprint = bare.strip_prefix(b"wg_")?;
        let is_ours = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
        (fingerprint.len() == 8 && fingerprint.iter().all(is_ours)).then(|| Self(name.escape_ascii().to_string()))
    }

    /// Whether only https may set it.
    pub fn is_secure(&self) -> bool {
        self.0.starts_with(SECURE_PREFIX)
    }

    /// The fingerprint of the attempt's state.
    pub fn fingerprint(&self) -> &str {
        &self.0[self.0.len() - 8..]
    }

    /// The name under which a browser keeps the value of the last attempt that has ended.
    pub fn of_the_last_ended(&self) -> &'static str {
        if self.is_secure() { "__Host-wg_ended" } else { "wg_ended" }
    }

    /// The whole name, as in `Set-Cookie` and `Cookie`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The cookie as the browser has it. Its value is stored nowhere else.
#[derive(Clone, Debug)]
pub struct Cookie {
    /// With or without the `__Host-` prefix, as the browser has sent it.
    pub name: CookieName,
    /// The secret that only this browser has.
    pub value: CookieValue,
}

/// Why a cookie does not prove that an attempt is the browser's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The binding differs: the `state` was forged, or passed on (login CSRF, RFC 6749 section 10.12).
    #[error("another browser started this attempt")]
    ForeignBrowser,
    /// The MAC does not fit the destination: another program than `/authorize` has written the row.
    #[error("the row of the attempt was changed: its grant would go to another destination")]
    Changed,
}

/// The stored form of the cookie. The name is hashed with the value: another host of the domain that sets `wg_…` in
/// place of `__Host-wg_…` fails the check, even if it knows the value.
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
    /// What is stored of it: the hash of its name and value.
    pub fn binding(&self) -> Binding {
        Binding(digest::sha256(format!("{}={}", self.name.as_str(), self.value.expose())))
    }

    /// The MAC of a destination. Its key is the cookie's value, which no table holds: an attacker who can write to the
    /// table can change where a grant goes, but cannot make the MAC of the changed row. HMAC-SHA256 (RFC 2104), over
    /// parts with their length in front, so that no two attempts have the same bytes.
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
