//! How a refresh ends.

use crate::domain::connection::refresh::{REJECTION_AGE, RefreshReason, UNSETTLED_GRACE};
use crate::domain::connection::{Connection, State};
use crate::domain::failure_class::FailureClass;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::TokenPair;
use crate::ports::{KeyError, ProviderError, SecretError, StoreError};
use crate::sealing::Unopenable;

/// Every way in which [`super::Refreshing::refresh`] ends.
#[derive(Debug)]
pub enum Outcome {
    /// A new pair is stored, and may be released.
    Refreshed(Box<Connection>, TokenPair),
    /// Another worker has stored a newer pair.
    Adopted(Box<Connection>),
    /// Another worker refreshes it.
    Busy { until: Timestamp },
    /// An earlier failure backs off.
    Waiting { until: Timestamp, connection: Box<Connection> },
    /// The provider has asked to wait with every request.
    Paused { until: Timestamp },
    /// Only the customer can help.
    NeedsCustomer(Box<Connection>),
    /// There is no live pair.
    Gone,
    /// Nothing was changed except that the failure was noted.
    Failed { failure: Failure, retry_at: Option<Timestamp>, connection: Option<Box<Connection>> },
    /// The invocation could not have finished what it began.
    NoTime,
}

impl Outcome {
    /// Logs a failure once, where its connection is known.
    pub fn logged(self) -> Self {
        if let Self::Failed { failure, .. } = &self {
            failure.log();
        }
        self
    }
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

/// Why the lease was not available, from the row as it is.
pub(super) fn refused_lease(connection: Connection, reason: &RefreshReason, now: Timestamp) -> Outcome {
    if let State::NeedsCustomer { why, .. } = connection.state
        && why != FailureClass::Refused
    {
        return Outcome::NeedsCustomer(Box::new(connection));
    }
    let is_wanted = match reason {
        RefreshReason::Scheduled => connection.refresh_at <= now,
        RefreshReason::OnDemand { seen } | RefreshReason::Rejected { seen } => connection.pair.id == *seen,
    };
    if !is_wanted {
        return adopt(connection);
    }
    if let Some(lease) = &connection.lease
        && lease.until + UNSETTLED_GRACE >= now
    {
        let until = if lease.until >= now { lease.until } else { lease.until + UNSETTLED_GRACE };
        return Outcome::Busy { until };
    }
    if let State::NeedsCustomer { .. } = connection.state {
        return Outcome::NeedsCustomer(Box::new(connection));
    }
    let too_young = match reason {
        RefreshReason::Rejected { .. } => Some(connection.refreshed_at + REJECTION_AGE),
        RefreshReason::Scheduled | RefreshReason::OnDemand { .. } => None,
    };
    let until = connection.journal.not_before.max(too_young).unwrap_or(now);
    Outcome::Waiting { until, connection: Box::new(connection) }
}

/// The row holds another pair than the one we began with.
pub(super) fn adopt(stored: Connection) -> Outcome {
    match stored.state {
        State::NeedsCustomer { .. } => Outcome::NeedsCustomer(Box::new(stored)),
        State::Active
        | State::NotRefreshed
        | State::AwaitingConfirmation { .. }
        | State::Disconnecting
        | State::Tombstone => Outcome::Adopted(Box::new(stored)),
    }
}

impl From<StoreError> for Outcome {
    fn from(error: StoreError) -> Self {
        Outcome::Failed { failure: Failure::Store(error), retry_at: None, connection: None }
    }
}
