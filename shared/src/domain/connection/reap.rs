//! Which rows are dead for long, and the conditional deletes that remove them. Why, and after how long:
//! `docs/decisions/0010-the-dead-are-reaped-by-hand.md`.

use super::attributes::VACANT_SINCE;
use super::{Connection, Row, State, Tombstone};
use crate::domain::failure_class::FailureClass;
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
        Row::Connection(connection) => match dead_since(connection) {
            Some(since) if since < limit && connection.expires_at < limit => {
                let is_empty = connection.revocations.is_empty() && connection.waiting.is_none();
                if is_empty { Reaping::Delete(delete_connection(connection)) } else { Reaping::Disconnect }
            }
            Some(_) | None => Reaping::Leave,
        },
        Row::Tombstone(_) | Row::Unreadable(_) => Reaping::Leave,
    }
}

/// Since when only its customer can help. A connection that a refresh may still revive is not dead.
fn dead_since(connection: &Connection) -> Option<Timestamp> {
    match connection.state {
        State::NeedsCustomer { why, since } if why != FailureClass::Refused => Some(since),
        _ => None,
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

fn delete_connection(connection: &Connection) -> Delete {
    Delete {
        name: WriteName::ReapConnection,
        key: connection.id.as_str().to_owned(),
        // No new grant is live, and none waits beside the dead pair. No late pair comes either: a message stays in the queue for
        // 14 days at most, and the row is dead for 30.
        clauses: vec![connection.revocations.is_as_seen()],
    }
}
