//! The ports to the provider: its token endpoint, its revocation endpoint, and the address that names an account.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::account::Account;
use crate::domain::secret::{AccessToken, AuthorizationCode, ClientSecret, CodeVerifier, RefreshToken};
use crate::domain::token_pair::{TokenPair, TokenResponse};

/// How a request to the token endpoint failed, by what it says about the grant that was sent.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// No connection was made: the provider has certainly not seen the grant.
    #[error("WebinarGeek could not be reached, and nothing was sent: {0}")]
    NotSent(String),
    /// 429, or another status that is no success with `Retry-After`, without a complete `invalid_grant` or
    /// `invalid_client`. The request was refused before it was looked at; with a 5xx, this is less certain.
    #[error("WebinarGeek asked us to wait (status {status})")]
    Throttled {
        /// The status code of the answer.
        status: u16,
        /// `Retry-After` from now on; `None` where the header is missing or cannot be read (RFC 9110 section 10.2.3).
        retry_after: Option<Duration>,
    },
    /// The request was sent, and no usable answer came: a timeout, a broken connection, 5xx, or a success with neither
    /// readable tokens nor an error.
    #[error("the outcome at WebinarGeek is unknown: {0}")]
    Unknown(String),
    /// Any 4xx, or a success without tokens, with a JSON body that says so (RFC 6749 section 5.2 asks for 400).
    #[error("WebinarGeek answered invalid_grant")]
    InvalidGrant,
    /// Any 4xx, or a success without tokens, with a JSON body that says so: the grant was not looked at.
    #[error("WebinarGeek answered invalid_client: the client id or secret is wrong")]
    InvalidClient,
    /// Any other complete answer without tokens: another error code, or a 3xx or 4xx without one. The grant was
    /// certainly not used. The cause is our configuration, or an outage.
    #[error("WebinarGeek refused the request: {0}")]
    Refused(String),
}

/// The longest that one request to the provider takes, including the connection. The length of a lease depends on it.
pub const REQUEST_BUDGET: Duration = Duration::from_secs(13);

/// Exchanges an authorization code (RFC 6749 section 4.1.3). Never repeated by the adapter.
#[async_trait]
pub trait ExchangeCode: Send + Sync {
    /// `redirect_uri` is the one of the authorization request; `verifier` is `None` without PKCE (RFC 7636).
    async fn exchange(
        &self,
        code: &AuthorizationCode,
        redirect_uri: &str,
        verifier: Option<&CodeVerifier>,
        secret: &ClientSecret,
    ) -> Result<TokenResponse, ProviderError>;
}

/// Refreshes a pair (RFC 6749 section 6). Never repeated by the adapter.
#[async_trait]
pub trait RefreshPair: Send + Sync {
    /// The new pair may have no refresh token: the old one stays valid then (RFC 6749 section 6).
    async fn refresh(
        &self,
        refresh_token: &RefreshToken,
        secret: &ClientSecret,
    ) -> Result<TokenResponse, ProviderError>;
}

/// Revokes a token (RFC 7009), where the provider has an endpoint for it.
#[async_trait]
pub trait RevokeToken: Send + Sync {
    /// After an error, another try may succeed, later or with another secret. [`Revoked::NotRevocable`] is final.
    async fn revoke(&self, pair: &TokenPair, secret: &ClientSecret) -> Result<Revoked, ProviderError>;
}

/// How a revocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Revoked {
    /// The provider has confirmed it with a success (RFC 7009 section 2.2).
    Done,
    /// There is no endpoint.
    Off,
    /// A complete refusal (RFC 7009 section 2.2), with its status and error code: another try would get the same.
    NotRevocable(String),
}

/// Asks the provider whose account an access token is for. This is a use of the token: only after its pair is stored.
#[async_trait]
pub trait ReadAccount: Send + Sync {
    /// `Refused` if the answer is not a success, or names no account.
    async fn read(&self, access_token: &AccessToken) -> Result<Account, ProviderError>;
}
