//! Every way in which a journey ends without a connection.

use shared::domain::attempt::JourneyFailure;
use shared::domain::connection::grant::Refusal;
use shared::http::query::Repeated;
use shared::ports::{KeyError, ProviderError, SecretError, StoreError};

/// Why a request does not end a journey, or the journey ended without a connection.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    #[error("neither GET nor HEAD")]
    MethodNotAllowed,
    #[error("no person has opened the address")]
    ByNoPerson,
    #[error(transparent)]
    Repeated(#[from] Repeated),
    #[error("there is no state, or not exactly one of code and error")]
    NotAnAuthorizationResponse,
    #[error("no attempt has this state")]
    UnknownState,
    #[error("another browser started this attempt")]
    ForeignBrowser,
    #[error("the attempt has expired")]
    Expired,
    #[error("another request sent the code, and how that ended is not known")]
    OutcomeUnknown,
    #[error("WebinarGeek reported an error in place of a code: {0}")]
    ErrorResponse(&'static str),
    #[error("the invocation has no time left to send the code and store its pair")]
    NoTime,
    /// The code was not used: the same request may come again.
    #[error("the code was not used: {0}")]
    NotExchanged(#[source] ProviderError),
    #[error("the exchange failed: {0}")]
    Exchange(#[source] ProviderError),
    /// Found before the code was sent: it stays unused.
    #[error("the grant would not be stored: {0:?}")]
    RefusedBeforeExchange(Refusal),
    /// The grant was not stored. What is done with it: [`shared::protocol::connect`].
    #[error("the grant is not stored: {0:?}")]
    RefusedAfterExchange(Refusal),
    /// It is not known whether the last try took effect, so the grant is not revoked: it may be the stored one.
    #[error("the grant could not be stored: {0}")]
    NotStored(#[source] StoreError),
    /// An earlier request of this journey failed, with this reference number.
    #[error("the attempt had failed: {failure:?}, reference {reference}")]
    FailedBefore { failure: JourneyFailure, reference: String },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Secret(#[from] SecretError),
}

/// The codes of RFC 6749 section 4.1.2.1. Any other text is not trusted, and is not logged.
pub(crate) fn known(code: &str) -> &'static str {
    const CODES: [&str; 6] = [
        "invalid_request",
        "unauthorized_client",
        "unsupported_response_type",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
    ];
    CODES.into_iter().find(|known| *known == code).unwrap_or("one of its own")
}

/// Whether a failed exchange has left the code unused.
pub(crate) fn not_granted(error: ProviderError) -> CallbackError {
    match error {
        ProviderError::NotSent(_) | ProviderError::InvalidClient | ProviderError::Throttled { status: 429, .. } => {
            CallbackError::NotExchanged(error)
        }
        ProviderError::Throttled { .. }
        | ProviderError::Unknown(_)
        | ProviderError::InvalidGrant
        | ProviderError::Refused(_) => CallbackError::Exchange(error),
    }
}
