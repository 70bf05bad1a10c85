//! What an answer of the token endpoint says about the grant that was sent.
//!
//! A grant is read leniently: if a pair is refused for a missing `token_type`, the pair is lost, since the provider has
//! rotated it. A refusal is read strictly: only a complete JSON object that says `invalid_grant` counts as one.
//!
//! A success may be a refusal: some providers answer 200 and `{"error": "bad_refresh_token"}` (GitHub documents it). An
//! outcome is unknown only where an answer says neither.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use super::members::Members;
use super::{Answer, BODY_LIMIT};
use crate::domain::secret::{AccessToken, RefreshToken};
use crate::domain::token_pair::{TokenPair, TokenResponse};
use crate::ports::ProviderError;

/// Ten years: keeps sums of times far from their limits.
const LONGEST_LIFETIME: u64 = 10 * 365 * 86_400;

pub(super) fn grant(answer: &Answer) -> Result<TokenResponse, ProviderError> {
    let status = answer.status;
    if !status.is_success() {
        return Err(error(answer));
    }
    let unknown = |why: &str| ProviderError::Unknown(format!("status {status} and {why}"));
    let Some(body) = &answer.body else { return Err(unknown(&format!("more than {BODY_LIMIT} bytes"))) };
    let members = Members::read(body).ok_or_else(|| unknown("no JSON object"))?;
    let Some(access_token) = members.text("access_token") else {
        // Tokens that cannot be read count as tokens: the provider has rotated, so its `error` is ignored.
        let has_tokens = !members.is_empty("access_token") || !members.is_empty("refresh_token");
        return Err(match members.text("error").filter(|_| !has_tokens) {
            Some(code) => error_of(status, &code),
            None => unknown("no access_token"),
        });
    };
    let refresh_token = members.text("refresh_token");
    if refresh_token.is_none() && members.is_written_as_text("refresh_token") && !members.is_empty("refresh_token") {
        return Err(unknown("a refresh_token that cannot be read"));
    }
    Ok(TokenResponse {
        pair: TokenPair {
            access_token: AccessToken::new(access_token),
            refresh_token: refresh_token.map(RefreshToken::new),
        },
        token_type: members.text("token_type"),
        expires_in: members.value("expires_in").as_ref().and_then(seconds),
        scope: members.value("scope").as_ref().and_then(scope),
    })
}

/// The error of an answer that is not a success.
pub(super) fn error(answer: &Answer) -> ProviderError {
    let status = answer.status;
    if status == StatusCode::TOO_MANY_REQUESTS
        || (status == StatusCode::SERVICE_UNAVAILABLE && answer.retry_after.is_some())
    {
        return ProviderError::Throttled { status: status.as_u16(), retry_after: answer.retry_after };
    }
    if status.is_server_error() {
        return ProviderError::Unknown(format!("status {status}"));
    }
    match code(answer) {
        // A redirect may come from a proxy in front of the provider.
        Some(code) if status.is_client_error() => error_of(status, &code),
        code => ProviderError::Refused(described(status, code.as_deref())),
    }
}

/// The error code of a complete JSON object (RFC 6749 section 5.2).
pub(super) fn code(answer: &Answer) -> Option<String> {
    Members::read(answer.body.as_deref()?)?.text("error")
}

/// For our log: without any text of the provider.
pub(super) fn described(status: StatusCode, code: Option<&str>) -> String {
    match code {
        Some(code) => format!("status {status}, error {}", known(code)),
        None => format!("status {status}, and no error code"),
    }
}

fn error_of(status: StatusCode, code: &str) -> ProviderError {
    match code {
        "invalid_grant" => ProviderError::InvalidGrant,
        "invalid_client" => ProviderError::InvalidClient,
        code => ProviderError::Refused(described(status, Some(code))),
    }
}

/// The codes of RFC 6749 section 5.2, RFC 7009 section 2.2.1 and RFC 6750 section 3.1. Any other text is the
/// provider's, and stays out of our log.
fn known(code: &str) -> &'static str {
    const CODES: [&str; 8] = [
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "unsupported_token_type",
        "invalid_token",
    ];
    CODES.into_iter().find(|known| *known == code).unwrap_or("(not a standard code)")
}

/// Whole seconds from a number, a fraction, or a text of either. Less than one is ignored: a token that is never
/// fresh would be refreshed at every read.
fn seconds(value: &Value) -> Option<Duration> {
    let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    (number.is_finite() && number >= 1.0).then(|| Duration::from_secs((number as u64).min(LONGEST_LIFETIME)))
}

/// A text, or a list of texts, which becomes one text as in RFC 6749 section 3.3.
fn scope(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => Some(parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
