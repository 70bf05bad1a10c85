//! A sealed pair that the table could not take, with what its conditional write needs. Nothing in it is readable without
//! the key: it may wait in a queue.

use serde::{Deserialize, Serialize};

use super::connection::SealedPair;
use super::connection::grant::{NewGrant, NewPair};
use super::connection_id::ConnectionId;
use super::token_pair::PairId;

const FORMAT_VERSION: i64 = 1;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Escrowed {
    /// Of a refresh: the pair, the one that it was made from, and the version that it becomes.
    Refreshed {
        id: ConnectionId,
        predecessor: PairId,
        version: i64,
        /// Whose account it is for, where that is known.
        account_id: Option<String>,
        /// The name of its grant.
        granted_by: String,
        new: Box<NewPair>,
    },
    /// Of a customer's grant.
    Granted { grant: Box<NewGrant> },
}

#[derive(Debug, thiserror::Error)]
#[error("the message is no pair in escrow, or of another format version")]
pub struct InvalidEscrow;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    format: i64,
    pair: Escrowed,
}

impl Escrowed {
    pub fn id(&self) -> &ConnectionId {
        match self {
            Self::Refreshed { id, .. } => id,
            Self::Granted { grant } => &grant.id,
        }
    }

    pub fn pair(&self) -> &SealedPair {
        match self {
            Self::Refreshed { new, .. } => &new.pair,
            Self::Granted { grant } => &grant.new.pair,
        }
    }

    pub fn to_json(&self) -> String {
        let message = Message { format: FORMAT_VERSION, pair: self.clone() };
        serde_json::to_string(&message).expect("texts and numbers are JSON")
    }

    pub fn from_json(text: &str) -> Result<Self, InvalidEscrow> {
        let message: Message = serde_json::from_str(text).map_err(|_| InvalidEscrow)?;
        if message.format != FORMAT_VERSION {
            return Err(InvalidEscrow);
        }
        Ok(message.pair)
    }
}
