//! The revocation endpoint, whose default address is a guess: a made-up token is sent to it.
//!
//! A finding here is never a failure: a customer can connect without it. Grants that are replaced or taken away then
//! live until WebinarGeek ends them.

use shared::domain::secret::{AccessToken, ClientSecret, RefreshToken};
use shared::domain::token_pair::TokenPair;
use shared::ports::{ProviderError, RevokeToken, Revoked};
use shared::webinargeek::WebinarGeek;
use tokio::time::timeout;

use super::{CALL_BUDGET, Finding};

pub(super) const CHECK: &str = "revocation";

/// No provider has issued this token: tokens are random.
const TOKEN: &str = "made-up-by-the-doctor";

const NO_ENDPOINT: &str = "where there is no error code, RevokeUrl (WEBINARGEEK_REVOKE_URL) names no revocation endpoint: ask \
                           WebinarGeek for its address, or make it empty, and grants that are taken away live until \
                           WebinarGeek ends them. Where there is one, WebinarGeek refuses tokens that it does not know: \
                           the log says whether a DELETE revokes one that it knows";
const OTHER_CLIENT: &str = "ask WebinarGeek how a client authenticates at its revocation endpoint, or make RevokeUrl \
                            (WEBINARGEEK_REVOKE_URL) empty";
const AGAIN: &str = "nothing is known of the revocation endpoint yet: call again in some minutes";
const NOT_THERE: &str = "check the host of RevokeUrl (WEBINARGEEK_REVOKE_URL), and whether it can be reached from here";
const DOWN: &str = "WebinarGeek is down, or RevokeUrl (WEBINARGEEK_REVOKE_URL) names something that is no revocation endpoint: \
                    look at its status, and call again";

/// `accepted` is a client secret that the token endpoint accepts.
pub(super) async fn examine(provider: &WebinarGeek, accepted: Option<&ClientSecret>) -> Finding {
    let Some(secret) = accepted else {
        return Finding::skipped(
            CHECK,
            "the client was not accepted at the token endpoint",
            "repair client_credentials first",
        );
    };
    let made_up = TokenPair { access_token: AccessToken::new(TOKEN), refresh_token: Some(RefreshToken::new(TOKEN)) };
    match timeout(CALL_BUDGET, provider.revoke(&made_up, secret)).await {
        Ok(answer) => finding(answer),
        Err(_) => Finding::warning(CHECK, "no answer in time", DOWN),
    }
}

fn finding(answer: Result<Revoked, ProviderError>) -> Finding {
    match answer {
        Ok(Revoked::Done) => Finding::ok(
            CHECK,
            "WebinarGeek answered the revocation of a made-up token as it should (RFC 7009 section 2.2)",
        ),
        Ok(Revoked::Off) => {
            Finding::ok(CHECK, "off: grants that are replaced or taken away live until WebinarGeek ends them")
        }
        Ok(Revoked::NotRevocable(why)) => {
            let detail = format!("a made-up token was refused, where RFC 7009 section 2.2 has a 200: {why}");
            Finding::warning(CHECK, detail, NO_ENDPOINT)
        }
        Err(error) => {
            let remedy = match error {
                ProviderError::InvalidClient => OTHER_CLIENT,
                ProviderError::Throttled { .. } => AGAIN,
                ProviderError::NotSent(_) => NOT_THERE,
                ProviderError::Unknown(_) | ProviderError::InvalidGrant | ProviderError::Refused(_) => DOWN,
            };
            Finding::warning(CHECK, error.to_string(), remedy)
        }
    }
}
