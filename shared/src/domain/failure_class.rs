//! The stable names of what can fail.

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
    /// `invalid_grant`, where a lost answer before it may have rotated the pair.
    AmbiguousRotation,
    InvalidClient,
    Refused,
    ForeignClient,
    NoRefreshToken,
    PairInEscrow,
    /// A change is stored, and its event is not on the bus yet.
    BusUnavailable,
    Frozen,
    /// A run has ended before its work was done.
    OutOfTime,
    Panic,
}

impl FailureClass {
    pub const ALL: [Self; 19] = [
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
        Self::OutOfTime,
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
            Self::OutOfTime => "out_of_time",
            Self::Panic => "panic",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }

    /// Who can repair it: the alarms tell these apart.
    pub fn cause(self) -> &'static str {
        match self {
            // Our deployment: it does not recover by itself.
            Self::SecretUnavailable | Self::InvalidClient | Self::ForeignClient => "configuration",
            // A run spends its time waiting for WebinarGeek's answers.
            Self::Unreachable | Self::Throttled | Self::UnknownOutcome | Self::Refused | Self::OutOfTime => "provider",
            // One customer, who has withdrawn the access, or never granted a refresh token.
            Self::InvalidGrant | Self::AmbiguousRotation | Self::NoRefreshToken => "customer",
            Self::StoreUnavailable
            | Self::KeyUnavailable
            | Self::PairInEscrow
            | Self::BusUnavailable
            | Self::Frozen => "aws",
            // One row, which is kept as it is until a person has looked at it.
            Self::InconsistentRow | Self::Unopenable | Self::Panic => "row",
        }
    }
}
