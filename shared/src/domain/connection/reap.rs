//! Which rows are dead for long, and the conditional deletes that remove them. Why, and after how long:
//! `docs/decisions/0010-the-dead-are-reaped-by-hand.md`.

use super::attributes::{NEEDS_CUSTOMER_SINCE, VACANT_SINCE};
use super::{Connection, Row, State, Tombstone};
use crate::domain::time::Timestamp;
use crate::domain::write::{Delete, Test, WriteName, clause};

/// What is to be done with a row.
#[derive(Debug)]
pub enum Reaping {
    /// It lives, or has died since the limit.
    Leave,
    Delete(Delete),
    /// It is dead, and grants of it are still to be revoked: it becomes a tombstone first, which the schedule works off.
    Disconnect,
}

/// What becomes of a row that is dead since before `limit`.
pub fn reap(row: &Row, limit: Timestamp) -> Reaping {
    match row {
        Row::Tombstone(tombstone) if tombstone.state() == State::Tombstone && tombstone.since < limit => {
            Reaping::Delete(delete_tombstone(tombstone))
        }
        Row::Connection(connection) => match connection.state.given_up_since() {
            Some(since) if since < limit && connection.expires_at < limit => {
                let is_empty = connection.revocations.is_empty() && connection.waiting.is_none();
                if is_empty { Reaping::Delete(delete_connection(connection, since)) } else { Reaping::Disconnect }
            }
            Some(_) | None => Reaping::Leave,
        },
        Row::Tombstone(_) | Row::Unreadable(_) => Reaping::Leave,
    }
}

fn delete_tombstone(tombstone: &Tombstone) -> Delete {
    Delete {
        name: WriteName::ReapTombstone,
        key: tombstone.id.as_str().to_owned(),
        // Its customer may have come back, and the connection may have been taken away once more.
        clauses: vec![clause(
            "it is the tombstone that was seen, and nothing was added to it",
            Test::Equals(VACANT_SINCE, tombstone.since.into()),
        )],
    }
}

fn delete_connection(connection: &Connection, since: Timestamp) -> Delete {
    Delete {
        name: WriteName::ReapConnection,
        key: connection.id.as_str().to_owned(),
        // A new grant, or a pair from the queue, removes that time.
        clauses: vec![clause(
            "it needs its customer since the time that was seen",
            Test::Equals(NEEDS_CUSTOMER_SINCE, since.into()),
        )],
    }
}
