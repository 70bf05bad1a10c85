//! Why a journey has made no connection: what its attempt and its session store, and what the integrator is told.

use crate::domain::item::{BadAttribute, Item};
use crate::domain::write::Change;

/// `reason` of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JourneyFailure {
    /// WebinarGeek did not answer the way the protocol says, or reported an error.
    Provider,
    /// The customer declined.
    Denied,
    /// The customer came back too late.
    Expired,
    /// Another journey of the same session, or of a later one, has made the connection.
    SessionUsed,
    /// A newer grant was stored meanwhile.
    Exists,
    /// The connection was taken away during the journey.
    Disconnected,
    /// The grant was not stored, or not even requested. It may still be stored later: then the connection shows it.
    NotStored,
    /// The customer has approved with another account than the connected one, and only that one is accepted.
    OtherAccount,
}

impl JourneyFailure {
    /// Every failure once.
    pub const ALL: [Self; 8] = [
        Self::Provider,
        Self::Denied,
        Self::Expired,
        Self::SessionUsed,
        Self::Exists,
        Self::Disconnected,
        Self::NotStored,
        Self::OtherAccount,
    ];

    /// The name that is stored, and that the integrator reads as `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::SessionUsed => "session_used",
            Self::Exists => "exists",
            Self::Disconnected => "disconnected",
            Self::NotStored => "not_stored",
            Self::OtherAccount => "other_account",
        }
    }

    /// From the stored name; `None` where no failure has it.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|failure| failure.as_str() == text)
    }

    /// The `status` of the session, and of the address that the browser returns to.
    pub fn status(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Provider
            | Self::SessionUsed
            | Self::Exists
            | Self::Disconnected
            | Self::NotStored
            | Self::OtherAccount => "failed",
        }
    }
}

/// A journey that has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedJourney {
    /// The reason of the failure.
    pub why: JourneyFailure,
    /// What to look for in the log. A denial has none: there is nothing to look for.
    pub reference: Option<String>,
}

impl FailedJourney {
    /// A failure of the request with this id, which becomes the reference.
    pub fn new(why: JourneyFailure, request_id: &str) -> Self {
        Self { why, reference: (why != JourneyFailure::Denied).then(|| request_id.to_owned()) }
    }

    /// Parses it from the row of an attempt or a session; `None` where nothing has failed.
    pub fn parse(item: &Item) -> Result<Option<Self>, BadAttribute> {
        let Some(text) = item.optional_string("failure")? else { return Ok(None) };
        Ok(Some(Self {
            why: JourneyFailure::parse(text).ok_or(BadAttribute("failure"))?,
            reference: item.optional_string("reference")?.map(str::to_owned),
        }))
    }

    pub(in crate::domain) fn changes(&self) -> [Change; 2] {
        let reference = match &self.reference {
            Some(reference) => Change::Set("reference", reference.as_str().into()),
            None => Change::Remove("reference"),
        };
        [Change::Set("failure", self.why.as_str().into()), reference]
    }

    /// The changes of a row in which nothing has failed.
    pub(in crate::domain) fn none() -> [Change; 2] {
        [Change::Remove("failure"), Change::Remove("reference")]
    }
}
