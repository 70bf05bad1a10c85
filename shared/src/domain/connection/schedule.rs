//! When a row without refreshes is looked at: a pair waits for its confirmation there, or grants are to be revoked. It
//! stands in a shard of its own until nothing is left to do.

use super::attributes::{REFRESH_AT, SHARD};
use super::revision::{COUNTED, is_as_seen};
use super::revocation::Verdict;
use super::{Connection, Row, State};
use crate::domain::schedule::VACANT_SHARD;
use crate::domain::time::Timestamp;
use crate::domain::write::{Change, Write, WriteName};

pub(super) fn is_to_be_worked_off(now: Timestamp) -> [Change; 2] {
    [Change::Set(SHARD, i64::from(VACANT_SHARD).into()), Change::Set(REFRESH_AT, now.into())]
}

/// Puts a row there that something was added to. `None` is no row.
pub(super) fn enter(seen: Option<&Row>, now: Timestamp) -> Vec<Change> {
    match seen.and_then(Row::live).map(|live| live.state.given_up_since()) {
        // Its own refresh looks at it.
        Some(None) => Vec::new(),
        Some(Some(_)) => vec![Change::Set(SHARD, i64::from(VACANT_SHARD).into())],
        None => is_to_be_worked_off(now).into(),
    }
}

/// Takes a row out of the schedule if nothing is left to do in it. `None` where something is, or where the schedule
/// refreshes it.
pub fn leave(row: &Row) -> Option<Write> {
    let changes = match row {
        Row::Tombstone(tombstone) if tombstone.state() == State::Tombstone && tombstone.refresh_at.is_some() => {
            vec![Change::Remove(SHARD), Change::Remove(REFRESH_AT), COUNTED]
        }
        Row::Connection(connection) if is_given_up_and_done(connection) => vec![Change::Remove(SHARD), COUNTED],
        Row::Tombstone(_) | Row::Connection(_) | Row::Unreadable(_) => return None,
    };
    let clauses = vec![is_as_seen(Some(row))];
    Some(Write { name: WriteName::LeaveSchedule, key: row.id().to_owned(), clauses, changes })
}

fn is_given_up_and_done(connection: &Connection) -> bool {
    let stays = |verdict| verdict == Verdict::Keep;
    connection.state.given_up_since().is_some()
        && connection.waiting.is_none()
        && connection.revocations.iter().all(|grant| stays(grant.verdict(Some(connection))))
}
