//! Takes a connection away: what `DELETE` does.
//!
//! 1. take the next number in the order of the id's events: every journey that began before is refused from now on
//! 2. **disconnect**: no token is handed out any more; the grants are in the list of those to revoke
//! 3. work the list off; the schedule tries again what does not succeed at once
//!
//! A refresh in flight finds no predecessor for its pair, and adds the pair to the list.

use std::sync::Arc;

use super::orders::Orders;
use super::revoke::{Revoking, log_dropped};
use crate::domain::connection::disconnect::{self, RevocationOutcome};
use crate::domain::connection::{Row, State, Tombstone};
use crate::domain::connection_id::ConnectionId;
use crate::domain::time::Timestamp;
use crate::domain::write::Written;
use crate::ports::{Clock, ReadConnections, StoreError, WriteConnections};

/// How often a row may change before it is taken away.
const TRIES: usize = 10;

/// Takes a connection away. Only the integrator's routes have all the permissions that it needs.
pub struct Disconnecting {
    /// Reads the row that is taken away.
    pub connections: Arc<dyn ReadConnections>,
    /// Makes the row a tombstone, if it is as it was read.
    pub writes: Arc<dyn WriteConnections>,
    /// Gives the disconnect its place in the order of the id's events.
    pub orders: Orders,
    /// Tries to revoke the grants at once, as long as the deadline allows it.
    pub revoking: Arc<Revoking>,
    /// The time of the disconnect.
    pub clock: Arc<dyn Clock>,
}

/// How far the disconnect has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disconnection {
    /// The connection was taken away, and no revocation is left to do: their outcome.
    Ended(RevocationOutcome),
    /// The connection was taken away, and the schedule continues with its revocations.
    Pending,
    /// There is no such connection.
    NotFound,
}

impl Disconnecting {
    /// Can be repeated: for a row that was taken away before, it returns the outcome. An unreadable row is an error.
    pub async fn disconnect(&self, id: &ConnectionId, deadline: Timestamp) -> Result<Disconnection, StoreError> {
        // 1.
        let order = self.orders.take(id).await?;
        // 2.
        let mut row = self.connections.row(id).await?;
        for _ in 0..TRIES {
            let Some(seen) = row else { return Ok(Disconnection::NotFound) };
            if let Row::Unreadable(unreadable) = seen {
                return Err(unreadable.into());
            }
            let Some((write, dropped)) = disconnect::disconnect(&seen, order, self.clock.now()) else {
                // It was taken away before. A caller that asks again gets the outcome: the first answer may have been
                // "pending", or was lost.
                return self.work_off(seen, deadline).await;
            };
            log_dropped(dropped);
            row = match self.writes.write(&write).await? {
                Written::Applied(row) => {
                    // 3.
                    return self.work_off(row, deadline).await;
                }
                Written::ConditionFailed(image) => image,
            };
        }
        Err(StoreError::changed_at_every_try())
    }

    async fn work_off(&self, row: Row, deadline: Timestamp) -> Result<Disconnection, StoreError> {
        match self.revoking.work_off(row, &[], deadline).await? {
            Row::Tombstone(tombstone) => Ok(how_it_ended(&tombstone)),
            // The customer has come back meanwhile.
            Row::Connection(_) => Ok(Disconnection::Pending),
            Row::Unreadable(unreadable) => Err(unreadable.into()),
        }
    }
}

fn how_it_ended(tombstone: &Tombstone) -> Disconnection {
    match (tombstone.state(), tombstone.revocation) {
        (State::Disconnecting, _) => Disconnection::Pending,
        (_, Some(outcome)) => Disconnection::Ended(outcome),
        // It was never connected.
        (_, None) => Disconnection::NotFound,
    }
}
