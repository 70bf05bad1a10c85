//! How a refresh ends.

use std::time::Duration;

use crate::domain::connection::writes::{self, Need, UNSETTLED_GRACE};
use crate::domain::connection::{Connection, Status};
use crate::domain::time::Timestamp;
use crate::domain::token_pair::TokenPair;
use crate::failure::FailureClass;
use crate::ports::{KeyError, ProviderError, SecretError, StoreError};
use crate::sealing::Unopenable;

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
    /// The provider has asked everybody to wait.
    Paused { until: Timestamp },
    /// Only the customer can help.
    ReauthRequired(Connection),
    /// There is no such connection.
    Gone,
    /// It is being taken away.
    Disconnecting,
    /// The integrator's backend has to confirm it first; after that time nobody can.
    Unconfirmed { until: Timestamp },
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
    #[error("an earlier pair may wait in the queue: nothing was sent")]
    PairInEscrow,
    #[error("the process stood still until its lease was nearly over: nothing was sent")]
    Frozen,
}

impl Failure {
    pub fn class(&self) -> FailureClass {
        match self {
            Failure::Store(error) => error.into(),
            Failure::Key(error) => error.into(),
            Failure::Secret(error) => error.into(),
            Failure::Provider(error) => error.into(),
            Failure::Unopenable(_) => FailureClass::Unopenable,
            Failure::ForeignClient => FailureClass::ForeignClient,
            Failure::NoRefreshToken => FailureClass::NoRefreshToken,
            Failure::PairInEscrow => FailureClass::PairInEscrow,
            Failure::Frozen => FailureClass::Frozen,
        }
    }

    pub fn log(&self) {
        self.class().log(self);
    }
}

/// Why a lease was not to be had, from the row as it stands.
pub(super) fn refused_lease(connection: Connection, need: &Need, now: Timestamp) -> Outcome {
    match connection.status {
        Status::Disconnecting => return Outcome::Disconnecting,
        Status::ReauthRequired => return Outcome::ReauthRequired(connection),
        Status::Active => {}
    }
    if let Some(until) = connection.confirm_by {
        return Outcome::Unconfirmed { until };
    }
    let wanted = match need {
        Need::Scheduled => connection.refresh_at <= now,
        Need::OnDemand { seen } | Need::Rejected { seen } => connection.pair.token_set == *seen,
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
        Status::Disconnecting => Outcome::Disconnecting,
    }
}

impl From<StoreError> for Outcome {
    fn from(error: StoreError) -> Self {
        Outcome::Failed { failure: Failure::Store(error), retry_at: None, connection: None }
    }
}
