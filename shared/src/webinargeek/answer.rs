//! What an answer of the token endpoint says about the grant that was sent.
//!
//! An answer that grants tokens is read leniently: to refuse a pair for a missing `token_type` is to lose it, since the
//! provider has rotated. So a form is read too, and an object with other text around it, or before the connection
//! broke. An answer that ends a grant is read strictly: `invalid_grant` counts only in a complete JSON object with
//! nothing around it.
//!
//! A success may be a refusal: some providers answer 200 and `{"error": "bad_refresh_token"}` (GitHub documents it). An
//! outcome is unknown only where an answer says neither.

use std::fmt::Display;
use std::time::Duration;

use http::StatusCode;
use serde_json::Value;

use super::Answer;
use super::body::Body;
use super::members::Members;
use crate::domain::secret::{AccessToken, RefreshToken};
use crate::domain::token_pair::{TokenPair, TokenResponse};
use crate::ports::ProviderError;

/// Ten years: keeps sums of times far from their limits.
const LONGEST_LIFETIME: u64 = 10 * 365 * 86_400;

pub(super) fn grant(answer: &Answer) -> Result<TokenResponse, ProviderError> {
    if !answer.status.is_success() {
        return Err(error(answer));
    }
    let Body { octets, cut } = &answer.body;
    let object = object(answer);
    let granted = match &object {
        Some(members) => granted(members),
        None => Members::find(octets, granted).or_else(|| {
            // Half of a form may hold half of a token.
            Members::read_form(octets).filter(|_| cut.is_none()).as_ref().and_then(granted)
        }),
    };
    granted.ok_or_else(|| not_granted(answer, object.as_ref()))
}

/// `None` where the members hold no pair, or one that cannot be read.
fn granted(members: &Members) -> Option<TokenResponse> {
    let access_token = members.text("access_token")?;
    let refresh_token = members.text("refresh_token");
    if refresh_token.is_none() && has_unreadable_refresh_token(members) {
        return None;
    }
    Some(TokenResponse {
        pair: TokenPair {
            access_token: AccessToken::new(access_token),
            refresh_token: refresh_token.map(RefreshToken::new),
        },
        token_type: members.text("token_type"),
        expires_in: members.value("expires_in").as_ref().and_then(seconds),
        scope: members.value("scope").as_ref().and_then(scope),
    })
}

fn has_unreadable_refresh_token(members: &Members) -> bool {
    members.is_written_as_text("refresh_token") && !members.is_empty("refresh_token")
}

/// What an answer says that is a success by its status and grants no tokens.
fn not_granted(answer: &Answer, object: Option<&Members>) -> ProviderError {
    let status = answer.status;
    let unknown = |why: &dyn Display| ProviderError::Unknown(format!("status {status} and {why}"));
    let Some(members) = object else {
        return match &answer.body.cut {
            Some(cut) => unknown(cut),
            None => unknown(&"nothing that holds tokens"),
        };
    };
    // The provider has rotated, even if its tokens cannot be read: what else it says does not matter.
    if !members.is_empty("access_token") || !members.is_empty("refresh_token") {
        return unknown(&"tokens that cannot be read");
    }
    match members.text("error") {
        Some(code) => error_of(status, &code),
        None => unknown(&"no access_token"),
    }
}

/// What an answer says that is not a success.
pub(super) fn error(answer: &Answer) -> ProviderError {
    let status = answer.status;
    let code = code(answer);
    // A redirect may come from a proxy before the provider.
    match code.as_deref().filter(|_| status.is_client_error()) {
        Some(code @ ("invalid_grant" | "invalid_client")) if status != StatusCode::TOO_MANY_REQUESTS => {
            error_of(status, code)
        }
        _ if asks_to_wait(answer) => {
            ProviderError::Throttled { status: status.as_u16(), retry_after: answer.retry_after }
        }
        _ if status.is_server_error() => ProviderError::Unknown(format!("status {status}")),
        _ => ProviderError::Refused(described(status, code.as_deref())),
    }
}

/// `Retry-After` may come with any status (RFC 9110 section 10.2.3): some limits are answered 403.
pub(super) fn asks_to_wait(answer: &Answer) -> bool {
    answer.status == StatusCode::TOO_MANY_REQUESTS || answer.retry_after.is_some()
}

/// The error code of a complete JSON object (RFC 6749 section 5.2).
pub(super) fn code(answer: &Answer) -> Option<String> {
    object(answer)?.text("error")
}

/// One complete JSON object, and nothing else.
fn object(answer: &Answer) -> Option<Members> {
    Members::read(&answer.body.octets).filter(|_| answer.body.cut.is_none())
}

/// For the log: without any text of the provider.
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

/// The codes of RFC 6749 section 5.2, RFC 7009 section 2.2.1 and RFC 6750 section 3.1. Any other text is the provider's
/// own, and is not logged.
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

/// Whole seconds from a number, a fraction, or a text of either. Less than one second is ignored: a token that is never
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
