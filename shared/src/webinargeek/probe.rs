//! A request that the token endpoint must refuse: it refuses either the code or the client, and so shows whether our
//! credentials are right.

use super::{WebinarGeek, answer};
use crate::domain::secret::ClientSecret;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::TokenResponse;
use crate::ports::ProviderError;

/// A provider has never issued this code: codes are random.
const CODE: &str = "made-up-by-the-doctor";

/// Without it, a provider that requires a verifier (RFC 7636 section 4.5) would refuse before it looks at the code;
/// others ignore it (RFC 6749 section 3.2).
const VERIFIER: &str = "made-up-by-the-doctor-as-long-as-verifiers-are";

/// What the token endpoint answered, and when by its own clock (RFC 9110 section 6.6.1).
pub struct Probed {
    /// `InvalidClient` says that our credentials are wrong; `InvalidGrant`, that they are right.
    pub answer: Result<TokenResponse, ProviderError>,
    /// `None` where no answer came, or none with a `Date` that can be read.
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
