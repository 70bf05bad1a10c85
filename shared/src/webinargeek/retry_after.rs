//! How long an answer asks to wait (RFC 9110 section 10.2.3). The section allows `Retry-After` with any status, as a
//! number of seconds or as a date; some servers write a fraction. Any other text is ignored.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;

use super::date;
use crate::domain::time::Timestamp;

/// Keeps sums of times far from their limits. The protocol decides how long we really wait.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

pub(super) fn read(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let texts = headers.get_all(RETRY_AFTER).iter().filter_map(|value| value.to_str().ok());
    let mut waits = texts.filter_map(|text| seconds(text.trim()).or_else(|| until(text.trim(), now)));
    waits.next().map(|wait| wait.min(LONGEST))
}

/// Digits, and an optional fraction, which is rounded up. (`f64` would also read `inf` and `1e3`.)
fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let seconds = whole.parse().unwrap_or(u64::MAX);
    let is_begun = fraction.bytes().any(|digit| digit != b'0');
    Some(Duration::from_secs(seconds.saturating_add(u64::from(is_begun))))
}

/// A date in the past asks for no wait.
fn until(text: &str, now: Timestamp) -> Option<Duration> {
    Some(Duration::from_secs(now.seconds_until(date(text)?).max(0) as u64))
}
