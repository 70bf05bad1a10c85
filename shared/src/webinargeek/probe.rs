//! A request that the token endpoint must refuse. Whether it refuses the code or the client shows whether our
//! credentials are right.

use super::{WebinarGeek, answer};
use crate::domain::secret::ClientSecret;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::TokenResponse;
use crate::ports::ProviderError;

/// No provider has issued this code: codes are random.
const CODE: &str = "made-up-by-the-doctor";

/// Without it, a provider that requires a verifier (RFC 7636 section 4.5) would refuse the request before it looks at
/// the code. Other providers ignore it (RFC 6749 section 3.2).
const VERIFIER: &str = "made-up-by-the-doctor-as-long-as-verifiers-are";

/// What the token endpoint answered, and the time by its own clock (RFC 9110 section 6.6.1).
pub struct Probed {
    /// `InvalidClient` says that our credentials are wrong, and `InvalidGrant` that they are right.
    pub answer: Result<TokenResponse, ProviderError>,
    /// `None` if no answer came, or its `Date` cannot be read.
    pub date: Option<Timestamp>,
}

impl WebinarGeek {
    /// Sends a made-up code, to see whether the client is accepted. It ends no grant.
    pub async fn probe(&self, redirect_uri: &str, secret: &ClientSecret) -> Probed {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", CODE),
            ("redirect_uri", redirect_uri),
            ("code_verifier", VERIFIER),
        ];
        match self.post(self.endpoint.url.as_str(), &form, secret).await {
            Ok(answer) => Probed { answer: answer::grant(&answer), date: answer.date },
            Err(error) => Probed { answer: Err(error), date: None },
        }
    }
}
