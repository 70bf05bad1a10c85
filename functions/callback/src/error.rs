//! Every way in which a journey ends without a connection.

use shared::domain::attempt::{FailedJourney, JourneyFailure, Unproven};
use shared::domain::connection::grant::Refusal;
use shared::http::query::Repeated;
use shared::ports::{KeyError, ProviderError, SecretError, StoreError};

/// Why a request does not end a journey, or the journey ended without a connection.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    #[error("the method is not GET or HEAD")]
    MethodNotAllowed,
    #[error("no person has opened the address: it was prefetched, or embedded in a page")]
    PrefetchedOrEmbedded,
    #[error(transparent)]
    Repeated(#[from] Repeated),
    #[error("there is no state, or not exactly one of code and error")]
    NotAnAuthorizationResponse,
    #[error("WebinarGeek reported an error without a state: {0}")]
    ErrorWithoutState(&'static str),
    #[error("no attempt has this state")]
    UnknownState,
    #[error(transparent)]
    Unproven(#[from] Unproven),
    #[error("the attempt has expired")]
    Expired,
    /// The process of that request may have ended.
    #[error("another request has sent the code, and its result is not known")]
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
    /// Found before the code was sent.
    #[error("the grant would be refused, so the code was not sent: {0:?}")]
    RefusedBeforeExchange(Refusal),
    /// [`shared::protocol::connect`] says what is done with the grant.
    #[error("the grant was refused: {0:?}")]
    RefusedAfterExchange(Refusal),
    #[error("the customer has approved with another account than the one that is connected")]
    OtherAccount,
    #[error("WebinarGeek did not say whose account it is, and only the connected account is accepted")]
    AccountUnknown,
    /// It is not known whether the last write took effect. So the grant is not revoked: it may be stored.
    #[error("the grant could not be stored: {0}")]
    NotStored(#[source] StoreError),
    /// An earlier request of this journey failed.
    #[error("an earlier request of this attempt has failed: {0:?}")]
    FailedBefore(FailedJourney),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl CallbackError {
    /// The failure that attempt and session store; `None` if the request ended no journey.
    pub(crate) fn why(&self) -> Option<JourneyFailure> {
        match self {
            Self::ErrorResponse(_) | Self::NotExchanged(_) | Self::Exchange(_) | Self::AccountUnknown => {
                Some(JourneyFailure::Provider)
            }
            Self::OtherAccount => Some(JourneyFailure::OtherAccount),
            Self::RefusedBeforeExchange(refusal) | Self::RefusedAfterExchange(refusal) => Some(match refusal {
                Refusal::SessionUsed => JourneyFailure::SessionUsed,
                Refusal::Disconnected => JourneyFailure::Disconnected,
                Refusal::Superseded => JourneyFailure::Exists,
            }),
            Self::OutcomeUnknown
            | Self::NoTime
            | Self::NotStored(_)
            | Self::Store(_)
            | Self::Key(_)
            | Self::Secret(_) => Some(JourneyFailure::NotStored),
            Self::Expired => Some(JourneyFailure::Expired),
            Self::FailedBefore(failed) => Some(failed.why),
            Self::MethodNotAllowed
            | Self::PrefetchedOrEmbedded
            | Self::Repeated(_)
            | Self::NotAnAuthorizationResponse
            | Self::ErrorWithoutState(_)
            | Self::UnknownState
            | Self::Unproven(_) => None,
        }
    }

    /// Whether the same code may be sent once more: it was certainly not used, and may still be valid.
    pub(crate) fn may_be_repeated(&self) -> bool {
        matches!(self, Self::NoTime | Self::NotExchanged(_) | Self::Store(_) | Self::Key(_) | Self::Secret(_))
    }
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
