//! Stores a customer's grant: for the callback, for the import and for the queue.
//!
//! The meaning of each refusal:
//!
//! | refusal | the session | the page | the import's answer |
//! |---|---|---|---|
//! | `SessionUsed` | `failed`, `session_used`; `completed` stays | this link has been used | – |
//! | `Disconnected` | `failed`, `disconnected` | the connection was taken away | 503 `unavailable`: to be sent again |
//! | `Superseded` | `failed`, `exists` | connected in the meantime | 409 `connection_exists` |
//!
//! A refused grant goes to the list of grants to revoke. Beside a live connection it stays in the list until that
//! connection is taken away: its account is not known, and a provider may have given two browsers the same token.

use std::sync::Arc;
use std::time::Duration;

use super::escrow::PairStore;
use super::revoke::{RevocationList, log_dropped};
use crate::domain::connection::Row;
use crate::domain::connection::grant::{Decision, NewGrant, Refusal, connect, to_be_identified};
use crate::domain::connection::revocation::Revocation;
use crate::domain::connection::waiting::await_confirmation;
use crate::domain::escrow::Escrowed;
use crate::domain::time::Timestamp;
use crate::domain::write::Written;
use crate::ports::{Clock, StoreError};

/// How often a row may change while a grant is stored.
const TRIES: u32 = 10;

/// Stores a grant, or adds it to the revocation list when it is refused.
pub struct Connecting {
    /// From [`Deployment::refresh_every`](super::Deployment::refresh_every): the first refresh is due by it.
    pub refresh_every: Duration,
    /// Whether the process that stores a grant asks for its account.
    pub asks_for_accounts: bool,
    /// The table, and the queue for a grant that is in this process only.
    pub pairs: PairStore,
    /// Takes the grants that are refused.
    pub list: RevocationList,
    /// The time at which a grant is stored, or refused.
    pub clock: Arc<dyn Clock>,
}

/// Where else the grant is, as long as it is not stored.
#[derive(Clone, Copy, Debug)]
pub enum Kept {
    /// Only in this process: if the table does not accept it, it goes to the queue.
    InMemory {
        /// When the invocation ends: the table is tried until then.
        deadline: Timestamp,
    },
    /// In the queue, or with the caller, who can bring it again.
    Elsewhere,
}

/// What became of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// It is in the row: live, or waiting for its confirmation.
    Yes,
    /// The row, and why the grant is refused. It is in the revocation list, if a row exists.
    No(Refusal),
}

impl Connecting {
    /// Stores the grant over the row that was seen. If the row has changed, `decide` decides again on the changed row.
    pub async fn store(&self, grant: &NewGrant, mut seen: Option<Row>, kept: Kept) -> Result<Stored, StoreError> {
        for _ in 0..TRIES {
            match grant.decide(seen.as_ref()) {
                Ok(Decision::Store) => {}
                Ok(Decision::AlreadyStored) => return Ok(Stored::Yes),
                Ok(Decision::Refuse(refusal)) => {
                    let left = Revocation::new(grant.new.pair.clone(), grant.order, None, self.clock.now());
                    return match self.list.add(left, seen).await {
                        Ok(()) => Ok(Stored::No(refusal)),
                        Err(error) => Err(self.put_off(grant, kept, error).await),
                    };
                }
                // An unreadable row is never overwritten.
                Err(unreadable) => return Err(self.put_off(grant, kept, unreadable.into()).await),
            }
            let now = self.clock.now();
            let (write, dropped) = match &grant.awaited {
                None => {
                    let (write, dropped) = connect(grant, seen.as_ref(), self.refresh_every, now);
                    // A grant that comes from the queue has no process that could ask for its account.
                    let is_asked = self.asks_for_accounts && matches!(kept, Kept::InMemory { .. });
                    (if is_asked { to_be_identified(write, seen.as_ref()) } else { write }, dropped)
                }
                Some(awaited) => await_confirmation(grant, awaited, seen.as_ref(), now),
            };
            log_dropped(dropped);
            let written = match kept {
                Kept::InMemory { deadline } => self.pairs.store(&write, || escrowed(grant), deadline).await?,
                Kept::Elsewhere => self.pairs.writes.write(&write).await?,
            };
            seen = match written {
                Written::Applied(_) => return Ok(Stored::Yes),
                Written::ConditionFailed(image) => image,
            };
        }
        Err(self.put_off(grant, kept, StoreError::changed_at_every_try()).await)
    }

    /// The grant waits in the queue until the row can be read.
    async fn put_off(&self, grant: &NewGrant, kept: Kept, error: StoreError) -> StoreError {
        if let Kept::InMemory { .. } = kept {
            self.pairs.put_into_queue(&escrowed(grant)).await;
        }
        error
    }
}

fn escrowed(grant: &NewGrant) -> Escrowed {
    Escrowed::Granted(Box::new(grant.clone()))
}
