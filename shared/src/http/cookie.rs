//! The cookies that the product sets (RFC 6265): one for each attempt, and one that remembers the last that has ended.
//!
//! A Cookie header is bytes, and all hosts of the domain can set cookies in it: it is split and compared as bytes, and
//! cookies of others are ignored.

use std::collections::BTreeSet;

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::Response;
use crate::domain::attempt::{CookieName, StateHash};
use crate::domain::digest;
use crate::domain::secret::CookieValue;
use crate::domain::time::Timestamp;

/// How many attempts one browser may have open. API Gateway accepts 10,240 bytes of headers: a browser with more
/// cookies could not send any request.
const MOST: usize = 20;

/// How many cookies one answer removes at most: its headers have a limit too.
const MOST_REMOVED: usize = 20;

/// How many seconds a browser can prove that an ended journey was its own, so that a reload shows the same outcome.
const REMEMBERED: u64 = 24 * 3600;

/// A value that cannot be guessed. The time in it only shows which of a browser's cookies are the oldest.
pub fn new_value(random: [u8; 32], now: Timestamp) -> CookieValue {
    CookieValue::new(format!("{}.{}", digest::base64url(random), now.unix()))
}

/// The value of the attempt's cookie: from this cookie, or from the one that remembers the last attempt that has ended.
pub fn read(headers: &HeaderMap, name: &CookieName) -> Option<CookieValue> {
    value_of(headers, name.as_str().as_bytes()).map(CookieValue::new).or_else(|| {
        let ended = value_of(headers, name.of_the_last_ended().as_bytes())?;
        ended.strip_prefix(name.fingerprint())?.strip_prefix('.').map(CookieValue::new)
    })
}

/// `Set-Cookie` for an attempt.
pub fn set(response: &mut Response, name: &CookieName, value: &CookieValue, max_age_seconds: u64) {
    append(response, name, name.as_str(), value.expose(), max_age_seconds);
}

/// Removes the oldest cookies of a browser that gets a new one and then has too many.
pub fn remove_surplus(response: &mut Response, headers: &HeaderMap, new: &CookieName) {
    let ours = pairs(headers).filter_map(|(name, value)| Some((CookieName::parse(name)?, set_at(value))));
    let mut ours: Vec<_> = ours.filter(|(name, _)| name.is_secure() == new.is_secure()).collect();
    // The sort is stable: of two in the same second, the browser names the older one first (RFC 6265 section 5.4).
    ours.sort_by_key(|(_, set_at)| *set_at);
    let mut seen = BTreeSet::new();
    ours.retain(|(name, _)| seen.insert(name.as_str().to_owned()));
    let surplus = (ours.len() + 1).saturating_sub(MOST).min(MOST_REMOVED);
    for (name, _) in &ours[..surplus] {
        append(response, name, name.as_str(), "", 0);
    }
}

/// Removes an attempt's cookie, since its journey has ended, and keeps its value in the cookie of the last journey that
/// has ended: so a reload in the same browser shows the same.
pub fn end(response: &mut Response, headers: &HeaderMap, attempt: &StateHash) {
    for name in [true, false].map(|https| CookieName::new(attempt, https)) {
        if let Some(value) = value_of(headers, name.as_str().as_bytes()) {
            append(response, &name, name.as_str(), "", 0);
            let remembered = format!("{}.{value}", name.fingerprint());
            append(response, &name, name.of_the_last_ended(), &remembered, REMEMBERED);
        }
    }
}

/// `Lax` because the provider's redirect back is a cross-site navigation.
fn append(response: &mut Response, attempt: &CookieName, name: &str, value: &str, max_age_seconds: u64) {
    let secure = if attempt.is_secure() { "; Secure" } else { "" };
    let cookie = format!("{name}={value}; Path=/; Max-Age={max_age_seconds}; HttpOnly; SameSite=Lax{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
}

/// The cookies of a request. Not split at commas: the host that set a cookie could otherwise set another one inside its
/// value, with any prefix in its name.
fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let pairs = headers.get_all(COOKIE).iter().flat_map(|header| header.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(|pair| {
        let pair = pair.trim_ascii();
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        Some((&pair[..equals], &pair[equals + 1..]))
    })
}

/// The value of the first cookie with this name whose value has the form of ours.
fn value_of<'a>(headers: &'a HeaderMap, name: &[u8]) -> Option<&'a str> {
    pairs(headers).filter(|(key, _)| *key == name).find_map(|(_, value)| {
        let is_ours = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        std::str::from_utf8(value).ok().filter(|_| value.iter().all(is_ours))
    })
}

/// The time in a cookie's value. A cookie without a time is removed first.
fn set_at(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.rsplit_once('.')?.1.parse().ok()
}
