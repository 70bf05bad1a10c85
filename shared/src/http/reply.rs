//! Answers that are neither pages nor problems.

use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY};
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use super::Response;

/// 303: after every method, the next request is a GET (RFC 9110 section 15.4.4).
pub fn see_other(location: &str) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::SEE_OTHER;
    set(&mut response, LOCATION, location);
    set(&mut response, CACHE_CONTROL, "no-store");
    // The address of this request holds a code or a session token.
    set(&mut response, REFERRER_POLICY, "no-referrer");
    response
}

/// JSON that no cache may keep: it may hold a token.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut response = Response::new(serde_json::to_string(value).expect("our answers are JSON"));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, "application/json");
    set(&mut response, CACHE_CONTROL, "no-store");
    response
}

/// Sets a header; a text that is not a valid header value is left out.
pub fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
