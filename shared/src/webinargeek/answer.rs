//! What an answer of the token endpoint says about the grant that was sent.
//!
//! Read leniently where it grants: a pair that is refused for a missing `token_type` is a pair lost, since the provider
//! has rotated it. Read strictly where it takes away: only well-formed JSON that says `invalid_grant` says so.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Answer;
use crate::domain::secret::{AccessToken, RefreshToken};
use crate::domain::token_pair::{Grant, TokenPair};
use crate::ports::ProviderError;

/// Ten years: keeps sums of times far from their limits.
const LONGEST_LIFETIME: u64 = 10 * 365 * 86_400;

pub(super) fn grant(answer: &Answer) -> Result<Grant, ProviderError> {
    if !answer.status.is_success() {
        return Err(error(answer));
    }
    let members = object(&answer.body)
        .or_else(|| tokens_alone(&answer.body))
        .ok_or_else(|| ProviderError::Unknown(format!("status {} and no JSON object", answer.status)))?;
    let access_token = text(&members, "access_token")
        .ok_or_else(|| ProviderError::Unknown(format!("status {} and no access_token", answer.status)))?;
    Ok(Grant {
        pair: TokenPair {
            access_token: AccessToken::new(access_token),
            refresh_token: text(&members, "refresh_token").map(RefreshToken::new),
        },
        token_type: text(&members, "token_type"),
        expires_in: members.get("expires_in").and_then(seconds),
        scope: members.get("scope").and_then(scope),
    })
}

pub(super) fn error(answer: &Answer) -> ProviderError {
    let status = answer.status;
    if status.as_u16() == 429 || (status.as_u16() == 503 && answer.retry_after.is_some()) {
        return ProviderError::Throttled { status: status.as_u16(), retry_after: answer.retry_after };
    }
    if status.is_server_error() {
        return ProviderError::Unknown(format!("status {status}"));
    }
    let code = object(&answer.body).and_then(|members| text(&members, "error"));
    match code.as_deref() {
        Some("invalid_grant") if status.is_client_error() => ProviderError::InvalidGrant,
        Some("invalid_client") if status.is_client_error() => ProviderError::InvalidClient,
        Some(code) => ProviderError::Refused(format!("status {status}, error {}", known(code))),
        None => ProviderError::Refused(format!("status {status}, and no error code")),
    }
}

/// Doorkeeper calls an unknown client `unauthorized_client` here.
pub(super) fn revocation_error(answer: &Answer) -> ProviderError {
    let code = object(&answer.body).and_then(|members| text(&members, "error"));
    match code.as_deref() {
        Some("unauthorized_client") if answer.status.is_client_error() => ProviderError::InvalidClient,
        _ => error(answer),
    }
}

/// The codes of RFC 6749 section 5.2 and RFC 7009 section 2.2.1. Any other text is the provider's, and stays out of our log.
fn known(code: &str) -> &'static str {
    const CODES: [&str; 5] =
        ["invalid_request", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "unsupported_token_type"];
    CODES.into_iter().find(|known| *known == code).unwrap_or("of its own")
}

fn object(body: &[u8]) -> Option<Map<String, Value>> {
    serde_json::from_slice(without_byte_order_mark(body)).ok()
}

/// The tokens of an object that is JSON but for something in a member that nobody needs: half a surrogate pair, a number
/// beyond all limits.
fn tokens_alone(body: &[u8]) -> Option<Map<String, Value>> {
    #[derive(Deserialize)]
    struct Tokens {
        access_token: Value,
        #[serde(default)]
        refresh_token: Value,
    }
    let tokens: Tokens = serde_json::from_slice(without_byte_order_mark(body)).ok()?;
    let members = [("access_token", tokens.access_token), ("refresh_token", tokens.refresh_token)];
    Some(members.map(|(name, token)| (name.to_owned(), token)).into_iter().collect())
}

/// RFC 8259 section 8.1 lets a reader ignore it.
fn without_byte_order_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body)
}

/// A member that is a text with something in it.
fn text(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Whole seconds from a number, a fraction, or a text of either. Less than one is no lifetime: a token that is never fresh
/// would be refreshed at every read.
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
mod tests {
    use super::*;

    fn read(status: u16, body: &str) -> Result<Grant, ProviderError> {
        let status = http::StatusCode::from_u16(status).unwrap();
        grant(&Answer { status, retry_after: None, date: None, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn an_odd_answer_that_holds_an_access_token_is_a_grant() {
        for (body, expires_in) in [
            (r#"{"access_token":"a","refresh_token":"r","expires_in":7200}"#, Some(7200)),
            (r#"{"access_token":"a","refresh_token":"r","expires_in":"7200"}"#, Some(7200)),
            (r#"{"access_token":"a","refresh_token":"r","expires_in":7199.9,"scope":["x","y"]}"#, Some(7199)),
            (r#"{"access_token":"a","refresh_token":"r","expires_in":null,"token_type":7}"#, None),
            (r#"{"access_token":"a","refresh_token":"r","expires_in":-1}"#, None),
            (r#"{"access_token":"a","refresh_token":"r","expires_in":0}"#, None),
            (r#"{"access_token":"a","refresh_token":"r","expires_in":1e300}"#, Some(LONGEST_LIFETIME)),
            (r#"{"access_token":"a","refresh_token":"r","expires_in":1e999}"#, None),
            (r#"{"access_token":"a","refresh_token":"r","note":"\ud800"}"#, None),
            ("\u{feff}{\"access_token\":\"a\",\"refresh_token\":\"r\",\"expires_in\":60}", Some(60)),
            (r#"{"access_token":"a","refresh_token":"r","expires_in":{}}"#, None),
        ] {
            let grant = read(200, body).unwrap();
            assert_eq!(grant.pair.refresh_token.unwrap().expose(), "r", "{body}");
            assert_eq!(grant.expires_in.map(|duration| duration.as_secs()), expires_in, "{body}");
        }
        assert_eq!(read(200, r#"{"access_token":"a","scope":["x","y"]}"#).unwrap().scope.unwrap(), "x y");
    }

    #[test]
    fn an_empty_refresh_token_counts_as_missing() {
        assert!(read(200, r#"{"access_token":"a","refresh_token":""}"#).unwrap().pair.refresh_token.is_none());
    }

    #[test]
    fn a_success_that_cannot_be_read_is_an_unknown_outcome_and_not_a_refusal() {
        for body in [
            "",
            "<html>",
            "[]",
            "null",
            "{}",
            r#"{"access_token":""}"#,
            r#"{"access_token":7}"#,
            "{\"access_token\":\"a\"",
        ] {
            assert!(matches!(read(200, body), Err(ProviderError::Unknown(_))), "{body}");
        }
    }

    #[test]
    fn only_well_formed_json_takes_a_grant_away() {
        assert!(matches!(read(400, r#"{"error":"invalid_grant"}"#), Err(ProviderError::InvalidGrant)));
        assert!(matches!(read(401, r#"{"error":"invalid_client"}"#), Err(ProviderError::InvalidClient)));
        for (status, body) in [
            (400, "invalid_grant"),
            (400, r#"{"error":"invalid_grant""#),
            (400, r#"{"error":["invalid_grant"]}"#),
            (400, r#"{"error":"invalid_request"}"#),
            (302, r#"{"error":"invalid_grant"}"#),
            (404, "<html>"),
        ] {
            assert!(matches!(read(status, body), Err(ProviderError::Refused(_))), "{status} {body}");
        }
        for body in ["", r#"{"error":"invalid_grant"}"#] {
            assert!(matches!(read(500, body), Err(ProviderError::Unknown(_))), "{body}");
        }
    }

    #[test]
    fn the_providers_own_words_stay_out_of_our_errors() {
        let error = read(400, r#"{"error":"canary-1","error_description":"canary-2"}"#).unwrap_err();
        assert!(!error.to_string().contains("canary"), "{error}");
    }
}
