//! When a row without refreshes is looked at: a pair waits for its confirmation there, or grants are to be revoked. It
//! stands in a shard of its own until nothing is left to do.

use super::attributes::{REFRESH_AT, SHARD};
use super::revision::{COUNTED, is_as_seen};
use super::revocation::{Revocation, Revocations, Verdict};
use super::{Connection, Row, State};
use crate::domain::schedule::VACANT_SHARD;
use crate::domain::time::Timestamp;
use crate::domain::write::{Change, Write, WriteName};

pub(super) fn is_to_be_worked_off(at: Timestamp) -> [Change; 2] {
    [Change::Set(SHARD, i64::from(VACANT_SHARD).into()), Change::Set(REFRESH_AT, at.into())]
}

/// Puts a row there to which something was added that is to be done at a time. `None` is no row.
pub(super) fn enter(seen: Option<&Row>, at: Timestamp) -> Vec<Change> {
    let Some(row) = seen else { return is_to_be_worked_off(at).into() };
    if is_refreshed(row) {
        return Vec::new();
    }
    let before = next_work(row, row.revocations().into_iter().flat_map(Revocations::iter));
    is_to_be_worked_off(before.map_or(at, |before| before.min(at))).into()
}

/// When a run looks at it again, after a write that leaves these grants in the list.
pub(super) fn looks_again<'a>(row: &Row, list: impl Iterator<Item = &'a Revocation>) -> Option<Change> {
    let at = next_work(row, list).filter(|_| !is_refreshed(row))?;
    Some(Change::Set(REFRESH_AT, at.into()))
}

/// Whether its own refresh looks at it.
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
            vec![Change::Remove(SHARD), Change::Remove(REFRESH_AT), COUNTED]
        }
        Row::Connection(connection) if is_given_up_and_done(row, connection) => vec![Change::Remove(SHARD), COUNTED],
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
