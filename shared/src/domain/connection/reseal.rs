//! The conditional write that puts a pair under another data key.

use super::attributes::{DATA_KEY, SEALED, WAITING};
use super::revision::NEXT_REVISION;
use super::revocation::Revocation;
use super::{Row, SealedPair, waiting};
use crate::domain::write::{Change, Test, Write, WriteName, clause};

/// Every pair that a row holds: the live one, the waiting one, and those that are still to be revoked.
pub fn held(row: &Row) -> Vec<SealedPair> {
    let live = match row {
        Row::Connection(connection) => Some(&connection.pair),
        Row::Tombstone(_) | Row::Unreadable(_) => None,
    };
    let waiting = row.waiting().map(|waiting| &waiting.grant.new.pair);
    let to_revoke = row.revocations().into_iter().flat_map(|list| list.iter().map(|revocation| &revocation.pair));
    live.into_iter().chain(waiting).chain(to_revoke).cloned().collect()
}

/// The pair under another data key. It stays the same pair: its id does not change, so that a refresh in flight still
/// finds its predecessor. `None` where the row does not hold it.
///
/// A refresh in flight holds the data key that it has read, and its [`super::refresh::commit`] stores `sealed` and
/// `data_key` together. So the pair opens after the two writes in either order. Where the commit comes last, the pair
/// is under the earlier key again, and another run seals it again.
pub fn reseal(row: &Row, pair: &SealedPair) -> Option<Write> {
    // No two seals are equal. So this write overwrites neither a newer pair, nor a pair that another run has sealed
    // meanwhile, maybe under a newer key than ours.
    let write = |clause, mut changes: Vec<Change>| {
        // A worker that read the row before must not write the earlier seal to another attribute.
        changes.push(NEXT_REVISION);
        Write { name: WriteName::Reseal, key: row.id().to_owned(), clauses: vec![clause], changes }
    };
    if let Row::Connection(connection) = row
        && connection.pair.id == pair.id
    {
        let is_seen = Test::Equals(SEALED, connection.pair.sealed.clone().into());
        let changes =
            vec![Change::Set(SEALED, pair.sealed.clone().into()), Change::Set(DATA_KEY, pair.data_key.clone().into())];
        return Some(write(clause("the stored seal is the one that was opened", is_seen), changes));
    }
    if let Some(waits) = row.waiting().filter(|waits| waits.pair_id() == pair.id) {
        let mut grant = waits.grant.clone();
        grant.new.pair = pair.clone();
        let is_seen = Test::Equals(WAITING, waiting::text(&waits.grant).into());
        let changes = vec![Change::Set(WAITING, waiting::text(&grant).into())];
        return Some(write(clause("the stored seal is the one that was opened", is_seen), changes));
    }
    let list = row.revocations()?;
    let revocation = list.iter().find(|revocation| revocation.pair.id == pair.id)?;
    let resealed = Revocation { pair: pair.clone(), ..revocation.clone() };
    let slot = list.slot(revocation)?;
    let is_seen = Test::Equals(slot, revocation.text().into());
    let changes = vec![Change::Set(slot, resealed.text().into())];
    Some(write(clause("the stored seal is the one that was opened", is_seen), changes))
}
