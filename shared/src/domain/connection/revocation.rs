//! The grants that are still to be revoked: a list in the row, in slots.
//!
//! What a reconnect, an import, a confirmation or a disconnect replaces is put there by the same write, so that no grant
//! is forgotten when a process dies. The list is worked off in the background ([`crate::protocol::revoke`]); nothing waits
//! for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attributes::{FORMAT_VERSION, LIST_VERSION, REFRESH_AT, REVOCATION, REVOKE, SHARD, VACANT_SINCE};
use super::disconnect::Outcome;
use super::{Connection, Row, SealedPair};
use crate::domain::connection_id::ConnectionId;
use crate::domain::item::{BadAttribute, Item};
use crate::domain::order::Order;
use crate::domain::schedule::TAKEN_AWAY;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::PairId;
use crate::domain::write::{Change, Clause, Test, Write, WriteName, clause};

/// How long a grant is tried to be revoked.
pub const TRIED_FOR: Duration = Duration::from_secs(24 * 3600);

/// Longer than one try takes, so that two workers do not send it at once.
const FIRST_BACKOFF: Duration = Duration::from_secs(60);
const LONGEST_BACKOFF: Duration = Duration::from_secs(900);

/// A grant to revoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    pub(super) format: i64,
    pub pair: SealedPair,
    /// Whose account it is for, where that is known.
    pub account_id: Option<String>,
    /// Since when it is to be revoked.
    pub since: Timestamp,
    pub next_try_at: Timestamp,
    pub(super) tries: u32,
}

/// The list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    slots: [Option<Revocation>; REVOKE.len()],
    /// `None` where nothing was ever added.
    version: Option<i64>,
}

/// What is to be done about a grant of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Revoke,
    /// The live connection is of the same account: a provider may have given both grants one token, or may end all grants of
    /// the account. It is left to expire.
    LeaveToExpire,
    /// Whether it is of the same account is not known. It stays in the list until the connection is taken away.
    Keep,
}

/// The list with some grants more, as parts of the write that adds them.
pub struct Added {
    pub changes: Vec<Change>,
    /// The list was full: these fall out of it, and are not revoked.
    pub dropped: Vec<PairId>,
}

impl Revocation {
    pub fn new(pair: SealedPair, account_id: Option<String>, now: Timestamp) -> Self {
        Self { format: FORMAT_VERSION, pair, account_id, since: now, next_try_at: now, tries: 0 }
    }

    /// The live pair of a connection that is replaced or taken away.
    pub fn of(connection: &Connection, now: Timestamp) -> Self {
        let account_id = connection.account.as_ref().map(|known| known.account.id.clone());
        Self::new(connection.pair.clone(), account_id, now)
    }

    fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|revocation: &Self| revocation.format == FORMAT_VERSION)
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }

    /// `live` is the connection of the same row.
    pub fn verdict(&self, live: Option<&Connection>) -> Verdict {
        let Some(live) = live else { return Verdict::Revoke };
        let live_account = live.account.as_ref().map(|known| &known.account.id);
        match (&self.account_id, live_account) {
            (Some(of_grant), Some(of_live)) if of_grant == of_live => Verdict::LeaveToExpire,
            (Some(_), Some(_)) => Verdict::Revoke,
            _ => Verdict::Keep,
        }
    }

    /// As it is while it is tried once more.
    fn claimed(&self, now: Timestamp) -> Self {
        let wait = FIRST_BACKOFF.saturating_mul(1 << self.tries.min(8)).min(LONGEST_BACKOFF);
        Self { next_try_at: now + wait, tries: self.tries.saturating_add(1), ..self.clone() }
    }
}

impl Revocations {
    pub(super) fn parse(item: &Item) -> Result<Self, BadAttribute> {
        let mut list = Self { version: item.optional_number(LIST_VERSION)?, ..Self::default() };
        for (slot, name) in list.slots.iter_mut().zip(REVOKE) {
            *slot = match item.optional_string(name)? {
                None => None,
                Some(text) => Some(Revocation::parse(text).ok_or(BadAttribute(name))?),
            };
        }
        Ok(list)
    }

    pub fn is_empty(&self) -> bool {
        self.slots.iter().all(Option::is_none)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Revocation> {
        self.slots.iter().flatten()
    }

    pub fn contains(&self, pair: PairId) -> bool {
        self.iter().any(|revocation| revocation.pair.id == pair)
    }

    /// Puts grants into free slots; where there is none, in place of the oldest.
    pub(super) fn add(&self, grants: impl IntoIterator<Item = Revocation>) -> Added {
        let mut slots = self.slots.clone();
        let mut added = Added { changes: vec![CHANGED], dropped: Vec::new() };
        for grant in grants {
            let oldest = || slots.iter().enumerate().min_by_key(|(_, slot)| slot.as_ref().map(|grant| grant.since));
            let Some((index, seen)) = oldest().map(|(index, slot)| (index, slot.clone())) else { continue };
            let name = REVOKE[index];
            added.changes.push(Change::Set(name, grant.text().into()));
            added.dropped.extend(seen.map(|seen| seen.pair.id));
            slots[index] = Some(grant);
        }
        added
    }

    /// No grant was added or taken off since, no pair has begun or ceased to wait, and there is a live pair as before, or none.
    pub(super) fn is_as_seen(&self) -> Clause {
        let test = self.version.map_or(Test::Absent(LIST_VERSION), |seen| Test::Equals(LIST_VERSION, seen.into()));
        clause("the list of grants to revoke is as it was seen", test)
    }

    pub(super) fn slot(&self, revocation: &Revocation) -> Option<&'static str> {
        let index = self.slots.iter().position(|slot| slot.as_ref() == Some(revocation))?;
        Some(REVOKE[index])
    }
}

/// Adds a grant that no row holds to the list of the row that it belongs to.
pub fn add(id: &ConnectionId, seen: &Row, grant: Revocation, now: Timestamp) -> Option<(Write, Vec<PairId>)> {
    let Added { mut changes, dropped } = seen.revocations()?.add([grant]);
    let clauses = vec![seen.revocations()?.is_as_seen()];
    if matches!(seen, Row::Tombstone(_)) {
        changes.extend(is_to_be_worked_off(now));
    }
    let write = Write { name: WriteName::AddRevocation, key: id.as_str().to_owned(), clauses, changes };
    Some((write, dropped))
}

/// Of every write that [`Revocations::is_as_seen`] speaks of.
pub(super) const CHANGED: Change = Change::Add(LIST_VERSION, 1);

/// Of a write that makes a row. The id may have had a row before, which was deleted: its versions were lower, since the order of
/// an id's events does not begin anew.
pub(super) fn first_version(order: Order) -> Change {
    Change::Set(LIST_VERSION, order.number().into())
}

/// Where the schedule finds a row without a live pair. A row with one is worked off by its own refresh. The time says that
/// something was added, to a worker that is about to delete the row.
pub(super) fn is_to_be_worked_off(now: Timestamp) -> [Change; 3] {
    [
        Change::Set(SHARD, i64::from(TAKEN_AWAY).into()),
        Change::Set(REFRESH_AT, now.into()),
        Change::Set(VACANT_SINCE, now.into()),
    ]
}

/// Takes a grant of the list for one try: the next one comes later, also if this process dies. Returns the grant as it is
/// then in the list.
pub fn claim(row: &Row, revocation: &Revocation, now: Timestamp) -> Option<(Write, Revocation)> {
    let slot = row.revocations()?.slot(revocation)?;
    let claimed = revocation.claimed(now);
    let mut clauses =
        vec![clause("it is as it was seen: no other worker has it", Test::Equals(slot, revocation.text().into()))];
    let mut changes = vec![Change::Set(slot, claimed.text().into())];
    if matches!(row, Row::Tombstone(_)) {
        // Of a connection that has come back, the time would be that of its refresh.
        clauses.push(row.revocations()?.is_as_seen());
        changes.push(Change::Set(REFRESH_AT, claimed.next_try_at.into()));
    }
    let write = Write { name: WriteName::ClaimRevocation, key: row.id().to_owned(), clauses, changes };
    Some((write, claimed))
}

/// Takes a grant off the list. With the last one a row without a live pair leaves the schedule.
pub fn remove(row: &Row, pair: PairId, outcome: Outcome) -> Option<Write> {
    let list = row.revocations()?;
    let revocation = list.iter().find(|revocation| revocation.pair.id == pair)?;
    let mut changes = vec![CHANGED, Change::Remove(list.slot(revocation)?)];
    if let Row::Tombstone(tombstone) = row {
        if tombstone.revocation != Some(Outcome::Failed) {
            changes.push(Change::Set(REVOCATION, outcome.as_str().into()));
        }
        if list.iter().count() == 1 && tombstone.waiting.is_none() {
            changes.extend([Change::Remove(SHARD), Change::Remove(REFRESH_AT)]);
        }
    }
    let clauses = vec![list.is_as_seen()];
    Some(Write { name: WriteName::RemoveRevocation, key: row.id().to_owned(), clauses, changes })
}
