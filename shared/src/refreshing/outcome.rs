//! How a refresh ends.

use std::time::Duration;

use crate::domain::connection::writes::{self, Need, UNSETTLED_GRACE};
use crate::domain::connection::{Connection, Status};
use crate::domain::time::Timestamp;
use crate::domain::token_pair::TokenPair;
use crate::ports::{KeyError, ProviderError, SecretError, StoreError};
use crate::sealing::Unopenable;
use crate::telemetry::Chain;

/// Every way in which [`super::Refreshing::refresh`] ends.
#[derive(Debug)]
pub enum Outcome {
    /// A new pair is stored, and may be released.
    Refreshed(Connection, TokenPair),
    /// Somebody else has stored a newer pair.
    Adopted(Connection),
    /// Somebody else is at it.
    Busy { until: Timestamp },
    /// An earlier failure backs off.
    Waiting { until: Timestamp, connection: Connection },
    /// Only the customer can help.
    ReauthRequired(Connection),
    /// There is no such connection, or it is being taken away.
    Gone,
    /// Nothing was changed but the note that it failed.
    Failed { failure: Failure, retry_at: Option<Timestamp>, connection: Option<Connection> },
    /// The invocation could not have finished what it began.
    NoTime,
}

#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Unopenable(#[from] Unopenable),
    #[error("the connection belongs to another client id than WEBINARGEEK_CLIENT_ID: nothing was sent")]
    ForeignClient,
    #[error("WebinarGeek has granted no refresh token to this connection")]
    NoRefreshToken,
    #[error("the process stood still until its lease was nearly over: nothing was sent")]
    Frozen,
}

impl Failure {
    /// The stable name of the failure: `reason` of a connection, a key of a run's `failed`.
    pub fn class(&self) -> &'static str {
        match self {
            Failure::Store(StoreError::Unavailable(_)) => "store_unavailable",
            Failure::Store(StoreError::Inconsistent(_)) => "inconsistent_row",
            Failure::Key(KeyError::Unavailable(_)) => "key_unavailable",
            Failure::Key(KeyError::Refused(_)) | Failure::Unopenable(_) => "unopenable",
            Failure::Secret(_) => "secret_unavailable",
            Failure::Provider(ProviderError::NotSent(_)) => "unreachable",
            Failure::Provider(ProviderError::Throttled { .. }) => "throttled",
            Failure::Provider(ProviderError::Unknown(_)) => "unknown_outcome",
            Failure::Provider(ProviderError::InvalidGrant) => "invalid_grant",
            Failure::Provider(ProviderError::InvalidClient) => "invalid_client",
            Failure::Provider(ProviderError::Refused(_)) => "refused",
            Failure::ForeignClient => "foreign_client",
            Failure::NoRefreshToken => "no_refresh_token",
            Failure::Frozen => "frozen",
        }
    }

    /// Who can mend it: what the alarms tell apart.
    pub fn cause(&self) -> &'static str {
        match self {
            // Our deployment: nothing gets better by itself.
            Failure::Secret(_) | Failure::Provider(ProviderError::InvalidClient) | Failure::ForeignClient => {
                "configuration"
            }
            Failure::Provider(
                ProviderError::NotSent(_)
                | ProviderError::Throttled { .. }
                | ProviderError::Unknown(_)
                | ProviderError::Refused(_),
            ) => "provider",
            // One customer: they have taken the access away, or never gave the right to refresh.
            Failure::Provider(ProviderError::InvalidGrant) | Failure::NoRefreshToken => "customer",
            Failure::Store(StoreError::Unavailable(_)) | Failure::Key(KeyError::Unavailable(_)) | Failure::Frozen => {
                "aws"
            }
            Failure::Store(StoreError::Inconsistent(_))
            | Failure::Key(KeyError::Refused(_))
            | Failure::Unopenable(_) => "row",
        }
    }

    /// The one line that a failure is told and counted in.
    pub fn log(&self) {
        tracing::warn!(
            refresh_failures = 1,
            class = self.class(),
            cause = self.cause(),
            error = %Chain(self),
            "a refresh has failed"
        );
    }
}

/// Why a lease was not to be had, from the row as it stands.
pub(super) fn refused_lease(connection: Connection, need: &Need, now: Timestamp) -> Outcome {
    match connection.status {
        Status::Disconnecting => return Outcome::Gone,
        Status::ReauthRequired => return Outcome::ReauthRequired(connection),
        Status::Active => {}
    }
    let wanted = match need {
        Need::Scheduled => connection.refresh_at <= now,
        Need::OnDemand { seen } => connection.pair.token_set == *seen,
        Need::Rejected { version } => connection.version == *version,
    };
    if !wanted {
        return Outcome::Adopted(connection);
    }
    if let Some(lease_until) = connection.lease_until {
        let grace = if connection.access_token_lives(now) { UNSETTLED_GRACE } else { Duration::ZERO };
        if lease_until + grace >= now {
            return Outcome::Busy { until: if lease_until >= now { lease_until } else { lease_until + grace } };
        }
    }
    let too_young = match need {
        Need::Rejected { .. } => Some(connection.refreshed_at + writes::REJECTION_AGE),
        Need::Scheduled | Need::OnDemand { .. } => None,
    };
    let until = connection.not_before.max(too_young).unwrap_or(now);
    Outcome::Waiting { until, connection }
}

/// The row holds another pair than the one we began with.
pub(super) fn adopt(stored: Connection) -> Outcome {
    match stored.status {
        Status::Active => Outcome::Adopted(stored),
        Status::ReauthRequired => Outcome::ReauthRequired(stored),
        Status::Disconnecting => Outcome::Gone,
    }
}

impl From<StoreError> for Outcome {
    fn from(error: StoreError) -> Self {
        Outcome::Failed { failure: Failure::Store(error), retry_at: None, connection: None }
    }
}
