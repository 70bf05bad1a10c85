//! What failed, as it is called in a row, a summary, a metric and an answer.

use std::error::Error;

use crate::ports::{BusError, KeyError, ProviderError, SecretError, StoreError};
use crate::telemetry::Chain;

/// The stable name of a failure: `reason` of a connection, a key of a run's `failed`, a dimension of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureClass {
    StoreUnavailable,
    InconsistentRow,
    KeyUnavailable,
    Unopenable,
    SecretUnavailable,
    Unreachable,
    Throttled,
    UnknownOutcome,
    InvalidGrant,
    /// `invalid_grant`, where an earlier answer that never arrived may have rotated the pair.
    AmbiguousRotation,
    InvalidClient,
    Refused,
    ForeignClient,
    NoRefreshToken,
    PairInEscrow,
    /// A change is stored, and its event is not on the bus yet.
    BusUnavailable,
    Frozen,
    Panic,
}

impl FailureClass {
    pub const ALL: [Self; 18] = [
        Self::StoreUnavailable,
        Self::InconsistentRow,
        Self::KeyUnavailable,
        Self::Unopenable,
        Self::SecretUnavailable,
        Self::Unreachable,
        Self::Throttled,
        Self::UnknownOutcome,
        Self::InvalidGrant,
        Self::AmbiguousRotation,
        Self::InvalidClient,
        Self::Refused,
        Self::ForeignClient,
        Self::NoRefreshToken,
        Self::PairInEscrow,
        Self::BusUnavailable,
        Self::Frozen,
        Self::Panic,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::StoreUnavailable => "store_unavailable",
            Self::InconsistentRow => "inconsistent_row",
            Self::KeyUnavailable => "key_unavailable",
            Self::Unopenable => "unopenable",
            Self::SecretUnavailable => "secret_unavailable",
            Self::Unreachable => "unreachable",
            Self::Throttled => "throttled",
            Self::UnknownOutcome => "unknown_outcome",
            Self::InvalidGrant => "invalid_grant",
            Self::AmbiguousRotation => "ambiguous_rotation",
            Self::InvalidClient => "invalid_client",
            Self::Refused => "refused",
            Self::ForeignClient => "foreign_client",
            Self::NoRefreshToken => "no_refresh_token",
            Self::PairInEscrow => "pair_in_escrow",
            Self::BusUnavailable => "bus_unavailable",
            Self::Frozen => "frozen",
            Self::Panic => "panic",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }

    /// Who can mend it: what the alarms tell apart.
    pub fn cause(self) -> &'static str {
        match self {
            // Our deployment: nothing gets better by itself.
            Self::SecretUnavailable | Self::InvalidClient | Self::ForeignClient => "configuration",
            Self::Unreachable | Self::Throttled | Self::UnknownOutcome | Self::Refused => "provider",
            // One customer, who has taken the access away, or never gave the right to refresh.
            Self::InvalidGrant | Self::AmbiguousRotation | Self::NoRefreshToken => "customer",
            Self::StoreUnavailable
            | Self::KeyUnavailable
            | Self::PairInEscrow
            | Self::BusUnavailable
            | Self::Frozen => "aws",
            // One row, which is kept as it is until somebody has looked at it.
            Self::InconsistentRow | Self::Unopenable | Self::Panic => "row",
        }
    }

    /// The one line that a failure is told and counted in.
    pub fn log(self, error: &(dyn Error + 'static)) {
        let error = Chain(error);
        tracing::error!(failures = 1, class = self.as_str(), cause = self.cause(), %error, "failed");
    }
}

impl From<&StoreError> for FailureClass {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::StoreUnavailable,
            StoreError::Inconsistent(_) => Self::InconsistentRow,
        }
    }
}

impl From<&KeyError> for FailureClass {
    fn from(error: &KeyError) -> Self {
        match error {
            KeyError::Unavailable(_) => Self::KeyUnavailable,
            KeyError::Refused(_) => Self::Unopenable,
        }
    }
}

impl From<&BusError> for FailureClass {
    fn from(_: &BusError) -> Self {
        Self::BusUnavailable
    }
}

impl From<&SecretError> for FailureClass {
    fn from(_: &SecretError) -> Self {
        Self::SecretUnavailable
    }
}

impl From<&ProviderError> for FailureClass {
    fn from(error: &ProviderError) -> Self {
        match error {
            ProviderError::NotSent(_) => Self::Unreachable,
            ProviderError::Throttled { .. } => Self::Throttled,
            ProviderError::Unknown(_) => Self::UnknownOutcome,
            ProviderError::InvalidGrant => Self::InvalidGrant,
            ProviderError::InvalidClient => Self::InvalidClient,
            ProviderError::Refused(_) => Self::Refused,
        }
    }
}
