//! The one cookie that the product sets (RFC 6265).

use http::HeaderMap;
use http::header::COOKIE;

use crate::domain::attempt::CookieName;
use crate::domain::secret::CookieValue;

/// The value of the first cookie of that name.
pub fn read(headers: &HeaderMap, name: &CookieName) -> Option<CookieValue> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name.as_str())
        .map(|(_, value)| CookieValue::new(value))
}

/// `Set-Cookie` for an attempt. `Lax` because the provider's redirect back is a cross-site navigation.
pub fn set(name: &CookieName, value: &CookieValue, max_age_seconds: u64, https: bool) -> String {
    let secure = if https { "; Secure" } else { "" };
    format!("{}={}; Path=/; Max-Age={max_age_seconds}; HttpOnly; SameSite=Lax{secure}", name.as_str(), value.expose())
}
