//! The pair that a customer's new grant has replaced.
//!
//! If the new grant is for another account, the old one would stay valid with nobody to end it: the next refresh, which can
//! open both, revokes it. For the same account a provider may have given both grants one token, or have ended the old one
//! itself, so it is left to expire.

use super::{Connection, SealedPair};
use crate::domain::connection_id::ConnectionId;
use crate::domain::item::{InconsistentItem, Item};
use crate::domain::token_pair::TokenSet;
use crate::domain::write::{Change, Test, Write, clause};

#[derive(Clone, Debug)]
pub struct Superseded {
    pub pair: SealedPair,
    /// Whose account it was for. Where that is not known nothing is kept, since nothing could be decided.
    pub account_id: String,
}

const ATTRIBUTES: [&str; 4] = ["superseded_set", "superseded_sealed", "superseded_key", "superseded_account"];

impl Superseded {
    pub fn by_a_grant(seen: &Connection) -> Option<Self> {
        let account = seen.account.as_ref()?;
        Some(Self { pair: seen.pair.clone(), account_id: account.account.id.clone() })
    }

    pub(super) fn from_item(item: &Item) -> Result<Option<Self>, InconsistentItem> {
        let Some(set) = item.optional_bytes("superseded_set")? else { return Ok(None) };
        Ok(Some(Self {
            pair: SealedPair {
                token_set: TokenSet::parse(set).ok_or(InconsistentItem { attribute: "superseded_set" })?,
                sealed: item.bytes("superseded_sealed")?.to_vec(),
                data_key: item.bytes("superseded_key")?.to_vec(),
            },
            account_id: item.string("superseded_account")?.to_owned(),
        }))
    }

    pub(super) fn changes(superseded: Option<&Self>) -> Vec<Change> {
        let Some(Self { pair, account_id }) = superseded else { return ATTRIBUTES.map(Change::Remove).to_vec() };
        vec![
            Change::Set("superseded_set", pair.token_set.as_bytes().to_vec().into()),
            Change::Set("superseded_sealed", pair.sealed.clone().into()),
            Change::Set("superseded_key", pair.data_key.clone().into()),
            Change::Set("superseded_account", account_id.as_str().into()),
        ]
    }
}

/// It is dealt with.
pub fn forget(id: &ConnectionId, superseded: &Superseded) -> Write {
    let set = superseded.pair.token_set.as_bytes().to_vec();
    Write {
        name: "forget superseded",
        key: id.as_str().to_owned(),
        clauses: vec![clause("it is the one that was dealt with", Test::Equals("superseded_set", set.into()))],
        changes: Superseded::changes(None),
    }
}
