//! A sealed pair that the table did not accept, with what its conditional write needs. Its tokens are sealed, so it may
//! wait in a queue.

use serde::{Deserialize, Serialize};

use super::connection::grant::{NewGrant, NewPair};
use super::connection::{GrantMark, SealedPair};
use super::connection_id::ConnectionId;
use super::token_pair::PairId;

/// In this version a member that has no value is null, and never missing. By default serde reads a missing member as
/// null: `deserialize_with`, here and in the parts, refuses it.
const FORMAT_VERSION: i64 = 1;

/// A sealed pair on its way through the queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Escrowed {
    /// A pair that a refresh has brought, to be stored over its predecessor.
    Refreshed(Box<RefreshedPair>),
    /// A pair of a customer's grant.
    Granted(Box<NewGrant>),
}

/// The pair of a refresh, and what its commit needs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshedPair {
    /// The connection that the pair belongs to.
    pub id: ConnectionId,
    /// The pair whose refresh has brought it.
    pub predecessor: PairId,
    /// Its version once it is stored.
    pub version: i64,
    /// The grant that it was refreshed from.
    pub granted_by: GrantMark,
    /// Whose account it is for, if known.
    #[serde(deserialize_with = "Option::deserialize")]
    pub account_id: Option<String>,
    /// The pair itself, sealed.
    pub new: NewPair,
}

/// The text is not JSON of this form, or has another format version.
#[derive(Debug, thiserror::Error)]
#[error("the message is not a pair in escrow, or has another format version")]
pub struct InvalidEscrow;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    format: i64,
    pair: Escrowed,
}

impl Escrowed {
    /// The connection that the pair belongs to.
    pub fn id(&self) -> &ConnectionId {
        match self {
            Self::Refreshed(refreshed) => &refreshed.id,
            Self::Granted(grant) => &grant.id,
        }
    }

    /// The sealed pair.
    pub fn pair(&self) -> &SealedPair {
        match self {
            Self::Refreshed(refreshed) => &refreshed.new.pair,
            Self::Granted(grant) => &grant.new.pair,
        }
    }

    /// The body of the queue's message, with the format version.
    pub fn to_json(&self) -> String {
        let message = Message { format: FORMAT_VERSION, pair: self.clone() };
        serde_json::to_string(&message).expect("texts and numbers are JSON")
    }

    /// Reads the body of a message; a missing or an unknown member is an error.
    pub fn from_json(text: &str) -> Result<Self, InvalidEscrow> {
        let message: Message = serde_json::from_str(text).map_err(|_| InvalidEscrow)?;
        if message.format != FORMAT_VERSION {
            return Err(InvalidEscrow);
        }
        Ok(message.pair)
    }
}

#[cfg(test)]
mod tests;
