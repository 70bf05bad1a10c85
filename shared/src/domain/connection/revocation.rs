//! The grants that are still to be revoked: a list in the row, in slots.
//!
//! The write that replaces a grant (reconnect, import, confirmation, disconnect) also adds it to the list, so that no
//! grant is forgotten when a process dies. The list is worked off in the background ([`crate::protocol::revoke`]);
//! no caller waits for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attributes::{FORMAT_VERSION, REVOCATION, REVOKE};
use super::disconnect::RevocationOutcome;
use super::revision::{NEXT_REVISION, is_as_seen};
use super::{Connection, Row, SealedPair, schedule};
use crate::domain::item::{BadAttribute, Item};
use crate::domain::order::Order;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::PairId;
use crate::domain::write::{Change, Write, WriteName};

/// How long the revocation of a grant is tried.
pub const TRIED_FOR: Duration = Duration::from_secs(24 * 3600);

/// Longer than one try takes, so that two workers do not send the same revocation at the same time.
const FIRST_BACKOFF: Duration = Duration::from_secs(60);
const LONGEST_BACKOFF: Duration = Duration::from_secs(900);

/// A grant to revoke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    pub(super) format: i64,
    /// The sealed pair whose tokens are sent to the revocation endpoint (RFC 7009).
    pub pair: SealedPair,
    /// The order of the grant.
    pub order: Order,
    /// Whose account it is for, if known.
    #[serde(deserialize_with = "Option::deserialize")]
    pub account_id: Option<String>,
    /// When it was added.
    pub since: Timestamp,
    /// The earliest time of the next try: a new grant is tried at once, and each later try waits longer.
    pub next_try_at: Timestamp,
    pub(super) tries: u32,
}

/// The list, slot by slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations([Option<Revocation>; REVOKE.len()]);

/// What is to be done about a grant of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its tokens are sent to the revocation endpoint.
    Revoke,
    /// The live connection is of the same account: a provider may have given both grants one token, or may end all
    /// grants of the account. It is left to expire.
    LeaveToExpire,
    /// It is not known whether it is of the same account. It stays in the list until the connection is taken away.
    Keep,
}

/// The list with more grants, as parts of the write that adds them.
pub(super) struct Added {
    pub changes: Vec<Change>,
    /// The list was full: these were removed from it, and are not revoked.
    pub dropped: Vec<PairId>,
}

impl Revocation {
    /// An entry that is due at once, and has not been tried.
    pub fn new(pair: SealedPair, order: Order, account_id: Option<String>, now: Timestamp) -> Self {
        Self { format: FORMAT_VERSION, pair, order, account_id, since: now, next_try_at: now, tries: 0 }
    }

    /// The live pair of a connection that is replaced or taken away.
    pub fn of(connection: &Connection, now: Timestamp) -> Self {
        let account_id = connection.account.as_ref().map(|known| known.account.id.clone());
        Self::new(connection.pair.clone(), connection.granted_by.order, account_id, now)
    }

    fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|revocation: &Self| revocation.format == FORMAT_VERSION)
    }

    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("texts and numbers are JSON")
    }

    /// `row` is the row that lists it.
    pub fn verdict(&self, row: &Row) -> Verdict {
        let live = match row {
            Row::Connection(live) => live,
            Row::Tombstone(_) => return Verdict::Revoke,
            // Whether its account is connected is not known.
            Row::Unreadable(_) => return Verdict::Keep,
        };
        let live_account = live.account.as_ref().map(|known| &known.account.id);
        match (&self.account_id, live_account) {
            (Some(of_grant), Some(of_live)) if of_grant == of_live => Verdict::LeaveToExpire,
            (Some(_), Some(_)) => Verdict::Revoke,
            _ => Verdict::Keep,
        }
    }

    /// The entry while it is tried once more.
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

    /// Whether no grant is to be revoked.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// The grants, in the order of their slots; free slots are left out.
    pub fn iter(&self) -> impl Iterator<Item = &Revocation> {
        self.0.iter().flatten()
    }

    fn without(&self, pair: PairId) -> impl Iterator<Item = &Revocation> {
        self.iter().filter(move |revocation| revocation.pair.id != pair)
    }

    /// Whether the grant of this pair is in the list.
    pub fn contains(&self, pair: PairId) -> bool {
        self.iter().any(|revocation| revocation.pair.id == pair)
    }

    /// Puts grants into free slots; where there is none, in place of the oldest.
    pub(super) fn add(&self, grants: impl IntoIterator<Item = Revocation>) -> Added {
        let mut slots = self.0.clone();
        let mut added = Added { changes: Vec::new(), dropped: Vec::new() };
        for grant in grants {
            let oldest =
                slots.iter().zip(0..).min_by_key(|(slot, _)| slot.as_ref().map(|grant| (grant.order, grant.since)));
            let index: usize = oldest.map_or(0, |(_, index)| index);
            added.changes.push(Change::Set(REVOKE[index], grant.text().into()));
            added.dropped.extend(slots[index].replace(grant).map(|dropped| dropped.pair.id));
        }
        added
    }

    pub(super) fn slot(&self, revocation: &Revocation) -> Option<&'static str> {
        let index = self.0.iter().position(|slot| slot.as_ref() == Some(revocation))?;
        Some(REVOKE[index])
    }
}

/// Adds a grant that no row holds to the list of the row that it belongs to. `None` where the row cannot be read.
pub fn add(seen: &Row, grant: Revocation, now: Timestamp) -> Option<(Write, Vec<PairId>)> {
    let Added { mut changes, dropped } = seen.revocations()?.add([grant]);
    changes.push(NEXT_REVISION);
    changes.extend(schedule::enter(Some(seen), now));
    let clauses = vec![is_as_seen(Some(seen))];
    Some((Write { name: WriteName::AddRevocation, key: seen.id().to_owned(), clauses, changes }, dropped))
}

/// Takes a grant of the list for one try; the next try comes later, even if this process dies. Also returns the grant
/// as the list then has it.
pub fn claim(row: &Row, revocation: &Revocation, now: Timestamp) -> Option<(Write, Revocation)> {
    let slot = row.revocations()?.slot(revocation)?;
    let claimed = revocation.claimed(now);
    let mut changes = vec![Change::Set(slot, claimed.text().into()), NEXT_REVISION];
    changes.extend(schedule::next_look(row, row.revocations()?.without(revocation.pair.id).chain([&claimed])));
    // This also proves that no other worker has claimed it, and that its customer has not come back: this must not
    // overwrite the time of a live connection's next refresh.
    let clauses = vec![is_as_seen(Some(row))];
    Some((Write { name: WriteName::ClaimRevocation, key: row.id().to_owned(), clauses, changes }, claimed))
}

/// Takes a grant off the list.
pub fn remove(row: &Row, pair: PairId, outcome: RevocationOutcome) -> Option<Write> {
    let list = row.revocations()?;
    let grant = list.iter().find(|grant| grant.pair.id == pair)?;
    let slot = list.slot(grant)?;
    let mut changes = vec![Change::Remove(slot), NEXT_REVISION];
    changes.extend(schedule::next_look(row, list.without(pair)));
    // A grant that came after the disconnect, and was never confirmed, says nothing about how the disconnect ended.
    if let Row::Tombstone(tombstone) = row
        && tombstone.disconnected.is_some_and(|disconnected| grant.order <= disconnected)
        && tombstone.revocation != Some(RevocationOutcome::Failed)
    {
        changes.push(Change::Set(REVOCATION, outcome.as_str().into()));
    }
    let clauses = vec![is_as_seen(Some(row))];
    Some(Write { name: WriteName::RemoveRevocation, key: row.id().to_owned(), clauses, changes })
}
