//! Which rows have been of no use for long, and the conditional deletes that remove them. Why, and after how long:
//! `docs/decisions/0010-the-dead-are-reaped-by-hand.md`.

use super::revision::is_as_seen;
use super::{Row, State};
use crate::domain::time::Timestamp;
use crate::domain::write::{Delete, WriteName};

/// What is to be done with a row.
#[derive(Debug)]
pub enum Reaping {
    /// It is in use, or has been out of use for less than the limit.
    Leave,
    /// It is out of use and nothing is left to do: this write deletes it, if it is as it was read.
    Delete(Delete),
    /// It is out of use, and grants of it are still to be revoked: it becomes a tombstone first, and the schedule
    /// revokes them.
    Disconnect,
}

/// What is done with a row that has been out of use since before `limit`.
pub fn reap(row: &Row, limit: Timestamp) -> Reaping {
    match row {
        Row::Tombstone(tombstone) if tombstone.state() == State::Tombstone && tombstone.since < limit => {
            delete(WriteName::ReapTombstone, row)
        }
        Row::Connection(connection) => match connection.state.given_up_since() {
            Some(since) if since < limit && connection.expires_at < limit => {
                let is_empty = connection.revocations.is_empty() && connection.waiting.is_none();
                if is_empty { delete(WriteName::ReapConnection, row) } else { Reaping::Disconnect }
            }
            Some(_) | None => Reaping::Leave,
        },
        Row::Tombstone(_) | Row::Unreadable(_) => Reaping::Leave,
    }
}

/// The condition fails if the customer has come back, a pair was stored from the queue, or something was added.
fn delete(name: WriteName, row: &Row) -> Reaping {
    Reaping::Delete(Delete { name, key: row.id().to_owned(), clauses: vec![is_as_seen(Some(row))] })
}
