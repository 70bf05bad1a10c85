//! Revokes a pair (RFC 7009), where the provider has an endpoint for it.
//!
//! A complete 4xx is final: another request would only repeat it. By section 2.2 the revocation of an invalid token is
//! a success, but some providers answer with an error, and the endpoint's address may be wrong. A redirect is final
//! too, and is never followed. Two cases are not final: an answer that asks us to try later, and a refusal of the
//! client, where another secret may be accepted.

use async_trait::async_trait;
use http::StatusCode;

use super::{Answer, WebinarGeek, answer};
use crate::domain::secret::{AccessToken, ClientSecret, RefreshToken};
use crate::domain::token_pair::TokenPair;
use crate::ports::{ProviderError, RevokeToken, Revoked};

/// What an answer says about the token that was sent.
enum Said {
    Revoked,
    /// The provider revokes no tokens of this kind (section 2.2.1).
    UnsupportedTokenType(String),
    NotRevocable(String),
}

#[async_trait]
impl RevokeToken for WebinarGeek {
    async fn revoke(&self, pair: &TokenPair, secret: &ClientSecret) -> Result<Revoked, ProviderError> {
        let Some(url) = &self.endpoint.revoke_url else { return Ok(Revoked::Off) };
        // To revoke the refresh token ends the grant (section 2.1). The access token is the second choice.
        if let Some(refresh_token) = &pair.refresh_token {
            let answer = self.post(url.as_str(), &refresh_token_form(refresh_token), secret).await?;
            match said(&answer)? {
                Said::Revoked => return Ok(Revoked::Done),
                Said::NotRevocable(why) => return Ok(Revoked::NotRevocable(why)),
                // An imported pair that was not refreshed yet has no access token.
                Said::UnsupportedTokenType(why) if pair.access_token.expose().is_empty() => {
                    return Ok(Revoked::NotRevocable(why));
                }
                Said::UnsupportedTokenType(_) => {}
            }
        }
        let answer = self.post(url.as_str(), &access_token_form(&pair.access_token), secret).await?;
        Ok(match said(&answer)? {
            Said::Revoked => Revoked::Done,
            Said::NotRevocable(why) | Said::UnsupportedTokenType(why) => Revoked::NotRevocable(why),
        })
    }
}

fn refresh_token_form(token: &RefreshToken) -> [(&str, &str); 2] {
    [("token", token.expose()), ("token_type_hint", "refresh_token")]
}

fn access_token_form(token: &AccessToken) -> [(&str, &str); 2] {
    [("token", token.expose()), ("token_type_hint", "access_token")]
}

fn said(answer: &Answer) -> Result<Said, ProviderError> {
    let status = answer.status;
    if status.is_success() {
        // The body says nothing more (section 2.2).
        return Ok(Said::Revoked);
    }
    let code = answer::code(answer);
    let why = answer::described(status, code.as_deref());
    match code.as_deref().filter(|_| status.is_client_error()) {
        // Doorkeeper calls an unknown client `unauthorized_client` here, with 403.
        Some("invalid_client" | "unauthorized_client") => Err(ProviderError::InvalidClient),
        Some("unsupported_token_type") => Ok(Said::UnsupportedTokenType(why)),
        _ if is_for_later(answer) => {
            Err(ProviderError::Throttled { status: status.as_u16(), retry_after: answer.retry_after })
        }
        _ if status.is_server_error() => Err(ProviderError::Unknown(format!("status {status}"))),
        _ => Ok(Said::NotRevocable(why)),
    }
}

/// Whether the request was not looked at, and may be sent again: RFC 9110 sections 10.2.3 and 15.5.9, RFC 8470 section
/// 5.2, RFC 6585 section 4. All of these are reported as throttling, since the only reaction to them is to wait.
fn is_for_later(answer: &Answer) -> bool {
    answer::asks_to_wait(answer) || matches!(answer.status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY)
}

#[cfg(test)]
mod tests {
    use super::super::body::{Body, Cut};
    use super::*;

    fn whole(status: StatusCode, body: &str) -> Answer {
        let body = Body { octets: body.as_bytes().to_vec(), cut: None };
        Answer { status, retry_after: None, date: None, body }
    }

    fn read(status: u16, body: &str) -> Result<Said, ProviderError> {
        let status = StatusCode::from_u16(status).unwrap();
        said(&whole(status, body))
    }

    #[test]
    fn every_success_is_a_revocation_with_any_body() {
        for body in ["", "{}", r#"{"error":"invalid_token"}"#, "<html>"] {
            assert!(matches!(read(200, body), Ok(Said::Revoked)), "{body}");
        }
    }

    #[test]
    fn a_complete_4xx_and_a_redirect_are_final() {
        for (status, body) in [
            (400, r#"{"error":"invalid_token"}"#),
            (400, r#"{"error":"invalid_grant"}"#),
            (401, ""),
            (403, "<html>"),
            (404, "<html>"),
            (405, ""),
            (410, r#"{"error":["invalid_client"]}"#),
            (302, r#"{"error":"invalid_client"}"#),
            (307, r#"{"error":"unsupported_token_type"}"#),
        ] {
            assert!(matches!(read(status, body), Ok(Said::NotRevocable(_))), "{status} {body}");
        }
        let body = Body { octets: Vec::new(), cut: Some(Cut::TooLong) };
        let too_large = Answer { body, ..whole(StatusCode::NOT_FOUND, "") };
        assert!(matches!(said(&too_large), Ok(Said::NotRevocable(_))), "a page of any size");
    }

    #[test]
    fn a_refused_client_is_not_final_since_another_secret_may_be_accepted() {
        for (status, code) in [(401, "invalid_client"), (400, "invalid_client"), (403, "unauthorized_client")] {
            let answer = read(status, &format!(r#"{{"error":"{code}","error_description":"{code}"}}"#));
            assert!(matches!(answer, Err(ProviderError::InvalidClient)), "{status} {code}");
        }
    }

    #[test]
    fn an_answer_that_asks_to_wait_is_tried_later_and_so_is_an_outage() {
        for status in [408, 425, 429] {
            assert!(matches!(read(status, ""), Err(ProviderError::Throttled { .. })), "{status}");
        }
        for status in [500, 502, 503] {
            assert!(matches!(read(status, ""), Err(ProviderError::Unknown(_))), "{status}");
        }
    }

    #[test]
    fn the_providers_own_words_stay_out_of_the_reason() {
        let Ok(Said::NotRevocable(why)) = read(400, r#"{"error":"canary","error_description":"canary"}"#) else {
            panic!("a 4xx is final")
        };
        assert_eq!(why, "status 400 Bad Request, error (not a standard code)");
    }
}
