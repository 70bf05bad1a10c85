//! The cookies that the product sets (RFC 6265): one for each attempt, and one that remembers the last that has ended.
//!
//! A Cookie header is octets, and all hosts of the domain write into it: it is split and compared as bytes, and what
//! others have set is no concern of ours.

use std::collections::BTreeSet;

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::Response;
use crate::domain::attempt::{CookieName, StateHash};
use crate::domain::digest;
use crate::domain::secret::CookieValue;
use crate::domain::time::Timestamp;

/// Attempts that one browser may have open. API Gateway takes 10,240 bytes of headers: a browser that brought more
/// would be locked out.
const MOST: usize = 20;

/// Cookies that one answer takes back at most: its own headers have a limit too.
const MOST_TAKEN_BACK: usize = 20;

/// Seconds for which a browser can prove that an ended journey was its own: a reload shows the same outcome.
const REMEMBERED: u64 = 24 * 3600;

/// A value that cannot be guessed. The time says which of a browser's cookies are the oldest; it decides nothing else.
pub fn new_value(random: [u8; 32], now: Timestamp) -> CookieValue {
    CookieValue::new(format!("{}.{}", digest::base64url(random), now.unix()))
}

/// What the browser holds for the attempt: its cookie, or what was kept of it when it was taken back.
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

/// Takes back the oldest cookies that a browser has too many of, where it gets a new one.
pub fn take_back_surplus(response: &mut Response, headers: &HeaderMap, new: &CookieName) {
    let ours = pairs(headers).filter_map(|(name, value)| Some((CookieName::parse(name)?, set_at(value))));
    let mut ours: Vec<_> = ours.filter(|(name, _)| name.is_secure() == new.is_secure()).collect();
    // Stable: of the same second, the one that the browser names first is older (RFC 6265 section 5.4).
    ours.sort_by_key(|(_, set_at)| *set_at);
    let mut seen = BTreeSet::new();
    ours.retain(|(name, _)| seen.insert(name.as_str().to_owned()));
    let surplus = (ours.len() + 1).saturating_sub(MOST).min(MOST_TAKEN_BACK);
    for (name, _) in &ours[..surplus] {
        append(response, name, name.as_str(), "", 0);
    }
}

/// Takes an attempt's cookie back, since its journey has ended, and keeps its value in the place of the journey that
/// ended before it: a reload in the same browser is told the same.
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

/// Of the first cookie with this name whose value may be one of ours.
fn value_of<'a>(headers: &'a HeaderMap, name: &[u8]) -> Option<&'a str> {
    pairs(headers).filter(|(key, _)| *key == name).find_map(|(_, value)| {
        let is_ours = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        std::str::from_utf8(value).ok().filter(|_| value.iter().all(is_ours))
    })
}

/// When a cookie says that it was set. One that does not say so goes first.
fn set_at(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.rsplit_once('.')?.1.parse().ok()
}
