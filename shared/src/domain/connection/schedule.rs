//! When the schedule looks at a row that is not refreshed: a pair waits for its confirmation in it, or grants are to be
//! revoked. All such rows are in one shard ([`VACANT_SHARD`]) until nothing is left to do in them.

use super::attributes::{REFRESH_AT, SHARD};
use super::revision::{NEXT_REVISION, is_as_seen};
use super::revocation::{Revocation, Revocations, Verdict};
use super::{Connection, Row, State};
use crate::domain::schedule::VACANT_SHARD;
use crate::domain::time::Timestamp;
use crate::domain::write::{Change, Write, WriteName};

pub(super) fn enter_vacant_shard(at: Timestamp) -> [Change; 2] {
    [Change::Set(SHARD, i64::from(VACANT_SHARD).into()), Change::Set(REFRESH_AT, at.into())]
}

/// For a write that adds work to a row, which is to be done at a time. `None` is no row.
pub(super) fn enter(seen: Option<&Row>, at: Timestamp) -> Vec<Change> {
    let Some(row) = seen else { return enter_vacant_shard(at).into() };
    if is_refreshed(row) {
        return Vec::new();
    }
    let before = next_work(row, row.revocations().into_iter().flat_map(Revocations::iter));
    enter_vacant_shard(before.map_or(at, |before| before.min(at))).into()
}

/// When the schedule looks at the row again, after a write that leaves these grants in the list.
pub(super) fn next_look<'a>(row: &Row, list: impl Iterator<Item = &'a Revocation>) -> Option<Change> {
    let at = next_work(row, list).filter(|_| !is_refreshed(row))?;
    Some(Change::Set(REFRESH_AT, at.into()))
}

/// Whether the row is refreshed: each refresh works the list off too, so the row stays in its own shard.
fn is_refreshed(row: &Row) -> bool {
    row.live().is_some_and(|live| live.state.given_up_since().is_none())
}

fn next_work<'a>(row: &Row, list: impl Iterator<Item = &'a Revocation>) -> Option<Timestamp> {
    let tries = list.filter(|grant| grant.verdict(row) != Verdict::Keep).map(|grant| grant.next_try_at);
    tries.chain(row.waiting().map(|waiting| waiting.until)).min()
}

/// Takes a row out of the schedule if nothing is left to do in it. `None` where something is, or where the schedule
/// refreshes it.
pub fn leave(row: &Row) -> Option<Write> {
    let changes = match row {
        Row::Tombstone(tombstone) if tombstone.state() == State::Tombstone && tombstone.refresh_at.is_some() => {
            vec![Change::Remove(SHARD), Change::Remove(REFRESH_AT), NEXT_REVISION]
        }
        Row::Connection(connection) if is_given_up_and_done(row, connection) => {
            vec![Change::Remove(SHARD), NEXT_REVISION]
        }
        Row::Tombstone(_) | Row::Connection(_) | Row::Unreadable(_) => return None,
    };
    let clauses = vec![is_as_seen(Some(row))];
    Some(Write { name: WriteName::LeaveSchedule, key: row.id().to_owned(), clauses, changes })
}

fn is_given_up_and_done(row: &Row, connection: &Connection) -> bool {
    let stays = |verdict| verdict == Verdict::Keep;
    connection.state.given_up_since().is_some()
        && connection.waiting.is_none()
        && connection.revocations.iter().all(|grant| stays(grant.verdict(row)))
}
