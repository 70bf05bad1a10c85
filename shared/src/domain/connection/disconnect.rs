//! The write that takes a connection away. From then on no token is handed out, and a journey that began before cannot
//! restore it. Its grants are in the list of those to revoke, and the row is a tombstone.

use super::Row;
use super::attributes::{DISCONNECT_ORDER, REVOCATION, STATUS, VACANT, VACANT_SINCE, removed_by_a_tombstone};
use super::revision::{NEXT_REVISION, is_as_seen};
use super::revocation::{Added, Revocation};
use super::schedule::enter_vacant_shard;
use crate::domain::order::Order;
use crate::domain::time::Timestamp;
use crate::domain::token_pair::PairId;
use crate::domain::write::{Change, Write, WriteName};

/// What became of the grants of a connection that was taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationOutcome {
    /// The provider has ended them.
    Done,
    /// The provider has no endpoint for it.
    Off,
    /// The provider has refused, or has failed for a day.
    Failed,
}

impl RevocationOutcome {
    const ALL: [Self; 3] = [Self::Done, Self::Off, Self::Failed];

    /// The value of the attribute `revocation`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Off => "off",
            Self::Failed => "failed",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// Takes away what a row holds: the live pair and the waiting pair. `None` where it holds neither.
pub fn disconnect(seen: &Row, order: Order, now: Timestamp) -> Option<(Write, Vec<PairId>)> {
    let live = seen.live().map(|live| Revocation::of(live, now));
    let waiting = seen.waiting().map(|waiting| waiting.revocation(now));
    if live.is_none() && waiting.is_none() {
        return None;
    }
    // Of two requests at once, the earlier one may write last: the higher number stays.
    let order = seen.disconnected().map_or(order, |before| before.max(order));
    // A grant that came after the disconnect took its number, and before this write, is taken away too.
    let taken_away = live.into_iter().chain(waiting).map(|grant| Revocation { order: grant.order.min(order), ..grant });
    let Added { changes: mut sets, dropped } = seen.revocations()?.add(taken_away);
    sets.extend([
        NEXT_REVISION,
        Change::Set(STATUS, VACANT.into()),
        Change::Set(VACANT_SINCE, now.into()),
        Change::Set(DISCONNECT_ORDER, order.number().into()),
    ]);
    sets.extend(enter_vacant_shard(now));
    let is_set = |name: &str| sets.iter().any(|set| set.attribute() == name);
    let mut changes: Vec<Change> = removed_by_a_tombstone().filter(|remove| !is_set(remove.attribute())).collect();
    changes.push(Change::Remove(REVOCATION));
    changes.extend(sets);
    let clauses = vec![is_as_seen(Some(seen))];
    Some((Write { name: WriteName::Disconnect, key: seen.id().to_owned(), clauses, changes }, dropped))
}
