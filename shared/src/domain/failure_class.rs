//! The stable names of what can fail.

/// The stable name of a failure: `reason` of a connection, a key of a run's `failed`, a dimension of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FailureClass {
    /// A table could not be read or written.
    StoreUnavailable,
    /// A row has an attribute that is missing, or has a type or value that is never written.
    InconsistentRow,
    /// KMS did not open, or did not make, a data key.
    KeyUnavailable,
    /// A stored pair does not open under its data key and context.
    Unopenable,
    /// Secrets Manager did not give the client secret, or it is not in the form that is expected.
    SecretUnavailable,
    /// No connection to the provider was made: nothing was sent.
    Unreachable,
    /// The provider has asked to wait: status 429, or `Retry-After`.
    Throttled,
    /// A request was sent, and no usable answer came: it may have been carried out.
    UnknownOutcome,
    /// The provider has answered `invalid_grant` to the refresh token (RFC 6749 section 5.2).
    InvalidGrant,
    /// `invalid_grant`, where a lost answer before it may have rotated the pair.
    AmbiguousRotation,
    /// The provider does not accept the client id and secret (RFC 6749 section 5.2).
    InvalidClient,
    /// A complete answer that grants nothing and is none of the classes above.
    Refused,
    /// The grant belongs to another client id than the deployment's: nothing was sent.
    ForeignClient,
    /// The provider has granted no refresh token: the connection ends with its access token.
    NoRefreshToken,
    /// An earlier pair may wait in the queue: nothing is sent until it is stored.
    PairInEscrow,
    /// A change is stored, and its event is not on the bus yet.
    BusUnavailable,
    /// The process stood still until its lease was nearly over: nothing was sent.
    Frozen,
    /// A run has ended before its work was done.
    OutOfTime,
    /// A defect in this product: the work on one row has panicked.
    Panic,
}

impl FailureClass {
    /// Every class once.
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

    /// The name in rows, events, answers and logs. It never changes.
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

    /// From the stable name; `None` where no class has it.
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
