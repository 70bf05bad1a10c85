//! Takes a pair from the queue, and stores it under the condition of its first try.

use std::sync::Arc;

use super::connect::{Connecting, Kept, Stored};
use super::refresh::{CommitOutcome, Failure, Refreshing};
use crate::domain::connection::grant::Refusal;
use crate::domain::escrow::Escrowed;
use crate::ports::ReadConnections;

/// Stores pairs from the queue.
pub struct Replaying {
    /// Reads the row of a grant, which may have changed since.
    pub connections: Arc<dyn ReadConnections>,
    /// Commits the pair of a refresh again.
    pub refreshing: Arc<Refreshing>,
    /// Stores the pair of a grant again.
    pub connecting: Arc<Connecting>,
}

/// The result of storing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// Stored, now or before.
    Stored,
    /// A newer pair is stored.
    Superseded,
    /// Its connection was taken away, and the pair is in the list of grants to revoke.
    ToBeRevoked,
}

impl Replaying {
    /// Can be repeated. After an error the message has to stay in the queue: the pair may be nowhere else.
    pub async fn replay(&self, escrowed: &Escrowed) -> Result<Replayed, Failure> {
        match escrowed {
            Escrowed::Refreshed(refreshed) => {
                let landed = self.refreshing.commit_again(refreshed).await?;
                Ok(match landed {
                    CommitOutcome::Stored(_) => Replayed::Stored,
                    CommitOutcome::Superseded(_) => Replayed::Superseded,
                    CommitOutcome::Orphaned => Replayed::ToBeRevoked,
                })
            }
            Escrowed::Granted(grant) => {
                let seen = self.connections.row(&grant.id).await?;
                Ok(match self.connecting.store(grant, seen, Kept::Elsewhere).await? {
                    Stored::Yes => Replayed::Stored,
                    Stored::No(Refusal::Disconnected) => Replayed::ToBeRevoked,
                    Stored::No(Refusal::SessionUsed | Refusal::Superseded) => Replayed::Superseded,
                })
            }
        }
    }
}
