//! The grants that are still to be revoked: a list in the row, in slots.
//!
//! What a reconnect, an import, a confirmation or a disconnect replaces is put there by the same write, so that no grant
//! is forgotten when a process dies. The list is worked off in the background ([`crate::protocol::revoke`]); nothing waits
//! for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attributes::{FORMAT_VERSION, REFRESH_AT, REVOCATION, REVOKE, SHARD, STATUS, VACANT_SINCE, WAITING_ID};
use super::disconnect::Outcome;
use super::refresh::needs_its_customer;
use super::{Connection, Row, SealedPair};
use crate::domain::connection_id::ConnectionId;
use crate::domain::item::{BadAttribute, Item};
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

/// The list, slot by slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations([Option<Revocation>; REVOKE.len()]);

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
    pub clauses: Vec<Clause>,
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
        let mut slots = Self::default();
        for (slot, name) in slots.0.iter_mut().zip(REVOKE) {
            *slot = match item.optional_string(name)? {
                None => None,
                Some(text) => Some(Revocation::parse(text).ok_or(BadAttribute(name))?),
            };
        }
        Ok(slots)
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Revocation> {
        self.0.iter().flatten()
    }

    pub fn contains(&self, pair: PairId) -> bool {
        self.iter().any(|revocation| revocation.pair.id == pair)
    }

    /// Puts grants into free slots; where there is none, in place of the oldest.
    pub(super) fn add(&self, grants: impl IntoIterator<Item = Revocation>) -> Added {
        let mut slots = self.0.clone();
        let mut added = Added { clauses: Vec::new(), changes: Vec::new(), dropped: Vec::new() };
        for grant in grants {
            let oldest = || slots.iter().enumerate().min_by_key(|(_, slot)| slot.as_ref().map(|grant| grant.since));
            let Some((index, seen)) = oldest().map(|(index, slot)| (index, slot.clone())) else { continue };
            let name = REVOKE[index];
            let test = match &seen {
                None => Test::Absent(name),
                Some(seen) => Test::Equals(name, seen.text().into()),
            };
            added.clauses.push(clause("the slot for what it replaces is as it was seen", test));
            added.changes.push(Change::Set(name, grant.text().into()));
            added.dropped.extend(seen.map(|seen| seen.pair.id));
            slots[index] = Some(grant);
        }
        added
    }

    /// The slots that hold a grant.
    fn slots(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().zip(REVOKE).filter(|(slot, _)| slot.is_some()).map(|(_, name)| name)
    }

    pub(super) fn slot(&self, revocation: &Revocation) -> Option<&'static str> {
        let index = self.0.iter().position(|slot| slot.as_ref() == Some(revocation))?;
        Some(REVOKE[index])
    }
}

/// Adds a grant that no row holds to the list of the row that it belongs to.
pub fn add(id: &ConnectionId, seen: &Row, grant: Revocation, now: Timestamp) -> Option<(Write, Vec<PairId>)> {
    let Added { clauses, mut changes, dropped } = seen.revocations()?.add([grant]);
    let mut clauses = clauses;
    let (status, is_vacant) = super::codec::status_of(seen)?;
    clauses
        .push(clause("the row has a live pair as before, or has none as before", Test::Equals(STATUS, status.into())));
    if is_vacant {
        changes.extend(is_to_be_worked_off(now));
    }
    let write = Write { name: WriteName::AddRevocation, key: id.as_str().to_owned(), clauses, changes };
    Some((write, dropped))
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
    let mut changes = vec![Change::Set(slot, claimed.text().into())];
    if matches!(row, Row::Tombstone(_)) {
        changes.push(Change::Set(REFRESH_AT, claimed.next_try_at.into()));
    }
    let write = Write {
        name: WriteName::ClaimRevocation,
        key: row.id().to_owned(),
        clauses: vec![clause(
            "it is as it was seen: no other worker has it",
            Test::Equals(slot, revocation.text().into()),
        )],
        changes,
    };
    Some((write, claimed))
}

/// Takes a grant off the list. With the last one a row without a live pair leaves the schedule: two workers that take off the
/// last two at once must not both believe that the other grant is still there.
pub fn remove(row: &Row, revocation: &Revocation, outcome: Outcome) -> Option<Write> {
    let slot = row.revocations()?.slot(revocation)?;
    let (status, _) = super::codec::status_of(row)?;
    let mut clauses = vec![
        clause("it is the one that was dealt with", Test::Equals(slot, revocation.text().into())),
        clause("the row has a live pair as before, or has none as before", Test::Equals(STATUS, status.into())),
    ];
    let mut changes = vec![Change::Remove(slot)];
    if let Row::Connection(connection) = row
        && let Some(since) = connection.state.given_up_since()
        && connection.waiting.is_none()
        && connection.revocations.slots().eq([slot])
    {
        clauses.push(needs_its_customer(since));
        clauses.push(clause("no pair waits for its confirmation", Test::Absent(WAITING_ID)));
        changes.push(Change::Remove(SHARD));
    }
    if let Row::Tombstone(tombstone) = row {
        if tombstone.revocation != Some(Outcome::Failed) {
            changes.push(Change::Set(REVOCATION, outcome.as_str().into()));
        }
        let others: Vec<Test> =
            tombstone.revocations.slots().filter(|other| *other != slot).map(Test::Exists).collect();
        if tombstone.waiting.is_none() && !others.is_empty() {
            clauses.push(clause("another grant is still in the list", Test::Any(others)));
        } else if let Some(refresh_at) = tombstone.refresh_at.filter(|_| tombstone.waiting.is_none()) {
            let is_as_seen = Test::Equals(REFRESH_AT, refresh_at.into());
            clauses.push(clause("nothing was added since the row was read", is_as_seen));
            changes.extend([Change::Remove(SHARD), Change::Remove(REFRESH_AT)]);
        }
    }
    Some(Write { name: WriteName::RemoveRevocation, key: row.id().to_owned(), clauses, changes })
}
