//! How a failure is counted and logged; its name is a [`FailureClass`].

use std::error::Error;

pub use crate::domain::failure_class::FailureClass;
use crate::ports::{BusError, KeyError, ProviderError, SecretError, StoreError};
use crate::telemetry::Chain;

impl FailureClass {
    /// Writes the line that logs and counts a failure.
    pub fn log(self, error: &(dyn Error + 'static)) {
        let error = Chain(error);
        tracing::error!(failures = 1, class = self.as_str(), cause = self.cause(), %error, "failed");
    }

    /// The same for something that still works, and soon will fail.
    pub fn warn(self, what: &str) {
        tracing::warn!(failures = 1, class = self.as_str(), cause = self.cause(), "{what}");
    }
}

impl From<&StoreError> for FailureClass {
    fn from(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::StoreUnavailable,
            StoreError::Unreadable(_) => Self::InconsistentRow,
        }
    }
}

impl From<&KeyError> for FailureClass {
    fn from(error: &KeyError) -> Self {
        match error {
            KeyError::Unavailable(_) => Self::KeyUnavailable,
            KeyError::NotAccepted(_) => Self::Unopenable,
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
