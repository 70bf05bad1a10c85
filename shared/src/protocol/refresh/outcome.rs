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
    Busy {
        /// The end of its lease; if the lease has run out, the time until which its pair may still arrive.
        until: Timestamp,
    },
    /// An earlier failure backs off.
    Waiting {
        /// The end of the backoff; for a rejected pair also the time from which the report is believed.
        until: Timestamp,
        /// The connection with the pair that was not refreshed. Its access token may still be valid.
        connection: Box<Connection>,
    },
    /// The provider has asked to wait with all requests.
    Paused {
        /// When the pause ends. No lease was taken.
        until: Timestamp,
    },
    /// Only the customer can help.
    NeedsCustomer(Box<Connection>),
    /// There is no live pair.
    Gone,
    /// It failed. Nothing was changed, except that the failure was noted.
    Failed {
        /// What failed.
        failure: Failure,
        /// When the next try may begin; `None` where that is not known.
        retry_at: Option<Timestamp>,
        /// The connection as the lease found it. `None` where the table failed, or the row is unreadable.
        connection: Option<Box<Connection>>,
    },
    /// The invocation has too little time left.
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

/// What failed in a refresh, a revocation or a replay. Only its [`Failure::class`] is stored and shown.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The table failed, or the row is unreadable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The data key could not be opened: nothing was sent.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The client secrets could not be read: nothing was sent.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The request failed: [`ProviderError`] says whether the provider may have rotated the pair.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// The pair does not open under its data key: a person has to look at the row.
    #[error(transparent)]
    Unopenable(#[from] Unopenable),
    /// Found before the pair is opened: KMS is not called.
    #[error("the connection belongs to another client id than WEBINARGEEK_CLIENT_ID: nothing was sent")]
    ForeignClient,
    /// The access token is still valid; when it ends, the connection is given up.
    #[error("WebinarGeek has granted no refresh token to this connection")]
    NoRefreshToken,
    /// Its successor may be in the queue: then to send the refresh token would be a reuse.
    #[error("an earlier pair may wait in the queue: nothing was sent")]
    PairInEscrow,
    /// The lease could have ended during the request.
    #[error("the process was frozen until its lease had nearly ended: nothing was sent")]
    Frozen,
}

impl Failure {
    /// The class that is stored in the row, counted and shown. It holds no text of the provider.
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

    /// Writes one line, under the failure's class.
    pub fn log(&self) {
        self.class().log(self);
    }
}

/// Why the lease was not available: what the row shows.
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

/// The row holds another pair than at the beginning.
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
